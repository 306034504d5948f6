//! No failure domain of a level whose loss is survived without an operator holds
//! half or more of a service's voters: the others must be a majority.
//!
//! ```text
//! 2 · (Σ_{e in d} m[p,e] + witnesses in d) <= Σ_l (leaders(l) - 1) · x[p,l]
//! ```
//!
//! A Redis Cluster elects with the masters that it had: see "Replica election and
//! promotion" in the Redis Cluster specification. Elasticsearch elects with more
//! than half of its voting configuration: see "Quorum-based decision making" in the
//! Elasticsearch reference.

use super::choice::of_layout;
use super::problem::Problem;
use super::program::{Program, Sum};
use super::variables::Variables;

pub(super) fn add(problem: &Problem, variables: &Variables, program: &mut Program) {
    let Some(leader_level) = problem.leader_level() else { return };
    let small = problem.domains(leader_level);
    let levels: Vec<_> = problem.quorum_levels().collect();
    for (part, entry) in problem.parts.iter().enumerate().filter(|(_, part)| part.votes()) {
        if entry.candidates.is_empty() {
            continue;
        }
        let voters =
            of_layout(problem, variables, part, |one| i64::from(one.leaders).saturating_sub(1));
        for (_, hosts) in levels.iter().flat_map(|level| problem.domains(*level)) {
            let within = |domain: usize| {
                small.get(domain).is_some_and(|(_, inner)| inner.iter().all(|s| hosts.contains(s)))
            };
            let mut row = Sum::default();
            for (_, _, var) in variables.leaders.iter().filter(|(p, d, _)| *p == part && within(*d))
            {
                row.add(2, *var);
            }
            row.add_sum(2, &variables.on(part, &hosts, true));
            row.add_sum(-1, &voters);
            program.at_most(row, 0);
        }
    }
}

//! Leading instances elsewhere than their service prefers, which a plan keeps few:
//!
//! ```text
//! w[p,d] >= m[p,d] - Σ_{s, r of preferred hosts in d} n[p,s,r]
//! ```
//!
//! Any of the instances that a failure domain `d` holds may be those that lead, so as many of
//! them are on preferred hosts as these hold. Where no loss is survived, all hosts are one
//! domain.

use super::choice::of_layout;
use super::problem::Problem;
use super::program::{Program, Sum};
use super::variables::Variables;
use crate::sizing::Candidate;

impl Problem<'_> {
    /// Whether a service prefers hosts for its leading instances.
    #[must_use]
    pub fn has_preferences(&self) -> bool {
        !self.preferred.is_empty()
    }

    /// Whether a part prefers a host for its leading instances.
    #[must_use]
    pub fn is_preferred(&self, part: usize, host: usize) -> bool {
        let hosts = self.preferred.get(&part);
        hosts.and_then(|hosts| hosts.get(host)).copied().unwrap_or(false)
    }
}

/// Returns the leading instances that are elsewhere.
pub(super) fn misplaced(problem: &Problem, variables: &Variables, program: &mut Program) -> Sum {
    let mut all = Sum::default();
    for part in problem.preferred.keys().copied() {
        for (mut leading, hosts) in leading(problem, variables, part) {
            let preferred: Vec<usize> =
                hosts.into_iter().filter(|host| problem.is_preferred(part, *host)).collect();
            let elsewhere = program.variable(format!("w {part}"), None);
            leading.add_sum(-1, &variables.on(part, &preferred, false));
            leading.add(-1, elsewhere);
            program.at_most(leading, 0);
            all.add(1, elsewhere);
        }
    }
    all
}

/// Returns the leading instances of a part by failure domain, with its hosts.
fn leading(problem: &Problem, variables: &Variables, part: usize) -> Vec<(Sum, Vec<usize>)> {
    let Some(level) = problem.leader_level() else {
        let leaders = |one: &Candidate| {
            i64::from(one.leaders.saturating_sub(u32::from(one.layout.witness.is_some())))
        };
        let all = of_layout(problem, variables, part, leaders);
        return vec![(all, (0..problem.hosts.len()).collect())];
    };
    let domains = problem.domains(level);
    let own = variables.leaders.iter().filter(|(other, _, _)| *other == part);
    let of = |(_, domain, var): &(usize, usize, _)| {
        let (_, hosts) = domains.get(*domain)?;
        Some(([(1, *var)].into_iter().collect(), hosts.clone()))
    };
    own.filter_map(of).collect()
}

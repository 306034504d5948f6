//! What one failure domain `d` of a promised level holds of a service, the witness
//! not counted, and the leading instances among it:
//!
//! ```text
//! Σ_{s, r in d} n[p,s,r] <= Σ_l max_per_domain(l) · x[p,l]
//! m[p,d] <= Σ_{s, r in d} n[p,s,r]
//! Σ_d m[p,d] = Σ_l (leaders(l) - witness(l)) · x[p,l]
//! ```
//!
//! `max_per_domain` is the number of groups where no two copies of a group may share a
//! domain. Proof that this is enough for any number `k` of copies. Let `N[d]` instances be in
//! `d`, `M[d]` of them leading, `G` the groups: `Σ N = k·G`, `Σ M = G`,
//! `M[d] <= N[d] <= G`. Give each group the domain of its leading instance, `M[d]`
//! groups to `d`. By the theorem of Gale and Ryser the other copies can be dealt
//! out, at most one of a group per domain and none where the group leads, if each
//! set `S` of domains needs no more than the groups can take there:
//! `Σ_S (N - M) <= a · min(k-1, |S|-1) + (G-a) · min(k-1, |S|)` with
//! `a = Σ_S M`. For `|S| >= k` the right side is `G·(k-1)`, which is all there is;
//! else it is `G·|S| - a`, and `Σ_S N <= G·|S|`.
//!
//! For quorums and pools `max_per_domain` also keeps enough instances elsewhere to carry the
//! demand.

use super::choice::of_layout;
use super::problem::{PartKind, Problem};
use super::program::{Program, Sum};
use super::variables::Variables;

pub(super) fn add(problem: &Problem, variables: &Variables, program: &mut Program) {
    for survive in &problem.survive {
        for (_, hosts) in problem.domains(survive.level) {
            together(problem, variables, program, &hosts);
        }
    }
    leaders(problem, variables, program);
}

/// Limits what one domain holds of each service.
fn together(problem: &Problem, variables: &Variables, program: &mut Program, hosts: &[usize]) {
    for (part, entry) in problem.parts.iter().enumerate() {
        if !matches!(entry.kind, PartKind::Service(_)) {
            continue;
        }
        let mut row = variables.on(part, hosts, false);
        if row.is_empty() {
            continue;
        }
        let max_per_domain = |one: &crate::sizing::Candidate| {
            i64::from(one.max_per_domain.unwrap_or(one.layout.instances))
        };
        row.add_sum(-1, &of_layout(problem, variables, part, max_per_domain));
        program.at_most(row, 0);
    }
}

fn leaders(problem: &Problem, variables: &Variables, program: &mut Program) {
    let Some(level) = problem.leader_level() else { return };
    let domains = problem.domains(level);
    for (part, entry) in problem.parts.iter().enumerate() {
        let own = || variables.leaders.iter().filter(|(other, _, _)| *other == part);
        if !matches!(entry.kind, PartKind::Service(_)) || own().next().is_none() {
            continue;
        }
        let mut all = of_layout(problem, variables, part, |one| {
            -i64::from(one.leaders.saturating_sub(u32::from(one.layout.witness.is_some())))
        });
        for (_, domain, var) in own() {
            all.add(1, *var);
            let Some((_, hosts)) = domains.get(*domain) else { continue };
            let mut row = Sum::default();
            row.add(1, *var);
            row.add_sum(-1, &variables.on(part, hosts, false));
            program.at_most(row, 0);
        }
        program.equal(all, 0);
    }
}

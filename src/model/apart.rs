//! The copies of a group stand in different failure domains. With two copies
//! counts are enough to say so:
//!
//! ```text
//! m[p,d] <= Σ_{r in d} n[p,·,r] <= Σ_l groups(l) · x[p,l]
//! Σ_d m[p,d] = Σ_l groups(l) · x[p,l]
//! ```
//!
//! Proof that every master can then be paired with a replica elsewhere. Let `M`
//! and `R` be masters and replicas per domain, `G` the groups, so `Σ M = Σ R = G`
//! and `M[d] + R[d] <= G`. By Hall's theorem a perfect pairing exists if each set
//! `S` of masters has at least `|S|` replicas outside the domain of one of its
//! members. If `S` has masters of two domains, these are all `G` replicas. If all
//! of `S` stands in `d`, these are `G - R[d] >= M[d] >= |S|`.

use super::choice::of_groups;
use super::problem::{Kind, Problem};
use super::program::{Program, Sum};
use super::variables::Variables;

pub(super) fn add(problem: &Problem, variables: &Variables, program: &mut Program) {
    let Some(level) = problem.level else { return };
    let domains = problem.domains(level);
    for (part, entry) in problem.parts.iter().enumerate() {
        if entry.kind != Kind::Service {
            continue;
        }
        let groups = of_groups(problem, variables, part, 0);
        let mut all = Sum::default();
        all.add_sum(-1, &groups);
        for (domain, (_, sites)) in domains.iter().enumerate() {
            let here = variables.on(part, sites);
            let mut at_most_groups = here.clone();
            at_most_groups.add_sum(-1, &groups);
            program.at_most(at_most_groups, 0);
            let masters = variables.masters.iter().filter(|(p, d, _)| (*p, *d) == (part, domain));
            for (_, _, var) in masters {
                all.add(1, *var);
                let mut masters_exist = Sum::default();
                masters_exist.add(1, *var);
                masters_exist.add_sum(-1, &here);
                program.at_most(masters_exist, 0);
            }
        }
        program.equal(all, 0);
    }
}

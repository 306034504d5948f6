//! One layout for each part, and exactly its instances:
//!
//! ```text
//! Σ_l x[p,l] <= 1                          services; = 1 for fixed machines
//! Σ_r n[p,s,r] = Σ_l instances(l,s) · x[p,l]
//! ```

use super::problem::{Part, PartKind, Problem};
use super::program::{Program, Sum};
use super::variables::Variables;
use crate::sizing::Candidate;

pub(super) fn add(problem: &Problem, variables: &Variables, program: &mut Program) {
    for (index, part) in problem.parts.iter().enumerate() {
        let Some(layouts) = variables.layouts.get(index) else { continue };
        let chosen: Sum = layouts.iter().map(|var| (1, *var)).collect();
        match part.kind {
            PartKind::Service(_) => program.at_most(chosen, 1),
            PartKind::Fixed(_) => program.equal(chosen, 1),
        }
        for (number, shape) in part.shapes.iter().enumerate() {
            let pairs = layouts.iter().zip(&part.candidates);
            let mut balance: Sum =
                pairs.map(|(var, one)| (-i64::from(Part::count(one, *shape)), *var)).collect();
            for count in variables.counts.iter().filter(|c| (c.part, c.shape) == (index, number)) {
                balance.add(1, count.var);
            }
            program.equal(balance, 0);
        }
    }
}

/// `Σ_l of(l) · x[p,l]`, for rules about the chosen layout.
pub(super) fn of_layout(
    problem: &Problem,
    variables: &Variables,
    part: usize,
    of: impl Fn(&Candidate) -> i64,
) -> Sum {
    let layouts = variables.layouts.get(part).into_iter().flatten();
    let candidates = problem.parts.get(part).into_iter().flat_map(|part| &part.candidates);
    layouts.zip(candidates).map(|(var, candidate)| (of(candidate), *var)).collect()
}

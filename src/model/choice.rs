//! One layout for each part, and exactly its instances:
//!
//! ```text
//! Σ_l x[p,l] <= 1                          services; = 1 for fixed machines
//! Σ_r n[p,s,r] = Σ_{l of shape s} groups(l) · copies(l) · x[p,l]
//! ```

use super::problem::{Kind, Problem};
use super::program::{Program, Sum, Var};
use super::variables::Variables;

pub(super) fn add(problem: &Problem, variables: &Variables, program: &mut Program) {
    for (index, part) in problem.parts.iter().enumerate() {
        let Some(layouts) = variables.layouts.get(index) else { continue };
        let chosen: Sum = layouts.iter().map(|var| (1, *var)).collect();
        match part.kind {
            Kind::Service => program.at_most(chosen, 1),
            Kind::Fixed(_) => program.equal(chosen, 1),
        }
        for (number, shape) in part.shapes.iter().enumerate() {
            let of_shape = |(place, var): (usize, &Var)| {
                let mut same = part.of_shape(*shape);
                let (_, candidate) = same.find(|(other, _)| *other == place)?;
                Some((-i64::from(candidate.layout.instances()), *var))
            };
            let mut balance: Sum = layouts.iter().enumerate().filter_map(of_shape).collect();
            for count in variables.counts.iter().filter(|c| (c.part, c.shape) == (index, number)) {
                balance.add(1, count.var);
            }
            program.equal(balance, 0);
        }
    }
}

/// `Σ_l (groups(l) + offset) · x[p,l]`, for rules about the chosen layout.
pub(super) fn of_groups(problem: &Problem, variables: &Variables, part: usize, offset: i64) -> Sum {
    let layouts = variables.layouts.get(part).into_iter().flatten();
    let candidates = problem.parts.get(part).into_iter().flat_map(|part| &part.candidates);
    layouts
        .zip(candidates)
        .map(|(var, candidate)| (i64::from(candidate.layout.groups) + offset, *var))
        .collect()
}

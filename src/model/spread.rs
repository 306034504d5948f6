//! Fixed machines that are to be spread: at most so many per failure domain `d` of the level
//! that they state.
//!
//! ```text
//! Σ_{r in d} n[p,s,r] <= at_most(p)
//! ```

use super::problem::{FixedRules, PartKind, Problem};
use super::program::{Program, int};
use super::variables::Variables;

pub(super) fn add(problem: &Problem, variables: &Variables, program: &mut Program) {
    for (part, entry) in problem.parts.iter().enumerate() {
        let PartKind::Fixed(FixedRules { spread: Some(spread), .. }) = entry.kind else {
            continue;
        };
        for (_, hosts) in problem.domains(spread.per) {
            program.at_most(variables.on(part, &hosts, false), int(spread.most()));
        }
    }
}

//! Fixed machines that are to be spread: at most one per failure domain `d` of
//! the level that they state.
//!
//! ```text
//! Σ_{r in d} n[p,s,r] <= 1
//! ```

use super::problem::{FixedRules, PartKind, Problem};
use super::program::Program;
use super::variables::Variables;

pub(super) fn add(problem: &Problem, variables: &Variables, program: &mut Program) {
    for (part, entry) in problem.parts.iter().enumerate() {
        let PartKind::Fixed(FixedRules { spread: Some(level), .. }) = entry.kind else {
            continue;
        };
        for (_, hosts) in problem.domains(level) {
            program.at_most(variables.on(part, &hosts, false), 1);
        }
    }
}

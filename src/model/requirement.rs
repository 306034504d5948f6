//! Requirements of `explain --why-not`, which are rows beyond the rules:
//!
//! ```text
//! Σ_{s, r of h} n[p,s,r] >= least
//! ```

use super::problem::Problem;
use super::program::{Program, Sum, int};
use super::variables::Variables;

pub(super) fn add(problem: &Problem, variables: &Variables, program: &mut Program) {
    for requirement in &problem.requirements {
        let mut row = Sum::default();
        for witnesses in [false, true] {
            row.add_sum(-1, &variables.on(requirement.part, &[requirement.host], witnesses));
        }
        program.at_most(row, -int(requirement.least));
    }
}

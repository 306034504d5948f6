//! Hosts that are alike are filled in one order, so that the solver does not
//! search through their permutations:
//!
//! ```text
//! u[h] >= u[h+1]    and    cores taken on h >= cores taken on h+1
//! ```
//!
//! No solution is lost: alike hosts of one class also stand in the same failure
//! domains above the host, so swapping all that stands on them changes no rule.

use super::cores::taken;
use super::problem::Problem;
use super::program::{Program, Sum};
use super::variables::Variables;

pub(super) fn add(problem: &Problem, variables: &Variables, program: &mut Program) {
    for (site, pair) in problem.sites.windows(2).enumerate() {
        let [before, after] = pair else { continue };
        if before.class != after.class {
            continue;
        }
        if let (Some(first), Some(second)) =
            (variables.used.get(site), variables.used.get(site + 1))
        {
            program.at_most([(1, *second), (-1, *first)].into_iter().collect(), 0);
        }
        let mut row = Sum::default();
        for (factor, index) in [(1, site + 1), (-1, site)] {
            for at in 0..before.rooms.len() {
                row.add_sum(factor, &taken(problem, variables, index, at));
            }
        }
        program.at_most(row, 0);
    }
}

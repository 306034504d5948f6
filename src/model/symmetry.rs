//! Hosts that are alike are filled in one order, so that the solver does not
//! search through their permutations:
//!
//! ```text
//! u[h] >= u[h+1]
//! ```
//!
//! Ordering their instances as well would leave fewer solutions, but was
//! slower by far: the solver then finds good ones late.
//!
//! No solution is lost: equal hosts of one class are also in the same failure
//! domains above the host, so swapping all their instances changes no rule.

use super::problem::Problem;
use super::program::Program;
use super::variables::Variables;

pub(super) fn add(problem: &Problem, variables: &Variables, program: &mut Program) {
    for (host, pair) in problem.hosts.windows(2).enumerate() {
        let [before, after] = pair else { continue };
        if before.class != after.class {
            continue;
        }
        if let (Some(first), Some(second)) =
            (variables.used.get(host), variables.used.get(host + 1))
        {
            program.at_most([(1, *second), (-1, *first)].into_iter().collect(), 0);
        }
    }
}

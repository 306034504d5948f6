//! No failure domain holds half or more of a service's masters: the others must
//! be a majority, or nobody may promote the replicas of those that are lost.
//!
//! ```text
//! 2 · m[p,d] <= Σ_l (groups(l) - 1) · x[p,l]
//! ```
//!
//! A Redis Cluster elects with the masters that it had: see "Replica election
//! and promotion" in the Redis Cluster specification.

use super::choice::of_groups;
use super::problem::Problem;
use super::program::{Program, Sum};
use super::variables::Variables;

pub(super) fn add(problem: &Problem, variables: &Variables, program: &mut Program) {
    for (part, _, var) in &variables.masters {
        let mut row = Sum::default();
        row.add(2, *var);
        row.add_sum(-1, &of_groups(problem, variables, *part, -1));
        program.at_most(row, 0);
    }
}

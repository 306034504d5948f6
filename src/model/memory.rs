//! Memory of each NUMA node, behind pages of one size:
//!
//! ```text
//! Σ_{p,s} memory(s) · n[p,s,r] <= memory(r) · u[h] + slack[r]
//! ```

use super::numa::{self, NumaResource};
use super::problem::Problem;
use super::program::Program;
use super::variables::Variables;
use super::{Elastic, Slack};

pub(super) fn add(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    elastic: Elastic,
) {
    let memory = NumaResource {
        name: "memory",
        need: |_, _, shape| shape.memory_mib,
        has: |numa| numa.memory_mib,
        slack: elastic.memory.then_some(Slack::Memory),
    };
    numa::add(problem, variables, program, &memory);
}

//! Memory of each NUMA node, behind pages of one size:
//!
//! ```text
//! Σ_{p,s} memory(s) · n[p,s,r] <= memory(r) · u[h] + slack[r]
//! ```

use super::numa::{self, Resource};
use super::problem::Problem;
use super::program::Program;
use super::variables::Variables;
use super::{Relaxed, Short};

pub(super) fn add(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    relaxed: Relaxed,
) {
    let memory = Resource {
        name: "memory",
        need: |_, _, shape| shape.memory_mib,
        has: |room| room.memory_mib,
        slack: relaxed.memory.then_some(Short::Memory),
    };
    numa::add(problem, variables, program, &memory);
}

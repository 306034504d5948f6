//! Memory of each NUMA node, behind pages of one size, and what QEMU itself takes beside
//! it ([`crate::topology::overhead`]): of the same memory where the pages are ordinary ones,
//! else of what is outside of the huge pages:
//!
//! ```text
//! Σ_{p,s} (memory(s) + overhead(s,h)) · n[p,s,r] <= memory(r) · u[h] + slack[r]    ordinary pages
//! Σ_{p,s} memory(s) · n[p,s,r] <= memory(r) · u[h] + slack[r]                      huge pages
//! Σ_{p,s} overhead(s,h) · n[p,s,r] <= outside(r) · u[h] + slack[r]                 huge pages
//! ```

use super::numa::{self, NumaResource};
use super::problem::Problem;
use super::program::Program;
use super::variables::Variables;
use super::{Elastic, Slack};

/// Memory, and that for QEMU beside huge pages, without slack.
pub(super) const MEMORY: [NumaResource; 2] = [
    NumaResource {
        name: "memory",
        need: |problem, host, numa, shape| problem.memory(host, numa, shape),
        has: |numa| Some(numa.memory_mib),
        slack: None,
    },
    NumaResource {
        name: "overhead",
        need: |problem, host, _, shape| problem.overhead(host, shape),
        has: |numa| numa.overhead_mib,
        slack: None,
    },
];

pub(super) fn add(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    elastic: Elastic,
) {
    for resource in MEMORY {
        let slack = elastic.memory.then_some(Slack::Memory as fn(usize) -> Slack);
        numa::add(problem, variables, program, &NumaResource { slack, ..resource });
    }
}

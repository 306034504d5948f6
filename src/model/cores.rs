//! Whole cores of each NUMA node: SMT siblings never belong to two VMs, so an
//! instance takes `ceil(vcpus / threads)` cores:
//!
//! ```text
//! Σ_{p,s} ceil(vcpus(s) / threads(h)) · n[p,s,r] <= cores(r) · u[h] + slack[r]
//! ```

use super::numa::{self, Resource};
use super::problem::{Problem, Shape};
use super::program::{Program, Sum};
use super::variables::Variables;
use super::{Relaxed, Short};

const NEED: fn(&Problem, usize, Shape) -> u64 = |problem, site, shape| problem.cores(site, shape);

pub(super) fn add(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    relaxed: Relaxed,
) {
    let cores = Resource {
        name: "cores",
        need: NEED,
        has: |room| room.cores,
        slack: relaxed.cores.then_some(Short::Cores),
    };
    numa::add(problem, variables, program, &cores);
}

/// Cores taken on a NUMA node.
pub(super) fn taken(problem: &Problem, variables: &Variables, site: usize, at: usize) -> Sum {
    numa::taken(problem, variables, (site, at), NEED)
}

//! Whole cores of each NUMA node: SMT siblings never belong to two VMs, so an
//! instance takes `ceil(vcpus / threads)` cores:
//!
//! ```text
//! Σ_{p,s} ceil(vcpus(s) / threads(h)) · n[p,s,r] <= cores(r) · u[h] + slack[r]
//! ```

use super::numa::{self, NumaResource};
use super::problem::{NumaCapacity, Problem, Shape};
use super::program::{Program, Sum};
use super::variables::Variables;
use super::{Elastic, Slack};

const NEED: fn(&Problem, usize, &NumaCapacity, Shape) -> u64 =
    |problem, host, _, shape| problem.cores(host, shape);

/// Cores without slack.
pub(super) const CORES: NumaResource =
    NumaResource { name: "cores", need: NEED, has: |numa| Some(numa.cores), slack: None };

pub(super) fn add(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    elastic: Elastic,
) {
    let cores = NumaResource { slack: elastic.cores.then_some(Slack::Cores), ..CORES };
    numa::add(problem, variables, program, &cores);
}

/// Returns the cores taken on a NUMA node.
pub(super) fn taken(problem: &Problem, variables: &Variables, host: usize, at: usize) -> Sum {
    numa::taken(problem, variables, (host, at), NEED)
}

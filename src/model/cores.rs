//! Whole cores of each NUMA node, which no VM leaves; SMT siblings never belong
//! to two VMs, so an instance takes `ceil(vcpus / threads)` cores:
//!
//! ```text
//! Σ_{p,s} ceil(vcpus(s) / threads(h)) · n[p,s,r] <= cores(r) · u[h] + slack[r]
//! ```

use super::problem::Problem;
use super::program::{Program, Sum, int};
use super::variables::Variables;
use super::{Relaxed, Short};

pub(super) fn add(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    relaxed: Relaxed,
) {
    for (site, host) in problem.sites.iter().enumerate() {
        for (at, room) in host.rooms.iter().enumerate() {
            let mut row = taken(problem, variables, site, at);
            if row.is_empty() {
                continue;
            }
            if relaxed.cores {
                let slack = program.variable(format!("short cores {site} {at}"), None);
                row.add(-1, slack);
                variables.slacks.push((Short::Cores(site), slack));
            }
            if let Some(used) = variables.used.get(site) {
                row.add(-int(room.cores), *used);
            }
            program.at_most(row, 0);
        }
    }
}

/// Cores taken on a NUMA node.
pub(super) fn taken(problem: &Problem, variables: &Variables, site: usize, at: usize) -> Sum {
    let cores = |count: &super::variables::Count| {
        let shape = problem.parts.get(count.part)?.shapes.get(count.shape)?;
        Some((int(problem.cores(site, *shape)), count.var))
    };
    variables.in_room(site, at).filter_map(cores).collect()
}

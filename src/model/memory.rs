//! Memory of each NUMA node, behind pages of one size:
//!
//! ```text
//! Σ_{p,s} memory(s) · n[p,s,r] <= memory(r) · u[h] + slack[r]
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
            let size = |count: &super::variables::Count| {
                let shape = problem.parts.get(count.part)?.shapes.get(count.shape)?;
                Some((int(shape.memory_mib), count.var))
            };
            let mut row: Sum = variables.in_room(site, at).filter_map(size).collect();
            if row.is_empty() {
                continue;
            }
            if relaxed.memory {
                let slack = program.variable(format!("short memory {site} {at}"), None);
                row.add(-1, slack);
                variables.slacks.push((Short::Memory(site), slack));
            }
            if let Some(used) = variables.used.get(site) {
                row.add(-int(room.memory_mib), *used);
            }
            program.at_most(row, 0);
        }
    }
}

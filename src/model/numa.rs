//! What instances take of each NUMA node, which none of them leaves:
//!
//! ```text
//! Σ_{p,s} need(s,h) · n[p,s,r] <= has(r) · u[h] + slack[r]
//! ```

use super::Short;
use super::problem::{Problem, Room, Shape};
use super::program::{Program, Sum, int};
use super::variables::{Count, Variables};

/// A resource of NUMA nodes.
pub(super) struct Resource {
    /// Its name.
    pub name: &'static str,
    /// What an instance of a shape takes on the host with that index.
    pub need: fn(&Problem, usize, Shape) -> u64,
    /// What a NUMA node has.
    pub has: fn(&Room) -> u64,
    /// What the slack of the host with that index is called; `None` for no slack.
    pub slack: Option<fn(usize) -> Short>,
}

pub(super) fn add(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    resource: &Resource,
) {
    for (site, host) in problem.sites.iter().enumerate() {
        for (at, room) in host.rooms.iter().enumerate() {
            let mut row = taken(problem, variables, (site, at), resource.need);
            if row.is_empty() {
                continue;
            }
            if let Some(short) = resource.slack {
                let name = format!("short {} {site} {at}", resource.name);
                let slack = program.variable(name, None);
                row.add(-1, slack);
                variables.slacks.push((short(site), slack));
            }
            if let Some(used) = variables.used.get(site) {
                row.add(-int((resource.has)(room)), *used);
            }
            program.at_most(row, 0);
        }
    }
}

/// What is taken of a resource on a NUMA node, given by host and place.
pub(super) fn taken(
    problem: &Problem,
    variables: &Variables,
    (site, at): (usize, usize),
    need: fn(&Problem, usize, Shape) -> u64,
) -> Sum {
    let of = |count: &Count| {
        let shape = problem.parts.get(count.part)?.shapes.get(count.shape)?;
        Some((int(need(problem, site, *shape)), count.var))
    };
    variables.in_room(site, at).filter_map(of).collect()
}

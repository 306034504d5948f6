//! What instances take of each NUMA node, which none of them leaves:
//!
//! ```text
//! Σ_{p,s} need(s,r) · n[p,s,r] <= has(r) · u[h] + slack[r]
//! ```

use super::Slack;
use super::problem::{NumaCapacity, Problem, Shape};
use super::program::{Program, Sum, int};
use super::variables::{InstanceCount, Variables};

/// A resource of NUMA nodes.
pub(super) struct NumaResource {
    /// Its name.
    pub name: &'static str,
    /// What an instance of a shape takes on a NUMA node of the host with that index.
    pub need: fn(&Problem, usize, &NumaCapacity, Shape) -> u64,
    /// What a NUMA node has; `None` for no limit of this kind.
    pub has: fn(&NumaCapacity) -> Option<u64>,
    /// What the slack of the host with that index is called; `None` for no slack.
    pub slack: Option<fn(usize) -> Slack>,
}

pub(super) fn add(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    resource: &NumaResource,
) {
    for (host, entry) in problem.hosts.iter().enumerate() {
        for (at, numa) in entry.numa.iter().enumerate() {
            let Some(has) = (resource.has)(numa) else { continue };
            let mut row = taken(problem, variables, (host, at), resource.need);
            if row.is_empty() {
                continue;
            }
            if let Some(short) = resource.slack {
                let name = format!("short {} {host} {at}", resource.name);
                let slack = program.variable(name, None);
                row.add(-1, slack);
                variables.slacks.push((short(host), slack));
            }
            if let Some(used) = variables.used.get(host) {
                row.add(-int(has), *used);
            }
            program.at_most(row, 0);
        }
    }
}

/// Returns what is taken of a resource on a NUMA node, given by host and place.
pub(super) fn taken(
    problem: &Problem,
    variables: &Variables,
    (host, at): (usize, usize),
    need: fn(&Problem, usize, &NumaCapacity, Shape) -> u64,
) -> Sum {
    let numa = problem.hosts.get(host).and_then(|host| host.numa.get(at));
    let of = |count: &InstanceCount| {
        let shape = problem.parts.get(count.part)?.shapes.get(count.shape)?;
        Some((int(need(problem, host, numa?, *shape)), count.var))
    };
    variables.on_numa(host, at).filter_map(of).collect()
}

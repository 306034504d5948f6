//! Space and I/O operations of each pool. All volumes of an instance are in one
//! pool of its host:
//!
//! ```text
//! Σ_k q[p,s,k] = Σ_{r of h} n[p,s,r]                       hosts with several pools
//! Σ_{p,s} disk(s) · q[p,s,k] <= space(k) + slack[k]
//! Σ_{p,s} iops(s) · q[p,s,k] <= iops(k) + slack[k]         pools whose disk is known
//! ```
//!
//! On a host with one pool, `q` is the count on the host. A host whose pools are
//! not known takes no volume.

use super::problem::{CandidateHost, Problem, Shape};
use super::program::{Program, Sum, int};
use super::variables::{InstanceCount, Variables};
use super::{Elastic, Slack};

/// What the instances of a pool share.
pub(super) struct PoolResource {
    name: &'static str,
    /// What an instance takes.
    pub need: fn(Shape) -> u64,
    /// What each pool has, in the order of the host's pools; `None` for no limit.
    pub has: fn(&CandidateHost) -> Vec<Option<u64>>,
    /// What the slack of the pool with these indices is called; `None` for no slack.
    slack: Option<fn(usize, usize) -> Slack>,
}

/// Space, without slack.
pub(super) const SPACE: PoolResource = PoolResource {
    name: "disk",
    need: |shape| shape.disk_mib,
    // A host without a pool takes no volume: a pool of nothing.
    has: |host| match host.pools.as_slice() {
        [] => vec![Some(0)],
        pools => pools.iter().map(|(_, space)| Some(*space)).collect(),
    },
    slack: None,
};

/// I/O operations, without slack.
pub(super) const OPERATIONS: PoolResource = PoolResource {
    name: "iops",
    need: |shape| shape.iops_per_s,
    has: |host| {
        let known = |pool: &crate::topology::Pool| Some(pool.iops_per_s?.get());
        host.pools.iter().map(|(pool, _)| known(pool)).collect()
    },
    slack: None,
};

pub(super) fn add(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    elastic: Elastic,
) {
    for (host, entry) in problem.hosts.iter().enumerate() {
        if entry.pools.len() > 1 {
            link(problem, variables, program, host);
        }
    }
    let space = PoolResource { slack: elastic.disk.then_some(Slack::Disk), ..SPACE };
    let operations = PoolResource { slack: elastic.iops.then_some(Slack::Iops), ..OPERATIONS };
    for resource in [space, operations] {
        share(problem, variables, program, &resource);
    }
}

fn share(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    resource: &PoolResource,
) {
    for (host, entry) in problem.hosts.iter().enumerate() {
        for (at, has) in (resource.has)(entry).into_iter().enumerate() {
            let Some(has) = has else { continue };
            let mut row = taken(problem, variables, (host, at), resource.need);
            if row.is_empty() {
                continue;
            }
            if let Some(short) = resource.slack {
                let slack = program.variable(format!("short {} {host} {at}", resource.name), None);
                row.add(-1, slack);
                variables.slacks.push((short(host, at), slack));
            }
            program.at_most(row, int(has));
        }
    }
}

/// Returns what is taken of a pool, given by host and place.
pub(super) fn taken(
    problem: &Problem,
    variables: &Variables,
    (host, at): (usize, usize),
    need: fn(Shape) -> u64,
) -> Sum {
    let of = |count: &InstanceCount| {
        let shape = problem.parts.get(count.part)?.shapes.get(count.shape)?;
        Some((int(need(*shape)), count.var))
    };
    if problem.hosts.get(host).is_none_or(|entry| entry.pools.len() <= 1) {
        return variables.on_host(host).filter_map(of).collect();
    }
    let here = variables.pools.iter().filter(|count| (count.host, count.at) == (host, at));
    here.filter_map(of).collect()
}

fn link(problem: &Problem, variables: &Variables, program: &mut Program, host: usize) {
    for (part, entry) in problem.parts.iter().enumerate() {
        for shape in 0..entry.shapes.len() {
            let of = |count: &&InstanceCount| {
                (count.part, count.shape, count.host) == (part, shape, host)
            };
            let mut row: Sum = variables.pools.iter().filter(of).map(|c| (1, c.var)).collect();
            for count in variables.counts.iter().filter(of) {
                row.add(-1, count.var);
            }
            program.equal(row, 0);
        }
    }
}

//! Which hosts can take the smallest instance of each part when they are empty.

use super::{Rejection, Remedy, Resource, Shortage, Why};
use crate::model::{CandidateHost, Part, Problem, Shape};
use crate::units::PerSecond;

/// Returns the parts that fit nowhere.
pub(super) fn short(problem: &Problem) -> Vec<Shortage> {
    let is_unplaceable = |part: &&Part| {
        let fits = |shape: &Shape| (0..problem.hosts.len()).any(|at| fits(problem, at, *shape));
        !part.shapes.is_empty() && !part.shapes.iter().any(fits)
    };
    problem
        .parts
        .iter()
        .filter(is_unplaceable)
        .filter_map(|part| unplaceable(problem, part))
        .collect()
}

/// Returns the hosts that cannot take the smallest instance of a part even if they are
/// empty.
#[must_use]
pub fn rejections(problem: &Problem) -> Vec<Rejection> {
    let mut found = Vec::new();
    for part in &problem.parts {
        let Some(shape) = smallest(part) else { continue };
        for (at, host) in problem.hosts.iter().enumerate() {
            let lacks = needs(problem, at, shape).into_iter().zip(largest(host));
            for ((resource, needed), allocatable) in lacks {
                if needed > allocatable {
                    let (host, service) = (host.host.name.to_string(), part.name.clone());
                    found.push(Rejection { host, service, resource, needed, allocatable });
                }
            }
        }
    }
    found
}

/// Returns the instance with the least memory, then with the fewest virtual CPUs.
fn smallest(part: &Part) -> Option<Shape> {
    part.shapes.iter().copied().min_by_key(|shape| (shape.memory_mib, shape.vcpus))
}

fn fits(problem: &Problem, at: usize, shape: Shape) -> bool {
    problem.hosts.get(at).is_some_and(|host| {
        let cores = problem.cores(at, shape);
        let numa =
            host.numa.iter().any(|numa| numa.cores >= cores && numa.memory_mib >= shape.memory_mib);
        // A machine without a disk needs no pool.
        let disk = |(pool, space): &(&crate::topology::Pool, u64)| {
            *space >= shape.disk_mib
                && pool.iops_per_s.is_none_or(|most| most.get() >= shape.iops_per_s)
        };
        numa && (shape.disk_mib == 0 || host.pools.iter().any(disk))
    })
}

/// Returns what an instance needs of one NUMA node and one pool of a host.
fn needs(problem: &Problem, at: usize, shape: Shape) -> [(Resource, u64); 4] {
    [
        (Resource::Cores, problem.cores(at, shape)),
        (Resource::Memory, shape.memory_mib),
        (Resource::Disk, shape.disk_mib),
        (Resource::Iops, shape.iops_per_s),
    ]
}

/// Returns the most that one NUMA node and one pool of a host have.
fn largest(host: &CandidateHost) -> [u64; 4] {
    let numa = || host.numa.iter();
    [
        numa().map(|numa| numa.cores).max().unwrap_or(0),
        numa().map(|numa| numa.memory_mib).max().unwrap_or(0),
        host.pools.iter().map(|(_, space)| *space).max().unwrap_or(0),
        fastest(host),
    ]
}

/// I/O operations of the fastest pool; one that is not stated has no limit.
fn fastest(host: &CandidateHost) -> u64 {
    let pools = host.pools.iter().map(|(pool, _)| pool.iops_per_s.map_or(u64::MAX, PerSecond::get));
    pools.max().unwrap_or(u64::MAX)
}

fn unplaceable(problem: &Problem, part: &Part) -> Option<Shortage> {
    let shape = smallest(part)?;
    // The host that comes nearest in the first resource that is too little there.
    let lacks = problem.hosts.iter().enumerate().filter_map(|(at, host)| {
        let mut pairs = needs(problem, at, shape).into_iter().zip(largest(host)).enumerate();
        pairs.find(|(_, ((_, needed), has))| needed > has)
    });
    let nearest = lacks.max_by_key(|(order, ((_, needed), has))| {
        (*order, std::cmp::Reverse(needed.saturating_sub(*has)))
    });
    let (resource, needed, available) = match nearest {
        Some((_, ((resource, needed), has))) => (resource, needed, has),
        None => (Resource::NumaNodes, 1, 0),
    };
    let why = Why::Indivisible { service: part.name.clone() };
    Some(Shortage { resource, needed, available, why, remedy: Remedy::LargerHost })
}

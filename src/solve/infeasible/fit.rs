//! Which hosts can take the smallest instance of each part when they are empty.

use super::{Rejection, Resource, Shortage, Why};
use crate::model::{CandidateHost, NumaCapacity, Part, Problem, Shape};
use crate::topology::Pool;
use crate::units::PerSecond;

/// Returns the parts that fit nowhere.
pub(super) fn short(problem: &Problem) -> Vec<Shortage> {
    let is_unplaceable = |part: &&Part| {
        let fits = |shape: &Shape| (0..problem.hosts.len()).any(|at| fits(problem, at, *shape));
        // Of others the hosts are counted that they may be on.
        let is_free = part.shapes.iter().all(|shape| shape.allowed.is_none());
        is_free && !part.shapes.is_empty() && !part.shapes.iter().any(fits)
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
        let hosts = problem.hosts.iter().enumerate();
        for (at, host) in hosts.filter(|(at, _)| problem.is_allowed(*at, shape)) {
            for need in needs(problem, at, shape) {
                let Need { resource, needed, overhead_mib, largest, assumed } = need;
                if needed > largest {
                    found.push(Rejection {
                        host: host.host.name.to_string(),
                        service: part.name.clone(),
                        resource,
                        needed,
                        overhead_mib,
                        allocatable: largest,
                        assumed,
                    });
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
        let numa = host
            .numa
            .iter()
            .any(|numa| numa.cores >= cores && problem.fit_memory(at, numa, shape) > 0);
        // A machine without a disk needs no pool.
        let disk = |(pool, space): &(&Pool, u64)| {
            *space >= shape.disk_mib
                && pool.iops_per_s.is_none_or(|most| most.get() >= shape.iops_per_s)
        };
        numa && (shape.disk_mib == 0 || host.pools.iter().any(disk))
    })
}

/// What an instance needs of one NUMA node or pool of a host.
struct Need {
    resource: Resource,
    needed: u64,
    /// The part of it that QEMU itself takes.
    overhead_mib: u64,
    /// The most that one of them has.
    largest: u64,
    /// The field that states it, if its value was assumed.
    assumed: Option<String>,
}

/// Returns what an instance needs of one NUMA node and one pool of the host with that
/// index. Of memory the NUMA node counts that comes nearest.
fn needs(problem: &Problem, at: usize, shape: Shape) -> Vec<Need> {
    let Some(host) = problem.hosts.get(at) else { return Vec::new() };
    let plain = |resource, needed, largest| Need {
        resource,
        needed,
        overhead_mib: 0,
        largest,
        assumed: None,
    };
    let numa = || host.numa.iter();
    let overhead = problem.overhead(at, shape);
    let memory = |numa: &NumaCapacity| Need {
        resource: Resource::Memory,
        needed: problem.memory(at, numa, shape),
        overhead_mib: if numa.overhead_mib.is_none() { overhead } else { 0 },
        largest: numa.memory_mib,
        assumed: None,
    };
    let beside =
        |numa: &NumaCapacity| Some(plain(Resource::Overhead, overhead, numa.overhead_mib?));
    let nearest = |needs: &mut dyn Iterator<Item = Need>| {
        needs.min_by_key(|need| need.needed.saturating_sub(need.largest))
    };
    let none = || plain(Resource::Memory, shape.memory_mib, 0);
    let cores = numa().map(|numa| numa.cores).max().unwrap_or(0);
    let space = host.pools.iter().map(|(_, space)| *space).max().unwrap_or(0);
    let mut found = vec![
        plain(Resource::Cores, problem.cores(at, shape), cores),
        nearest(&mut numa().map(memory)).unwrap_or_else(none),
    ];
    // Where one NUMA node has ordinary pages, QEMU finds its memory there.
    if numa().all(|numa| numa.overhead_mib.is_some()) {
        found.extend(nearest(&mut numa().filter_map(beside)));
    }
    found.push(plain(Resource::Disk, shape.disk_mib, space));
    let (most, assumed) = fastest(host);
    found.push(Need { assumed, ..plain(Resource::Iops, shape.iops_per_s, most) });
    found
}

/// I/O operations of the fastest pool, and the field that states them if they were assumed;
/// one that is not stated has no limit.
fn fastest(host: &CandidateHost) -> (u64, Option<String>) {
    let iops = |pool: &Pool| pool.iops_per_s.map_or(u64::MAX, PerSecond::get);
    let fastest = host.pools.iter().map(|(pool, _)| *pool).max_by_key(|pool| iops(pool));
    fastest.map_or((u64::MAX, None), |pool| (iops(pool), host.host.assumed_iops(&pool.name)))
}

fn unplaceable(problem: &Problem, part: &Part) -> Option<Shortage> {
    let shape = smallest(part)?;
    // The host that comes nearest in the first resource that is too little there.
    let lacks = (0..problem.hosts.len()).filter_map(|at| {
        let needs = needs(problem, at, shape);
        needs.into_iter().enumerate().find(|(_, need)| need.needed > need.largest)
    });
    let nearest = lacks.max_by_key(|(order, need)| {
        (*order, std::cmp::Reverse(need.needed.saturating_sub(need.largest)))
    });
    let (resource, needed, available) = match nearest {
        Some((_, need)) => (need.resource, need.needed, need.largest),
        None => (Resource::NumaNodes, 1, 0),
    };
    let why = Why::Indivisible { service: part.name.clone() };
    Some(Shortage { resource, needed, available, why })
}

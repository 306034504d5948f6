//! Resources of all hosts against the least that any layouts need of them. What
//! falls short here falls short however instances are placed.

use super::{Resource, Shortage, Why};
use crate::model::{CandidateHost, Part, Problem, Shape};
use crate::sizing::Candidate;

/// A resource that is summed over all hosts.
struct Total {
    resource: Resource,
    /// What one instance of a shape takes, at the least on any host.
    need: fn(&Problem, Shape) -> u64,
    /// What a host has for instances; `None` for no limit.
    has: fn(&CandidateHost) -> Option<u64>,
}

const TOTALS: [Total; 5] = [
    Total {
        resource: Resource::Cores,
        need: least_cores,
        has: |host| Some(host.numa.iter().map(|numa| numa.cores).sum()),
    },
    Total {
        resource: Resource::Memory,
        need: least_memory,
        has: |host| Some(host.numa.iter().map(|numa| numa.memory_mib).sum()),
    },
    Total {
        resource: Resource::Disk,
        need: |_, shape| shape.disk_mib,
        has: |host| Some(host.pools.iter().map(|(_, space)| *space).sum()),
    },
    Total {
        resource: Resource::Iops,
        need: |_, shape| shape.iops_per_s,
        has: |host| host.pools.iter().map(|(pool, _)| Some(pool.iops_per_s?.get())).sum(),
    },
    Total {
        resource: Resource::Bandwidth,
        need: |_, shape| shape.bits_per_s.div_ceil(1_000_000),
        has: |host| host.host.network_bits_per_s.map(|bits| bits.get() / 1_000_000),
    },
];

pub(super) fn short(problem: &Problem) -> Vec<Shortage> {
    let mut found: Vec<Shortage> =
        TOTALS.iter().filter_map(|total| exceeded(problem, total)).collect();
    let needed = least(problem, |_, _| 1);
    found.extend(problem.addresses.filter(|available| needed > *available).map(|available| {
        Shortage {
            resource: Resource::Addresses,
            needed,
            available,
            why: Why::Total { unusable_mib: 0, overhead_mib: 0 },
        }
    }));
    found
}

fn exceeded(problem: &Problem, total: &Total) -> Option<Shortage> {
    let has: Option<Vec<u64>> = problem.hosts.iter().map(total.has).collect();
    let available = has?.into_iter().fold(0, u64::saturating_add);
    let needed = least(problem, total.need);
    if needed <= available {
        return None;
    }
    let (unusable_mib, overhead_mib) = match total.resource {
        Resource::Memory => {
            let alone = least(problem, |_, shape| shape.memory_mib);
            (unusable_memory(problem), needed.saturating_sub(alone))
        }
        _ => (0, 0),
    };
    Some(Shortage {
        resource: total.resource,
        needed,
        available,
        why: Why::Total { unusable_mib, overhead_mib },
    })
}

/// Returns the least of a resource that the layouts of all parts need together.
fn least(problem: &Problem, need: fn(&Problem, Shape) -> u64) -> u64 {
    let all = |part: &Part, candidate: &Candidate| {
        let of = |shape: &Shape| {
            need(problem, *shape).saturating_mul(Part::count(candidate, *shape).into())
        };
        part.shapes.iter().map(of).fold(0, u64::saturating_add)
    };
    let of = |part: &Part| part.candidates.iter().map(|c| all(part, c)).min().unwrap_or(0);
    problem.parts.iter().map(of).fold(0, u64::saturating_add)
}

fn least_cores(problem: &Problem, shape: Shape) -> u64 {
    (0..problem.hosts.len()).map(|host| problem.cores(host, shape)).min().unwrap_or(0)
}

/// Returns the memory of an instance with that of QEMU, where it takes the least.
fn least_memory(problem: &Problem, shape: Shape) -> u64 {
    let hosts = problem.hosts.iter().enumerate();
    let all = hosts.flat_map(|(at, host)| host.numa.iter().map(move |numa| (at, numa)));
    let least = all.map(|(at, numa)| problem.memory(at, numa, shape)).min();
    least.unwrap_or(shape.memory_mib)
}

/// MiB of memory that are there, but behind pages of a size that no plan uses.
fn unusable_memory(problem: &Problem) -> u64 {
    let all = problem.hosts.iter().flat_map(|host| &host.numa);
    let lost = all.map(|numa| numa.node.allocatable_memory().get().saturating_sub(numa.memory_mib));
    lost.fold(0, u64::saturating_add)
}

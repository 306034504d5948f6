//! Resources of all hosts against the least that any layouts need of them. What
//! falls short here falls short however instances are placed.

use super::Shortage;
use crate::model::{CandidateHost, Part, Problem, Shape};
use crate::sizing::Candidate;
use crate::units::{Mebibytes, counted};

/// What is summed over all hosts.
struct Resource {
    name: &'static str,
    of: &'static str,
    unit: &'static str,
    /// What one instance of a shape takes, at the least on any host.
    need: fn(&Problem, Shape) -> u64,
    /// What a host has for instances; `None` for no limit.
    has: fn(&CandidateHost) -> Option<u64>,
}

const RESOURCES: [Resource; 5] = [
    Resource {
        name: "cores",
        of: "all hosts",
        unit: "cores",
        need: least_cores,
        has: |host| Some(host.numa.iter().map(|numa| numa.cores).sum()),
    },
    Resource {
        name: "memory",
        of: "all hosts",
        unit: "MiB",
        need: |_, shape| shape.memory_mib,
        has: |host| Some(host.numa.iter().map(|numa| numa.memory_mib).sum()),
    },
    Resource {
        name: "disk",
        of: "all pools",
        unit: "MiB",
        need: |_, shape| shape.disk_mib,
        has: |host| Some(host.pools.iter().map(|(_, space)| *space).sum()),
    },
    Resource {
        name: "I/O operations",
        of: "all pools",
        unit: "IOPS",
        need: |_, shape| shape.iops_per_s,
        has: |host| host.pools.iter().map(|(pool, _)| Some(pool.iops_per_s?.get())).sum(),
    },
    Resource {
        name: "bandwidth",
        of: "all hosts",
        unit: "Mbit/s",
        need: |_, shape| shape.bits_per_s.div_ceil(1_000_000),
        has: |host| host.host.network_bits_per_s.map(|bits| bits.get() / 1_000_000),
    },
];

pub(super) fn short(problem: &Problem) -> Vec<Shortage> {
    let mut found: Vec<Shortage> =
        RESOURCES.iter().filter_map(|resource| total(problem, resource)).collect();
    let needed = least(problem, |_, _| 1);
    if let Some(addresses) = problem.addresses {
        found.extend(shortage("addresses", "the network", "addresses", needed, addresses));
    }
    let hints: Vec<String> = found.iter().map(|short| hint(problem, short)).collect();
    for (short, hint) in found.iter_mut().zip(hints) {
        short.hint = hint;
    }
    found
}

fn total(problem: &Problem, resource: &Resource) -> Option<Shortage> {
    let has: Option<Vec<u64>> = problem.hosts.iter().map(resource.has).collect();
    let available = has?.into_iter().fold(0, u64::saturating_add);
    let needed = least(problem, resource.need);
    shortage(resource.name, resource.of, resource.unit, needed, available)
}

/// The least of a resource that the layouts of all parts need together.
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

fn shortage(
    name: &str,
    of: &'static str,
    unit: &str,
    needed: u64,
    available: u64,
) -> Option<Shortage> {
    let short_by = needed.checked_sub(available).filter(|short| *short > 0)?;
    Some(Shortage {
        resource: name.to_owned(),
        of: Some(of),
        needed,
        available,
        short_by,
        unit: unit.to_owned(),
        because: "Because the smallest split that serves the demand needs more than there is:"
            .to_owned(),
        hint: String::new(),
    })
}

fn hint(problem: &Problem, short: &Shortage) -> String {
    let Some(resource) = RESOURCES.iter().find(|resource| resource.name == short.resource) else {
        return format!("widen network.addresses by {} or more", short.short_by);
    };
    let largest = problem
        .hosts
        .iter()
        .filter_map(|host| Some(((resource.has)(host)?, &host.host.name)))
        .filter(|(has, _)| *has > 0)
        .max_by(|(a, first), (b, second)| a.cmp(b).then_with(|| second.cmp(first)));
    let add = largest.map_or_else(
        || "add hosts".to_owned(),
        |(has, name)| {
            let hosts = short.short_by.div_ceil(has);
            format!("add at least {} like {name}", counted(hosts, "host"))
        },
    );
    match short.resource.as_str() {
        "disk" => format!("for disk, enlarge the pools or {add}"),
        "memory" => format!("for memory, {add}, or ask for less{}", behind_pages(problem)),
        name => format!("for {name}, {add}, or ask for less"),
    }
}

/// Memory that is there but behind pages of a size that no plan uses.
fn behind_pages(problem: &Problem) -> String {
    let numa = problem.hosts.iter().flat_map(|host| &host.numa);
    let lost =
        numa.map(|numa| numa.node.allocatable_memory().get().saturating_sub(numa.memory_mib));
    match lost.fold(0, u64::saturating_add) {
        0 => String::new(),
        lost => format!(
            "; {} more cannot be used, since the pages of a NUMA node's instances have one size, \
             which divides the memory of each: 2MiB pages suit most",
            Mebibytes::new(lost)
        ),
    }
}

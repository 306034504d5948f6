//! Cores and memory of hosts that no instance can have, where that decides.

use std::collections::BTreeMap;

use super::{Rejection, Resource, Shortage, Why};
use crate::model::Problem;
use crate::topology::{Host, NumaNode, assumed, reserve};
use crate::units::Mebibytes;

/// Cores and memory of hosts that no instance can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Withheld {
    /// What hosts keep for themselves.
    Reserve {
        /// Hosts that keep as much, each.
        hosts: Vec<String>,
        /// Cores that are kept.
        cores: u32,
        /// All cores.
        of_cores: u32,
        /// Memory that is kept.
        memory: Mebibytes,
        /// All memory.
        of_memory: Mebibytes,
        /// Where it comes from.
        origin: Origin,
    },
    /// Cores of NUMA nodes without memory.
    Memoryless {
        /// The host.
        host: String,
        /// Numbers of the NUMA nodes.
        nodes: Vec<u32>,
        /// Their cores.
        cores: u32,
    },
}

/// Where a reserve comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The user stated it.
    Stated,
    /// It is as much as a host keeps that states none.
    Default,
    /// The file of the host lists it among what was assumed.
    Assumed,
}

/// Finds what is withheld, if it is of a resource that is short and no less than what is.
pub(super) fn withheld(
    problem: &Problem,
    shortages: &[Shortage],
    rejections: &[Rejection],
) -> Vec<Withheld> {
    let hosts = || problem.hosts.iter().map(|host| host.host);
    let mut kept: BTreeMap<_, Vec<String>> = BTreeMap::new();
    let all: Vec<&Host> = hosts().collect();
    let would_do = shortages.iter().any(|short| is_covered(short, &all));
    for host in hosts().filter(|host| would_do || decides(host, rejections)) {
        let of = (reserve::total_cores(&host.numa), reserve::total_memory(&host.numa));
        let cores: u32 = host.numa.iter().map(|node| node.reserved_cores).sum();
        let memory: Mebibytes = host.numa.iter().map(|node| node.reserved_memory_mib).sum();
        if cores > 0 || memory > Mebibytes::ZERO {
            kept.entry((of, cores, memory, origin(host, cores, memory)))
                .or_default()
                .push(host.name.to_string());
        }
    }
    let reserve = |(((of_cores, of_memory), cores, memory, origin), hosts)| Withheld::Reserve {
        hosts,
        cores,
        of_cores,
        memory,
        of_memory,
        origin,
    };
    let of_numa = |resource| matches!(resource, Resource::Cores | Resource::Memory);
    let is_short = shortages.iter().any(|short| of_numa(short.resource));
    let memoryless = hosts().filter(|_| is_short).filter_map(memoryless);
    kept.into_iter().map(reserve).chain(memoryless).collect()
}

/// Returns where the reserve of a host comes from: a stated one that is the default counts
/// as it.
fn origin(host: &Host, cores: u32, memory: Mebibytes) -> Origin {
    if host.assumed.contains("reserve") {
        return Origin::Assumed;
    }
    let all = reserve::total_memory(&host.numa);
    let default = assumed::reserve(&reserve::cores_of_each(&host.numa), all);
    match u32::try_from(default.cores) == Ok(cores) && default.memory == memory {
        true => Origin::Default,
        false => Origin::Stated,
    }
}

/// Whether an instance would fit into the host if it kept nothing.
fn decides(host: &Host, rejections: &[Rejection]) -> bool {
    rejections.iter().any(|rejection| {
        rejection.host == host.name.as_str()
            && of_largest(host, rejection.resource).is_some_and(|all| all >= rejection.needed)
    })
}

/// Whether what all hosts keep is as much as what is short.
fn is_covered(short: &Shortage, hosts: &[&Host]) -> bool {
    let kept: Option<u64> = hosts.iter().map(|host| reserved(host, short.resource)).sum();
    matches!(short.why, Why::Total { .. } | Why::Fragmentation)
        && kept.is_some_and(|kept| kept >= short.short_by())
}

/// What the largest NUMA node has, the reserve included.
fn of_largest(host: &Host, resource: Resource) -> Option<u64> {
    let of = |node: &NumaNode| match resource {
        Resource::Cores => Some(node.cores().count() as u64),
        Resource::Memory => Some(node.memory_mib.get()),
        _ => None,
    };
    host.numa.iter().filter_map(of).max()
}

/// What the host keeps where instances could have it.
fn reserved(host: &Host, resource: Resource) -> Option<u64> {
    let useful = || host.numa.iter().filter(|node| node.memory_mib > Mebibytes::ZERO);
    match resource {
        Resource::Cores => Some(useful().map(|node| u64::from(node.reserved_cores)).sum()),
        Resource::Memory => Some(useful().map(|node| node.reserved_memory_mib.get()).sum()),
        _ => None,
    }
}

fn memoryless(host: &Host) -> Option<Withheld> {
    let useless: Vec<&NumaNode> = host
        .numa
        .iter()
        .filter(|node| node.memory_mib == Mebibytes::ZERO && node.cores().next().is_some())
        .collect();
    let cores = useless.iter().map(|node| u32::try_from(node.cores().count()).unwrap_or(u32::MAX));
    (!useless.is_empty()).then(|| Withheld::Memoryless {
        host: host.name.to_string(),
        nodes: useless.iter().map(|node| node.id).collect(),
        cores: cores.fold(0, u32::saturating_add),
    })
}

//! What would make a spec fit: how many more hosts of a kind that is there already.

use std::collections::{BTreeMap, BTreeSet};

use super::tries::Tries;
use crate::ids::HostName;
use crate::solve::{AddedHosts, Infeasible, Rejection, Remedy, Resource, Why};
use crate::spec::Spec;
use crate::topology::{Core, Host, L3Domain, Level, NumaNode, Pool};
use crate::units::{Mebibytes, PerSecond};

/// The most hosts that are tried of a kind.
const MOST: u64 = 64;
/// Kinds of host that are tried, cheapest first.
const KINDS: usize = 4;

/// A small host: as many cores and as much memory as one that carries a vote only has.
const SMALL_CORES: u32 = 2;
const SMALL_MEMORY: Mebibytes = Mebibytes::from_gib(4);
const SMALL_DISK: Mebibytes = Mebibytes::from_gib(64);

/// Returns for each kind of host the fewest more with which the spec has a plan, the least
/// cost first; none where more of them do not help.
pub(super) fn more_hosts(tries: &Tries, why: &Infeasible) -> Vec<AddedHosts> {
    let mut kinds: BTreeMap<(u64, String), &Host> = BTreeMap::new();
    for host in tries.spec.topology.hosts.iter().filter(|host| tries.spec.takes_instances(host)) {
        kinds.entry((host.cost, kind(host))).or_insert(host);
    }
    let apart = apart(tries.spec, why);
    let of = |host: &Host| {
        let (host, larger) = enlarged(host, why);
        let count = fewest(|count| tries.fits(&with(tries.spec, &host, count, apart)?))?;
        let cost = host.cost.saturating_mul(count);
        Some(AddedHosts { like: host.name.to_string(), count, cost, apart, larger })
    };
    let mut found: Vec<AddedHosts> = kinds.into_values().take(KINDS).filter_map(of).collect();
    found.sort_by(|a, b| (a.cost, a.count, &a.like).cmp(&(b.cost, b.count, &b.like)));
    found
}

/// Returns the fewest small hosts with which a majority survives, where that is what is
/// short: they have a vote, and may have little else.
pub(super) fn small_hosts(tries: &Tries, why: &Infeasible) -> Option<Remedy> {
    let missing = why.shortages.iter().find_map(|short| {
        let of_hosts = short.resource == Resource::FailureDomains(Level::Host);
        (of_hosts && matches!(short.why, Why::Majority { .. })).then(|| short.short_by())
    })?;
    let hosts = &tries.spec.topology.hosts;
    let like = hosts.iter().find(|host| tries.spec.takes_instances(host))?;
    let cpus = |core: u32| Core { cpus: vec![core] };
    let l3 = L3Domain { size_kib: None, cores: (0..SMALL_CORES).map(cpus).collect() };
    let numa = NumaNode {
        id: 0,
        l3: vec![l3],
        memory_mib: SMALL_MEMORY,
        reserved_memory_mib: Mebibytes::ZERO,
        reserved_cores: 0,
        pages: Vec::new(),
    };
    let pool = Pool {
        name: like.pools.first().map_or_else(|| "default".to_owned(), |pool| pool.name.clone()),
        capacity_mib: SMALL_DISK,
        iops_per_s: None,
        shared: false,
    };
    let small = Host { numa: vec![numa], pools: vec![pool], ..like.clone() };
    let is_enough = tries.fits(&with(tries.spec, &small, missing, None)?)?;
    is_enough.then_some(Remedy::SmallHosts {
        count: missing,
        cores: SMALL_CORES,
        memory: SMALL_MEMORY,
        disk: SMALL_DISK,
    })
}

/// The level of which added hosts need failure domains of their own.
fn apart(spec: &Spec, why: &Infeasible) -> Option<Level> {
    let widest = spec.policy.levels().last();
    let mut levels = why.shortages.iter().filter_map(|short| match (short.resource, &short.why) {
        (Resource::FailureDomains(level), _) => Some(level),
        (_, Why::Restart { level, .. }) => Some(*level),
        (_, Why::Neighbours { .. } | Why::Combination) => widest,
        (_, Why::Undetermined | Why::Fragmentation) => widest,
        _ => None,
    });
    levels.find(|level| *level != Level::Host)
}

/// Returns everything about a host but how it is called and reached, and where it is.
fn kind(host: &Host) -> String {
    let Host { hypervisor, numa, pools, bridges, network_bits_per_s, .. } = host;
    format!("{hypervisor:?} {numa:?} {pools:?} {bridges:?} {network_bits_per_s:?}")
}

/// The spec with so many more of a host.
fn with(spec: &Spec, host: &Host, count: u64, apart: Option<Level>) -> Option<Spec> {
    let mut more = spec.clone();
    for number in 1..=count {
        let name = HostName::new(format!("{}-more-{number}", host.name)).ok()?;
        let mut labels = host.labels.clone();
        labels.extend(apart.map(|level| (level, name.to_string())));
        more.topology.hosts.push(Host { name, uri: None, labels, ..host.clone() });
    }
    Some(more)
}

/// The fewest of which it was found that they fit, by doubling and halving; `None` if none up
/// to [`MOST`] do.
fn fewest(fits: impl Fn(u64) -> Option<bool>) -> Option<u64> {
    let fits = |count| fits(count) == Some(true);
    let (mut low, mut high) = (0, 1);
    while !fits(high) {
        (low, high) = (high, high * 2);
        if high > MOST {
            return None;
        }
    }
    while high - low > 1 {
        let middle = low.midpoint(high);
        if fits(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Some(high)
}

/// Returns a host that takes an instance which no host takes, where there is one, and what
/// it has more of: the largest NUMA node and pool are enlarged by what they lack.
fn enlarged(host: &Host, why: &Infeasible) -> (Host, Vec<(Resource, u64)>) {
    let unplaceable: BTreeSet<&str> = why
        .shortages
        .iter()
        .filter_map(|short| match &short.why {
            Why::Indivisible { service } => Some(service.as_str()),
            _ => None,
        })
        .collect();
    let mut larger = host.clone();
    let mut found = Vec::new();
    for resource in
        [Resource::Cores, Resource::Memory, Resource::Overhead, Resource::Disk, Resource::Iops]
    {
        let lacks = |one: &&Rejection| {
            one.resource == resource
                && one.host == host.name.as_str()
                && unplaceable.contains(one.service.as_str())
        };
        let lacks = why.rejections.iter().filter(lacks);
        let most = lacks.max_by_key(|one| one.needed.saturating_sub(one.allocatable));
        found.extend(most.and_then(|most| Some((resource, enlarge(&mut larger, most)?))));
    }
    (larger, found)
}

/// Adds what is lacking; returns how much of it the NUMA node or pool has then.
fn enlarge(host: &mut Host, lack: &Rejection) -> Option<u64> {
    let by = lack.needed.saturating_sub(lack.allocatable);
    match lack.resource {
        Resource::Cores => {
            let threads = host.threads_per_core();
            let cpus = host.numa.iter().flat_map(NumaNode::cores).flat_map(|core| &core.cpus);
            let mut next = cpus.max().map_or(0, |last| last + 1);
            let node = host.numa.iter_mut().max_by_key(|node| node.allocatable_cores())?;
            let domain = node.l3.last_mut()?;
            for _ in 0..by {
                domain.cores.push(Core { cpus: (next..next + threads).collect() });
                next += threads;
            }
            u64::try_from(node.cores().count()).ok()
        }
        Resource::Memory | Resource::Overhead => {
            let node = host.numa.iter_mut().max_by_key(|node| node.allocatable_cores())?;
            let more = match lack.resource {
                Resource::Memory => lack.needed.saturating_sub(node.allocatable_memory().get()),
                _ => by,
            };
            node.memory_mib = whole(node.memory_mib.saturating_add(Mebibytes::new(more)));
            Some(node.memory_mib.get())
        }
        Resource::Disk => {
            let pool = host.pools.iter_mut().max_by_key(|pool| pool.capacity_mib)?;
            pool.capacity_mib = whole(pool.capacity_mib.saturating_add(Mebibytes::new(by)));
            Some(pool.capacity_mib.get())
        }
        Resource::Iops => {
            for pool in &mut host.pools {
                let faster = |most: PerSecond| most.max(PerSecond::new(lack.needed));
                pool.iops_per_s = pool.iops_per_s.map(faster);
            }
            Some(lack.needed)
        }
        _ => None,
    }
}

/// Rounds up to whole GiB, as memory and disks are bought and shown.
const fn whole(size: Mebibytes) -> Mebibytes {
    Mebibytes::from_gib(size.get().div_ceil(1_024))
}

#[cfg(test)]
mod tests {
    use super::fewest;

    #[test]
    fn the_fewest_that_fit_are_found() {
        for least in [1, 2, 3, 7, 33, 64] {
            assert_eq!(fewest(|count| Some(count >= least)), Some(least));
        }
        assert_eq!(fewest(|_| Some(false)), None);
        // What is not known in time is left out.
        assert_eq!(fewest(|count| (count > 4).then_some(true)), Some(5));
        assert_eq!(fewest(|_| None), None);
    }
}

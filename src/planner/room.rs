//! Room for old beside new: whether everything that a plan adds fits beside everything
//! that a prior one has, until what leaves has left.
//!
//! An instance of the same name in the same place is replaced, resized or left alone
//! there, so it counts once, with the larger of its sizes. All others count both.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::ids::{HostName, InstanceName};
use crate::plan::{Instance, Plan, Volume};
use crate::topology::NumaNode;
use crate::units::Mebibytes;

/// What is short for old beside new; empty lists where nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Room {
    /// NUMA nodes with too little memory, in the order of hosts.
    pub memory: Vec<MemoryShort>,
    /// Pools with too little space, in the order of hosts.
    pub pools: Vec<PoolShort>,
    /// Instances of the prior plan whose addresses new ones have, since the range has no
    /// others.
    pub addresses: Vec<InstanceName>,
    /// CPUs that a new instance has and one that leaves has until then.
    pub cpus: Vec<SharedCpus>,
}

/// A NUMA node whose memory does not hold old and new at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryShort {
    /// The host.
    pub host: HostName,
    /// The NUMA node.
    pub numa: u32,
    /// Size of the pages, in KiB; 4 for ordinary ones.
    pub page_kib: u64,
    /// What old and new take together.
    pub needed_mib: Mebibytes,
    /// What they may take.
    pub allocatable_mib: Mebibytes,
    /// Instances that must leave before others can come: the fewest that make room.
    pub leave_first: Vec<InstanceName>,
}

/// A pool whose space does not hold old and new volumes at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolShort {
    /// The host.
    pub host: HostName,
    /// The pool.
    pub pool: String,
    /// What old and new take together.
    pub needed_mib: Mebibytes,
    /// What the pool has.
    pub capacity_mib: Mebibytes,
    /// Instances that must leave before others can come: the fewest that make room.
    pub leave_first: Vec<InstanceName>,
}

/// CPUs of a host that two instances share for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SharedCpus {
    /// The host.
    pub host: HostName,
    /// The instance that comes.
    pub new: InstanceName,
    /// The instance that leaves.
    pub old: InstanceName,
    /// The CPUs.
    pub cpus: Vec<u32>,
}

/// What takes room somewhere: the larger of what it had and what it gets.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    old: Option<Mebibytes>,
    new: Option<Mebibytes>,
}

impl Taken {
    fn at_once(self) -> Mebibytes {
        self.old.max(self.new).unwrap_or(Mebibytes::ZERO)
    }
}

impl Room {
    /// Compares what two plans of a deployment take at once with what there is.
    #[must_use]
    pub fn new(prior: &Plan, plan: &Plan) -> Self {
        Self {
            memory: memory(prior, plan),
            pools: pools(prior, plan),
            addresses: addresses(prior, plan),
            cpus: cpus(prior, plan),
        }
    }

    /// Whether everything fits at once; shared CPUs only make it slower.
    #[must_use]
    pub const fn is_enough(&self) -> bool {
        self.memory.is_empty() && self.pools.is_empty() && self.addresses.is_empty()
    }

    /// Returns the instances that must leave before others can come.
    #[must_use]
    pub fn leave_first(&self) -> BTreeSet<&InstanceName> {
        let memory = self.memory.iter().flat_map(|short| &short.leave_first);
        let pools = self.pools.iter().flat_map(|short| &short.leave_first);
        memory.chain(pools).chain(&self.addresses).collect()
    }
}

/// Whether an instance of the prior plan is elsewhere, or nowhere, in the plan.
fn leaves(plan: &Plan, old: &Instance) -> bool {
    plan.instance(&old.name).is_none_or(|new| new.host != old.host)
}

/// Returns the fewest that free `short`: the largest first, of equals the first.
fn fewest(short: Mebibytes, mut leaving: Vec<(InstanceName, Mebibytes)>) -> Vec<InstanceName> {
    leaving.sort_by_key(|(_, size)| Reverse(*size));
    let mut left = short;
    let mut found = Vec::new();
    for (name, size) in leaving {
        if left == Mebibytes::ZERO {
            break;
        }
        left = left.saturating_sub(size);
        found.push(name);
    }
    found
}

/// Size of ordinary pages.
const ORDINARY_KIB: u64 = 4;

/// Host, NUMA node and page size.
type Pages<'a> = (&'a HostName, u32, u64);

fn memory(prior: &Plan, plan: &Plan) -> Vec<MemoryShort> {
    let mut taken: BTreeMap<Pages, BTreeMap<&InstanceName, Taken>> = BTreeMap::new();
    for old in &prior.instances {
        for (page, memory) in pages(prior, old) {
            let here = taken.entry((&old.host, old.numa, page)).or_default();
            here.entry(&old.name).or_default().old = Some(memory);
        }
    }
    for new in &plan.instances {
        for (page, memory) in pages(plan, new) {
            let here = taken.entry((&new.host, new.numa, page)).or_default();
            here.entry(&new.name).or_default().new = Some(memory);
        }
    }
    let mut found = Vec::new();
    for ((host, numa, page_kib), here) in taken {
        let node = plan.topology.numa(host, numa).or_else(|| prior.topology.numa(host, numa));
        let Some(allocatable_mib) = node.map(|node| allocatable(node, page_kib)) else { continue };
        let needed_mib: Mebibytes = here.values().map(|taken| taken.at_once()).sum();
        let short = needed_mib.saturating_sub(allocatable_mib);
        if short == Mebibytes::ZERO {
            continue;
        }
        let leaving = here.iter().filter(|(_, taken)| taken.new.is_none());
        let leaving = leaving.map(|(name, taken)| ((*name).clone(), taken.at_once()));
        let leave_first = fewest(short, leaving.collect());
        let host = host.clone();
        found.push(MemoryShort { host, numa, page_kib, needed_mib, allocatable_mib, leave_first });
    }
    found
}

/// Memory that an instance takes, by the size of the pages: QEMU itself takes ordinary ones.
fn pages(plan: &Plan, one: &Instance) -> Vec<(u64, Mebibytes)> {
    let overhead = plan.overhead(one);
    match one.page_kib {
        ..=ORDINARY_KIB => vec![(ORDINARY_KIB, one.memory_mib.saturating_add(overhead))],
        huge => vec![(huge, one.memory_mib), (ORDINARY_KIB, overhead)],
    }
}

/// Memory of a NUMA node that instances on pages of that size may have.
fn allocatable(node: &NumaNode, page_kib: u64) -> Mebibytes {
    let size = |size: u64, count: u64| Mebibytes::new(size.saturating_mul(count) >> 10);
    if page_kib > ORDINARY_KIB {
        let own = node.pages.iter().filter(|pool| pool.size_kib == page_kib);
        return own.map(|pool| size(pool.size_kib, pool.count)).sum();
    }
    let huge: Mebibytes = node.pages.iter().map(|pool| size(pool.size_kib, pool.count)).sum();
    node.allocatable_memory().saturating_sub(huge)
}

fn pools(prior: &Plan, plan: &Plan) -> Vec<PoolShort> {
    type Volumes<'a> = BTreeMap<&'a str, (&'a InstanceName, Taken)>;
    let mut taken: BTreeMap<(&HostName, &str), Volumes> = BTreeMap::new();
    for (instance, volume) in volumes(prior) {
        let here = taken.entry((&instance.host, &volume.pool)).or_default();
        here.entry(&volume.name).or_insert((&instance.name, Taken::default())).1.old =
            Some(volume.size_mib);
    }
    for (instance, volume) in volumes(plan) {
        let here = taken.entry((&instance.host, &volume.pool)).or_default();
        here.entry(&volume.name).or_insert((&instance.name, Taken::default())).1.new =
            Some(volume.size_mib);
    }
    let mut found = Vec::new();
    for ((host, pool), here) in taken {
        let of = |plan: &Plan| {
            let pools = plan.topology.host(host).map(|host| host.pools.iter());
            let mut pools = pools.into_iter().flatten().filter(|known| known.name == pool);
            pools.next().map(|pool| pool.capacity_mib)
        };
        let Some(capacity_mib) = of(plan).or_else(|| of(prior)) else { continue };
        let volumes: Mebibytes = here.values().map(|(_, taken)| taken.at_once()).sum();
        let needed_mib = volumes.saturating_add(images(prior, plan, host, pool));
        let short = needed_mib.saturating_sub(capacity_mib);
        if short == Mebibytes::ZERO {
            continue;
        }
        let mut leaving: BTreeMap<&InstanceName, Mebibytes> = BTreeMap::new();
        for (name, taken) in here.values().filter(|(_, taken)| taken.new.is_none()) {
            let size = leaving.entry(name).or_insert(Mebibytes::ZERO);
            *size = size.saturating_add(taken.at_once());
        }
        let leaving = leaving.into_iter().map(|(name, size)| (name.clone(), size)).collect();
        found.push(PoolShort {
            host: host.clone(),
            pool: pool.to_owned(),
            needed_mib,
            capacity_mib,
            leave_first: fewest(short, leaving),
        });
    }
    found
}

fn volumes(plan: &Plan) -> impl Iterator<Item = (&Instance, &Volume)> {
    plan.instances.iter().flat_map(|one| one.volumes().map(move |volume| (one, volume)))
}

/// Space of the images below the roots in a pool: of both plans where they differ.
fn images(prior: &Plan, plan: &Plan, host: &HostName, pool: &str) -> Mebibytes {
    let mut found = BTreeMap::new();
    for plan in [prior, plan] {
        let has_root =
            plan.on_host(host).any(|one| one.root.as_ref().is_some_and(|root| root.pool == pool));
        if let Some(image) = plan.image.as_ref().filter(|_| has_root) {
            found.insert(&image.disk.sha256, image.virtual_size_mib);
        }
    }
    found.into_values().sum()
}

fn addresses(prior: &Plan, plan: &Plan) -> Vec<InstanceName> {
    let owners: BTreeMap<_, _> =
        prior.instances.iter().filter_map(|old| Some((old.address?, &old.name))).collect();
    let taken = plan.instances.iter().filter_map(|new| {
        let owner = owners.get(&new.address?)?;
        (**owner != new.name).then(|| (*owner).clone())
    });
    taken.collect()
}

fn cpus(prior: &Plan, plan: &Plan) -> Vec<SharedCpus> {
    let mut found = Vec::new();
    let is_new = |new: &&Instance| prior.instance(&new.name).is_none_or(|old| old.host != new.host);
    for new in plan.instances.iter().filter(is_new) {
        for old in prior.on_host(&new.host).filter(|old| leaves(plan, old)) {
            let shared = new.cpus.iter().filter(|cpu| old.cpus.contains(cpu));
            let cpus: Vec<u32> = shared.copied().collect();
            if !cpus.is_empty() {
                let (host, new, old) = (new.host.clone(), new.name.clone(), old.name.clone());
                found.push(SharedCpus { host, new, old, cpus });
            }
        }
    }
    found
}

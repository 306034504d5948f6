//! Hosts with the items placed on them: where another item fits, by every rule.

use std::collections::{BTreeMap, BTreeSet};

use super::bins::{BinPacking, int, memory};
use super::knapsack::{Amounts, DIMENSIONS, UNLIMITED};
use crate::model::{NumaCapacity, PartKind, Problem};
use crate::topology::Level;

/// An instance and where it is: indices in the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ItemPlacement {
    pub part: usize,
    pub shape: usize,
    pub host: usize,
    pub numa: usize,
    pub pool: usize,
}

/// Residual capacity of a NUMA node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NumaResidual {
    cores: i64,
    /// Memory for instances alone.
    memory: i64,
    /// Memory for instances with QEMU.
    with_overhead: i64,
    /// Memory for QEMU where that of instances is in huge pages.
    overhead: i64,
}

/// Residual capacity of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Residual {
    /// By NUMA node.
    numa: Vec<NumaResidual>,
    /// Space and I/O by pool.
    pools: Vec<[i64; 2]>,
    network: i64,
    instances: usize,
}

impl NumaResidual {
    fn new(numa: &NumaCapacity) -> Self {
        let [memory, with_overhead] = memory(numa);
        let overhead = numa.overhead_mib.map_or(UNLIMITED, int);
        Self { cores: int(numa.cores), memory, with_overhead, overhead }
    }

    const fn holds(&self, [cores, memory, _, _, _, with_overhead]: Amounts) -> bool {
        cores <= self.cores
            && memory <= self.memory
            && with_overhead <= self.with_overhead
            && with_overhead - memory <= self.overhead
    }

    const fn take(&mut self, [cores, memory, _, _, _, with_overhead]: Amounts) {
        self.cores -= cores;
        self.memory -= memory;
        self.with_overhead -= with_overhead;
        self.overhead -= with_overhead - memory;
    }

    fn memory_left(&self) -> i64 {
        self.memory.min(self.with_overhead)
    }
}

/// Most instances of a part in one failure domain of a level.
#[derive(Clone, Copy, Debug)]
struct DomainLimit {
    level: usize,
    most: i64,
}

/// All hosts with the items placed on them.
#[derive(Clone)]
pub(super) struct LoadedHosts<'g> {
    packing: &'g BinPacking<'g>,
    left: Vec<Residual>,
    /// Failure domain of each host, by level.
    domains: Vec<Vec<usize>>,
    /// By part.
    limits: Vec<Vec<DomainLimit>>,
    /// Instances by part, limit and domain; witnesses are not counted.
    counts: Vec<Vec<Vec<i64>>>,
    placements: Vec<Vec<ItemPlacement>>,
    cost: i64,
    /// What was placed since [`LoadedHosts::checkpoint`].
    log: Vec<ItemPlacement>,
}

const LEVELS: [Level; 3] = [Level::Host, Level::Rack, Level::Site];

impl<'g> LoadedHosts<'g> {
    /// Empty hosts for parts that have these layouts.
    pub(super) fn new(packing: &'g BinPacking<'g>, chosen: &[Option<usize>]) -> Self {
        let problem = packing.problem;
        let left = problem.hosts.iter().map(|host| Residual {
            numa: host.numa.iter().map(NumaResidual::new).collect(),
            pools: host
                .pools
                .iter()
                .map(|(pool, space)| {
                    [int(*space), pool.iops_per_s.map_or(UNLIMITED, |iops| int(iops.get()))]
                })
                .collect(),
            network: host.host.network_bits_per_s.map_or(UNLIMITED, |b| int(b.get() / 1_000_000)),
            instances: 0,
        });
        let domains = LEVELS.map(|level| {
            let mut of = vec![0; problem.hosts.len()];
            for (domain, (_, hosts)) in problem.domains(level).into_iter().enumerate() {
                for host in hosts {
                    if let Some(of) = of.get_mut(host) {
                        *of = domain;
                    }
                }
            }
            of
        });
        let limits: Vec<Vec<DomainLimit>> = (0..problem.parts.len())
            .map(|part| limits(problem, part, chosen.get(part).copied().flatten()))
            .collect();
        let none = |_: &DomainLimit| vec![0; problem.hosts.len()];
        let counts = limits.iter().map(|limits| limits.iter().map(none).collect());
        Self {
            left: left.collect(),
            domains: domains.into(),
            counts: counts.collect(),
            limits,
            placements: vec![Vec::new(); problem.hosts.len()],
            cost: 0,
            log: Vec::new(),
            packing,
        }
    }

    /// Returns the instances on a host.
    pub(super) fn on(&self, host: usize) -> &[ItemPlacement] {
        self.placements.get(host).map_or(&[], Vec::as_slice)
    }

    /// Counts the items on each NUMA node of a host.
    pub(super) fn items_by_numa(&self, host: usize) -> BTreeMap<usize, BTreeMap<usize, i64>> {
        let mut found: BTreeMap<usize, BTreeMap<usize, i64>> = BTreeMap::new();
        for one in self.on(host) {
            let item = self.packing.index(one.part, one.shape);
            *found.entry(one.numa).or_default().entry(item).or_default() += 1;
        }
        found
    }

    /// Returns all instances, by host.
    pub(super) fn all(&self) -> impl Iterator<Item = ItemPlacement> {
        self.placements.iter().flatten().copied()
    }

    /// Returns how many hosts there are.
    pub(super) fn count(&self) -> usize {
        self.left.len()
    }

    pub(super) fn is_used(&self, host: usize) -> bool {
        self.left.get(host).is_some_and(|left| left.instances > 0)
    }

    /// Returns the cost of the hosts in use.
    pub(super) const fn cost(&self) -> i64 {
        self.cost
    }

    /// From here on what is placed can be removed again with [`LoadedHosts::rollback`].
    pub(super) fn checkpoint(&mut self) {
        self.log.clear();
    }

    /// Removes what was placed since [`LoadedHosts::checkpoint`]; nothing else may have been
    /// removed since.
    pub(super) fn rollback(&mut self) {
        for placement in std::mem::take(&mut self.log).into_iter().rev() {
            self.remove(placement);
        }
    }

    /// Returns what an instance takes of a host.
    pub(super) fn need(&self, (part, shape): (usize, usize), host: usize) -> Amounts {
        let class = self.packing.class_of.get(host).copied().unwrap_or(0);
        self.packing.need(class, self.packing.index(part, shape))
    }

    /// Returns the cores that are left on a host, and all it has for instances.
    pub(super) fn cores(&self, host: usize) -> (i64, i64) {
        let left = self.left.get(host).map_or(0, |left| left.numa.iter().map(|r| r.cores).sum());
        let numa = self.packing.problem.hosts.get(host).map_or(&[][..], |host| &host.numa);
        (left, numa.iter().map(|numa| int(numa.cores)).sum())
    }

    /// Returns what is left of a host, NUMA nodes and pools summed.
    pub(super) fn left(&self, host: usize) -> Amounts {
        let Some(left) = self.left.get(host) else { return [0; DIMENSIONS] };
        let sum = |all: &mut dyn Iterator<Item = i64>| all.fold(0, i64::saturating_add);
        let numa = |of: fn(&NumaResidual) -> i64| sum(&mut left.numa.iter().map(of)).min(UNLIMITED);
        let iops = sum(&mut left.pools.iter().map(|[_, rate]| *rate)).min(UNLIMITED);
        [
            numa(|one| one.cores),
            numa(|one| one.memory),
            sum(&mut left.pools.iter().map(|[space, _]| *space)),
            if left.pools.is_empty() { UNLIMITED } else { iops },
            left.network,
            numa(|one| one.with_overhead),
        ]
    }

    /// Returns where an instance fits on a host: the NUMA node that it fills best, the
    /// first pool with enough left; `None` if it does not, or no rule lets it. `only` names the
    /// NUMA node if it is not free to choose.
    pub(super) fn fits(
        &self,
        (part, shape): (usize, usize),
        host: usize,
        only: Option<usize>,
    ) -> Option<ItemPlacement> {
        let left = self.left.get(host)?;
        let item = self.packing.index(part, shape);
        let class = self.packing.class_of.get(host).copied()?;
        let need = self.packing.need(class, item);
        let [_, _, disk, iops, network, _] = need;
        if network > left.network || !self.packing.is_eligible(class, item) {
            return None;
        }
        let numa = left.numa.iter().enumerate();
        let numa = numa.filter(|(at, _)| only.is_none_or(|only| only == *at));
        let fitting = numa.filter(|(_, one)| one.holds(need));
        let (numa, _) = fitting.min_by_key(|(at, one)| (one.cores, one.memory_left(), *at))?;
        let mut pools = left.pools.iter();
        let pool = pools.position(|[space, rate]| *space >= disk && *rate >= iops);
        let pool = match pool {
            Some(pool) => pool,
            None if left.pools.is_empty() && disk == 0 => 0,
            None => return None,
        };
        let is_ruled_out =
            !self.is_apart((part, shape), host) || self.missing(part, host).next().is_some();
        (!is_ruled_out).then_some(ItemPlacement { part, shape, host, numa, pool })
    }

    /// Whether an instance fits exactly there, by every rule but what it is to be near, which
    /// may come yet. Without a pool of the host, its disks are elsewhere.
    pub(super) fn holds(&self, one: ItemPlacement) -> bool {
        let ItemPlacement { part, shape, host, numa, pool } = one;
        let (Some(left), Some(class)) = (self.left.get(host), self.packing.class_of.get(host))
        else {
            return false;
        };
        let item = self.packing.index(part, shape);
        let need = self.packing.need(*class, item);
        let [_, _, disk, iops, network, _] = need;
        let has_room =
            left.pools.get(pool).is_none_or(|[space, rate]| *space >= disk && *rate >= iops);
        has_room
            && network <= left.network
            && left.numa.get(numa).is_some_and(|one| one.holds(need))
            && self.packing.is_eligible(*class, item)
            && self.is_apart((part, shape), host)
    }

    /// Whether as much is left of two hosts, place by place, and the same parts are there that
    /// rules on neighbours name.
    pub(super) fn are_alike(&self, host: usize, other: usize) -> bool {
        let named = |host: usize| -> BTreeSet<usize> {
            let parts = self.on(host).iter().map(|one| one.part);
            parts.filter(|part| self.packing.problem.has_neighbour_rules(*part)).collect()
        };
        self.packing.class_of.get(host) == self.packing.class_of.get(other)
            && self.left.get(host) == self.left.get(other)
            && named(host) == named(other)
    }

    /// Whether a host has an instance of a part.
    pub(super) fn has(&self, part: usize, host: usize) -> bool {
        self.on(host).iter().any(|one| one.part == part)
    }

    /// Counts the instances of a part on a host, without witnesses.
    pub(super) fn count_of(&self, part: usize, host: usize) -> i64 {
        let own = self.on(host).iter().filter(|one| one.part == part);
        let own = own.filter(|one| !self.is_witness(part, one.shape));
        i64::try_from(own.count()).unwrap_or(i64::MAX)
    }

    /// Returns the parts that an instance of a part is to be near and that a host lacks.
    pub(super) fn missing(&self, part: usize, host: usize) -> impl Iterator<Item = usize> {
        let near = self.packing.problem.near_to(part);
        near.filter(move |other| !self.has(*other, host))
    }

    /// Whether others on its host are to be near an instance, and it is the only one there.
    pub(super) fn is_needed(&self, one: ItemPlacement) -> bool {
        let mut nearby = self.packing.problem.nearby(one.part);
        nearby.any(|part| self.has(part, one.host))
            && self.on(one.host).iter().filter(|other| other.part == one.part).count() == 1
    }

    /// Whether no rule on failure domains, and no instance there, keeps one from a host.
    fn is_apart(&self, (part, shape): (usize, usize), host: usize) -> bool {
        let (Some(limits), Some(counts)) = (self.limits.get(part), self.counts.get(part)) else {
            return false;
        };
        if self.packing.problem.apart_from(part).any(|other| self.has(other, host)) {
            return false;
        }
        self.is_witness(part, shape)
            || limits.iter().zip(counts).all(|(limit, counts)| {
                let domain = self.domain(limit.level, host);
                domain
                    .and_then(|domain| counts.get(domain))
                    .is_some_and(|counts| *counts < limit.most)
            })
    }

    /// Places an instance where it was found to fit.
    pub(super) fn place(&mut self, placement: ItemPlacement) {
        self.change(placement, 1);
        self.log.push(placement);
        if let Some(placements) = self.placements.get_mut(placement.host) {
            placements.push(placement);
        }
    }

    /// Removes an instance.
    pub(super) fn remove(&mut self, placement: ItemPlacement) {
        let placements = self.placements.get_mut(placement.host);
        if let Some(placements) = placements
            && let Some(at) = placements.iter().rposition(|other| *other == placement)
        {
            placements.remove(at);
            self.change(placement, -1);
        }
    }

    /// Removes and returns everything on a host.
    pub(super) fn empty(&mut self, host: usize) -> Vec<ItemPlacement> {
        let placements = self.on(host).to_vec();
        for placement in placements.iter().rev() {
            self.remove(*placement);
        }
        placements
    }

    fn change(&mut self, placement: ItemPlacement, by: i64) {
        let need = self.need((placement.part, placement.shape), placement.host);
        let taken = need.map(|one| one * by);
        let [_, _, disk, iops, network, _] = taken;
        if let Some(left) = self.left.get_mut(placement.host) {
            if let Some(numa) = left.numa.get_mut(placement.numa) {
                numa.take(taken);
            }
            if let Some([space, rate]) = left.pools.get_mut(placement.pool) {
                *space -= disk;
                *rate -= iops;
            }
            left.network -= network;
            let before = left.instances;
            left.instances = before.saturating_add_signed(if by > 0 { 1 } else { -1 });
            let host = self
                .packing
                .problem
                .hosts
                .get(placement.host)
                .map_or(0, |host| int(host.host.cost));
            match (before, left.instances) {
                (0, 1..) => self.cost = self.cost.saturating_add(host),
                (1.., 0) => self.cost = self.cost.saturating_sub(host),
                _ => {}
            }
        }
        if self.is_witness(placement.part, placement.shape) {
            return;
        }
        let limits = self.limits.get(placement.part).into_iter().flatten();
        let counts = self.counts.get_mut(placement.part).into_iter().flatten();
        for (limit, counts) in limits.zip(counts) {
            let domain = self.domains.get(limit.level).and_then(|of| of.get(placement.host));
            if let Some(counts) = domain.and_then(|domain| counts.get_mut(*domain)) {
                *counts += by;
            }
        }
    }

    fn is_witness(&self, part: usize, shape: usize) -> bool {
        self.packing.items.get(self.packing.index(part, shape)).is_some_and(|i| i.size.is_witness)
    }

    fn domain(&self, level: usize, host: usize) -> Option<usize> {
        self.domains.get(level)?.get(host).copied()
    }
}

fn limits(problem: &Problem, part: usize, chosen: Option<usize>) -> Vec<DomainLimit> {
    let at = |level: Level| LEVELS.iter().position(|other| *other == level).unwrap_or(0);
    let Some(entry) = problem.parts.get(part) else { return Vec::new() };
    if let PartKind::Fixed(rules) = entry.kind {
        return rules
            .spread
            .map(|spread| DomainLimit { level: at(spread.per), most: int(spread.most()) })
            .into_iter()
            .collect();
    }
    let Some(candidate) = chosen.and_then(|chosen| entry.candidates.get(chosen)) else {
        return Vec::new();
    };
    let instances = candidate.layout.instances;
    let mut found: Vec<DomainLimit> = problem
        .survive
        .iter()
        .map(|one| DomainLimit {
            level: at(one.level),
            most: candidate.max_per_domain.unwrap_or(instances).into(),
        })
        .collect();
    // So few in one domain that as many of the leading ones as are not allowed
    // there fit into the others.
    if entry.votes() {
        let witnesses = u32::from(candidate.layout.witness.is_some());
        let leading = i64::from(candidate.leaders.saturating_sub(witnesses)).max(1);
        let minority = i64::from(candidate.leaders.saturating_sub(1) / 2);
        let most = (minority * i64::from(instances) / leading).max(1);
        found.extend(problem.quorum_levels().map(|level| DomainLimit { level: at(level), most }));
    }
    found
}

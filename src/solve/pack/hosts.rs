//! Hosts as they fill up: where an instance still fits, by every rule.

use super::goods::{Goods, int};
use super::knapsack::{Amounts, UNLIMITED};
use crate::model::{Part, PartKind, Problem};
use crate::topology::Level;

/// Where an instance stands: indices in the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Spot {
    pub part: usize,
    pub shape: usize,
    pub host: usize,
    pub numa: usize,
    pub pool: usize,
}

/// What is left of a host.
#[derive(Clone, Debug)]
struct Left {
    /// Cores and memory by NUMA node.
    numa: Vec<[i64; 2]>,
    /// Space and I/O by pool.
    pools: Vec<[i64; 2]>,
    network: i64,
    instances: usize,
}

/// Most instances of a part in one failure domain of a level.
#[derive(Clone, Copy, Debug)]
struct Cap {
    level: usize,
    most: i64,
}

/// All hosts with what stands on them.
#[derive(Clone)]
pub(super) struct Hosts<'g> {
    goods: &'g Goods<'g>,
    left: Vec<Left>,
    /// Failure domain of each host, by level.
    domains: Vec<Vec<usize>>,
    /// By part.
    caps: Vec<Vec<Cap>>,
    /// Instances by part, cap and domain; witnesses are not counted.
    held: Vec<Vec<Vec<i64>>>,
    spots: Vec<Vec<Spot>>,
    cost: i64,
    /// What was put since [`Hosts::begin`].
    log: Vec<Spot>,
}

const LEVELS: [Level; 3] = [Level::Host, Level::Rack, Level::Site];

impl<'g> Hosts<'g> {
    /// Empty hosts for parts that have these layouts.
    pub(super) fn new(goods: &'g Goods<'g>, chosen: &[Option<usize>]) -> Self {
        let problem = goods.problem;
        let left = problem.hosts.iter().map(|host| Left {
            numa: host.numa.iter().map(|r| [int(r.cores), int(r.memory_mib)]).collect(),
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
        let caps: Vec<Vec<Cap>> = (0..problem.parts.len())
            .map(|part| caps(problem, part, chosen.get(part).copied().flatten()))
            .collect();
        let none = |_: &Cap| vec![0; problem.hosts.len()];
        let held = caps.iter().map(|caps| caps.iter().map(none).collect());
        Self {
            left: left.collect(),
            domains: domains.into(),
            held: held.collect(),
            caps,
            spots: vec![Vec::new(); problem.hosts.len()],
            cost: 0,
            log: Vec::new(),
            goods,
        }
    }

    /// The instances on a host.
    pub(super) fn on(&self, host: usize) -> &[Spot] {
        self.spots.get(host).map_or(&[], Vec::as_slice)
    }

    /// All instances, by host.
    pub(super) fn all(&self) -> impl Iterator<Item = Spot> {
        self.spots.iter().flatten().copied()
    }

    /// How many hosts there are.
    pub(super) fn count(&self) -> usize {
        self.left.len()
    }

    pub(super) fn is_used(&self, host: usize) -> bool {
        self.left.get(host).is_some_and(|left| left.instances > 0)
    }

    /// Cost of the hosts in use.
    pub(super) const fn cost(&self) -> i64 {
        self.cost
    }

    /// From here on what is put can be taken away again with [`Hosts::undo`].
    pub(super) fn begin(&mut self) {
        self.log.clear();
    }

    /// Takes away what was put since [`Hosts::begin`]; nothing else may have been
    /// taken away since.
    pub(super) fn undo(&mut self) {
        for spot in std::mem::take(&mut self.log).into_iter().rev() {
            self.take(spot);
        }
    }

    /// What an instance takes of a host.
    pub(super) fn need(&self, (part, shape): (usize, usize), host: usize) -> Amounts {
        let class = self.goods.class_of.get(host).copied().unwrap_or(0);
        self.goods.need(class, self.goods.index(part, shape))
    }

    /// Cores that are left on a host, and all it has for instances.
    pub(super) fn cores(&self, host: usize) -> (i64, i64) {
        let left = self.left.get(host).map_or(0, |left| left.numa.iter().map(|r| r[0]).sum());
        let numa = self.goods.problem.hosts.get(host).map_or(&[][..], |host| &host.numa);
        (left, numa.iter().map(|numa| int(numa.cores)).sum())
    }

    /// What is left of a host, NUMA nodes and pools summed.
    pub(super) fn left(&self, host: usize) -> Amounts {
        let Some(left) = self.left.get(host) else { return [0; 5] };
        let sum = |of: &[[i64; 2]], at: usize| {
            of.iter().fold(0i64, |sum, one| sum.saturating_add(one.get(at).copied().unwrap_or(0)))
        };
        [
            sum(&left.numa, 0),
            sum(&left.numa, 1),
            sum(&left.pools, 0),
            if left.pools.is_empty() { UNLIMITED } else { sum(&left.pools, 1).min(UNLIMITED) },
            left.network,
        ]
    }

    /// Where an instance fits on a host: the NUMA node that it fills best, the
    /// first pool with room; `None` if it does not, or no rule lets it. `only` names the
    /// NUMA node if it is not free to choose.
    pub(super) fn fits(
        &self,
        (part, shape): (usize, usize),
        host: usize,
        only: Option<usize>,
    ) -> Option<Spot> {
        let left = self.left.get(host)?;
        let item = self.goods.index(part, shape);
        let class = self.goods.class_of.get(host).copied()?;
        let [cores, memory, disk, iops, network] = self.goods.need(class, item);
        if network > left.network || !self.goods.may(class, item) {
            return None;
        }
        let numa = left.numa.iter().enumerate();
        let numa = numa.filter(|(at, _)| only.is_none_or(|only| only == *at));
        let fitting = numa.filter(|(_, [c, m])| *c >= cores && *m >= memory);
        let (numa, _) = fitting.min_by_key(|(at, [c, m])| (*c, *m, *at))?;
        let mut pools = left.pools.iter();
        let pool = pools.position(|[space, rate]| *space >= disk && *rate >= iops);
        let pool = match pool {
            Some(pool) => pool,
            None if left.pools.is_empty() && disk == 0 => 0,
            None => return None,
        };
        let caps = self.caps.get(part)?.iter().zip(self.held.get(part)?);
        let is_apart = self.is_witness(part, shape)
            || caps.into_iter().all(|(cap, held)| {
                let domain = self.domain(cap.level, host);
                domain.and_then(|domain| held.get(domain)).is_some_and(|held| *held < cap.most)
            });
        is_apart.then_some(Spot { part, shape, host, numa, pool })
    }

    /// Puts an instance where it was found to fit.
    pub(super) fn put(&mut self, spot: Spot) {
        self.change(spot, 1);
        self.log.push(spot);
        if let Some(spots) = self.spots.get_mut(spot.host) {
            spots.push(spot);
        }
    }

    /// Takes an instance away.
    pub(super) fn take(&mut self, spot: Spot) {
        let spots = self.spots.get_mut(spot.host);
        if let Some(spots) = spots
            && let Some(at) = spots.iter().rposition(|other| *other == spot)
        {
            spots.remove(at);
            self.change(spot, -1);
        }
    }

    /// Takes everything off a host.
    pub(super) fn clear(&mut self, host: usize) -> Vec<Spot> {
        let spots = self.on(host).to_vec();
        for spot in spots.iter().rev() {
            self.take(*spot);
        }
        spots
    }

    fn change(&mut self, spot: Spot, by: i64) {
        let need = self.need((spot.part, spot.shape), spot.host);
        let [cores, memory, disk, iops, network] = need.map(|one| one * by);
        if let Some(left) = self.left.get_mut(spot.host) {
            if let Some([c, m]) = left.numa.get_mut(spot.numa) {
                *c -= cores;
                *m -= memory;
            }
            if let Some([space, rate]) = left.pools.get_mut(spot.pool) {
                *space -= disk;
                *rate -= iops;
            }
            left.network -= network;
            let before = left.instances;
            left.instances = before.saturating_add_signed(if by > 0 { 1 } else { -1 });
            let host =
                self.goods.problem.hosts.get(spot.host).map_or(0, |host| int(host.host.cost));
            match (before, left.instances) {
                (0, 1..) => self.cost = self.cost.saturating_add(host),
                (1.., 0) => self.cost = self.cost.saturating_sub(host),
                _ => {}
            }
        }
        if self.is_witness(spot.part, spot.shape) {
            return;
        }
        let caps = self.caps.get(spot.part).into_iter().flatten();
        let held = self.held.get_mut(spot.part).into_iter().flatten();
        for (cap, held) in caps.zip(held) {
            let domain = self.domains.get(cap.level).and_then(|of| of.get(spot.host));
            if let Some(held) = domain.and_then(|domain| held.get_mut(*domain)) {
                *held += by;
            }
        }
    }

    fn is_witness(&self, part: usize, shape: usize) -> bool {
        self.goods.items.get(self.goods.index(part, shape)).is_some_and(|i| i.size.is_witness)
    }

    fn domain(&self, level: usize, host: usize) -> Option<usize> {
        self.domains.get(level)?.get(host).copied()
    }
}

fn caps(problem: &Problem, part: usize, chosen: Option<usize>) -> Vec<Cap> {
    let at = |level: Level| LEVELS.iter().position(|other| *other == level).unwrap_or(0);
    let Some(entry) = problem.parts.get(part) else { return Vec::new() };
    if let PartKind::Fixed(spread) = entry.kind {
        return spread.map(|level| Cap { level: at(level), most: 1 }).into_iter().collect();
    }
    let Some(candidate) = chosen.and_then(|chosen| entry.candidates.get(chosen)) else {
        return Vec::new();
    };
    let instances = candidate.layout.instances;
    let mut found: Vec<Cap> = problem
        .survive
        .iter()
        .map(|one| Cap {
            level: at(one.level),
            most: candidate.max_per_domain.unwrap_or(instances).into(),
        })
        .collect();
    // So few in one domain that as many of the leading ones as are not allowed
    // there find room in the others.
    if entry.votes() {
        let witnesses = u32::from(candidate.layout.witness.is_some());
        let leading = i64::from(candidate.leaders.saturating_sub(witnesses)).max(1);
        let minority = i64::from(candidate.leaders.saturating_sub(1) / 2);
        let most = (minority * i64::from(instances) / leading).max(1);
        found.extend(problem.quorum_levels().map(|level| Cap { level: at(level), most }));
    }
    found
}

/// The leading instances of each part by failure domain of the smallest promised
/// level, as evenly as the others' majority allows; `None` if there is no way.
pub(super) fn leaders(
    problem: &Problem,
    chosen: &[Option<usize>],
    spots: &[Spot],
) -> Option<Vec<(usize, usize, u64)>> {
    let Some(level) = problem.leader_level() else { return Some(Vec::new()) };
    let domains = problem.domains(level);
    let mut found = Vec::new();
    for (part, entry) in problem.parts.iter().enumerate() {
        let leads_at_all = entry.candidates.iter().any(|candidate| candidate.leaders > 0);
        if !leads_at_all {
            continue;
        }
        let candidate = chosen.get(part).copied().flatten().and_then(|at| entry.candidates.get(at));
        let own = match candidate {
            Some(candidate) => lead(problem, (part, entry), candidate, &domains, spots)?,
            None => vec![0; domains.len()],
        };
        found.extend(own.into_iter().enumerate().map(|(domain, count)| (part, domain, count)));
    }
    Some(found)
}

fn lead(
    problem: &Problem,
    (part, entry): (usize, &Part),
    candidate: &crate::sizing::Candidate,
    domains: &[(String, Vec<usize>)],
    spots: &[Spot],
) -> Option<Vec<u64>> {
    let is_witness = |spot: &Spot| entry.shapes.get(spot.shape).is_some_and(|s| s.is_witness);
    let own = || spots.iter().filter(|spot| spot.part == part);
    let within = |hosts: &[usize], witness: bool| {
        let here = own().filter(|s| hosts.contains(&s.host) && is_witness(s) == witness);
        u64::try_from(here.count()).unwrap_or(u64::MAX)
    };
    let held: Vec<u64> = domains.iter().map(|(_, hosts)| within(hosts, false)).collect();
    let minority = u64::from(candidate.leaders.saturating_sub(1) / 2);
    let mut wide: Vec<(Vec<bool>, u64)> = Vec::new();
    if entry.votes() {
        for (_, hosts) in problem.quorum_levels().flat_map(|level| problem.domains(level)) {
            let inner = domains.iter().map(|(_, own)| own.iter().all(|s| hosts.contains(s)));
            let left = minority.checked_sub(within(&hosts, true))?;
            wide.push((inner.collect(), left));
        }
    }
    let witnesses = u32::from(candidate.layout.witness.is_some());
    let mut found = vec![0u64; domains.len()];
    for _ in 0..candidate.leaders.saturating_sub(witnesses) {
        let open = |at: usize| {
            wide.iter().all(|(inner, left)| *left > 0 || !inner.get(at).copied().unwrap_or(false))
        };
        let counts = found.iter().zip(&held).enumerate();
        let (at, _) = counts
            .filter(|(at, (lead, held))| lead < held && open(*at))
            .min_by_key(|(at, (lead, _))| (**lead, *at))?;
        if let Some(lead) = found.get_mut(at) {
            *lead += 1;
        }
        for (inner, left) in &mut wide {
            if inner.get(at).copied().unwrap_or(false) {
                *left -= 1;
            }
        }
    }
    Some(found)
}

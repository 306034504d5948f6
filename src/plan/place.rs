//! Counts -> one slot per instance, and masters paired with their replicas.
//!
//! Slots are taken in the canonical order of hosts, NUMA nodes and shapes; on a
//! host with several pools, the pool with the most space first, then by name.

use std::collections::{BTreeMap, VecDeque};

use crate::model::{Kind, Problem};
use crate::solve::Solution;
use crate::topology::Level;

/// Where an instance stands, by index in the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot {
    /// Host.
    pub site: usize,
    /// NUMA node within the host.
    pub room: usize,
    /// Pool within the host.
    pub pool: usize,
}

/// The slots of each part: master and replica of each group, or a machine alone.
pub(super) fn place(
    problem: &Problem,
    solution: &Solution,
) -> BTreeMap<usize, Vec<(Slot, Option<Slot>)>> {
    let mut pools: BTreeMap<(usize, usize, usize), VecDeque<(usize, u64)>> = BTreeMap::new();
    for placed in &solution.pools {
        let key = (placed.part, placed.shape, placed.site);
        pools.entry(key).or_default().push_back((placed.at, placed.count));
    }
    let mut slots: BTreeMap<usize, Vec<Slot>> = BTreeMap::new();
    for placed in &solution.rooms {
        for _ in 0..placed.count {
            let queue = pools.get_mut(&(placed.part, placed.shape, placed.site));
            let pool = queue.map_or(0, take);
            let slot = Slot { site: placed.site, room: placed.at, pool };
            slots.entry(placed.part).or_default().push(slot);
        }
    }
    slots.into_iter().map(|(part, slots)| (part, paired(problem, solution, part, slots))).collect()
}

fn take(queue: &mut VecDeque<(usize, u64)>) -> usize {
    let Some((pool, left)) = queue.front_mut() else { return 0 };
    let pool = *pool;
    *left = left.saturating_sub(1);
    if *left == 0 {
        queue.pop_front();
    }
    pool
}

fn paired(
    problem: &Problem,
    solution: &Solution,
    part: usize,
    slots: Vec<Slot>,
) -> Vec<(Slot, Option<Slot>)> {
    let service = problem.parts.get(part).is_some_and(|part| part.kind == Kind::Service);
    let level = problem.level.filter(|_| service);
    let Some(level) = level else {
        return interleaved(slots).into_iter().map(|slot| (slot, None)).collect();
    };
    let domains = split(problem, solution, part, level, slots);
    pair(domains).into_iter().map(|(master, replica)| (master, Some(replica))).collect()
}

/// Slots for masters and for replicas in one failure domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Domain {
    masters: VecDeque<Slot>,
    replicas: VecDeque<Slot>,
}

impl Domain {
    fn left(&self) -> usize {
        self.masters.len() + self.replicas.len()
    }
}

fn split(
    problem: &Problem,
    solution: &Solution,
    part: usize,
    level: Level,
    slots: Vec<Slot>,
) -> Vec<Domain> {
    let domains = problem.domains(level).into_iter().enumerate();
    let of = |(domain, (_, sites)): (usize, (String, Vec<usize>))| {
        let here = slots.iter().filter(|slot| sites.contains(&slot.site)).copied().collect();
        let mut masters = VecDeque::from(interleaved(here));
        let key = |(p, d, _): &&(usize, usize, u64)| (*p, *d) == (part, domain);
        let count = solution.masters.iter().find(key).map_or(0, |(_, _, count)| *count);
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(masters.len());
        let replicas = masters.split_off(count);
        Domain { masters, replicas }
    };
    domains.map(of).collect()
}

/// Slots in turns: the first of each host and NUMA node, then the second of each.
fn interleaved(slots: Vec<Slot>) -> Vec<Slot> {
    let mut turns: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut keyed: Vec<(usize, Slot)> = slots
        .into_iter()
        .map(|slot| {
            let turn = turns.entry((slot.site, slot.room)).or_default();
            *turn += 1;
            (*turn, slot)
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, slot)| slot).collect()
}

/// Pairs each master with a replica in another domain.
///
/// Let `g` be the masters that are left, as many as replicas, and let no domain
/// hold more than `g` of both ("full": exactly `g`); the model sees to that at
/// first. Each step takes a master of the fullest domain that has one, and a
/// replica of the fullest other domain that has one; of equals, the next in turn.
/// Then no domain holds more than `g - 1` afterwards, since each full one loses
/// an instance: one that has masters is the first choice for the master, and one
/// that has none holds all replicas, so the replica is taken there; were both of
/// two full domains to have masters, all else is empty and each has replicas for
/// the other. A replica elsewhere exists: the domain of the master has at most
/// `g - 1` replicas.
fn pair(mut domains: Vec<Domain>) -> Vec<(Slot, Slot)> {
    let mut pairs = Vec::new();
    let mut last = 0;
    loop {
        let Some(from) = fullest(&domains, last, |_, domain| !domain.masters.is_empty()) else {
            return pairs;
        };
        let other = |at: usize, domain: &Domain| at != from && !domain.replicas.is_empty();
        let Some(to) = fullest(&domains, from, other) else { return pairs };
        let master = domains.get_mut(from).and_then(|domain| domain.masters.pop_front());
        let replica = domains.get_mut(to).and_then(|domain| domain.replicas.pop_front());
        pairs.extend(master.zip(replica));
        last = from;
    }
}

/// The domain with most left that is `good`; of equals, the first after `last`.
fn fullest(
    domains: &[Domain],
    last: usize,
    good: impl Fn(usize, &Domain) -> bool,
) -> Option<usize> {
    let count = domains.len();
    let turns = (1..=count).map(|step| (last + step) % count);
    let found = turns.enumerate().filter_map(|(turn, at)| {
        let domain = domains.get(at).filter(|domain| good(at, domain))?;
        Some((domain.left(), std::cmp::Reverse(turn), at))
    });
    found.max().map(|(_, _, at)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn every_master_finds_a_replica_elsewhere(
            counts in proptest::collection::vec((0usize..6, 0usize..6), 2..6),
        ) {
            let masters: usize = counts.iter().map(|(m, _)| m).sum();
            let replicas: usize = counts.iter().map(|(_, r)| r).sum();
            proptest::prop_assume!(masters == replicas);
            proptest::prop_assume!(counts.iter().all(|(m, r)| m + r <= masters));
            let slot = |site| Slot { site, room: 0, pool: 0 };
            let domains = counts.iter().enumerate().map(|(site, (m, r))| Domain {
                masters: vec![slot(site); *m].into(),
                replicas: vec![slot(site); *r].into(),
            });
            let pairs = pair(domains.collect());
            proptest::prop_assert_eq!(pairs.len(), masters);
            proptest::prop_assert!(pairs.iter().all(|(m, r)| m.site != r.site));
        }
    }

    #[test]
    fn slots_come_in_turns() {
        let slot = |site, room| Slot { site, room, pool: 0 };
        let all = vec![slot(0, 0), slot(0, 0), slot(0, 1), slot(1, 0)];
        assert_eq!(interleaved(all), [slot(0, 0), slot(0, 1), slot(1, 0), slot(0, 0)]);
    }
}

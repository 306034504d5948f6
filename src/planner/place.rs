//! Counts -> one slot per instance, and leading instances with their followers.
//!
//! Slots are taken in the canonical order of shapes, hosts and NUMA nodes. On a
//! host with several pools each instance takes the pool with the most space that
//! still fits (of equals the first by name); if that leaves one without a place,
//! the host's pools are filled as the solver did.

use std::collections::{BTreeMap, VecDeque};

use crate::model::{PartKind, Problem};
use crate::sizing::Candidate;
use crate::solve::Solution;
use crate::spec::Cluster;
use crate::topology::Pool;
use crate::units::PerSecond;

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

/// The slots of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seats {
    /// Groups of copies.
    Teams(Vec<Team>),
    /// Instances one by one, those that lead first.
    Each {
        /// Where they stand.
        slots: Vec<Slot>,
        /// How many of them, from the first on, lead.
        leads: usize,
        /// The instance that only votes.
        witness: Option<Slot>,
    },
}

/// A group: who leads, and who follows in other failure domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Team {
    pub lead: Slot,
    pub followers: Vec<Slot>,
}

/// The slots of each part.
pub(super) fn place(problem: &Problem, solution: &Solution) -> BTreeMap<usize, Seats> {
    let mut pools = Pools::new();
    for placed in &solution.pools {
        let key = (placed.part, placed.shape, placed.host);
        pools.entry(key).or_default().push_back((placed.at, placed.count));
    }
    for site in 0..problem.hosts.len() {
        pools.extend(largest_first(problem, solution, site).into_iter().flatten());
    }
    let mut slots: BTreeMap<usize, Vec<Slot>> = BTreeMap::new();
    let mut witnesses: BTreeMap<usize, Slot> = BTreeMap::new();
    for placed in &solution.numa {
        let is_witness = problem
            .parts
            .get(placed.part)
            .and_then(|part| part.shapes.get(placed.shape))
            .is_some_and(|shape| shape.is_witness);
        for _ in 0..placed.count {
            let queue = pools.get_mut(&(placed.part, placed.shape, placed.host));
            let pool = queue.map_or(0, take);
            let slot = Slot { site: placed.host, room: placed.at, pool };
            if is_witness {
                witnesses.insert(placed.part, slot);
            } else {
                slots.entry(placed.part).or_default().push(slot);
            }
        }
    }
    let mut seats = BTreeMap::new();
    for (part, slots) in slots {
        seats.insert(part, seated(problem, solution, part, slots, witnesses.remove(&part)));
    }
    seats
}

/// Instances per pool, by part, shape and host.
type Pools = BTreeMap<(usize, usize, usize), VecDeque<(usize, u64)>>;

/// Each instance on a host in the largest pool that still fits, if all do.
fn largest_first(problem: &Problem, solution: &Solution, site: usize) -> Option<Pools> {
    // A pool whose disk is not known has no limit.
    let operations = |pool: &Pool| pool.iops_per_s.map_or(u64::MAX, PerSecond::get);
    let pools = problem.hosts.get(site)?.pools.iter();
    let mut free: Vec<(u64, u64)> = pools.map(|(pool, mib)| (*mib, operations(pool))).collect();
    let mut found = Pools::new();
    for placed in solution.numa.iter().filter(|placed| placed.host == site) {
        let shape = problem.parts.get(placed.part)?.shapes.get(placed.shape)?;
        let (disk, iops) = (shape.disk_mib, shape.iops_per_s);
        for _ in 0..placed.count {
            let fits =
                |(_, (space, left)): &(usize, &mut (u64, u64))| *space >= disk && *left >= iops;
            let (pool, (space, left)) = free.iter_mut().enumerate().find(fits)?;
            *space -= disk;
            *left -= iops;
            let key = (placed.part, placed.shape, site);
            found.entry(key).or_default().push_back((pool, 1));
        }
    }
    Some(found)
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

fn seated(
    problem: &Problem,
    solution: &Solution,
    part: usize,
    slots: Vec<Slot>,
    witness: Option<Slot>,
) -> Seats {
    let entry = problem.parts.get(part);
    let chosen = solution.chosen.get(part).copied().flatten();
    let candidate = entry.zip(chosen).and_then(|(entry, at)| entry.candidates.get(at));
    let (leads, followers) = split(problem, solution, part, slots, candidate);
    let is_grouped = entry.is_some_and(|entry| {
        use Cluster::{GatewayPair, PrimaryReplica, Sharded};
        matches!(entry.kind, PartKind::Service(Sharded | PrimaryReplica | GatewayPair))
    });
    if !is_grouped {
        let count = leads.len();
        return Seats::Each { slots: [leads, followers].concat(), leads: count, witness };
    }
    let copies = candidate.map_or(1, |candidate| candidate.layout.copies.max(1));
    let copies = usize::try_from(copies).unwrap_or(usize::MAX);
    let Some(level) = problem.anti_affinity_level() else {
        let each = copies.saturating_sub(1).max(1);
        let mut teams = followers.chunks(each).map(<[Slot]>::to_vec);
        let team = |lead| Team { lead, followers: teams.next().unwrap_or_default() };
        return Seats::Teams(leads.into_iter().map(team).collect());
    };
    let domains = problem.domains(level).into_iter().map(|(_, sites)| {
        let here = |slots: &[Slot]| {
            slots.iter().filter(|slot| sites.contains(&slot.site)).copied().collect()
        };
        Domain { leads: here(&leads), followers: here(&followers) }
    });
    Seats::Teams(team_up(domains.collect(), copies))
}

/// Slots of leading instances and of all others: per failure domain as many lead
/// as the solution says, in turns of hosts and NUMA nodes.
fn split(
    problem: &Problem,
    solution: &Solution,
    part: usize,
    slots: Vec<Slot>,
    candidate: Option<&Candidate>,
) -> (Vec<Slot>, Vec<Slot>) {
    let Some(level) = problem.leader_level() else {
        let leads = candidate.map_or(0, |one| usize::try_from(one.leaders).unwrap_or(usize::MAX));
        let mut all = interleaved(slots);
        let followers = all.split_off(leads.min(all.len()));
        return (all, followers);
    };
    let (mut leads, mut followers) = (Vec::new(), Vec::new());
    for (domain, (_, sites)) in problem.domains(level).into_iter().enumerate() {
        let here = slots.iter().filter(|slot| sites.contains(&slot.site)).copied().collect();
        let mut here = interleaved(here);
        let key = |(p, d, _): &&(usize, usize, u64)| (*p, *d) == (part, domain);
        let count = solution.leaders.iter().find(key).map_or(0, |(_, _, count)| *count);
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(here.len());
        followers.extend(here.split_off(count));
        leads.extend(here);
    }
    (leads, followers)
}

/// Slots of one failure domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Domain {
    leads: VecDeque<Slot>,
    followers: VecDeque<Slot>,
}

impl Domain {
    fn left(&self) -> usize {
        self.leads.len() + self.followers.len()
    }
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

/// Gives each leading instance its followers, each of a group in another domain.
///
/// Let `g` groups be left, `k` copies of each, and let no domain hold more than
/// `g` instances ("full": exactly `g`); the model sees to that at first. Each step
/// takes a leading instance of the fullest domain that has one, and followers of
/// the `k - 1` fullest others that have one; of equals, the next in turn. Then no
/// domain holds more than `g - 1` afterwards, since each full one loses an
/// instance. There are at most `k` full ones. One without leading instances holds
/// `g` followers, so it is among the fullest others; there are at most `k - 1` of
/// these, or nothing would be left for a leading instance. Of the full ones with
/// leading instances the first is taken for the lead; another has followers too,
/// since not all leading instances are there. Enough others have followers: were
/// there fewer than `k - 1`, at most `(k - 2) · g` of the `(k - 1) · g` followers
/// would stand there, and the domain of the lead would be more than full.
fn team_up(mut domains: Vec<Domain>, copies: usize) -> Vec<Team> {
    let mut teams = Vec::new();
    let mut last = domains.len().saturating_sub(1);
    loop {
        let Some(from) = fullest(&domains, last, |_, domain| !domain.leads.is_empty()) else {
            return teams;
        };
        let Some(lead) = domains.get_mut(from).and_then(|domain| domain.leads.pop_front()) else {
            return teams;
        };
        let mut used = vec![from];
        let mut followers = Vec::new();
        for _ in 1..copies {
            let other =
                |at: usize, domain: &Domain| !used.contains(&at) && !domain.followers.is_empty();
            let Some(to) = fullest(&domains, used.last().copied().unwrap_or(from), other) else {
                break;
            };
            followers.extend(domains.get_mut(to).and_then(|domain| domain.followers.pop_front()));
            used.push(to);
        }
        teams.push(Team { lead, followers });
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
        fn every_group_stands_in_as_many_domains_as_it_has_copies(
            copies in 1usize..5,
            chosen in proptest::collection::vec(proptest::collection::vec(0u32..1000, 5), 1..12),
        ) {
            // Groups that exist: each takes the domains of its largest numbers,
            // the first of them for its lead. So a dealing exists.
            let slot = |site| Slot { site, room: 0, pool: 0 };
            let mut domains = vec![Domain::default(); 5];
            for numbers in &chosen {
                let mut order: Vec<usize> = (0..5).collect();
                order.sort_by_key(|at| std::cmp::Reverse(numbers[*at]));
                domains[order[0]].leads.push_back(slot(order[0]));
                for at in &order[1..copies] {
                    domains[*at].followers.push_back(slot(*at));
                }
            }
            let teams = team_up(domains, copies);
            proptest::prop_assert_eq!(teams.len(), chosen.len());
            for team in teams {
                let sites: std::collections::BTreeSet<usize> =
                    team.followers.iter().chain([&team.lead]).map(|slot| slot.site).collect();
                proptest::prop_assert_eq!(sites.len(), copies);
            }
        }
    }

    #[test]
    fn slots_come_in_turns() {
        let slot = |site, room| Slot { site, room, pool: 0 };
        let all = vec![slot(0, 0), slot(0, 0), slot(0, 1), slot(1, 0)];
        assert_eq!(interleaved(all), [slot(0, 0), slot(0, 1), slot(1, 0), slot(0, 0)]);
    }
}

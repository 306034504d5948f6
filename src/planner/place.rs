//! Counts -> placed: a host, NUMA node and pool for each instance, and leaders with
//! their followers.
//!
//! Placements come in the canonical order of shapes, hosts and NUMA nodes. On a
//! host with several pools each instance takes the pool with the most space that
//! still fits (of equals the first by name); if that leaves one without a place,
//! the host's pools are filled as the solver did.

use std::collections::{BTreeMap, VecDeque};

use crate::model::{Part, PartKind, Problem};
use crate::sizing::Candidate;
use crate::solve::Solution;
use crate::spec::Cluster;
use crate::topology::Pool;
use crate::units::PerSecond;

/// Where an instance is placed, by index in the problem.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Placement {
    /// Host.
    pub host: usize,
    /// NUMA node within the host.
    pub numa: usize,
    /// Pool within the host.
    pub pool: usize,
}

/// A part with its chosen layout and the places of its instances.
pub(super) struct Placed<'a> {
    /// The layout that was chosen.
    pub candidate: &'a Candidate,
    /// Where its instances are.
    pub placements: GroupedPlacements,
}

/// The placements of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum GroupedPlacements {
    /// Groups of copies.
    Groups(Vec<GroupPlacement>),
    /// Instances one by one, the leaders first.
    Each {
        /// Where they are.
        placements: Vec<Placement>,
        /// How many of them, from the first on, lead.
        leaders: usize,
        /// The instance that only votes.
        witness: Option<Placement>,
    },
}

/// A group: its leader, and its followers in other failure domains.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GroupPlacement {
    pub leader: Placement,
    pub followers: Vec<Placement>,
}

/// Places the instances of each part; `None` for a part without a chosen layout or
/// without instances.
pub(super) fn place<'a>(problem: &'a Problem, solution: &Solution) -> Vec<Option<Placed<'a>>> {
    let mut pools = Pools::new();
    for placed in &solution.pools {
        let key = (placed.part, placed.shape, placed.host);
        pools.entry(key).or_default().push_back((placed.at, placed.count));
    }
    for host in 0..problem.hosts.len() {
        pools.extend(largest_first(problem, solution, host).into_iter().flatten());
    }
    let mut placements: BTreeMap<usize, Vec<Placement>> = BTreeMap::new();
    let mut witnesses: BTreeMap<usize, Placement> = BTreeMap::new();
    for placed in &solution.numa {
        let is_witness = problem
            .parts
            .get(placed.part)
            .and_then(|part| part.shapes.get(placed.shape))
            .is_some_and(|shape| shape.is_witness);
        for _ in 0..placed.count {
            let queue = pools.get_mut(&(placed.part, placed.shape, placed.host));
            let pool = queue.map_or(0, take);
            let placement = Placement { host: placed.host, numa: placed.at, pool };
            if is_witness {
                witnesses.insert(placed.part, placement);
            } else {
                placements.entry(placed.part).or_default().push(placement);
            }
        }
    }
    let mut chosen = |(at, part): (usize, &'a Part)| {
        let candidate = part.candidates.get(solution.chosen.get(at).copied().flatten()?)?;
        let all = placements.remove(&at)?;
        let (leaders, followers) = split(problem, solution, at, all, candidate);
        let witness = witnesses.remove(&at);
        let placements = grouped(problem, part, candidate, (leaders, followers), witness);
        Some(Placed { candidate, placements })
    };
    problem.parts.iter().enumerate().map(&mut chosen).collect()
}

/// Instances per pool, by part, shape and host.
type Pools = BTreeMap<(usize, usize, usize), VecDeque<(usize, u64)>>;

/// Each instance on a host in the largest pool that still fits, if all do.
fn largest_first(problem: &Problem, solution: &Solution, host: usize) -> Option<Pools> {
    // A pool whose disk is not known has no limit.
    let operations = |pool: &Pool| pool.iops_per_s.map_or(u64::MAX, PerSecond::get);
    let pools = problem.hosts.get(host)?.pools.iter();
    let mut free: Vec<(u64, u64)> = pools.map(|(pool, mib)| (*mib, operations(pool))).collect();
    let mut found = Pools::new();
    for placed in solution.numa.iter().filter(|placed| placed.host == host) {
        let shape = problem.parts.get(placed.part)?.shapes.get(placed.shape)?;
        let (disk, iops) = (shape.disk_mib, shape.iops_per_s);
        for _ in 0..placed.count {
            let fits =
                |(_, (space, left)): &(usize, &mut (u64, u64))| *space >= disk && *left >= iops;
            let (pool, (space, left)) = free.iter_mut().enumerate().find(fits)?;
            *space -= disk;
            *left -= iops;
            let key = (placed.part, placed.shape, host);
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

/// Forms the groups of a part whose kind of cluster has them.
fn grouped(
    problem: &Problem,
    part: &Part,
    candidate: &Candidate,
    (leaders, followers): (Vec<Placement>, Vec<Placement>),
    witness: Option<Placement>,
) -> GroupedPlacements {
    use Cluster::{GatewayPair, PrimaryReplica, Sharded};
    if !matches!(part.kind, PartKind::Service(Sharded | PrimaryReplica | GatewayPair)) {
        let count = leaders.len();
        let placements = [leaders, followers].concat();
        return GroupedPlacements::Each { placements, leaders: count, witness };
    }
    let copies = usize::try_from(candidate.layout.copies.max(1)).unwrap_or(usize::MAX);
    let Some(level) = problem.anti_affinity_level() else {
        let each = copies.saturating_sub(1).max(1);
        let mut others = followers.chunks(each).map(<[Placement]>::to_vec);
        let group =
            |leader| GroupPlacement { leader, followers: others.next().unwrap_or_default() };
        return GroupedPlacements::Groups(leaders.into_iter().map(group).collect());
    };
    let domains = problem.domains(level).into_iter().map(|(_, hosts)| {
        let here = |all: &[Placement]| {
            all.iter().filter(|one| hosts.contains(&one.host)).copied().collect()
        };
        Domain { leaders: here(&leaders), followers: here(&followers) }
    });
    GroupedPlacements::Groups(matched(domains.collect(), copies))
}

/// Splits placements into those of leaders and all others: per failure domain as many
/// lead as the solution says, in turns of hosts and NUMA nodes.
fn split(
    problem: &Problem,
    solution: &Solution,
    part: usize,
    placements: Vec<Placement>,
    candidate: &Candidate,
) -> (Vec<Placement>, Vec<Placement>) {
    let Some(level) = problem.leader_level() else {
        let leaders = usize::try_from(candidate.leaders).unwrap_or(usize::MAX);
        let mut all = interleaved(placements);
        let followers = all.split_off(leaders.min(all.len()));
        return (all, followers);
    };
    let (mut leaders, mut followers) = (Vec::new(), Vec::new());
    for (domain, (_, hosts)) in problem.domains(level).into_iter().enumerate() {
        let here = placements.iter().filter(|one| hosts.contains(&one.host)).copied().collect();
        let mut here = interleaved(here);
        let key = |(p, d, _): &&(usize, usize, u64)| (*p, *d) == (part, domain);
        let count = solution.leaders.iter().find(key).map_or(0, |(_, _, count)| *count);
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(here.len());
        followers.extend(here.split_off(count));
        leaders.extend(here);
    }
    (leaders, followers)
}

/// Placements in one failure domain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Domain {
    leaders: VecDeque<Placement>,
    followers: VecDeque<Placement>,
}

impl Domain {
    fn left(&self) -> usize {
        self.leaders.len() + self.followers.len()
    }
}

/// Orders placements in turns: the first of each host and NUMA node, then the second of
/// each.
fn interleaved(placements: Vec<Placement>) -> Vec<Placement> {
    let mut turns: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    let mut keyed: Vec<(usize, Placement)> = placements
        .into_iter()
        .map(|placement| {
            let turn = turns.entry((placement.host, placement.numa)).or_default();
            *turn += 1;
            (*turn, placement)
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, placement)| placement).collect()
}

/// Matches each leader with its followers, the copies of a group in different domains.
///
/// Let `g` groups be left, `k` copies of each, and let no domain hold more than
/// `g` instances ("full": exactly `g`); the model sees to that at first. Each step
/// takes a leading instance of the fullest domain that has one, and followers of
/// the `k - 1` fullest others that have one; of equals, the next in turn. Then no
/// domain holds more than `g - 1` afterwards, since each full one loses an
/// instance. There are at most `k` full ones. One without leading instances holds
/// `g` followers, so it is among the fullest others; there are at most `k - 1` of
/// these, or nothing would be left for a leading instance. Of the full ones with
/// leading instances the first is taken for the leader; another has followers too,
/// since not all leading instances are there. Enough others have followers: were
/// there fewer than `k - 1`, at most `(k - 2) · g` of the `(k - 1) · g` followers
/// would be there, and the domain of the lead would be more than full.
fn matched(mut domains: Vec<Domain>, copies: usize) -> Vec<GroupPlacement> {
    let mut groups = Vec::new();
    let mut last = domains.len().saturating_sub(1);
    loop {
        let Some(from) = fullest(&domains, last, |_, domain| !domain.leaders.is_empty()) else {
            return groups;
        };
        let Some(leader) = domains.get_mut(from).and_then(|domain| domain.leaders.pop_front())
        else {
            return groups;
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
        groups.push(GroupPlacement { leader, followers });
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
        fn every_group_is_in_as_many_domains_as_it_has_copies(
            copies in 1usize..5,
            chosen in proptest::collection::vec(proptest::collection::vec(0u32..1000, 5), 1..12),
        ) {
            // Groups that exist: each takes the domains of its largest numbers,
            // the first of them for its leader. So a dealing exists.
            let placement = |host| Placement { host, numa: 0, pool: 0 };
            let mut domains = vec![Domain::default(); 5];
            for numbers in &chosen {
                let mut order: Vec<usize> = (0..5).collect();
                order.sort_by_key(|at| std::cmp::Reverse(numbers[*at]));
                domains[order[0]].leaders.push_back(placement(order[0]));
                for at in &order[1..copies] {
                    domains[*at].followers.push_back(placement(*at));
                }
            }
            let groups = matched(domains, copies);
            proptest::prop_assert_eq!(groups.len(), chosen.len());
            for group in groups {
                let hosts: std::collections::BTreeSet<usize> =
                    group.followers.iter().chain([&group.leader]).map(|placement| placement.host).collect();
                proptest::prop_assert_eq!(hosts.len(), copies);
            }
        }
    }

    #[test]
    fn placements_come_in_turns() {
        let placement = |host, numa| Placement { host, numa, pool: 0 };
        let all = vec![placement(0, 0), placement(0, 0), placement(0, 1), placement(1, 0)];
        assert_eq!(
            interleaved(all),
            [placement(0, 0), placement(0, 1), placement(1, 0), placement(0, 0)]
        );
    }
}

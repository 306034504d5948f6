//! Counts -> placed: a host, NUMA node and pool for each instance, and leaders with
//! their followers.
//!
//! Placements come in the canonical order of shapes, hosts and NUMA nodes. On a
//! host with several pools each instance takes the pool with the most space that
//! still fits (of equals the first by name); if that leaves one without a place,
//! the host's pools are filled as the solver did. Against a prior plan, pools that
//! instances of the service had there come first, and groups are formed again
//! (`regroup.rs`).

use std::collections::{BTreeMap, VecDeque};

use super::regroup::{Open, formed_again};
use crate::ids::{HostName, InstanceName};
use crate::model::{CandidateHost, Part, PartKind, Problem};
use crate::plan::Plan;
use crate::sizing::Candidate;
use crate::solve::{self, Restarted, Solution};
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

/// A machine's part, host and pool, and where it is restarted once its failure domain is
/// lost.
pub(super) type Restart = ((usize, usize, usize), Restarted);

/// Places the instances of each part; `None` for a part without a chosen layout or
/// without instances. Returns the places of machines that are restarted as well; `None` where
/// there is no room for them, which the solution rules out.
pub(super) fn place<'a>(
    problem: &'a Problem,
    solution: &Solution,
    prior: Option<&Plan>,
) -> Option<(Vec<Option<Placed<'a>>>, Vec<Restart>)> {
    let (mut pools, restarts) = pools(problem, solution, prior)?;
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
        let open = Open { leaders, followers };
        let placements = grouped(problem, part, candidate, open, witness, prior);
        Some(Placed { candidate, placements })
    };
    Some((problem.parts.iter().enumerate().map(&mut chosen).collect(), restarts))
}

/// Returns the pools of instances, and where machines are restarted. The solver counts on its
/// own pools for that; others are as good if the replay of each loss finds room.
fn pools(
    problem: &Problem,
    solution: &Solution,
    prior: Option<&Plan>,
) -> Option<(Pools, Vec<Restart>)> {
    let mut solved = Pools::new();
    for placed in &solution.pools {
        let key = (placed.part, placed.shape, placed.host);
        solved.entry(key).or_default().push_back((placed.at, placed.count));
    }
    let changed = |prior: Option<&Plan>| {
        let mut pools = solved.clone();
        for host in 0..problem.hosts.len() {
            let had = prior.and_then(|prior| largest_first(problem, solution, host, Some(prior)));
            let found = had.or_else(|| largest_first(problem, solution, host, None));
            pools.extend(found.into_iter().flatten());
        }
        pools
    };
    if !problem.restarts() {
        return Some((changed(prior), Vec::new()));
    }
    let tries: [&dyn Fn() -> Pools; 3] =
        [&|| changed(prior), &|| changed(None), &|| solved.clone()];
    tries.into_iter().find_map(|pools| {
        let pools = pools();
        let placed = pools.iter().flat_map(|((part, shape, host), all)| {
            let of = |(at, count): &(usize, u64)| solve::Placed {
                part: *part,
                shape: *shape,
                host: *host,
                at: *at,
                count: *count,
            };
            all.iter().map(of)
        });
        let placed: Vec<solve::Placed> = placed.collect();
        let found = solve::restarts(problem, solution, &placed)?.into_iter();
        let keyed = found.map(|((host, pool), one)| ((one.part, host, pool), one));
        Some((pools, keyed.collect()))
    })
}

/// Instances per pool, by part, shape and host.
type Pools = BTreeMap<(usize, usize, usize), VecDeque<(usize, u64)>>;

/// Each instance on a host in the largest pool that still fits, if all do; first as many
/// as there are in the pools that instances of the part have in a prior plan.
fn largest_first(
    problem: &Problem,
    solution: &Solution,
    host: usize,
    prior: Option<&Plan>,
) -> Option<Pools> {
    // A pool whose disk is not known has no limit.
    let operations = |pool: &Pool| pool.iops_per_s.map_or(u64::MAX, PerSecond::get);
    let pools = problem.hosts.get(host)?.pools.iter();
    let mut free: Vec<(u64, u64)> = pools.map(|(pool, mib)| (*mib, operations(pool))).collect();
    let mut found = Pools::new();
    let mut had = prior.map(|prior| prior_pools(problem, host, prior)).unwrap_or_default();
    let mut later = Vec::new();
    for placed in solution.numa.iter().filter(|placed| placed.host == host) {
        let shape = problem.parts.get(placed.part)?.shapes.get(placed.shape)?;
        let (disk, iops) = (shape.disk_mib, shape.iops_per_s);
        let mut wanted = placed.count;
        let had = had.entry(placed.part).or_default();
        while let Some(pool) = had.pop_front_if(|_| wanted > 0) {
            let fits = |place: &&mut (u64, u64)| place.0 >= disk && place.1 >= iops;
            let Some((space, left)) = free.get_mut(pool).filter(fits) else { continue };
            *space -= disk;
            *left -= iops;
            wanted -= 1;
            let key = (placed.part, placed.shape, host);
            found.entry(key).or_default().push_back((pool, 1));
        }
        later.push((placed, wanted));
    }
    for (placed, count) in later {
        let shape = problem.parts.get(placed.part)?.shapes.get(placed.shape)?;
        let (disk, iops) = (shape.disk_mib, shape.iops_per_s);
        for _ in 0..count {
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

/// The pools of a host by part, one for each instance that the prior plan has there.
fn prior_pools(problem: &Problem, host: usize, prior: &Plan) -> BTreeMap<usize, VecDeque<usize>> {
    let mut found: BTreeMap<usize, VecDeque<usize>> = BTreeMap::new();
    let Some(host) = problem.hosts.get(host) else { return found };
    for instance in prior.on_host(&host.host.name) {
        let Some(name) = instance.volumes().next().map(|volume| &volume.pool) else { continue };
        let part = problem.parts.iter().position(|part| part.name == instance.service.as_str());
        let pool = host.pools.iter().position(|(pool, _)| pool.name == *name);
        if let (Some(part), Some(pool)) = (part, pool) {
            found.entry(part).or_default().push_back(pool);
        }
    }
    found
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
    mut open: Open,
    witness: Option<Placement>,
    prior: Option<&Plan>,
) -> GroupedPlacements {
    use Cluster::{GatewayPair, PrimaryReplica, Sharded};
    if !matches!(part.kind, PartKind::Service(Sharded | PrimaryReplica | GatewayPair)) {
        let count = open.leaders.len();
        let placements = [open.leaders, open.followers].concat();
        return GroupedPlacements::Each { placements, leaders: count, witness };
    }
    let copies = usize::try_from(candidate.layout.copies.max(1)).unwrap_or(usize::MAX);
    let level = problem.anti_affinity_level();
    let domains = level.map(|level| problem.domains(level)).unwrap_or_default();
    let domain_of = domains
        .iter()
        .enumerate()
        .flat_map(|(domain, (_, hosts))| hosts.iter().map(move |host| (*host, domain)));
    let had = prior.map(|prior| prior_groups(problem, part, prior)).unwrap_or_default();
    let mut groups = formed_again(&mut open, copies, &had, &domain_of.collect());
    let Open { leaders, followers } = open;
    if level.is_none() {
        let each = copies.saturating_sub(1).max(1);
        let mut others = followers.chunks(each).map(<[Placement]>::to_vec);
        let group =
            |leader| GroupPlacement { leader, followers: others.next().unwrap_or_default() };
        groups.extend(leaders.into_iter().map(group));
        return GroupedPlacements::Groups(groups);
    }
    let domains = domains.into_iter().map(|(_, hosts)| {
        let here = |all: &[Placement]| {
            all.iter().filter(|one| hosts.contains(&one.host)).copied().collect()
        };
        Domain { leaders: here(&leaders), followers: here(&followers) }
    });
    groups.extend(matched(domains.collect(), copies));
    GroupedPlacements::Groups(groups)
}

/// The hosts of each group in a prior plan, that of the lead first; `None` for a host that
/// is gone.
fn prior_groups(problem: &Problem, part: &Part, prior: &Plan) -> Vec<Vec<Option<usize>>> {
    let service = prior.services.iter().find(|service| service.name.as_str() == part.name);
    let host = |name: &InstanceName| {
        let is_here = |host: &CandidateHost, name: &HostName| host.host.name == *name;
        let name = &prior.instance(name)?.host;
        problem.hosts.iter().position(|host| is_here(host, name))
    };
    let groups = service.into_iter().flat_map(|service| &service.groups);
    groups
        .map(|group| [&group.lead].into_iter().chain(&group.replicas).map(host).collect())
        .collect()
}

/// Splits placements into those of leaders and all others: per failure domain as many
/// lead as the solution says, on hosts that the service prefers first, then in turns of hosts
/// and NUMA nodes.
fn split(
    problem: &Problem,
    solution: &Solution,
    part: usize,
    placements: Vec<Placement>,
    candidate: &Candidate,
) -> (Vec<Placement>, Vec<Placement>) {
    let Some(level) = problem.leader_level() else {
        let leaders = usize::try_from(candidate.leaders).unwrap_or(usize::MAX);
        let mut all = preferred_first(problem, part, interleaved(placements));
        let followers = all.split_off(leaders.min(all.len()));
        return (all, followers);
    };
    let (mut leaders, mut followers) = (Vec::new(), Vec::new());
    for (domain, (_, hosts)) in problem.domains(level).into_iter().enumerate() {
        let here = placements.iter().filter(|one| hosts.contains(&one.host)).copied().collect();
        let mut here = preferred_first(problem, part, interleaved(here));
        let key = |(p, d, _): &&(usize, usize, u64)| (*p, *d) == (part, domain);
        let count = solution.leaders.iter().find(key).map_or(0, |(_, _, count)| *count);
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(here.len());
        followers.extend(here.split_off(count));
        leaders.extend(here);
    }
    (leaders, followers)
}

/// Orders placements on preferred hosts before the others.
fn preferred_first(problem: &Problem, part: usize, mut all: Vec<Placement>) -> Vec<Placement> {
    all.sort_by_key(|one| !problem.is_preferred(part, one.host));
    all
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

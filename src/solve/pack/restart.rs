//! Where machines are restarted once their failure domain is lost: a replay of each loss on
//! hosts with their instances, by depth-first search.
//!
//! Machines come by falling size, and each goes to the hosts in use, the fullest first
//! (best fit); hosts that are alike are tried once. Where a solution says which places it
//! counts on, these come first, so that nothing has to be sought. A search that takes too many
//! steps is given up, which proves nothing.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::super::tiers::{Placed, Restarted, Solution};
use super::bins::BinPacking;
use super::loaded_hosts::{ItemPlacement, LoadedHosts};
use crate::model::{Goal, Part, Problem, Shape};

/// Steps of the search after one loss.
const STEPS: usize = 20_000;

/// Pool of a machine whose disks need no pool of its host.
const NO_POOL: usize = usize::MAX;

/// A host and a pool of it, by index: where the disks of a machine are before the loss.
pub(in crate::solve) type Origin = (usize, usize);

/// Returns where each machine is restarted that is to be: on hosts that are in use, or that the
/// solution keeps for it. `pools` says in which pools instances are on hosts with several.
/// `None` if no way was found.
pub(in crate::solve) fn restarts(
    problem: &Problem,
    solution: &Solution,
    pools: &[Placed],
) -> Option<Vec<(Origin, Restarted)>> {
    let packing = BinPacking::new(problem);
    let mut replay = Replay::new(&packing, solution, pools);
    let mut open = used(solution);
    open.extend(solution.restarts.iter().map(|one| one.host));
    let mut found = Vec::new();
    for domain in 0..replay.domains.len() {
        found.extend(replay.after(domain, &open)?);
    }
    Some(found)
}

/// Returns the solution with places for the machines that are restarted, on more hosts where
/// those in use do not suffice; `None` if no way was found.
pub(in crate::solve) fn with_restarts(
    problem: &Problem,
    mut solution: Solution,
) -> Option<Solution> {
    let packing = BinPacking::new(problem);
    let mut replay = Replay::new(&packing, &solution, &solution.pools);
    let before = used(&solution);
    let mut open = before.clone();
    for domain in 0..replay.domains.len() {
        let places = match replay.after(domain, &open) {
            Some(places) => places,
            None => replay.on_more(domain, &mut open)?,
        };
        solution.restarts.extend(places.into_iter().map(|(_, place)| place));
    }
    let targets: BTreeSet<usize> = solution.restarts.iter().map(|one| one.host).collect();
    let kept = targets.difference(&before).filter_map(|host| problem.hosts.get(*host));
    let more = kept.map(|host| host.host.cost).fold(0, u64::saturating_add);
    // What was proved of later tiers is proved of plans that cost no more than before.
    let mut is_later = false;
    for tier in &mut solution.tiers {
        if tier.goal == Goal::Cost {
            tier.value = tier.value.saturating_add(more);
            is_later = more > 0;
        } else if is_later {
            tier.bound = 0;
        }
    }
    Some(solution)
}

fn used(solution: &Solution) -> BTreeSet<usize> {
    solution.numa.iter().map(|placed| placed.host).collect()
}

/// A machine that is lost.
#[derive(Clone, Copy)]
struct Lost {
    from: ItemPlacement,
    /// The shared pool that has its disks.
    shared: Option<usize>,
    /// The place that the solution counts on.
    hint: Option<(usize, usize, Option<usize>)>,
}

/// Machines of one kind after one loss: failure domain, part, shared pool.
type Kind = (usize, usize, Option<usize>);

struct Replay<'g> {
    packing: &'g BinPacking<'g>,
    hosts: LoadedHosts<'g>,
    domains: Vec<Vec<usize>>,
    /// Host, NUMA node and pool.
    hints: BTreeMap<Kind, Vec<(usize, usize, Option<usize>)>>,
}

impl<'g> Replay<'g> {
    fn new(packing: &'g BinPacking<'g>, solution: &Solution, pools: &[Placed]) -> Self {
        let problem = packing.problem;
        let mut hosts = LoadedHosts::new(packing, &solution.chosen);
        let mut of: BTreeMap<(usize, usize, usize), Vec<usize>> = BTreeMap::new();
        for placed in pools {
            let key = (placed.part, placed.shape, placed.host);
            of.entry(key).or_default().extend((0..placed.count).map(|_| placed.at));
        }
        for placed in &solution.numa {
            let Placed { part, shape, host, at: numa, count } = *placed;
            let several = problem.hosts.get(host).is_some_and(|host| host.pools.len() > 1);
            for _ in 0..count {
                let pools = of.get_mut(&(part, shape, host)).filter(|_| several);
                let pool = pools.and_then(Vec::pop).unwrap_or(0);
                hosts.place(ItemPlacement { part, shape, host, numa, pool });
            }
        }
        hosts.checkpoint();
        let mut hints: BTreeMap<Kind, Vec<(usize, usize, Option<usize>)>> = BTreeMap::new();
        for one in &solution.restarts {
            let kind = (one.domain, first_alike(problem, one.part), one.shared);
            hints.entry(kind).or_default().push((one.host, one.numa, one.pool));
        }
        let domains = problem.domains(problem.restart_level());
        let domains = domains.into_iter().map(|(_, hosts)| hosts).collect();
        Self { packing, hosts, domains, hints }
    }

    /// Replays the loss of a failure domain; hosts are as before afterwards.
    fn after(&mut self, domain: usize, open: &BTreeSet<usize>) -> Option<Vec<(Origin, Restarted)>> {
        let hosts = self.domains.get(domain)?.clone();
        let gone: Vec<ItemPlacement> =
            hosts.iter().flat_map(|host| self.hosts.empty(*host)).collect();
        let lost = self.lost(domain, &hosts, &gone);
        let left: Vec<usize> = open.iter().copied().filter(|host| !hosts.contains(host)).collect();
        let (mut places, mut steps) = (Vec::new(), STEPS);
        let is_found = self.search(&lost, &left, &mut places, &mut steps);
        for place in places.iter().rev() {
            self.hosts.remove(*place);
        }
        for one in gone {
            self.hosts.place(one);
        }
        self.hosts.checkpoint();
        is_found.then(|| {
            let pairs = lost.iter().zip(&places);
            pairs.map(|(lost, place)| (origin(lost), restarted(domain, lost, *place))).collect()
        })
    }

    /// Replays a loss with one more host: the cheapest with which it works; with several
    /// more where none alone does.
    fn on_more(
        &mut self,
        domain: usize,
        open: &mut BTreeSet<usize>,
    ) -> Option<Vec<(Origin, Restarted)>> {
        let classes = self.packing.classes.iter().enumerate();
        let mut order: Vec<(i64, usize)> = classes.map(|(at, class)| (class.cost, at)).collect();
        order.sort_unstable();
        loop {
            let unused = order.iter().filter_map(|(_, class)| {
                let hosts = self.packing.classes.get(*class).into_iter().flat_map(|c| &c.hosts);
                let lost = self.domains.get(domain);
                let is_free = |host: &usize| {
                    !open.contains(host) && lost.is_none_or(|lost| !lost.contains(host))
                };
                hosts.copied().find(is_free)
            });
            let unused: Vec<usize> = unused.collect();
            let first = *unused.first()?;
            for host in unused {
                open.insert(host);
                if let Some(places) = self.after(domain, open) {
                    return Some(places);
                }
                open.remove(&host);
            }
            open.insert(first);
        }
    }

    /// Returns the machines that are restarted of those that are gone, largest first, what is
    /// to be near others after them.
    fn lost(&self, domain: usize, hosts: &[usize], gone: &[ItemPlacement]) -> Vec<Lost> {
        let problem = self.packing.problem;
        let mut found = BTreeSet::new();
        for (number, from) in gone.iter().enumerate() {
            let Some(part) = problem.parts.get(from.part).filter(|part| part.restarts()) else {
                continue;
            };
            let Some(shape) = part.shapes.get(from.shape) else { continue };
            let shared = problem.disks_left(hosts, (from.host, from.pool), *shape);
            let need = self.packing.least(self.packing.index(from.part, from.shape));
            let [cores, memory, ..] = need;
            let alike = first_alike(problem, from.part);
            let rank = self.packing.rank(from.part);
            found.insert((rank, Reverse((cores, memory)), alike, shared, *from, number));
        }
        let mut counts: BTreeMap<(usize, Option<usize>), usize> = BTreeMap::new();
        let lost = found.into_iter().map(|(_, _, alike, shared, from, _)| {
            let number = counts.entry((alike, shared)).or_default();
            let hints = self.hints.get(&(domain, alike, shared));
            let hint = hints.and_then(|hints| hints.get(*number)).copied();
            *number += 1;
            Lost { from, shared, hint }
        });
        lost.collect()
    }

    /// Finds a place for each machine, depth first.
    fn search(
        &mut self,
        lost: &[Lost],
        left: &[usize],
        places: &mut Vec<ItemPlacement>,
        steps: &mut usize,
    ) -> bool {
        let Some((one, rest)) = lost.split_first() else {
            let mut places = places.iter();
            return places.all(|place| self.hosts.missing(place.part, place.host).next().is_none());
        };
        if *steps == 0 {
            return false;
        }
        *steps -= 1;
        for place in self.targets(one, rest, left) {
            self.hosts.place(place);
            places.push(place);
            if self.search(rest, left, places, steps) {
                return true;
            }
            places.pop();
            self.hosts.remove(place);
        }
        false
    }

    /// Returns the places where a machine fits, the best first; what it is to be near is there,
    /// or among the `rest`.
    fn targets(&self, lost: &Lost, rest: &[Lost], left: &[usize]) -> Vec<ItemPlacement> {
        let problem = self.packing.problem;
        let ItemPlacement { part, shape, .. } = lost.from;
        let Some(entry) = problem.parts.get(part) else { return Vec::new() };
        let Some(size) = entry.shapes.get(shape).copied() else { return Vec::new() };
        let is_free = problem.is_interchangeable(part);
        let comes = |part: usize| rest.iter().any(|other| other.from.part == part);
        let mut found: Vec<(bool, i64, ItemPlacement)> = Vec::new();
        let may = |host: &&usize| {
            problem.may_restart(**host, size, lost.shared)
                && self.hosts.missing(part, **host).all(comes)
        };
        for host in left.iter().filter(may) {
            for place in places(problem, (*host, size), lost) {
                let place = ItemPlacement { part, shape, ..place };
                let is_like = |(_, _, other): &(bool, i64, ItemPlacement)| {
                    (other.numa, other.pool) == (place.numa, place.pool)
                        && self.hosts.are_alike(other.host, place.host)
                };
                let is_hint = lost.hint.is_some_and(|(host, numa, pool)| {
                    (host, numa) == (place.host, place.numa)
                        && pool.is_none_or(|pool| pool == place.pool)
                });
                let is_again = is_free && !is_hint && found.iter().any(is_like);
                if !is_again && self.hosts.holds(place) {
                    let (cores, _) = self.hosts.cores(*host);
                    found.push((!is_hint, cores, place));
                }
            }
        }
        found.sort_unstable();
        found.into_iter().map(|(_, _, place)| place).collect()
    }
}

/// Returns the places of a host, whether they hold a machine or not.
fn places(problem: &Problem, (host, size): (usize, Shape), lost: &Lost) -> Vec<ItemPlacement> {
    let Some(entry) = problem.hosts.get(host) else { return Vec::new() };
    let pools = if lost.shared.is_some() || size.disk_mib == 0 {
        vec![NO_POOL]
    } else {
        (0..entry.pools.len()).collect()
    };
    let of = |numa: usize| {
        pools.iter().map(move |pool| ItemPlacement { host, numa, pool: *pool, ..lost.from })
    };
    (0..entry.numa.len()).flat_map(of).collect()
}

const fn origin(lost: &Lost) -> Origin {
    (lost.from.host, lost.from.pool)
}

fn restarted(domain: usize, lost: &Lost, place: ItemPlacement) -> Restarted {
    let ItemPlacement { part, host, numa, pool, .. } = place;
    let pool = Some(pool).filter(|pool| *pool != NO_POOL);
    Restarted { domain, part, shared: lost.shared, host, numa, pool }
}

/// Returns the first part whose machines are interchangeable with those of a part: solutions
/// count them together.
fn first_alike(problem: &Problem, part: usize) -> usize {
    let Some(own) = problem.parts.get(part) else { return part };
    if !problem.is_interchangeable(part) {
        return part;
    }
    let is_alike = |(at, other): (usize, &Part)| {
        problem.is_interchangeable(at) && (other.kind, &other.shapes) == (own.kind, &own.shapes)
    };
    problem.parts.iter().enumerate().position(is_alike).unwrap_or(part)
}

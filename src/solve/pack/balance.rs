//! Balance: local search moves cores off the busiest host, down to a bound. Hosts that
//! together cost no more and of which none holds more cores must hold all instances.

use super::super::Deadline;
use super::super::highs::{MipLimits, MipOutcome, minimise};
use super::bins::{BinPacking, int};
use super::leaders;
use super::loaded_hosts::{ItemPlacement, LoadedHosts};
use crate::model::{Problem, Program, Sum};

/// What every plan that costs no more has at least, whatever its layouts.
#[derive(Clone, Copy, Debug)]
pub(super) struct BusiestBound {
    /// Cores of all instances.
    pub cores: i64,
    /// Cores of the largest instance.
    pub largest: i64,
}

/// Returns balanced hosts, the cores on the busiest one, and the least that any plan has
/// there.
pub(super) fn rebalance<'g>(
    packing: &BinPacking,
    hosts: LoadedHosts<'g>,
    chosen: &[Option<usize>],
    bound: BusiestBound,
    deadline: &Deadline,
) -> Result<(LoadedHosts<'g>, (i64, i64)), String> {
    let least = least(packing, &hosts, bound, deadline)?;
    let hosts = local_search(packing, hosts, chosen, least, deadline);
    let busiest = busiest(&hosts).map_or(0, |(cores, _)| cores);
    Ok((hosts, (busiest, least)))
}

/// Returns the cores on the busiest host, and the host.
fn busiest(hosts: &LoadedHosts) -> Option<(i64, usize)> {
    let taken = (0..hosts.count()).map(|host| (taken(hosts, host), host));
    taken.max_by_key(|(cores, host)| (*cores, std::cmp::Reverse(*host)))
}

fn taken(hosts: &LoadedHosts, host: usize) -> i64 {
    let (left, has) = hosts.cores(host);
    has - left
}

/// Changes that are tried at most.
const TRIES: usize = 200_000;

/// Moves instances off the busiest host, or swaps them for smaller ones, while
/// that leaves both hosts less busy than it was, at no cost.
fn local_search<'g>(
    packing: &BinPacking,
    hosts: LoadedHosts<'g>,
    chosen: &[Option<usize>],
    goal: i64,
    deadline: &Deadline,
) -> LoadedHosts<'g> {
    let mut next = hosts.clone();
    let mut tries = 0;
    while let Some((most, from)) = busiest(&next) {
        let is_late = tries > TRIES || deadline.left() <= 0.0;
        if most <= goal || is_late || !improve_once(&mut next, (most, from), &mut tries) {
            break;
        }
    }
    // Preferences come before balance.
    let elsewhere = |hosts: &LoadedHosts| {
        let placements: Vec<_> = hosts.all().collect();
        let leaders = leaders::distribute(packing.problem, chosen, &placements)?;
        Some(leaders::elsewhere(packing.problem, chosen, &leaders, &placements))
    };
    match (elsewhere(&next), elsewhere(&hosts)) {
        (Some(then), before) if before.is_none_or(|before| then <= before) => next,
        _ => hosts,
    }
}

/// Makes one move or swap that relieves the busiest host, to the least busy one that
/// allows one. Returns whether there was one.
fn improve_once(hosts: &mut LoadedHosts, busiest: (i64, usize), tries: &mut usize) -> bool {
    let (most, from) = busiest;
    let mut order: Vec<(i64, usize)> = (0..hosts.count())
        .filter(|host| *host != from)
        .map(|host| (taken(hosts, host), host))
        .collect();
    order.sort_unstable();
    let own = distinct(hosts, from);
    for (cores, to) in order {
        if cores + 1 >= most || *tries > TRIES {
            return false;
        }
        let others = distinct(hosts, to);
        for one in &own {
            if move_or_swap(hosts, busiest, *one, (to, &others), tries) {
                return true;
            }
        }
    }
    false
}

/// The instances on a host, equal ones once.
fn distinct(hosts: &LoadedHosts, host: usize) -> Vec<ItemPlacement> {
    let mut found = hosts.on(host).to_vec();
    found.sort_unstable();
    found.dedup();
    found
}

/// Moves an instance off the busiest host to another, or swaps it for one there, if both are
/// then less busy than that was, at no cost. Returns whether it did.
fn move_or_swap(
    hosts: &mut LoadedHosts,
    (most, from): (i64, usize),
    one: ItemPlacement,
    (to, others): (usize, &[ItemPlacement]),
    tries: &mut usize,
) -> bool {
    let cost = hosts.cost();
    let item = (one.part, one.shape);
    *tries += 1;
    if hosts.is_needed(one) {
        return false;
    }
    hosts.remove(one);
    if let Some(there) = hosts.fits(item, to, None) {
        hosts.place(there);
        if taken(hosts, to) < most && hosts.cost() <= cost {
            return true;
        }
        hosts.remove(there);
    }
    for other in others {
        *tries += 1;
        if hosts.is_needed(*other) {
            continue;
        }
        hosts.remove(*other);
        if let Some(back) = hosts.fits((other.part, other.shape), from, None)
            && let Some(there) = hosts.fits(item, to, None)
        {
            hosts.place(back);
            hosts.place(there);
            if taken(hosts, to) < most && taken(hosts, from) < most {
                return true;
            }
            hosts.remove(there);
            hosts.remove(back);
        }
        hosts.place(*other);
    }
    hosts.place(one);
    false
}

/// Returns the least cores on the busiest host of any plan that costs no more: for a
/// number `b` the hosts that can be paid must hold all cores with at most `b` on each.
/// Found by halving.
fn least(
    packing: &BinPacking,
    hosts: &LoadedHosts,
    bound: BusiestBound,
    deadline: &Deadline,
) -> Result<i64, String> {
    let (mut low, mut high) = (bound.largest, busiest(hosts).map_or(0, |(cores, _)| cores));
    while low < high {
        let middle = low + (high - low) / 2;
        if can_hold(packing, bound.cores, middle, hosts.cost(), deadline)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

/// Whether hosts within a cost may hold that many cores, `most` on each; true
/// where that is not settled.
fn can_hold(
    packing: &BinPacking,
    total: i64,
    most: i64,
    cost: i64,
    deadline: &Deadline,
) -> Result<bool, String> {
    let mut program = Program::default();
    let (mut costs, mut cores) = (Sum::default(), Sum::default());
    for class in &packing.classes {
        let hosts = u64::try_from(class.hosts.len()).unwrap_or(u64::MAX);
        let var = program.variable("hosts".to_owned(), Some(hosts));
        costs.add(class.cost, var);
        cores.add(-class.capacity[0].min(most), var);
    }
    program.at_most(costs, cost);
    let effort = MipLimits::new(deadline.left().max(0.1), None);
    Ok(match minimise(&program, &cores, &effort, None)? {
        MipOutcome::Feasible { bound, .. } => -bound >= total,
        MipOutcome::Infeasible => false,
        MipOutcome::Unknown => true,
    })
}

/// Returns the leading instances of each service in the failure domain where most are,
/// summed, and the least that this can be: one of each service that has any.
pub(super) fn leaders(problem: &Problem, leaders: &[(usize, usize, u64)]) -> (i64, i64) {
    let (mut value, mut least) = (0u64, 0u64);
    for index in 0..problem.parts.len() {
        let own = leaders.iter().filter(|(part, _, _)| *part == index).map(|(_, _, count)| *count);
        let most = own.max().unwrap_or(0);
        value += most;
        least += most.min(1);
    }
    (int(value), int(least))
}

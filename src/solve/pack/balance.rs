//! The busiest host relieved as long as a change helps, and how far that can go:
//! hosts that together cost no more, of which none holds more cores than that.

use super::super::Deadline;
use super::super::highs::{Answer, Effort, minimise};
use super::goods::Goods;
use super::hosts::Hosts;
use crate::model::{Problem, Program, Sum};

/// What every plan that costs no more has at least, whatever its layouts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Floor {
    /// Cores of all instances.
    pub cores: i64,
    /// Cores of the largest instance.
    pub largest: i64,
}

/// Hosts with the cores on the busiest one, and the least that there must be.
pub(super) fn relieve<'g>(
    goods: &Goods,
    hosts: Hosts<'g>,
    chosen: &[Option<usize>],
    floor: Floor,
    deadline: &Deadline,
) -> Result<(Hosts<'g>, (i64, i64)), String> {
    let least = least(goods, &hosts, floor, deadline)?;
    let hosts = moved(goods, hosts, chosen, least, deadline);
    let busiest = busiest(&hosts).map_or(0, |(cores, _)| cores);
    Ok((hosts, (busiest, least)))
}

/// Cores on the busiest host, and the host.
fn busiest(hosts: &Hosts) -> Option<(i64, usize)> {
    let taken = (0..hosts.count()).map(|host| (taken(hosts, host), host));
    taken.max_by_key(|(cores, host)| (*cores, std::cmp::Reverse(*host)))
}

fn taken(hosts: &Hosts, host: usize) -> i64 {
    let (left, has) = hosts.cores(host);
    has - left
}

/// Changes that are tried at most.
const TRIES: usize = 200_000;

/// Moves instances off the busiest host, or swaps them for smaller ones, while
/// that leaves both hosts less busy than it was, at no cost.
fn moved<'g>(
    goods: &Goods,
    hosts: Hosts<'g>,
    chosen: &[Option<usize>],
    goal: i64,
    deadline: &Deadline,
) -> Hosts<'g> {
    let mut next = hosts.clone();
    let mut tries = 0;
    while let Some((most, from)) = busiest(&next) {
        let is_late = tries > TRIES || deadline.left() <= 0.0;
        if most <= goal || is_late || !relieved(&mut next, (most, from), &mut tries) {
            break;
        }
    }
    let spots: Vec<_> = next.all().collect();
    match super::hosts::leaders(goods.problem, chosen, &spots) {
        Some(_) => next,
        None => hosts,
    }
}

/// Whether one change made a host less busy.
fn relieved(hosts: &mut Hosts, (most, from): (i64, usize), tries: &mut usize) -> bool {
    let cost = hosts.cost();
    let mut order: Vec<(i64, usize)> = (0..hosts.count())
        .filter(|host| *host != from)
        .map(|host| (taken(hosts, host), host))
        .collect();
    order.sort_unstable();
    let mut own = hosts.on(from).to_vec();
    own.sort_unstable();
    own.dedup();
    for (cores, to) in order {
        if cores + 1 >= most || *tries > TRIES {
            return false;
        }
        let mut others = hosts.on(to).to_vec();
        others.sort_unstable();
        others.dedup();
        for spot in &own {
            *tries += 1;
            let one = (spot.part, spot.shape);
            hosts.take(*spot);
            if let Some(there) = hosts.fits(one, to, None) {
                hosts.put(there);
                if taken(hosts, to) < most && hosts.cost() <= cost {
                    return true;
                }
                hosts.take(there);
            }
            for other in &others {
                *tries += 1;
                hosts.take(*other);
                if let Some(back) = hosts.fits((other.part, other.shape), from, None)
                    && let Some(there) = hosts.fits(one, to, None)
                {
                    hosts.put(back);
                    hosts.put(there);
                    if taken(hosts, to) < most && taken(hosts, from) < most {
                        return true;
                    }
                    hosts.take(there);
                    hosts.take(back);
                }
                hosts.put(*other);
            }
            hosts.put(*spot);
        }
    }
    false
}

/// The least cores on the busiest host of any plan that costs no more: for a
/// number `b` the hosts that can be paid must hold all cores with at most `b` on
/// each. Found by halving.
fn least(goods: &Goods, hosts: &Hosts, floor: Floor, deadline: &Deadline) -> Result<i64, String> {
    let (mut low, mut high) = (floor.largest, busiest(hosts).map_or(0, |(cores, _)| cores));
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(goods, floor.cores, middle, hosts.cost(), deadline)? {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(low)
}

/// Whether hosts within a cost may hold that many cores, `most` on each; true
/// where that is not settled.
fn holds(
    goods: &Goods,
    total: i64,
    most: i64,
    cost: i64,
    deadline: &Deadline,
) -> Result<bool, String> {
    let mut program = Program::default();
    let (mut costs, mut cores) = (Sum::default(), Sum::default());
    for class in &goods.classes {
        let hosts = u64::try_from(class.hosts.len()).unwrap_or(u64::MAX);
        let var = program.variable("hosts".to_owned(), Some(hosts));
        costs.add(class.cost, var);
        cores.add(-class.capacity[0].min(most), var);
    }
    program.at_most(costs, cost);
    let effort = Effort { seconds: deadline.left().max(0.1), nodes: None };
    Ok(match minimise(&program, &cores, &effort, None)? {
        Answer::Found { bound, .. } => -bound >= total,
        Answer::Infeasible => false,
        Answer::Nothing => true,
    })
}

/// Leading instances of each service in the failure domain where most are, summed,
/// and the least that this can be: one of each service that has any.
pub(super) fn leaders(problem: &Problem, leaders: &[(usize, usize, u64)]) -> (i64, i64) {
    let (mut value, mut least) = (0u64, 0u64);
    for index in 0..problem.parts.len() {
        let own = leaders.iter().filter(|(part, _, _)| *part == index).map(|(_, _, count)| *count);
        let most = own.max().unwrap_or(0);
        value += most;
        least += most.min(1);
    }
    (super::goods::int(value), super::goods::int(least))
}

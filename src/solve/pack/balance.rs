//! The busiest host relieved as long as a change helps, and how far that can go:
//! hosts that together cost no more, of which none holds more cores than that.

use super::super::Deadline;
use super::super::highs::{Answer, Effort, minimise};
use super::cover::counts;
use super::goods::Goods;
use super::hosts::Hosts;
use crate::model::{Kind, Problem, Program, Sum};

/// Hosts with the cores on the busiest one, and the least that there must be.
pub(super) fn relieve<'p>(
    goods: &Goods<'p>,
    hosts: Hosts<'p>,
    chosen: &[Option<usize>],
    deadline: &Deadline,
) -> Result<(Hosts<'p>, (i64, i64)), String> {
    let least = least(goods, &hosts, chosen, deadline)?;
    let hosts = moved(goods, hosts, chosen, least, deadline);
    let busiest = busiest(&hosts).map_or(0, |(cores, _)| cores);
    Ok((hosts, (busiest, least)))
}

/// Cores on the busiest host, and the host.
fn busiest(hosts: &Hosts) -> Option<(i64, usize)> {
    let taken = (0..hosts.count()).map(|site| (taken(hosts, site), site));
    taken.max_by_key(|(cores, site)| (*cores, std::cmp::Reverse(*site)))
}

fn taken(hosts: &Hosts, site: usize) -> i64 {
    let (left, has) = hosts.cores(site);
    has - left
}

/// Moves instances off the busiest host, or swaps them for smaller ones, while
/// that leaves both hosts less busy than it was, at no cost.
fn moved<'p>(
    goods: &Goods<'p>,
    mut hosts: Hosts<'p>,
    chosen: &[Option<usize>],
    goal: i64,
    deadline: &Deadline,
) -> Hosts<'p> {
    let cost = hosts.cost();
    let is_led = |hosts: &Hosts| {
        super::hosts::leads(goods.problem, chosen, &hosts.all().collect::<Vec<_>>()).is_some()
    };
    while let Some((most, from)) = busiest(&hosts) {
        if most <= goal || deadline.left() <= 0.0 {
            break;
        }
        let mut order: Vec<usize> = (0..hosts.count()).filter(|site| *site != from).collect();
        order.sort_by_key(|site| (taken(&hosts, *site), *site));
        let mut own = hosts.on(from).to_vec();
        own.dedup();
        let mut next = None;
        'search: for to in order {
            if taken(&hosts, to) + 1 >= most {
                break;
            }
            for spot in &own {
                let mut trial = hosts.clone();
                trial.take(*spot);
                let one = (spot.part, spot.shape);
                if let Some(there) = trial.fits(one, to, None) {
                    trial.put(there);
                    if taken(&trial, to) < most && trial.cost() <= cost && is_led(&trial) {
                        next = Some(trial);
                        break 'search;
                    }
                    trial.take(there);
                }
                let mut others = hosts.on(to).to_vec();
                others.dedup();
                for other in others {
                    trial.take(other);
                    let back = trial.fits((other.part, other.shape), from, None);
                    let there = trial.fits(one, to, None);
                    if let (Some(back), Some(there)) = (back, there) {
                        trial.put(back);
                        trial.put(there);
                        let all = [from, to].map(|site| taken(&trial, site));
                        if all.iter().all(|cores| *cores < most) && is_led(&trial) {
                            next = Some(trial);
                            break 'search;
                        }
                        trial.take(back);
                        trial.take(there);
                    }
                    trial.put(other);
                }
            }
        }
        match next {
            Some(next) => hosts = next,
            None => break,
        }
    }
    hosts
}

/// The least cores on the busiest host of any plan that costs no more: for a
/// number `b` the hosts that can be paid must hold all cores with at most `b` on
/// each. Found by halving.
fn least(
    goods: &Goods,
    hosts: &Hosts,
    chosen: &[Option<usize>],
    deadline: &Deadline,
) -> Result<i64, String> {
    let demand = counts(goods, chosen);
    let one = |(at, count): (usize, &i64)| (goods.least(at)[0], *count);
    let all: Vec<(i64, i64)> = demand.iter().enumerate().map(one).collect();
    // Layouts with fewer cores may exist at the same cost; they would be taken.
    let total: i64 = all.iter().map(|(cores, count)| cores * count).sum();
    let largest = all.iter().filter(|(_, count)| *count > 0).map(|(cores, _)| *cores).max();
    let (mut low, mut high) = (largest.unwrap_or(0), busiest(hosts).map_or(0, |(cores, _)| cores));
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(goods, total, middle, hosts.cost(), deadline)? {
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
        let hosts = u64::try_from(class.sites.len()).unwrap_or(u64::MAX);
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
/// and the least that this can be.
pub(super) fn leads(
    problem: &Problem,
    chosen: &[Option<usize>],
    leads: &[(usize, usize, u64)],
) -> (i64, i64) {
    let Some(level) = problem.lead_level() else { return (0, 0) };
    let domains = u64::try_from(problem.domains(level).len()).unwrap_or(1).max(1);
    let (mut value, mut least) = (0u64, 0u64);
    for (index, part) in problem.parts.iter().enumerate() {
        if !matches!(part.kind, Kind::Service(_)) {
            continue;
        }
        let own = || leads.iter().filter(|(part, _, _)| *part == index).map(|(_, _, count)| *count);
        value += own().max().unwrap_or(0);
        let all: u64 = own().sum();
        let fewest = part.candidates.iter().map(|one| {
            u64::from(one.leads.saturating_sub(u32::from(one.layout.witness.is_some())))
        });
        // With the layout that was chosen, or with any if another may be as good.
        let all = match chosen.get(index).copied().flatten() {
            Some(_) => fewest.min().unwrap_or(all).min(all),
            None => 0,
        };
        least += all.div_ceil(domains);
    }
    (super::goods::int(value), super::goods::int(least))
}

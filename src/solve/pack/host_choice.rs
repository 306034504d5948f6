//! Hosts that were chosen, filled by the program per host: with a few hosts it is small, and
//! says for certain whether they hold everything.

use std::cmp::Reverse;

use super::super::Deadline;
use super::super::highs::{MipLimits, MipOutcome, minimise};
use super::super::reduced::Reduced;
use super::super::values::read;
use super::bins::BinPacking;
use super::loaded_hosts::{ItemPlacement, LoadedHosts};
use crate::model::{Elastic, Goal, Model, Problem, Sum, bound_row, goal};

/// Counts of a program per host up to which it is solved for each choice.
const SMALL: usize = 4_000;
/// Nodes of its search.
const NODES: i32 = 1_000;
/// Part of the time that is left for one.
const SHARE: f64 = 0.3;

/// Whether hosts hold everything.
pub(super) enum Filled<'g> {
    /// They do, with these layouts.
    Hosts(Vec<Option<usize>>, Box<LoadedHosts<'g>>),
    /// They do not, whatever the layouts.
    Impossible,
    /// It was not found out.
    Unknown,
}

/// Whether programs of as many hosts as a plan has are small.
pub(super) fn is_small(packing: &BinPacking, plan: Option<&LoadedHosts>) -> bool {
    let Some(plan) = plan.filter(|_| !packing.problem.restarts()) else { return false };
    let used = (0..plan.count()).filter(|host| plan.is_used(*host));
    let numa = |host: usize| packing.problem.hosts.get(host).map_or(0, |host| host.numa.len());
    packing.items.len() * used.map(numa).sum::<usize>() <= SMALL
}

/// Adds hosts, the largest first, as long as all cost less than `most`.
pub(super) fn extend(packing: &BinPacking, count: &[i64], most: Option<i64>) -> Vec<i64> {
    let mut count = count.to_vec();
    let cost = |count: &[i64]| -> i64 {
        packing.classes.iter().zip(count).map(|(class, count)| class.cost * count).sum()
    };
    let mut order: Vec<usize> = (0..packing.classes.len()).collect();
    order.sort_by_key(|at| packing.classes.get(*at).map(|class| Reverse(class.capacity)));
    for at in order {
        let Some(class) = packing.classes.get(at) else { continue };
        let has = i64::try_from(class.hosts.len()).unwrap_or(i64::MAX);
        while most.is_some_and(|most| cost(&count) + class.cost < most) {
            match count.get_mut(at).filter(|count| **count < has) {
                Some(count) => *count += 1,
                None => break,
            }
        }
    }
    count
}

/// Fills so many hosts of each class.
pub(super) fn fill<'g>(
    packing: &'g BinPacking<'g>,
    count: &[i64],
    deadline: &Deadline,
) -> Filled<'g> {
    let classes = packing.classes.iter().zip(count);
    let kept = classes.flat_map(|(class, count)| {
        class.hosts.iter().copied().take(usize::try_from(*count).unwrap_or(0))
    });
    let reduced = Reduced::of(packing.problem, kept.collect());
    let mut model = Model::new(&reduced.problem, Elastic::default());
    let (unmet, all) = goal(Goal::Unmet, &reduced.problem, &model.variables, &mut model.program);
    model.program.rows.push(bound_row(unmet, -all));
    let limits = MipLimits::new(deadline.left() * SHARE, Some(NODES));
    // Any way to place all will do. Where the solver fails another choice may do as well.
    match minimise(&model.program, &Sum::default(), &limits, None) {
        Ok(MipOutcome::Infeasible) => Filled::Impossible,
        Ok(MipOutcome::Unknown) | Err(_) => Filled::Unknown,
        Ok(MipOutcome::Feasible { values, .. }) => {
            let found = reduced.expand(read(&model.variables, &values, Vec::new()));
            let mut hosts = LoadedHosts::new(packing, &found.chosen);
            for one in &found.numa {
                for _ in 0..one.count {
                    let Some(place) = place(packing.problem, &hosts, one) else {
                        return Filled::Unknown;
                    };
                    hosts.place(place);
                }
            }
            Filled::Hosts(found.chosen, Box::new(hosts))
        }
    }
}

/// Returns the place of an instance that is on a NUMA node, with its pool.
fn place(
    problem: &Problem,
    hosts: &LoadedHosts,
    one: &super::super::tiers::Placed,
) -> Option<ItemPlacement> {
    let (part, shape, host, numa) = (one.part, one.shape, one.host, one.at);
    if problem.hosts.get(host)?.pools.len() > 1 {
        return hosts.fits((part, shape), host, Some(numa));
    }
    Some(ItemPlacement { part, shape, host, numa, pool: 0 })
}

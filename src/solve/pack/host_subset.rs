//! A subset of the hosts chosen first, with a little more capacity than all items need,
//! then filled: the least surplus with which that works.
//!
//! What remains unplaced after best fit is brought in by ruin and recreate, as long as
//! that leaves no more unplaced.

use super::super::Deadline;
use super::super::highs::{MipLimits, MipOutcome, minimise};
use super::best_fit::{FitRule, Queue, Weights, best_fit, queue};
use super::bins::BinPacking;
use super::improve::{Lcg, concentration, sort};
use super::loaded_hosts::{ItemPlacement, LoadedHosts};
use super::relaxation::{Cut, counts, volumes};
use crate::model::{Program, Sum, Var};

/// Surpluses that are tried, in thousandths.
const SURPLUS: [i64; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 24];
/// Rounds of ruin and recreate, for each.
const ROUNDS: usize = 3_000;
/// Rounds without fewer unplaced items, after which it is given up.
const IDLE: usize = 600;
/// Nodes of the search for the cheapest hosts.
const NODES: i32 = 2_000;

/// Returns the cheapest subset that could be filled, if it costs less than `most`.
pub(super) fn pack<'g>(
    packing: &'g BinPacking<'g>,
    chosen: &[Option<usize>],
    cuts: &[Cut],
    mut most: i64,
    deadline: &Deadline,
) -> Option<LoadedHosts<'g>> {
    let demand = counts(packing, chosen);
    let weights = Weights::new(packing, &demand);
    let queue = queue(packing, &demand, &weights, None);
    let mut found = None;
    // More surplus is easier to fill, so halving finds the least.
    let (mut low, mut high) = (0, SURPLUS.len());
    while low < high && deadline.left() > 0.0 {
        let middle = low + (high - low) / 2;
        let surplus = SURPLUS.get(middle).copied().unwrap_or(0);
        let planned = cheapest(packing, chosen, cuts, surplus, deadline)?;
        let cost: i64 =
            packing.classes.iter().zip(&planned).map(|(class, count)| class.cost * count).sum();
        if cost >= most {
            high = middle;
            continue;
        }
        let open: Vec<usize> = packing
            .classes
            .iter()
            .zip(&planned)
            .flat_map(|(class, count)| {
                class.hosts.iter().copied().take(usize::try_from(*count).unwrap_or(0))
            })
            .collect();
        let filled =
            [FitRule::LeastResidual, FitRule::CosineSimilarity].into_iter().find_map(|rule| {
                let mut hosts = LoadedHosts::new(packing, chosen);
                fill(packing, &mut hosts, &open, &queue, (&weights, rule), deadline)
                    .then_some(hosts)
            });
        match filled {
            Some(hosts) => (found, high, most) = (Some(hosts), middle, cost),
            None => low = middle + 1,
        }
    }
    found
}

/// Returns the hosts of each class that have a surplus at the least cost: a covering
/// problem over the valid inequalities.
fn cheapest(
    packing: &BinPacking,
    chosen: &[Option<usize>],
    cuts: &[Cut],
    surplus: i64,
    deadline: &Deadline,
) -> Option<Vec<i64>> {
    let mut program = Program::default();
    let mut hosts: Vec<Var> = Vec::new();
    for class in &packing.classes {
        let most = u64::try_from(class.hosts.len()).ok();
        hosts.push(program.variable("hosts".to_owned(), most));
    }
    for cut in volumes(packing).iter().chain(cuts) {
        let demand = cut.demand.iter().zip(chosen);
        let demand = demand.filter_map(|(demand, chosen)| demand.get((*chosen)?).copied());
        let demand = demand.fold(0i64, i64::saturating_add);
        let more = i128::from(demand) * i128::from(1000 + surplus) / 1000;
        let row: Sum =
            cut.capacity.iter().map(|capacity| -capacity).zip(hosts.iter().copied()).collect();
        program.at_most(row, -i64::try_from(more).unwrap_or(i64::MAX));
    }
    let costs = packing.classes.iter().map(|class| class.cost);
    let sum: Sum = costs.zip(hosts.iter().copied()).collect();
    let effort = MipLimits::new(deadline.left(), Some(NODES));
    match minimise(&program, &sum, &effort, None) {
        Ok(MipOutcome::Feasible { values, .. }) => Some(values),
        _ => None,
    }
}

/// Places all items on these hosts. Returns whether it could.
fn fill(
    packing: &BinPacking,
    hosts: &mut LoadedHosts,
    open: &[usize],
    queue: &Queue,
    (weights, rule): (&Weights, FitRule),
    deadline: &Deadline,
) -> bool {
    let mut unplaced = best_fit(hosts, queue, &mut open.to_vec(), (weights, rule), |_, _| None);
    let mut random = Lcg::new();
    let mut idle = 0;
    for round in 0..ROUNDS {
        idle += 1;
        if unplaced.is_empty() || idle > IDLE || deadline.left() <= 0.0 {
            break;
        }
        let ruined = random.pick(open);
        let before = size(packing, weights, &unplaced);
        if let Some(left) = recreate(packing, hosts, (open, &ruined), weights, &unplaced, round) {
            if size(packing, weights, &left) < before {
                idle = 0;
            }
            unplaced = left;
        }
    }
    unplaced.is_empty()
}

/// Ruins some hosts and places their items and the unplaced ones again. Returns what
/// remains unplaced, or `None` if the result is worse and was rolled back.
fn recreate(
    packing: &BinPacking,
    hosts: &mut LoadedHosts,
    (open, ruined): (&[usize], &[usize]),
    weights: &Weights,
    unplaced: &Queue,
    round: usize,
) -> Option<Queue> {
    let before = (size(packing, weights, unplaced), concentration(hosts, weights));
    let removed: Vec<ItemPlacement> = ruined.iter().flat_map(|host| hosts.empty(*host)).collect();
    let nowhere = ItemPlacement { part: 0, shape: 0, host: 0, numa: 0, pool: 0 };
    let waiting = unplaced.iter().map(|(part, shape)| ItemPlacement {
        part: *part,
        shape: *shape,
        ..nowhere
    });
    let mut all: Vec<ItemPlacement> = removed.iter().copied().chain(waiting).collect();
    sort(packing, &mut all, weights, round);
    let queue: Queue = all.iter().map(|one| (one.part, one.shape)).collect();
    hosts.checkpoint();
    let rule =
        if round.is_multiple_of(2) { FitRule::CosineSimilarity } else { FitRule::LeastResidual };
    let left = best_fit(hosts, &queue, &mut open.to_vec(), (weights, rule), |_, _| None);
    let after = (size(packing, weights, &left), concentration(hosts, weights));
    if after.0 < before.0 || (after.0 <= before.0 && after.1 > before.1) {
        return Some(left);
    }
    hosts.rollback();
    for one in removed {
        hosts.place(one);
    }
    None
}

/// Returns the size of items, as the dimensions are scarce.
fn size(packing: &BinPacking, weights: &Weights, items: &Queue) -> f64 {
    let of = |one: &(usize, usize)| weights.weigh(&packing.least(packing.index(one.0, one.1)));
    items.iter().map(of).sum()
}

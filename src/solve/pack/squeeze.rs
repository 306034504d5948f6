//! Hosts chosen first, with a little more than all instances need, then filled: the
//! least surplus with which that works.
//!
//! What has no place after best fit is brought in by taking a few hosts apart again and
//! again, as long as that leaves no more without a place.

use super::super::Deadline;
use super::super::highs::{Answer, Effort, minimise};
use super::cover::{Cut, counts, volumes};
use super::fill::{Dice, Queue, Scale, Taste, best_fit, queue, sort, worth};
use super::goods::Goods;
use super::hosts::{Hosts, Spot};
use crate::model::{Program, Sum, Var};

/// Surplus that is tried, in thousandths.
const SURPLUS: [i64; 13] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 24];
/// Rounds of taking hosts apart, for each.
const ROUNDS: usize = 3_000;
/// Rounds without fewer that have no place, after which it is given up.
const IDLE: usize = 600;
/// Nodes of the search for the cheapest hosts.
const NODES: i32 = 2_000;

/// The cheapest hosts that could be filled, if they cost less than `most`.
pub(super) fn squeeze<'g>(
    goods: &'g Goods<'g>,
    chosen: &[Option<usize>],
    cuts: &[Cut],
    mut most: i64,
    deadline: &Deadline,
) -> Option<Hosts<'g>> {
    let demand = counts(goods, chosen);
    let scale = Scale::new(goods, &demand);
    let queue = queue(goods, &demand, &scale, None);
    let mut found = None;
    // More surplus is easier to fill, so halving finds the least.
    let (mut low, mut high) = (0, SURPLUS.len());
    while low < high && deadline.left() > 0.0 {
        let middle = low + (high - low) / 2;
        let surplus = SURPLUS.get(middle).copied().unwrap_or(0);
        let planned = cheapest(goods, chosen, cuts, surplus, deadline)?;
        let cost: i64 =
            goods.classes.iter().zip(&planned).map(|(class, count)| class.cost * count).sum();
        if cost >= most {
            high = middle;
            continue;
        }
        let open: Vec<usize> = goods
            .classes
            .iter()
            .zip(&planned)
            .flat_map(|(class, count)| {
                class.hosts.iter().copied().take(usize::try_from(*count).unwrap_or(0))
            })
            .collect();
        let filled = [Taste::Fullest, Taste::Alike].into_iter().find_map(|taste| {
            let mut hosts = Hosts::new(goods, chosen);
            into(goods, &mut hosts, &open, &queue, (&scale, taste), deadline).then_some(hosts)
        });
        match filled {
            Some(hosts) => (found, high, most) = (Some(hosts), middle, cost),
            None => low = middle + 1,
        }
    }
    found
}

/// Hosts by class that hold a surplus at the least cost.
fn cheapest(
    goods: &Goods,
    chosen: &[Option<usize>],
    cuts: &[Cut],
    surplus: i64,
    deadline: &Deadline,
) -> Option<Vec<i64>> {
    let mut program = Program::default();
    let mut hosts: Vec<Var> = Vec::new();
    for class in &goods.classes {
        let most = u64::try_from(class.hosts.len()).ok();
        hosts.push(program.variable("hosts".to_owned(), most));
    }
    for cut in volumes(goods).iter().chain(cuts) {
        let asks = cut.asks.iter().zip(chosen);
        let asks = asks.filter_map(|(asks, chosen)| asks.get((*chosen)?).copied());
        let asks = asks.fold(0i64, i64::saturating_add);
        let more = i128::from(asks) * i128::from(1000 + surplus) / 1000;
        let row: Sum = cut.holds.iter().map(|holds| -holds).zip(hosts.iter().copied()).collect();
        program.at_most(row, -i64::try_from(more).unwrap_or(i64::MAX));
    }
    let costs = goods.classes.iter().map(|class| class.cost);
    let sum: Sum = costs.zip(hosts.iter().copied()).collect();
    let effort = Effort { seconds: deadline.left(), nodes: Some(NODES) };
    match minimise(&program, &sum, &effort, None) {
        Ok(Answer::Found { values, .. }) => Some(values),
        _ => None,
    }
}

/// Whether all found a place on these hosts.
fn into(
    goods: &Goods,
    hosts: &mut Hosts,
    open: &[usize],
    queue: &Queue,
    (scale, taste): (&Scale, Taste),
    deadline: &Deadline,
) -> bool {
    let mut homeless = best_fit(hosts, queue, &mut open.to_vec(), (scale, taste), |_, _| None);
    let size = |homeless: &Queue| -> f64 {
        let of = |one: &(usize, usize)| scale.weigh(&goods.least(goods.index(one.0, one.1)));
        homeless.iter().map(of).sum()
    };
    let mut dice = Dice::new();
    let mut idle = 0;
    for round in 0..ROUNDS {
        idle += 1;
        if homeless.is_empty() || idle > IDLE || deadline.left() <= 0.0 {
            break;
        }
        let mut victims: Vec<usize> = (0..2 + dice.below(3))
            .filter_map(|_| open.get(dice.below(open.len())).copied())
            .collect();
        victims.sort_unstable();
        victims.dedup();
        let before = (size(&homeless), worth(hosts, scale));
        let moved: Vec<Spot> = victims.iter().flat_map(|host| hosts.clear(*host)).collect();
        let nowhere = Spot { part: 0, shape: 0, host: 0, numa: 0, pool: 0 };
        let waiting =
            homeless.iter().map(|(part, shape)| Spot { part: *part, shape: *shape, ..nowhere });
        let mut all: Vec<Spot> = moved.iter().copied().chain(waiting).collect();
        sort(goods, &mut all, scale, round);
        let queue: Queue = all.iter().map(|spot| (spot.part, spot.shape)).collect();
        hosts.begin();
        let taste = if round.is_multiple_of(2) { Taste::Alike } else { Taste::Fullest };
        let left = best_fit(hosts, &queue, &mut open.to_vec(), (scale, taste), |_, _| None);
        let after = (size(&left), worth(hosts, scale));
        if after.0 < before.0 || (after.0 <= before.0 && after.1 > before.1) {
            if after.0 < before.0 {
                idle = 0;
            }
            homeless = left;
        } else {
            hosts.undo();
            for spot in moved {
                hosts.put(spot);
            }
        }
    }
    homeless.is_empty()
}

//! The pricing problem: the most valuable pattern of one bin, a bounded knapsack with
//! several capacities, in integers.
//!
//! ```text
//! max Σ_i v_i · a_i    Σ_i w[i,d] · a_i <= c_d for each d,  0 <= a_i <= u_i
//! ```
//!
//! A surrogate constraint sums all capacities with multipliers `m` (`lagrangian.rs`),
//! which relaxes: items by falling `v_i / Σ_d m_d w[i,d]`, the last one fractional, give
//! an upper bound (G. Dantzig, "Discrete-Variable Extremum Problems", 1957; F. Glover,
//! "Surrogate Constraints", 1968). Then branch and bound, most of each item first; where
//! it is cut short the bound at the root still holds.

use super::super::highs::{MipLimits, MipOutcome, minimise};
use super::lagrangian::multipliers;
use crate::model::{Program, Sum, Var};

/// Number of capacities.
pub(super) const DIMENSIONS: usize = 6;

/// Amounts by capacity: cores, MiB of memory, MiB of disk, I/O operations per
/// second, Mbit/s, MiB of memory with what QEMU itself takes.
pub(super) type Amounts = [i64; DIMENSIONS];

/// A capacity without limit.
pub(super) const UNLIMITED: i64 = i64::MAX / 4;

/// An item with its value under the present dual prices.
#[derive(Clone, Copy, Debug)]
pub(super) struct PricedItem {
    /// Number of the item, given back in the answer.
    pub id: usize,
    pub value: i64,
    pub weight: Amounts,
    pub most: i64,
}

/// The best pattern that was found, and a value that none can exceed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct KnapsackSolution {
    /// Items with their counts, never 0.
    pub counts: Vec<(usize, i64)>,
    pub value: i64,
    pub bound: i64,
}

/// How hard a knapsack is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Effort {
    /// Nodes of a search at most.
    pub nodes: usize,
    /// Limits of an integer program that follows a search that is cut short.
    pub exact: Option<MipLimits>,
    /// What a pattern has to be worth to be of use.
    pub price: i64,
}

/// Solves a knapsack.
pub(super) fn solve(items: &[PricedItem], capacity: &Amounts, effort: Effort) -> KnapsackSolution {
    let mut items: Vec<PricedItem> = items
        .iter()
        .filter(|item| item.value > 0 && item.most > 0)
        .filter(|item| item.weight.iter().zip(capacity).all(|(w, c)| w <= c))
        .copied()
        .collect();
    let multipliers = multipliers(&items, capacity);
    let surrogate = |weight: &Amounts| {
        let pairs = weight.iter().zip(&multipliers);
        pairs.fold(0i64, |sum, (w, m)| sum.saturating_add(w.saturating_mul(*m)))
    };
    let capacity_left = capacity
        .iter()
        .zip(&multipliers)
        .filter(|(_, m)| **m > 0)
        .fold(0i64, |sum, (c, m)| sum.saturating_add(c.saturating_mul(*m)));
    let ratio = |item: &PricedItem| real(item.value) / real(surrogate(&item.weight).max(1));
    items.sort_by(|a, b| ratio(b).total_cmp(&ratio(a)).then(a.id.cmp(&b.id)));
    let weights = items.iter().map(|item| surrogate(&item.weight)).collect();
    let mut search = Search {
        items: &items,
        weights,
        taken: vec![0; items.len()],
        best: Vec::new(),
        value: 0,
        nodes: effort.nodes,
        is_cut_short: false,
    };
    let root = search.bound(0, capacity, capacity_left).max(0);
    search.greedy(capacity, &multipliers);
    search.descend(0, *capacity, capacity_left, 0);
    let is_cut_short = search.is_cut_short;
    let bound = if is_cut_short { root } else { search.value };
    let value = search.value;
    let id = |at: usize| items.get(at).map_or(0, |item| item.id);
    let counts: Vec<(usize, i64)> =
        search.best.iter().map(|(at, count)| (id(*at), *count)).collect();
    let found = KnapsackSolution { counts, value, bound };
    match effort.exact {
        // A bin that is not worth its price needs no better bound.
        Some(limits) if is_cut_short && root > effort.price => {
            exact(found, &items, capacity, limits)
        }
        _ => found,
    }
}

/// Improves a solution and its bound by an integer program: where many items fit into a bin,
/// cutting planes prove what the surrogate constraint cannot.
fn exact(
    found: KnapsackSolution,
    items: &[PricedItem],
    capacity: &Amounts,
    limits: MipLimits,
) -> KnapsackSolution {
    let mut program = Program::default();
    let most = |item: &PricedItem| u64::try_from(item.fits(capacity)).ok();
    let vars: Vec<Var> = items
        .iter()
        .map(|item| program.variable(format!("item {}", item.id), most(item)))
        .collect();
    for (dimension, has) in capacity.iter().enumerate().filter(|(_, has)| **has < UNLIMITED) {
        let weight = |item: &PricedItem| item.weight.get(dimension).copied().unwrap_or(0);
        program.at_most(items.iter().map(weight).zip(vars.iter().copied()).collect(), *has);
    }
    let worth: Sum = items.iter().map(|item| -item.value).zip(vars.iter().copied()).collect();
    let Ok(MipOutcome::Feasible { values, bound, .. }) = minimise(&program, &worth, &limits, None)
    else {
        return found;
    };
    // What the solver may be off in its last digits.
    let proved = bound.saturating_neg().saturating_add(bound.saturating_abs() / 1_000_000 + 1);
    let bound = proved.min(found.bound);
    let value = worth.value(&values).saturating_neg();
    if value <= found.value {
        return KnapsackSolution { bound: bound.max(found.value), ..found };
    }
    let counts = items.iter().zip(values).filter(|(_, count)| *count > 0);
    let counts = counts.map(|(item, count)| (item.id, count)).collect();
    KnapsackSolution { counts, value, bound: bound.max(value) }
}

struct Search<'a> {
    items: &'a [PricedItem],
    /// Weights in the surrogate constraint.
    weights: Vec<i64>,
    taken: Vec<i64>,
    best: Vec<(usize, i64)>,
    value: i64,
    nodes: usize,
    /// Whether the nodes ran out.
    is_cut_short: bool,
}

impl PricedItem {
    /// Returns how often it fits.
    fn fits(&self, left: &Amounts) -> i64 {
        let mut most = self.most;
        for (weight, left) in self.weight.iter().zip(left) {
            if *weight > 0 && weight.saturating_mul(most) > *left {
                most = left / weight;
            }
        }
        most
    }
}

impl Search<'_> {
    /// Returns Dantzig's bound on what the items from `from` on can add with that much
    /// of the surrogate capacity left.
    ///
    /// An item counts as often as it fits.
    fn bound(&self, from: usize, left: &Amounts, mut full: i64) -> i64 {
        let mut sum = 0i64;
        for (item, weight) in self.items.iter().zip(&self.weights).skip(from) {
            let most = item.fits(left);
            let whole = weight.saturating_mul(most);
            if whole <= full {
                sum = sum.saturating_add(item.value.saturating_mul(most));
                full -= whole;
                continue;
            }
            let part = i128::from(item.value) * i128::from(full) / i128::from((*weight).max(1));
            // Rounded up, as the part was rounded down.
            return sum.saturating_add(i64::try_from(part).unwrap_or(i64::MAX)).saturating_add(1);
        }
        sum
    }

    /// Looks for a first pattern: items by value for what they take of what is left, then
    /// one item at a time removed and the rest filled again while that helps.
    fn greedy(&mut self, capacity: &Amounts, multipliers: &Amounts) {
        for sharpness in [0, 1, 2] {
            let mut taken = vec![0; self.items.len()];
            self.refill(&mut taken, *capacity, (multipliers, sharpness), None);
            self.offer(&taken);
            let mut at = 0;
            while at < taken.len() {
                if taken.get(at).is_some_and(|count| *count > 0) {
                    let mut trial = taken.clone();
                    if let Some(count) = trial.get_mut(at) {
                        *count -= 1;
                    }
                    let left = self.left(capacity, &trial);
                    self.refill(&mut trial, left, (multipliers, sharpness), Some(at));
                    let left = self.left(capacity, &trial);
                    self.refill(&mut trial, left, (multipliers, sharpness), None);
                    if self.offer(&trial) {
                        taken = trial;
                        at = 0;
                        continue;
                    }
                }
                at += 1;
            }
        }
    }

    fn left(&self, capacity: &Amounts, taken: &[i64]) -> Amounts {
        let mut left = *capacity;
        for (item, count) in self.items.iter().zip(taken).filter(|(_, count)| **count > 0) {
            for (left, weight) in left.iter_mut().zip(&item.weight) {
                *left -= weight * count;
            }
        }
        left
    }

    /// Adds one item after the other. `sharpness` is how much more a capacity counts that
    /// is nearly used up.
    fn refill(
        &self,
        taken: &mut [i64],
        mut left: Amounts,
        (multipliers, sharpness): (&Amounts, i32),
        without: Option<usize>,
    ) {
        let first = left;
        loop {
            let price: [f64; DIMENSIONS] = std::array::from_fn(|d| {
                let at = |all: &Amounts| real(all.get(d).copied().unwrap_or(0));
                let used = at(&left).max(0.1) / at(&first).max(0.1);
                at(multipliers) / used.powi(sharpness)
            });
            let mut best: Option<(f64, usize)> = None;
            for (at, item) in self.items.iter().enumerate() {
                let is_full = taken.get(at).is_none_or(|count| *count >= item.most);
                let fits = item.weight.iter().zip(&left).all(|(w, l)| w <= l);
                if is_full || !fits || without == Some(at) {
                    continue;
                }
                let cost: f64 = item.weight.iter().zip(&price).map(|(w, p)| real(*w) * p).sum();
                let rate = real(item.value) / cost.max(1e-9);
                if best.is_none_or(|(most, _)| rate > most) {
                    best = Some((rate, at));
                }
            }
            let Some((_, at)) = best else { return };
            if let (Some(count), Some(item)) = (taken.get_mut(at), self.items.get(at)) {
                *count += 1;
                for (left, weight) in left.iter_mut().zip(&item.weight) {
                    *left -= weight;
                }
            }
        }
    }

    /// Keeps a pattern that is better than the best.
    fn offer(&mut self, taken: &[i64]) -> bool {
        let pairs = self.items.iter().zip(taken);
        let value = pairs.fold(0i64, |sum, (item, count)| sum + item.value * count);
        if value <= self.value {
            return false;
        }
        self.value = value;
        let counts = taken.iter().enumerate().filter(|(_, count)| **count > 0);
        self.best = counts.map(|(at, count)| (at, *count)).collect();
        true
    }

    /// Branches on the count of the next item that fits.
    fn descend(&mut self, from: usize, left: Amounts, full: i64, value: i64) {
        if value > self.value {
            self.value = value;
            let taken = self.taken.iter().enumerate().filter(|(_, count)| **count > 0);
            self.best = taken.map(|(at, count)| (at, *count)).collect();
        }
        // The next item that fits at all.
        let next = self.items.iter().enumerate().skip(from);
        let fits = |item: &PricedItem| item.weight.iter().zip(&left).all(|(w, l)| w <= l);
        let Some((at, item)) = next.into_iter().find(|(_, item)| fits(item)) else { return };
        let item = *item;
        if value.saturating_add(self.bound(at, &left, full)) <= self.value {
            return;
        }
        if self.nodes == 0 {
            self.is_cut_short = true;
            return;
        }
        self.nodes -= 1;
        let weight = self.weights.get(at).copied().unwrap_or(0);
        for count in (0..=item.fits(&left)).rev() {
            let mut rest = left;
            for (rest, weight) in rest.iter_mut().zip(&item.weight) {
                *rest -= weight * count;
            }
            self.set(at, count);
            let value = value.saturating_add(item.value.saturating_mul(count));
            self.descend(at + 1, rest, full - weight.saturating_mul(count), value);
            if self.is_cut_short && self.nodes == 0 {
                break;
            }
        }
        self.set(at, 0);
    }

    fn set(&mut self, at: usize, count: i64) {
        if let Some(taken) = self.taken.get_mut(at) {
            *taken = count;
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a guide only; what is proved is in integers")]
pub(super) const fn real(value: i64) -> f64 {
    value as f64
}

#[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
pub(super) fn whole(value: f64) -> i64 {
    value.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn brute(items: &[PricedItem], left: Amounts) -> i64 {
        let Some((first, rest)) = items.split_first() else { return 0 };
        let mut best = 0;
        for count in 0..=first.most {
            let after: Amounts = std::array::from_fn(|d| left[d] - first.weight[d] * count);
            if after.iter().any(|left| *left < 0) {
                break;
            }
            best = best.max(first.value * count + brute(rest, after));
        }
        best
    }

    proptest! {
        #[test]
        fn equals_brute_force(
            all in proptest::collection::vec((0i64..50, [0i64..9, 0i64..9, 0i64..9], 1i64..4), 1..7),
            capacity in [1i64..20, 0i64..20, 0i64..20],
        ) {
            let items: Vec<PricedItem> = all.iter().enumerate().map(|(id, (value, w, most))| PricedItem {
                id, value: *value, weight: [w[0], w[1], w[2], 0, 0, 0], most: *most,
            }).collect();
            let capacity = [capacity[0], capacity[1], capacity[2], UNLIMITED, UNLIMITED, UNLIMITED];
            let effort = Effort { nodes: usize::MAX, exact: None, price: 0 };
            let found = solve(&items, &capacity, effort);
            prop_assert_eq!(found.value, brute(&items, capacity));
            prop_assert_eq!(found.bound, found.value);
            let limits = MipLimits::new(60.0, None);
            for exact in [None, Some(limits)] {
                let short = solve(&items, &capacity, Effort { nodes: 3, exact, price: 0 });
                prop_assert!(short.value <= found.value && found.value <= short.bound);
                let value: i64 = short.counts.iter().map(|(id, n)| items[*id].value * n).sum();
                prop_assert_eq!(value, short.value);
            }
        }
    }
}

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

use super::lagrangian::multipliers;

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

/// Solves a knapsack, looking at that many nodes at most.
pub(super) fn solve(items: &[PricedItem], capacity: &Amounts, nodes: usize) -> KnapsackSolution {
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
        nodes,
        is_cut_short: false,
    };
    let bound = search.bound(0, capacity_left).max(0);
    search.greedy(capacity, &multipliers);
    search.descend(0, *capacity, capacity_left, 0);
    let value = search.value;
    let counts = search.best.iter().map(|(at, count)| (items.get(*at).map_or(0, |g| g.id), *count));
    KnapsackSolution {
        counts: counts.collect(),
        value,
        bound: if search.is_cut_short { bound } else { value },
    }
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

impl Search<'_> {
    /// Returns Dantzig's bound on what the items from `from` on can add with that much
    /// of the surrogate capacity left.
    fn bound(&self, from: usize, mut full: i64) -> i64 {
        let mut sum = 0i64;
        for (item, weight) in self.items.iter().zip(&self.weights).skip(from) {
            let whole = weight.saturating_mul(item.most);
            if whole <= full {
                sum = sum.saturating_add(item.value.saturating_mul(item.most));
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
        if value.saturating_add(self.bound(at, full)) <= self.value {
            return;
        }
        if self.nodes == 0 {
            self.is_cut_short = true;
            return;
        }
        self.nodes -= 1;
        let weight = self.weights.get(at).copied().unwrap_or(0);
        let times = item.weight.iter().zip(&left).filter(|(w, _)| **w > 0).map(|(w, l)| l / w);
        let most = times.min().unwrap_or(item.most).min(item.most);
        for count in (0..=most).rev() {
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
            let found = solve(&items, &capacity, usize::MAX);
            prop_assert_eq!(found.value, brute(&items, capacity));
            prop_assert_eq!(found.bound, found.value);
            let short = solve(&items, &capacity, 3);
            prop_assert!(short.value <= found.value && found.value <= short.bound);
        }
    }
}

//! What one place can hold at most: a knapsack with several capacities, in
//! integers.
//!
//! ```text
//! max Σ_i v_i · a_i    Σ_i w[i,d] · a_i <= c_d for each d,  0 <= a_i <= u_i
//! ```
//!
//! All capacities are folded into one with multipliers `m`, which relaxes: items
//! by falling `v_i / Σ_d m_d w[i,d]`, the last one cut, give an upper bound
//! (G. Dantzig, "Discrete-Variable Extremum Problems", 1957). The multipliers come
//! from a subgradient search for the least Lagrangian bound. Then branch and bound,
//! most of each item first; where it is cut short the bound at the root still holds.

/// Number of capacities.
pub(super) const DIMENSIONS: usize = 5;

/// Amounts by capacity: cores, MiB of memory, MiB of disk, I/O operations per
/// second, Mbit/s.
pub(super) type Amounts = [i64; DIMENSIONS];

/// A capacity without limit.
pub(super) const UNLIMITED: i64 = i64::MAX / 4;

/// Something to be packed, with its value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Good {
    /// Number of the item, given back in the answer.
    pub id: usize,
    pub value: i64,
    pub weight: Amounts,
    pub most: i64,
}

/// The best filling that was found and what none can exceed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filling {
    /// Items with their counts, never 0.
    pub counts: Vec<(usize, i64)>,
    pub value: i64,
    pub bound: i64,
}

/// Fold of all capacities into one: this is what a full place weighs.
const FULL: f64 = (1u64 << 32) as f64;

/// Fills a place, looking at that many nodes at most.
pub(super) fn fill(goods: &[Good], capacity: &Amounts, nodes: usize) -> Filling {
    let mut goods: Vec<Good> = goods
        .iter()
        .filter(|good| good.value > 0 && good.most > 0)
        .filter(|good| good.weight.iter().zip(capacity).all(|(w, c)| w <= c))
        .copied()
        .collect();
    let multipliers = multipliers(&goods, capacity);
    let fold = |weight: &Amounts| {
        let pairs = weight.iter().zip(&multipliers);
        pairs.fold(0i64, |sum, (w, m)| sum.saturating_add(w.saturating_mul(*m)))
    };
    let full = capacity
        .iter()
        .zip(&multipliers)
        .filter(|(_, m)| **m > 0)
        .fold(0i64, |sum, (c, m)| sum.saturating_add(c.saturating_mul(*m)));
    let ratio = |good: &Good| real(good.value) / real(fold(&good.weight).max(1));
    goods.sort_by(|a, b| ratio(b).total_cmp(&ratio(a)).then(a.id.cmp(&b.id)));
    let folded = goods.iter().map(|good| fold(&good.weight)).collect();
    let mut search = Search {
        goods: &goods,
        folded,
        taken: vec![0; goods.len()],
        best: Vec::new(),
        value: 0,
        nodes,
        cut: false,
    };
    let bound = search.bound(0, full).max(0);
    search.greedy(capacity, &multipliers);
    search.descend(0, *capacity, full, 0);
    let value = search.value;
    let counts = search.best.iter().map(|(at, count)| (goods.get(*at).map_or(0, |g| g.id), *count));
    Filling { counts: counts.collect(), value, bound: if search.cut { bound } else { value } }
}

struct Search<'a> {
    goods: &'a [Good],
    folded: Vec<i64>,
    taken: Vec<i64>,
    best: Vec<(usize, i64)>,
    value: i64,
    nodes: usize,
    cut: bool,
}

impl Search<'_> {
    /// What the goods from `from` on can add at most to a place with `full` left.
    fn bound(&self, from: usize, mut full: i64) -> i64 {
        let mut sum = 0i64;
        for (good, weight) in self.goods.iter().zip(&self.folded).skip(from) {
            let whole = weight.saturating_mul(good.most);
            if whole <= full {
                sum = sum.saturating_add(good.value.saturating_mul(good.most));
                full -= whole;
                continue;
            }
            let part = i128::from(good.value) * i128::from(full) / i128::from((*weight).max(1));
            // Rounded up, as the part was rounded down.
            return sum.saturating_add(i64::try_from(part).unwrap_or(i64::MAX)).saturating_add(1);
        }
        sum
    }

    /// A first filling: the best for what it takes of what is left, then parts of
    /// it taken out and filled again while that helps.
    fn greedy(&mut self, capacity: &Amounts, multipliers: &Amounts) {
        for sharpness in [0, 1, 2] {
            let mut taken = vec![0; self.goods.len()];
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
        for (good, count) in self.goods.iter().zip(taken).filter(|(_, count)| **count > 0) {
            for (left, weight) in left.iter_mut().zip(&good.weight) {
                *left -= weight * count;
            }
        }
        left
    }

    /// Adds one good after the other. `sharpness` is how much more what is nearly
    /// used up counts.
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
            for (at, good) in self.goods.iter().enumerate() {
                let is_full = taken.get(at).is_none_or(|count| *count >= good.most);
                let fits = good.weight.iter().zip(&left).all(|(w, l)| w <= l);
                if is_full || !fits || without == Some(at) {
                    continue;
                }
                let cost: f64 = good.weight.iter().zip(&price).map(|(w, p)| real(*w) * p).sum();
                let rate = real(good.value) / cost.max(1e-9);
                if best.is_none_or(|(most, _)| rate > most) {
                    best = Some((rate, at));
                }
            }
            let Some((_, at)) = best else { return };
            if let (Some(count), Some(good)) = (taken.get_mut(at), self.goods.get(at)) {
                *count += 1;
                for (left, weight) in left.iter_mut().zip(&good.weight) {
                    *left -= weight;
                }
            }
        }
    }

    /// Keeps a filling that is better than the best.
    fn offer(&mut self, taken: &[i64]) -> bool {
        let pairs = self.goods.iter().zip(taken);
        let value = pairs.fold(0i64, |sum, (good, count)| sum + good.value * count);
        if value <= self.value {
            return false;
        }
        self.value = value;
        let counts = taken.iter().enumerate().filter(|(_, count)| **count > 0);
        self.best = counts.map(|(at, count)| (at, *count)).collect();
        true
    }

    fn descend(&mut self, from: usize, left: Amounts, full: i64, value: i64) {
        if value > self.value {
            self.value = value;
            let taken = self.taken.iter().enumerate().filter(|(_, count)| **count > 0);
            self.best = taken.map(|(at, count)| (at, *count)).collect();
        }
        // The next good that fits at all.
        let next = self.goods.iter().enumerate().skip(from);
        let fits = |good: &Good| good.weight.iter().zip(&left).all(|(w, l)| w <= l);
        let Some((at, good)) = next.into_iter().find(|(_, good)| fits(good)) else { return };
        let good = *good;
        if value.saturating_add(self.bound(at, full)) <= self.value {
            return;
        }
        if self.nodes == 0 {
            self.cut = true;
            return;
        }
        self.nodes -= 1;
        let folded = self.folded.get(at).copied().unwrap_or(0);
        let numa = good.weight.iter().zip(&left).filter(|(w, _)| **w > 0).map(|(w, l)| l / w);
        let most = numa.min().unwrap_or(good.most).min(good.most);
        for count in (0..=most).rev() {
            let mut rest = left;
            for (rest, weight) in rest.iter_mut().zip(&good.weight) {
                *rest -= weight * count;
            }
            self.set(at, count);
            let value = value.saturating_add(good.value.saturating_mul(count));
            self.descend(at + 1, rest, full - folded.saturating_mul(count), value);
            if self.cut && self.nodes == 0 {
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

/// Multipliers for which the folded bound is low.
fn multipliers(goods: &[Good], capacity: &Amounts) -> Amounts {
    let scale = capacity.map(|c| if (1..UNLIMITED).contains(&c) { 1.0 / real(c) } else { 0.0 });
    let share = |good: &Good, d: usize| {
        real(good.weight.get(d).copied().unwrap_or(0)) * scale.get(d).copied().unwrap_or(0.0)
    };
    let shares: Vec<[f64; DIMENSIONS]> =
        goods.iter().map(|good| std::array::from_fn(|d| share(good, d))).collect();
    let floor = goods.iter().map(|good| real(good.value)).fold(0.0, f64::max);
    let limited = scale.iter().filter(|s| **s > 0.0).count().max(1);
    let limited = real(i64::try_from(limited).unwrap_or(1));
    // As if the place were full of what is densest in what it takes most of.
    let density = |(good, shares): (&Good, &[f64; DIMENSIONS])| {
        real(good.value) / shares.iter().sum::<f64>().max(1e-9)
    };
    let densities: Vec<f64> = goods.iter().zip(&shares).map(density).collect();
    let mean = densities.iter().sum::<f64>()
        / real(i64::try_from(densities.len()).unwrap_or(1).max(1))
        / limited;
    let mut at: [f64; DIMENSIONS] = scale.map(|s| if s > 0.0 { mean } else { 0.0 });
    let mut best = (f64::INFINITY, at);
    let (mut pace, mut idle) = (1.0, 0);
    for _ in 0..120 {
        let mut slope = scale.map(|s| if s > 0.0 { 1.0 } else { 0.0 });
        let mut bound: f64 = at.iter().sum();
        for (good, shares) in goods.iter().zip(&shares) {
            let price: f64 = shares.iter().zip(&at).map(|(s, m)| s * m).sum();
            let gain = real(good.value) - price;
            if gain > 0.0 {
                bound += gain * real(good.most);
                for (slope, share) in slope.iter_mut().zip(shares) {
                    *slope -= share * real(good.most);
                }
            }
        }
        idle += 1;
        if bound < best.0 {
            best = (bound, at);
            idle = 0;
        }
        if idle > 6 {
            (pace, idle, at) = (pace * 0.5, 0, best.1);
        }
        let length: f64 = slope.iter().map(|s| s * s).sum();
        if length <= 1e-12 {
            break;
        }
        // Polyak's step towards a value that is a little below the best bound.
        let step = pace * (bound - floor.max(best.0 * 0.9)) / length;
        for (at, slope) in at.iter_mut().zip(slope) {
            *at = (*at - step * slope).max(0.0);
        }
    }
    let sum: f64 = best.1.iter().sum::<f64>().max(1e-9);
    let mut found = [0; DIMENSIONS];
    for ((found, at), scale) in found.iter_mut().zip(best.1).zip(scale) {
        *found = whole(at / sum * FULL * scale);
    }
    if found.iter().all(|m| *m == 0) {
        for (found, scale) in found.iter_mut().zip(scale) {
            *found = whole(FULL * scale).max(i64::from(scale > 0.0));
        }
    }
    found
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

    fn brute(goods: &[Good], left: Amounts) -> i64 {
        let Some((first, rest)) = goods.split_first() else { return 0 };
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
            let goods: Vec<Good> = all.iter().enumerate().map(|(id, (value, w, most))| Good {
                id, value: *value, weight: [w[0], w[1], w[2], 0, 0], most: *most,
            }).collect();
            let capacity = [capacity[0], capacity[1], capacity[2], UNLIMITED, UNLIMITED];
            let found = fill(&goods, &capacity, usize::MAX);
            prop_assert_eq!(found.value, brute(&goods, capacity));
            prop_assert_eq!(found.bound, found.value);
            let short = fill(&goods, &capacity, 3);
            prop_assert!(short.value <= found.value && found.value <= short.bound);
        }
    }
}

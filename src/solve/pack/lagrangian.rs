//! Multipliers of the knapsack's surrogate constraint: those of the least Lagrangian
//! bound that a subgradient search finds.
//!
//! ```text
//! L(m) = Σ_d m_d + Σ_i u_i · max(0, v_i - Σ_d m_d · w[i,d] / c_d)        m >= 0
//! ```
//!
//! Steps are Polyak's towards a level (B. Polyak, "Minimization of Unsmooth Functionals", 1969;
//! M. Held, P. Wolfe, H. Crowder, "Validation of Subgradient Optimization", 1974; J.-L. Goffin,
//! K. Kiwiel, "Convergence of a Simple Subgradient Level Method", 1999). Any multipliers
//! give a valid bound, so floating point decides only how tight it is.

use super::knapsack::{Amounts, DIMENSIONS, PricedItem, UNLIMITED, real, whole};

/// By dimension.
type Multipliers = [f64; DIMENSIONS];

/// Capacity of the surrogate constraint: what a full bin weighs.
const SURROGATE_CAPACITY: f64 = (1u64 << 32) as f64;
/// Steps of the search.
const STEPS: usize = 250;
/// How far the level that steps aim at is below the best bound, at first.
const AHEAD: f64 = 0.1;
/// Steps without a better bound, after which the level is half as far away.
const IDLE: usize = 8;

/// Returns integer multipliers for which the surrogate bound is low.
pub(super) fn multipliers(items: &[PricedItem], capacity: &Amounts) -> Amounts {
    let scale = capacity.map(|c| if (1..UNLIMITED).contains(&c) { 1.0 / real(c) } else { 0.0 });
    let dual = Dual::new(items, scale);
    to_integers(dual.minimise(dual.start()), scale)
}

/// The Lagrangian dual of one knapsack.
struct Dual<'a> {
    items: &'a [PricedItem],
    /// What one unit is of the capacity; 0 where there is no limit.
    scale: Multipliers,
    /// Parts of the capacities that one of each item takes.
    shares: Vec<Multipliers>,
}

impl<'a> Dual<'a> {
    fn new(items: &'a [PricedItem], scale: Multipliers) -> Self {
        let share = |item: &PricedItem, d: usize| {
            real(item.weight.get(d).copied().unwrap_or(0)) * scale.get(d).copied().unwrap_or(0.0)
        };
        let shares = items.iter().map(|item| std::array::from_fn(|d| share(item, d))).collect();
        Self { items, scale, shares }
    }

    /// As if the bin were full of what is densest in what it takes most of.
    fn start(&self) -> Multipliers {
        let limited = self.scale.iter().filter(|s| **s > 0.0).count().max(1);
        let limited = real(i64::try_from(limited).unwrap_or(1));
        let density = |(item, shares): (&PricedItem, &Multipliers)| {
            real(item.value) / shares.iter().sum::<f64>().max(1e-9)
        };
        let densities: Vec<f64> = self.items.iter().zip(&self.shares).map(density).collect();
        let mean = densities.iter().sum::<f64>()
            / real(i64::try_from(densities.len()).unwrap_or(1).max(1))
            / limited;
        self.scale.map(|s| if s > 0.0 { mean } else { 0.0 })
    }

    /// Returns the multipliers with the least bound on the way from `at`.
    fn minimise(&self, mut at: Multipliers) -> Multipliers {
        let mut best = (f64::INFINITY, at);
        let (mut ahead, mut idle) = (AHEAD, 0);
        for _ in 0..STEPS {
            let (bound, slope) = self.bound(&at);
            idle += 1;
            if bound < best.0 {
                best = (bound, at);
                idle = 0;
            }
            if idle > IDLE {
                (ahead, idle, at) = (ahead * 0.5, 0, best.1);
                continue;
            }
            let length: f64 = slope.iter().map(|s| s * s).sum();
            if length <= 1e-12 {
                break;
            }
            // Towards a level that is a little below the best bound.
            let step = (bound - best.0 * (1.0 - ahead)) / length;
            for (at, slope) in at.iter_mut().zip(slope) {
                *at = (*at - step * slope).max(0.0);
            }
        }
        best.1
    }

    /// Returns the Lagrangian bound and a subgradient of it.
    fn bound(&self, at: &Multipliers) -> (f64, Multipliers) {
        let mut slope = self.scale.map(|s| if s > 0.0 { 1.0 } else { 0.0 });
        let mut bound: f64 = at.iter().sum();
        for (item, shares) in self.items.iter().zip(&self.shares) {
            let price: f64 = shares.iter().zip(at).map(|(s, m)| s * m).sum();
            let gain = real(item.value) - price;
            if gain > 0.0 {
                bound += gain * real(item.most);
                for (slope, share) in slope.iter_mut().zip(shares) {
                    *slope -= share * real(item.most);
                }
            }
        }
        (bound, slope)
    }
}

/// Scales multipliers so that a full bin weighs [`SURROGATE_CAPACITY`]; where all are 0,
/// each capacity counts alike.
fn to_integers(multipliers: Multipliers, scale: Multipliers) -> Amounts {
    let sum: f64 = multipliers.iter().sum::<f64>().max(1e-9);
    let mut found = [0; DIMENSIONS];
    for ((found, at), scale) in found.iter_mut().zip(multipliers).zip(scale) {
        *found = whole(at / sum * SURROGATE_CAPACITY * scale);
    }
    if found.iter().all(|m| *m == 0) {
        for (found, scale) in found.iter_mut().zip(scale) {
            *found = whole(SURROGATE_CAPACITY * scale).max(i64::from(scale > 0.0));
        }
    }
    found
}

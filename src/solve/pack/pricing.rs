//! Pricing: for each bin type the pattern that is worth most under the dual prices of the
//! master problem.
//!
//! A pattern that is worth more than its bin has a negative reduced cost and becomes a
//! column. The prices of any round also give a valid inequality of `relaxation.rs`: the
//! knapsack's bound says how much of their value a host can hold.

use super::super::highs::MipLimits;
use super::bins::BinType;
use super::knapsack::{self, Effort, KnapsackSolution, PricedItem, real, whole};
use super::master_rows::{MasterRows, Pattern, max_per_domain};
use super::relaxation::{Cut, demands};

/// Values are integers up to about this.
const SCALE: f64 = 1e7;

/// What one round of pricing finds.
pub(super) struct Priced {
    pub patterns: Vec<Pattern>,
    pub cut: Cut,
}

/// Solves the pricing problems, looking at that many nodes of each at most.
pub(super) fn price(
    rows: &MasterRows,
    duals: &[f64],
    (nodes, exact): (usize, Option<MipLimits>),
) -> Priced {
    let prices = Prices::new(rows, duals);
    let items = rows.packing.items.iter().enumerate();
    let most: Vec<(usize, i64)> = items.map(|(id, item)| (id, item.most)).collect();
    let mut patterns = Vec::new();
    let mut capacity = vec![0i64; rows.packing.classes.len()];
    for (at, bin) in rows.packing.bin_types.iter().enumerate() {
        let price = whole(prices.of_bin(at));
        let best = prices.best_pattern(bin, &most, Effort { nodes, exact, price });
        if let Some(capacity) = capacity.get_mut(bin.class) {
            *capacity = capacity.saturating_add(best.bound.saturating_mul(bin.per_host));
        }
        patterns.extend(prices.improving(at, best));
    }
    prices.add_shared(&mut capacity);
    Priced { patterns, cut: Cut { capacity, demand: prices.demand() } }
}

/// Solves the pricing problems with so many of each item at most: proper patterns of what is
/// left to be packed.
pub(super) fn price_left(
    rows: &MasterRows,
    duals: &[f64],
    left: &[(usize, i64)],
    nodes: usize,
) -> Vec<Pattern> {
    let prices = Prices::new(rows, duals);
    let bins = rows.packing.bin_types.iter().enumerate();
    let effort = Effort { nodes, exact: None, price: 0 };
    let best = bins.map(|(at, bin)| (at, prices.best_pattern(bin, left, effort)));
    best.filter_map(|(at, best)| prices.improving(at, best)).collect()
}

/// Dual prices, scaled to integers where they are values.
struct Prices<'a> {
    rows: &'a MasterRows<'a, 'a>,
    duals: &'a [f64],
    scale: f64,
    /// What an item is worth.
    values: Vec<i64>,
    /// What an instance in a rack or site costs, at most 0.
    domains: Vec<i64>,
}

impl<'a> Prices<'a> {
    fn new(rows: &'a MasterRows, duals: &'a [f64]) -> Self {
        let row = |at: usize| duals.get(at).copied().unwrap_or(0.0);
        let items = 0..rows.packing.items.len();
        let highest = items.clone().map(row).fold(1e-9, f64::max);
        let scale = SCALE / highest;
        let values = items.map(|at| whole(row(at) * scale).max(0)).collect();
        let domains = (0..rows.domains.len())
            .map(|at| whole(row(rows.first_domain() + at) * scale).min(0))
            .collect();
        Self { rows, duals, scale, values, domains }
    }

    fn row(&self, at: usize) -> f64 {
        self.duals.get(at).copied().unwrap_or(0.0)
    }

    /// Returns what a bin of a type costs.
    fn of_bin(&self, bin_type: usize) -> f64 {
        -self.row(self.rows.first_bin_type() + bin_type) * self.scale
    }

    /// Returns what a unit of a host's shared resource costs, at most 0.
    fn of_shared(&self, at: usize) -> f64 {
        (self.row(self.rows.first_shared() + at) * self.scale).min(0.0)
    }

    /// Returns a pattern of a bin type that is worth more than the bin.
    fn improving(&self, bin_type: usize, best: KnapsackSolution) -> Option<Pattern> {
        let mut counts = best.counts;
        counts.sort_unstable();
        let is_improving = real(best.value) > self.of_bin(bin_type) + SCALE * 1e-6;
        is_improving.then_some(Pattern { bin_type, counts })
    }

    /// Returns the most valuable pattern of a bin type with so many of each item at most.
    fn best_pattern(
        &self,
        bin: &BinType,
        most: &[(usize, i64)],
        effort: Effort,
    ) -> KnapsackSolution {
        let shared = self.rows.shared.iter().enumerate().filter(|(_, (c, _))| *c == bin.class);
        let rates: Vec<(usize, f64)> =
            shared.map(|(at, (_, d))| (*d, self.of_shared(at))).collect();
        let priced: Vec<PricedItem> =
            most.iter().filter_map(|one| self.priced(bin.class, *one, &rates)).collect();
        knapsack::solve(&priced, &bin.capacity, effort)
    }

    /// Returns an item with its reduced value on a class of hosts, if that allows it.
    fn priced(
        &self,
        class: usize,
        (id, most): (usize, i64),
        rates: &[(usize, f64)],
    ) -> Option<PricedItem> {
        let packing = self.rows.packing;
        let item = packing.items.get(id)?;
        if !packing.is_eligible(class, id) {
            return None;
        }
        let weight = packing.need(class, id);
        let at = |d: usize| real(weight.get(d).copied().unwrap_or(0));
        let rate: f64 = rates.iter().map(|(d, rate)| rate * at(*d)).sum();
        let domains: i64 = self
            .rows
            .domains
            .iter()
            .zip(&self.domains)
            .filter(|(domain, _)| domain.part == item.part && !item.size.is_witness)
            .filter(|(domain, _)| domain.classes.contains(&class))
            .map(|(_, price)| price)
            .sum();
        let value = self.values.get(id).copied().unwrap_or(0);
        // Rounded up: the capacity of a host must not be put too low.
        let value = value.saturating_add(domains).saturating_add(whole(rate.ceil()));
        Some(PricedItem { id, value, weight, most: most.min(item.max_per_host) })
    }

    /// Adds what the shared resources of a host are worth to its capacity.
    fn add_shared(&self, capacity: &mut [i64]) {
        for (at, (class, dimension)) in self.rows.shared.iter().enumerate() {
            let of_host = self.rows.packing.classes.get(*class);
            let has = of_host.and_then(|class| class.capacity.get(*dimension).copied());
            let worth = -self.of_shared(at) * real(has.unwrap_or(0));
            if let Some(capacity) = capacity.get_mut(*class) {
                *capacity = capacity.saturating_add(whole(worth.ceil())).saturating_add(1);
            }
        }
    }

    /// Returns the value of the instances of each layout, by part.
    fn demand(&self) -> Vec<Vec<i64>> {
        let parts = &self.rows.packing.problem.parts;
        let mut demand = demands(self.rows.packing, &self.values);
        for (domain, price) in self.rows.domains.iter().zip(&self.domains) {
            let candidates = parts.get(domain.part).into_iter().flat_map(|part| &part.candidates);
            let own = demand.get_mut(domain.part).into_iter().flatten();
            for (value, one) in own.zip(candidates) {
                let most = max_per_domain(parts, domain.part, one);
                *value = value.saturating_add(price.saturating_mul(most));
            }
        }
        demand
    }
}

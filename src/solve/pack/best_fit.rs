//! Best fit: each item to the fitting host that it suits best, large items first.
//!
//! What suits best is either the least residual capacity (D. Johnson, "Near-Optimal Bin
//! Packing Algorithms", 1973) or the residual with the most similar proportions
//! (R. Panigrahy et al., "Heuristics for Vector Bin Packing", 2011).

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::bins::BinPacking;
use super::knapsack::{Amounts, DIMENSIONS, UNLIMITED, real};
use super::loaded_hosts::{ItemPlacement, LoadedHosts};

/// Weights of the dimensions: the scarcity of each over what a host has of it.
pub(super) struct Weights([f64; DIMENSIONS]);

impl Weights {
    /// By what these instances need of what all hosts have.
    pub(super) fn new(packing: &BinPacking, demand: &[i64]) -> Self {
        let mut found = [0.0; DIMENSIONS];
        for (dimension, found) in found.iter_mut().enumerate() {
            let amount = |amounts: &Amounts| amounts.get(dimension).copied().unwrap_or(0);
            let items = packing.items.iter().enumerate().zip(demand);
            let needed: f64 =
                items.map(|((at, _), count)| real(amount(&packing.least(at))) * real(*count)).sum();
            let limited = packing.classes.iter().filter(|c| amount(&c.capacity) < UNLIMITED);
            let (mut has, mut hosts) = (0.0, 0.0);
            for class in limited {
                let count = real(i64::try_from(class.hosts.len()).unwrap_or(i64::MAX));
                has += real(amount(&class.capacity)) * count;
                hosts += count;
            }
            if has > 0.0 {
                *found = (needed / has) / (has / hosts);
            }
        }
        Self(found)
    }

    pub(super) fn weigh(&self, amounts: &Amounts) -> f64 {
        let pairs = amounts.iter().zip(&self.0).filter(|(a, _)| **a < UNLIMITED);
        pairs.map(|(amount, weights)| real(*amount) * weights).sum()
    }
}

impl Weights {
    /// Returns the cosine of the angle between two amounts.
    fn cosine(&self, a: &Amounts, b: &Amounts) -> f64 {
        let (mut both, mut one, mut other) = (0.0, 0.0, 1e-12);
        for ((a, b), weights) in a.iter().zip(b).zip(&self.0) {
            if *b < UNLIMITED {
                let (a, b) = (real(*a) * weights, real(*b) * weights);
                both += a * b;
                one += a * a;
                other += b * b;
            }
        }
        both / (one * other).sqrt().max(1e-12)
    }
}

/// Items to be placed, in order: part and shape.
pub(super) type Queue = Vec<(usize, usize)>;

/// Returns all items by falling size, what is to be near others after them. `by` is the
/// dimension that alone decides.
pub(super) fn queue(
    packing: &BinPacking,
    demand: &[i64],
    weights: &Weights,
    by: Option<usize>,
) -> Queue {
    let size = |at: usize| {
        let least = packing.least(at);
        match by {
            Some(dimension) => real(least.get(dimension).copied().unwrap_or(0)),
            None => weights.weigh(&least),
        }
    };
    let mut order: Vec<(f64, usize)> = (0..packing.items.len()).map(|at| (size(at), at)).collect();
    order.sort_by(|(a, first), (b, second)| {
        let rank = |at: usize| packing.items.get(at).map_or(0, |item| packing.rank(item.part));
        let by_rank = rank(*first).cmp(&rank(*second));
        by_rank.then(b.total_cmp(a)).then(first.cmp(second))
    });
    let mut found = Vec::new();
    for (_, at) in order {
        let Some(item) = packing.items.get(at) else { continue };
        let count = demand.get(at).copied().unwrap_or(0);
        found.extend((0..count).map(|_| (item.part, item.shape)));
    }
    found
}

/// Which of the hosts that an item fits on it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FitRule {
    /// The one with the least residual capacity.
    LeastResidual,
    /// The one whose residual has the most similar proportions.
    CosineSimilarity,
}

/// Where an item may go, the best first.
#[derive(Clone, Copy, Debug)]
struct Rated {
    rate: f64,
    placement: ItemPlacement,
}

impl Ord for Rated {
    fn cmp(&self, other: &Self) -> Ordering {
        // A heap gives its greatest.
        let by_rate = other.rate.total_cmp(&self.rate);
        by_rate.then_with(|| other.placement.cmp(&self.placement))
    }
}

impl PartialOrd for Rated {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Rated {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Rated {}

/// Places items on the hosts in use; `open` may give one more host where none has enough
/// left. Returns the items that remain unplaced.
///
/// Of equal items that follow each other, each changes what is left of one host only: all
/// hosts are rated once for them.
pub(super) fn best_fit(
    hosts: &mut LoadedHosts,
    queue: &[(usize, usize)],
    used: &mut Vec<usize>,
    (weights, rule): (&Weights, FitRule),
    mut open: impl FnMut(&LoadedHosts, (usize, usize)) -> Option<usize>,
) -> Queue {
    let rated = |hosts: &LoadedHosts, one: (usize, usize), host: usize| {
        let placement = hosts.fits(one, host, None)?;
        let rate = match rule {
            FitRule::LeastResidual => weights.weigh(&hosts.left(host)),
            FitRule::CosineSimilarity => -weights.cosine(&hosts.need(one, host), &hosts.left(host)),
        };
        Some(Rated { rate, placement })
    };
    let mut unplaced = Vec::new();
    for run in queue.chunk_by(|one, next| one == next) {
        let Some(one) = run.first().copied() else { continue };
        let all = used.iter().filter_map(|host| rated(hosts, one, *host));
        let mut fitting: BinaryHeap<Rated> = all.collect();
        for _ in run {
            // A rule on failure domains may have closed a host since it was rated.
            let placement = std::iter::from_fn(|| fitting.pop())
                .map(|best| best.placement)
                .find(|best| hosts.fits(one, best.host, None).is_some());
            let placement = placement.or_else(|| {
                let host = open(hosts, one)?;
                used.push(host);
                hosts.fits(one, host, None)
            });
            let Some(placement) = placement else {
                unplaced.push(one);
                continue;
            };
            hosts.place(placement);
            fitting.extend(rated(hosts, one, placement.host));
        }
    }
    unplaced
}

/// Unused hosts, the cheapest for their capacity first.
pub(super) struct UnusedHosts {
    /// Index of the class, best first.
    order: Vec<usize>,
}

impl UnusedHosts {
    pub(super) fn new(packing: &BinPacking, weights: &Weights) -> Self {
        let rate = |class: usize| {
            packing.classes.get(class).map_or(f64::INFINITY, |class| {
                real(class.cost) / weights.weigh(&class.capacity).max(1e-12)
            })
        };
        let mut order: Vec<usize> = (0..packing.classes.len()).collect();
        order.sort_by(|a, b| rate(*a).total_cmp(&rate(*b)).then(a.cmp(b)));
        Self { order }
    }

    /// Returns the first unused host that an item fits on and that costs at most that.
    pub(super) fn next(
        &self,
        packing: &BinPacking,
        hosts: &LoadedHosts,
        one: (usize, usize),
        most: i64,
    ) -> Option<usize> {
        self.order.iter().find_map(|class| {
            let class = packing.classes.get(*class).filter(|class| class.cost <= most)?;
            let mut free = class.hosts.iter().copied().filter(|host| !hosts.is_used(*host));
            // Hosts of a class differ in failure domain only: the host itself.
            free.next().filter(|host| hosts.fits(one, *host, None).is_some())
        })
    }
}

//! Column generation: fillings of one NUMA node as columns, found as they are
//! wanted.
//!
//! ```text
//! min Σ_c cost(c) · y[c]
//! Σ_j a[j,i] · λ[j] - Σ_l count(l,i) · x[l] >= 0        each item i
//! Σ_{j of k} λ[j] <= times(k) · y[c of k]               each kind of NUMA node k
//! Σ_j need(j,d) · λ[j] <= has(c,d) · y[c]               disk, I/O, bandwidth of a host
//! Σ_{j in D} Σ_{i of p} a[j,i] · λ[j] <= Σ_l apart(l) · x[l]    part p, rack or site D
//! ```
//!
//! (P. Gilmore, R. Gomory, "A Linear Programming Approach to the Cutting-Stock
//! Problem", 1961.) A new column is a knapsack under the dual prices. Prices of any
//! round give a row of `cover.rs` that holds for every plan: the knapsack's bound says
//! how much of their value a host can hold.

use std::collections::BTreeMap;

use super::super::Deadline;
use super::super::lp::{Grown, Prices};
use super::cover::{Cut, asks};
use super::goods::{Goods, Place};
use super::hosts::Hosts;
use super::knapsack::{Amounts, Filling, Good, UNLIMITED, fill, real, whole};
use crate::model::{Part, PartKind};
use crate::sizing::Candidate;
use crate::topology::Level;

/// A filling of one NUMA node of a kind.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Column {
    /// Index of the kind of NUMA node.
    pub place: usize,
    /// Items with their counts.
    pub counts: Vec<(usize, i64)>,
}

/// Part, level and classes of a failure domain wider than a host.
pub(super) struct Wide {
    pub part: usize,
    pub classes: Vec<usize>,
}

/// The columns and what their prices prove.
pub(super) struct Generated {
    pub columns: Vec<Column>,
    pub cuts: Vec<Cut>,
}

/// What was generated, with the rows about racks and sites and about shared
/// resources.
pub(super) type Outcome = (Generated, Vec<Wide>, Vec<(usize, usize)>);

/// Nodes of a knapsack's search while columns are easily found, and at the end.
const NODES: [usize; 2] = [300, 20_000];
/// Rounds at most, and with many items.
const ROUNDS: [usize; 2] = [300, 60];
/// Items that are many.
const MANY: usize = 300;
/// Rows of proof that are kept.
const CUTS: usize = 6;
/// Values are integers up to about this.
const SCALE: f64 = 1e7;

pub(super) struct Generation<'a, 'p> {
    goods: &'a Goods<'p>,
    wide: Vec<Wide>,
    /// Hosts' resources that columns share: class and dimension.
    shared: Vec<(usize, usize)>,
    columns: BTreeMap<Column, ()>,
    order: Vec<Column>,
}

impl<'a, 'p> Generation<'a, 'p> {
    pub(super) fn new(goods: &'a Goods<'p>) -> Self {
        let shared = goods.classes.iter().enumerate().filter(|(_, class)| !class.is_flat);
        let shared = shared.flat_map(|(at, class)| {
            let limited = (2..5).filter(|d| class.capacity.get(*d).is_some_and(|c| *c < UNLIMITED));
            limited.map(move |d| (at, d))
        });
        Self {
            goods,
            wide: wide(goods),
            shared: shared.collect(),
            columns: BTreeMap::new(),
            order: Vec::new(),
        }
    }

    /// The columns that make up hosts as they are filled.
    pub(super) fn learn(&mut self, hosts: &Hosts) {
        for (class, one) in self.goods.classes.iter().enumerate() {
            for host in &one.hosts {
                let mut numa: BTreeMap<usize, BTreeMap<usize, i64>> = BTreeMap::new();
                for spot in hosts.on(*host) {
                    let item = self.goods.index(spot.part, spot.shape);
                    *numa.entry(spot.numa).or_default().entry(item).or_default() += 1;
                }
                for (numa, counts) in numa {
                    if let Some(place) = self.goods.place_of(class, *host, numa) {
                        let counts = counts.into_iter().collect();
                        self.keep(Column { place, counts });
                    }
                }
            }
        }
    }

    /// Keeps a column that is new.
    fn keep(&mut self, column: Column) -> bool {
        let is_new = self.columns.insert(column.clone(), ()).is_none();
        if is_new {
            self.order.push(column);
        }
        is_new
    }

    fn rows(&self) -> (usize, usize, usize, usize) {
        let items = self.goods.items.len();
        let places = items + self.goods.places.len();
        let shared = places + self.shared.len();
        (items, places, shared, shared + self.wide.len())
    }

    /// Generates until no column helps or the time is over.
    pub(super) fn run(mut self, deadline: &Deadline, until: f64) -> Result<Outcome, String> {
        let mut lp = self.start()?;
        let mut cuts: Vec<(f64, Cut)> = Vec::new();
        let mut done = 0;
        let mut effort = 0usize;
        for _ in 0..ROUNDS[usize::from(self.goods.items.len() > MANY)] {
            for column in self.order.iter().skip(done) {
                lp.add(0.0, f64::INFINITY, &self.factors(column))?;
            }
            done = self.order.len();
            if deadline.spent() > until {
                break;
            }
            let Some(prices) = lp.solve(deadline.seconds)? else { break };
            let priced = self.price(&prices, NODES.get(effort).copied().unwrap_or(0));
            cuts.push((self.worth(&priced.cut), priced.cut));
            cuts.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            cuts.truncate(CUTS);
            let mut found = false;
            for column in priced.columns {
                found |= self.keep(column);
            }
            if !found {
                effort += 1;
                if effort == NODES.len() {
                    break;
                }
            }
        }
        let cuts = cuts.into_iter().map(|(_, cut)| cut).collect();
        Ok((Generated { columns: self.order, cuts }, self.wide, self.shared))
    }

    /// The program with its rows, hosts, layouts, and a dear stand-in for each
    /// item, so that there is always a solution.
    fn start(&self) -> Result<Grown, String> {
        let goods = self.goods;
        let (items, places, shared, _) = self.rows();
        let parts = &goods.problem.parts;
        let fixed: Vec<i64> = goods
            .items
            .iter()
            .map(|item| single(parts, item.part).map_or(0, |one| count(one, item.size)))
            .collect();
        let mut bounds: Vec<(f64, f64)> =
            fixed.iter().map(|count| (real(*count), f64::INFINITY)).collect();
        bounds.extend(goods.places.iter().map(|_| (f64::NEG_INFINITY, 0.0)));
        bounds.extend(self.shared.iter().map(|_| (f64::NEG_INFINITY, 0.0)));
        bounds.extend(self.wide.iter().map(|wide| {
            let max_per_domain =
                single(parts, wide.part).map(|one| max_per_domain(parts, wide.part, one));
            (f64::NEG_INFINITY, real(max_per_domain.unwrap_or(0)))
        }));
        let first_choice = bounds.len();
        bounds.extend(parts.iter().map(|_| (1.0, 1.0)));
        let mut lp = Grown::new(&bounds)?;
        for (class, one) in goods.classes.iter().enumerate() {
            let mut factors = Vec::new();
            for (at, place) in goods.places.iter().enumerate().filter(|(_, p)| p.class == class) {
                factors.push((items + at, -real(place.times)));
            }
            for (at, (_, d)) in self.shared.iter().enumerate().filter(|(_, (c, _))| *c == class) {
                factors.push((places + at, -real(one.capacity.get(*d).copied().unwrap_or(0))));
            }
            let most = i64::try_from(one.hosts.len()).unwrap_or(i64::MAX);
            lp.add(real(one.cost), real(most), &factors)?;
        }
        for (part, entry) in parts.iter().enumerate() {
            let is_single = single(parts, part).is_some();
            for candidate in &entry.candidates {
                let mut factors = vec![(first_choice + part, 1.0)];
                let own = goods.items.iter().enumerate().filter(|(_, item)| item.part == part);
                for (at, item) in own.filter(|_| !is_single) {
                    factors.push((at, -real(count(candidate, item.size))));
                }
                let wides = self.wide.iter().enumerate().filter(|(_, wide)| wide.part == part);
                for (at, _) in wides.filter(|_| !is_single) {
                    factors.push((shared + at, -real(max_per_domain(parts, part, candidate))));
                }
                lp.add(0.0, f64::INFINITY, &factors)?;
            }
        }
        let dearest = goods.classes.iter().map(|class| class.cost).max().unwrap_or(1).max(1);
        for item in 0..items {
            lp.add(real(dearest) * 2.0, f64::INFINITY, &[(item, 1.0)])?;
        }
        Ok(lp)
    }

    fn factors(&self, column: &Column) -> Vec<(usize, f64)> {
        let (items, places, shared, _) = self.rows();
        let mut found: Vec<(usize, f64)> =
            column.counts.iter().map(|(item, count)| (*item, real(*count))).collect();
        found.push((items + column.place, 1.0));
        let class = self.goods.places.get(column.place).map_or(0, |place| place.class);
        for (at, (own, dimension)) in self.shared.iter().enumerate() {
            if *own == class {
                found
                    .push((places + at, real(self.goods.takes(class, &column.counts, *dimension))));
            }
        }
        for (at, wide) in self.wide.iter().enumerate() {
            if wide.classes.contains(&class) {
                found.push((shared + at, real(self.goods.of_part(&column.counts, wide.part))));
            }
        }
        found.retain(|(_, factor)| *factor != 0.0);
        found
    }

    fn price(&self, prices: &Prices, nodes: usize) -> Priced {
        let goods = self.goods;
        let (items, places, shared, _) = self.rows();
        let row = |at: usize| prices.rows.get(at).copied().unwrap_or(0.0);
        let highest = (0..items).map(row).fold(1e-9, f64::max);
        let scale = SCALE / highest;
        let values: Vec<i64> = (0..items).map(|at| whole(row(at) * scale).max(0)).collect();
        let tolls: Vec<i64> =
            (0..self.wide.len()).map(|at| whole(row(shared + at) * scale).min(0)).collect();
        let mut columns = Vec::new();
        let mut holds = vec![0i64; goods.classes.len()];
        for (at, place) in goods.places.iter().enumerate() {
            let own = self.shared.iter().enumerate().filter(|(_, (c, _))| *c == place.class);
            let rates: Vec<(usize, f64)> =
                own.map(|(n, (_, d))| (*d, (row(places + n) * scale).min(0.0))).collect();
            let filling = self.filling(place, (&values, &tolls), &rates, nodes);
            if let Some(holds) = holds.get_mut(place.class) {
                *holds = holds.saturating_add(filling.bound.saturating_mul(place.times));
            }
            // Worth more than its place costs.
            if real(filling.value) > -row(items + at) * scale + SCALE * 1e-6 {
                let mut counts = filling.counts;
                counts.sort_unstable();
                columns.push(Column { place: at, counts });
            }
        }
        for (at, (class, dimension)) in self.shared.iter().enumerate() {
            let has = goods.classes.get(*class).and_then(|c| c.capacity.get(*dimension).copied());
            let worth = -(row(places + at) * scale).min(0.0) * real(has.unwrap_or(0));
            if let Some(holds) = holds.get_mut(*class) {
                *holds = holds.saturating_add(whole(worth.ceil())).saturating_add(1);
            }
        }
        let mut asks = asks(goods, &values);
        for (wide, toll) in self.wide.iter().zip(&tolls) {
            let parts = &goods.problem.parts;
            let candidates = parts.get(wide.part).into_iter().flat_map(|part| &part.candidates);
            for (asks, one) in asks.iter_mut().skip(wide.part).take(1).flatten().zip(candidates) {
                *asks =
                    asks.saturating_add(toll.saturating_mul(max_per_domain(parts, wide.part, one)));
            }
        }
        Priced { columns, cut: Cut { holds, asks } }
    }

    /// The dearest filling of a place. `rates` are what a unit of each of the
    /// host's resources costs, at most 0.
    fn filling(
        &self,
        place: &Place,
        (values, tolls): (&[i64], &[i64]),
        rates: &[(usize, f64)],
        nodes: usize,
    ) -> Filling {
        let goods = self.goods;
        let good = |(id, item): (usize, &super::goods::Item)| {
            if !goods.may(place.class, id) {
                return None;
            }
            let weight: Amounts = goods.need(place.class, id);
            let at = |d: usize| real(weight.get(d).copied().unwrap_or(0));
            let rate: f64 = rates.iter().map(|(d, rate)| rate * at(*d)).sum();
            let toll: i64 = self
                .wide
                .iter()
                .zip(tolls)
                .filter(|(wide, _)| wide.part == item.part && !item.size.is_witness)
                .filter(|(wide, _)| wide.classes.contains(&place.class))
                .map(|(_, toll)| toll)
                .sum();
            let value = values.get(id).copied().unwrap_or(0);
            // Rounded up: what a host holds must not be put too low.
            let value = value.saturating_add(toll).saturating_add(whole(rate.ceil()));
            Some(Good { id, value, weight, most: item.most.min(item.max_per_domain) })
        };
        let all: Vec<Good> = goods.items.iter().enumerate().filter_map(good).collect();
        fill(&all, &place.capacity, nodes)
    }

    /// The least cost, in parts of hosts, that a row of proof asks for.
    fn worth(&self, cut: &Cut) -> f64 {
        let mut left: f64 =
            cut.asks.iter().filter_map(|asks| asks.iter().min()).map(|asks| real(*asks)).sum();
        let mut classes: Vec<(f64, f64, f64)> = self
            .goods
            .classes
            .iter()
            .zip(&cut.holds)
            .filter(|(_, holds)| **holds > 0)
            .map(|(class, holds)| {
                let count = real(i64::try_from(class.hosts.len()).unwrap_or(i64::MAX));
                (real(class.cost) / real(*holds), real(*holds) * count, real(*holds))
            })
            .collect();
        classes.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut cost = 0.0;
        for (rate, most, _) in classes {
            let taken = most.min(left);
            cost += rate * taken;
            left -= taken;
            if left <= 0.0 {
                break;
            }
        }
        cost
    }
}

struct Priced {
    columns: Vec<Column>,
    cut: Cut,
}

/// The only layout of a part, if it has one.
fn single(parts: &[Part], part: usize) -> Option<&Candidate> {
    match parts.get(part)?.candidates.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

pub(super) fn count(candidate: &Candidate, size: crate::model::Shape) -> i64 {
    Part::count(candidate, size).into()
}

/// Most instances of a part in one failure domain.
pub(super) fn max_per_domain(parts: &[Part], part: usize, candidate: &Candidate) -> i64 {
    match parts.get(part).map(|part| part.kind) {
        Some(PartKind::Fixed(Some(_))) => 1,
        _ => candidate.max_per_domain.unwrap_or(candidate.layout.instances).into(),
    }
}

/// Rules about racks and sites: each domain of more than one host.
fn wide(goods: &Goods) -> Vec<Wide> {
    let problem = goods.problem;
    let mut found = Vec::new();
    for (part, entry) in problem.parts.iter().enumerate() {
        let levels: Vec<Level> = match entry.kind {
            PartKind::Fixed(spread) => spread.into_iter().collect(),
            PartKind::Service(_) => problem.survive.iter().map(|survive| survive.level).collect(),
        };
        for level in levels.into_iter().filter(|level| *level != Level::Host) {
            for (_, hosts) in problem.domains(level) {
                let inside = |class: &&(usize, &super::goods::Class)| {
                    class.1.hosts.iter().all(|host| hosts.contains(host))
                };
                let all: Vec<_> = goods.classes.iter().enumerate().collect();
                let classes: Vec<usize> = all.iter().filter(inside).map(|(at, _)| *at).collect();
                if !classes.is_empty() {
                    found.push(Wide { part, classes });
                }
            }
        }
    }
    found
}

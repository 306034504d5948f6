//! Column generation: the linear relaxation of the master problem, which grows by
//! patterns as its dual prices ask for them.
//!
//! ```text
//! min Σ_c cost(c) · y[c]      under the rows of `master_rows.rs`
//! ```
//!
//! `y[c]` hosts of class `c` are in use, `λ[j]` bins are filled by pattern `j`, `x[l]`
//! chooses a layout (P. Gilmore, R. Gomory, "A Linear Programming Approach to the
//! Cutting-Stock Problem", 1961 and 1963).

use std::collections::BTreeSet;

use super::super::Deadline;
use super::super::highs::MipLimits;
use super::super::lp::GrowingLp;
use super::bins::BinPacking;
use super::knapsack::real;
use super::loaded_hosts::LoadedHosts;
use super::master_rows::{MasterRows, Pattern, count, max_per_domain, only_layout};
use super::pricing::price;
use super::relaxation::Cut;

/// Nodes of a knapsack's search, and of an integer program after it: while patterns are easily
/// found, and at the end.
const EFFORTS: [(usize, Option<i32>); 3] = [(300, None), (20_000, None), (20_000, Some(200))];
/// Rounds with integer programs at most.
const EXACT_ROUNDS: usize = 10;
/// Part of the relaxation's value by which a bound may be below it to be tight.
const TIGHT: f64 = 0.000_5;
/// Rounds at most, and with many items.
const ROUNDS: [usize; 2] = [300, 60];
/// Items that are many.
const MANY: usize = 300;
/// Valid inequalities that are kept.
const CUTS: usize = 6;

/// How much of each layout is chosen, by part and candidate.
pub(super) type Shares = [Vec<f64>];

/// The patterns so far, and the master problem over them.
pub(super) struct ColumnGeneration<'a, 'p> {
    pub rows: MasterRows<'a, 'p>,
    /// In the order in which they were found.
    pub patterns: Vec<Pattern>,
    /// The layout of each part that the linear relaxation chooses most of.
    pub layouts: Vec<Option<usize>>,
    known: BTreeSet<Pattern>,
    lp: GrowingLp,
    /// Patterns that are columns of it.
    columns: usize,
}

impl<'a, 'p> ColumnGeneration<'a, 'p> {
    pub(super) fn new(packing: &'a BinPacking<'p>) -> Result<Self, String> {
        let rows = MasterRows::new(packing);
        let lp = master(&rows)?;
        let (patterns, layouts, known) = (Vec::new(), Vec::new(), BTreeSet::new());
        Ok(Self { rows, patterns, layouts, known, lp, columns: 0 })
    }

    /// Takes the patterns of hosts as they are filled.
    pub(super) fn learn(&mut self, hosts: &LoadedHosts) {
        let packing = self.rows.packing;
        for (class, one) in packing.classes.iter().enumerate() {
            for host in &one.hosts {
                for (numa, counts) in hosts.items_by_numa(*host) {
                    if let Some(bin_type) = packing.bin_type_of(class, *host, numa) {
                        let counts = counts.into_iter().collect();
                        self.keep(Pattern { bin_type, counts });
                    }
                }
            }
        }
    }

    /// Keeps a pattern. Returns whether it is new.
    fn keep(&mut self, pattern: Pattern) -> bool {
        let is_new = self.known.insert(pattern.clone());
        if is_new {
            self.patterns.push(pattern);
        }
        is_new
    }

    /// Generates until no pattern has a negative reduced cost or the time is over, for these
    /// shares of the layouts, or for those that are cheapest. Returns the best valid
    /// inequalities; they are made tight only where that `counts`.
    pub(super) fn run(
        &mut self,
        deadline: &Deadline,
        counts: bool,
        shares: Option<&Shares>,
    ) -> Result<Vec<Cut>, String> {
        self.fix(shares);
        let mut cuts: Vec<(f64, Cut)> = Vec::new();
        let mut effort = 0usize;
        let mut exact_rounds = 0usize;
        for _ in 0..ROUNDS[usize::from(self.rows.packing.items.len() > MANY)] {
            for pattern in self.patterns.iter().skip(self.columns) {
                self.lp.add(0.0, f64::INFINITY, &self.rows.column(pattern))?;
            }
            self.columns = self.patterns.len();
            if deadline.left() <= 0.0 {
                break;
            }
            let Some(optimum) = self.lp.solve(deadline)? else { break };
            if shares.is_none() {
                self.layouts = chosen(&self.rows, &optimum.values);
            }
            let (nodes, exact) = EFFORTS.get(effort).copied().unwrap_or_default();
            let seconds = deadline.left();
            let exact = exact.map(|nodes| MipLimits::new(seconds, Some(nodes)));
            let priced = price(&self.rows, &optimum.duals, (nodes, exact));
            cuts.push((strength(self.rows.packing, &priced.cut, shares), priced.cut));
            cuts.sort_by(|(a, _), (b, _)| b.total_cmp(a));
            cuts.truncate(CUTS);
            // The best bound is that of the relaxation but for what the last digits are worth.
            let proved = cuts.first().map_or(0.0, |(strength, _)| *strength);
            let is_tight = proved >= optimum.objective * (1.0 - TIGHT);
            exact_rounds += usize::from(exact.is_some());
            if exact.is_some() && (is_tight || exact_rounds >= EXACT_ROUNDS) {
                break;
            }
            let mut found = false;
            for pattern in priced.patterns {
                found |= self.keep(pattern);
            }
            if !found {
                effort += 1;
                if effort == EFFORTS.len() - usize::from(!counts) {
                    break;
                }
            }
        }
        Ok(cuts.into_iter().map(|(_, cut)| cut).collect())
    }

    /// Fixes the columns of layouts. They come after those of hosts.
    fn fix(&mut self, shares: Option<&Shares>) {
        let mut at = self.rows.packing.classes.len();
        for (part, entry) in self.rows.packing.problem.parts.iter().enumerate() {
            for candidate in 0..entry.candidates.len() {
                let share = shares.and_then(|all| all.get(part)?.get(candidate).copied());
                let (low, high) = share.map_or((0.0, f64::INFINITY), |share| (share, share));
                self.lp.bound(at, low, high);
                at += 1;
            }
        }
    }
}

/// Returns the master problem with its rows, hosts and layouts, and an artificial column
/// for each item, so that there is always a solution.
fn master(rows: &MasterRows) -> Result<GrowingLp, String> {
    let mut lp = GrowingLp::new(&bounds(rows))?;
    add_hosts(rows, &mut lp)?;
    add_layouts(rows, &mut lp)?;
    let classes = rows.packing.classes.iter();
    let dearest = classes.map(|class| class.cost).max().unwrap_or(1).max(1);
    for item in 0..rows.packing.items.len() {
        lp.add(real(dearest) * 2.0, f64::INFINITY, &[(item, 1.0)])?;
    }
    Ok(lp)
}

/// Returns the bounds of the rows. The counts of a part's only layout are in them.
fn bounds(rows: &MasterRows) -> Vec<(f64, f64)> {
    let parts = &rows.packing.problem.parts;
    let cover = rows.packing.items.iter().map(|item| {
        let fixed = only_layout(parts, item.part).map_or(0, |one| count(one, item.size));
        (real(fixed), f64::INFINITY)
    });
    let bins = rows.packing.bin_types.iter().map(|_| (f64::NEG_INFINITY, 0.0));
    let shared = rows.shared.iter().map(|_| (f64::NEG_INFINITY, 0.0));
    let domains = rows.domains.iter().map(|domain| {
        let only = only_layout(parts, domain.part);
        let most = only.map(|one| max_per_domain(parts, domain.part, one));
        (f64::NEG_INFINITY, real(most.unwrap_or(0)))
    });
    let choice = parts.iter().map(|_| (1.0, 1.0));
    cover.chain(bins).chain(shared).chain(domains).chain(choice).collect()
}

/// Adds a column per class of hosts.
fn add_hosts(rows: &MasterRows, lp: &mut GrowingLp) -> Result<(), String> {
    for (class, one) in rows.packing.classes.iter().enumerate() {
        let most = i64::try_from(one.hosts.len()).unwrap_or(i64::MAX);
        lp.add(real(one.cost), real(most), &rows.of_host(class))?;
    }
    Ok(())
}

/// Adds a column per layout.
fn add_layouts(rows: &MasterRows, lp: &mut GrowingLp) -> Result<(), String> {
    let parts = &rows.packing.problem.parts;
    for (part, entry) in parts.iter().enumerate() {
        let is_only = only_layout(parts, part).is_some();
        for candidate in &entry.candidates {
            let mut factors = vec![(rows.first_choice() + part, 1.0)];
            let own = rows.packing.items.iter().enumerate().filter(|(_, item)| item.part == part);
            for (row, item) in own.filter(|_| !is_only) {
                factors.push((row, -real(count(candidate, item.size))));
            }
            let domains = (rows.first_domain()..).zip(&rows.domains);
            for (row, _) in domains.filter(|(_, domain)| domain.part == part && !is_only) {
                factors.push((row, -real(max_per_domain(parts, part, candidate))));
            }
            lp.add(0.0, f64::INFINITY, &factors)?;
        }
    }
    Ok(())
}

/// Returns the layout of each part with the largest value, the first of equals. Their columns
/// come after those of hosts.
fn chosen(rows: &MasterRows, values: &[f64]) -> Vec<Option<usize>> {
    let mut first = rows.packing.classes.len();
    let parts = rows.packing.problem.parts.iter().map(|part| {
        let own = values.iter().skip(first).copied().take(part.candidates.len()).enumerate();
        first += part.candidates.len();
        let most = own.max_by(|(at, a), (other, b)| a.total_cmp(b).then(other.cmp(at)));
        most.map(|(at, _)| at)
    });
    parts.collect()
}

/// Returns the least cost, in fractions of hosts, that a valid inequality needs for these
/// shares of the layouts, or for any: a fractional covering knapsack.
fn strength(packing: &BinPacking, cut: &Cut, shares: Option<&Shares>) -> f64 {
    let least = |own: &Vec<i64>| own.iter().min().map(|least| real(*least));
    let of = |(own, shares): (&Vec<i64>, &Vec<f64>)| -> f64 {
        own.iter().zip(shares).map(|(value, share)| real(*value) * share).sum()
    };
    let mut left: f64 = match shares {
        None => cut.demand.iter().filter_map(least).sum(),
        Some(shares) => cut.demand.iter().zip(shares).map(of).sum(),
    };
    let mut classes: Vec<(f64, f64)> = packing
        .classes
        .iter()
        .zip(&cut.capacity)
        .filter(|(_, capacity)| **capacity > 0)
        .map(|(class, capacity)| {
            let count = real(i64::try_from(class.hosts.len()).unwrap_or(i64::MAX));
            (real(class.cost) / real(*capacity), real(*capacity) * count)
        })
        .collect();
    classes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut cost = 0.0;
    for (rate, most) in classes {
        let taken = most.min(left);
        cost += rate * taken;
        left -= taken;
        if left <= 0.0 {
            break;
        }
    }
    cost
}

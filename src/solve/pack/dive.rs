//! Price and dive: the linear relaxation of the master problem, made whole step by step.
//!
//! With the layouts given, the relaxation is solved by column generation. Then a step of the
//! dive fixes the patterns that it uses whole, or, if there is none, the largest fractions
//! rounded up; patterns that hold more of an item than is left are taken out; and the
//! relaxation of what is left is solved by column generation again, where the pricing problem
//! holds no more of an item than is left either. So every step has patterns that suit what is
//! left to it, which a dive over the patterns of the root has not.
//!
//! ```text
//! min Σ_c cost(c) · y[c]
//! Σ_j a[j,i] · λ[j] >= demand(i)        λ[j] >= fixed(j)
//! ```
//!
//! and the rows of `master_rows.rs` about bins, shared resources and failure domains.
//!
//! - R. Sadykov, F. Vanderbeck, A. Pessoa, I. Tahiri, E. Uchoa, "Primal Heuristics for Branch
//!   and Price: The Assets of Diving Methods", INFORMS Journal on Computing 31 (2019),
//!   <https://doi.org/10.1287/ijoc.2018.0822>.
//! - G. Belov, G. Scheithauer, "A cutting plane algorithm for the one-dimensional cutting stock
//!   problem with multiple stock lengths", European Journal of Operational Research 141 (2002),
//!   for the rounding of what is left.

use std::collections::BTreeMap;

use super::super::Deadline;
use super::super::lp::{GrowingLp, Optimum};
use super::knapsack::{real, whole};
use super::master_rows::{MasterRows, Pattern};
use super::pricing::price_left;
use super::remainder::{Remainder, whole_hosts};

/// Nodes of a knapsack's search.
const NODES: usize = 300;
/// Rounds of column generation at the root, and of each step after it.
const ROUNDS: [usize; 2] = [200, 30];
/// What a value may be off a whole number.
const TOLERANCE: f64 = 1e-6;
/// A fraction from which on a pattern is rounded up together with the largest.
const LARGE: f64 = 0.7;
/// One in so many of the fractional patterns is rounded up at most in a step.
const FEW: usize = 12;

/// The patterns that a dive has chosen, each with how often it is used.
pub(super) type Chosen = Vec<(Pattern, i64)>;

/// Dives for what is to be packed. `known` are patterns to begin with. Returns the patterns
/// that it fixed, which may leave a few items over; `None` where the relaxation shows that
/// nothing is found that costs less than `most`, or the time is over before the root is solved.
pub(super) fn dive(
    rows: &MasterRows,
    what: &Remainder,
    known: &[Pattern],
    most: i64,
    deadline: &Deadline,
) -> Result<Option<Chosen>, String> {
    let mut dive = Dive::new(rows, what)?;
    for pattern in known {
        dive.add(pattern)?;
    }
    let Some(mut optimum) = dive.generate(ROUNDS[0], deadline)? else { return Ok(None) };
    while !dive.left.is_empty() {
        // Costs are whole numbers.
        if whole((optimum.objective - 1e-4).ceil()) >= most {
            return Ok(None);
        }
        if !dive.fix(&optimum) {
            break;
        }
        match dive.generate(ROUNDS[1], deadline)? {
            Some(next) => optimum = next,
            None => break,
        }
    }
    Ok(Some(dive.chosen()))
}

/// A column of the program.
struct Column {
    pattern: Pattern,
    /// Its index in the program.
    at: usize,
    fixed: i64,
    is_open: bool,
}

struct Dive<'a, 'p> {
    rows: &'a MasterRows<'a, 'p>,
    lp: GrowingLp,
    /// Row of each item that is to be packed.
    row_of: BTreeMap<usize, usize>,
    columns: Vec<Column>,
    known: BTreeMap<Pattern, usize>,
    left: Remainder,
    /// Bins filled by what is fixed, by type.
    used: Vec<i64>,
}

impl<'a, 'p> Dive<'a, 'p> {
    /// Returns the program with hosts, and an artificial column for each item, so that there is
    /// always a solution.
    fn new(rows: &'a MasterRows<'a, 'p>, what: &Remainder) -> Result<Self, String> {
        let packing = rows.packing;
        let items = what.items();
        let row_of: BTreeMap<usize, usize> =
            (0..).zip(&items).map(|(row, (item, _))| (*item, row)).collect();
        let cover = items.iter().map(|(_, count)| (real(*count), f64::INFINITY));
        let no_more = packing.bin_types.iter().map(|_| 0.0).chain(rows.shared.iter().map(|_| 0.0));
        let no_more = no_more.chain(what.domains.iter().map(|most| real(*most)));
        let bounds: Vec<(f64, f64)> =
            cover.chain(no_more.map(|most| (f64::NEG_INFINITY, most))).collect();
        let mut found = Self {
            rows,
            lp: GrowingLp::new(&bounds)?,
            row_of,
            columns: Vec::new(),
            known: BTreeMap::new(),
            left: what.clone(),
            used: vec![0; packing.bin_types.len()],
        };
        let shift = found.shift();
        let mut dearest = 1;
        for (class, (one, most)) in packing.classes.iter().zip(&what.hosts).enumerate() {
            let factors: Vec<(usize, f64)> =
                rows.of_host(class).into_iter().map(|(row, by)| (shift(row), by)).collect();
            found.lp.add(real(one.cost), real(*most), &factors)?;
            dearest = one.cost.max(dearest);
        }
        for row in 0..items.len() {
            found.lp.add(real(dearest) * 2.0, f64::INFINITY, &[(row, 1.0)])?;
        }
        Ok(found)
    }

    /// Returns where the rows after those of items are.
    fn shift(&self) -> impl Fn(usize) -> usize + use<> {
        let (first, items) = (self.rows.first_bin_type(), self.row_of.len());
        move |row| row - first + items
    }

    /// Adds a pattern of what is left. Returns whether it is new.
    fn add(&mut self, pattern: &Pattern) -> Result<bool, String> {
        if self.known.contains_key(pattern) || self.left.times(self.rows, pattern) == 0 {
            return Ok(false);
        }
        let shift = self.shift();
        let row = |(row, by): (usize, f64)| {
            let row = if row < self.rows.first_bin_type() {
                self.row_of.get(&row).copied()?
            } else {
                shift(row)
            };
            Some((row, by))
        };
        let factors: Vec<(usize, f64)> =
            self.rows.column(pattern).into_iter().filter_map(row).collect();
        let at = self.lp.add(0.0, f64::INFINITY, &factors)?;
        self.known.insert(pattern.clone(), self.columns.len());
        self.columns.push(Column { pattern: pattern.clone(), at, fixed: 0, is_open: true });
        Ok(true)
    }

    /// Generates columns. Returns the optimum; `None` when the time is over.
    fn generate(&mut self, rounds: usize, deadline: &Deadline) -> Result<Option<Optimum>, String> {
        let items = self.left.items();
        let mut found = None;
        for _ in 0..rounds {
            if deadline.left() <= 0.0 {
                return Ok(None);
            }
            let Some(optimum) = self.lp.solve(deadline)? else { return Ok(None) };
            let duals = self.duals(&optimum);
            let mut is_new = false;
            for pattern in price_left(self.rows, &duals, &items, NODES) {
                is_new |= self.add(&pattern)?;
            }
            found = Some(optimum);
            if !is_new {
                break;
            }
        }
        Ok(found)
    }

    /// Returns the dual prices by row of the whole master problem.
    fn duals(&self, optimum: &Optimum) -> Vec<f64> {
        let of = |row: usize| optimum.duals.get(row).copied().unwrap_or(0.0);
        let mut found = vec![0.0; self.rows.first_bin_type()];
        for (item, row) in &self.row_of {
            if let Some(dual) = found.get_mut(*item) {
                *dual = of(*row);
            }
        }
        found.extend(optimum.duals.iter().skip(self.row_of.len()));
        found
    }

    /// Fixes patterns. Returns whether there was one.
    fn fix(&mut self, optimum: &Optimum) -> bool {
        let value = |column: &Column| {
            optimum.values.get(column.at).copied().unwrap_or(0.0) - real(column.fixed)
        };
        let values: Vec<f64> = self.columns.iter().map(value).collect();
        let mut is_fixed = false;
        for (at, value) in values.iter().enumerate() {
            is_fixed |= self.fix_one(at, whole((value + TOLERANCE).floor()));
        }
        if !is_fixed {
            let fractions = values.iter().copied().enumerate();
            let mut fractions: Vec<(usize, f64)> =
                fractions.filter(|(_, value)| *value > TOLERANCE).collect();
            fractions.sort_by(|(at, a), (other, b)| b.total_cmp(a).then(at.cmp(other)));
            let mut few = (fractions.len() / FEW).max(1);
            for (at, fraction) in fractions {
                if few > 0 && (!is_fixed || fraction >= LARGE) && self.fix_one(at, 1) {
                    is_fixed = true;
                    few -= 1;
                }
            }
        }
        self.close();
        is_fixed
    }

    /// Fixes a pattern so many times more, or as often as it suits what is left.
    fn fix_one(&mut self, at: usize, times: i64) -> bool {
        let Some(column) = self.columns.get_mut(at) else { return false };
        let pattern = &column.pattern;
        let bin = self.rows.packing.bin_types.get(pattern.bin_type);
        let (Some(bin), Some(used)) = (bin, self.used.get_mut(pattern.bin_type)) else {
            return false;
        };
        let bins = self.left.hosts.get(bin.class).map_or(0, |hosts| hosts * bin.per_host);
        let times = times.min(bins - *used).min(self.left.times(self.rows, pattern));
        if times <= 0 {
            return false;
        }
        *used += times;
        column.fixed += times;
        self.left.take(self.rows, pattern, times);
        self.lp.bound(column.at, real(column.fixed), f64::INFINITY);
        true
    }

    /// Takes out the patterns that hold more than is left, and opens hosts in whole.
    fn close(&mut self) {
        for column in self.columns.iter_mut().filter(|column| column.is_open) {
            if self.left.times(self.rows, &column.pattern) == 0 {
                column.is_open = false;
                let fixed = real(column.fixed);
                self.lp.bound(column.at, fixed, fixed);
            }
        }
        for (class, most) in self.left.hosts.iter().enumerate() {
            let least = whole_hosts(self.rows.packing, &self.used, class).min(*most);
            self.lp.bound(class, real(least), real(*most));
        }
    }

    fn chosen(self) -> Chosen {
        let used = self.columns.into_iter().filter(|column| column.fixed > 0);
        used.map(|column| (column.pattern, column.fixed)).collect()
    }
}

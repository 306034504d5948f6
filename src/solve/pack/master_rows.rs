//! The rows of the master problem, in order:
//!
//! ```text
//! Σ_j a[j,i] · λ[j] - Σ_l count(l,i) · x[l] >= 0                 cover: each item i
//! Σ_{j of t} λ[j] <= per_host(t) · y[c of t]                     bins: each bin type t
//! Σ_j need(j,d) · λ[j] <= capacity(c,d) · y[c]                   shared: disk, I/O, bandwidth
//! Σ_{j in D} Σ_{i of p} a[j,i] · λ[j] <= Σ_l max_per_domain(l) · x[l]
//!                                                                domains: part p, rack or site D
//! Σ_l x[l] = 1                                                   choice: each part
//! ```

use super::bins::{BinPacking, HostClass, int};
use super::knapsack::{UNLIMITED, real};
use crate::model::{FixedRules, Part, PartKind, Shape};
use crate::sizing::Candidate;
use crate::topology::Level;

/// A way to fill one bin: a column of the master problem.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pattern {
    /// Index of the bin type.
    pub bin_type: usize,
    /// Items with their counts.
    pub counts: Vec<(usize, i64)>,
}

/// A failure domain wider than a host, for one part.
pub(super) struct WideDomain {
    pub part: usize,
    /// Host classes within it.
    pub classes: Vec<usize>,
}

/// Which rows there are.
pub(super) struct MasterRows<'a, 'p> {
    pub packing: &'a BinPacking<'p>,
    /// Resources of hosts that their bins share: class and dimension.
    pub shared: Vec<(usize, usize)>,
    pub domains: Vec<WideDomain>,
}

impl<'a, 'p> MasterRows<'a, 'p> {
    pub(super) fn new(packing: &'a BinPacking<'p>) -> Self {
        let several = packing.classes.iter().enumerate().filter(|(_, class)| !class.is_single_bin);
        let shared = several.flat_map(|(at, class)| {
            let limited = (2..5).filter(|d| class.capacity.get(*d).is_some_and(|c| *c < UNLIMITED));
            limited.map(move |d| (at, d))
        });
        Self { packing, shared: shared.collect(), domains: wide_domains(packing) }
    }

    /// Returns the index of the first row about bin types.
    pub(super) fn first_bin_type(&self) -> usize {
        self.packing.items.len()
    }

    /// Returns the index of the first row about shared resources.
    pub(super) fn first_shared(&self) -> usize {
        self.first_bin_type() + self.packing.bin_types.len()
    }

    /// Returns the index of the first row about failure domains.
    pub(super) fn first_domain(&self) -> usize {
        self.first_shared() + self.shared.len()
    }

    /// Returns the index of the first row about the choice of a layout.
    pub(super) fn first_choice(&self) -> usize {
        self.first_domain() + self.domains.len()
    }

    /// Returns the class of hosts that a pattern is for.
    pub(super) fn class_of(&self, pattern: &Pattern) -> usize {
        self.packing.bin_types.get(pattern.bin_type).map_or(0, |bin| bin.class)
    }

    /// Returns the column of the hosts of a class: its factors by row.
    pub(super) fn of_host(&self, class: usize) -> Vec<(usize, f64)> {
        let bins = (self.first_bin_type()..).zip(&self.packing.bin_types);
        let bins = bins.filter(|(_, bin)| bin.class == class);
        let bins = bins.map(|(row, bin)| (row, -real(bin.per_host)));
        let shared = (self.first_shared()..).zip(&self.shared);
        let shared = shared.filter(|(_, (own, _))| *own == class);
        let has = |d: usize| self.packing.classes.get(class)?.capacity.get(d).copied();
        let shared = shared.map(|(row, (_, d))| (row, -real(has(*d).unwrap_or(0))));
        bins.chain(shared).collect()
    }

    /// Returns the column of a pattern: its factors by row.
    pub(super) fn column(&self, pattern: &Pattern) -> Vec<(usize, f64)> {
        let Pattern { bin_type, counts } = pattern;
        let mut found: Vec<(usize, f64)> =
            counts.iter().map(|(item, count)| (*item, real(*count))).collect();
        found.push((self.first_bin_type() + bin_type, 1.0));
        let class = self.class_of(pattern);
        for (row, (own, dimension)) in (self.first_shared()..).zip(&self.shared) {
            if *own == class {
                found.push((row, real(self.packing.takes(class, counts, *dimension))));
            }
        }
        let first = self.first_domain();
        found.extend(self.domains_of(pattern).map(|(at, count)| (first + at, real(count))));
        found.retain(|(_, factor)| *factor != 0.0);
        found
    }

    /// Returns the failure domains that a pattern is in, with how many instances of the
    /// domain's part it has.
    pub(super) fn domains_of(&self, pattern: &Pattern) -> impl Iterator<Item = (usize, i64)> {
        let class = self.class_of(pattern);
        let all = self.domains.iter().enumerate();
        let own = all.filter(move |(_, domain)| domain.classes.contains(&class));
        own.map(|(at, domain)| (at, self.packing.of_part(&pattern.counts, domain.part)))
    }
}

/// Returns the only layout of a part, if it has one: its counts are constants of the
/// rows.
pub(super) fn only_layout(parts: &[Part], part: usize) -> Option<&Candidate> {
    match parts.get(part)?.candidates.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

/// Returns the instances of a shape that a layout has.
pub(super) fn count(candidate: &Candidate, size: Shape) -> i64 {
    Part::count(candidate, size).into()
}

/// Most instances of a part in one failure domain.
pub(super) fn max_per_domain(parts: &[Part], part: usize, candidate: &Candidate) -> i64 {
    match parts.get(part).map(|part| part.kind) {
        Some(PartKind::Fixed(FixedRules { spread: Some(spread), .. })) => int(spread.most()),
        _ => candidate.max_per_domain.unwrap_or(candidate.layout.instances).into(),
    }
}

/// Returns the racks and sites that limit each part.
fn wide_domains(packing: &BinPacking) -> Vec<WideDomain> {
    let problem = packing.problem;
    let mut found = Vec::new();
    for (part, entry) in problem.parts.iter().enumerate() {
        let levels: Vec<Level> = match entry.kind {
            PartKind::Fixed(rules) => rules.spread.map(|spread| spread.per).into_iter().collect(),
            PartKind::Service(_) => problem.survive.iter().map(|survive| survive.level).collect(),
        };
        for level in levels.into_iter().filter(|level| *level != Level::Host) {
            for (_, hosts) in problem.domains(level) {
                let is_within =
                    |class: &HostClass| class.hosts.iter().all(|host| hosts.contains(host));
                let all = packing.classes.iter().enumerate();
                let classes: Vec<usize> =
                    all.filter(|(_, class)| is_within(class)).map(|(at, _)| at).collect();
                if !classes.is_empty() {
                    found.push(WideDomain { part, classes });
                }
            }
        }
    }
    found
}

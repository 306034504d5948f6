//! What is left to be packed, while a dive fixes one pattern after the other.

use super::bins::BinPacking;
use super::master_rows::{MasterRows, Pattern, max_per_domain};

/// Items and the hosts that they may be packed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Remainder {
    /// Instances by item.
    pub demand: Vec<i64>,
    /// Hosts by class.
    pub hosts: Vec<i64>,
    /// Instances that each rack or site of the rows may hold.
    pub domains: Vec<i64>,
}

impl Remainder {
    /// All items of these layouts, on all hosts.
    pub(super) fn whole(rows: &MasterRows, chosen: &[Option<usize>], demand: &[i64]) -> Self {
        let parts = &rows.packing.problem.parts;
        let most = |part: usize| {
            let candidates = parts.get(part).map(|part| &part.candidates);
            let at = chosen.get(part).copied().flatten();
            let one = at.and_then(|at| candidates.and_then(|all| all.get(at)));
            one.map_or(0, |one| max_per_domain(parts, part, one))
        };
        let count = |hosts: &Vec<usize>| i64::try_from(hosts.len()).unwrap_or(i64::MAX);
        Self {
            demand: demand.to_vec(),
            hosts: rows.packing.classes.iter().map(|class| count(&class.hosts)).collect(),
            domains: rows.domains.iter().map(|domain| most(domain.part)).collect(),
        }
    }

    /// Items of which there are any, with how many.
    pub(super) fn items(&self) -> Vec<(usize, i64)> {
        let all = self.demand.iter().copied().enumerate();
        all.filter(|(_, count)| *count > 0).collect()
    }

    /// Whether everything is packed.
    pub(super) fn is_empty(&self) -> bool {
        self.demand.iter().all(|count| *count <= 0)
    }

    /// Returns how often a pattern can be used so that it holds nothing that is not left.
    pub(super) fn times(&self, rows: &MasterRows, pattern: &Pattern) -> i64 {
        let times = |(item, count): &(usize, i64)| {
            self.demand.get(*item).map_or(0, |left| left / (*count).max(1))
        };
        let items = pattern.counts.iter().map(times).min().unwrap_or(0);
        let domains = rows.domains_of(pattern).filter(|(_, count)| *count > 0);
        let domains =
            domains.map(|(at, count)| self.domains.get(at).map_or(0, |left| left / count));
        domains.min().unwrap_or(i64::MAX).min(items)
    }

    /// Takes out what a pattern holds that is used so often.
    pub(super) fn take(&mut self, rows: &MasterRows, pattern: &Pattern, times: i64) {
        for (item, count) in &pattern.counts {
            if let Some(left) = self.demand.get_mut(*item) {
                *left -= count * times;
            }
        }
        for (at, count) in rows.domains_of(pattern) {
            if let Some(left) = self.domains.get_mut(at) {
                *left -= count * times;
            }
        }
    }
}

/// Returns the least that bins of a class must be filled for: hosts in whole.
pub(super) fn whole_hosts(packing: &BinPacking, used: &[i64], class: usize) -> i64 {
    let bins = packing.bin_types.iter().zip(used).filter(|(bin, _)| bin.class == class);
    bins.map(|(bin, used)| (used + bin.per_host - 1) / bin.per_host.max(1)).max().unwrap_or(0)
}

//! Primary shards of an index, and how many instances they keep busy.
//!
//! ```text
//! carried(n) = usable · s / ceil(s / n)      s shards that n instances hold evenly
//! need       = ceil(s / floor(usable · s / work))
//! ```
//!
//! An instance works on the shards that it holds, whole ones: of 5 shards on 4 instances
//! one has two, and the others wait for it. So `s` shards never keep more than `s`
//! instances busy. `s` counts the copies that are left when the promised loss has come.
//!
//! Where the demand states the shards that a search looks into, an index has as many. Else
//! it has the number that needs the fewest instances, and of equal ones the least: at least what
//! the profile calls typical, at most twice that or as many as have 10 GiB each, which is
//! the least that Elastic recommends; indices that grow over time roll over at 50 GiB a
//! shard, the most (<https://www.elastic.co/docs/deploy-manage/production-guidance/optimize-performance/size-shards>,
//! <https://docs.opensearch.org/latest/getting-started/intro/#shards>).

use super::work::Load;
use crate::profile::{Profile, Quorum};
use crate::spec::SearchDemand;
use crate::units::PerSecond;

/// Data that a shard has at least, where their number is free, and at most.
const SHARD_MIB: [u64; 2] = [10 << 10, 50 << 10];

/// Most shards of an index that are weighed: 1,024 is Elasticsearch's own limit
/// (`index.number_of_shards`).
const MOST: u64 = 1_024;

/// The shards of an index and the work that comes with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shards {
    /// Primary shards.
    pub primary: u64,
    /// The whole work of the demand.
    pub work: PerSecond,
    /// Instances that carry it, after the promised loss; `u64::MAX` where none do.
    pub need: u64,
}

/// What the number of shards follows from.
#[derive(Clone, Copy, Debug)]
pub struct Sharing<'a> {
    pub(super) load: Load<'a>,
    /// Whether the loss of a failure domain is survived, so that one copy fewer serves.
    pub survives: bool,
}

impl<'a> Sharing<'a> {
    /// What follows from a demand with so many copies of each shard.
    #[must_use]
    pub const fn new(
        (profile, rules): (&'a Profile, &'a Quorum),
        demand: &'a SearchDemand,
        copies: u32,
        survives: bool,
    ) -> Self {
        Self { load: Load { demand, rules, profile, copies }, survives }
    }

    /// Returns the shards of an index whose instances do `usable` each.
    #[must_use]
    pub fn of(self, usable: PerSecond) -> Shards {
        let typical = self.load.typical();
        let demand = self.load.demand;
        if demand.shards_per_query.is_some() {
            return self.with(typical, usable);
        }
        let most = typical.saturating_mul(2).max(demand.data_mib.get() / SHARD_MIB[0]).min(MOST);
        let mut best = self.with(typical, usable);
        for primary in typical + 1..=most {
            let other = self.with(primary, usable);
            // More shards make more work, and no division needs fewer instances than that.
            if other.work.get().div_ceil(usable.get().max(1)) >= best.need {
                break;
            }
            if other.need < best.need {
                best = other;
            }
        }
        best
    }

    /// Returns the work of indexing alone.
    #[must_use]
    pub fn indexing(self) -> PerSecond {
        let demand = SearchDemand { queries_per_s: PerSecond::ZERO, ..self.load.demand.clone() };
        Load { demand: &demand, ..self.load }.work(0)
    }

    fn with(self, primary: u64, usable: PerSecond) -> Shards {
        let work = self.load.work(primary);
        Shards { primary, work, need: need(self.serving(primary), usable, work) }
    }

    /// Shards that serve, after the promised loss.
    pub(super) fn serving(self, primary: u64) -> u64 {
        let lost = u64::from(self.survives);
        primary.saturating_mul(u64::from(self.load.copies).saturating_sub(lost).max(1))
    }

    /// Shards of all data, copies counted: those of one index, or of as many as have at
    /// most 50 GiB.
    pub(super) fn held(self, primary: u64) -> u64 {
        let all = primary.max(self.load.demand.data_mib.get().div_ceil(SHARD_MIB[1]));
        all.saturating_mul(self.load.copies.into())
    }
}

/// Returns the most shards that one of so many instances holds.
pub(super) const fn largest_part(shards: u64, instances: u64) -> u64 {
    match instances {
        0 => shards,
        some => shards.div_ceil(some),
    }
}

/// Returns what so many instances do together that hold the shards.
#[must_use]
pub fn carried(shards: u64, instances: u64, usable: PerSecond) -> PerSecond {
    let part = u128::from(largest_part(shards, instances).max(1));
    let all = u128::from(usable.get()) * u128::from(shards) / part;
    PerSecond::new(u64::try_from(all).unwrap_or(u64::MAX))
}

/// Returns the fewest instances that carry the work; `u64::MAX` where none do.
fn need(shards: u64, usable: PerSecond, work: PerSecond) -> u64 {
    let all = u128::from(usable.get()) * u128::from(shards);
    match u64::try_from(all / u128::from(work.get().max(1))).unwrap_or(u64::MAX) {
        0 => u64::MAX,
        each => shards.div_ceil(each).max(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_whole_and_the_fullest_instance_decides() {
        let all = [1, 2, 3, 4, 5, 6, 18].map(|n| carried(5, n, PerSecond::new(100)).get());
        assert_eq!(all, [100, 166, 250, 250, 500, 500, 500]);
        for (shards, work) in [(5, 100), (5, 166), (5, 167), (5, 251), (12, 401), (7, 700)] {
            let (usable, work) = (PerSecond::new(100), PerSecond::new(work));
            let fewest = (1..100).find(|n| carried(shards, *n, usable) >= work);
            assert_eq!(Some(need(shards, usable, work)), fewest, "{shards} {work}");
        }
        assert_eq!(need(5, PerSecond::new(100), PerSecond::new(501)), u64::MAX);
    }
}

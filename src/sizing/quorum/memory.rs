//! Memory and data volume of one instance.
//!
//! ```text
//! memory = least · 2^i                        >= mib_per_vcpu · vcpus, <= most
//! heap   = min(memory · heap_share, heap_max)
//! held   = min(memory · data_per_memory, data_max)
//! volume = ceil64(max(data · copies · overhead · part, minimum))
//! ```
//!
//! `held` is the data that an instance can serve. Whole shards spread evenly, and `part` is
//! that of all which the instance with most of them holds; under forced awareness that stays
//! so after a loss, since lost copies are not made again elsewhere.

use super::shards::largest_part;
use crate::plan::Witness;
use crate::profile::{Profile, Quorum, ceil, floor, real};
use crate::sizing::rounding::{rounded, rounded_memory};
use crate::units::Mebibytes;

/// Numbers that the sizes of an instance follow from.
#[derive(Clone, Copy, Debug)]
pub struct Sizes<'a> {
    /// The engine's profile.
    pub profile: &'a Profile,
    /// Its rules.
    pub rules: &'a Quorum,
}

impl Sizes<'_> {
    /// The Java heap of an instance of `memory`.
    #[must_use]
    pub fn heap(self, memory: Mebibytes) -> Mebibytes {
        let numbers = &self.rules.memory;
        let share = floor(real(memory.get()) * numbers.heap_share.default);
        Mebibytes::new(share.min(numbers.heap_max_mib.whole()))
    }

    /// The sizes that an instance with so many virtual CPUs may have, ascending:
    /// the largest where none is enough.
    pub(super) fn memories(self, vcpus: u32) -> Vec<Mebibytes> {
        let numbers = &self.rules.memory;
        let (least, most) = (numbers.least_mib.whole().max(1), numbers.most_mib.whole());
        let need = ceil(numbers.mib_per_vcpu.default * f64::from(vcpus)).min(most);
        let next = |mib: &u64| Some(mib.saturating_mul(2)).filter(|mib| *mib <= most);
        let doubled = std::iter::successors(Some(least), next);
        let mut all: Vec<u64> = doubled.filter(|mib| *mib >= need).collect();
        if all.is_empty() {
            all.push(most);
        }
        all.into_iter().map(|mib| rounded_memory(self.profile, mib)).collect()
    }

    /// The data, all copies counted, that an instance of `memory` can serve.
    pub(super) fn held(self, memory: Mebibytes) -> u64 {
        let disk = &self.rules.disk;
        let served = floor(real(memory.get()) * disk.data_per_memory.default);
        served.min(disk.data_max_mib.whole()).max(1)
    }

    /// The data volume of each of so many instances that hold so many shards with `data`,
    /// all copies counted.
    pub(super) fn volume(self, data: u64, (shards, instances): (u64, u64)) -> Mebibytes {
        let disk = &self.rules.disk;
        let part = real(largest_part(shards, instances)) / real(shards.max(1));
        let need = ceil(real(data) * disk.overhead.default * part);
        rounded(self.profile, need.max(disk.minimum_mib.whole()))
    }

    /// The instance that only votes.
    pub(super) fn witness(self) -> Witness {
        let numbers = &self.rules.cluster;
        Witness {
            vcpus: u32::try_from(numbers.witness_vcpus.whole()).unwrap_or(u32::MAX).max(1),
            memory_mib: rounded_memory(self.profile, numbers.witness_mib.whole()),
            data_mib: rounded(self.profile, numbers.witness_data_mib.whole()),
        }
    }
}

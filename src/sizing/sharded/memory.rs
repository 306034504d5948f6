//! Memory and data volume of one instance.
//!
//! ```text
//! memory    = ceil64(max(guest + backlog + data · (1 + fragmentation) · (1 + cow), minimum))
//! maxmemory = (memory - guest - backlog) / ((1 + fragmentation) · (1 + cow))
//! ```
//!
//! so that `maxmemory` is never less than the data: rounding only adds.

use crate::profile::{Profile, Sharded, ceil, floor, real};
use crate::sizing::rounding::{rounded, rounded_memory};
use crate::spec::Persistence;
use crate::units::Mebibytes;

/// Numbers that the memory of an instance follows from.
#[derive(Clone, Copy, Debug)]
pub struct Sizes<'a> {
    /// The engine's profile.
    pub profile: &'a Profile,
    /// Its rules.
    pub rules: &'a Sharded,
    /// Copies of each group's data.
    pub copies: u32,
    /// How the data is kept.
    pub persistence: Persistence,
}

impl Sizes<'_> {
    /// Memory of an instance that holds `data`.
    pub(super) fn memory(self, data: Mebibytes) -> Mebibytes {
        let held = ceil(real(data.get()) * self.growth());
        rounded_memory(self.profile, held.saturating_add(self.besides()))
    }

    /// Redis' `maxmemory` in bytes for an instance of `memory`.
    #[must_use]
    pub fn max_memory_bytes(self, memory: Mebibytes) -> u64 {
        let left = memory.get().saturating_sub(self.besides());
        floor(real(Mebibytes::new(left).bytes()) / self.growth())
    }

    /// Data volume of an instance that holds `data`; zero without persistence.
    pub(super) fn volume(self, data: Mebibytes) -> Mebibytes {
        let disk = &self.rules.disk;
        let factor = match self.persistence {
            Persistence::None => return Mebibytes::ZERO,
            Persistence::Rdb => disk.rdb_factor.default,
            Persistence::Aof => disk.aof_factor.default,
        };
        let need = ceil(real(data.get()) * factor).max(disk.minimum_mib.whole());
        rounded(self.profile, need)
    }

    /// Replication backlog in MiB; none without replicas.
    #[must_use]
    pub fn backlog_mib(self) -> u64 {
        if self.copies > 1 { self.rules.memory.backlog_mib.whole() } else { 0 }
    }

    fn besides(self) -> u64 {
        self.profile.guest.base_mib.whole().saturating_add(self.backlog_mib())
    }

    fn growth(self) -> f64 {
        let memory = &self.rules.memory;
        let copied = match self.persistence {
            Persistence::None => 0.0,
            Persistence::Rdb => memory.copy_on_write_rdb.default,
            Persistence::Aof => memory.copy_on_write_aof.default,
        };
        (1.0 + memory.fragmentation.default) * (1.0 + copied)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{Profiles, Rules};
    use crate::spec::Engine;

    fn with<T>(copies: u32, persistence: Persistence, f: impl FnOnce(Sizes) -> T) -> T {
        let profiles = Profiles::builtin().unwrap();
        let profile = profiles.of(Engine::Redis).unwrap();
        let Rules::Sharded(rules) = &profile.rules else { panic!("redis is sharded") };
        f(Sizes { profile, rules, copies, persistence })
    }

    #[test]
    fn small_data_fits_the_smallest_machine() {
        with(2, Persistence::Aof, |sizes| {
            assert_eq!(sizes.memory(Mebibytes::new(50)), Mebibytes::new(512));
            assert_eq!(sizes.volume(Mebibytes::new(1000)), Mebibytes::new(3008));
        });
        with(2, Persistence::None, |sizes| {
            assert_eq!(sizes.volume(Mebibytes::new(50)), Mebibytes::ZERO);
        });
    }

    proptest::proptest! {
        #[test]
        fn maxmemory_holds_the_data(data in 0u64..30_000, copies in 1u32..3, kind in 0..3) {
            let kinds = [Persistence::None, Persistence::Rdb, Persistence::Aof];
            let persistence = kinds[usize::try_from(kind).unwrap()];
            let data = Mebibytes::new(data);
            let (size, most) = with(copies, persistence, |sizes| {
                let size = sizes.memory(data);
                (size, sizes.max_memory_bytes(size))
            });
            proptest::prop_assert!(most >= data.bytes());
            proptest::prop_assert!(size.get().is_multiple_of(64));
        }
    }
}

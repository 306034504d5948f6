//! Memory and data volume of one instance.
//!
//! ```text
//! memory    = ceil64(max(guest + backlog + data · (1 + fragmentation) · (1 + cow), minimum))
//! maxmemory = (memory - guest - backlog) / ((1 + fragmentation) · (1 + cow))
//! ```
//!
//! so that `maxmemory` is never less than the data: rounding only adds.

use crate::profile::{Profile, ceil, floor, real};
use crate::spec::Persistence;
use crate::units::Mebibytes;

/// Memory of an instance that holds `data`.
pub(super) fn memory(
    profile: &Profile,
    data: Mebibytes,
    copies: u32,
    persistence: Persistence,
) -> Mebibytes {
    let held = ceil(real(data.get()) * growth(profile, persistence));
    let need = held.saturating_add(besides(profile, copies));
    let unit = profile.memory.rounding_mib.whole().max(1);
    let floor = profile.memory.minimum_mib.whole();
    Mebibytes::new(need.max(floor).div_ceil(unit).saturating_mul(unit))
}

/// Redis' `maxmemory` in bytes for an instance of `memory`.
#[must_use]
pub fn max_memory_bytes(
    profile: &Profile,
    memory: Mebibytes,
    copies: u32,
    persistence: Persistence,
) -> u64 {
    let left = memory.get().saturating_sub(besides(profile, copies));
    floor(real(Mebibytes::new(left).bytes()) / growth(profile, persistence))
}

/// Data volume of an instance that holds `data`; zero without persistence.
pub(super) fn volume(profile: &Profile, data: Mebibytes, persistence: Persistence) -> Mebibytes {
    let factor = match persistence {
        Persistence::None => return Mebibytes::ZERO,
        Persistence::Rdb => profile.disk.rdb_factor.default,
        Persistence::Aof => profile.disk.aof_factor.default,
    };
    let unit = profile.memory.rounding_mib.whole().max(1);
    let need = ceil(real(data.get()) * factor).max(profile.disk.minimum_mib.whole());
    Mebibytes::new(need.div_ceil(unit).saturating_mul(unit))
}

/// Replication backlog in MiB; none without replicas.
pub(super) fn backlog(profile: &Profile, copies: u32) -> u64 {
    if copies > 1 { profile.memory.backlog_mib.whole() } else { 0 }
}

fn besides(profile: &Profile, copies: u32) -> u64 {
    profile.memory.guest_mib.whole().saturating_add(backlog(profile, copies))
}

fn growth(profile: &Profile, persistence: Persistence) -> f64 {
    let copied = match persistence {
        Persistence::None => 0.0,
        Persistence::Rdb => profile.memory.copy_on_write_rdb.default,
        Persistence::Aof => profile.memory.copy_on_write_aof.default,
    };
    (1.0 + profile.memory.fragmentation.default) * (1.0 + copied)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profiles;

    #[test]
    fn small_data_fits_the_smallest_machine() {
        let profile = Profiles::builtin().unwrap().redis;
        let size = memory(&profile, Mebibytes::new(50), 2, Persistence::Aof);
        assert_eq!(size, Mebibytes::new(512));
        assert_eq!(volume(&profile, Mebibytes::new(50), Persistence::None), Mebibytes::ZERO);
        assert_eq!(
            volume(&profile, Mebibytes::new(1000), Persistence::Aof),
            Mebibytes::new(3008)
        );
    }

    proptest::proptest! {
        #[test]
        fn maxmemory_holds_the_data(data in 0u64..30_000, copies in 1u32..3, kind in 0..3) {
            let profile = Profiles::builtin().unwrap().redis;
            let kinds = [Persistence::None, Persistence::Rdb, Persistence::Aof];
            let persistence = kinds[usize::try_from(kind).unwrap()];
            let data = Mebibytes::new(data);
            let size = memory(&profile, data, copies, persistence);
            let most = max_memory_bytes(&profile, size, copies, persistence);
            proptest::prop_assert!(most >= data.bytes());
            proptest::prop_assert!(size.get().is_multiple_of(64));
        }
    }
}

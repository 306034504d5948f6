//! Buffer pool, memory and data volume of one instance.
//!
//! ```text
//! guest  = what the profile states, and with copies that elect also what these take (group)
//! memory = ceil64(max(pool / pool_share, pool + guest, minimum))
//! pool   = min(memory · pool_share, memory - guest)
//! cache  = max(30 s · writes · binlog_bytes, 128 MiB)
//! group  = cache + 128 MiB
//! misses = (1 - cold) · max(0, 1 - pool / (working set · data)) + cold · max(0, 1 - pool / data)
//! volume = ceil64(max(data · data_factor + binlog_bytes · writes · binlog_hours · 3600, minimum))
//! ```
//!
//! With the whole data as its working set `misses` is `1 - pool / data`, as it was
//! measured under uniform access.

use super::load::Load;
use crate::profile::{PrimaryReplica, Profile, ceil, floor, real};
use crate::sizing::rounding::{rounded, rounded_memory};
use crate::spec::RelationalDemand;
use crate::units::Mebibytes;

/// Seconds of a group's writes that are kept in memory for a member that does not answer: three
/// times as long as it takes to put it out of the group.
const CACHED_S: u64 = 30;
/// The smallest message cache that there can be, in MiB.
/// <https://dev.mysql.com/doc/refman/8.4/en/group-replication-system-variables.html>
const CACHE_MIB: u64 = 128;
/// What Group Replication takes besides, in MiB: measured on 9.7, where a server of 545 MiB took
/// 680 with it, its cache all but empty.
const PLUGIN_MIB: u64 = 128;

/// Most memory for messages that a member of a group keeps for the others; none where a person
/// decides, since there is no group.
#[must_use]
pub fn cache_mib(rules: &PrimaryReplica, demand: &RelationalDemand, groups: u64) -> Mebibytes {
    if demand.failover.is_manual() {
        return Mebibytes::ZERO;
    }
    let writes = Load::of(demand, groups).writes;
    let bytes = writes.saturating_mul(CACHED_S).saturating_mul(rules.disk.binlog_bytes.whole());
    Mebibytes::new(bytes.div_ceil(1 << 20).max(CACHE_MIB))
}

/// Memory of an instance that is not its buffer pool.
fn besides(
    (profile, rules): (&Profile, &PrimaryReplica),
    demand: &RelationalDemand,
    groups: u64,
) -> u64 {
    let plugin = if demand.failover.is_manual() { 0 } else { PLUGIN_MIB };
    profile.guest.base_mib.whole() + cache_mib(rules, demand, groups).get() + plugin
}

/// A buffer pool and the memory around it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pool {
    /// The part of the data, in percent, that it was made for.
    pub(super) percent: u32,
    /// Memory of the instance.
    pub(super) memory: Mebibytes,
    /// Part of the data that fits; more than 1 where there is room for more.
    held: f64,
    /// Share of page accesses that miss it.
    misses: f64,
}

impl Pool {
    /// The pool that holds so many percent of `data`.
    pub(super) fn new(
        (profile, rules): (&Profile, &PrimaryReplica),
        demand: &RelationalDemand,
        groups: u64,
        percent: u32,
    ) -> Self {
        let data = Load::of(demand, groups).data;
        let wanted = real(data.get()) * f64::from(percent) / 100.0;
        let besides = real(besides((profile, rules), demand, groups));
        let need = (wanted / rules.memory.pool_share.default).max(wanted + besides);
        let memory = rounded_memory(profile, ceil(need));
        let held = real(pool_mib((profile, rules), demand, groups, memory).get())
            / real(data.get().max(1));
        let misses = misses(rules, demand.working_set_percent, held);
        Self { percent, memory, held, misses }
    }

    pub(super) const fn misses(self) -> f64 {
        self.misses
    }

    /// Whether the pool is smaller than any that was measured.
    pub(super) fn is_extrapolated(self, rules: &PrimaryReplica) -> bool {
        self.held < 1.0 && !rules.io.read_only_reads.holds_at(self.held)
    }
}

/// The buffer pool of an instance with that much memory, in whole MiB.
#[must_use]
pub fn pool_mib(
    (profile, rules): (&Profile, &PrimaryReplica),
    demand: &RelationalDemand,
    groups: u64,
    memory: Mebibytes,
) -> Mebibytes {
    let share = floor(real(memory.get()) * rules.memory.pool_share.default);
    let besides = besides((profile, rules), demand, groups);
    Mebibytes::new(share.min(memory.get().saturating_sub(besides)))
}

/// Share of page accesses that miss a pool that holds that part of the data.
#[must_use]
pub fn misses(rules: &PrimaryReplica, working_set_percent: u32, held: f64) -> f64 {
    let working = f64::from(working_set_percent.clamp(1, 100)) / 100.0;
    let cold = rules.memory.cold_share.default.min(1.0);
    (1.0 - cold) * (1.0 - held / working).max(0.0) + cold * (1.0 - held).max(0.0)
}

/// Data volume of an instance that holds `data` and logs that many writing
/// transactions per second.
#[must_use]
pub fn volume(
    profile: &Profile,
    rules: &PrimaryReplica,
    data: Mebibytes,
    writes: u64,
) -> Mebibytes {
    let disk = &rules.disk;
    let kept_s = disk.binlog_hours.default * 3600.0;
    let log_mib = disk.binlog_bytes.default * real(writes) * kept_s / real(1 << 20);
    let need = ceil(real(data.get()) * disk.data_factor.default + log_mib);
    rounded(profile, need.max(disk.minimum_mib.whole()))
}

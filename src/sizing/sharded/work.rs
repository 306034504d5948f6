//! What is asked of a sharded cluster, in plain reads.
//!
//! ```text
//! work = reads + writes · (write + replicas · write_per_replica + write_rdb|aof)
//! cost = 1 + max(value - free, 0) / KiB · per_further_kib
//! ```

use crate::profile::{Sharded, ceil, real};
use crate::spec::{Persistence, ShardedDemand};
use crate::units::{Bytes, PerSecond};

/// The demand in plain reads, rounded up.
#[must_use]
pub fn work(demand: &ShardedDemand, rules: &Sharded, copies: u32) -> PerSecond {
    let numbers = &rules.work;
    let kept = match demand.persistence {
        Persistence::None => 0.0,
        Persistence::Rdb => numbers.write_rdb.default,
        Persistence::Aof => numbers.write_aof.default,
    };
    let replicas = f64::from(copies.saturating_sub(1));
    let write = numbers.write.default + replicas * numbers.write_per_replica.default + kept;
    let work = real(demand.reads_per_s.get()) + write * real(demand.writes_per_s.get());
    PerSecond::new(ceil(work))
}

/// Work of a read of a value of that size, and whether that is extrapolated.
pub(super) fn value_cost(rules: &Sharded, value: Bytes) -> (f64, bool) {
    let numbers = &rules.work;
    let (size, free) = (real(value.get()), numbers.free_value_bytes.default);
    let further = (size - free).max(0.0) / 1024.0;
    let extrapolated = size > free && !numbers.per_further_kib.holds_at(size);
    (1.0 + further * numbers.per_further_kib.default, extrapolated)
}

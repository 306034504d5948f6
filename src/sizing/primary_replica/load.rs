//! Load of one group and of its instances, in read-only transactions.
//!
//! ```text
//! r, w, d = reads, writes, data of the service / groups, rounded up
//! P = write · (1 + semi_sync)         a write on the primary; semi_sync only with replicas
//! A = write · apply                   the same on each replica
//! n = copies - 1 if a loss is promised to be survived, else copies
//! promise:  w · P <= usable           a primary alone carries its group's writes
//!           r + w · P + (n - 1) · w · A <= n · usable
//! so        n >= (r + w · P - w · A) / (usable - w · A)
//! ```
//!
//! Whatever the loss, at most one copy of each group is lost; the others balance
//! their load, so that each does the `n`th part `L` of the left side. Most reads
//! then fall on a replica, or, where writes fill the primary, all of them:
//!
//! ```text
//! R    = r                        n = 1
//!        L - w · A                n > 1, L >= w · P
//!        r / (n - 1)              n > 1, L <  w · P
//! iops = R · k_read_only · misses + w · (k_read_write · misses + writes)
//! bits = 8 · (R · read_bytes + w · (write_bytes + (copies - 1) · binlog_bytes))
//! ```
//!
//! The last is what an instance needs at most, whatever its role becomes.

use crate::profile::{Number, PrimaryReplica, ceil, floor, real};
use crate::spec::RelationalDemand;
use crate::units::{Mebibytes, PerSecond};

/// What transactions cost, in read-only ones.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Costs {
    /// A write on a primary that has a replica: `P`.
    pub write: f64,
    /// The same on a primary without one.
    pub alone: f64,
    /// A write on a replica: `A`.
    pub applied: f64,
    /// Whether the loss of a copy is survived.
    pub survives: bool,
    /// The fewest copies that may be.
    pub copies_min: u64,
}

impl Costs {
    /// The costs that a profile states.
    #[must_use]
    pub const fn of(rules: &PrimaryReplica, demand: &RelationalDemand, survives: bool) -> Self {
        let work = &rules.work;
        let alone = work.write.default;
        let write = alone * (1.0 + work.semi_sync.default);
        let copies_min = demand.copies_min(survives);
        Self { write, alone, applied: alone * work.apply.default, survives, copies_min }
    }

    /// Copies that serve in the worst case.
    const fn left(self, copies: u64) -> u64 {
        if self.survives { copies.saturating_sub(1) } else { copies }
    }

    /// A write on the primary of a group of that many copies.
    const fn primary(self, copies: u64) -> f64 {
        if copies > 1 { self.write } else { self.alone }
    }

    /// The fewest groups whose primaries take all writes; none if an instance
    /// cannot take even one.
    pub(super) fn groups_for_writes(self, demand: &RelationalDemand, usable: u64) -> Option<u64> {
        let each = floor(real(usable) / self.write);
        (each > 0).then(|| demand.writes_per_s.get().div_ceil(each).max(1))
    }
}

/// What is asked of one group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Read-only transactions per second.
    pub reads: u64,
    /// Transactions per second that write.
    pub writes: u64,
    /// Its part of the data.
    pub data: Mebibytes,
}

impl Load {
    /// The load of each of that many groups.
    #[must_use]
    pub fn of(demand: &RelationalDemand, groups: u64) -> Self {
        let part = |whole: u64| whole.div_ceil(groups.max(1));
        Self {
            reads: part(demand.reads_per_s.get()),
            writes: part(demand.writes_per_s.get()),
            data: Mebibytes::new(part(demand.data_mib.get())),
        }
    }

    /// Work that only the primary can do.
    #[must_use]
    pub fn primary_work(self, costs: Costs) -> u64 {
        ceil(real(self.writes) * costs.primary(costs.copies_min))
    }

    /// Work of all copies that are left of so many after the worst loss.
    #[must_use]
    pub fn left_work(self, costs: Costs, copies: u64) -> u64 {
        ceil(self.left(costs, copies))
    }

    fn left(self, costs: Costs, copies: u64) -> f64 {
        let replicas = real(costs.left(copies).saturating_sub(1));
        let writes = real(self.writes);
        real(self.reads) + writes * costs.primary(copies) + replicas * writes * costs.applied
    }

    /// The fewest copies that keep the promise with instances of that usable
    /// rate; none if a primary cannot take the writes.
    pub(super) fn copies(self, costs: Costs, usable: u64) -> Option<u64> {
        let fits = |copies: u64| {
            let room = usable.saturating_mul(costs.left(copies));
            self.left_work(costs, copies) <= room
        };
        let least = costs.copies_min;
        if self.primary_work(costs) > usable {
            return None;
        }
        if fits(least) {
            return Some(least);
        }
        // From here on there are replicas.
        let writes = real(self.writes);
        if ceil(writes * costs.write) > usable {
            return None;
        }
        let spare = real(usable) - writes * costs.applied;
        let asked = real(self.reads) + writes * (costs.write - costs.applied);
        let left = ceil(asked / spare).max(1);
        let copies = if costs.survives { left.saturating_add(1) } else { left }.max(least.max(2));
        (spare > 0.0).then_some(if fits(copies) { copies } else { copies.saturating_add(1) })
    }

    /// Most read-only transactions per second of one copy after the worst loss.
    #[must_use]
    pub fn reads_of_one(self, costs: Costs, copies: u64) -> f64 {
        let left = costs.left(copies).max(1);
        let (reads, writes) = (real(self.reads), real(self.writes));
        if left == 1 {
            return reads;
        }
        let each = self.left(costs, copies) / real(left);
        if each >= writes * costs.primary(copies) {
            each - writes * costs.applied
        } else {
            reads / real(left - 1)
        }
    }

    /// I/O operations per second of an instance after the worst loss, if that
    /// share of page accesses misses the buffer pool.
    #[must_use]
    pub fn iops(self, costs: Costs, copies: u64, misses: f64, rules: &PrimaryReplica) -> u64 {
        let io = &rules.io;
        let reads = self.reads_of_one(costs, copies) * io.read_only_reads.default * misses;
        let write = io.read_write_reads.default * misses + io.write_writes.default;
        ceil(reads + real(self.writes) * write)
    }

    /// Bits per second of an instance after the worst loss, whatever its role.
    #[must_use]
    pub fn network(self, costs: Costs, copies: u64, rules: &PrimaryReplica) -> u64 {
        let of = |number: &Number| number.default;
        let replicas = real(copies.saturating_sub(1));
        let write = of(&rules.network.write_bytes) + replicas * of(&rules.disk.binlog_bytes);
        let reads = self.reads_of_one(costs, copies) * of(&rules.network.read_bytes);
        ceil(8.0 * (reads + real(self.writes) * write))
    }
}

/// The whole demand, with what replication adds, rounded up.
#[must_use]
pub fn work(demand: &RelationalDemand, costs: Costs, copies: u64) -> PerSecond {
    let replicas = real(copies.saturating_sub(1));
    let write = costs.primary(copies) + replicas * costs.applied;
    PerSecond::new(ceil(real(demand.reads_per_s.get()) + real(demand.writes_per_s.get()) * write))
}

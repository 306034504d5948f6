//! Numbers of primary-replica engines: MySQL, MariaDB.

use serde::Deserialize;

use super::Number;
use super::number::section;

/// What holds for groups of a primary and its replicas.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PrimaryReplica {
    /// Work of transactions, in read-only ones.
    pub work: Work,
    /// Memory of one instance.
    pub memory: Memory,
    /// I/O operations of transactions.
    pub io: Io,
    /// Data volume of one instance.
    pub disk: Disk,
    /// Network need of transactions.
    pub network: Network,
    /// Rules of the cluster.
    pub cluster: Limits,
}

impl PrimaryReplica {
    /// Every number with its section.
    pub(super) fn numbers(&self) -> Vec<(String, &Number)> {
        let Self { work, memory, io, disk, network, cluster } = self;
        [
            ("work", work.numbers()),
            ("memory", memory.numbers()),
            ("io", io.numbers()),
            ("disk", disk.numbers()),
            ("network", network.numbers()),
            ("cluster", cluster.numbers()),
        ]
        .into_iter()
        .flat_map(|(section, numbers)| {
            let named = move |name| format!("primary-replica.{section}.{name}");
            numbers.into_iter().map(move |(name, number)| (named(name), number))
        })
        .collect()
    }

    /// Returns the first number that is out of range, and what is expected.
    pub(super) fn violation(&self) -> Option<(&'static str, &'static str)> {
        let share = self.memory.pool_share.default;
        if !(share > 0.0 && share < 1.0) {
            return Some((
                "primary-replica.memory.pool_share",
                "expected a share above 0 and below 1",
            ));
        }
        if self.cluster.copies_max.whole() < 2 {
            return Some(("primary-replica.cluster.copies_max", "expected at least 2"));
        }
        if self.work.apply.default > 1.0 {
            return Some((
                "primary-replica.work.apply",
                "expected at most 1: a replica does no more work for a write than its primary",
            ));
        }
        None
    }
}

section! {
    /// Work of transactions, in read-only ones.
    Work {
        /// A transaction that writes, on the primary.
        write,
        /// Share of that which applying it costs each replica.
        apply,
        /// Share of that which waiting for a replica's acknowledgement adds.
        semi_sync,
    }
}

section! {
    /// Memory of one instance.
    Memory {
        /// Part of it that is the buffer pool.
        pool_share,
        /// Share of page accesses that miss the working set.
        cold_share,
    }
}

section! {
    /// I/O operations of transactions.
    Io {
        /// Page reads of a read-only transaction without a buffer pool.
        read_only_reads,
        /// Page reads of a transaction that writes without a buffer pool.
        read_write_reads,
        /// Writes of a transaction that writes.
        write_writes,
        /// What an instance may count on where a pool's speed is not stated.
        unstated_per_s,
    }
}

section! {
    /// Data volume of one instance.
    Disk {
        /// Volume as a multiple of the data, without the binary log.
        data_factor,
        /// Bytes of binary log of a transaction that writes.
        binlog_bytes,
        /// Hours that the binary log is kept.
        binlog_hours,
        /// No data volume is smaller, in MiB.
        minimum_mib,
    }
}

section! {
    /// Network need of transactions.
    Network {
        /// Bytes on the wire of a read-only one.
        read_bytes,
        /// Bytes on the wire of one that writes, without replication.
        write_bytes,
    }
}

section! {
    /// Rules of the engine's cluster.
    Limits {
        /// Most copies of a group, the primary included.
        copies_max,
    }
}

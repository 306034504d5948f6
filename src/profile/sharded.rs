//! Numbers of sharded engines: Redis, Valkey.

use serde::Deserialize;

use super::Number;
use super::number::section;

/// What holds for a sharded cluster.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sharded {
    /// Work of operations, in plain reads.
    pub work: Work,
    /// Memory of one instance.
    pub memory: Memory,
    /// Data volume of one instance.
    pub disk: Disk,
    /// Network need per operation.
    pub network: Network,
    /// Rules of the cluster.
    pub cluster: Limits,
}

impl Sharded {
    /// Every number with its section.
    pub(super) fn numbers(&self) -> Vec<(String, &Number)> {
        let Self { work, memory, disk, network, cluster } = self;
        [
            ("work", work.numbers()),
            ("memory", memory.numbers()),
            ("disk", disk.numbers()),
            ("network", network.numbers()),
            ("cluster", cluster.numbers()),
        ]
        .into_iter()
        .flat_map(|(section, numbers)| {
            numbers.into_iter().map(move |(name, n)| (format!("sharded.{section}.{name}"), n))
        })
        .collect()
    }
}

section! {
    /// Work of operations, in plain reads.
    Work {
        /// A write without replica and persistence.
        write,
        /// Added for each replica.
        write_per_replica,
        /// Added by snapshots.
        write_rdb,
        /// Added by the append-only file.
        write_aof,
        /// Size in bytes up to which values cost the same.
        free_value_bytes,
        /// Share of a plain read that each further KiB of value costs.
        per_further_kib,
    }
}

section! {
    /// Memory of one instance.
    Memory {
        /// Share of the data that fragmentation adds.
        fragmentation,
        /// Share of the data that a snapshot's fork copies.
        copy_on_write_rdb,
        /// Share of the data that a rewrite of the append-only file copies.
        copy_on_write_aof,
        /// Replication backlog in MiB of an instance in a group with replicas.
        backlog_mib,
        /// Data that one process should hold, in MiB.
        data_per_process_mib,
    }
}

section! {
    /// Data volume of one instance.
    Disk {
        /// Volume as a multiple of the data, with snapshots.
        rdb_factor,
        /// Volume as a multiple of the data, with the append-only file.
        aof_factor,
        /// No data volume is smaller, in MiB.
        minimum_mib,
        /// I/O operations per write with the append-only file, once a second
        /// flushed together.
        iops_aof,
    }
}

section! {
    /// Network need per operation.
    Network {
        /// Bytes on the wire besides the value.
        overhead_bytes,
    }
}

section! {
    /// Rules of the engine's cluster.
    Limits {
        /// Hash slots.
        slots,
        /// Fewest masters.
        masters_min,
        /// Most processes of one cluster.
        processes_max,
        /// Milliseconds of silence after which a process counts as failed.
        node_timeout_ms,
    }
}

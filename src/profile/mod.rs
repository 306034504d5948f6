//! What one instance of an engine can do: `profiles/*.toml`, embedded, checked
//! and turned into a [`Profile`] whose every number names its evidence.

mod load;
mod number;

use std::collections::BTreeMap;

use serde::Deserialize;

pub use load::ProfileError;
use number::section;
pub use number::{Number, ceil, floor, real};

/// The profiles of all engines.
#[derive(Clone, Debug, PartialEq)]
pub struct Profiles {
    /// Redis Cluster.
    pub redis: Profile,
}

/// What one instance of a sharded engine can do, with evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The engine's name.
    pub engine: String,
    /// The kind of cluster it forms.
    pub kind: Kind,
    /// The engine's version that the numbers are about.
    pub version: String,
    /// The unit of work that ceilings and demands are counted in.
    pub unit: String,
    /// Operations per second of one process.
    pub throughput: Throughput,
    /// What virtualisation and placement take or give.
    pub placement: Placement,
    /// Share kept free by queueing.
    pub headroom: Headroom,
    /// Work of operations, in plain reads.
    pub work: Work,
    /// Memory of one instance.
    pub memory: Memory,
    /// Data volume of one instance.
    pub disk: Disk,
    /// Network need per operation.
    pub network: Network,
    /// Rules of its cluster.
    pub cluster: Cluster,
    /// Sizes an instance may have.
    pub shapes: Shapes,
    /// Where the numbers come from, by id.
    pub evidence: BTreeMap<String, Evidence>,
}

/// Kinds of cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Groups that share the data out, each with a master.
    Sharded,
}

/// Sizes an instance may have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shapes {
    /// Useful counts of virtual CPUs, ascending.
    pub vcpus: Vec<u32>,
    /// Id of the evidence.
    pub evidence: String,
}

/// Where a number comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// What numbers refer to.
    pub id: String,
    /// Address of the original, or `proposal`.
    pub source: String,
    /// Hardware, version and workload it was seen on.
    pub setup: String,
    /// How far it can be trusted.
    pub grade: Grade,
    /// What it says, and how the number was made of it.
    pub note: String,
}

/// How far evidence can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Grade {
    /// Read in full at the source.
    A,
    /// A vendor's or an author's page of which the number's part was read.
    B,
    /// Quoted by a third party.
    C,
    /// No published source: a default to be measured.
    #[serde(rename = "proposal")]
    Proposal,
}

section! {
    /// Operations per second of one process.
    Throughput {
        /// Plain reads per second of one thread on a whole core.
        one_thread,
        /// Share that each I/O thread beyond the first adds.
        gain_per_io_thread,
        /// Threads beyond which nothing is gained.
        io_threads_max,
        /// Share of the guest's cores that interrupts take.
        interrupt_share,
        /// Size in bytes up to which values cost the same.
        free_value_bytes,
        /// Share of a plain read that each further KiB of value costs.
        cost_per_further_kib,
    }
}

section! {
    /// What virtualisation and placement take or give.
    Placement {
        /// Speed in a pinned VM against the same cores without one.
        virtualisation,
        /// What the second thread of a core adds to the first.
        smt_gain,
    }
}

section! {
    /// Share kept free on `c` cores: `factor / c^exponent`.
    Headroom {
        /// Share on one core.
        factor,
        /// How fast the share falls with cores.
        exponent,
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
        /// Guest kernel, agent and empty process, in MiB.
        guest_mib,
        /// Memory is a multiple of this many MiB.
        rounding_mib,
        /// No instance has less, in MiB.
        minimum_mib,
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
    Cluster {
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

//! Changes with which a plan was found, as data: the words are the report's.

use super::Resource;
use crate::ids::ServiceName;
use crate::spec::{Cluster, Spread};
use crate::topology::Level;
use crate::units::Mebibytes;

/// A change with which a plan was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// More hosts.
    Hosts(AddedHosts),
    /// More hosts that are small: whole cores and memory for VMs, and a disk, of each.
    SmallHosts {
        /// How many.
        count: u64,
        /// Cores.
        cores: u32,
        /// Memory.
        memory: Mebibytes,
        /// The disk.
        disk: Mebibytes,
    },
    /// Edits of the spec, all of them together.
    Edits(Vec<Edit>),
    /// Less demand on every service, load and data alike: that part of it, where it is one for
    /// all.
    LessDemand(Option<u64>),
}

/// More hosts of a kind that is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedHosts {
    /// A host of that kind.
    pub like: String,
    /// How many more.
    pub count: u64,
    /// What they cost together.
    pub cost: u64,
    /// The level of which each is in a failure domain of its own; `None` where they are in that
    /// of the host that they are like.
    pub apart: Option<Level>,
    /// What they have more of than that host, in one NUMA node or pool, with how much.
    pub larger: Vec<(Resource, u64)>,
}

/// An edit of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// The hosts list the bridge of the network.
    Bridge,
    /// The hosts are of the architecture of guests.
    Architecture,
    /// The network has so many more addresses.
    Addresses(u64),
    /// A person decides who goes on after a loss.
    ManualQuorum(Level),
    /// No loss is survived.
    NoSurvival,
    /// So many fixed machines.
    Count {
        /// Their entry.
        vms: ServiceName,
        /// How many.
        count: u32,
    },
    /// The hosts have small huge pages instead of large ones, as much as before.
    SmallPages,
    /// A failure domain holds more fixed machines.
    Spread {
        /// Their entry.
        vms: ServiceName,
        /// How many it holds.
        spread: Spread,
    },
    /// A failure domain holds any number of fixed machines.
    NoSpread {
        /// Their entry.
        vms: ServiceName,
    },
    /// Fixed machines may be on all hosts.
    AnyHost {
        /// Their entry.
        vms: ServiceName,
    },
    /// Fixed machines may share hosts with anything.
    NoApart {
        /// Their entry.
        vms: ServiceName,
    },
    /// Fixed machines need nothing beside them.
    NoNear {
        /// Their entry.
        vms: ServiceName,
    },
    /// No room is kept to restart fixed machines.
    NoRestart {
        /// Their entry.
        vms: ServiceName,
    },
    /// Fixed machines of that size.
    Size {
        /// Their entry.
        vms: ServiceName,
        /// Virtual CPUs.
        vcpus: u32,
        /// Memory.
        memory: Mebibytes,
        /// The root disk.
        disk: Mebibytes,
    },
    /// So many copies of the data.
    Copies {
        /// The service.
        service: ServiceName,
        /// How many.
        copies: u32,
    },
    /// Searches look into so many shards.
    ShardsPerQuery {
        /// The service.
        service: ServiceName,
        /// How many.
        shards: u32,
    },
    /// The application spreads the data over so many groups.
    Shards {
        /// The service.
        service: ServiceName,
        /// How many.
        shards: u32,
    },
    /// Most transactions touch that part of the data.
    WorkingSet {
        /// The service.
        service: ServiceName,
        /// The part.
        percent: u32,
    },
    /// The application takes that much CPU time for a request.
    CpuTime {
        /// The service.
        service: ServiceName,
        /// The time in microseconds.
        micros: u64,
    },
    /// So many services instead of one, each with its part of load and data.
    Split {
        /// The service.
        service: ServiceName,
        /// Its kind of cluster.
        cluster: Cluster,
        /// How many.
        parts: u64,
    },
}

//! What falls short, as data: the words are the report's.

use crate::sizing::LimitedResource;
use crate::spec::{Cluster, Spread};
use crate::topology::Level;

/// One thing that there is too little of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{resource}: needs {needed} {}, has {available}, short by {}", .resource.unit(), self.short_by())]
pub struct Shortage {
    /// What there is too little of.
    pub resource: Resource,
    /// The least that would do, in the resource's unit.
    pub needed: u64,
    /// What there is.
    pub available: u64,
    /// Why that much is needed.
    pub why: Why,
}

impl Shortage {
    /// Returns how much is missing.
    #[must_use]
    pub const fn short_by(&self) -> u64 {
        self.needed.saturating_sub(self.available)
    }
}

/// Something that a plan needs of the hosts, the network or an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// Whole cores.
    Cores,
    /// Memory for VMs.
    Memory,
    /// Memory for QEMU itself, outside of the huge pages.
    Overhead,
    /// Space in pools.
    Disk,
    /// I/O operations of pools.
    Iops,
    /// Bandwidth of hosts.
    Bandwidth,
    /// Addresses of the network.
    Addresses,
    /// Hosts.
    Hosts,
    /// NUMA nodes.
    NumaNodes,
    /// Failure domains of a level.
    FailureDomains(Level),
    /// Fixed machines.
    Machines,
    /// What an engine limits by itself.
    Engine(LimitedResource),
}

impl Resource {
    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cores => "cores",
            Self::Memory => "memory",
            Self::Overhead => "memory for QEMU",
            Self::Disk => "disk",
            Self::Iops => "I/O operations",
            Self::Bandwidth => "bandwidth",
            Self::Addresses => "addresses",
            Self::Hosts => "hosts",
            Self::NumaNodes => "NUMA nodes",
            Self::FailureDomains(_) => "failure domains",
            Self::Machines => "VMs",
            Self::Engine(limited) => limited.as_str(),
        }
    }

    /// Returns the unit that it is counted in.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Memory | Self::Overhead | Self::Disk => "MiB",
            Self::Iops => "IOPS",
            Self::Bandwidth => "Mbit/s",
            Self::FailureDomains(Level::Host) => "hosts",
            Self::FailureDomains(Level::Rack) => "racks",
            Self::FailureDomains(Level::Site) => "sites",
            Self::Engine(limited) => limited.unit(),
            Self::Machines | Self::Cores | Self::Addresses | Self::Hosts | Self::NumaNodes => {
                self.as_str()
            }
        }
    }
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the machines of an entry share hosts with, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighbourRule {
    /// The entry.
    pub service: String,
    /// Whether each of its machines is on a host with each of the others; else no host holds
    /// one of its machines and any of them.
    pub is_near: bool,
    /// The others.
    pub others: Vec<String>,
}

/// Why a resource does not suffice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// No host has the bridge of the network.
    NoBridge,
    /// No host is of the architecture of guests.
    Architecture,
    /// All hosts together have less than the smallest layouts need.
    Total {
        /// Memory that is there, but behind pages of a size that no plan can use.
        unusable_mib: u64,
        /// The part of what is needed that QEMU itself takes.
        overhead_mib: u64,
    },
    /// The loss of one failure domain would leave no majority of the voters.
    Majority {
        /// The service.
        service: String,
        /// Its voters.
        voters: u64,
        /// Its kind of cluster.
        cluster: Cluster,
    },
    /// The loss of one failure domain would leave too few instances.
    Survival {
        /// The service.
        service: String,
    },
    /// Failure domains hold so many fixed machines of an entry at most.
    Spread {
        /// Their entry.
        service: String,
        /// How many machines there are.
        machines: u64,
        /// How many a failure domain holds.
        spread: Spread,
    },
    /// What machines may and must share hosts with leaves no place for all: without any one of
    /// these rules there would be one, or only without all of them.
    Neighbours {
        /// The rules.
        rules: Vec<NeighbourRule>,
    },
    /// The hosts that machines of an entry may be on hold too few of them.
    Allowed {
        /// Their entry.
        service: String,
    },
    /// Machines of an entry find no room elsewhere once their failure domain is lost.
    Restart {
        /// Their entry.
        service: String,
        /// The kind of failure domain.
        level: Level,
        /// The names of those of which that is so, each alone.
        domains: Vec<String>,
    },
    /// No NUMA node or pool holds even the smallest instance.
    Indivisible {
        /// The service, or the entry of fixed machines.
        service: String,
    },
    /// All totals suffice, but not as hosts and NUMA nodes divide them.
    Fragmentation,
    /// Each resource suffices alone, but not all constraints at once.
    Combination,
    /// Not all constraints can be satisfied; the time was over before it was found why.
    Undetermined,
    /// The engine allows no layout that is large enough.
    EngineLimit {
        /// The service.
        service: String,
    },
}

//! A service as planned: its layout, its capacity, its groups.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::{InstanceName, ServiceName};
use crate::spec::{Access, Demand, Engine, HostSet, Serve};
use crate::units::{Mebibytes, PerSecond};

/// One service as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServicePlan {
    /// The service.
    pub name: ServiceName,
    /// What it runs.
    pub engine: Engine,
    /// What was asked of it.
    pub demand: Demand,
    /// The gateway that its clients come through, for pools and databases.
    pub gateway: Option<ServiceName>,
    /// How clients get in.
    #[serde(default, skip_serializing_if = "Access::is_open")]
    pub access: Access,
    /// What it serves, for pools; `None` for a page that names the instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serve: Option<Serve>,
    /// Hosts where its leading instances are preferred; none for anywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prefer: Vec<HostSet>,
    /// How it is split.
    pub layout: Layout,
    /// What it can do.
    pub capacity: Capacity,
    /// Instances that hold copies of the same data.
    pub groups: Vec<Group>,
}

/// One way to split a service.
///
/// | kind | groups | copies | instances |
/// | --- | --- | --- | --- |
/// | sharded, primary-replica | that share the data out | of each group's data | groups × copies |
/// | quorum | 1 | of each shard | any, at least `copies` |
/// | pool | 1 | 1 | any |
/// | gateway pair | 1 | 1 or 2 | copies |
/// | fixed machines | 1 | 1 | as asked for |
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Groups that share the data out.
    pub groups: u32,
    /// Copies of each group's data: 1 without, 2 with one replica.
    pub copies: u32,
    /// Equal instances, without the witness.
    pub instances: u32,
    /// Virtual CPUs of each instance.
    pub vcpus: u32,
    /// Memory of each instance.
    pub memory_mib: Mebibytes,
    /// Data volume of each instance; zero for none.
    pub data_mib: Mebibytes,
    /// A small instance that votes and holds no data.
    pub witness: Option<Witness>,
}

/// Size of the instance that only votes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Witness {
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory.
    pub memory_mib: Mebibytes,
    /// Data volume: it keeps the cluster's state.
    pub data_mib: Mebibytes,
}

impl Layout {
    /// All instances, the witness included.
    #[must_use]
    pub fn all_instances(&self) -> u32 {
        self.instances.saturating_add(u32::from(self.witness.is_some()))
    }
}

/// What a service can do, against what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// Name of one unit of work, in which the rates are counted: `plain reads`.
    pub unit: String,
    /// The most that one instance can do.
    pub ceiling_per_s: PerSecond,
    /// The ceiling less the headroom: what a plan may count on.
    pub usable_per_s: PerSecond,
    /// Usable rate of all instances that serve.
    pub total_per_s: PerSecond,
    /// What is asked for, with what replication adds.
    pub demand_per_s: PerSecond,
    /// I/O operations that each instance needs of its disk.
    pub iops_per_s: PerSecond,
    /// The limit that set the number of instances.
    pub binding: Binding,
    /// What the ceiling assumes of the CPUs of an instance.
    pub placement: CpuPlacement,
    /// Whether a number outside the profile's fitted range was used.
    pub extrapolated: bool,
}

/// What an instance's speed depends on besides its virtual CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CpuPlacement {
    /// Whole cores that its virtual CPUs run on; the others are siblings of
    /// these.
    pub cores: u32,
    /// How it shares the last-level cache.
    pub l3: L3Use,
}

/// How an instance shares the last-level cache, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum L3Use {
    /// One whole L3 domain that nothing else uses.
    Own,
    /// Whole L3 domains, more than one.
    Several,
    /// A part of one L3 domain.
    Shared,
    /// Parts of several L3 domains.
    Straddling,
}

impl CpuPlacement {
    /// Whether an instance on such CPUs is at least as fast as one on `other`.
    #[must_use]
    pub fn is_as_good_as(self, other: Self) -> bool {
        self.cores >= other.cores && self.l3 <= other.l3
    }
}

/// The limit that decides a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// Work per second of one instance.
    Throughput,
    /// Data that one process should hold.
    DataPerProcess,
    /// Members that a quorum needs to survive the policy's loss.
    Quorum,
    /// Writes, all of which one primary takes.
    Writes,
    /// I/O operations of the disk.
    Iops,
    /// Disk space that one instance should serve with its memory.
    DataPerMemory,
    /// Copies that the policy or the demand asks for.
    Copies,
    /// Stated by the spec.
    Fixed,
}

impl Binding {
    /// The word in plans and messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::DataPerProcess => "data_per_process",
            Self::Quorum => "quorum",
            Self::Writes => "writes",
            Self::Iops => "iops",
            Self::DataPerMemory => "data_per_memory",
            Self::Copies => "copies",
            Self::Fixed => "fixed",
        }
    }
}

/// Instances that hold copies of the same data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Number of the group, from 0.
    pub index: u32,
    /// Its hash slots, ascending and disjoint; none for services that are not sharded.
    pub slots: Vec<SlotRange>,
    /// The instance that takes writes at first: master, primary or active.
    pub lead: InstanceName,
    /// The instances that follow it.
    pub replicas: Vec<InstanceName>,
}

/// Hash slots, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotRange {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

impl SlotRange {
    /// Returns how many slots it has; zero if the last comes before the first.
    #[must_use]
    pub fn count(self) -> u32 {
        (u32::from(self.last) + 1).saturating_sub(self.first.into())
    }
}

impl fmt::Display for SlotRange {
    /// `0-5461`, or `42` for one slot.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self { first, last } if first == last => write!(f, "{first}"),
            Self { first, last } => write!(f, "{first}-{last}"),
        }
    }
}

impl Group {
    /// Returns how many hash slots it has.
    #[must_use]
    pub fn slot_count(&self) -> u32 {
        self.slots.iter().map(|range| range.count()).fold(0, u32::saturating_add)
    }
}

//! The artefact: every VM down to its CPUs, addresses and configuration.
//!
//! A plan is complete: whoever deploys it has nothing to choose. It carries
//! what it was computed from (demand, policy, the hosts as they were), so that
//! [`crate::audit`] can judge it and a deploy can see whether a host changed.

mod build;
mod config;
mod cpus;
mod file;
mod make;
mod names;
mod pages;
mod place;
pub mod store;
#[doc(hidden)]
pub mod sample;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{DeploymentName, HostName, InstanceName, ServiceName};
use crate::spec::{Demand, FixedVm, Image, Network, Policy};
use crate::topology::Topology;
use crate::units::{Mebibytes, PerSecond};

pub use file::FileError;
pub use make::{PlanError, PlanReport, make};
pub use names::{mac, uuid};

/// Version of the plan file that this program writes and the only one it reads.
pub const FORMAT: u32 = 1;

/// A complete plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// Version of the program that wrote it.
    pub hostsplit: String,
    /// The deployment.
    pub name: DeploymentName,
    /// Rules it was made under.
    pub policy: Policy,
    /// The network of the instances.
    pub network: Network,
    /// What the instances boot from.
    pub image: Option<Image>,
    /// The hosts as they were when it was made.
    pub topology: Topology,
    /// Services, in the order of the spec.
    pub services: Vec<ServicePlan>,
    /// Fixed machines as asked for, in the order of the spec.
    pub vms: Vec<FixedVm>,
    /// Every VM, in the order of services, then of ordinals.
    pub instances: Vec<Instance>,
    /// What the solver reached and proved, tier by tier.
    pub tiers: Vec<Tier>,
}

/// One service as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServicePlan {
    /// The service.
    pub name: ServiceName,
    /// What was asked of it.
    pub demand: Demand,
    /// How it is split.
    pub layout: Layout,
    /// What it can do.
    pub capacity: Capacity,
    /// Instances that hold copies of the same data.
    pub groups: Vec<Group>,
}

/// One way to split a service: equal instances in groups of copies.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layout {
    /// Groups that share the data out.
    pub groups: u32,
    /// Copies of each group's data: 1 without, 2 with one replica.
    pub copies: u32,
    /// Virtual CPUs of each instance.
    pub vcpus: u32,
    /// Memory of each instance.
    pub memory_mib: Mebibytes,
    /// Data volume of each instance; zero for none.
    pub data_mib: Mebibytes,
}

impl Layout {
    /// Instances of all groups.
    #[must_use]
    pub const fn instances(&self) -> u32 {
        self.groups.saturating_mul(self.copies)
    }
}

/// What a service can do, against what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// The most that one instance can do.
    pub ceiling_per_s: PerSecond,
    /// The ceiling less the headroom: what a plan may count on.
    pub usable_per_s: PerSecond,
    /// Usable operations of the whole service, masters only.
    pub total_per_s: PerSecond,
    /// Operations asked for, in the profile's unit of work.
    pub demand_per_s: PerSecond,
    /// The limit that set the number of groups.
    pub binding: Binding,
    /// Whether a number outside the profile's fitted range was used.
    pub extrapolated: bool,
}

/// The limit that decides a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binding {
    /// Operations per second of one instance.
    Throughput,
    /// Data that one process should hold.
    DataPerProcess,
    /// Masters that a quorum needs to survive the policy's loss.
    Quorum,
    /// Stated by the spec.
    Fixed,
}

/// Instances that hold copies of the same data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Number of the group, from 0.
    pub index: u32,
    /// First hash slot.
    pub first_slot: u16,
    /// Last hash slot, inclusive.
    pub last_slot: u16,
    /// The instance that takes writes.
    pub master: InstanceName,
    /// The instances that follow it.
    pub replicas: Vec<InstanceName>,
}

/// Part that an instance plays in its service at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Takes writes.
    Master,
    /// Follows a master.
    Replica,
    /// A fixed machine.
    Fixed,
}

impl Role {
    /// The word in plans and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Replica => "replica",
            Self::Fixed => "fixed",
        }
    }
}

/// One VM, complete.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instance {
    /// Name within the deployment; the guest's host name too.
    pub name: InstanceName,
    /// The service it is part of, or the fixed machine's name.
    pub service: ServiceName,
    /// Its part at first.
    pub role: Role,
    /// Its group, for services.
    pub group: Option<u32>,
    /// Where it runs.
    pub host: HostName,
    /// NUMA node that its CPUs and memory belong to.
    pub numa: u32,
    /// Host CPU that each virtual CPU is pinned to, by virtual CPU.
    pub cpus: Vec<u32>,
    /// Threads of a core that the guest sees.
    pub threads: u32,
    /// Host CPUs of its emulator and I/O threads.
    pub emulator_cpus: Vec<u32>,
    /// Memory.
    pub memory_mib: Mebibytes,
    /// Size of the pages behind its memory, in KiB; 4 for ordinary ones.
    pub page_kib: u64,
    /// Name of its libvirt domain.
    pub domain: String,
    /// UUID of its libvirt domain.
    pub uuid: Uuid,
    /// MAC address, `52:54:00:..`.
    pub mac: String,
    /// IPv4 address.
    pub address: Ipv4Addr,
    /// Overlay on the image.
    pub root: Volume,
    /// Its data, kept when the root is replaced.
    pub data: Option<Volume>,
    /// The NoCloud seed; its size is that of the file system.
    pub seed: Volume,
    /// Configuration values of its engine, by directive.
    pub config: BTreeMap<String, String>,
}

/// A volume to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// The pool on the instance's host.
    pub pool: String,
    /// Name in the pool.
    pub name: String,
    /// Virtual size.
    pub size_mib: Mebibytes,
}

/// One objective, solved after and without harm to those before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// Name of the objective.
    pub name: String,
    /// Unit of value and bound.
    pub unit: String,
    /// What the plan reaches; less is better.
    pub value: u64,
    /// What no plan can go below, as the solver proved.
    pub bound: u64,
}

impl Tier {
    /// Whether the value is proved to be the best.
    #[must_use]
    pub const fn is_optimal(&self) -> bool {
        self.value == self.bound
    }
}

impl Plan {
    /// The instance of that name.
    #[must_use]
    pub fn instance(&self, name: &InstanceName) -> Option<&Instance> {
        self.instances.iter().find(|instance| &instance.name == name)
    }

    /// The instances on a host, in the plan's order.
    pub fn on_host<'a>(&'a self, host: &'a HostName) -> impl Iterator<Item = &'a Instance> {
        self.instances.iter().filter(move |instance| &instance.host == host)
    }
}

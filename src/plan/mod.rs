//! The artefact: every VM down to its CPUs, addresses and configuration.
//!
//! A plan is complete: it leaves nothing to choose to a deploy. It carries
//! what it was computed from (demand, policy, the hosts as they were), so that
//! [`crate::audit`] can judge it and a deploy can see whether a host changed.

mod file;
pub mod names;
mod service;
mod setting;
pub mod store;
mod upgrade;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::ids::{DeploymentName, HostName, InstanceName, ServiceName};
use crate::profile::OwnProfiles;
use crate::spec::{Cluster, FixedVm, Image, Network, Policy};
use crate::topology::{Host, Level, Topology, Virtualization};
use crate::units::Mebibytes;

pub use file::FileError;
pub use names::{group_uuid, mac, uuid};
pub use service::{
    Binding, Capacity, CpuPlacement, Group, L3Use, Layout, ServicePlan, SlotRange, Witness,
};
pub use setting::{Setting, Settings};

/// Version of the plan file that this program writes.
///
/// It reads plans from format 2 on, brought up to date in memory, so that
/// `show`, `status`, `verify`, `destroy`, `--prior` and `deploy` go on working with
/// plans that were made before an update; nothing has to be planned again. A plan
/// of a newer format is refused with the version of the program that wrote it. The
/// format is counted up whenever a field is added, renamed or changes its meaning,
/// together with a step in `upgrade`, a stored plan in `tests/formats` and a line in
/// CHANGELOG.md.
pub const FORMAT: u32 = 4;

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
    /// The network of the instances; `None` where it is not planned.
    pub network: Option<Network>,
    /// What the instances boot from.
    pub image: Option<Image>,
    /// Overrides of the engines' profiles: the audit counts with the same.
    #[serde(default, skip_serializing_if = "OwnProfiles::is_empty")]
    pub profiles: OwnProfiles,
    /// The hosts as they were when it was made.
    pub topology: Topology,
    /// Services, in the order of the spec.
    pub services: Vec<ServicePlan>,
    /// Fixed machines as asked for, in the order of the spec.
    pub vms: Vec<FixedVm>,
    /// Hosts that are being emptied: nothing is planned on them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub drained: BTreeSet<HostName>,
    /// The policy that holds again once no host is being emptied; `None`: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_when_whole: Option<Policy>,
    /// Entries of fixed machines for which room is kept again once no host is being emptied.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub restart_when_whole: BTreeSet<ServiceName>,
    /// Every VM, in the order of services, then of ordinals.
    pub instances: Vec<Instance>,
    /// What the solver reached and proved, tier by tier.
    pub tiers: Vec<Tier>,
}

/// Part that an instance plays in its service at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Takes writes of a sharded group.
    Master,
    /// Takes writes of a database.
    Primary,
    /// Follows a master or a primary.
    Replica,
    /// Holds shards and votes.
    Voter,
    /// Holds shards.
    Data,
    /// Votes and holds no shards.
    Witness,
    /// One of a pool.
    Member,
    /// Holds the gateway's address.
    Active,
    /// Takes the gateway's address over.
    Standby,
    /// A fixed machine.
    Fixed,
}

impl Role {
    /// The word in plans and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Primary => "primary",
            Self::Replica => "replica",
            Self::Voter => "voter",
            Self::Data => "data",
            Self::Witness => "witness",
            Self::Member => "member",
            Self::Active => "active",
            Self::Standby => "standby",
            Self::Fixed => "fixed",
        }
    }

    /// The role of the instances that lead, in a kind of cluster.
    #[must_use]
    pub const fn lead(kind: Cluster) -> Self {
        match kind {
            Cluster::Sharded => Self::Master,
            Cluster::PrimaryReplica => Self::Primary,
            Cluster::Quorum => Self::Voter,
            Cluster::Pool => Self::Member,
            Cluster::GatewayPair => Self::Active,
        }
    }

    /// The role of the instances that do not lead, in a kind of cluster.
    #[must_use]
    pub const fn follower(kind: Cluster) -> Self {
        match kind {
            Cluster::Sharded | Cluster::PrimaryReplica => Self::Replica,
            Cluster::Quorum => Self::Data,
            Cluster::Pool => Self::Member,
            Cluster::GatewayPair => Self::Standby,
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
    /// IPv4 address; `None` where the network is not planned.
    pub address: Option<Ipv4Addr>,
    /// Overlay on the image; `None` where disks are not planned.
    pub root: Option<Volume>,
    /// Its data, kept when the root is replaced.
    pub data: Option<Volume>,
    /// The NoCloud seed; its size is that of the file system. `None` where disks
    /// are not planned.
    pub seed: Option<Volume>,
    /// The configuration of its engine; empty for fixed machines.
    pub settings: Settings,
    /// Where it is restarted once its failure domain is lost; `None` where no room is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartPlace>,
}

/// Where a fixed machine is restarted once its failure domain is lost: room that is kept
/// there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestartPlace {
    /// The host.
    pub host: HostName,
    /// NUMA node that its CPUs and memory would belong to.
    pub numa: u32,
    /// Size of the pages behind its memory, in KiB.
    pub page_kib: u64,
    /// The pool of its disks; `None` for a machine without a disk.
    pub pool: Option<String>,
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

impl Instance {
    /// Its virtual CPUs.
    #[must_use]
    pub fn vcpus(&self) -> u32 {
        u32::try_from(self.cpus.len()).unwrap_or(u32::MAX)
    }

    /// Root, data and seed, those that there are.
    pub fn volumes(&self) -> impl Iterator<Item = &Volume> {
        self.root.iter().chain(&self.data).chain(&self.seed)
    }
}

impl Plan {
    /// The instance of that name.
    #[must_use]
    pub fn instance(&self, name: &InstanceName) -> Option<&Instance> {
        self.instances.iter().find(|instance| &instance.name == name)
    }

    /// The service of that name.
    #[must_use]
    pub fn service(&self, name: &ServiceName) -> Option<&ServicePlan> {
        self.services.iter().find(|service| &service.name == name)
    }

    /// The address at which clients reach a gateway, whichever of both is active.
    #[must_use]
    pub fn vip_of(&self, gateway: &ServicePlan) -> Option<Ipv4Addr> {
        gateway.access.vip.or_else(|| self.network.as_ref()?.vip)
    }

    /// The service that an instance is part of; `None` for a fixed machine.
    #[must_use]
    pub fn service_of(&self, instance: &Instance) -> Option<&ServicePlan> {
        self.service(&instance.service)
    }

    /// The instances of a service or of a fixed machine, in the plan's order.
    pub fn members(&self, service: &ServiceName) -> impl Iterator<Item = &Instance> {
        self.instances.iter().filter(move |instance| &instance.service == service)
    }

    /// The hosts that emulate an instance of a service in software, in the order of their
    /// names.
    #[must_use]
    pub fn emulating(&self, service: &ServiceName) -> Vec<&HostName> {
        let is_here = |host: &&Host| self.on_host(&host.name).any(|one| &one.service == service);
        let emulates = |host: &&Host| host.hypervisor == Virtualization::Tcg;
        let hosts = self.topology.hosts.iter().filter(emulates).filter(is_here);
        hosts.map(|host| &host.name).collect()
    }

    /// The volumes of all instances of a host, in the plan's order.
    pub fn volumes_on<'a>(&'a self, host: &'a HostName) -> impl Iterator<Item = &'a Volume> {
        self.on_host(host).flat_map(Instance::volumes)
    }

    /// Memory that QEMU itself takes for an instance on the host where it is planned.
    #[must_use]
    pub fn overhead(&self, instance: &Instance) -> Mebibytes {
        let host = self.topology.host(&instance.host);
        host.map_or(Mebibytes::ZERO, |host| host.overhead(instance.vcpus(), instance.memory_mib))
    }

    /// Whether a host has instances, or room that is kept to restart some.
    #[must_use]
    pub fn uses(&self, host: &HostName) -> bool {
        let is_kept = |one: &Instance| one.restart.as_ref().is_some_and(|one| one.host == *host);
        self.on_host(host).next().is_some() || self.instances.iter().any(is_kept)
    }

    /// The kind of failure domain after whose loss machines can be restarted: the widest that
    /// the policy names, else the host.
    #[must_use]
    pub fn restart_level(&self) -> Level {
        self.policy.levels().last().unwrap_or(Level::Host)
    }

    /// The instances by host, in the plan's order: for what asks of every host, since each
    /// [`Plan::on_host`] goes through all instances.
    #[must_use]
    pub fn by_host(&self) -> BTreeMap<&HostName, Vec<&Instance>> {
        let mut found: BTreeMap<&HostName, Vec<&Instance>> = BTreeMap::new();
        for instance in &self.instances {
            found.entry(&instance.host).or_default().push(instance);
        }
        found
    }

    /// The instances on a host, in the plan's order.
    pub fn on_host<'a>(&'a self, host: &'a HostName) -> impl Iterator<Item = &'a Instance> {
        self.instances.iter().filter(move |instance| &instance.host == host)
    }
}

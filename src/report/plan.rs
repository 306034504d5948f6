//! A plan in summary: services, instances, hosts, what it survives.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::bandwidth;
pub use super::bandwidth::BandwidthSummary;
use super::change::Change;
pub use super::clients::ClientsSummary;
use super::emulation;
use super::layout::reason;
use super::moves::Moves;
use super::outlook::Outlook;
pub use super::settings::MainSetting;
use super::{clients, settings};
use crate::audit::{Finding, Loss, MachineLoss, Preferred, losses, machine_losses};
use crate::explain::{Cause, DemandPart, Unsplit, demand_parts, unsplit};
use crate::ids::{DeploymentName, HostName, InstanceName, ServiceName};
use crate::plan::{Binding, Capacity, Instance, Layout, Plan, Role, ServicePlan, SlotRange, Tier};
use crate::profile::Profiles;
use crate::report::profile::{self, OwnSummary};
use crate::spec::{Engine, FixedVm, Survive};
use crate::topology::{Host, Level, NumaNode};
use crate::units::Mebibytes;

/// A plan in summary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// The deployment.
    pub name: DeploymentName,
    /// Services, in the order of the spec.
    pub services: Vec<ServiceSummary>,
    /// Fixed machines as requested.
    pub vms: Vec<FixedVm>,
    /// Every VM, in the order of the plan.
    pub instances: Vec<InstanceSummary>,
    /// NUMA nodes of all hosts, in the order of hosts.
    pub numa: Vec<NumaSummary>,
    /// Storage pools of all hosts, in the order of hosts.
    pub pools: Vec<PoolSummary>,
    /// What hosts need of their NICs.
    pub bandwidth: Vec<BandwidthSummary>,
    /// Services that the I/O operations of a disk limit which were assumed.
    pub assumed_iops: Vec<AssumedIops>,
    /// What the plan promises to survive the loss of.
    pub survive: Vec<Survive>,
    /// The loss of each failure domain, replayed.
    pub losses: Vec<Loss>,
    /// The fixed machines that go with each failure domain.
    pub machine_losses: Vec<MachineLoss>,
    /// What the solver reached and proved.
    pub tiers: Vec<Tier>,
    /// What the audit found.
    pub findings: Vec<Finding>,
    /// Overrides of the engines' built-in profiles.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<OwnSummary>,
    /// What changes against a prior plan, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moves: Option<Moves>,
    /// The steps of that change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<Change>,
    /// How long the hosts last, on request.
    pub outlook: Option<Outlook>,
}

/// A service whose layout is limited by the I/O operations of disks that were assumed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AssumedIops {
    /// The service.
    pub service: ServiceName,
    /// The field of the hosts' files.
    pub field: String,
    /// The hosts.
    pub hosts: Vec<HostName>,
}

/// One service: how it is split, and what that can do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceSummary {
    /// The service.
    pub name: ServiceName,
    /// Its engine.
    pub engine: Engine,
    /// How it is split.
    pub layout: Layout,
    /// What it can do where no instance is emulated in software; else only what it was
    /// sized by.
    pub capacity: Capacity,
    /// What is asked for, in the operations that the rates count.
    pub demand: Vec<DemandPart>,
    /// Hosts that emulate instances of it in software: nothing is promised then, since
    /// ceilings hold for hardware virtualisation.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emulated_on: Vec<HostName>,
    /// Where its leading instances are, if it prefers hosts for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred: Option<PreferredSummary>,
    /// What it would do unsplit.
    pub unsplit: Option<Unsplit>,
    /// The main settings of its engine.
    pub settings: Vec<MainSetting>,
    /// Where clients of a database come in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<ClientsSummary>,
}

/// Where the leading instances of a service are that prefers hosts for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PreferredSummary {
    /// The preferred hosts.
    pub hosts: Vec<String>,
    /// Leading instances.
    pub leading: u64,
    /// Those of them on preferred hosts.
    pub there: u64,
    /// Instances on preferred hosts that could lead.
    pub instances: u64,
    /// The level of which no failure domain holds half of them, where that keeps more of the
    /// instances there from leading.
    pub majority: Option<Level>,
    /// Whether it is proved that no more of them can be there.
    pub is_proved: bool,
}

/// One VM: where and what it is, and why it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstanceSummary {
    /// The instance.
    pub name: InstanceName,
    /// Where it runs.
    pub host: HostName,
    /// NUMA node of its CPUs and memory.
    pub numa: u32,
    /// Host CPUs.
    pub cpus: Vec<u32>,
    /// Memory.
    pub memory_mib: Mebibytes,
    /// Its part.
    pub role: Role,
    /// Its group.
    pub group: Option<u32>,
    /// Who leads its group at first.
    pub lead: Option<InstanceName>,
    /// Hash slots of its group.
    pub slots: Vec<SlotRange>,
    /// Why the plan has it.
    pub reason: String,
}

/// What is used of a NUMA node, and what VMs may have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NumaSummary {
    /// The host.
    pub host: HostName,
    /// The NUMA node.
    pub numa: u32,
    /// Cores that instances have.
    pub cores_used: u64,
    /// Cores that instances may have.
    pub cores_allocatable: u64,
    /// Memory that instances have, with what QEMU itself takes.
    pub memory_used_mib: Mebibytes,
    /// The part of it that QEMU itself takes.
    pub memory_overhead_mib: Mebibytes,
    /// Memory that instances may have.
    pub memory_allocatable_mib: Mebibytes,
}

/// What is used of a pool, and what it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolSummary {
    /// The host.
    pub host: HostName,
    /// The pool.
    pub pool: String,
    /// Space that volumes may take, and the image below them.
    pub used_mib: Mebibytes,
    /// Space that there is.
    pub capacity_mib: Mebibytes,
}

impl Summary {
    /// Sums a plan up, with what the audit found.
    #[must_use]
    pub fn new(plan: &Plan, profiles: &Profiles, findings: Vec<Finding>) -> Self {
        Self {
            name: plan.name.clone(),
            services: plan.services.iter().map(|one| service(plan, one, profiles)).collect(),
            vms: plan.vms.clone(),
            instances: plan.instances.iter().map(|i| instance(plan, i)).collect(),
            numa: numa(plan),
            pools: pools(plan),
            bandwidth: bandwidth::of(plan, profiles),
            assumed_iops: assumed_iops(plan),
            survive: plan.policy.survive.clone(),
            losses: plan.policy.levels().flat_map(|level| losses(plan, profiles, level)).collect(),
            machine_losses: machine_losses_of(plan),
            tiers: plan.tiers.clone(),
            findings,
            profiles: profile::own(&plan.profiles),
            moves: None,
            change: None,
            outlook: None,
        }
    }

    /// The same with what changes against a prior plan, and in which steps.
    #[must_use]
    pub fn against(mut self, moves: Moves, change: Change) -> Self {
        self.moves = Some(moves);
        self.change = Some(change);
        self
    }

    /// A note for each service of whose speed nothing is promised.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let emulated = self.services.iter().filter(|one| !one.emulated_on.is_empty());
        emulated.map(|one| format!("{}: {}", one.name, emulation::no_promise(one))).collect()
    }

    /// Whether a service is emulated in software, at least in part.
    pub(super) fn is_emulated(&self, name: &ServiceName) -> bool {
        self.services.iter().any(|one| &one.name == name && !one.emulated_on.is_empty())
    }

    /// The hosts that carry instances.
    #[must_use]
    pub fn hosts_used(&self) -> usize {
        let hosts: BTreeMap<_, _> = self.instances.iter().map(|i| (&i.host, ())).collect();
        hosts.len()
    }
}

fn machine_losses_of(plan: &Plan) -> Vec<MachineLoss> {
    if plan.policy.survives() {
        return plan.policy.levels().flat_map(|level| machine_losses(plan, level)).collect();
    }
    // Where nothing is promised, what can be restarted is said, and no more.
    let mut losses = machine_losses(plan, plan.restart_level());
    for loss in &mut losses {
        loss.machines.retain(|one| one.place.is_some());
    }
    losses.retain(|loss| !loss.machines.is_empty());
    losses
}

fn assumed_iops(plan: &Plan) -> Vec<AssumedIops> {
    let limited = plan.services.iter().filter(|one| one.capacity.binding == Binding::Iops);
    let of = |service: &ServicePlan| {
        let mut by_field: BTreeMap<String, BTreeSet<HostName>> = BTreeMap::new();
        for one in plan.members(&service.name) {
            let volume = one.data.as_ref().or(one.root.as_ref());
            let host = plan.topology.host(&one.host);
            let field = volume.zip(host).and_then(|(disk, host)| unmeasured(host, &disk.pool));
            if let Some(field) = field {
                by_field.entry(field).or_default().insert(one.host.clone());
            }
        }
        let service = service.name.clone();
        by_field.into_iter().map(move |(field, hosts)| AssumedIops {
            service: service.clone(),
            field,
            hosts: hosts.into_iter().collect(),
        })
    };
    limited.flat_map(of).collect()
}

/// The field that would state the I/O operations of a pool, if they were assumed or are not
/// stated, so that the profile assumes them.
fn unmeasured(host: &Host, pool: &str) -> Option<String> {
    let is_stated = host.pool(pool)?.iops_per_s.is_some();
    if is_stated { host.assumed_iops(pool) } else { Some(format!("pools.{pool}.iops")) }
}

fn service(plan: &Plan, service: &ServicePlan, profiles: &Profiles) -> ServiceSummary {
    let emulated_on: Vec<HostName> = plan.emulating(&service.name).into_iter().cloned().collect();
    ServiceSummary {
        name: service.name.clone(),
        engine: service.engine,
        layout: service.layout.clone(),
        capacity: service.capacity.clone(),
        demand: demand_parts(plan, service, profiles),
        unsplit: unsplit(plan, service, profiles).filter(|_| emulated_on.is_empty()),
        emulated_on,
        preferred: preferred(plan, service),
        settings: settings::of_service(plan, service),
        clients: clients::of_service(plan, service),
    }
}

fn preferred(plan: &Plan, service: &ServicePlan) -> Option<PreferredSummary> {
    let found = Preferred::of(plan, service)?;
    let Preferred { leading, there, instances, majority, is_proved } = found;
    Some(PreferredSummary {
        hosts: service.prefer.iter().map(ToString::to_string).collect(),
        leading,
        there,
        instances,
        majority,
        is_proved,
    })
}

fn instance(plan: &Plan, instance: &Instance) -> InstanceSummary {
    let service = plan.service_of(instance);
    let group = service.and_then(|service| {
        service.groups.iter().find(|group| Some(group.index) == instance.group)
    });
    InstanceSummary {
        name: instance.name.clone(),
        host: instance.host.clone(),
        numa: instance.numa,
        cpus: instance.cpus.clone(),
        memory_mib: instance.memory_mib,
        role: instance.role,
        group: instance.group,
        lead: group.map(|group| group.lead.clone()),
        slots: group.map(|group| group.slots.clone()).unwrap_or_default(),
        reason: reason(&Cause::of(plan, instance)),
    }
}

fn numa(plan: &Plan) -> Vec<NumaSummary> {
    let by_host = plan.by_host();
    let of = |host: &Host| {
        let own = by_host.get(&host.name).map_or(&[][..], Vec::as_slice);
        host.numa.iter().map(|node| numa_node(host, node, own)).collect::<Vec<_>>()
    };
    plan.topology.hosts.iter().flat_map(of).collect()
}

fn numa_node(host: &Host, node: &NumaNode, own: &[&Instance]) -> NumaSummary {
    let here = || own.iter().filter(|instance| instance.numa == node.id);
    let used = node
        .cores()
        .filter(|core| here().any(|i| core.cpus.iter().any(|cpu| i.cpus.contains(cpu))));
    let overhead = |one: &&Instance| host.overhead(one.vcpus(), one.memory_mib);
    let overhead: Mebibytes = here().map(overhead).sum();
    let memory: Mebibytes = here().map(|instance| instance.memory_mib).sum();
    NumaSummary {
        host: host.name.clone(),
        numa: node.id,
        cores_used: used.count() as u64,
        cores_allocatable: u64::from(node.allocatable_cores()),
        memory_used_mib: memory.saturating_add(overhead),
        memory_overhead_mib: overhead,
        memory_allocatable_mib: node.allocatable_memory(),
    }
}

fn pools(plan: &Plan) -> Vec<PoolSummary> {
    let mut pools = Vec::new();
    let by_host = plan.by_host();
    for host in &plan.topology.hosts {
        let own = by_host.get(&host.name).map_or(&[][..], Vec::as_slice);
        for pool in &host.pools {
            let here = |name: &str| name == pool.name;
            let has_root = own.iter().any(|i| i.root.as_ref().is_some_and(|root| here(&root.pool)));
            let image = plan.image.as_ref().filter(|_| has_root);
            let image = image.map_or(Mebibytes::ZERO, |image| image.virtual_size_mib);
            let volumes: Mebibytes = own
                .iter()
                .flat_map(|one| one.volumes())
                .filter(|volume| here(&volume.pool))
                .map(|volume| volume.size_mib)
                .sum();
            pools.push(PoolSummary {
                host: host.name.clone(),
                pool: pool.name.clone(),
                used_mib: volumes.saturating_add(image),
                capacity_mib: pool.capacity_mib,
            });
        }
    }
    pools
}

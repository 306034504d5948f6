//! The order in which a service that is in use follows a changed plan: what is new comes
//! first, machines are replaced and engines restarted while others serve, and what leaves
//! goes last. Why in this order: `docs/change.md`.

use std::collections::{BTreeMap, BTreeSet};

use super::decide::{Fate, Fates, of_instance};
use super::unwanted::{Unwanted, service_of};
use super::{Action, Reason, Vertex};
use crate::engine::{Admission, Fact, Pending};
use crate::hypervisor::{DomainState, Pause};
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Instance, Plan, Role, ServicePlan};
use crate::state::world::World;
use crate::units::Mebibytes;

/// What is done with the instances of a service, in this order.
#[derive(Debug, Default)]
pub(super) struct Sequence {
    /// Instances that leave before others can come: their hosts have no room for both.
    pub early: Vec<Vertex>,
    /// Instances that nobody relies on yet, at the same time.
    pub first: Vec<InstanceName>,
    /// Whether there is a cluster that those can join.
    pub joins: bool,
    /// Whether members that are configured do not know each other, or do not copy what they
    /// are to, as after a run that was cut off before they had joined.
    pub apart: bool,
    /// Instances in use whose server does not answer, as after a run that was cut off while it
    /// configured them: one after the other, before any other waits for a cluster with them.
    pub silent: Vec<InstanceName>,
    /// Whether the cluster changes over to other connections between its instances, before any
    /// of them closes a port.
    pub changes_over: bool,
    /// What brings paused guests back, before anything is taken away.
    pub awake: Vec<Vertex>,
    /// Instances that let others in by the former rule and the planned one, before any
    /// changes over.
    pub prepared: Vec<InstanceName>,
    /// Instances that take up their configuration while they run.
    pub live: Vec<InstanceName>,
    /// Instances whose engine is restarted, one after the other; of a pool or a pair of
    /// gateways also those that take up their configuration while they run.
    pub restarts: Vec<InstanceName>,
    /// Instances whose machine is replaced or defined anew: those of a batch at the same
    /// time, a batch once the one before it is whole.
    pub batches: Vec<Vec<InstanceName>>,
    /// Domains of instances that another host has now, each removed in its turn.
    pub former: BTreeMap<InstanceName, Vertex>,
    /// Whether instances have less memory afterwards, so that data leaves them before.
    pub shrinks: bool,
    /// Instances that leave once the cluster is as planned.
    pub late: Vec<Vertex>,
}

impl Sequence {
    /// Whether others wait for an instance's engine, or it for them.
    pub fn is_queued(&self, name: &InstanceName) -> bool {
        self.restarts.contains(name)
            || self.silent.contains(name)
            || self.batches.iter().any(|batch| batch.contains(name))
            || (self.waits() && self.live.contains(name))
    }

    /// Whether what instances take up while they run waits for anything.
    pub const fn waits(&self) -> bool {
        self.shrinks || self.changes_over || !self.prepared.is_empty()
    }

    /// Whether anything is done with instances that others may rely on.
    pub fn has_queue(&self) -> bool {
        !self.restarts.is_empty()
            || !self.silent.is_empty()
            || !self.batches.is_empty()
            || !self.live.is_empty()
            || !self.prepared.is_empty()
    }
}

/// Finds the order for a service.
pub(super) fn sequence(
    plan: &Plan,
    world: &World,
    service: &ServicePlan,
    fates: &Fates<'_>,
    unwanted: &[Unwanted],
) -> Sequence {
    let found = world.clusters.get(&service.name);
    let has = |which: fn(&Fact) -> bool| found.into_iter().flatten().any(|one| which(&one.fact));
    let changes_over = has(|fact| matches!(fact, Fact::Encryption));
    let apart = changes_over || has(|fact| matches!(fact, Fact::SightOf(_) | Fact::Role));
    let mut sequence =
        Sequence { joins: found.is_some(), apart, changes_over, ..Sequence::default() };
    let mut restarts = Vec::new();
    let mut replaced = Vec::new();
    for instance in plan.members(&service.name) {
        let Some((_, fate)) = fates.get(&instance.name) else { continue };
        let vertex = Vertex::Configured(instance.name.clone());
        let name = || instance.name.clone();
        let former = unwanted.iter().find(|one| one.instance.as_deref() == Some(name().as_str()));
        if let Some(former) = former {
            sequence.former.insert(name(), former.vertex());
        }
        let admission = world.admissions.get(&instance.name).copied();
        if admission.is_some_and(Admission::is_prepared) {
            sequence.prepared.push(name());
        }
        let is_taken_down = matches!(
            fate,
            Fate::Replace { active: true, .. } | Fate::Redefine { active: true, .. }
        );
        if is_paused(world, instance) {
            let vertex = if is_taken_down { Vertex::Resumed } else { Vertex::Running };
            sequence.awake.push(vertex(name()));
        }
        if former.is_some() || is_taken_down {
            sequence.shrinks |= shrinks(world, instance);
            replaced.push((former.map_or(&instance.host, |former| &former.host), instance));
            continue;
        }
        let is_lead = service.groups.iter().any(|group| group.lead == instance.name);
        match of_instance(world, &vertex, instance, fate) {
            (Action::NoOp | Action::Unknown, _) => {}
            // A configuration that its program takes and that serves nobody stops at the first.
            (_, Reason::Pending(Pending::Live)) if !service.engine.cluster().holds_data() => {
                restarts.push((Pending::Live, name()));
            }
            (_, Reason::Pending(Pending::Live) | Reason::Admission(_)) => {
                sequence.live.push(name());
            }
            (_, Reason::Pending(Pending::Together)) => sequence.first.push(name()),
            (_, Reason::Pending(pending)) => restarts.push((pending, name())),
            (_, Reason::ToBeChecked) if matches!(fate, Fate::Keep { active: true, .. }) => {
                restarts.push((if is_lead { Pending::HandOver } else { Pending::Restart }, name()));
            }
            _ => sequence.first.push(name()),
        }
    }
    let has_role = |name: &InstanceName, role: Role| {
        let mut facts = found.into_iter().flatten().filter(|one| one.fact == Fact::Role);
        facts.find(|one| one.instance == *name).map(|one| one.found == role.as_str())
    };
    // Stable: of equals the first in the plan; but the gateway that clients come through last,
    // so that what serves nobody is seen at the other.
    restarts.sort_by_key(|(pending, name)| {
        let is_planned = || plan.instance(name).is_some_and(|one| one.role == Role::Active);
        (*pending, has_role(name, Role::Active).unwrap_or_else(is_planned))
    });
    let restarts = restarts.into_iter().map(|(_, name)| name);
    (sequence.silent, sequence.restarts) = restarts.partition(|name| {
        let mut facts = found.into_iter().flatten();
        facts.any(|one| one.instance == *name && one.fact == Fact::Answer)
    });
    // Where all machines are other ones nobody was asked for the cluster.
    sequence.joins |= !replaced.is_empty();
    sequence.batches = batches(plan, service, &replaced);
    for one in unwanted.iter().filter(|one| leaves(plan, service, one)) {
        let is_early = lacks_room(plan, world, fates, &one.host);
        if is_early { &mut sequence.early } else { &mut sequence.late }.push(one.vertex());
    }
    sequence
}

/// Whether something unwanted is an instance that leaves a service.
fn leaves(plan: &Plan, service: &ServicePlan, one: &Unwanted) -> bool {
    service_of(plan, one) == Some(&service.name)
        && one.instance.as_ref().is_some_and(|name| {
            !plan.instances.iter().any(|instance| instance.name.as_str() == name)
        })
}

/// Instances whose machines may be replaced at the same time: those that one host has now,
/// which a plan that survives the loss of a host can do without, but never two of a group.
/// Others go one by one. Hosts with few leads come first.
fn batches(
    plan: &Plan,
    service: &ServicePlan,
    replaced: &[(&HostName, &Instance)],
) -> Vec<Vec<InstanceName>> {
    if plan.policy.survive.is_empty() {
        return replaced.iter().map(|(_, one)| vec![one.name.clone()]).collect();
    }
    let mut hosts: BTreeMap<&HostName, Vec<&Instance>> = BTreeMap::new();
    for (host, instance) in replaced {
        hosts.entry(host).or_default().push(instance);
    }
    let leads = |all: &[&Instance]| {
        all.iter().filter(|one| service.groups.iter().any(|group| group.lead == one.name)).count()
    };
    let mut hosts: Vec<Vec<&Instance>> = hosts.into_values().collect();
    hosts.sort_by_key(|all| leads(all));
    let mut batches = Vec::new();
    for mut left in hosts {
        while !left.is_empty() {
            let mut groups = BTreeSet::new();
            let (now, later) = left.into_iter().partition(|one| groups.insert(one.group));
            left = later;
            let now: Vec<&Instance> = now;
            batches.push(now.into_iter().map(|one| one.name.clone()).collect());
        }
    }
    batches
}

/// Whether the guest of an instance is paused and can run on: one whose kernel panicked is
/// replaced as it is.
fn is_paused(world: &World, instance: &Instance) -> bool {
    let view = world.view(&instance.host);
    let found = view.and_then(|view| view.domain(&instance.domain));
    found.is_some_and(
        |domain| matches!(&domain.state, DomainState::Paused(pause) if *pause != Pause::Panic),
    )
}

/// Whether an instance's domain has more memory than is planned.
fn shrinks(world: &World, instance: &Instance) -> bool {
    let view = world.view(&instance.host);
    let found = view.and_then(|view| view.domain(&instance.domain));
    found.is_some_and(|domain| domain.definition.memory_kib > instance.memory_mib.kib())
}

/// Whether a host lacks the memory for its running domains and those that are to come.
fn lacks_room(plan: &Plan, world: &World, fates: &Fates<'_>, host: &HostName) -> bool {
    let Some((view, planned)) = world.view(host).zip(plan.topology.host(host)) else {
        return false;
    };
    let running: u64 = view
        .domains
        .iter()
        .filter(|domain| domain.active)
        .map(|domain| domain.definition.memory_kib)
        .sum();
    let comes = fates.values().filter(|(one, fate)| {
        one.host == *host
            && matches!(
                fate,
                Fate::Make | Fate::Adopt | Fate::Move(_) | Fate::Keep { active: false, .. }
            )
    });
    let coming: Mebibytes = comes.map(|(one, _)| one.memory_mib).sum();
    let room: Mebibytes = planned.numa.iter().map(|node| node.allocatable_memory()).sum();
    coming > Mebibytes::ZERO && running.saturating_add(coming.kib()) > room.kib()
}

/// The sequences of all services, by name.
pub(super) type Sequences = BTreeMap<ServiceName, Sequence>;

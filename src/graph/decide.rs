//! Compares a plan with what was seen. Pure; looks at nothing else.
//!
//! Everything hangs on the fate of an instance's domain. A domain that is
//! defined with the planned digest proves that its root and seed were finished,
//! because it is defined after them. Without it, a root or a seed of our name
//! is what an interrupted run left: what it holds cannot be known, so it is
//! made anew. Only data is never made anew.
//!
//! Why nothing but plan and world: `docs/resume.md`.

use std::collections::BTreeMap;

use super::action::{Action, Actions, Reason, Step};
use super::build::Changes;
use super::drift::{self, Repair};
use super::grow::{grows, grows_from};
use super::image::marker;
use super::impact::impacts;
use super::moves::{Move, in_order, of_move, relocation};
use super::sequence::{Sequences, sequence};
use super::unwanted::{Unwanted, former_data, not_in_plan};
use super::{Graph, ImagePart, Vertex};
use crate::engine::{Fact, Pending};
use crate::hypervisor::{Domain, DomainState};
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Instance, Plan, Role, Volume};
use crate::render;
use crate::state::world::{HostView, World, is_ours};
use crate::topology::Host;

/// What becomes of an instance's domain.
pub(super) enum Fate {
    /// Its host did not answer.
    Unknown,
    /// It is not there, and may run on the host where it was, which did not answer.
    Elsewhere(HostName),
    /// It is not there.
    Make,
    /// It is not there, and its disk is, in a pool that its former host shares.
    Adopt,
    /// It is there, and is not the planned one.
    Replace { reason: Reason, active: bool },
    /// It is there on the planned disks, and is powered off and on to have what is planned.
    Redefine { reason: Reason, active: bool },
    /// It is the planned one. What differs from how it was made is put right while it runs,
    /// one that is halted runs on, and a disk of it may have to grow.
    Keep { active: bool, drift: Option<String>, halted: Option<DomainState>, grows: bool },
    /// It is on another host and goes on at the planned one.
    Move(Move),
}

/// What becomes of each instance; those on hosts that are left out are not in it.
pub(super) type Fates<'a> = BTreeMap<&'a InstanceName, (&'a Instance, Fate)>;

/// Decides what is to be done so that the hosts hold what is planned.
#[must_use]
pub fn decide(plan: &Plan, world: &World) -> Actions {
    let unwanted = not_in_plan(plan, world);
    let is_left_out = |host: &HostName| world.left_out.contains(host);
    let here = plan.instances.iter().filter(|one| !is_left_out(&one.host));
    let fates: Fates<'_> = here.map(|one| (&one.name, (one, fate(plan, world, one)))).collect();
    let order = |service| sequence(plan, world, service, &fates, &unwanted);
    let sequences: Sequences =
        plan.services.iter().map(|one| (one.name.clone(), order(one))).collect();
    let moves: Vec<(&Instance, &Move)> = fates
        .values()
        .filter_map(|(one, fate)| match fate {
            Fate::Move(moving) => Some((*one, moving)),
            _ => None,
        })
        .collect();
    let changes = Changes {
        unwanted: &unwanted,
        sequences: &sequences,
        moves: &in_order(moves),
        absent: &is_left_out,
        unreachable: &|host| world.view(host).is_none(),
    };
    let graph = Graph::with(plan, &changes);
    let mut steps = BTreeMap::new();
    for vertex in graph.vertices() {
        let (action, reason) = match vertex {
            Vertex::Unwanted { .. } => (Action::Delete, Reason::NotInPlan),
            Vertex::ImageFile { host, pool, part } => image(plan, world, host, pool, *part),
            Vertex::Prepared(_) => (Action::Update, Reason::BothRules),
            Vertex::Joined(service) => (Action::Update, joins(world, service)),
            Vertex::Balanced(_) => (Action::Update, Reason::LessMemory),
            Vertex::Resumed(_) => (Action::Update, Reason::Paused),
            Vertex::Rejoined(_) => (Action::Update, Reason::MachineReplaced),
            Vertex::Cluster(service) => {
                let leave = sequences.get(service).is_some_and(|one| !one.late.is_empty());
                match cluster(world, service, &graph, vertex, &steps) {
                    (Action::NoOp, _) if leave => (Action::Update, Reason::MembersLeave),
                    other => other,
                }
            }
            _ => match vertex.instance().and_then(|name| fates.get(name)) {
                Some((instance, fate)) => of_instance(world, vertex, instance, fate),
                None => (Action::Unknown, Reason::ToBeChecked),
            },
        };
        steps.insert(vertex.clone(), Step { action, reason });
    }
    let impacts = impacts(plan, world, &fates, &unwanted);
    let replaced = fates.values().filter(|(_, fate)| matches!(fate, Fate::Replace { .. }));
    let former =
        replaced.map(|(one, _)| (one.name.clone(), former_data(plan, world, one))).collect();
    let unwanted = unwanted.into_iter().map(|one: Unwanted| (one.vertex(), one)).collect();
    Actions::new(graph, steps, unwanted).with_former_data(former).with(
        world.leaving.clone(),
        impacts,
        plan.services.iter().map(|service| &service.name),
    )
}

/// Returns the domain of an instance, if it is there and the deployment's: its tag, its
/// UUID.
#[must_use]
pub fn owned_domain<'a>(
    plan: &Plan,
    view: &'a HostView,
    instance: &Instance,
) -> Option<&'a Domain> {
    view.domains.iter().find(|domain| {
        domain.uuid == instance.uuid
            && domain.name == instance.domain
            && is_ours(domain, &plan.name)
    })
}

/// Whether a domain was made from this plan of its instance.
#[must_use]
pub fn is_as_planned(plan: &Plan, instance: &Instance, domain: &Domain) -> bool {
    let digest = domain.owner.as_ref().map(|owner| owner.digest.as_str());
    digest == Some(render::machine_digest(plan, instance).as_str())
}

fn fate(plan: &Plan, world: &World, instance: &Instance) -> Fate {
    let Some(view) = world.view(&instance.host) else { return Fate::Unknown };
    if let Some(Ok(moving)) = relocation(plan, world, instance) {
        return Fate::Move(moving);
    }
    let Some(domain) = owned_domain(plan, view, instance) else {
        return match world.unseen.get(&instance.name).filter(|host| **host != instance.host) {
            Some(host) => Fate::Elsewhere(host.clone()),
            None => orphan(plan, world, view, instance),
        };
    };
    let is_planned = is_as_planned(plan, instance, domain);
    let system = domain.owner.as_ref().and_then(|owner| owner.system.as_deref());
    if !is_planned && system != Some(render::system_digest(plan, instance).as_str()) {
        return Fate::Replace { reason: Reason::DigestDiffers, active: domain.active };
    }
    match instance.volumes().find(|volume| !is_there(view, volume)) {
        Some(missing) => {
            let reason = Reason::VolumeMissing(missing.name.clone());
            Fate::Replace { reason, active: domain.active }
        }
        None if !is_planned => {
            Fate::Redefine { reason: Reason::DefinitionDiffers, active: domain.active }
        }
        None => {
            let paths = drift::boot_paths(plan, view, instance);
            let compared = drift::compare(plan, instance, domain, &paths);
            let Repair { differs, restart, halted } = Repair::of(&compared, domain);
            match differs {
                Some(what) if restart => {
                    let reason = Reason::Drifted { what, restart };
                    Fate::Redefine { reason, active: domain.active }
                }
                drift => {
                    let grows = grows(instance, view, domain);
                    Fate::Keep { active: domain.active, drift, halted, grows }
                }
            }
        }
    }
}

/// Decides on an instance without a domain. The disk of a fixed machine in a shared pool may
/// be in use by a host that does not answer; where it is not, it is all that is left of the
/// machine.
fn orphan(plan: &Plan, world: &World, view: &HostView, instance: &Instance) -> Fate {
    let shares = |host: &Host, root: &Volume| host.pool(&root.pool).is_some_and(|one| one.shared);
    let host = plan.topology.host(&instance.host);
    let root = instance.root.as_ref().filter(|root| {
        instance.role == Role::Fixed
            && is_there(view, root)
            && host.is_some_and(|host| shares(host, root))
    });
    let Some(root) = root else { return Fate::Make };
    let mut sharing = plan.topology.hosts.iter().filter(|host| shares(host, root));
    let is_unseen =
        |host: &Host| !world.left_out.contains(&host.name) && world.view(&host.name).is_none();
    if sharing.any(is_unseen) { Fate::Unknown } else { Fate::Adopt }
}

fn is_there(view: &HostView, volume: &Volume) -> bool {
    view.volume(&volume.pool, &volume.name).is_some()
}

fn image(
    plan: &Plan,
    world: &World,
    host: &HostName,
    pool: &str,
    part: ImagePart,
) -> (Action, Reason) {
    let Some(view) = world.view(host) else {
        return (Action::Unknown, Reason::HostUnreachable);
    };
    let Some(file) = plan.image.as_ref().and_then(|image| part.file(image)) else {
        return (Action::NoOp, Reason::AsPlanned);
    };
    let name = part.volume(file);
    match view.volume(pool, &name) {
        None => (Action::Create, Reason::Missing),
        // An overlay is only made on a whole image: with one on it, the marker was
        // lost, and writing the image again would break the overlay.
        Some(seen)
            if view.volume(pool, &marker(&name)).is_some() || view.is_backing(&seen.path) =>
        {
            (Action::NoOp, Reason::AsPlanned)
        }
        Some(_) => (Action::Replace, Reason::UploadIncomplete),
    }
}

pub(super) fn of_instance(
    world: &World,
    vertex: &Vertex,
    instance: &Instance,
    fate: &Fate,
) -> (Action, Reason) {
    let there =
        |volume: &Volume| world.view(&instance.host).is_some_and(|view| is_there(view, volume));
    let name = &instance.name;
    let guest = world.guests.get(name).copied().unwrap_or_default();
    match (fate, vertex) {
        (Fate::Unknown, _) => (Action::Unknown, Reason::HostUnreachable),
        (Fate::Elsewhere(host), _) => (Action::Unknown, Reason::MayRunOn(host.clone())),
        (Fate::Move(moving), _) => of_move(vertex, moving),
        (_, Vertex::Data(_)) => match &instance.data {
            Some(volume) if !there(volume) => (Action::Create, Reason::Missing),
            volume => growth(world, instance, volume.as_ref()),
        },
        (Fate::Keep { .. } | Fate::Redefine { .. }, Vertex::Root(_)) => {
            growth(world, instance, instance.root.as_ref())
        }
        (Fate::Adopt, Vertex::Root(_)) => growth(world, instance, instance.root.as_ref()),
        (Fate::Make, Vertex::Root(_)) if instance.root.as_ref().is_some_and(there) => {
            (Action::Replace, Reason::LeftByInterruptedRun)
        }
        (Fate::Make | Fate::Adopt, Vertex::Seed(_))
            if instance.seed.as_ref().is_some_and(there) =>
        {
            (Action::Replace, Reason::LeftByInterruptedRun)
        }
        (Fate::Make | Fate::Adopt, _) => (Action::Create, Reason::Missing),
        (Fate::Replace { reason, .. }, Vertex::Root(_) | Vertex::Seed(_) | Vertex::Domain(_)) => {
            (Action::Replace, reason.clone())
        }
        (Fate::Redefine { .. }, Vertex::Seed(_)) => (Action::NoOp, Reason::AsPlanned),
        (Fate::Redefine { reason, .. }, Vertex::Domain(_)) => (Action::Update, reason.clone()),
        (Fate::Replace { .. } | Fate::Redefine { .. }, _) => {
            (Action::Update, Reason::UpstreamChanged)
        }
        (Fate::Keep { drift: Some(what), .. }, Vertex::Domain(_)) => {
            (Action::Update, Reason::Drifted { what: what.clone(), restart: false })
        }
        (Fate::Keep { active: false, .. }, Vertex::Running(_)) => {
            (Action::Update, Reason::NotRunning)
        }
        (Fate::Keep { active: false, .. }, Vertex::Ready(_) | Vertex::Configured(_)) => {
            (Action::Update, Reason::ToBeChecked)
        }
        (Fate::Keep { halted: Some(state), .. }, Vertex::Running(_)) => {
            (Action::Update, Reason::Halted(*state))
        }
        (Fate::Keep { .. }, Vertex::Ready(_) | Vertex::Configured(_)) if guest.denied => {
            (Action::Unknown, Reason::NotAsked)
        }
        (Fate::Keep { halted: Some(_), .. }, Vertex::Ready(_) | Vertex::Configured(_)) => {
            (Action::Update, Reason::ToBeChecked)
        }
        (Fate::Keep { .. }, Vertex::Ready(_)) if !guest.ready => (Action::Update, Reason::NotReady),
        (Fate::Keep { grows: true, .. }, Vertex::Ready(_)) => {
            (Action::Update, Reason::FileSystemGrows)
        }
        (Fate::Keep { .. }, Vertex::Configured(_)) if !guest.configured => {
            let reason =
                match (world.pending.get(name).copied(), world.admissions.get(name).copied()) {
                    (Some(Pending::Live), Some(admission)) => Reason::Admission(admission),
                    (Some(pending), _) => Reason::Pending(pending),
                    (None, _) if guest.ready && guest.checked => Reason::NotConfigured,
                    (None, _) => Reason::ToBeChecked,
                };
            (Action::Update, reason)
        }
        (Fate::Keep { .. }, _) => (Action::NoOp, Reason::AsPlanned),
    }
}

/// Decides on a volume that is kept.
fn growth(world: &World, instance: &Instance, volume: Option<&Volume>) -> (Action, Reason) {
    let grows = world.view(&instance.host).zip(volume).and_then(|(view, volume)| {
        let (from, to) = (grows_from(view, volume)?, volume.size_mib);
        Some((Action::Update, Reason::Grows { from, to }))
    });
    grows.unwrap_or((Action::NoOp, Reason::AsPlanned))
}

/// Why a cluster is brought together before anything is taken away.
fn joins(world: &World, service: &ServiceName) -> Reason {
    let mut differences = world.clusters.get(service).into_iter().flatten();
    let over = differences.find(|one| one.fact == Fact::Encryption);
    over.map_or(Reason::NewMembers, |one| Reason::ChangesOver(one.planned.clone()))
}

/// Decides on a cluster, last of all: its members' steps are decided already.
fn cluster(
    world: &World,
    service: &ServiceName,
    graph: &Graph,
    vertex: &Vertex,
    steps: &BTreeMap<Vertex, Step>,
) -> (Action, Reason) {
    let needs = graph.needs(vertex).into_iter().filter_map(|need| steps.get(need));
    let members: Vec<Action> = needs.map(|step| step.action).collect();
    if members.is_empty() {
        return (Action::Unknown, Reason::HostUnreachable);
    }
    if members.contains(&Action::Unknown) {
        return (Action::Unknown, Reason::MemberUnknown);
    }
    if members.iter().all(|action| *action == Action::Create) {
        return (Action::Create, Reason::Missing);
    }
    if members.iter().any(|action| *action != Action::NoOp) {
        return (Action::Update, Reason::UpstreamChanged);
    }
    match world.clusters.get(service).map(|differences| differences.first()) {
        Some(None) => (Action::NoOp, Reason::AsPlanned),
        Some(Some(first)) => (Action::Update, Reason::ClusterDiffers(first.to_string())),
        None => (Action::Update, Reason::ToBeChecked),
    }
}

//! What a change stops or loses, however it is ordered: found before anything is done, so
//! that the operator can allow it by name or make another plan.

use std::fmt;

use super::decide::{Fate, Fates};
use super::moves::relocation;
use super::unwanted::{Unwanted, service_of};
use super::{Object, Reason};
use crate::engine::{Admission, Pending};
use crate::ids::{InstanceName, ServiceName};
use crate::plan::{Instance, Plan, Role};
use crate::spec::Cluster;
use crate::state::world::World;
use crate::units::first_few;

/// Names that a message lists before it only counts.
const SHOWN: usize = 3;

/// What a change does to a service or a fixed machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImpactKind {
    /// It does not serve for a while, or any more.
    Downtime,
    /// Data is lost.
    DataLoss,
}

/// Something that a change stops or loses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impact {
    /// The service, or the name of the fixed machines.
    pub service: ServiceName,
    /// What happens to it.
    pub kind: ImpactKind,
    /// Why: `its machine is replaced`.
    pub cause: String,
    /// The instances.
    pub instances: Vec<InstanceName>,
}

impl ImpactKind {
    /// Its word, stable in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Downtime => "downtime",
            Self::DataLoss => "data loss",
        }
    }

    /// The option that allows it.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::Downtime => "--allow-downtime",
            Self::DataLoss => "--allow-data-loss",
        }
    }
}

impl fmt::Display for Impact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, kind, cause, instances } = self;
        let names: Vec<String> = instances.iter().map(ToString::to_string).collect();
        let what = match kind {
            ImpactKind::Downtime => "does not serve meanwhile",
            ImpactKind::DataLoss => "loses data",
        };
        write!(f, "{service} {what}: {} ({cause})", first_few(&names, SHOWN))
    }
}

/// Finds what a change stops or loses, service by service.
pub(super) fn impacts(
    plan: &Plan,
    world: &World,
    fates: &Fates<'_>,
    unwanted: &[Unwanted],
) -> Vec<Impact> {
    let mut found = Vec::new();
    for (instance, fate) in fates.values() {
        let former = unwanted.iter().any(|one| is_domain_of(one, instance));
        let former = former.then(|| former_cause(plan, world, instance));
        of_instance((plan, world), instance, fate, former, &mut found);
        let is_kept = world.guests.contains_key(&instance.name);
        let cause = match world.pending.get(&instance.name) {
            Some(Pending::Outage) if is_kept => Some("its engine is restarted"),
            Some(Pending::Together) => Some("all of its engines are restarted together"),
            _ => None,
        };
        let service = &instance.service;
        if let Some(cause) = cause {
            add(&mut found, service, ImpactKind::Downtime, cause, &instance.name);
            // Data in memory alone is gone with the process.
            if holds_data(plan, instance) && instance.group.is_some() && instance.data.is_none() {
                add(&mut found, service, ImpactKind::DataLoss, cause, &instance.name);
            }
        }
        let refuses = match world.admissions.get(&instance.name) {
            Some(Admission::RequiresAtOnce) => Some(
                "clients without a password are refused at once: `password: optional` first lets \
                 both in",
            ),
            Some(Admission::ReplacesEncryption) => Some(
                "connections as clients have them now are refused at once: `tls: optional` first \
                 takes both kinds",
            ),
            Some(Admission::Moves) => Some(
                "clients as they come now, and gateways in front, are refused until they use the \
                 other address, port or kind of connections",
            ),
            _ => None,
        };
        if let Some(cause) = refuses {
            add(&mut found, service, ImpactKind::Downtime, cause, &instance.name);
        }
        if let Some(cause) = world.lost.get(&instance.name) {
            add(&mut found, service, ImpactKind::DataLoss, cause, &instance.name);
        }
    }
    for one in unwanted {
        let Some(name) = one.instance.as_ref().and_then(|name| InstanceName::new(name).ok()) else {
            continue;
        };
        let staying = service_of(plan, one).filter(|name| plan.service(name).is_some());
        if matches!(one.what, Object::Domain(_))
            && staying.is_none()
            && plan.instance(&name).is_none()
        {
            let Some((service, _)) = name.as_str().rsplit_once('-') else { continue };
            let Ok(service) = ServiceName::new(service) else { continue };
            add(&mut found, &service, ImpactKind::Downtime, "not in the plan any more", &name);
        }
    }
    found
}

/// Why a machine that another host gets cannot go there as it is.
fn former_cause(plan: &Plan, world: &World, instance: &Instance) -> String {
    match relocation(plan, world, instance) {
        Some(Err(why)) => format!("it cannot move to {}: {why}", instance.host),
        _ => "another host gets it".to_owned(),
    }
}

fn is_domain_of(one: &Unwanted, instance: &Instance) -> bool {
    one.instance.as_deref() == Some(instance.name.as_str()) && matches!(one.what, Object::Domain(_))
}

fn of_instance(
    (plan, world): (&Plan, &World),
    instance: &Instance,
    fate: &Fate,
    former: Option<String>,
    found: &mut Vec<Impact>,
) {
    let is_former = former.is_some();
    let (cause, active) = match (fate, former.as_deref()) {
        (Fate::Move(moving), _) => {
            if moving.stops {
                let cause = "it is shut down to move to another host";
                add(found, &instance.service, ImpactKind::Downtime, cause, &instance.name);
            }
            return;
        }
        // It has moved already; what is left of it is in nobody's use.
        (Fate::Keep { .. }, _) if instance.role == Role::Fixed => return,
        (_, Some(cause)) => (cause, true),
        (Fate::Replace { reason: Reason::VolumeMissing(_), active }, _) => {
            ("a volume of it is missing", *active)
        }
        (Fate::Replace { active, .. }, _) => ("its machine is replaced", *active),
        (Fate::Redefine { active, .. }, _) => ("its machine is powered off and on", *active),
        _ => return,
    };
    let service = plan.service_of(instance);
    let group = service.and_then(|service| {
        service.groups.iter().find(|group| Some(group.index) == instance.group)
    });
    let are_alike = service.is_some_and(|service| match service.engine.cluster() {
        Cluster::Pool => true,
        Cluster::Quorum => service.layout.copies > 1,
        _ => false,
    });
    let has_others = are_alike && plan.members(&instance.service).nth(1).is_some();
    if has_others || group.is_some_and(|group| !group.replicas.is_empty()) {
        return;
    }
    let mut add = |kind| add(found, &instance.service, kind, cause, &instance.name);
    if active {
        add(ImpactKind::Downtime);
    }
    let keeps_disks = matches!(fate, Fate::Redefine { .. });
    let view = world.view(&instance.host);
    let has_data = instance
        .data
        .as_ref()
        .is_some_and(|data| view.is_some_and(|view| view.volume(&data.pool, &data.name).is_some()));
    // Without a data volume of its own, before or after, it has its data in memory.
    let loses = if instance.role == Role::Fixed { !keeps_disks } else { !has_data };
    if (loses || is_former) && holds_data(plan, instance) {
        add(ImpactKind::DataLoss);
    }
}

/// Whether an instance holds data: a machine of fixed size may.
fn holds_data(plan: &Plan, instance: &Instance) -> bool {
    plan.service_of(instance).is_none_or(|service| service.engine.cluster().holds_data())
}

/// Adds an instance to what happens to its service for the same reason.
fn add(
    found: &mut Vec<Impact>,
    service: &ServiceName,
    kind: ImpactKind,
    cause: &str,
    name: &InstanceName,
) {
    let same =
        |one: &&mut Impact| one.service == *service && one.kind == kind && one.cause == cause;
    match found.iter_mut().find(same) {
        Some(known) => known.instances.push(name.clone()),
        None => found.push(Impact {
            service: service.clone(),
            kind,
            cause: cause.to_owned(),
            instances: vec![name.clone()],
        }),
    }
}

//! Volumes whose content a run gives up, by name: what somebody wants to read before it is
//! too late.

use super::{Action, Actions, ImpactKind, Object, Reason, Vertex};
use crate::ids::{HostName, InstanceName};
use crate::plan::{Instance, Plan};

/// A volume whose content is given up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LostVolume {
    /// Its host.
    pub host: HostName,
    /// What becomes of it.
    pub fate: VolumeFate,
    /// Its pool.
    pub pool: String,
    /// Its name.
    pub name: String,
}

/// What becomes of a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VolumeFate {
    /// It is made anew.
    Replaced,
    /// It is deleted.
    Deleted,
    /// It is deleted once other instances have its data.
    DeletedOnceCopied,
}

/// Returns the volumes whose content the steps give up, in the order of hosts.
#[must_use]
pub fn lost_volumes(plan: &Plan, actions: &Actions) -> Vec<LostVolume> {
    let mut found = Vec::new();
    for (vertex, step) in actions.steps() {
        let replaced = |pick: fn(&Instance) -> Option<&crate::plan::Volume>| {
            let instance = vertex.instance().and_then(|name| plan.instance(name))?;
            let volume = pick(instance).filter(|_| step.action == Action::Replace)?;
            let (host, pool, name) =
                (instance.host.clone(), volume.pool.clone(), volume.name.clone());
            Some(LostVolume { host, fate: VolumeFate::Replaced, pool, name })
        };
        match vertex {
            Vertex::Root(_) => found.extend(replaced(|one| one.root.as_ref())),
            Vertex::Seed(_) => found.extend(replaced(|one| one.seed.as_ref())),
            _ => {}
        }
        if let (Vertex::Root(name), Some(host)) = (vertex, actions.graph().host(vertex)) {
            let fate = fate_of_data(actions, name);
            found.extend(actions.former_data(name).iter().map(|(pool, name)| {
                let (host, pool, name) = (host.clone(), pool.clone(), name.clone());
                LostVolume { host, fate, pool, name }
            }));
        }
    }
    for one in actions.all_unwanted() {
        let lost = |(pool, name): &(String, String), fate| {
            let (host, pool, name) = (one.host.clone(), pool.clone(), name.clone());
            LostVolume { host, fate, pool, name }
        };
        found.extend(one.volumes.iter().map(|volume| lost(volume, VolumeFate::Deleted)));
        // A removal keeps them.
        let step = actions.step(&one.vertex());
        if step.is_none_or(|step| step.reason != Reason::Removal) {
            found.extend(one.kept.iter().map(|volume| lost(volume, VolumeFate::DeletedOnceCopied)));
        }
        if let Object::Volume { pool, name, .. } = &one.what {
            found.push(lost(&(pool.clone(), name.clone()), VolumeFate::Deleted));
        }
    }
    found.sort();
    found
}

/// What becomes of data that is not planned any more: without another copy it is lost, which
/// the operator has to allow.
fn fate_of_data(actions: &Actions, name: &InstanceName) -> VolumeFate {
    let is_lost = actions
        .impacts()
        .iter()
        .any(|one| one.kind == ImpactKind::DataLoss && one.instances.contains(name));
    if is_lost { VolumeFate::Deleted } else { VolumeFate::DeletedOnceCopied }
}

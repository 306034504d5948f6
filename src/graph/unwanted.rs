//! What is ours and shall go: domains that the plan does not hold (any more), or,
//! for a removal, everything of the deployment.
//!
//! Ours is what carries the deployment's tag under the name we give it: a clone
//! that somebody made of our domain has another name and is theirs.

use std::collections::{BTreeMap, BTreeSet};

use super::action::{Action, Actions, Reason, Step};
use super::decide::owned_domain;
use super::image::{is_image_volume, marker};
use super::{Graph, ImagePart, Object, Vertex, VolumeRole};
use crate::engine::Leaving;
use crate::hypervisor::{Domain, VolumeInfo};
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Instance, Plan, Volume};
use crate::state::world::{HostView, Shared, Sources, World, is_ours};
use crate::units::Mebibytes;

/// Something that shall go, with what goes along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwanted {
    /// Where it is.
    pub host: HostName,
    /// What it is.
    pub what: Object,
    /// The instance it was.
    pub instance: Option<String>,
    /// Volumes that are deleted with a domain, as pool and name.
    pub volumes: Vec<(String, String)>,
    /// Data volumes that are left, as pool and name.
    pub kept: Vec<(String, String)>,
}

impl Unwanted {
    /// Returns its vertex.
    #[must_use]
    pub fn vertex(&self) -> Vertex {
        Vertex::Unwanted { host: self.host.clone(), what: self.what.clone() }
    }

    /// Whether it is a domain of an instance.
    #[must_use]
    pub fn is_of(&self, instance: &Instance) -> bool {
        self.is_domain(&instance.domain) && self.instance.as_deref() == Some(instance.name.as_str())
    }

    /// Whether it is the domain of that name.
    #[must_use]
    pub fn is_domain(&self, name: &str) -> bool {
        matches!(&self.what, Object::Domain(domain) if domain == name)
    }
}

/// Finds domains of the deployment that the plan does not put on their host. Their data
/// volumes are kept.
pub(super) fn not_in_plan(plan: &Plan, world: &World) -> Vec<Unwanted> {
    let mut found = Vec::new();
    for host in world.hosts.keys() {
        let Some(view) = world.view(host) else { continue };
        let is_planned = |domain: &&Domain| plan.on_host(host).any(|one| one.domain == domain.name);
        let ours = view.domains.iter().filter(|domain| is_made_by(plan, domain));
        let gone: Vec<&Domain> = ours.filter(|domain| !is_planned(domain)).collect();
        found.extend(of_domains(plan, host, view, gone, false));
    }
    found
}

/// Finds the data volumes of an instance's machine, as pool and name, where no data volume is
/// planned for it any more.
pub(super) fn former_data(
    plan: &Plan,
    world: &World,
    instance: &Instance,
) -> Vec<(String, String)> {
    let view = world.view(&instance.host).filter(|_| instance.data.is_none());
    let found = view.and_then(|view| Some((view, owned_domain(plan, view, instance)?)));
    let described = found.map(|(view, domain)| {
        of_domains(plan, &instance.host, view, vec![domain], false).into_iter()
    });
    described.into_iter().flatten().flat_map(|one| one.kept).collect()
}

/// The service or the fixed machine that something unwanted was part of, where the plan
/// still has it.
pub(super) fn service_of<'a>(plan: &'a Plan, one: &Unwanted) -> Option<&'a ServiceName> {
    let (service, _) = one.instance.as_deref()?.rsplit_once('-')?;
    let services = plan.services.iter().map(|service| &service.name);
    services.chain(plan.vms.iter().map(|vm| &vm.name)).find(|name| name.as_str() == service)
}

/// Returns the instances that services of the plan have and the plan does not hold, by
/// their domains; where their guests are on the network is for others to find out.
#[must_use]
pub fn leaving(plan: &Plan, world: &World) -> Vec<Leaving> {
    let of = |one: Unwanted| {
        let service = service_of(plan, &one)?.clone();
        plan.service(&service)?;
        let name = InstanceName::new(one.instance?).ok()?;
        let Object::Domain(domain) = one.what else { return None };
        let is_new = plan.instance(&name).is_none();
        is_new.then_some(Leaving { name, service, host: one.host, domain, address: None })
    };
    not_in_plan(plan, world).into_iter().filter_map(of).collect()
}

/// Decides the removal of a deployment: its domains with their volumes, volumes
/// that an interrupted run left, and files of the image that nobody else uses.
/// Data volumes only with `data`. Hosts that did not answer have no vertices.
#[must_use]
pub fn decide_removal(plan: &Plan, world: &World, data: bool) -> Actions {
    let mut graph = Graph::default();
    let mut unwanted = BTreeMap::new();
    for host in world.hosts.keys() {
        let Some(view) = world.view(host) else { continue };
        let ours = view.domains.iter().filter(|domain| is_made_by(plan, domain));
        let mut first = of_domains(plan, host, view, ours.collect(), data);
        first.extend(orphans(plan, host, view, data));
        let needs: Vec<Vertex> = first.iter().map(Unwanted::vertex).collect();
        for (one, vertex) in first.iter().zip(&needs) {
            graph.add(vertex.clone(), Some(host), &[]);
            unwanted.insert(vertex.clone(), one.clone());
        }
        for one in images(plan, host, view, &first) {
            let vertex = one.vertex();
            graph.add(vertex.clone(), Some(host), &needs);
            unwanted.insert(vertex, one);
        }
    }
    let steps = graph
        .vertices()
        .map(|vertex| (vertex.clone(), Step { action: Action::Delete, reason: Reason::Removal }))
        .collect();
    Actions::new(graph, steps, unwanted)
}

/// Whether a domain carries the deployment's tag under the name and, where it is
/// planned, the UUID that we give it.
fn is_made_by(plan: &Plan, domain: &Domain) -> bool {
    let Some(owner) = domain.owner.as_ref().filter(|_| is_ours(domain, &plan.name)) else {
        return false;
    };
    match plan.instances.iter().find(|one| one.name.as_str() == owner.instance) {
        Some(instance) => instance.uuid == domain.uuid && instance.domain == domain.name,
        None => domain.name == format!("{}-{}", plan.name, owner.instance),
    }
}

/// Describes domains that are to go. Every domain of the host is read once.
fn of_domains(
    plan: &Plan,
    host: &HostName,
    view: &HostView,
    gone: Vec<&Domain>,
    data: bool,
) -> Vec<Unwanted> {
    if gone.is_empty() {
        return Vec::new();
    }
    let shared = Shared::of(view);
    let used = used_elsewhere(plan, host);
    let own = |domain| of_domain(host, view, domain, (&shared, &used), data);
    gone.into_iter().map(own).collect()
}

/// Volumes of shared pools, as pool and name, that instances of other hosts have.
fn used_elsewhere<'a>(plan: &'a Plan, host: &HostName) -> BTreeSet<(&'a str, &'a str)> {
    let others = plan.instances.iter().filter(|one| one.host != *host);
    let volumes = others.flat_map(|one| one.volumes().map(move |volume| (&one.host, volume)));
    let is_shared = |(host, volume): &(&HostName, &Volume)| {
        let host = plan.topology.host(host);
        host.and_then(|host| host.pool(&volume.pool)).is_some_and(|pool| pool.shared)
    };
    let shared = volumes.filter(is_shared);
    shared.map(|(_, volume)| (volume.pool.as_str(), volume.name.as_str())).collect()
}

fn of_domain(
    host: &HostName,
    view: &HostView,
    domain: &Domain,
    (shared, used): (&Shared<'_>, &BTreeSet<(&str, &str)>),
    data: bool,
) -> Unwanted {
    let holds_data = Sources::of_data(domain);
    let all = view.volumes_of(domain).into_iter();
    let own = all.filter(|(pool, volume)| {
        is_named_after(domain, volume)
            && !is_image_volume(&volume.name)
            && !shared.is_shared(pool, volume)
            && !used.contains(&(*pool, volume.name.as_str()))
    });
    let (kept, gone): (Vec<_>, Vec<_>) =
        own.partition(|(pool, volume)| !data && holds_data.hold(pool, volume));
    let names = |volumes: Vec<(&str, &VolumeInfo)>| {
        volumes.into_iter().map(|(pool, one)| (pool.to_owned(), one.name.clone())).collect()
    };
    Unwanted {
        host: host.clone(),
        what: Object::Domain(domain.name.clone()),
        instance: domain.owner.as_ref().map(|owner| owner.instance.clone()),
        volumes: names(gone),
        kept: names(kept),
    }
}

/// Suffixes of a domain's name in those of its volumes.
const SUFFIXES: [&str; 3] = ["-root.qcow2", "-data.raw", "-seed.img"];
/// Most that a seed takes: a few KiB of text need no more.
pub const MAX_SEED: Mebibytes = Mebibytes::new(64);

/// Whether a volume has the name that hostsplit gives one of the domain's: what somebody
/// attached to it by hand has another.
fn is_named_after(domain: &Domain, volume: &VolumeInfo) -> bool {
    volume.name.strip_prefix(&domain.name).is_some_and(|rest| SUFFIXES.contains(&rest))
}

/// Finds volumes under planned names that no domain uses: left by an interrupted run,
/// or data that a removal kept.
fn orphans(plan: &Plan, host: &HostName, view: &HostView, data: bool) -> Vec<Unwanted> {
    let used = Sources::of(&view.domains);
    let volumes = plan.on_host(host).flat_map(|instance| {
        let data = instance.data.as_ref().filter(|_| data);
        [
            (VolumeRole::Root, instance.root.as_ref()),
            (VolumeRole::Data, data),
            (VolumeRole::Seed, instance.seed.as_ref()),
        ]
        .into_iter()
        .filter_map(move |(role, volume)| Some((instance, role, volume?)))
    });
    volumes
        .filter(|(instance, _, Volume { pool, name, .. })| {
            view.volume(pool, name)
                .is_some_and(|seen| !used.hold(pool, seen) && may_be_ours(instance, seen))
        })
        .map(|(instance, role, Volume { pool, name, .. })| Unwanted {
            host: host.clone(),
            what: Object::Volume { pool: pool.clone(), name: name.clone(), role },
            instance: Some(instance.name.to_string()),
            volumes: Vec::new(),
            kept: Vec::new(),
        })
        .collect()
}

/// Whether a volume under a planned name looks like one that we made: a root is
/// an overlay on an image of hostsplit, everything else on nothing, and a seed is small.
pub fn may_be_ours(instance: &Instance, seen: &VolumeInfo) -> bool {
    let is_root = instance.root.as_ref().is_some_and(|root| root.name == seen.name);
    match &seen.backing {
        Some(path) => {
            let file = path.rsplit('/').next().unwrap_or(path);
            is_root && is_image_volume(file)
        }
        None => {
            let is_seed = instance.seed.as_ref().is_some_and(|seed| seed.name == seen.name);
            !is_root && (!is_seed || seen.capacity <= MAX_SEED.bytes())
        }
    }
}

/// Finds files of the plan's image, and their markers, that nobody uses once `first` is
/// gone.
fn images(plan: &Plan, host: &HostName, view: &HostView, first: &[Unwanted]) -> Vec<Unwanted> {
    let Some(image) = &plan.image else { return Vec::new() };
    let gone = |pool: &str, name: &str| {
        first.iter().any(|one| {
            one.volumes.iter().any(|(p, n)| p == pool && n == name)
                || matches!(&one.what, Object::Volume { pool: p, name: n, .. } if p == pool && n == name)
        })
    };
    let domain_stays = |domain: &&Domain| !first.iter().any(|one| one.is_domain(&domain.name));
    let in_use = Sources::of(view.domains.iter().filter(domain_stays));
    let mut backing = BTreeSet::new();
    for (pool, volumes) in &view.volumes {
        let staying = volumes.iter().filter(|volume| !gone(pool, &volume.name));
        backing.extend(staying.filter_map(|volume| volume.backing.as_ref()));
    }
    let pools: BTreeSet<&String> =
        plan.on_host(host).filter_map(|one| Some(&one.root.as_ref()?.pool)).collect();
    let mut found = Vec::new();
    for pool in pools {
        for part in ImagePart::ALL {
            let Some(name) = part.file(image).map(|file| part.volume(file)) else { continue };
            let is_used =
                |seen: &VolumeInfo| in_use.hold(pool, seen) || backing.contains(&seen.path);
            if view.volume(pool, &name).is_some_and(is_used) {
                continue;
            }
            // The marker goes first: a file without it is never taken for whole.
            for name in [marker(&name), name] {
                if view.volume(pool, &name).is_some() {
                    found.push(Unwanted {
                        host: host.clone(),
                        what: Object::Volume { pool: pool.clone(), name, role: VolumeRole::Image },
                        instance: None,
                        volumes: Vec::new(),
                        kept: Vec::new(),
                    });
                }
            }
        }
    }
    found
}

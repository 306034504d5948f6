//! Foreign domains and volumes that have what the plan needs.

use std::collections::BTreeSet;

use super::inventory::set;
use super::{Obstacle, ObstacleKind, Visit};
use crate::graph::{may_be_ours, owned_domain};
use crate::hypervisor::Domain;
use crate::plan::Instance;
use crate::state::world::Sources;
use crate::topology::NumaNode;
use crate::units::Mebibytes;

pub(super) fn find(visit: &Visit<'_>, obstacles: &mut Vec<Obstacle>) {
    let foreign: Vec<&Domain> =
        visit.view.domains.iter().filter(|domain| is_foreign(visit, domain)).collect();
    for domain in &foreign {
        taken(visit, domain, obstacles);
        if domain.active {
            pins(visit, domain, obstacles);
        }
    }
    addresses(visit, obstacles);
    memory(visit, &foreign, obstacles);
    let used = Sources::of(foreign);
    for instance in visit.plan.on_host(&visit.host.name) {
        volumes(visit, instance, &used, obstacles);
    }
}

/// Whether a domain is neither an instance of the plan nor about to be removed.
fn is_foreign(visit: &Visit<'_>, domain: &Domain) -> bool {
    let planned = visit.plan.on_host(&visit.host.name).any(|instance| {
        owned_domain(visit.plan, visit.view, instance).is_some_and(|own| own.name == domain.name)
    });
    let removed = visit
        .actions
        .all_unwanted()
        .any(|one| one.host == visit.host.name && one.is_domain(&domain.name));
    !planned && !removed
}

/// Names and UUIDs are unique on a host, MAC addresses on the network.
fn taken(visit: &Visit<'_>, domain: &Domain, obstacles: &mut Vec<Obstacle>) {
    for instance in &visit.plan.instances {
        let here = instance.host == visit.host.name;
        let clash = if here && domain.name == instance.domain {
            Some(("name", instance.domain.clone()))
        } else if here && domain.uuid == instance.uuid {
            Some(("UUID", instance.uuid.to_string()))
        } else if domain.definition.devices.macs.contains(&instance.mac.to_ascii_lowercase()) {
            Some(("MAC address", instance.mac.clone()))
        } else {
            None
        };
        if let Some((what, value)) = clash {
            let (domain, instance) = (domain.name.clone(), instance.name.clone());
            obstacles.push(visit.obstacle(ObstacleKind::Taken { domain, what, instance, value }));
        }
    }
}

/// Addresses are unique on the network, on whichever host they are.
fn addresses(visit: &Visit<'_>, obstacles: &mut Vec<Obstacle>) {
    for (domain, addresses) in &visit.view.addresses {
        for instance in &visit.plan.instances {
            let Some(address) = instance.address.filter(|own| addresses.contains(own)) else {
                continue;
            };
            let (domain, instance) = (domain.clone(), instance.name.clone());
            let (what, value) = ("address", address.to_string());
            obstacles.push(visit.obstacle(ObstacleKind::Taken { domain, what, instance, value }));
        }
    }
}

fn pins(visit: &Visit<'_>, domain: &Domain, obstacles: &mut Vec<Obstacle>) {
    let pinned: BTreeSet<u32> = domain.definition.vcpu_pins.iter().flatten().copied().collect();
    for instance in visit.plan.on_host(&visit.host.name) {
        let own: BTreeSet<u32> = instance.cpus.iter().copied().collect();
        let both: BTreeSet<u32> = own.intersection(&pinned).copied().collect();
        if !both.is_empty() {
            obstacles.push(visit.obstacle(ObstacleKind::Cpus {
                domain: domain.name.clone(),
                instance: instance.name.clone(),
                cpus: set(&both),
            }));
        }
    }
}

fn memory(visit: &Visit<'_>, foreign: &[&Domain], obstacles: &mut Vec<Obstacle>) {
    let running = foreign.iter().filter(|domain| domain.active);
    let foreign: u64 = running.map(|domain| domain.definition.memory_kib.div_ceil(1024)).sum();
    let foreign = Mebibytes::new(foreign);
    let plan = visit.plan;
    let taken = |one: &Instance| one.memory_mib.saturating_add(plan.overhead(one));
    let planned: Mebibytes = plan.on_host(&visit.host.name).map(taken).sum();
    let allocatable: Mebibytes = visit.host.numa.iter().map(NumaNode::allocatable_memory).sum();
    if foreign > Mebibytes::ZERO
        && planned > Mebibytes::ZERO
        && foreign.saturating_add(planned) > allocatable
    {
        obstacles.push(visit.obstacle(ObstacleKind::Memory { foreign, planned, allocatable }));
    }
}

fn volumes(
    visit: &Visit<'_>,
    instance: &Instance,
    used: &Sources<'_>,
    obstacles: &mut Vec<Obstacle>,
) {
    let data = instance.data.as_ref();
    for volume in instance.volumes() {
        let Some(seen) = visit.view.volume(&volume.pool, &volume.name) else { continue };
        let planned = volume.size_mib;
        let is_data = data.is_some_and(|data| data.name == volume.name);
        let why = if used.hold(&volume.pool, seen) {
            "a foreign domain uses it".to_owned()
        } else if !may_be_ours(instance, seen) {
            let is_root = instance.root.as_ref().is_some_and(|root| root.name == volume.name);
            let why = match &seen.backing {
                _ if is_root => "it is not an overlay on an image of hostsplit",
                Some(_) => "it is an overlay",
                None => "it is larger than a seed",
            };
            why.to_owned()
        } else if is_data && seen.capacity > planned.bytes() {
            let found = Mebibytes::new(seen.capacity >> 20);
            format!("it has {found}, and data of {planned} is planned")
        } else {
            continue;
        };
        let (pool, name) = (volume.pool.clone(), volume.name.clone());
        let instance = instance.name.clone();
        obstacles.push(visit.obstacle(ObstacleKind::Volume { pool, name, instance, why }));
    }
}

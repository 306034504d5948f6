//! What instances take from hosts: memory, pages, pools, the bridge.

use std::collections::{BTreeMap, BTreeSet};

use super::index::Index;
use super::{Findings, Kind};
use crate::ids::HostName;
use crate::plan::{Instance, Plan, Role, Volume};
use crate::topology::{Host, NumaNode, Virtualization};
use crate::units::Mebibytes;

/// Size of ordinary pages.
pub(super) const ORDINARY_KIB: u64 = 4;

pub(super) fn check(plan: &Plan, index: &Index<'_>, findings: &mut Findings) {
    for instance in &plan.instances {
        match index.host(&instance.host) {
            None => {
                let message = format!("unknown host {}", instance.host);
                findings.add(Kind::UnknownHost, &instance.name, message);
            }
            Some(host) if host.numa_node(instance.numa).is_none() => {
                let message = format!("{} has no NUMA node {}", host.name, instance.numa);
                findings.add(Kind::UnknownNuma, &instance.name, message);
            }
            Some(host) if plan.drained.contains(&host.name) => {
                let message = format!("is on {}, which is being emptied", host.name);
                findings.add(Kind::DrainedHost, &instance.name, message);
            }
            Some(_) => {}
        }
    }
    memory(plan, index, findings);
    pools(plan, index, findings);
    iops(plan, index, findings);
    bridges(plan, index, findings);
    architectures(plan, index, findings);
}

/// The volumes of an instance.
pub(super) fn volumes(instance: &Instance) -> impl Iterator<Item = &Volume> {
    instance.root.iter().chain(&instance.seed).chain(&instance.data)
}

fn memory(plan: &Plan, index: &Index<'_>, findings: &mut Findings) {
    let mut by_node: BTreeMap<(&HostName, u32), (&NumaNode, Vec<&Instance>)> = BTreeMap::new();
    for instance in &plan.instances {
        let Some(node) = index.numa(instance) else { continue };
        let key = (&instance.host, instance.numa);
        by_node.entry(key).or_insert_with(|| (node, Vec::new())).1.push(instance);
    }
    for ((host, id), (node, instances)) in by_node {
        let subject = format!("{host} NUMA node {id}");
        let overhead = index.host(host).map_or(Mebibytes::ZERO, |host| {
            instances.iter().map(|instance| overhead(host, instance)).sum()
        });
        ordinary_pages(&subject, node, (&instances, overhead), findings);
        huge_pages(&subject, node, &instances, findings);
    }
}

/// What QEMU itself takes for an instance, of ordinary pages of the NUMA node: 64 MiB, 8 MiB
/// for each virtual CPU and the one I/O thread, page tables of a 512th of the guest's memory;
/// 256 MiB of translated code under software emulation.
pub(super) fn overhead(host: &Host, instance: &Instance) -> Mebibytes {
    let threads = instance.cpus.len() as u64 + 1;
    let tables = instance.memory_mib.get().div_ceil(512);
    let translated = if host.hypervisor == Virtualization::Tcg { 256 } else { 0 };
    Mebibytes::new(64 + 8 * threads + translated).saturating_add(Mebibytes::new(tables))
}

fn ordinary_pages(
    subject: &str,
    node: &NumaNode,
    (instances, overhead): (&[&Instance], Mebibytes),
    findings: &mut Findings,
) {
    let own: Mebibytes = instances
        .iter()
        .filter(|instance| instance.page_kib == ORDINARY_KIB)
        .map(|instance| instance.memory_mib)
        .sum();
    let allocatable = ordinary_memory(node);
    if own.saturating_add(overhead) > allocatable {
        let message =
            format!("instances need {own} and QEMU itself {overhead}; allocatable: {allocatable}");
        findings.add(Kind::Memory, subject, message);
    }
}

/// What a NUMA node has for instances beside its huge pages.
pub(super) fn ordinary_memory(node: &NumaNode) -> Mebibytes {
    let in_huge_pages: Mebibytes = node
        .pages
        .iter()
        .map(|pool| Mebibytes::new(pool.size_kib.saturating_mul(pool.count) >> 10))
        .sum();
    node.allocatable_memory().saturating_sub(in_huge_pages)
}

fn huge_pages(subject: &str, node: &NumaNode, instances: &[&Instance], findings: &mut Findings) {
    let mut needed: BTreeMap<u64, u64> = BTreeMap::new();
    for instance in instances.iter().filter(|instance| instance.page_kib != ORDINARY_KIB) {
        let pages = match instance.page_kib {
            0 => u64::MAX,
            size => instance.memory_mib.kib().div_ceil(size),
        };
        let sum = needed.entry(instance.page_kib).or_default();
        *sum = sum.saturating_add(pages);
    }
    for (size, needed) in needed {
        let there = node.pages.iter().find(|pool| pool.size_kib == size);
        let there = there.map_or(0, |pool| pool.count);
        if needed > there {
            let message =
                format!("instances need {needed} pages of {size} KiB; available: {there}");
            findings.add(Kind::HugePages, subject, message);
        }
    }
}

fn pools<'a>(plan: &'a Plan, index: &Index<'_>, findings: &mut Findings) {
    let mut taken: BTreeMap<(&HostName, &str), Mebibytes> = BTreeMap::new();
    // A pool that holds roots holds the image that they are overlays on.
    if let Some(image) = &plan.image {
        let root = |i: &'a Instance| Some((&i.host, i.root.as_ref()?.pool.as_str()));
        let roots = plan.instances.iter().filter_map(root);
        taken.extend(roots.map(|pool| (pool, image.virtual_size_mib)));
    }
    for instance in &plan.instances {
        for volume in volumes(instance) {
            let sum = taken.entry((&instance.host, volume.pool.as_str())).or_default();
            *sum = sum.saturating_add(volume.size_mib);
        }
        if let Some(image) = &plan.image
            && let Some(root) = &instance.root
            && root.size_mib < image.virtual_size_mib
        {
            let (root, image) = (root.size_mib, image.virtual_size_mib);
            let message = format!("root volume of {root} is smaller than its image of {image}");
            findings.add(Kind::RootSize, &instance.name, message);
        }
    }
    for ((host, name), taken) in taken {
        let Some(host) = index.host(host) else { continue };
        let Some(pool) = host.pools.iter().find(|pool| pool.name == name) else {
            findings.add(Kind::UnknownPool, &host.name, format!("unknown pool {name:?}"));
            continue;
        };
        if taken > pool.capacity_mib {
            let message = format!(
                "image and volumes in pool {name:?} take {taken}; its capacity is {}",
                pool.capacity_mib
            );
            findings.add(Kind::PoolCapacity, &host.name, message);
        }
    }
}

/// All volumes of an instance are in the pool of its data or, without data, of its
/// root; its disk's work falls there.
fn iops(plan: &Plan, index: &Index<'_>, findings: &mut Findings) {
    let mut needed: BTreeMap<(&HostName, &str), u128> = BTreeMap::new();
    for instance in &plan.instances {
        let Some(volume) = instance.data.as_ref().or(instance.root.as_ref()) else { continue };
        let sum = needed.entry((&instance.host, volume.pool.as_str())).or_default();
        *sum = sum.saturating_add(u128::from(operations(plan, instance)));
    }
    for ((name, pool), needed) in needed {
        let host = index.host(name);
        let pool = host.and_then(|host| host.pools.iter().find(|other| other.name == pool));
        let Some((pool, most)) = pool.and_then(|pool| Some((pool, pool.iops_per_s?))) else {
            continue;
        };
        if needed > u128::from(most.get()) {
            let message = format!(
                "instances in pool {:?} need {needed} I/O operations/s; its disk does {most}",
                pool.name
            );
            findings.add(Kind::Iops, name, message);
        }
    }
}

/// I/O operations per second that an instance is planned with.
pub(super) fn operations(plan: &Plan, instance: &Instance) -> u64 {
    let service = plan.service_of(instance);
    let vm = plan.vms.iter().find(|vm| vm.name == instance.service);
    match (service, vm) {
        (Some(_), _) if instance.role == Role::Witness => 0,
        (Some(service), _) => service.capacity.iops_per_s.get(),
        (None, Some(vm)) => vm.iops_per_s.get(),
        (None, None) => 0,
    }
}

fn architectures(plan: &Plan, index: &Index<'_>, findings: &mut Findings) {
    let used: BTreeSet<&HostName> = plan.instances.iter().map(|instance| &instance.host).collect();
    for host in used.into_iter().filter_map(|name| index.host(name)) {
        if !host.architecture.is_of_guests() {
            let message = format!("{}, but guests are x86_64", host.architecture.as_str());
            findings.add(Kind::Architecture, &host.name, message);
        }
    }
}

fn bridges(plan: &Plan, index: &Index<'_>, findings: &mut Findings) {
    let Some(bridge) = plan.network.as_ref().map(|network| &network.bridge) else { return };
    let used: BTreeSet<&HostName> = plan.instances.iter().map(|instance| &instance.host).collect();
    for host in used.into_iter().filter_map(|name| index.host(name)) {
        if !host.bridges.contains(bridge) {
            let message = format!("no bridge {bridge:?}");
            findings.add(Kind::Bridge, &host.name, message);
        }
    }
}

//! The host as it is against the host as it was planned with.

use std::collections::{BTreeMap, BTreeSet};

use super::{Obstacle, ObstacleKind, Visit};
use crate::hypervisor::{ReportedNuma, version};
use crate::topology::{NumaNode, cpuset};
use crate::units::Mebibytes;

/// `<tb-cache>` came with libvirt 8.0.0: <https://libvirt.org/formatdomain.html>.
const LIBVIRT: u64 = 8_000_000;
/// `-accel tcg,tb-size=` came with QEMU 5.0: its `docs/about/removed-features.rst`.
const QEMU: u64 = 5_000_000;

pub(super) fn compare(visit: &Visit<'_>, obstacles: &mut Vec<Obstacle>) {
    let report = &visit.view.report;
    let planned: BTreeSet<u32> = visit.host.numa.iter().map(|node| node.id).collect();
    let found: BTreeSet<u32> = report.numa.iter().map(|node| node.id).collect();
    if planned != found {
        obstacles.push(visit.obstacle(differs("NUMA nodes", &planned, &found)));
    }
    for node in &visit.host.numa {
        if let Some(seen) = report.numa.iter().find(|seen| seen.id == node.id) {
            compare_node(visit, node, seen, obstacles);
        }
    }
    versions(visit, obstacles);
    let (planned, found) = (visit.host.architecture, report.architecture);
    if planned != found {
        obstacles.push(visit.obstacle(ObstacleKind::Differs {
            what: "architecture".to_owned(),
            planned: planned.as_str().to_owned(),
            found: found.as_str().to_owned(),
        }));
    }
    let kind = visit.host.hypervisor.as_str();
    if !report.domain_types.iter().any(|offered| offered == kind) {
        let offered = list(&report.domain_types);
        obstacles.push(visit.obstacle(ObstacleKind::Hypervisor { planned: kind, offered }));
    }
    // Some libvirts cannot list bridges; then the start of a domain will fail.
    if let Some(bridge) = visit.plan.network.as_ref().map(|network| &network.bridge)
        && !report.bridges.is_empty()
        && !report.bridges.contains(bridge)
    {
        let found = list(&report.bridges);
        obstacles.push(visit.obstacle(ObstacleKind::Bridge { bridge: bridge.clone(), found }));
    }
}

/// Releases that know all that our domains' XML says.
fn versions(visit: &Visit<'_>, obstacles: &mut Vec<Obstacle>) {
    let report = &visit.view.report;
    let programs =
        [("libvirt", report.libvirt_version, LIBVIRT), ("QEMU", report.qemu_version, QEMU)];
    for (program, found, least) in programs {
        if found < least {
            let (found, least) = (version(found), version(least));
            obstacles.push(visit.obstacle(ObstacleKind::Old { program, found, least }));
        }
    }
}

fn compare_node(
    visit: &Visit<'_>,
    node: &NumaNode,
    seen: &ReportedNuma,
    obstacles: &mut Vec<Obstacle>,
) {
    let planned: BTreeSet<u32> = node.cores().flat_map(|core| core.cpus.iter().copied()).collect();
    let found: BTreeSet<u32> = seen.cpus.iter().map(|cpu| cpu.id).collect();
    if planned == found {
        compare_cores(visit, node, seen, obstacles);
        compare_l3(visit, node, seen, obstacles);
    } else {
        let what = format!("CPUs of NUMA node {}", node.id);
        obstacles.push(visit.obstacle(differs(&what, &planned, &found)));
    }
    // What a kernel counts as a node's memory differs between its versions and,
    // inside a VM, from minute to minute; what matters is that the plan's fits.
    let instances = visit.plan.on_host(&visit.host.name).filter(|one| one.numa == node.id);
    let placed: Mebibytes =
        instances.map(|one| one.memory_mib.saturating_add(visit.plan.overhead(one))).sum();
    let needed = placed.saturating_add(node.reserved_memory_mib);
    compare_pages(visit, node, seen, obstacles);
    if seen.memory_kib < needed.kib() {
        obstacles.push(visit.obstacle(ObstacleKind::Differs {
            what: format!("memory of NUMA node {}", node.id),
            planned: format!("{needed} for instances, QEMU and the host"),
            found: Mebibytes::new(seen.memory_kib / 1024).to_string(),
        }));
    }
}

/// Whole cores are promised to instances, so siblings must be the same.
fn compare_cores(
    visit: &Visit<'_>,
    node: &NumaNode,
    seen: &ReportedNuma,
    obstacles: &mut Vec<Obstacle>,
) {
    for core in node.cores() {
        let Some(first) = core.cpus.first() else { continue };
        let siblings = seen.cpus.iter().find(|cpu| cpu.id == *first).map(|cpu| &cpu.siblings);
        let planned: BTreeSet<u32> = core.cpus.iter().copied().collect();
        let found: BTreeSet<u32> = siblings.into_iter().flatten().copied().collect();
        if planned != found {
            let what = format!("core of CPU {first}");
            obstacles.push(visit.obstacle(differs(&what, &planned, &found)));
        }
    }
}

/// Compares the cores that share a cache; hosts of which that is not known are left
/// alone.
fn compare_l3(
    visit: &Visit<'_>,
    node: &NumaNode,
    seen: &ReportedNuma,
    obstacles: &mut Vec<Obstacle>,
) {
    for domain in node.l3.iter().filter(|domain| domain.size_kib.is_some()) {
        let planned: BTreeSet<u32> =
            domain.cores.iter().flat_map(|core| core.cpus.iter().copied()).collect();
        let Some(first) = planned.first() else { continue };
        let l3 = seen.cpus.iter().find(|cpu| cpu.id == *first).and_then(|cpu| cpu.l3.as_ref());
        let Some((sharers, _)) = l3 else { continue };
        let found: BTreeSet<u32> = sharers.iter().copied().collect();
        if planned != found {
            let what = format!("L3 domain of CPU {first}");
            obstacles.push(visit.obstacle(differs(&what, &planned, &found)));
        }
    }
}

/// The pools of huge pages that instances live in. More pages than planned are
/// no harm.
fn compare_pages(
    visit: &Visit<'_>,
    node: &NumaNode,
    seen: &ReportedNuma,
    obstacles: &mut Vec<Obstacle>,
) {
    let mut needed: BTreeMap<u64, u64> = BTreeMap::new();
    for instance in visit.plan.on_host(&visit.host.name) {
        if instance.numa == node.id && instance.page_kib > 4 {
            let pages = instance.memory_mib.kib().div_ceil(instance.page_kib);
            *needed.entry(instance.page_kib).or_default() += pages;
        }
    }
    for (size, needed) in needed {
        let found = seen.pages.iter().find(|(known, _)| *known == size).map_or(0, |(_, n)| *n);
        if found < needed {
            obstacles.push(visit.obstacle(ObstacleKind::Differs {
                what: format!("pages of {size} KiB on NUMA node {}", node.id),
                planned: format!("{needed} for instances"),
                found: found.to_string(),
            }));
        }
    }
}

fn differs(what: &str, planned: &BTreeSet<u32>, found: &BTreeSet<u32>) -> ObstacleKind {
    ObstacleKind::Differs { what: what.to_owned(), planned: set(planned), found: set(found) }
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// Writes a set of numbers in words.
pub(super) fn set(numbers: &BTreeSet<u32>) -> String {
    cpuset::show_or_none(numbers)
}

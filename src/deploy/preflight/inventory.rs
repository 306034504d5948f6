//! The host as it is against the host as it was planned with.

use std::collections::BTreeSet;

use super::{Obstacle, Problem, Visit};
use crate::hypervisor::ReportedNuma;
use crate::topology::NumaNode;
use crate::units::Mebibytes;

pub(super) fn compare(visit: &Visit<'_>, problems: &mut Vec<Problem>) {
    let report = &visit.view.report;
    let planned: BTreeSet<u32> = visit.host.numa.iter().map(|node| node.id).collect();
    let found: BTreeSet<u32> = report.numa.iter().map(|node| node.id).collect();
    if planned != found {
        problems.push(visit.problem(differs("NUMA nodes", &planned, &found)));
    }
    for node in &visit.host.numa {
        if let Some(seen) = report.numa.iter().find(|seen| seen.id == node.id) {
            compare_node(visit, node, seen, problems);
        }
    }
    let kind = visit.host.hypervisor.as_str();
    if !report.domain_types.iter().any(|offered| offered == kind) {
        let offered = list(&report.domain_types);
        problems.push(visit.problem(Obstacle::Hypervisor { planned: kind, offered }));
    }
    // Some libvirts cannot list bridges; then the start of a domain will tell.
    if let Some(bridge) = visit.plan.network.as_ref().map(|network| &network.bridge)
        && !report.bridges.is_empty()
        && !report.bridges.contains(bridge)
    {
        let found = list(&report.bridges);
        problems.push(visit.problem(Obstacle::Bridge { bridge: bridge.clone(), found }));
    }
}

fn compare_node(
    visit: &Visit<'_>,
    node: &NumaNode,
    seen: &ReportedNuma,
    problems: &mut Vec<Problem>,
) {
    let planned: BTreeSet<u32> = node.cores().flat_map(|core| core.cpus.iter().copied()).collect();
    let found: BTreeSet<u32> = seen.cpus.iter().map(|cpu| cpu.id).collect();
    if planned == found {
        compare_cores(visit, node, seen, problems);
    } else {
        let what = format!("CPUs of NUMA node {}", node.id);
        problems.push(visit.problem(differs(&what, &planned, &found)));
    }
    // What a kernel counts as a node's memory differs between its versions and,
    // inside a VM, from minute to minute; what matters is that the plan's fits.
    let instances = visit.plan.on_host(&visit.host.name).filter(|one| one.numa == node.id);
    let placed: Mebibytes = instances.map(|one| one.memory_mib).sum();
    let needed = placed.saturating_add(node.reserved_memory_mib);
    if seen.memory_kib < needed.kib() {
        problems.push(visit.problem(Obstacle::Differs {
            what: format!("memory of NUMA node {}", node.id),
            planned: format!("{needed} for instances and the host"),
            found: Mebibytes::new(seen.memory_kib / 1024).to_string(),
        }));
    }
}

/// Whole cores are promised to instances, so siblings must be the same.
fn compare_cores(
    visit: &Visit<'_>,
    node: &NumaNode,
    seen: &ReportedNuma,
    problems: &mut Vec<Problem>,
) {
    for core in node.cores() {
        let Some(first) = core.cpus.first() else { continue };
        let siblings = seen.cpus.iter().find(|cpu| cpu.id == *first).map(|cpu| &cpu.siblings);
        let planned: BTreeSet<u32> = core.cpus.iter().copied().collect();
        let found: BTreeSet<u32> = siblings.into_iter().flatten().copied().collect();
        if planned != found {
            let what = format!("core of CPU {first}");
            problems.push(visit.problem(differs(&what, &planned, &found)));
        }
    }
}

fn differs(what: &str, planned: &BTreeSet<u32>, found: &BTreeSet<u32>) -> Obstacle {
    Obstacle::Differs { what: what.to_owned(), planned: set(planned), found: set(found) }
}

fn list(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

/// Numbers as libvirt writes a set: `0-3,8`.
pub(super) fn set(numbers: &BTreeSet<u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let texts = ranges.iter().map(|(first, last)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    });
    let text = texts.collect::<Vec<_>>().join(",");
    if text.is_empty() { "none".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_ranges() {
        assert_eq!(set(&BTreeSet::from([0, 1, 2, 8, 10, 11])), "0-2,8,10-11");
        assert_eq!(set(&BTreeSet::from([u32::MAX])), u32::MAX.to_string());
        assert_eq!(set(&BTreeSet::new()), "none");
    }
}

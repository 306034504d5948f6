//! The topology that the plan carries: no duplicates, and reserves within bounds.

use std::collections::BTreeSet;

use super::{Findings, Kind};
use crate::plan::Plan;
use crate::topology::{Host, NumaNode};

pub(super) fn check(plan: &Plan, findings: &mut Findings) {
    let mut names = BTreeSet::new();
    for host in &plan.topology.hosts {
        if !names.insert(&host.name) {
            findings.add(Kind::Topology, &host.name, "duplicate host");
        }
        self::host(host, findings);
    }
}

fn host(host: &Host, findings: &mut Findings) {
    let mut ids = BTreeSet::new();
    let mut cpus = BTreeSet::new();
    for node in &host.numa {
        if !ids.insert(node.id) {
            findings.add(Kind::Topology, &host.name, format!("duplicate NUMA node {}", node.id));
        }
        for cpu in node.cores().flat_map(|core| &core.cpus) {
            if !cpus.insert(cpu) {
                findings.add(Kind::Topology, &host.name, format!("duplicate CPU {cpu}"));
            }
        }
        if node.cores().any(|core| core.cpus.is_empty()) {
            let message = format!("NUMA node {}: a core without CPUs", node.id);
            findings.add(Kind::Topology, &host.name, message);
        }
        reserve(host, node, findings);
    }
    let mut pools = BTreeSet::new();
    for pool in &host.pools {
        if !pools.insert(&pool.name) {
            findings.add(Kind::Topology, &host.name, format!("duplicate pool {}", pool.name));
        }
    }
}

fn reserve(host: &Host, node: &NumaNode, findings: &mut Findings) {
    let cores = node.cores().count();
    if node.reserved_cores as usize > cores {
        let message =
            format!("NUMA node {}: {} of {cores} cores reserved", node.id, node.reserved_cores);
        findings.add(Kind::Topology, &host.name, message);
    }
    if node.reserved_memory_mib > node.memory_mib {
        let (reserved, memory) = (node.reserved_memory_mib, node.memory_mib);
        let message = format!("NUMA node {}: {reserved} of {memory} reserved", node.id);
        findings.add(Kind::Topology, &host.name, message);
    }
}

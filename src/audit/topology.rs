//! The topology that the plan carries: things stand once, in order.

use std::collections::BTreeSet;

use super::{Findings, Kind};
use crate::plan::Plan;
use crate::topology::{Host, NumaNode};

pub(super) fn check(plan: &Plan, findings: &mut Findings) {
    let mut names = BTreeSet::new();
    for host in &plan.topology.hosts {
        if !names.insert(&host.name) {
            findings.add(Kind::Topology, &host.name, "the host stands twice");
        }
        self::host(host, findings);
    }
}

fn host(host: &Host, findings: &mut Findings) {
    let mut ids = BTreeSet::new();
    let mut cpus = BTreeSet::new();
    for node in &host.numa {
        if !ids.insert(node.id) {
            findings.add(Kind::Topology, &host.name, format!("NUMA node {} stands twice", node.id));
        }
        for cpu in node.cores().flat_map(|core| &core.cpus) {
            if !cpus.insert(cpu) {
                findings.add(Kind::Topology, &host.name, format!("CPU {cpu} stands twice"));
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
            findings.add(Kind::Topology, &host.name, format!("pool {} stands twice", pool.name));
        }
    }
}

fn reserve(host: &Host, node: &NumaNode, findings: &mut Findings) {
    let cores = node.cores().count();
    if node.reserved_cores as usize > cores {
        let message =
            format!("NUMA node {}: {} cores reserved of {cores}", node.id, node.reserved_cores);
        findings.add(Kind::Topology, &host.name, message);
    }
    if node.reserved_memory_mib > node.memory_mib {
        let (reserved, memory) = (node.reserved_memory_mib, node.memory_mib);
        let message = format!("NUMA node {}: {reserved} reserved of {memory}", node.id);
        findings.add(Kind::Topology, &host.name, message);
    }
}

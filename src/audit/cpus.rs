//! Pinning: no CPU twice, whole cores, reserves left free, L3 domains not straddled.

use std::collections::{BTreeMap, BTreeSet};

use super::index::{CpuPosition, Index};
use super::{Findings, Kind};
use crate::ids::{HostName, InstanceName};
use crate::plan::{Instance, Plan};
use crate::topology::NumaNode;

/// The instance that has each CPU of each host.
type Owners<'a> = BTreeMap<(&'a HostName, u32), &'a InstanceName>;

pub(super) fn check(plan: &Plan, index: &Index<'_>, findings: &mut Findings) {
    let mut owners = Owners::new();
    for instance in &plan.instances {
        let Some(node) = index.numa(instance) else { continue };
        pins(instance, index, findings);
        guest_threads(instance, index, findings);
        l3(instance, node, index, findings);
        for cpu in &instance.cpus {
            if let Some(other) = owners.insert((&instance.host, *cpu), &instance.name) {
                let message = format!("CPU {cpu} of {} is also pinned by {other}", instance.host);
                findings.add(Kind::DuplicateCpu, &instance.name, message);
            }
        }
    }
    cores(&owners, index, findings);
    for instance in &plan.instances {
        emulator(instance, &owners, index, findings);
    }
}

fn pins(instance: &Instance, index: &Index<'_>, findings: &mut Findings) {
    let host = &instance.host;
    if instance.cpus.is_empty() {
        findings.add(Kind::UnknownCpu, &instance.name, "no CPUs");
    }
    for cpu in &instance.cpus {
        match index.position(host, *cpu) {
            Some(position) if position.numa == instance.numa => {
                if position.reserved {
                    let message = format!("CPU {cpu} of {host} is reserved for the host");
                    findings.add(Kind::ReservedCpu, &instance.name, message);
                }
            }
            Some(position) => {
                let (planned, numa) = (instance.numa, position.numa);
                let message =
                    format!("CPU {cpu} of {host} is on NUMA node {numa}; expected {planned}");
                findings.add(Kind::UnknownCpu, &instance.name, message);
            }
            None => {
                findings.add(Kind::UnknownCpu, &instance.name, format!("{host} has no CPU {cpu}"));
            }
        }
    }
}

/// Threads of one core never go to two instances; one may stay idle.
fn cores(owners: &Owners<'_>, index: &Index<'_>, findings: &mut Findings) {
    let mut first: BTreeMap<(&HostName, u32, usize), &InstanceName> = BTreeMap::new();
    for ((host, cpu), owner) in owners {
        let Some(CpuPosition { numa, core, .. }) = index.position(host, *cpu) else { continue };
        let holder = first.entry((host, numa, core)).or_insert(owner);
        if holder != owner {
            let message = format!("CPU {cpu} of {host} shares its core with {holder}");
            findings.add(Kind::SharedCore, owner, message);
        }
    }
}

/// A guest that sees threads schedules for threads: each of its cores must be
/// one.
fn guest_threads(instance: &Instance, index: &Index<'_>, findings: &mut Findings) {
    let threads = instance.threads as usize;
    if threads == 0 || !instance.cpus.len().is_multiple_of(threads) {
        let vcpus = instance.cpus.len();
        let message = format!("{vcpus} virtual CPUs do not make up cores of {threads} threads");
        findings.add(Kind::GuestThreads, &instance.name, message);
        return;
    }
    for cpus in instance.cpus.chunks(threads) {
        let cores: BTreeSet<(u32, usize)> = cpus
            .iter()
            .filter_map(|cpu| index.position(&instance.host, *cpu))
            .map(|position| (position.numa, position.core))
            .collect();
        if cores.len() > 1 {
            let message =
                format!("the guest sees CPUs {cpus:?} as one core; they are {} cores", cores.len());
            findings.add(Kind::GuestThreads, &instance.name, message);
        }
    }
}

fn l3(instance: &Instance, node: &NumaNode, index: &Index<'_>, findings: &mut Findings) {
    let positions: BTreeSet<CpuPosition> = instance
        .cpus
        .iter()
        .filter_map(|cpu| index.position(&instance.host, *cpu))
        .filter(|position| position.numa == instance.numa)
        .collect();
    let domains: BTreeSet<usize> = positions.iter().map(|position| position.l3).collect();
    if domains.len() < 2 {
        return;
    }
    let mut reserved = node.reserved_cores as usize;
    let mut largest = 0;
    for domain in &node.l3 {
        let kept = reserved.min(domain.cores.len());
        reserved -= kept;
        largest = largest.max(domain.cores.len() - kept);
    }
    if positions.len() <= largest {
        let (cores, over) = (positions.len(), domains.len());
        let message = format!(
            "{cores} cores straddle {over} L3 domains; one of {largest} cores would hold them"
        );
        findings.add(Kind::L3Straddled, &instance.name, message);
    }
}

fn emulator(instance: &Instance, owners: &Owners<'_>, index: &Index<'_>, findings: &mut Findings) {
    let host = &instance.host;
    if index.host(host).is_none() {
        return;
    }
    if instance.emulator_cpus.is_empty() {
        findings.add(Kind::EmulatorCpus, &instance.name, "no CPUs for its emulator threads");
    }
    for cpu in &instance.emulator_cpus {
        if index.position(host, *cpu).is_none() {
            let message = format!("emulator threads: {host} has no CPU {cpu}");
            findings.add(Kind::EmulatorCpus, &instance.name, message);
        }
        if let Some(owner) = owners.get(&(host, *cpu))
            && *owner != &instance.name
        {
            let message = format!("emulator threads: CPU {cpu} of {host} is pinned by {owner}");
            findings.add(Kind::EmulatorCpus, &instance.name, message);
        }
    }
}

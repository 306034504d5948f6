//! Pins: CPUs once, cores whole, reserves free, L3 domains kept.

use std::collections::{BTreeMap, BTreeSet};

use super::index::{Index, Seat};
use super::{Findings, Kind};
use crate::ids::{HostName, InstanceName};
use crate::plan::{Instance, Plan};
use crate::topology::NumaNode;

/// Who has each CPU of each host.
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
                let message = format!("CPU {cpu} of {} is pinned by {other} too", instance.host);
                findings.add(Kind::CpuTwice, &instance.name, message);
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
        findings.add(Kind::UnknownCpu, &instance.name, "it has no CPU");
    }
    for cpu in &instance.cpus {
        match index.seat(host, *cpu) {
            Some(seat) if seat.numa == instance.numa => {
                if seat.reserved {
                    let message = format!("CPU {cpu} of {host} is reserved for the host");
                    findings.add(Kind::ReservedCpu, &instance.name, message);
                }
            }
            Some(seat) => {
                let (planned, numa) = (instance.numa, seat.numa);
                let message =
                    format!("CPU {cpu} of {host} is on NUMA node {numa}, planned on {planned}");
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
        let Some(Seat { numa, core, .. }) = index.seat(host, *cpu) else { continue };
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
        let message = format!("{vcpus} virtual CPUs are no cores of {threads} threads");
        findings.add(Kind::GuestThreads, &instance.name, message);
        return;
    }
    for cpus in instance.cpus.chunks(threads) {
        let cores: BTreeSet<(u32, usize)> = cpus
            .iter()
            .filter_map(|cpu| index.seat(&instance.host, *cpu))
            .map(|seat| (seat.numa, seat.core))
            .collect();
        if cores.len() > 1 {
            let message =
                format!("the guest sees CPUs {cpus:?} as one core, they are {}", cores.len());
            findings.add(Kind::GuestThreads, &instance.name, message);
        }
    }
}

fn l3(instance: &Instance, node: &NumaNode, index: &Index<'_>, findings: &mut Findings) {
    let seats: BTreeSet<Seat> = instance
        .cpus
        .iter()
        .filter_map(|cpu| index.seat(&instance.host, *cpu))
        .filter(|seat| seat.numa == instance.numa)
        .collect();
    let domains: BTreeSet<usize> = seats.iter().map(|seat| seat.l3).collect();
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
    if seats.len() <= largest {
        let (cores, over) = (seats.len(), domains.len());
        let message = format!("{cores} cores lie in {over} L3 domains, one of {largest} would do");
        findings.add(Kind::L3Straddled, &instance.name, message);
    }
}

fn emulator(instance: &Instance, owners: &Owners<'_>, index: &Index<'_>, findings: &mut Findings) {
    let host = &instance.host;
    if index.host(host).is_none() {
        return;
    }
    if instance.emulator_cpus.is_empty() {
        findings.add(Kind::EmulatorCpus, &instance.name, "its emulator threads have no CPU");
    }
    for cpu in &instance.emulator_cpus {
        if index.seat(host, *cpu).is_none() {
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

//! Fixed machines: their number, size and spread are those of the spec.

use std::collections::BTreeMap;

use super::neighbours;
use super::{Findings, Kind};
use crate::plan::{Instance, Plan, Role};
use crate::spec::{FixedVm, HostSet, Spread};
use crate::topology::{Host, Level};
use crate::units::Mebibytes;

pub(super) fn check(plan: &Plan, findings: &mut Findings) {
    for vm in &plan.vms {
        let machines: Vec<&Instance> = plan.members(&vm.name).collect();
        if machines.len() != vm.count as usize {
            let message = format!("{} planned; expected {}", machines.len(), vm.count);
            findings.add(Kind::FixedCount, &vm.name, message);
        }
        for machine in &machines {
            size(vm, machine, findings);
            let place = machine.restart.as_ref().map(|place| &place.host);
            for name in [&machine.host].into_iter().chain(place) {
                let host = plan.topology.host(name);
                if host.is_some_and(|host| !is_allowed(vm, host)) {
                    let message = format!("is on {name}, or restarted there, which is not allowed");
                    findings.add(Kind::FixedHost, &machine.name, message);
                }
            }
        }
        spread(plan, vm, &machines, findings);
    }
    neighbours::check(plan, findings);
}

/// Whether the entry's lists allow a host.
pub(super) fn is_allowed(vm: &FixedVm, host: &Host) -> bool {
    !is_in(&vm.not_on, host) && (vm.on.is_empty() || is_in(&vm.on, host))
}

/// Whether a host is in one of these sets.
pub(super) fn is_in(sets: &[HostSet], host: &Host) -> bool {
    let label = |level: Level, name: &String| host.labels.get(&level) == Some(name);
    sets.iter().any(|set| match set {
        HostSet::Host(name) => *name == host.name,
        HostSet::Rack(name) => label(Level::Rack, name),
        HostSet::Site(name) => label(Level::Site, name),
    })
}

fn size(vm: &FixedVm, machine: &Instance, findings: &mut Findings) {
    if machine.role != Role::Fixed || machine.group.is_some() {
        findings.add(Kind::Role, &machine.name, "expected the role fixed and no group");
    }
    let disk = machine.root.as_ref().map_or(Mebibytes::ZERO, |root| root.size_mib);
    let same = machine.cpus.len() == vm.vcpus as usize
        && machine.memory_mib == vm.memory_mib
        && disk == vm.disk_mib;
    if !same {
        let message = format!(
            "{} CPUs, {} of memory, {} of disk; expected {}, {}, {}",
            machine.cpus.len(),
            machine.memory_mib,
            disk,
            vm.vcpus,
            vm.memory_mib,
            vm.disk_mib
        );
        findings.add(Kind::Layout, &machine.name, message);
    }
}

fn spread(plan: &Plan, vm: &FixedVm, machines: &[&Instance], findings: &mut Findings) {
    let Some(Spread { per, at_most }) = vm.spread else { return };
    let mut taken: BTreeMap<String, Vec<&Instance>> = BTreeMap::new();
    for machine in machines {
        let Some(host) = plan.topology.host(&machine.host) else { continue };
        let domain = host.failure_domain(per);
        let here = taken.entry(domain.clone()).or_default();
        if here.len() >= at_most.get() as usize {
            let others: Vec<&str> = here.iter().map(|one| one.name.as_str()).collect();
            let message = format!("shares {per} {domain:?} with {}", others.join(", "));
            findings.add(Kind::FixedSpread, &machine.name, message);
        }
        here.push(machine);
    }
}

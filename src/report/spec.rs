//! What a spec holds, or what is wrong with it.

use std::fmt::Write;

use serde_json::{Value, json};

use super::plan_text::size;
use crate::spec::{Demand, Spec, SpecErrors};
use crate::topology::NumaNode;
use crate::units::{Mebibytes, counted};

/// A spec in a few lines.
#[must_use]
pub fn text(spec: &Spec) -> String {
    let mut text = String::new();
    let (cores, memory) = allocatable(spec);
    let hosts: Vec<&str> = spec.topology.hosts.iter().map(|host| host.name.as_str()).collect();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "  hosts     {}: {} and {} for instances",
        hosts.join(", "),
        counted(cores, "core"),
        size(memory)
    );
    for service in &spec.services {
        let Demand::Redis(demand) = &service.demand;
        let _ = writeln!(
            text,
            "  service   {}: redis, {} reads, {} writes, {} data",
            service.name,
            demand.reads_per_s,
            demand.writes_per_s,
            size(demand.data_mib)
        );
    }
    for vm in &spec.vms {
        let _ = writeln!(
            text,
            "  vms       {}: {} of {} vCPU, {}, {} disk",
            vm.name,
            counted(vm.count.into(), "machine"),
            vm.vcpus,
            size(vm.memory_mib),
            size(vm.disk_mib)
        );
    }
    let _ = match spec.policy.survive {
        Some(level) => writeln!(text, "  survives  the loss of any one {level}"),
        None => writeln!(text, "  survives  nothing is promised"),
    };
    text
}

fn allocatable(spec: &Spec) -> (u64, Mebibytes) {
    let nodes = || spec.topology.hosts.iter().flat_map(|host| &host.numa);
    let cores = nodes().map(|node| u64::from(node.allocatable_cores())).sum();
    (cores, nodes().map(NumaNode::allocatable_memory).sum())
}

/// The same for programs; `problems` is there and empty.
#[must_use]
pub fn json(spec: &Spec) -> Value {
    let (cores, memory) = allocatable(spec);
    let hosts: Vec<&str> = spec.topology.hosts.iter().map(|host| host.name.as_str()).collect();
    let services: Vec<Value> = spec
        .services
        .iter()
        .map(|service| json!({ "name": service.name, "demand": service.demand }))
        .collect();
    json!({
        "problems": [],
        "name": spec.name,
        "hosts": hosts,
        "allocatable_cores": cores,
        "allocatable_memory_mib": memory,
        "services": services,
        "vms": spec.vms,
        "survive": spec.policy.survive,
    })
}

/// Mistakes for programs, in the order of files and places.
#[must_use]
pub fn problems_json(errors: &SpecErrors) -> Value {
    let problems: Vec<Value> = errors
        .problems
        .iter()
        .map(|problem| {
            json!({
                "file": problem.place.file,
                "line": problem.place.mark.map(|mark| mark.line),
                "column": problem.place.mark.map(|mark| mark.column),
                "message": problem.message,
                "hint": problem.hint,
            })
        })
        .collect();
    json!({ "problems": problems })
}

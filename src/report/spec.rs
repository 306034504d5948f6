//! What a spec holds, or what is wrong with it.

use std::fmt::Write;

use serde_json::{Value, json};

use super::plan_text::size;
use crate::spec::{Demand, RelationalDemand, ShardedDemand, Spec, SpecErrors};
use crate::topology::{Level, NumaNode};
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
        let asked = asked(&service.demand);
        let _ = writeln!(text, "  service   {}: {}, {asked}", service.name, service.engine);
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
    let levels: Vec<&str> = spec.policy.levels().map(Level::as_str).collect();
    let _ = match levels.as_slice() {
        [] => writeln!(text, "  survives  nothing is promised"),
        levels => writeln!(text, "  survives  the loss of any one {}", levels.join(", any one ")),
    };
    text
}

/// What is asked of a service, in a few words.
#[must_use]
pub fn asked(demand: &Demand) -> String {
    match demand {
        Demand::Sharded(ShardedDemand { reads_per_s, writes_per_s, data_mib, .. })
        | Demand::PrimaryReplica(RelationalDemand {
            reads_per_s, writes_per_s, data_mib, ..
        }) => {
            let data = size(*data_mib);
            format!("{reads_per_s} reads, {writes_per_s} writes, {data} data")
        }
        Demand::Quorum(demand) => format!(
            "{} documents indexed, {} searches, {} data, {}",
            demand.index_per_s,
            demand.queries_per_s,
            size(demand.data_mib),
            match demand.copies {
                1 => "1 copy".to_owned(),
                copies => format!("{copies} copies"),
            }
        ),
        Demand::Pool(demand) => {
            format!("{} requests of {}", demand.requests_per_s, demand.response_bytes)
        }
        Demand::GatewayPair(demand) => format!("{} requests", demand.requests_per_s),
    }
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
        .map(|service| json!({ "name": service.name, "engine": service.engine, "demand": service.demand }))
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

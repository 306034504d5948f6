//! What a spec holds, or its errors.

use std::fmt::Write;

use serde_json::{Value, json};

use super::plan_text::{at_most, host_rules, size};
use super::preferred::leads;
use super::profile::own;
use crate::spec::{
    Demand, FixedVm, Objective, Quorum, RelationalDemand, Service, ShardedDemand, Spec, SpecErrors,
};
use crate::topology::NumaNode;
use crate::units::{BitsPerSecond, Mebibytes, Microseconds, PerSecond, counted};

/// Names that are listed before the rest is counted.
const MAX_NAMES: usize = 6;

/// A spec in a few lines: hosts, the demand of each service, policy.
#[must_use]
pub fn text(spec: &Spec) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  hosts     {}", hosts(spec));
    for service in &spec.services {
        let _ = writeln!(
            text,
            "  service   {}: {}, {}{}{}",
            service.name,
            service.engine,
            demand(&service.demand),
            behind(service),
            preferred(service)
        );
    }
    for vm in &spec.vms {
        let _ = writeln!(text, "  vms       {}: {}", vm.name, machines(vm));
    }
    for own in own(&spec.profiles) {
        let _ = writeln!(text, "  profile   {}: {}", own.engine, own.text());
    }
    let _ = writeln!(text, "  survives  {}", survived(spec));
    if spec.policy.objective != Objective::ALL {
        let words: Vec<&str> = spec.policy.objective.iter().map(|one| one.as_str()).collect();
        let _ = writeln!(text, "  objective {}", words.join(", then "));
    }
    text
}

fn hosts(spec: &Spec) -> String {
    let (cores, memory) = allocatable(spec);
    let hosts = &spec.topology.hosts;
    let mut names: Vec<&str> =
        hosts.iter().take(MAX_NAMES).map(|host| host.name.as_str()).collect();
    let more = hosts.len().saturating_sub(MAX_NAMES);
    let more = format!("{more} more");
    if hosts.len() > MAX_NAMES {
        names.push(&more);
    }
    let (cores, memory) = (counted(cores, "core"), size(memory));
    format!("{}: {cores} and {memory} for instances", names.join(", "))
}

fn behind(service: &Service) -> String {
    service.gateway.as_ref().map(|gateway| format!(", behind {gateway}")).unwrap_or_default()
}

fn preferred(service: &Service) -> String {
    let hosts: Vec<String> = service.prefer.iter().map(ToString::to_string).collect();
    if hosts.is_empty() {
        return String::new();
    }
    // A gateway has one, others may have several.
    let leads = leads(service.engine.cluster(), 2);
    format!(", {leads} on {} if possible", hosts.join(", "))
}

/// Fixed VMs in a few words, without what is not planned for.
fn machines(vm: &FixedVm) -> String {
    let count = counted(vm.count.into(), "VM");
    let mut text = format!("{count} of {} vCPU, {}", vm.vcpus, size(vm.memory_mib));
    if vm.disk_mib > Mebibytes::ZERO {
        let _ = write!(text, ", {} disk", size(vm.disk_mib));
    }
    if vm.iops_per_s > PerSecond::ZERO {
        let _ = write!(text, ", {} IOPS", vm.iops_per_s);
    }
    if vm.network_bits_per_s > BitsPerSecond::ZERO {
        let _ = write!(text, ", {}", vm.network_bits_per_s);
    }
    if let Some(spread) = vm.spread {
        let _ = write!(text, ", {}", at_most(spread));
    }
    text.push_str(&host_rules(vm));
    if vm.restart {
        text.push_str(", room to restart each elsewhere");
    }
    text
}

fn survived(spec: &Spec) -> String {
    if !spec.policy.survives() {
        return format!("no guarantee{}", restarted(spec));
    }
    if spec.services.is_empty() {
        return format!("nothing: fixed VMs have no copies{}", restarted(spec));
    }
    let levels: Vec<String> = spec
        .policy
        .survive
        .iter()
        .map(|survive| match survive.quorum {
            Quorum::Automatic => format!("any one {}", survive.level),
            Quorum::Manual => {
                format!("any one {} (a lost majority is restored manually)", survive.level)
            }
        })
        .collect();
    let pairs = |one: &&Service| matches!(&one.demand, Demand::PrimaryReplica(demand) if demand.failover.is_manual());
    let pairs: Vec<&str> =
        spec.services.iter().filter(pairs).map(|one| one.name.as_str()).collect();
    let manual = match pairs.as_slice() {
        [] => String::new(),
        names => format!(", {} by manual failover", names.join(", ")),
    };
    let except = if spec.vms.is_empty() { "" } else { ", except fixed VMs" };
    format!("the loss of {}{manual}{except}{}", levels.join(", of "), restarted(spec))
}

/// Which entries of fixed VMs are restarted by a person.
fn restarted(spec: &Spec) -> String {
    let names: Vec<&str> =
        spec.vms.iter().filter(|vm| vm.restart).map(|vm| vm.name.as_str()).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!("; there is room to restart {}", names.join(", ")),
    }
}

/// A demand in a few words.
#[must_use]
pub fn demand(demand: &Demand) -> String {
    match demand {
        Demand::Sharded(ShardedDemand { reads_per_s, writes_per_s, data_mib, .. }) => {
            let data = size(*data_mib);
            format!("{reads_per_s} reads, {writes_per_s} writes, {data} data")
        }
        Demand::PrimaryReplica(demand) => relational(demand),
        Demand::Quorum(demand) => {
            let kept = demand.retention_days.map(|days| format!(" of {days} days"));
            format!(
                "{} documents indexed, {} searches, {} data{}, {}",
                demand.index_per_s,
                demand.queries_per_s,
                size(demand.data_mib),
                kept.unwrap_or_default(),
                match demand.copies {
                    1 => "1 copy".to_owned(),
                    copies => format!("{copies} copies"),
                }
            )
        }
        Demand::Pool(demand) => {
            let mut text =
                format!("{} requests of {}", demand.requests_per_s, demand.response_bytes);
            if demand.cpu_us > 0 {
                let _ = write!(text, " and {} CPU", Microseconds::new(demand.cpu_us));
            }
            text.push_str(tls(demand.tls));
            text
        }
        Demand::GatewayPair(demand) => {
            let transactions = match demand.transactions_per_s {
                PerSecond::ZERO => String::new(),
                all => format!(", {all} transactions"),
            };
            format!("{} requests{}{transactions}", demand.requests_per_s, tls(demand.tls))
        }
    }
}

fn relational(demand: &RelationalDemand) -> String {
    let RelationalDemand {
        reads_per_s,
        writes_per_s,
        data_mib,
        working_set_percent,
        shards,
        failover,
    } = demand;
    let mut text = format!("{reads_per_s} reads, {writes_per_s} writes, {} data", size(*data_mib));
    if *working_set_percent < 100 {
        let _ = write!(text, " ({working_set_percent} % in use)");
    }
    if *shards > 1 {
        let _ = write!(text, ", up to {shards} shards");
    }
    if !failover.is_manual() {
        text.push_str(", automatic failover");
    }
    text
}

const fn tls(ends: bool) -> &'static str {
    if ends { ", with TLS" } else { "" }
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
        .map(|service| json!({ "name": service.name, "engine": service.engine, "demand": service.demand, "gateway": service.gateway }))
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
        "objective": spec.policy.objective,
        "profiles": own(&spec.profiles),
    })
}

/// Errors for programs, in the order of files and places.
#[must_use]
pub fn problems_json(errors: &SpecErrors) -> Value {
    let problems: Vec<Value> = errors
        .diagnostics
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

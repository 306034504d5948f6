//! Redis and Valkey: demand, configuration, data and memory.

use super::groups::{SLOTS, members};
use super::index::Index;
use super::speed::{self, MILLION, falls_short, millionths};
use super::{Findings, Kind};
use crate::plan::{Capacity, Instance, Plan, ServicePlan, Setting, SlotRange};
use crate::profile::{Profile, Sharded};
use crate::spec::{Persistence, ShardedDemand};
use crate::units::Mebibytes;

pub(super) fn check(
    plan: &Plan,
    service: &ServicePlan,
    demand: &ShardedDemand,
    (profile, rules): (&Profile, &Sharded),
    index: &Index<'_>,
    findings: &mut Findings,
) {
    demanded(service, demand, rules, findings);
    data_per_process(service, demand, rules, findings);
    parts(plan, service, demand, findings);
    for instance in plan.members(&service.name) {
        configuration(instance, demand, findings);
        let cost = value_cost(demand.value_bytes.get(), rules);
        speed::check(service, instance, profile, cost, index, findings);
        memory(service, demand, instance, (profile, rules), findings);
    }
}

/// Traffic of each instance in bit/s: any may be the master of its group.
pub(super) fn traffic(service: &ServicePlan, demand: &ShardedDemand, rules: &Sharded) -> u128 {
    let operations = u128::from(demand.reads_per_s.get()) + u128::from(demand.writes_per_s.get());
    let each = operations / u128::from(service.layout.groups.max(1));
    let overhead = rules.network.overhead_bytes.whole();
    each.saturating_mul(u128::from(demand.value_bytes.get().saturating_add(overhead)) * 8)
}

/// Millionths of a plain read that an operation on a value of that size costs.
fn value_cost(value_bytes: u64, rules: &Sharded) -> u128 {
    let numbers = &rules.work;
    let further = u128::from(value_bytes.saturating_sub(numbers.free_value_bytes.whole()));
    MILLION + further * millionths(&numbers.per_further_kib) / 1_024
}

fn demanded(
    service: &ServicePlan,
    demand: &ShardedDemand,
    rules: &Sharded,
    findings: &mut Findings,
) {
    let work = &rules.work;
    let kept = match demand.persistence {
        Persistence::None => 0,
        Persistence::Rdb => millionths(&work.write_rdb),
        Persistence::Aof => millionths(&work.write_aof),
    };
    let replicas = u128::from(service.layout.copies.saturating_sub(1));
    let write = millionths(&work.write) + replicas * millionths(&work.write_per_replica) + kept;
    let writes = u128::from(demand.writes_per_s.get()).saturating_mul(write) / MILLION;
    let derived = u128::from(demand.reads_per_s.get()).saturating_add(writes);
    let claimed = service.capacity.demand_per_s;
    if falls_short(claimed.get(), derived) {
        let message = super::service::too_little(service, derived);
        findings.add(Kind::Ceiling, &service.name, message);
    }
}

fn configuration(instance: &Instance, demand: &ShardedDemand, findings: &mut Findings) {
    let mut wrong = |message: String| findings.add(Kind::Configuration, &instance.name, message);
    match max_memory(instance) {
        None => match instance.settings.get("maxmemory") {
            None => wrong("maxmemory is missing".to_owned()),
            Some(other) => wrong(format!("maxmemory is {other:?}; expected a size in bytes")),
        },
        Some(0) => wrong("maxmemory is unlimited".to_owned()),
        Some(bytes) if bytes >= instance.memory_mib.bytes() => {
            wrong(format!(
                "maxmemory of {bytes} bytes is not below its memory of {}",
                instance.memory_mib
            ));
        }
        Some(_) => {}
    }
    let found = |name: &str| {
        let value = instance.settings.get(name);
        value.map_or_else(|| "missing".to_owned(), ToString::to_string)
    };
    let address = instance.address.map(Setting::Address);
    for (name, expected) in [
        ("appendonly", Some(Setting::Switch(demand.persistence == Persistence::Aof))),
        // Any other policy evicts keys.
        ("maxmemory-policy", Some("noeviction".into())),
        ("cluster-enabled", Some(Setting::Switch(true))),
        ("cluster-announce-ip", address),
        // Migration would move a replica onto its new master's host.
        ("cluster-allow-replica-migration", Some(Setting::Switch(false))),
    ] {
        if instance.settings.get(name) != expected.as_ref() {
            let expected = expected.map_or_else(|| "none".to_owned(), |value| value.to_string());
            wrong(format!("{name} is {}; expected {expected}", found(name)));
        }
    }
    let rdb = demand.persistence == Persistence::Rdb;
    let points = instance.settings.get("save");
    let has_points = matches!(points, Some(Setting::Words(points)) if !points.is_empty());
    if has_points != rdb || !matches!(points, Some(Setting::Words(_))) {
        let expected = if rdb { "snapshot points" } else { "none" };
        wrong(format!("save is {}; expected {expected}", found("save")));
    }
}

/// Bytes of data that an instance takes at most.
fn max_memory(instance: &Instance) -> Option<u64> {
    match instance.settings.get("maxmemory") {
        Some(Setting::Bytes(bytes)) => Some(*bytes),
        _ => None,
    }
}

/// Keys spread evenly over the slots: with its part of the demand every group is
/// within what one instance can do, and every copy of it holds the data.
fn parts(plan: &Plan, service: &ServicePlan, demand: &ShardedDemand, findings: &mut Findings) {
    let Capacity { usable_per_s, demand_per_s, .. } = service.capacity;
    let unit = service.engine.cluster().operations();
    let exceeds = |whole: u64, slots: u64, most: u64| {
        u128::from(whole) * u128::from(slots) > u128::from(most) * u128::from(SLOTS)
    };
    for group in &service.groups {
        let index = group.index;
        let slots: u64 = group.slots.iter().map(|range| width(*range)).sum();
        if exceeds(demand_per_s.get(), slots, usable_per_s.get()) {
            let message = format!(
                "group {index} has {slots} of {SLOTS} slots; its part of {} {unit}/s exceeds the {} \
                 {unit}/s of an instance",
                demand_per_s.get(),
                usable_per_s.get()
            );
            findings.add(Kind::Capacity, &service.name, message);
        }
        for copy in members(group).filter_map(|name| plan.instance(name)) {
            let Some(limit) = max_memory(copy) else { continue };
            if exceeds(demand.data_mib.bytes(), slots, limit) {
                let (data, held) = (demand.data_mib, Mebibytes::new(limit >> 20));
                let message = format!(
                    "group {index} has {slots} of {SLOTS} slots; its part of {data} exceeds its \
                     maxmemory of {held}"
                );
                findings.add(Kind::Data, &copy.name, message);
            }
        }
    }
}

/// Slots of a range; none of one that ends before it begins.
fn width(range: SlotRange) -> u64 {
    (u64::from(range.last) + 1).saturating_sub(range.first.into())
}

fn data_per_process(
    service: &ServicePlan,
    demand: &ShardedDemand,
    rules: &Sharded,
    findings: &mut Findings,
) {
    let groups = u64::from(service.layout.groups).max(1);
    let held = Mebibytes::new(demand.data_mib.get().div_ceil(groups));
    let most = Mebibytes::new(rules.memory.data_per_process_mib.whole());
    if held > most {
        let message = format!("each process holds {held} of data; at most {most} is advised");
        findings.add(Kind::ProcessMemory, &service.name, message);
    }
}

/// Full to `maxmemory`, fragmented, and copied by a fork, a process still fits.
fn memory(
    service: &ServicePlan,
    demand: &ShardedDemand,
    instance: &Instance,
    (profile, rules): (&Profile, &Sharded),
    findings: &mut Findings,
) {
    let Some(limit) = max_memory(instance) else { return };
    let numbers = &rules.memory;
    let copied = match demand.persistence {
        Persistence::None => 0,
        Persistence::Rdb => millionths(&numbers.copy_on_write_rdb),
        Persistence::Aof => millionths(&numbers.copy_on_write_aof),
    };
    let fragmented = u128::from(limit) * (MILLION + millionths(&numbers.fragmentation)) / MILLION;
    let data = fragmented * (MILLION + copied) / MILLION;
    let backlog = if service.layout.copies > 1 { numbers.backlog_mib.whole() } else { 0 };
    let besides = Mebibytes::new(profile.guest.base_mib.whole().saturating_add(backlog));
    let needed = data.saturating_add(u128::from(besides.bytes()));
    let memory = instance.memory_mib;
    if needed > u128::from(memory.bytes()) {
        let message =
            format!("full to maxmemory it needs {} MiB; it has {memory}", needed.div_ceil(1 << 20));
        findings.add(Kind::ProcessMemory, &instance.name, message);
    }
}

//! Instances of a service: layout, configuration, data, capacity.

use super::groups::{SLOTS, members};
use super::{Findings, Kind};
use crate::plan::{Capacity, Instance, Layout, Plan, ServicePlan};
use crate::spec::{Demand, Persistence, RedisDemand};
use crate::units::Mebibytes;

pub(super) fn check(plan: &Plan, findings: &mut Findings) {
    for service in &plan.services {
        capacity(service, findings);
        let instances = || plan.instances.iter().filter(|i| i.service == service.name);
        for instance in instances() {
            layout(instance, &service.layout, findings);
        }
        match &service.demand {
            Demand::Redis(demand) => {
                for instance in instances() {
                    redis_config(instance, demand, findings);
                }
                parts(plan, service, demand, findings);
            }
        }
    }
}

fn capacity(service: &ServicePlan, findings: &mut Findings) {
    let capacity = &service.capacity;
    let mut wrong = |message: String| findings.add(Kind::Capacity, &service.name, message);
    let (ceiling, usable) = (capacity.ceiling_per_s, capacity.usable_per_s);
    if usable > ceiling {
        wrong(format!("usable {usable} of an instance is above its ceiling {ceiling}"));
    }
    let (total, groups) = (capacity.total_per_s, service.layout.groups);
    if usable.checked_mul(u64::from(groups)) != Some(total) {
        wrong(format!("{groups} masters of {usable} each are not {total}"));
    }
    if total < capacity.demand_per_s {
        wrong(format!("it can do {total}, asked for are {}", capacity.demand_per_s));
    }
}

fn layout(instance: &Instance, layout: &Layout, findings: &mut Findings) {
    let mut differs = |what: &str, has: String, planned: String| {
        let message = format!("it has {has} {what}, its layout {planned}");
        findings.add(Kind::Layout, &instance.name, message);
    };
    if instance.cpus.len() != layout.vcpus as usize {
        differs("virtual CPUs", instance.cpus.len().to_string(), layout.vcpus.to_string());
    }
    if instance.memory_mib != layout.memory_mib {
        differs("memory", instance.memory_mib.to_string(), layout.memory_mib.to_string());
    }
    let data = instance.data.as_ref().map_or(Mebibytes::ZERO, |volume| volume.size_mib);
    if data != layout.data_mib {
        differs("data volume", data.to_string(), layout.data_mib.to_string());
    }
}

fn redis_config(instance: &Instance, demand: &RedisDemand, findings: &mut Findings) {
    let mut wrong = |message: String| findings.add(Kind::Configuration, &instance.name, message);
    let value = |directive: &str| instance.config.get(directive).map(String::as_str);
    match value("maxmemory").and_then(redis_bytes) {
        None | Some(0) => wrong("maxmemory is missing or unlimited".to_owned()),
        Some(bytes) if bytes >= instance.memory_mib.bytes() => {
            wrong(format!("maxmemory {bytes} B is not below its {}", instance.memory_mib));
        }
        Some(_) => {}
    }
    let address = instance.address.to_string();
    let appends = if demand.persistence == Persistence::Aof { "yes" } else { "no" };
    for (directive, expected) in [
        ("appendonly", appends),
        // Any other policy drops keys, which nobody asked for.
        ("maxmemory-policy", "noeviction"),
        ("cluster-enabled", "yes"),
        ("cluster-announce-ip", address.as_str()),
        // Migration would move a replica onto its new master's host.
        ("cluster-allow-replica-migration", "no"),
    ] {
        if value(directive) != Some(expected) {
            let found = value(directive).unwrap_or("missing");
            wrong(format!("{directive} is {found}; expected {expected}"));
        }
    }
    let rdb = demand.persistence == Persistence::Rdb;
    let has_points = value("save").is_some_and(|points| !matches!(points, "" | "\"\""));
    if has_points != rdb {
        let found = value("save").unwrap_or("missing");
        let expected = if rdb { "points in time" } else { "none" };
        wrong(format!("save is {found}; expected {expected}"));
    }
}

/// A memory size as `redis.conf` writes it: `512mb` is 512 MiB, `512m` half a
/// billion bytes.
pub(super) fn redis_bytes(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let split = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let (digits, unit) = lower.split_at(split);
    let factor: u64 = match unit {
        "" | "b" => 1,
        "k" => 1_000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(factor)
}

/// Keys spread evenly over the slots: with its part of the demand every group is
/// within what one instance can do, and every copy of it holds the data.
fn parts(plan: &Plan, service: &ServicePlan, demand: &RedisDemand, findings: &mut Findings) {
    let Capacity { usable_per_s, demand_per_s, .. } = service.capacity;
    let exceeds = |whole: u64, slots: u64, most: u64| {
        u128::from(whole) * u128::from(slots) > u128::from(most) * u128::from(SLOTS)
    };
    for group in &service.groups {
        let index = group.index;
        let slots = (u64::from(group.last_slot) + 1).saturating_sub(group.first_slot.into());
        if exceeds(demand_per_s.get(), slots, usable_per_s.get()) {
            let message = format!(
                "group {index} has {slots} of {SLOTS} slots, too much of {demand_per_s} for an \
                 instance that can do {usable_per_s}"
            );
            findings.add(Kind::Capacity, &service.name, message);
        }
        for copy in members(group).filter_map(|name| plan.instance(name)) {
            let limit = copy.config.get("maxmemory").and_then(|text| redis_bytes(text));
            let Some(limit) = limit else { continue };
            if exceeds(demand.data_mib.bytes(), slots, limit) {
                let (data, held) = (demand.data_mib, Mebibytes::new(limit >> 20));
                let message = format!(
                    "group {index} has {slots} of {SLOTS} slots, its part of {data} is more than \
                     its maxmemory {held}"
                );
                findings.add(Kind::Data, &copy.name, message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::redis_bytes;

    #[test]
    fn sizes_are_read_as_redis_reads_them() {
        assert_eq!(redis_bytes("100"), Some(100));
        assert_eq!(redis_bytes("1k"), Some(1_000));
        assert_eq!(redis_bytes("1KB"), Some(1_024));
        assert_eq!(redis_bytes("2gb"), Some(2 << 30));
        assert_eq!(redis_bytes("mb"), None);
        assert_eq!(redis_bytes("1 gb"), None);
        assert_eq!(redis_bytes("99999999999999999999"), None);
    }
}

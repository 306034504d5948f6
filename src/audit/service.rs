//! Instances of a service: layout, configuration, data, capacity.

use super::{Findings, Kind};
use crate::plan::{Instance, Layout, Plan, Role, ServicePlan};
use crate::spec::{Demand, RedisDemand};
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
                    redis_config(instance, findings);
                }
                let masters = instances().filter(|i| i.role == Role::Master);
                data(service, demand, masters, findings);
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

fn redis_config(instance: &Instance, findings: &mut Findings) {
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
    for (directive, expected) in [
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

fn data<'a>(
    service: &ServicePlan,
    demand: &RedisDemand,
    masters: impl Iterator<Item = &'a Instance>,
    findings: &mut Findings,
) {
    let limits = masters.filter_map(|master| redis_bytes(master.config.get("maxmemory")?));
    let held = limits.fold(0u64, u64::saturating_add);
    if held < demand.data_mib.bytes() {
        let held = Mebibytes::new(held >> 20);
        let message = format!("its masters hold at most {held}, asked for are {}", demand.data_mib);
        findings.add(Kind::Data, &service.name, message);
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

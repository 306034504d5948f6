//! Services: layout and capacity of any kind, then what holds for its own.

use std::collections::BTreeMap;

use super::index::Index;
use super::quorum::Division;
use super::{Findings, Kind, gateway_pair, pool, primary_replica, quorum, sharded};
use crate::ids::{HostName, ServiceName};
use crate::plan::{Instance, Layout, Plan, Role, ServicePlan};
use crate::profile::{Profile, Profiles, Rules};
use crate::spec::Demand;
use crate::units::{Mebibytes, PerSecond};

pub(super) fn check(plan: &Plan, profiles: &Profiles, index: &Index<'_>, findings: &mut Findings) {
    for service in &plan.services {
        let profile = profiles.of(service.engine);
        capacity(plan, service, profile, findings);
        for instance in plan.members(&service.name) {
            layout(instance, &service.layout, findings);
        }
        match (&service.demand, profile.map(|profile| (profile, &profile.rules))) {
            (Demand::Sharded(demand), Some((profile, Rules::Sharded(rules)))) => {
                sharded::check(plan, service, demand, (profile, rules), index, findings);
            }
            (Demand::PrimaryReplica(demand), Some((profile, Rules::PrimaryReplica(rules)))) => {
                primary_replica::check(plan, service, demand, (profile, rules), index, findings);
            }
            (Demand::Quorum(demand), Some((profile, Rules::Quorum(rules)))) => {
                quorum::check(plan, service, demand, (profile, rules), index, findings);
            }
            (Demand::Pool(demand), Some((profile, Rules::Pool(rules)))) => {
                pool::check(plan, service, demand, (profile, rules), index, findings);
            }
            (Demand::GatewayPair(demand), Some((profile, Rules::GatewayPair(rules)))) => {
                gateway_pair::check(plan, service, demand, (profile, rules), index, findings);
            }
            _ => {
                let message = format!("{} does not support a demand of this kind", service.engine);
                findings.add(Kind::Engine, &service.name, message);
            }
        }
    }
    bandwidth(plan, profiles, findings);
}

/// Each host's traffic must fit through its NIC.
fn bandwidth(plan: &Plan, profiles: &Profiles, findings: &mut Findings) {
    let traffic = traffic_by_host(plan, profiles);
    for host in &plan.topology.hosts {
        let Some(most) = host.network_bits_per_s else { continue };
        let needed = traffic.get(&host.name).copied().unwrap_or(0);
        if needed > u128::from(most.get()) {
            let message = format!("its instances need {needed} bit/s; its NIC has {most}");
            findings.add(Kind::Bandwidth, &host.name, message);
        }
    }
}

/// Returns the traffic of all instances in bit/s, by host, when all serve.
#[must_use]
pub fn traffic_by_host<'a>(plan: &'a Plan, profiles: &Profiles) -> BTreeMap<&'a HostName, u128> {
    let services = plan.services.iter().map(|one| (&one.name, traffic(one, profiles)));
    let vms = plan.vms.iter().map(|one| (&one.name, u128::from(one.network_bits_per_s.get())));
    let mut each: BTreeMap<&ServiceName, u128> = BTreeMap::new();
    for (name, traffic) in services.chain(vms) {
        // Names that a broken plan has twice count twice.
        let sum = each.entry(name).or_default();
        *sum = sum.saturating_add(traffic);
    }
    let mut found: BTreeMap<&HostName, u128> = BTreeMap::new();
    for instance in &plan.instances {
        let traffic = each.get(&instance.service).copied().unwrap_or(0);
        let sum = found.entry(&instance.host).or_default();
        *sum = sum.saturating_add(traffic);
    }
    found
}

/// Traffic of one instance in bit/s.
pub(super) fn bandwidth_of(plan: &Plan, profiles: &Profiles, instance: &Instance) -> u128 {
    match plan.service_of(instance) {
        Some(service) => traffic(service, profiles),
        None => {
            let vm = plan.vms.iter().find(|vm| vm.name == instance.service);
            vm.map_or(0, |vm| vm.network_bits_per_s.get().into())
        }
    }
}

/// Says that a plan states less work than its demand comes to.
pub(super) fn too_little(service: &ServicePlan, derived: u128) -> String {
    let (unit, claimed) = (service.engine.cluster().operations(), service.capacity.demand_per_s);
    let claimed = claimed.get();
    format!("its demand comes to {derived} {unit}/s; the plan states {claimed} {unit}/s")
}

/// Traffic of one instance of a service in bit/s.
fn traffic(service: &ServicePlan, profiles: &Profiles) -> u128 {
    match (&service.demand, profiles.of(service.engine).map(|profile| &profile.rules)) {
        (Demand::Sharded(demand), Some(Rules::Sharded(rules))) => {
            sharded::traffic(service, demand, rules)
        }
        (Demand::PrimaryReplica(demand), Some(Rules::PrimaryReplica(rules))) => {
            primary_replica::traffic(service, demand, rules)
        }
        (Demand::Quorum(demand), Some(Rules::Quorum(rules))) => {
            quorum::traffic(service, demand, rules)
        }
        (Demand::Pool(demand), Some(Rules::Pool(rules))) => pool::traffic(service, demand, rules),
        (Demand::GatewayPair(demand), Some(Rules::GatewayPair(rules))) => {
            gateway_pair::traffic(demand, rules)
        }
        _ => 0,
    }
}

fn capacity(
    plan: &Plan,
    service: &ServicePlan,
    profile: Option<&Profile>,
    findings: &mut Findings,
) {
    let capacity = &service.capacity;
    let mut wrong = |message: String| findings.add(Kind::Capacity, &service.name, message);
    let (ceiling, usable) = (capacity.ceiling_per_s, capacity.usable_per_s);
    if usable > ceiling {
        wrong(format!("usable rate {usable} exceeds the ceiling {ceiling}"));
    }
    let (total, serving) = (capacity.total_per_s, serving(service));
    let added = match (&service.demand, profile.map(|profile| (profile, &profile.rules))) {
        (Demand::Quorum(demand), Some((profile, Rules::Quorum(rules)))) => {
            let primary = Division::new(plan, service, demand, (profile, rules)).primary;
            let shards = primary.saturating_mul(service.layout.copies.into());
            Some(PerSecond::new(quorum::carried(service, shards, serving.into())))
        }
        _ => usable.checked_mul(u64::from(serving)),
    };
    if added != Some(total) {
        wrong(format!("{serving} serving instances of {usable} do not add up to {total}"));
    }
    if total < capacity.demand_per_s {
        wrong(format!("capacity {total} is below the demand {}", capacity.demand_per_s));
    }
}

/// Instances that serve at the same time: masters of a sharded service, one of a
/// gateway pair, else all.
const fn serving(service: &ServicePlan) -> u32 {
    match &service.demand {
        Demand::Sharded(_) | Demand::GatewayPair(_) => service.layout.groups,
        Demand::PrimaryReplica(_) | Demand::Quorum(_) | Demand::Pool(_) => service.layout.instances,
    }
}

fn layout(instance: &Instance, layout: &Layout, findings: &mut Findings) {
    let mut differs = |what: &str, has: String, planned: String| {
        let message = format!("{what}: {has}; its layout has {planned}");
        findings.add(Kind::Layout, &instance.name, message);
    };
    let witness = layout.witness.as_ref().filter(|_| instance.role == Role::Witness);
    let (vcpus, memory, planned) = witness
        .map_or((layout.vcpus, layout.memory_mib, layout.data_mib), |one| {
            (one.vcpus, one.memory_mib, one.data_mib)
        });
    if instance.cpus.len() != vcpus as usize {
        differs("virtual CPUs", instance.cpus.len().to_string(), vcpus.to_string());
    }
    if instance.memory_mib != memory {
        differs("memory", instance.memory_mib.to_string(), memory.to_string());
    }
    let data = instance.data.as_ref().map_or(Mebibytes::ZERO, |volume| volume.size_mib);
    // Where pools are not known there are no volumes at all.
    if data != planned && (instance.root.is_some() || data != Mebibytes::ZERO) {
        differs("data volume", data.to_string(), planned.to_string());
    }
}

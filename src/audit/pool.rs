//! Apache and nginx: work of a request, memory of the workers.

use super::index::Index;
use super::speed::{self, MILLION, falls_short, millionths};
use super::{Findings, Kind};
use crate::plan::{Instance, Plan, ServicePlan};
use crate::profile::{Pool, Profile};
use crate::spec::WebDemand;

pub(super) fn check(
    plan: &Plan,
    service: &ServicePlan,
    demand: &WebDemand,
    (profile, rules): (&Profile, &Pool),
    index: &Index<'_>,
    findings: &mut Findings,
) {
    let claimed = service.capacity.demand_per_s;
    if falls_short(claimed.get(), demand.requests_per_s.get().into()) {
        let message = format!("its demand is {}; the plan states {claimed}", demand.requests_per_s);
        findings.add(Kind::Ceiling, &service.name, message);
    }
    for instance in plan.members(&service.name) {
        let core = speed::per_core(instance, profile, index);
        let application = u128::from(demand.cpu_us) * core;
        let cost = request(demand, rules).saturating_add(application);
        speed::check(service, instance, profile, cost, index, findings);
        memory(demand, instance, (profile, rules), findings);
    }
}

/// Traffic of each instance in bit/s when all serve.
pub(super) fn traffic(service: &ServicePlan, demand: &WebDemand, rules: &Pool) -> u128 {
    let each = demand.response_bytes.get().saturating_add(rules.network.overhead_bytes.whole());
    let all = u128::from(demand.requests_per_s.get()) * u128::from(each) * 8;
    all / u128::from(service.layout.instances.max(1))
}

/// Millionths of a request for 1 KiB that one of that size costs, without the
/// application's time.
fn request(demand: &WebDemand, rules: &Pool) -> u128 {
    let (work, bytes) = (&rules.work, u128::from(demand.response_bytes.get()));
    // Sizes in millionths of a KiB.
    let kib = bytes * MILLION / 1_024;
    let (one, ten) = (MILLION, 10 * MILLION);
    let empty = millionths(&work.empty);
    let small = empty + MILLION.saturating_sub(empty) * kib.min(one) / MILLION;
    let to_ten = millionths(&work.per_kib_to_10) * kib.min(ten).saturating_sub(one) / MILLION;
    let above = millionths(&work.per_kib_above_10) * kib.saturating_sub(ten) / MILLION;
    let mut cost = small + to_ten + above;
    if demand.tls {
        let shakes = millionths(&work.handshake) * millionths(&work.handshakes_per_request);
        let further = millionths(&work.tls_per_kib) * kib.saturating_sub(one) / MILLION;
        cost += millionths(&work.tls) + further + shakes / MILLION;
    }
    cost
}

/// All workers at once fit into the memory.
fn memory(
    demand: &WebDemand,
    instance: &Instance,
    (profile, rules): (&Profile, &Pool),
    findings: &mut Findings,
) {
    let numbers = &rules.memory;
    let workers = |count, each| millionths(count) * millionths(each) / MILLION;
    let mut each = workers(&numbers.workers_per_vcpu, &numbers.worker_mib);
    if demand.cpu_us > 0 {
        let (count, size) =
            (&numbers.application_workers_per_vcpu, &numbers.application_worker_mib);
        each += workers(count, size);
    }
    let held = each * instance.cpus.len() as u128 + millionths(&numbers.files_mib);
    let needed = held / MILLION + u128::from(profile.guest.base_mib.whole());
    if needed > u128::from(instance.memory_mib.get()) {
        let message =
            format!("its workers need {needed} MiB of memory; it has {}", instance.memory_mib);
        findings.add(Kind::ProcessMemory, &instance.name, message);
    }
}

//! HAProxy: one instance carries everything.

use super::index::Index;
use super::speed::{self, MILLION, falls_short, millionths};
use super::{Findings, Kind};
use crate::plan::{Instance, Plan, ServicePlan};
use crate::profile::{GatewayPair, Profile};
use crate::spec::{Demand, GatewayDemand};

pub(super) fn check(
    plan: &Plan,
    service: &ServicePlan,
    demand: &GatewayDemand,
    (profile, rules): (&Profile, &GatewayPair),
    index: &Index<'_>,
    findings: &mut Findings,
) {
    behind(plan, service, demand, findings);
    let derived = work(demand, rules);
    let claimed = service.capacity.demand_per_s;
    if falls_short(claimed.get(), derived) {
        let message = super::service::too_little(service, derived);
        findings.add(Kind::Ceiling, &service.name, message);
    }
    for instance in plan.members(&service.name) {
        speed::check(service, instance, profile, MILLION, index, findings);
        memory(demand, instance, (profile, rules), findings);
    }
}

/// Traffic in bit/s each way of the active instance.
pub(super) fn traffic(demand: &GatewayDemand, rules: &GatewayPair) -> u128 {
    let overhead = u128::from(rules.network.overhead_bytes.whole());
    let headers = u128::from(demand.requests_per_s.get()) * overhead;
    let each = u128::from(rules.network.transaction_bytes.whole());
    let transactions = u128::from(demand.transactions_per_s.get()) * each;
    (u128::from(demand.response_bytes_per_s) + headers + transactions) * 8
}

/// Checks that the demand covers that of the pools and databases behind it.
fn behind(plan: &Plan, service: &ServicePlan, demand: &GatewayDemand, findings: &mut Findings) {
    let pools = plan.services.iter().filter(|one| one.gateway.as_ref() == Some(&service.name));
    let (mut requests, mut bytes, mut transactions): (u128, u128, u128) = (0, 0, 0);
    for pool in pools {
        if let Demand::PrimaryReplica(demand) = &pool.demand {
            transactions +=
                u128::from(demand.reads_per_s.get()) + u128::from(demand.writes_per_s.get());
        }
        let Demand::Pool(demand) = &pool.demand else { continue };
        let each = u128::from(demand.requests_per_s.get());
        requests += each;
        bytes += each * u128::from(demand.response_bytes.get());
    }
    if bytes > u128::from(demand.response_bytes_per_s) {
        let message = format!(
            "the pools behind it send {bytes} bytes/s; its demand is {}",
            demand.response_bytes_per_s
        );
        findings.add(Kind::Gateway, &service.name, message);
    }
    if transactions > u128::from(demand.transactions_per_s.get()) {
        let message = format!(
            "the databases behind it serve {transactions} transactions/s; its demand is {} \
             transactions/s",
            demand.transactions_per_s.get()
        );
        findings.add(Kind::Gateway, &service.name, message);
    }
    if requests > u128::from(demand.requests_per_s.get()) {
        let message = format!(
            "the pools behind it serve {requests} requests/s; its demand is {} requests/s",
            demand.requests_per_s.get()
        );
        findings.add(Kind::Gateway, &service.name, message);
    }
}

/// The whole work in requests for nothing.
fn work(demand: &GatewayDemand, rules: &GatewayPair) -> u128 {
    let work = &rules.work;
    let kib = u128::from(demand.response_bytes_per_s) * MILLION / 1_024;
    let (mut each, mut per_kib) = (MILLION, millionths(&work.per_kib));
    if demand.tls {
        let shakes = millionths(&work.handshake) * millionths(&work.handshakes_per_request);
        each += millionths(&work.tls) + shakes / MILLION;
        per_kib += millionths(&work.tls_per_kib);
    }
    let transactions =
        u128::from(demand.transactions_per_s.get()) * millionths(&work.transaction) / MILLION;
    let requests = u128::from(demand.requests_per_s.get()) * each / MILLION;
    requests + kib * per_kib / MILLION / MILLION + transactions
}

/// All connections at once fit into the memory.
fn memory(
    demand: &GatewayDemand,
    instance: &Instance,
    (profile, rules): (&Profile, &GatewayPair),
    findings: &mut Findings,
) {
    let numbers = &rules.memory;
    let each =
        if demand.tls { &numbers.kib_per_tls_connection } else { &numbers.kib_per_connection };
    let connections =
        u128::from(demand.passed_on_per_s().get()) * millionths(&numbers.connection_s) / MILLION;
    let held = connections * millionths(each) / MILLION / 1_024;
    let needed = held + u128::from(profile.guest.base_mib.whole());
    if needed > u128::from(instance.memory_mib.get()) {
        let message =
            format!("its connections need {needed} MiB of memory; it has {}", instance.memory_mib);
        findings.add(Kind::ProcessMemory, &instance.name, message);
    }
}

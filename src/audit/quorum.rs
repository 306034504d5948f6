//! Elasticsearch and OpenSearch: work, data per memory, data volumes.

use super::index::Index;
use super::speed::{self, MILLION, falls_short, lambda, millionths};
use super::{Findings, Kind};
use crate::plan::{Instance, Plan, Role, ServicePlan};
use crate::profile::{Profile, Quorum};
use crate::spec::SearchDemand;
use crate::units::Mebibytes;

pub(super) fn check(
    plan: &Plan,
    service: &ServicePlan,
    demand: &SearchDemand,
    (profile, rules): (&Profile, &Quorum),
    index: &Index<'_>,
    findings: &mut Findings,
) {
    demanded(service, demand, (profile, rules), findings);
    if service.layout.copies < demand.copies {
        let (has, asked) = (service.layout.copies, demand.copies);
        let message = format!("{has} copies of each shard; expected {asked}");
        findings.add(Kind::Copies, &service.name, message);
    }
    for instance in plan.members(&service.name).filter(|one| one.role != Role::Witness) {
        speed::check(service, instance, profile, MILLION, index, findings);
        data(service, demand, instance, rules, findings);
    }
}

/// Traffic of each instance in bit/s when all serve: documents pass the instance
/// that takes them in and every copy.
pub(super) fn traffic(service: &ServicePlan, demand: &SearchDemand, rules: &Quorum) -> u128 {
    let document = demand.document_bytes.get().saturating_add(rules.network.overhead_bytes.whole());
    let passes = u128::from(service.layout.copies) + 1;
    let indexed = u128::from(demand.index_per_s.get()) * u128::from(document) * passes;
    let searched = searches(demand, rules) * u128::from(rules.network.shard_bytes.whole());
    (indexed + searched) * 8 / u128::from(service.layout.instances.max(1))
}

/// Searches of one shard per second.
fn searches(demand: &SearchDemand, rules: &Quorum) -> u128 {
    let typical = millionths(&rules.work.shards_per_query);
    let shards = demand.shards_per_query.map_or(typical, |shards| u128::from(shards) * MILLION);
    u128::from(demand.queries_per_s.get()) * shards / MILLION
}

fn demanded(
    service: &ServicePlan,
    demand: &SearchDemand,
    (profile, rules): (&Profile, &Quorum),
    findings: &mut Findings,
) {
    let work = &rules.work;
    let free = work.free_document_bytes.whole();
    let further = u128::from(demand.document_bytes.get().saturating_sub(free));
    let cost = MILLION + further * millionths(&work.per_further_kib) / 1_024;
    let copies = u128::from(service.layout.copies.saturating_sub(1));
    let each = (MILLION + copies * millionths(&work.per_further_copy)) * cost / MILLION;
    let indexed = u128::from(demand.index_per_s.get()) * each / MILLION;
    let search = millionths(&work.shard_ms) * lambda(&profile.curve) / 1_000;
    let derived = indexed + searches(demand, rules) * search / MILLION;
    let claimed = service.capacity.demand_per_s;
    if falls_short(claimed.get(), derived) {
        let message = format!("its demand is {derived}/s in documents; the plan states {claimed}");
        findings.add(Kind::Ceiling, &service.name, message);
    }
}

/// Each instance's part of all copies fits its volume, and is no more than its
/// memory can serve.
fn data(
    service: &ServicePlan,
    demand: &SearchDemand,
    instance: &Instance,
    rules: &Quorum,
    findings: &mut Findings,
) {
    let copies = u64::from(service.layout.copies);
    let all = demand.data_mib.get().saturating_mul(copies);
    let part = all.div_ceil(u64::from(service.layout.instances).max(1));
    let served = u128::from(instance.memory_mib.get()) * millionths(&rules.disk.data_per_memory);
    let most = (served / MILLION).min(u128::from(rules.disk.data_max_mib.whole()));
    if u128::from(part) > most + 1 {
        let (part, memory) = (Mebibytes::new(part), instance.memory_mib);
        let message =
            format!("its part of the data is {part}; {memory} of memory serves at most {most} MiB");
        findings.add(Kind::ProcessMemory, &instance.name, message);
    }
    let needed = u128::from(part) * millionths(&rules.disk.overhead) / MILLION;
    let Some(volume) = &instance.data else { return };
    if needed > u128::from(volume.size_mib.get()) + 1 {
        let message = format!(
            "its part of the data needs a volume of {needed} MiB; it has {}",
            volume.size_mib
        );
        findings.add(Kind::Data, &instance.name, message);
    }
}

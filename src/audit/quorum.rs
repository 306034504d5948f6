//! Elasticsearch and OpenSearch: work, data per memory, data volumes.

use super::index::Index;
use super::speed::{self, MILLION, falls_short, lambda, millionths};
use super::{Findings, Kind};
use crate::plan::{Instance, Plan, Role, ServicePlan};
use crate::profile::{Curve, Profile, Quorum, ceil, real};
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
    let searched = searches(demand, typical(demand, rules));
    let searched = searched * u128::from(rules.network.shard_bytes.whole());
    (indexed + searched) * 8 / u128::from(service.layout.instances.max(1))
}

/// Shards that a search looks into at least.
fn typical(demand: &SearchDemand, rules: &Quorum) -> u64 {
    let typical = rules.work.shards_per_query.whole();
    demand.shards_per_query.map_or(typical.max(1), u64::from)
}

/// Searches of one shard per second.
fn searches(demand: &SearchDemand, shards: u64) -> u128 {
    u128::from(demand.queries_per_s.get()) * u128::from(shards)
}

/// How an index is divided, as far as that follows from a plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Division {
    /// Primary shards: what a search looks into.
    pub primary: u64,
    /// All work in small documents.
    pub work: u64,
    /// Shards that serve after the promised loss, which takes a copy of each.
    pub serving: u64,
    /// The fewest instances that carry the work: those with most shards can.
    pub needed: u64,
}

impl Division {
    /// Divides an index: by what is stated, else so that the fewest instances carry the
    /// work, with as few shards as that takes.
    pub(super) fn new(
        plan: &Plan,
        service: &ServicePlan,
        demand: &SearchDemand,
        (profile, rules): (&Profile, &Quorum),
    ) -> Self {
        let least = typical(demand, rules);
        let lost = u32::from(plan.policy.survives());
        let copies = u64::from(service.layout.copies.saturating_sub(lost).max(1));
        let of = |primary: u64| {
            let work = work(service, demand, (profile, rules), primary);
            let serving = primary.saturating_mul(copies);
            // Shards that an instance may hold whose part of the work is what it can do.
            let usable = u128::from(service.capacity.usable_per_s.get());
            let each = usable * u128::from(serving) / u128::from(work.max(1));
            let each = u64::try_from(each).unwrap_or(u64::MAX);
            let needed = serving.checked_div(each).map_or(u64::MAX, |whole| {
                (whole + u64::from(!serving.is_multiple_of(each))).max(1)
            });
            Self { primary, work, serving, needed }
        };
        let mut found = of(least);
        if demand.shards_per_query.is_none() {
            let sized = demand.data_mib.get() / (10 * 1_024);
            for other in (least + 1..=least.saturating_mul(2).max(sized).min(1_024)).map(of) {
                if other.needed < found.needed {
                    found = other;
                }
            }
        }
        found
    }

    /// Shards with all data, no more than 50 GiB in each, and all copies.
    pub(super) fn held(self, service: &ServicePlan, demand: &SearchDemand) -> u64 {
        let sized = demand.data_mib.get().div_ceil(50 * 1_024);
        self.primary.max(sized).saturating_mul(service.layout.copies.into())
    }
}

/// Work of a demand whose searches look into so many shards, rounded up.
fn work(
    service: &ServicePlan,
    demand: &SearchDemand,
    (profile, rules): (&Profile, &Quorum),
    shards: u64,
) -> u64 {
    let numbers = &rules.work;
    let document = real(demand.document_bytes.get());
    let further = (document - numbers.free_document_bytes.default).max(0.0) / 1024.0;
    let cost = 1.0 + further * numbers.per_further_kib.default;
    let again = f64::from(service.layout.copies.saturating_sub(1));
    let each = (1.0 + numbers.per_further_copy.default * again) * cost;
    let core = match &profile.curve {
        Curve::Threads(threads) => threads.one_thread.default,
        Curve::Usl(usl) => usl.lambda.default,
    };
    let search = numbers.shard_ms.default / 1000.0 * core;
    let searches = real(demand.queries_per_s.get()) * real(shards);
    ceil(real(demand.index_per_s.get()) * each + searches * search)
}

/// What so many instances carry together that hold so many shards evenly.
pub(super) fn carried(service: &ServicePlan, shards: u64, instances: u64) -> u64 {
    let most = shards.div_ceil(instances.max(1)).max(1);
    let usable = u128::from(service.capacity.usable_per_s.get());
    u64::try_from(usable * u128::from(shards) / u128::from(most)).unwrap_or(u64::MAX)
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
    let derived = indexed + searches(demand, typical(demand, rules)) * search / MILLION;
    let claimed = service.capacity.demand_per_s;
    if falls_short(claimed.get(), derived) {
        let message = super::service::too_little(service, derived);
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

//! Capacity: rates of an instance, the demand in the profile's units, I/O operations, the
//! limit that sets the number of instances.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::binding::{self, PrimaryLoad, Promise, largest};
use super::rates::{self, Rates};
use crate::audit::primary_replica::besides_mib;
use crate::audit::quorum::Division;
use crate::audit::{Findings, Kind};
use crate::plan::{Binding, CpuPlacement, L3Use, Plan, ServicePlan};
use crate::profile::{
    GatewayPair, Pool, PrimaryReplica, Profile, Profiles, Quorum, Rules, Sharded, ceil, real,
};
use crate::spec::{
    Demand, GatewayDemand, Persistence, RelationalDemand, SearchDemand, ShardedDemand, WebDemand,
};
use crate::topology::NumaNode;

/// What a demand asks of a service, and of one of its instances.
pub(super) struct Asked {
    /// All work in the profile's units.
    pub work: u64,
    /// I/O operations of an instance.
    pub iops: u64,
    /// Work of one operation.
    cost: f64,
    /// Whether a number of the demand was outside what was measured.
    is_extrapolated: bool,
}

pub(super) fn check(plan: &Plan, profiles: &Profiles, findings: &mut Findings) {
    for service in &plan.services {
        let Some(profile) = profiles.of(service.engine) else { continue };
        let Some(asked) = asked(plan, service, profile) else { continue };
        let capacity = &service.capacity;
        let rates = Rates::of(profile, service.layout.vcpus, capacity.placement, asked.cost);
        let mut wrong = |message: String| findings.add(Kind::Ceiling, &service.name, message);
        let unit = service.engine.cluster().operations();
        for (what, found, expected, unit) in [
            ("ceiling", capacity.ceiling_per_s, rates.ceiling, unit),
            ("usable rate", capacity.usable_per_s, rates.usable, unit),
            ("demand", capacity.demand_per_s, asked.work, unit),
            ("disk of an instance", capacity.iops_per_s, asked.iops, "I/O operations"),
        ] {
            if found.get() != expected {
                let found = found.get();
                wrong(format!("{what}: the plan states {found} {unit}/s; expected {expected}"));
            }
        }
        let is_extrapolated = rates.is_extrapolated || asked.is_extrapolated;
        if capacity.extrapolated != is_extrapolated {
            let word = |is: bool| if is { "extrapolated" } else { "within what was measured" };
            let (found, expected) = (word(capacity.extrapolated), word(is_extrapolated));
            wrong(format!("stated as {found}; expected: {expected}"));
        }
        let expected = binding::of(plan, service, profile, asked.work);
        if Some(capacity.binding) != expected {
            let expected = expected.map_or("none", Binding::as_str);
            wrong(format!("bound by {}; expected {expected}", capacity.binding.as_str()));
        }
        if !is_offered(plan, service) {
            let cores = capacity.placement.cores;
            wrong(format!(
                "no host gives {} virtual CPUs {cores} cores so placed",
                service.layout.vcpus
            ));
        }
    }
}

/// Whether a host offers the placement that the rates assume: the cores of the virtual
/// CPUs, and the part of an L3 domain that they come to. Where others are in the way, an
/// instance straddles domains on any host.
fn is_offered(plan: &Plan, service: &ServicePlan) -> bool {
    let CpuPlacement { cores, l3 } = service.capacity.placement;
    plan.topology.hosts.iter().any(|host| {
        let all = host.numa.iter().flat_map(NumaNode::cores);
        let threads = all.map(|core| core.cpus.len()).min().unwrap_or(1).max(1);
        let needed = (service.layout.vcpus as usize).div_ceil(threads);
        let domains = host.numa.iter().flat_map(|node| &node.l3);
        let sizes: BTreeSet<usize> = domains.map(|domain| domain.cores.len()).collect();
        let least = sizes.first().copied().unwrap_or(1).max(1);
        let offered = match (needed.cmp(&least), sizes.len() > 1) {
            (Ordering::Less, _) | (Ordering::Equal, true) => L3Use::Shared,
            (Ordering::Equal, false) => L3Use::Own,
            (Ordering::Greater, false) if needed.is_multiple_of(least) => L3Use::Several,
            (Ordering::Greater, _) => L3Use::Straddling,
        };
        cores as usize == needed && (l3 == offered || l3 == L3Use::Straddling)
    })
}

fn asked(plan: &Plan, service: &ServicePlan, profile: &Profile) -> Option<Asked> {
    let promise = Promise::of(plan);
    Some(match (&service.demand, &profile.rules) {
        (Demand::Sharded(demand), Rules::Sharded(rules)) => sharded(service, demand, rules),
        (Demand::PrimaryReplica(demand), Rules::PrimaryReplica(rules)) => {
            primary_replica(service, demand, (profile, rules), promise)
        }
        (Demand::Quorum(demand), Rules::Quorum(rules)) => {
            quorum(plan, service, demand, (profile, rules))
        }
        (Demand::Pool(demand), Rules::Pool(rules)) => pool(service, demand, (profile, rules)),
        (Demand::GatewayPair(demand), Rules::GatewayPair(rules)) => gateway_pair(demand, rules),
        _ => return None,
    })
}

fn sharded(service: &ServicePlan, demand: &ShardedDemand, rules: &Sharded) -> Asked {
    let numbers = &rules.work;
    let kept = match demand.persistence {
        Persistence::None => 0.0,
        Persistence::Rdb => numbers.write_rdb.default,
        Persistence::Aof => numbers.write_aof.default,
    };
    let replicas = f64::from(service.layout.copies.saturating_sub(1));
    let write = numbers.write.default + replicas * numbers.write_per_replica.default + kept;
    let writes = demand.writes_per_s.get();
    let work = ceil(real(demand.reads_per_s.get()) + write * real(writes));
    let iops = match demand.persistence {
        Persistence::Aof => {
            let part = largest(writes, service.layout.groups, rules);
            ceil(real(part) * rules.disk.iops_aof.default)
        }
        Persistence::None | Persistence::Rdb => 0,
    };
    let (size, free) = (real(demand.value_bytes.get()), numbers.free_value_bytes.default);
    let further = (size - free).max(0.0) / 1024.0;
    let is_extrapolated = size > free && !numbers.per_further_kib.holds_at(size);
    Asked { work, iops, cost: 1.0 + further * numbers.per_further_kib.default, is_extrapolated }
}

fn primary_replica(
    service: &ServicePlan,
    demand: &RelationalDemand,
    (profile, rules): (&Profile, &PrimaryReplica),
    promise: Promise,
) -> Asked {
    let copies = u64::from(service.layout.copies);
    let load = PrimaryLoad::of(demand, rules, service.layout.groups.into(), promise);
    let (reads, writes) = (real(demand.reads_per_s.get()), real(demand.writes_per_s.get()));
    let replicas = real(copies.saturating_sub(1));
    let work = ceil(reads + writes * (load.primary(copies) + replicas * load.applied));
    let memory = service.layout.memory_mib.get();
    let share = crate::profile::floor(real(memory) * rules.memory.pool_share.default);
    let besides = besides_mib(demand, (profile, rules), service.layout.groups);
    let pool = share.min(memory.saturating_sub(besides));
    let held = real(pool) / real(load.data_mib.max(1));
    let working = f64::from(demand.working_set_percent.clamp(1, 100)) / 100.0;
    let cold = rules.memory.cold_share.default.min(1.0);
    let misses = (1.0 - cold) * (1.0 - held / working).max(0.0) + cold * (1.0 - held).max(0.0);
    let io = &rules.io;
    let write = io.read_write_reads.default * misses + io.write_writes.default;
    let read = load.reads_of_one(copies) * io.read_only_reads.default * misses;
    let iops = ceil(read + real(load.writes) * write);
    let is_extrapolated = held < 1.0 && !io.read_only_reads.holds_at(held);
    Asked { work, iops, cost: 1.0, is_extrapolated }
}

fn quorum(
    plan: &Plan,
    service: &ServicePlan,
    demand: &SearchDemand,
    (profile, rules): (&Profile, &Quorum),
) -> Asked {
    let (numbers, disk) = (&rules.work, &rules.disk);
    let division = Division::new(plan, service, demand, (profile, rules));
    let searches = real(demand.queries_per_s.get()) * real(division.primary);
    let (document, indexed) = (real(demand.document_bytes.get()), real(demand.index_per_s.get()));
    let left = Promise::of(plan).left(service, division.needed);
    let written = indexed * f64::from(service.layout.copies) * (document / 16384.0);
    let all = written * disk.writes_per_16_kib.default + searches * disk.reads_per_shard.default;
    let most = division.serving.div_ceil(left.max(1));
    let iops = ceil(all * real(most) / real(division.serving.max(1)));
    let is_extrapolated = indexed > 0.0 && !numbers.per_further_kib.holds_at(document);
    Asked { work: division.work, iops, cost: 1.0, is_extrapolated }
}

fn pool(service: &ServicePlan, demand: &WebDemand, (profile, rules): (&Profile, &Pool)) -> Asked {
    let numbers = &rules.work;
    let bytes = real(demand.response_bytes.get());
    let kib = bytes / 1024.0;
    let empty = numbers.empty.default;
    let size = empty
        + (1.0 - empty) * kib.min(1.0)
        + numbers.per_kib_to_10.default * (kib.min(10.0) - 1.0).max(0.0)
        + numbers.per_kib_above_10.default * (kib - 10.0).max(0.0);
    let tls = if demand.tls {
        numbers.tls.default
            + numbers.tls_per_kib.default * (kib - 1.0).max(0.0)
            + numbers.handshake.default * numbers.handshakes_per_request.default
    } else {
        0.0
    };
    let core = rates::of_core(profile, service.layout.vcpus, service.capacity.placement);
    let cost = size + tls + real(demand.cpu_us) / 1e6 * core;
    let is_extrapolated = !numbers.per_kib_above_10.holds_at(bytes);
    Asked { work: demand.requests_per_s.get(), iops: 0, cost, is_extrapolated }
}

fn gateway_pair(demand: &GatewayDemand, rules: &GatewayPair) -> Asked {
    let numbers = &rules.work;
    let handshakes = numbers.handshake.default * numbers.handshakes_per_request.default;
    let (tls, per_kib) = if demand.tls {
        (numbers.tls.default + handshakes, numbers.tls_per_kib.default)
    } else {
        (0.0, 0.0)
    };
    let kib = real(demand.response_bytes_per_s) / 1024.0;
    let requests = real(demand.requests_per_s.get()) * (1.0 + tls);
    let transactions = real(demand.transactions_per_s.get()) * numbers.transaction.default;
    let work = ceil(requests + kib * (numbers.per_kib.default + per_kib) + transactions);
    Asked { work, iops: 0, cost: 1.0, is_extrapolated: false }
}

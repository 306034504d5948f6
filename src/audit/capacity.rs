//! What the instances can do, derived again from the profile and from the very
//! cores that they are pinned to.
//!
//! Numbers of the profile are taken in millionths, so that the sums are
//! integers; a plan may claim less than they give, and [`SLACK`] more.

use std::collections::BTreeSet;

use super::index::Index;
use super::service::redis_bytes;
use super::{Findings, Kind};
use crate::plan::{Instance, Plan, ServicePlan};
use crate::profile::{Number, Profile, Profiles, ceil, real};
use crate::spec::{Demand, Persistence, RedisDemand};
use crate::units::Mebibytes;

const MILLION: u128 = 1_000_000;

/// What rounding may differ by: one part in this many.
const SLACK: u128 = 10_000;

pub(super) fn check(plan: &Plan, profiles: &Profiles, index: &Index<'_>, findings: &mut Findings) {
    bandwidth(plan, profiles, findings);
    for service in &plan.services {
        let Demand::Redis(demand) = &service.demand;
        let profile = &profiles.redis;
        demanded(service, demand, profile, findings);
        data_per_process(service, demand, profile, findings);
        for instance in plan.instances.iter().filter(|i| i.service == service.name) {
            // Without known cores there is nothing to derive from.
            if index.numa(instance).is_some() {
                ceiling(service, demand, instance, profile, index, findings);
            }
            memory(service, demand, instance, profile, findings);
        }
    }
}

/// Every instance may be the master of its group: with its share of the demand
/// each host's traffic must fit through its NIC.
fn bandwidth(plan: &Plan, profiles: &Profiles, findings: &mut Findings) {
    for host in &plan.topology.hosts {
        let Some(most) = host.network_bits_per_s else { continue };
        let mut needed: u128 = 0;
        for service in &plan.services {
            let here = plan.on_host(&host.name).filter(|i| i.service == service.name).count();
            let Demand::Redis(demand) = &service.demand;
            let operations =
                u128::from(demand.reads_per_s.get()) + u128::from(demand.writes_per_s.get());
            let each = operations / u128::from(service.layout.groups.max(1));
            let overhead = profiles.redis.network.overhead_bytes.whole();
            let bits = u128::from(demand.value_bytes.get().saturating_add(overhead)) * 8;
            needed = needed.saturating_add(each.saturating_mul(bits).saturating_mul(here as u128));
        }
        if needed > u128::from(most.get()) {
            let message = format!("its instances need {needed} bit/s, its NIC has {most}");
            findings.add(Kind::Bandwidth, &host.name, message);
        }
    }
}

fn millionths(number: &Number) -> u128 {
    u128::from(ceil(number.default * 1e6))
}

/// Whether `claimed` is more than `derived` by more than rounding.
const fn exceeds(claimed: u64, derived: u128) -> bool {
    claimed as u128 > derived + derived / SLACK + 1
}

fn demanded(
    service: &ServicePlan,
    demand: &RedisDemand,
    profile: &Profile,
    findings: &mut Findings,
) {
    let work = &profile.work;
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
    let lowered = u128::from(claimed.get()).saturating_add(1);
    if lowered.saturating_add(lowered / SLACK) < derived {
        let message = format!("its demand is {derived}/s in plain reads, the plan says {claimed}");
        findings.add(Kind::Ceiling, &service.name, message);
    }
}

fn ceiling(
    service: &ServicePlan,
    demand: &RedisDemand,
    instance: &Instance,
    profile: &Profile,
    index: &Index<'_>,
    findings: &mut Findings,
) {
    let effective = effective_cores(instance, profile, index);
    let derived = speed(effective, demand.value_bytes.get(), profile);
    let usable = derived * (MILLION - headroom(effective, profile)) / MILLION;
    for (what, claimed, derived) in [
        ("ceiling", service.capacity.ceiling_per_s, derived),
        ("usable rate", service.capacity.usable_per_s, usable),
    ] {
        if exceeds(claimed.get(), derived) {
            let message =
                format!("its cores give a {what} of {derived}/s, the plan says {claimed}");
            findings.add(Kind::Ceiling, &instance.name, message);
        }
    }
}

/// Millionths of a core that the pinned CPUs amount to: a whole one for each
/// core, a part of one for each further thread.
fn effective_cores(instance: &Instance, profile: &Profile, index: &Index<'_>) -> u128 {
    let cpus: BTreeSet<u32> = instance.cpus.iter().copied().collect();
    let cores: BTreeSet<(u32, usize)> = cpus
        .iter()
        .filter_map(|cpu| index.seat(&instance.host, *cpu))
        .map(|seat| (seat.numa, seat.core))
        .collect();
    let siblings = cpus.len().saturating_sub(cores.len()) as u128;
    cores.len() as u128 * MILLION + siblings * millionths(&profile.placement.smt_gain)
}

/// Plain reads per second on that many millionths of a core.
fn speed(effective: u128, value_bytes: u64, profile: &Profile) -> u128 {
    let numbers = &profile.throughput;
    let left = MILLION.saturating_sub(millionths(&numbers.interrupt_share));
    let working = effective * left / MILLION;
    let threads = (working / MILLION).clamp(1, u128::from(numbers.io_threads_max.whole().max(1)));
    let gain = MILLION + millionths(&numbers.gain_per_io_thread) * (threads - 1);
    let further = u128::from(value_bytes.saturating_sub(numbers.free_value_bytes.whole()));
    let cost = MILLION + further * millionths(&numbers.cost_per_further_kib) / 1_024;
    let one_thread = u128::from(numbers.one_thread.whole());
    let bare = one_thread * working.min(MILLION) / MILLION * gain / MILLION;
    bare * millionths(&profile.placement.virtualisation) / cost
}

/// Millionths to keep free on that many millionths of a core.
fn headroom(effective: u128, profile: &Profile) -> u128 {
    let cores = real(u64::try_from(effective).unwrap_or(u64::MAX)) / 1e6;
    let share = profile.headroom.factor.default / cores.powf(profile.headroom.exponent.default);
    u128::from(ceil(share * 1e6)).min(MILLION)
}

fn data_per_process(
    service: &ServicePlan,
    demand: &RedisDemand,
    profile: &Profile,
    findings: &mut Findings,
) {
    let groups = u64::from(service.layout.groups).max(1);
    let held = Mebibytes::new(demand.data_mib.get().div_ceil(groups));
    let most = Mebibytes::new(profile.memory.data_per_process_mib.whole());
    if held > most {
        let message = format!("each process holds {held} of data, {most} is the most it should");
        findings.add(Kind::ProcessMemory, &service.name, message);
    }
}

/// Full to `maxmemory`, fragmented, and copied by a fork, a process still fits.
fn memory(
    service: &ServicePlan,
    demand: &RedisDemand,
    instance: &Instance,
    profile: &Profile,
    findings: &mut Findings,
) {
    let Some(limit) = instance.config.get("maxmemory").and_then(|text| redis_bytes(text)) else {
        return;
    };
    let numbers = &profile.memory;
    let copied = match demand.persistence {
        Persistence::None => 0,
        Persistence::Rdb => millionths(&numbers.copy_on_write_rdb),
        Persistence::Aof => millionths(&numbers.copy_on_write_aof),
    };
    let fragmented = u128::from(limit) * (MILLION + millionths(&numbers.fragmentation)) / MILLION;
    let data = fragmented * (MILLION + copied) / MILLION;
    let backlog = if service.layout.copies > 1 { numbers.backlog_mib.whole() } else { 0 };
    let besides = Mebibytes::new(numbers.guest_mib.whole().saturating_add(backlog));
    let needed = data.saturating_add(u128::from(besides.bytes()));
    let memory = instance.memory_mib;
    if needed > u128::from(memory.bytes()) {
        let message =
            format!("full to maxmemory it needs {} MiB, it has {memory}", needed.div_ceil(1 << 20));
        findings.add(Kind::ProcessMemory, &instance.name, message);
    }
}

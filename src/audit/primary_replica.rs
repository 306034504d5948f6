//! MySQL and MariaDB: work, what the primary alone must do, data volumes, I/O.

use super::index::Index;
use super::speed::{self, MILLION, falls_short, millionths};
use super::{Findings, Kind};
use crate::plan::{Instance, Plan, ServicePlan};
use crate::profile::{PrimaryReplica, Profile};
use crate::spec::{FailoverMode, RelationalDemand};

pub(super) fn check(
    plan: &Plan,
    service: &ServicePlan,
    demand: &RelationalDemand,
    (profile, rules): (&Profile, &PrimaryReplica),
    index: &Index<'_>,
    findings: &mut Findings,
) {
    demanded(service, demand, rules, findings);
    if service.layout.groups > demand.shards {
        let (groups, shards) = (service.layout.groups, demand.shards);
        let message = format!("{groups} groups; the application supports {shards}");
        findings.add(Kind::Copies, &service.name, message);
    }
    io(service, demand, (profile, rules), findings);
    for instance in plan.members(&service.name) {
        speed::check(service, instance, profile, MILLION, index, findings);
        volume(service, demand, instance, rules, findings);
    }
}

/// Memory of an instance besides its buffer pool, in MiB. Copies that elect their primary keep
/// half a minute of writes for each other, 128 MiB at least, and 128 MiB besides.
pub(super) fn besides_mib(
    demand: &RelationalDemand,
    (profile, rules): (&Profile, &PrimaryReplica),
    groups: u32,
) -> u64 {
    let guest = profile.guest.base_mib.whole();
    if demand.failover == FailoverMode::Manual {
        return guest;
    }
    let writes = u128::from(demand.writes_per_s.get().div_ceil(u64::from(groups.max(1))));
    let kept = writes * 30 * u128::from(rules.disk.binlog_bytes.whole());
    let cache = u64::try_from(kept.div_ceil(1 << 20)).unwrap_or(u64::MAX).max(128);
    guest.saturating_add(cache).saturating_add(128)
}

/// Traffic of each instance in bit/s when all serve: reads are spread, writes
/// reach every copy.
pub(super) fn traffic(
    service: &ServicePlan,
    demand: &RelationalDemand,
    rules: &PrimaryReplica,
) -> u128 {
    let instances = u128::from(service.layout.instances.max(1));
    let groups = u128::from(service.layout.groups.max(1));
    let reads = u128::from(demand.reads_per_s.get()) / instances;
    let writes = u128::from(demand.writes_per_s.get()) / groups;
    let replicas = u128::from(service.layout.copies.saturating_sub(1));
    let write = u128::from(rules.network.write_bytes.whole())
        + replicas * u128::from(rules.disk.binlog_bytes.whole());
    (reads * u128::from(rules.network.read_bytes.whole()) + writes * write) * 8
}

/// The work of all copies, of which so many are left of each group, in read-only
/// transactions.
pub(super) fn work(
    demand: &RelationalDemand,
    rules: &PrimaryReplica,
    copies: u32,
    left: u32,
) -> u128 {
    let (write, applied) = write(rules, copies);
    let replicas = u128::from(left.saturating_sub(1));
    let writes = u128::from(demand.writes_per_s.get()) * (write + replicas * applied) / MILLION;
    u128::from(demand.reads_per_s.get()) + writes
}

/// Millionths of a read that a write costs the primary of so many copies, and each
/// replica.
fn write(rules: &PrimaryReplica, copies: u32) -> (u128, u128) {
    let alone = millionths(&rules.work.write);
    let waits = if copies > 1 { millionths(&rules.work.semi_sync) } else { 0 };
    let applied = alone * millionths(&rules.work.apply) / MILLION;
    (alone * (MILLION + waits) / MILLION, applied)
}

fn demanded(
    service: &ServicePlan,
    demand: &RelationalDemand,
    rules: &PrimaryReplica,
    findings: &mut Findings,
) {
    let copies = service.layout.copies;
    let derived = work(demand, rules, copies, copies);
    let claimed = service.capacity.demand_per_s;
    if falls_short(claimed.get(), derived) {
        let message = super::service::too_little(service, derived);
        findings.add(Kind::Ceiling, &service.name, message);
    }
    let (write, _) = write(rules, copies);
    let groups = u128::from(service.layout.groups.max(1));
    let primary = u128::from(demand.writes_per_s.get()) * write / MILLION / groups;
    let usable = service.capacity.usable_per_s;
    if primary > u128::from(usable.get()) + 1 {
        let unit = service.engine.cluster().operations();
        let message = format!(
            "the writes of a group come to {primary} {unit}/s; its primary can do {} {unit}/s",
            usable.get()
        );
        findings.add(Kind::Capacity, &service.name, message);
    }
}

/// The I/O operations that the plan states are at least those of the writes, and
/// of the reads of an instance that has its part of them.
fn io(
    service: &ServicePlan,
    demand: &RelationalDemand,
    (profile, rules): (&Profile, &PrimaryReplica),
    findings: &mut Findings,
) {
    let layout = &service.layout;
    let groups = u64::from(layout.groups.max(1));
    let memory = layout.memory_mib.get();
    let share = u128::from(memory) * millionths(&rules.memory.pool_share) / MILLION;
    let besides = besides_mib(demand, (profile, rules), layout.groups);
    let pool = share.min(u128::from(memory.saturating_sub(besides)));
    let data = u128::from(demand.data_mib.get().div_ceil(groups)).max(1);
    let held = pool * MILLION / data;
    let working = held * 100 / u128::from(demand.working_set_percent.clamp(1, 100));
    let cold = millionths(&rules.memory.cold_share).min(MILLION);
    let misses = ((MILLION - cold) * MILLION.saturating_sub(working)
        + cold * MILLION.saturating_sub(held))
        / MILLION;
    let reads = u128::from(demand.reads_per_s.get()) / u128::from(layout.instances.max(1));
    let writes = u128::from(demand.writes_per_s.get()) / u128::from(groups);
    let read = millionths(&rules.io.read_only_reads) * misses / MILLION;
    let write = millionths(&rules.io.read_write_reads) * misses / MILLION
        + millionths(&rules.io.write_writes);
    let derived = (reads * read + writes * write) / MILLION;
    let claimed = service.capacity.iops_per_s;
    if falls_short(claimed.get(), derived) {
        let message =
            format!("each instance needs {derived} I/O operations/s; the plan states {claimed}");
        findings.add(Kind::Iops, &service.name, message);
    }
}

/// Every copy of a group holds the group's part of the data.
fn volume(
    service: &ServicePlan,
    demand: &RelationalDemand,
    instance: &Instance,
    rules: &PrimaryReplica,
    findings: &mut Findings,
) {
    let groups = u64::from(service.layout.groups).max(1);
    let part = u128::from(demand.data_mib.get().div_ceil(groups));
    let needed = part * millionths(&rules.disk.data_factor) / MILLION;
    let Some(volume) = &instance.data else { return };
    if needed > u128::from(volume.size_mib.get()) + 1 {
        let message =
            format!("its group's data needs {needed} MiB; its volume has {}", volume.size_mib);
        findings.add(Kind::Data, &instance.name, message);
    }
}

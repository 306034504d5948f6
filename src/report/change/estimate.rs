//! What the steps of a change take, in seconds. Estimates, each by a constant with its
//! reason; what a deploy took is in its journal.

use crate::plan::{Instance, Plan, ServicePlan};
use crate::spec::{Cluster, Demand};
use crate::units::Mebibytes;

/// A guest is made, boots, is set up and starts its engine. With hardware virtualisation
/// a minute holds on most hosts; `deploy --timeout` allows 15.
const BOOT_S: u64 = 60;

/// An engine is stopped, starts and reads its data; nothing else of its guest changes.
const RESTART_S: u64 = 10;

/// A file is written, judged and taken up by an engine that runs on.
const TAKE_UP_S: u64 = 2;

/// A copy takes over from its leader at our request. `CLUSTER FAILOVER` waits until the
/// copy has all writes, for less than this.
pub(super) const HAND_OVER_S: u64 = 2;

/// An instance is forgotten by all others, and its domain is removed.
const LEAVE_S: u64 = 5;

/// MiB/s at which a new copy is filled. One process writes, sends and reads a copy of its
/// data; that is about what one core does.
const COPY_MIB_PER_S: u64 = 100;

/// Part of a NIC that a copy may take: clients have the rest.
const COPY_PART_OF_NIC: u64 = 2;

/// Keys/s that move from one master to another: `MIGRATE` in batches over one connection.
const KEYS_PER_S: u64 = 10_000;

/// Data that each group of a service holds, or each instance where there are no groups.
pub(super) fn data_per_copy(service: &ServicePlan) -> Mebibytes {
    let layout = &service.layout;
    let parts = match service.engine.cluster() {
        Cluster::Quorum => layout.instances,
        _ => layout.groups,
    };
    let copies = if service.engine.cluster() == Cluster::Quorum { layout.copies } else { 1 };
    let whole = data(service).get().saturating_mul(u64::from(copies.max(1)));
    Mebibytes::new(whole.div_ceil(u64::from(parts.max(1))))
}

/// Data of a whole service, without copies.
pub(super) const fn data(service: &ServicePlan) -> Mebibytes {
    match &service.demand {
        Demand::Sharded(demand) => demand.data_mib,
        Demand::PrimaryReplica(demand) => demand.data_mib,
        Demand::Quorum(demand) => demand.data_mib,
        Demand::Pool(_) | Demand::GatewayPair(_) => Mebibytes::ZERO,
    }
}

/// Returns the seconds in which guests are made that come at the same time.
pub(super) const fn boot() -> u64 {
    BOOT_S
}

/// Returns the seconds in which engines are restarted one after the other.
pub(super) fn restarts(count: usize) -> u64 {
    times(count, RESTART_S)
}

/// Returns the seconds in which engines take settings up one after the other.
pub(super) fn taken_up(count: usize) -> u64 {
    times(count, TAKE_UP_S)
}

/// Returns the seconds in which instances leave one after the other.
pub(super) fn leaving(count: usize) -> u64 {
    times(count, LEAVE_S)
}

/// Returns the seconds in which machines are replaced in so many turns, each with its data
/// copied back, `leads` of them after a hand-over.
pub(super) fn replaced(turns: usize, copy_s: u64, leads: usize) -> u64 {
    times(turns, BOOT_S.saturating_add(copy_s)).saturating_add(times(leads, HAND_OVER_S))
}

fn times(count: usize, seconds: u64) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX).saturating_mul(seconds)
}

/// Returns the seconds in which data gets to the host of an instance.
pub(super) fn copy(plan: &Plan, to: &Instance, size: Mebibytes) -> u64 {
    let nic = plan.topology.host(&to.host).and_then(|host| host.network_bits_per_s);
    let nic = nic.map(|nic| nic.get() / COPY_PART_OF_NIC / (8 << 20));
    let rate = nic.map_or(COPY_MIB_PER_S, |nic| nic.min(COPY_MIB_PER_S)).max(1);
    size.get().div_ceil(rate)
}

/// Returns the seconds in which that much of the data of a service moves key by key.
pub(super) fn keys(service: &ServicePlan, size: Mebibytes) -> u64 {
    let value = match &service.demand {
        Demand::Sharded(demand) => demand.value_bytes.get().max(1),
        _ => 1 << 10,
    };
    (size.bytes() / value).div_ceil(KEYS_PER_S)
}

/// A time for people: `45 s`, `4 min`, `3.5 h`.
pub(super) fn shown(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{}.{} h", seconds / 3_600, seconds % 3_600 / 360),
    }
}

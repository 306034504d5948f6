//! The limit that sets a layout: of several that ask for as much the first, as listed in
//! each function.

use std::collections::BTreeSet;

use crate::audit::quorum::Division;
use crate::plan::{Binding, Plan, ServicePlan};
use crate::profile::{PrimaryReplica, Profile, Quorum, Rules, Sharded, ceil, floor, real};
use crate::spec::{Demand, FailoverMode, RelationalDemand, SearchDemand, ShardedDemand};

/// What a plan promises to survive, as far as the number of instances goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Promise {
    /// Whether the loss of something is survived.
    survives: bool,
    /// Failure domains of the promised level that has the fewest; 1 without a promise.
    domains: u64,
}

impl Promise {
    pub(super) fn of(plan: &Plan) -> Self {
        let count = |level| {
            let hosts = plan.topology.hosts.iter();
            let names: BTreeSet<String> = hosts.map(|host| host.failure_domain(level)).collect();
            names.len() as u64
        };
        let survives = plan.policy.survives();
        Self { survives, domains: plan.policy.levels().map(count).min().unwrap_or(1) }
    }

    /// Instances that serve after the worst loss, copies of a shard being in different
    /// failure domains.
    pub(super) fn left(self, service: &ServicePlan, needed: u64) -> u64 {
        let instances = u64::from(service.layout.instances);
        if !self.survives {
            return instances;
        }
        let apart = instances / u64::from(service.layout.copies.max(1));
        instances - apart.min(instances.saturating_sub(needed))
    }
}

/// The limit that sets the layout of a service; `None` if the demand is not of its engine's
/// kind.
pub(super) fn of(
    plan: &Plan,
    service: &ServicePlan,
    profile: &Profile,
    work: u64,
) -> Option<Binding> {
    let promise = Promise::of(plan);
    Some(match (&service.demand, &profile.rules) {
        (Demand::Sharded(demand), Rules::Sharded(rules)) => sharded(service, demand, rules, work),
        (Demand::PrimaryReplica(demand), Rules::PrimaryReplica(rules)) => {
            primary_replica(service, demand, rules, promise)
        }
        (Demand::Quorum(demand), Rules::Quorum(rules)) => {
            let division = Division::new(plan, service, demand, (profile, rules));
            quorum(service, demand, rules, (promise, division.needed))
        }
        (Demand::Pool(_), Rules::Pool(_)) => Binding::Throughput,
        (Demand::GatewayPair(_), Rules::GatewayPair(_)) => {
            if promise.survives {
                Binding::Copies
            } else {
                Binding::Throughput
            }
        }
        _ => return None,
    })
}

/// `whole · part / of`, rounded down.
fn proportion(whole: u64, part: u64, of: u64) -> u64 {
    let product = u128::from(whole) * u128::from(part) / u128::from(of.max(1));
    u64::try_from(product).unwrap_or(u64::MAX)
}

/// The part of `whole` that the group with most slots has, rounded up.
pub(super) fn largest(whole: u64, groups: u32, rules: &Sharded) -> u64 {
    let slots = rules.cluster.slots.whole();
    let others = slots.saturating_sub(slots.div_ceil(u64::from(groups).max(1)));
    whole.saturating_sub(proportion(whole, others, slots))
}

fn sharded(service: &ServicePlan, demand: &ShardedDemand, rules: &Sharded, work: u64) -> Binding {
    let slots = rules.cluster.slots.whole();
    let most = rules.cluster.processes_max.whole() / u64::from(service.layout.copies.max(1));
    // The fewest groups of which none has more than `each`, slots being whole.
    let groups = |whole: u64, each: u64| {
        let fewest = if each == 0 { u64::MAX } else { whole.div_ceil(each) };
        match proportion(slots, each, whole) {
            part if part > 0 && fewest <= most => slots.div_ceil(part),
            _ => fewest,
        }
    };
    let load = groups(work, service.capacity.usable_per_s.get());
    let data = groups(demand.data_mib.get(), rules.memory.data_per_process_mib.whole());
    let masters = rules.cluster.masters_min.whole();
    if masters >= load && masters >= data {
        Binding::Quorum
    } else if load >= data {
        Binding::Throughput
    } else {
        Binding::DataPerProcess
    }
}

/// The fewest copies of a group: those that elect their primary are a majority without one.
pub(super) const fn least(demand: &RelationalDemand, promise: Promise) -> u64 {
    match (demand.failover, promise.survives) {
        (FailoverMode::Automatic, _) => 3,
        (FailoverMode::Manual, true) => 2,
        (FailoverMode::Manual, false) => 1,
    }
}

/// The load of one group of a database, in transactions that only read.
pub(super) struct PrimaryLoad {
    /// Transactions that only read.
    reads: u64,
    /// Transactions that write.
    pub writes: u64,
    /// Its part of the data.
    pub data_mib: u64,
    /// A write on a primary without replicas.
    alone: f64,
    /// A write on a primary with replicas.
    write: f64,
    /// A write on a replica.
    pub applied: f64,
    survives: bool,
    least: u64,
}

impl PrimaryLoad {
    pub(super) fn of(
        demand: &RelationalDemand,
        rules: &PrimaryReplica,
        groups: u64,
        promise: Promise,
    ) -> Self {
        let part = |whole: u64| whole.div_ceil(groups.max(1));
        let alone = rules.work.write.default;
        Self {
            reads: part(demand.reads_per_s.get()),
            writes: part(demand.writes_per_s.get()),
            data_mib: part(demand.data_mib.get()),
            alone,
            write: alone * (1.0 + rules.work.semi_sync.default),
            applied: alone * rules.work.apply.default,
            survives: promise.survives,
            least: least(demand, promise),
        }
    }

    /// A write on the primary of that many copies.
    pub(super) const fn primary(&self, copies: u64) -> f64 {
        if copies > 1 { self.write } else { self.alone }
    }

    const fn left(&self, copies: u64) -> u64 {
        if self.survives { copies.saturating_sub(1) } else { copies }
    }

    /// The work of the copies that are left of so many.
    fn work_left(&self, copies: u64) -> f64 {
        let replicas = real(self.left(copies).saturating_sub(1));
        let writes = real(self.writes);
        real(self.reads) + writes * self.primary(copies) + replicas * writes * self.applied
    }

    /// Reads of the copy that has most of them after the worst loss.
    pub(super) fn reads_of_one(&self, copies: u64) -> f64 {
        let left = self.left(copies).max(1);
        if left == 1 {
            return real(self.reads);
        }
        let writes = real(self.writes);
        let each = self.work_left(copies) / real(left);
        if each >= writes * self.primary(copies) {
            each - writes * self.applied
        } else {
            real(self.reads) / real(left - 1)
        }
    }

    /// The fewest copies, up to `most`, of which those that are left do the work; `None` if
    /// a primary cannot take the writes.
    fn copies(&self, usable: u64, most: u64) -> Option<u64> {
        let writes = real(self.writes);
        if ceil(writes * self.primary(self.least)) > usable {
            return None;
        }
        let fits =
            |copies: u64| ceil(self.work_left(copies)) <= usable.saturating_mul(self.left(copies));
        if fits(self.least) {
            return Some(self.least);
        }
        // Each further copy adds what it can do less the writes that it repeats.
        if ceil(writes * self.write) > usable || real(usable) <= writes * self.applied {
            return None;
        }
        Some((2..=most).find(|copies| fits(*copies)).unwrap_or(u64::MAX))
    }
}

fn primary_replica(
    service: &ServicePlan,
    demand: &RelationalDemand,
    rules: &PrimaryReplica,
    promise: Promise,
) -> Binding {
    let groups = u64::from(service.layout.groups);
    let copies = u64::from(service.layout.copies);
    let most = rules.cluster.copies_max.whole().max(copies);
    let enough = |groups: u64| {
        let load = PrimaryLoad::of(demand, rules, groups, promise);
        load.copies(service.capacity.usable_per_s.get(), most)
    };
    let least = least(demand, promise);
    match enough(groups) {
        Some(enough) if copies > enough => Binding::Iops,
        Some(enough) if enough > least => Binding::Throughput,
        _ if groups == 1 => Binding::Copies,
        // Why there are not fewer groups.
        _ => match enough(groups.saturating_sub(1)) {
            None => Binding::Writes,
            Some(copies) if copies > least => Binding::Throughput,
            Some(_) => Binding::Copies,
        },
    }
}

fn quorum(
    service: &ServicePlan,
    demand: &SearchDemand,
    rules: &Quorum,
    (promise, need): (Promise, u64),
) -> Binding {
    let layout = &service.layout;
    let copies = u64::from(layout.copies);
    let domains = if layout.witness.is_some() { 2 } else { promise.domains.max(copies).max(2) };
    let spare = if promise.survives { need.div_ceil(domains - 1) } else { 0 };
    let voters = match (promise.survives, layout.witness.is_some()) {
        (false, _) => 1,
        (true, false) => rules.cluster.voters.whole(),
        (true, true) => rules.cluster.voters.whole().saturating_sub(1),
    };
    let served = floor(real(layout.memory_mib.get()) * rules.disk.data_per_memory.default);
    let served = served.min(rules.disk.data_max_mib.whole()).max(1);
    let held = demand.data_mib.get().saturating_mul(copies).div_ceil(served);
    let mut found = (0, Binding::Throughput);
    for (limit, asked) in [
        (Binding::Throughput, need.saturating_add(spare)),
        (Binding::DataPerMemory, held),
        (Binding::Quorum, voters),
        (Binding::Copies, copies),
    ] {
        if asked > found.0 {
            found = (asked, limit);
        }
    }
    found.1
}

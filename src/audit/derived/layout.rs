//! Sizes of the instances of each kind: memory and data volume for their part of the data.
//!
//! Databases and search engines have sizes to choose from. Their memory must be one of
//! them; that it is enough, the rules of the kind say.

use super::binding::{Promise, largest};
use crate::audit::primary_replica::besides_mib;
use crate::audit::quorum::Division;
use crate::audit::{Findings, Kind};
use crate::plan::{Layout, Plan, ServicePlan, Witness};
use crate::profile::{
    GatewayPair, Pool, PrimaryReplica, Profile, Profiles, Quorum, Rules, Sharded, ceil, real,
};
use crate::spec::{
    Demand, GatewayDemand, Persistence, RelationalDemand, SearchDemand, ShardedDemand, WebDemand,
};

/// What follows of the size of an instance, in MiB.
struct Sizes {
    /// Memory; more than one where there is a choice.
    memory: Vec<u64>,
    /// Data volume; zero for none.
    data: u64,
    /// Groups, where there is no choice.
    groups: Option<u32>,
    /// Copies of each group's data.
    copies: u32,
    /// The instance that only votes, if there is one.
    witness: Option<[u64; 3]>,
}

pub(super) fn check(plan: &Plan, profiles: &Profiles, findings: &mut Findings) {
    for service in &plan.services {
        let Some(profile) = profiles.of(service.engine) else { continue };
        let Some(sizes) = sizes(plan, service, profile) else { continue };
        let Layout { vcpus, memory_mib, data_mib, witness, groups, copies, .. } = &service.layout;
        let mut wrong = |message: String| findings.add(Kind::Layout, &service.name, message);
        if !profile.shapes.vcpus.contains(vcpus) {
            wrong(format!("{vcpus} virtual CPUs; expected one of {:?}", profile.shapes.vcpus));
        }
        if !sizes.memory.contains(&memory_mib.get()) {
            let expected = sizes.memory.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            wrong(format!("memory of {} MiB; expected {expected}", memory_mib.get()));
        }
        if data_mib.get() != sizes.data {
            wrong(format!("data volumes of {} MiB; expected {}", data_mib.get(), sizes.data));
        }
        if let Some(expected) = sizes.groups.filter(|expected| expected != groups) {
            wrong(format!("{groups} groups; expected {expected}"));
        }
        if *copies != sizes.copies {
            wrong(format!("{copies} copies of the data; expected {}", sizes.copies));
        }
        let found = witness.as_ref().map(|Witness { vcpus, memory_mib, data_mib }| {
            [u64::from(*vcpus), memory_mib.get(), data_mib.get()]
        });
        if found.is_some() && found != sizes.witness {
            let [vcpus, memory, data] = sizes.witness.unwrap_or_default();
            let expected = format!("{vcpus} virtual CPUs, {memory} MiB, a volume of {data} MiB");
            wrong(format!("the size of its witness differs; expected {expected}"));
        }
    }
}

fn sizes(plan: &Plan, service: &ServicePlan, profile: &Profile) -> Option<Sizes> {
    let layout = &service.layout;
    let least = if plan.policy.survives() { 2 } else { 1 };
    Some(match (&service.demand, &profile.rules) {
        (Demand::Sharded(demand), Rules::Sharded(rules)) => {
            let (memory, data) = sharded(layout, demand, (profile, rules));
            let copies = demand.copies_with(least);
            Sizes { memory: vec![memory], data, groups: None, copies, witness: None }
        }
        (Demand::PrimaryReplica(demand), Rules::PrimaryReplica(rules)) => {
            let (memory, data) = primary_replica(layout, demand, (profile, rules));
            let least = u32::try_from(super::binding::least(demand, Promise::of(plan)));
            let copies = layout.copies.max(least.unwrap_or(u32::MAX));
            Sizes { memory, data, groups: None, copies, witness: None }
        }
        (Demand::Quorum(demand), Rules::Quorum(rules)) => {
            let division = Division::new(plan, service, demand, (profile, rules));
            let held = division.held(service, demand);
            let (memory, data, witness) = quorum(layout, demand, (profile, rules), held);
            let copies = demand.copies.max(least);
            Sizes { memory, data, groups: Some(1), copies, witness: Some(witness) }
        }
        (Demand::Pool(demand), Rules::Pool(rules)) => {
            let memory = vec![pool(layout, demand, (profile, rules))];
            Sizes { memory, data: 0, groups: Some(1), copies: 1, witness: None }
        }
        (Demand::GatewayPair(demand), Rules::GatewayPair(rules)) => {
            let memory = vec![gateway_pair(demand, (profile, rules))];
            Sizes { memory, data: 0, groups: Some(1), copies: least, witness: None }
        }
        _ => return None,
    })
}

/// The next multiple of what the profile's pages need.
fn rounded(profile: &Profile, mib: u64) -> u64 {
    let unit = profile.guest.rounding_mib.whole().max(1);
    mib.div_ceil(unit).saturating_mul(unit)
}

/// The same of a guest's memory, which is never below the profile's least.
fn memory(profile: &Profile, mib: u64) -> u64 {
    rounded(profile, mib.max(profile.guest.minimum_mib.whole()))
}

fn sharded(
    layout: &Layout,
    demand: &ShardedDemand,
    (profile, rules): (&Profile, &Sharded),
) -> (u64, u64) {
    let part = largest(demand.data_mib.get(), layout.groups, rules);
    let (numbers, disk) = (&rules.memory, &rules.disk);
    let (copied, factor) = match demand.persistence {
        Persistence::None => (0.0, None),
        Persistence::Rdb => (numbers.copy_on_write_rdb.default, Some(disk.rdb_factor.default)),
        Persistence::Aof => (numbers.copy_on_write_aof.default, Some(disk.aof_factor.default)),
    };
    let growth = (1.0 + numbers.fragmentation.default) * (1.0 + copied);
    let backlog = if layout.copies > 1 { numbers.backlog_mib.whole() } else { 0 };
    let besides = profile.guest.base_mib.whole().saturating_add(backlog);
    let held = ceil(real(part) * growth).saturating_add(besides);
    let volume = factor.map_or(0, |factor| {
        rounded(profile, ceil(real(part) * factor).max(disk.minimum_mib.whole()))
    });
    (memory(profile, held), volume)
}

/// Buffer pools that are weighed, in percent of the data, besides the working set.
const POOLS: [u32; 4] = [100, 75, 50, 35];

fn primary_replica(
    layout: &Layout,
    demand: &RelationalDemand,
    (profile, rules): (&Profile, &PrimaryReplica),
) -> (Vec<u64>, u64) {
    let part = |whole: u64| whole.div_ceil(u64::from(layout.groups).max(1));
    let (data, disk) = (real(part(demand.data_mib.get())), &rules.disk);
    let besides = real(besides_mib(demand, (profile, rules), layout.groups));
    let of = |percent: u32| {
        let pool = data * f64::from(percent) / 100.0;
        memory(profile, ceil((pool / rules.memory.pool_share.default).max(pool + besides)))
    };
    let percents = POOLS.into_iter().chain([demand.working_set_percent.clamp(1, 100)]);
    let seconds = disk.binlog_hours.default * 3600.0;
    let writes = real(part(demand.writes_per_s.get()));
    let log = disk.binlog_bytes.default * writes * seconds / real(1 << 20);
    let volume = ceil(data * disk.data_factor.default + log).max(disk.minimum_mib.whole());
    (percents.map(of).collect(), rounded(profile, volume))
}

fn quorum(
    layout: &Layout,
    demand: &SearchDemand,
    (profile, rules): (&Profile, &Quorum),
    held: u64,
) -> (Vec<u64>, u64, [u64; 3]) {
    let (numbers, cluster, disk) = (&rules.memory, &rules.cluster, &rules.disk);
    let (least, most) = (numbers.least_mib.whole().max(1), numbers.most_mib.whole());
    let wanted = ceil(numbers.mib_per_vcpu.default * f64::from(layout.vcpus)).min(most);
    let doubled = std::iter::successors(Some(least), |mib| mib.checked_mul(2));
    let mut all: Vec<u64> =
        doubled.take_while(|mib| *mib <= most).filter(|mib| *mib >= wanted).collect();
    if all.is_empty() {
        all.push(most);
    }
    let data = real(demand.data_mib.get().saturating_mul(layout.copies.into()));
    // Of all shards the fullest instance holds that many.
    let most = real(held.div_ceil(u64::from(layout.instances).max(1))) / real(held.max(1));
    let part = ceil(data * disk.overhead.default * most);
    let witness = [
        cluster.witness_vcpus.whole().max(1),
        memory(profile, cluster.witness_mib.whole()),
        rounded(profile, cluster.witness_data_mib.whole()),
    ];
    let memories = all.into_iter().map(|mib| memory(profile, mib)).collect();
    (memories, rounded(profile, part.max(disk.minimum_mib.whole())), witness)
}

fn pool(layout: &Layout, demand: &WebDemand, (profile, rules): (&Profile, &Pool)) -> u64 {
    let numbers = &rules.memory;
    let own = numbers.workers_per_vcpu.default * numbers.worker_mib.default;
    let application =
        numbers.application_workers_per_vcpu.default * numbers.application_worker_mib.default;
    let each = if demand.cpu_us > 0 { own + application } else { own };
    let held = ceil(numbers.files_mib.default + each * f64::from(layout.vcpus));
    memory(profile, profile.guest.base_mib.whole().saturating_add(held))
}

fn gateway_pair(demand: &GatewayDemand, (profile, rules): (&Profile, &GatewayPair)) -> u64 {
    let numbers = &rules.memory;
    let each = if demand.tls {
        numbers.kib_per_tls_connection.default
    } else {
        numbers.kib_per_connection.default
    };
    let connections = real(demand.passed_on_per_s().get()) * numbers.connection_s.default;
    let held = ceil(connections * each / 1024.0);
    memory(profile, profile.guest.base_mib.whole().saturating_add(held))
}

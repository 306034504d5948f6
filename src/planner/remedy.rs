//! What would help where there is no plan: changes are proposed for what falls short, and
//! those are kept with which a plan is found.

use std::num::NonZeroU32;

use super::edit::edited;
use super::grow::{more_hosts, small_hosts};
use super::tries::Tries;
use crate::ids::ServiceName;
use crate::sizing::{LimitedResource, Ratio, Scale};
use crate::solve::{Edit, Infeasible, NeighbourRule, Remedy, Resource, Shortage, Why};
use crate::spec::{Demand, Service, Spec, Spread};
use crate::units::Mebibytes;

/// Parts of all demands that are tried, in percent.
const PARTS: [u64; 5] = [90, 75, 50, 25, 10];

/// Ways of one kind, the mildest first; the first with which a plan is found is taken.
type Idea = Vec<Vec<Edit>>;

/// Finds changes of the spec and of its hosts, each of which makes a plan possible.
pub(super) fn remedied(tries: &Tries, why: Infeasible) -> Infeasible {
    let edits = edits(tries, &why);
    let small = small_hosts(tries, &why);
    let would_fit = more_hosts(tries, &why);
    let hosts = would_fit.first().cloned().map(Remedy::Hosts);
    let less = less_demand(tries, &why).map(Remedy::LessDemand);
    let all = hosts.into_iter().chain(small).chain(edits.into_iter().map(Remedy::Edits));
    Infeasible { remedies: all.chain(less).collect(), would_fit, ..why }
}

/// Whether less demand helps: a part of each was found to be served, or one part of all is.
fn less_demand(tries: &Tries, why: &Infeasible) -> Option<Option<u64>> {
    let is_part = !why.served.is_empty()
        && why.served.iter().all(|one| one.served_per_s > 0)
        && why.served.iter().any(|one| one.served_per_s < one.demand_per_s);
    if is_part || tries.spec.services.is_empty() {
        return is_part.then_some(None);
    }
    let helps = |percent: &u64| {
        let mut less = tries.spec.clone();
        for service in &mut less.services {
            service.demand = service.demand.scaled(Ratio::new(*percent, 100));
        }
        tries.fits(&less) == Some(true)
    };
    PARTS.into_iter().find(helps).map(Some)
}

/// Finds edits of the spec: one of each kind for everything that falls short, together.
fn edits(tries: &Tries, why: &Infeasible) -> Vec<Vec<Edit>> {
    let ideas: Vec<Vec<Idea>> =
        why.shortages.iter().map(|short| ideas(tries.spec, why, short)).collect();
    let kinds = ideas.iter().map(Vec::len).max().unwrap_or(0);
    let mut found: Vec<Vec<Edit>> = Vec::new();
    for kind in 0..kinds {
        let chosen: Vec<&Idea> =
            ideas.iter().filter_map(|all| all.get(kind.min(all.len().checked_sub(1)?))).collect();
        let ways = chosen.iter().map(|idea| idea.len()).max().unwrap_or(0);
        let mut proposals = (0..ways).map(|way| together(&chosen, way));
        let helps = |edits: &Vec<Edit>| {
            edited(tries.spec, edits).and_then(|spec| tries.fits(&spec)) == Some(true)
        };
        found.extend(proposals.find(helps).filter(|edits| !found.contains(edits)));
    }
    found
}

/// The edits of all ideas, each once, those of `way` or the last there are.
fn together(ideas: &[&Idea], way: usize) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    for idea in ideas {
        let last = idea.len().saturating_sub(1);
        for edit in idea.get(way.min(last)).into_iter().flatten() {
            if !edits.contains(edit) {
                edits.push(edit.clone());
            }
        }
    }
    edits
}

/// What may help against a shortage, the mildest first; hosts are added elsewhere.
fn ideas(spec: &Spec, why: &Infeasible, short: &Shortage) -> Vec<Idea> {
    let one = |edit: Edit| vec![vec![edit]];
    let level = match short.resource {
        Resource::FailureDomains(level) => Some(level),
        _ => None,
    };
    match &short.why {
        Why::NoBridge => vec![one(Edit::Bridge)],
        Why::Architecture => vec![one(Edit::Architecture)],
        Why::Majority { .. } => {
            let manual = level.map(|level| one(Edit::ManualQuorum(level)));
            manual.into_iter().chain([one(Edit::NoSurvival)]).collect()
        }
        Why::Survival { .. } => vec![one(Edit::NoSurvival)],
        Why::Spread { service, machines, spread } => {
            fewer_or_closer(service, (*machines, *spread), short.available)
        }
        Why::Restart { service, .. } => {
            let vms = ServiceName::new(service.as_str()).ok();
            let own = vms.map(|vms| one(Edit::NoRestart { vms }));
            own.into_iter().chain(any_host(spec)).collect()
        }
        Why::Neighbours { rules } => without_neighbours(rules),
        Why::Allowed { .. } => any_host(spec).into_iter().collect(),
        Why::Indivisible { service } => {
            let smaller = smaller(spec, why, service).map(|way| vec![vec![way]]);
            smaller.into_iter().chain(working_sets(spec, short.resource)).collect()
        }
        Why::EngineLimit { service } => {
            let own = spec.services.iter().find(|one| one.name.as_str() == service);
            own.map_or_else(Vec::new, |own| limits(own, short))
        }
        _ if short.resource == Resource::Addresses => {
            vec![one(Edit::Addresses(short.short_by()))]
        }
        Why::Total { unusable_mib: 1.., .. } => {
            let pages = one(Edit::SmallPages);
            [pages].into_iter().chain(working_sets(spec, short.resource)).collect()
        }
        _ => working_sets(spec, short.resource).into_iter().chain(any_host(spec)).collect(),
    }
}

/// One rule on neighbours less, each alone, or none of them.
fn without_neighbours(rules: &[NeighbourRule]) -> Vec<Idea> {
    let edit = |rule: &NeighbourRule| {
        let vms = ServiceName::new(rule.service.as_str()).ok()?;
        Some(if rule.is_near { Edit::NoNear { vms } } else { Edit::NoApart { vms } })
    };
    let all: Vec<Edit> = rules.iter().filter_map(edit).collect();
    let mut ideas: Vec<Idea> = all.iter().map(|edit| vec![vec![edit.clone()]]).collect();
    if let Some(last) = ideas.last_mut() {
        last.push(all);
    }
    ideas
}

/// Machines on all hosts, those of one entry or of all.
fn any_host(spec: &Spec) -> Option<Idea> {
    let ruled = spec.vms.iter().filter(|vm| vm.has_host_rules());
    let all: Vec<Edit> = ruled.map(|vm| Edit::AnyHost { vms: vm.name.clone() }).collect();
    let each = all.iter().map(|edit| vec![edit.clone()]);
    (!all.is_empty()).then(|| each.chain([all.clone()]).collect())
}

/// Fewer machines, or more of them in each of so many failure domains.
fn fewer_or_closer(vms: &str, (machines, spread): (u64, Spread), domains: u64) -> Vec<Idea> {
    let Ok(vms) = ServiceName::new(vms) else { return Vec::new() };
    let natural = |number: u64| u32::try_from(number).ok().and_then(NonZeroU32::new);
    let fewer = natural(domains.saturating_mul(spread.most()));
    let fewer = fewer.map(|count| Edit::Count { vms: vms.clone(), count: count.get() });
    let closer = machines.div_ceil(domains.max(1));
    let closer = natural(closer)
        .map(|at_most| Edit::Spread { vms: vms.clone(), spread: Spread { at_most, ..spread } });
    let all = [fewer, closer, Some(Edit::NoSpread { vms })];
    all.into_iter().flatten().map(|edit| vec![vec![edit]]).collect()
}

/// Fixed machines as large as the first host takes that refuses them for their size.
fn smaller(spec: &Spec, why: &Infeasible, name: &str) -> Option<Edit> {
    let vm = spec.vms.iter().find(|vm| vm.name.as_str() == name)?;
    let first = why.rejections.iter().find(|one| one.service == name)?;
    let host = spec.topology.hosts.iter().find(|host| host.name.as_str() == first.host)?;
    let (mut vcpus, mut memory, mut disk) = (vm.vcpus, vm.memory_mib, vm.disk_mib);
    let own = why.rejections.iter();
    for one in own.filter(|one| one.service == name && one.host == first.host) {
        let short = Mebibytes::new(one.needed.saturating_sub(one.allocatable));
        match one.resource {
            Resource::Cores => {
                let cores = u32::try_from(one.allocatable).ok()?;
                vcpus = cores.saturating_mul(host.threads_per_core());
            }
            // That of QEMU shrinks as well: what is left over is a little.
            Resource::Memory => memory = memory.saturating_sub(short),
            Resource::Disk => disk = disk.saturating_sub(short),
            _ => return None,
        }
    }
    let is_some = vcpus > 0 && memory > Mebibytes::ZERO;
    is_some.then(|| Edit::Size { vms: vm.name.clone(), vcpus, memory, disk })
}

/// Databases of which most transactions touch a part only: nobody said how large it is.
fn working_sets(spec: &Spec, resource: Resource) -> Option<Idea> {
    let is_whole = |service: &&Service| matches!(&service.demand, Demand::PrimaryReplica(all) if all.working_set_percent == 100);
    let names: Vec<_> = spec.services.iter().filter(is_whole).map(|one| one.name.clone()).collect();
    let by_memory = matches!(resource, Resource::Memory | Resource::Iops | Resource::Hosts);
    let of = |percent: u32| {
        let edit = |service: &ServiceName| Edit::WorkingSet { service: service.clone(), percent };
        names.iter().map(edit).collect()
    };
    (by_memory && !names.is_empty()).then(|| [50, 20, 10].map(of).to_vec())
}

/// What lifts a limit of an engine.
fn limits(service: &Service, short: &Shortage) -> Vec<Idea> {
    let Resource::Engine(limited) = short.resource else { return Vec::new() };
    let name = || service.name.clone();
    let times = short.needed.div_ceil(short.available.max(1)).max(2);
    let parts = || {
        let edit =
            |parts| vec![Edit::Split { service: name(), cluster: service.engine.cluster(), parts }];
        [times, times.saturating_add(1), times.saturating_mul(2)].map(edit).to_vec()
    };
    let needed = u32::try_from(short.needed).unwrap_or(u32::MAX);
    match limited {
        LimitedResource::ClusterProcesses
        | LimitedResource::ShardWork
        | LimitedResource::GatewayRequests => vec![parts()],
        LimitedResource::ShardCopies => vec![
            vec![vec![Edit::Copies { service: name(), copies: needed }]],
            vec![vec![Edit::NoSurvival]],
        ],
        LimitedResource::SearchedCopies => {
            vec![vec![vec![Edit::Copies { service: name(), copies: needed }]]]
        }
        LimitedResource::Shards => {
            vec![vec![vec![Edit::ShardsPerQuery { service: name(), shards: needed }]]]
        }
        LimitedResource::GroupCopies | LimitedResource::PrimaryWrites => {
            let Demand::PrimaryReplica(demand) = &service.demand else { return Vec::new() };
            let times = u32::try_from(times).unwrap_or(u32::MAX);
            let least = demand.shards.saturating_mul(times);
            let edit = |shards: u32| vec![Edit::Shards { service: name(), shards }];
            let shards = [least, least.saturating_add(1), least.saturating_mul(2)].map(edit);
            vec![shards.to_vec(), parts()]
        }
        LimitedResource::InstanceRequests => {
            let Demand::Pool(demand) = &service.demand else { return Vec::new() };
            let edit = |part: u64| {
                vec![Edit::CpuTime { service: name(), micros: (demand.cpu_us / part).max(1) }]
            };
            vec![[2, 4, 8, 16, 32, 64].map(edit).to_vec()]
        }
    }
}

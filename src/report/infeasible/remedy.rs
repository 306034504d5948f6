//! What would help where there is no plan.

use super::amount;
use crate::solve::{AddedHosts, Edit, Remedy, Resource};
use crate::spec::Cluster;
use crate::topology::Level;
use crate::units::{Mebibytes, Microseconds, Percent, counted};

/// Remedies that are named.
const NAMED: usize = 4;

/// The first of them, each an alternative; `None` without one.
pub(super) fn text(remedies: &[Remedy]) -> Option<String> {
    let all: Vec<String> = remedies.iter().take(NAMED).map(sentence).collect();
    (!all.is_empty()).then(|| all.join("; or "))
}

/// What to do.
pub(super) fn sentence(remedy: &Remedy) -> String {
    match remedy {
        Remedy::Hosts(added) => format!("add {}", hosts(added)),
        Remedy::SmallHosts { count, cores, memory, disk } => format!(
            "add {}, of which {cores} cores, {memory} and a disk of {disk} are enough",
            counted(*count, "small host")
        ),
        Remedy::Edits(edits) => edits.iter().map(edit).collect::<Vec<_>>().join(" and "),
        Remedy::LessDemand(None) => "reduce the demand".to_owned(),
        Remedy::LessDemand(Some(percent)) => format!("reduce every demand to {percent} %"),
    }
}

/// `5 hosts like h1, each in a rack of its own`.
pub(super) fn hosts(added: &AddedHosts) -> String {
    let AddedHosts { like, count, cost: _, apart, larger } = added;
    let of_pool = |resource| matches!(resource, Resource::Disk | Resource::Iops);
    let larger = [(false, "NUMA node"), (true, "pool")].map(|(pool, place)| {
        let own = larger.iter().filter(|(resource, _)| of_pool(*resource) == pool);
        let own: Vec<String> = own.map(|one| most(*one)).collect();
        (!own.is_empty()).then(|| format!("{} in one {place}", own.join(" and ")))
    });
    let larger: Vec<String> = larger.into_iter().flatten().collect();
    let larger = match larger.as_slice() {
        [] => String::new(),
        all => format!(" with {}", all.join(" and ")),
    };
    let apart = match (apart, count) {
        (None | Some(Level::Host), _) => String::new(),
        (Some(level), 1) => format!(", in a {level} of its own"),
        (Some(level), _) => format!(", each in a {level} of its own"),
    };
    format!("{} like {like}{larger}{apart}", counted(*count, "host"))
}

/// How much of a resource a NUMA node or a pool has then.
fn most((resource, most): (Resource, u64)) -> String {
    match resource {
        Resource::Cores => counted(most, "core"),
        _ => amount(most, resource),
    }
}

fn edit(edit: &Edit) -> String {
    match edit {
        Edit::Bridge => "list the bridge under `bridges:` of the hosts that have it".to_owned(),
        Edit::Architecture => "use x86_64 hosts of the same size".to_owned(),
        Edit::Addresses(more) => format!("widen network.addresses by {more}"),
        Edit::ManualQuorum(level) => {
            format!("accept manual failover: `survive: {{ level: {level}, quorum: manual }}`")
        }
        Edit::NoSurvival => "`survive: none`".to_owned(),
        Edit::Count { vms, count } => format!("`count: {count}` of {vms}"),
        Edit::SmallPages => "let the hosts have pages of 2MiB instead of 1GiB".to_owned(),
        Edit::Spread { vms, spread } => format!("`spread: {spread}` of {vms}"),
        Edit::NoSpread { vms } => format!("omit `spread` of {vms}"),
        Edit::AnyHost { vms } => format!("omit `on` and `not_on` of {vms}"),
        Edit::NoApart { vms } => format!("omit `apart` of {vms}"),
        Edit::NoNear { vms } => format!("omit `near` of {vms}"),
        Edit::NoRestart { vms } => format!("omit `restart` of {vms}"),
        Edit::Size { vms, vcpus, memory, disk } => {
            let disk = match *disk {
                Mebibytes::ZERO => String::new(),
                disk => format!(", disk: {disk}"),
            };
            format!("make {vms} smaller: `vcpus: {vcpus}, memory: {memory}{disk}`")
        }
        Edit::Copies { service, copies } => format!("set `copies: {copies}` of {service}"),
        Edit::ShardsPerQuery { service, shards } => {
            format!("set `shards_per_query: {shards}` of {service}")
        }
        Edit::Shards { service, shards } => {
            format!("set `shards: {shards}` of {service}, if the application can shard its data")
        }
        Edit::WorkingSet { service, percent } => format!(
            "state `working_set` of {service}, which is 100% unless stated: {} is small enough",
            Percent::new((*percent).into())
        ),
        Edit::CpuTime { service, micros } => {
            format!("reduce `cpu` of {service} to {}", Microseconds::new(*micros))
        }
        Edit::Split { service, cluster: Cluster::GatewayPair, parts } => {
            format!("split the pools behind {service} over {parts} gateways")
        }
        Edit::Split { service, parts, .. } => format!("split {service} into {parts} services"),
    }
}

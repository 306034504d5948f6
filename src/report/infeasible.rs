//! Why there is no plan: what is needed, what there is, what is missing, what would
//! help. All words about infeasibility are here.

mod assumed;
mod withheld;

use serde_json::{Value, json};

use super::columns::{columns, wrapped};
use super::plan_text::size;
use crate::sizing::LimitedResource;
use crate::solve::{AddedHosts, Infeasible, Rejection, Remedy, Resource, Served, Shortage, Why};
use crate::spec::Cluster;
use crate::units::{Mebibytes, counted, grouped, percent};

/// Columns of a sentence.
const WIDTH: usize = 78;

/// Remedies that are named, in the order of the shortages.
const REMEDIES: usize = 3;

/// Rejections that are listed; the others are counted.
const LISTED: usize = 8;

/// Renders the reasons as sentences, each with its numbers, and what could be served.
#[must_use]
pub fn text(why: &Infeasible) -> String {
    let Infeasible { shortages, rejections, withheld, assumed, served, would_fit } = why;
    let mut text = "no plan satisfies the spec\n".to_owned();
    let mut reported: Option<String> = None;
    for shortage in shortages {
        let because = because(shortage);
        if reported.as_ref() != Some(&because) {
            text.push_str(&wrapped(2, WIDTH, &because));
            let totals = shortages.iter().filter(|other| self::because(other) == because);
            let rows: Vec<_> = totals.filter_map(row).collect();
            text.push_str(&columns(4, &rows));
        }
        reported = Some(because);
    }
    text.push_str(&refused(rejections));
    text.push_str(&withheld::text(withheld));
    text.push_str(&assumed::text(assumed));
    for served in served {
        text.push_str(&self::served(served));
    }
    text.push_str(&added(would_fit));
    text
}

/// Says in one sentence why a resource falls short.
pub(super) fn because(short: &Shortage) -> String {
    let Shortage { resource, needed, available, why, remedy: _ } = short;
    match why {
        Why::NoBridge => {
            "Because no host has the bridge of the network, nothing can be placed.".to_owned()
        }
        Why::Architecture => {
            "Because every host is of another architecture than guests, which are x86_64, nothing \
             can be placed."
                .to_owned()
        }
        Why::Total { .. } => {
            "Because the smallest layouts that serve the demand need more than there is:".to_owned()
        }
        Why::Majority { service, voters, cluster } => format!(
            "Because {service} needs {voters} {}s, no failure domain may hold half of them, and {}",
            voter(*cluster),
            lost_majority(*available, &domain(*resource))
        ),
        Why::Survival { service } => format!(
            "Because {service} must survive the loss of any one {}, it needs {}, and there {}.",
            domain(*resource),
            counted(*needed, &domain(*resource)),
            only(*available, &domain(*resource))
        ),
        Why::Spread { service } => format!(
            "Because {service} consists of {}, at most one per {}, and there {}, {} of them cannot \
             be placed.",
            counted(*needed, "machine"),
            domain(*resource),
            only(*available, &domain(*resource)),
            short.short_by()
        ),
        Why::Indivisible { service } => format!(
            "Because an instance takes its CPUs and memory from one NUMA node and its disks from \
             one pool, and none is large enough for the smallest instance of {service}, it cannot \
             be placed."
        ),
        Why::Fragmentation => format!(
            "Because an instance is never split across NUMA nodes and copies are in different \
             failure domains, free capacity in one place does not help in another; {} more {} \
             would make it feasible.",
            quantity(short),
            usable(*resource)
        ),
        Why::Combination => "Each resource suffices alone, but no placement satisfies all \
                             constraints at once."
            .to_owned(),
        Why::EngineLimit { service } => format!(
            "Because {service} needs {needed} {} and the limit is {available} for {resource}, no \
             layout of it serves the demand.",
            resource.unit()
        ),
    }
}

/// Word for a failure domain of the level that a resource counts.
fn domain(resource: Resource) -> String {
    match resource {
        Resource::FailureDomains(level) => level.to_string(),
        other => other.to_string(),
    }
}

const fn voter(cluster: Cluster) -> &'static str {
    match cluster {
        Cluster::Quorum => "voter",
        _ => "master",
    }
}

/// `are only 2 hosts`.
fn only(available: u64, domain: &str) -> String {
    let verb = if available == 1 { "is" } else { "are" };
    format!("{verb} only {}", counted(available, domain))
}

/// What the loss of one of so few failure domains does to a majority.
fn lost_majority(available: u64, domain: &str) -> String {
    let only = only(available, domain);
    match available {
        1 => format!("there {only}: losing it stops the cluster."),
        2 => format!(
            "there {only}: two {domain}s cannot keep a cluster that elects by majority writable \
             after losing one."
        ),
        _ => format!("there {only}: losing one stops the cluster."),
    }
}

/// How much is missing, with a unit unless the resource's name is one.
fn quantity(short: &Shortage) -> String {
    match short.resource {
        Resource::Cores => counted(short.short_by(), "core"),
        resource => format!("{} {}", short.short_by(), resource.unit()),
    }
}

/// Where more of a resource can be used.
const fn usable(resource: Resource) -> &'static str {
    match resource {
        Resource::Cores | Resource::Memory | Resource::Overhead => {
            "on NUMA nodes that can still take an instance"
        }
        Resource::Disk | Resource::Iops => "in pools of hosts that can still take an instance",
        _ => "on hosts that can still take an instance",
    }
}

/// Says what would help against a shortage.
fn remedy(short: &Shortage) -> String {
    let Shortage { resource, why, remedy, .. } = short;
    let missing = short.short_by();
    match (remedy, why) {
        (Remedy::BridgedHost, _) => "add a host that has the bridge, or list the bridge under \
                                     `bridges:` of those that have it"
            .to_owned(),
        (Remedy::X86Host, _) => "add x86_64 hosts".to_owned(),
        (Remedy::Hosts { count, like }, Why::Total { unusable_mib, .. }) => {
            let add = match like {
                Some(name) => format!("add at least {} like {name}", counted(*count, "host")),
                None => "add hosts".to_owned(),
            };
            match resource {
                Resource::Disk => format!("for disk, enlarge the pools or {add}"),
                _ => format!("for {resource}, {add}, or reduce the demand{}", pages(*unusable_mib)),
            }
        }
        (Remedy::Hosts { .. }, _) => "add hosts".to_owned(),
        (Remedy::Addresses, _) => format!("widen network.addresses by {missing} or more"),
        (Remedy::FailureDomains, Why::Majority { cluster, .. }) => {
            majority_remedy(missing, *cluster, &domain(*resource))
        }
        (Remedy::FailureDomains, Why::Spread { service }) => format!(
            "add {}, reduce `count` of {service}, or omit its `spread`",
            counted(missing, &domain(*resource))
        ),
        (Remedy::FailureDomains, _) => {
            format!("add {}; or `survive: none`", counted(missing, &domain(*resource)))
        }
        (Remedy::LargerHost, Why::Indivisible { service }) => format!(
            "add a host with a larger {}, or make the instances of {service} smaller",
            place(*resource)
        ),
        (Remedy::LargerHost, _) => format!("add a host with a larger {}", place(*resource)),
        (Remedy::AnotherHost, _) => "add a host, or move instances off the fullest ones".to_owned(),
        (Remedy::AnotherDomain, _) => "add a host in a failure domain of its own".to_owned(),
        (Remedy::LessDemand, Why::EngineLimit { service }) => {
            format!("for {service}: {}", engine_remedy(*resource, short.needed))
        }
        (Remedy::LessDemand, _) => "reduce the demand".to_owned(),
    }
}

/// Memory that pages of an unsuitable size keep from use.
fn pages(unusable_mib: u64) -> String {
    match unusable_mib {
        0 => String::new(),
        lost => format!(
            "; {} more is unusable: the pages of a NUMA node's instances have one size, which \
             must divide the memory of each; 2MiB pages suit most",
            Mebibytes::new(lost)
        ),
    }
}

fn majority_remedy(missing: u64, cluster: Cluster, domain: &str) -> String {
    let voter = match cluster {
        Cluster::Quorum => "voting-only instance",
        _ => "master",
    };
    let add = match missing {
        1 => format!("add a third {domain}, or a small one that carries one {voter}"),
        more => format!("add {more} more {domain}s; a small one may carry just one {voter}"),
    };
    format!(
        "{add}; or accept manual failover: `survive: {{ level: {domain}, quorum: manual }}`; or \
         `survive: none`"
    )
}

fn engine_remedy(resource: Resource, needed: u64) -> String {
    let Resource::Engine(limited) = resource else { return "reduce the demand".to_owned() };
    match limited {
        LimitedResource::ClusterProcesses => "split it into several services".to_owned(),
        LimitedResource::ShardCopies => {
            format!("set `copies: {needed}`, or `survive: none`")
        }
        LimitedResource::Shards => format!("set `shards_per_query: {needed}`"),
        LimitedResource::SearchedCopies => format!("set `copies: {needed}`"),
        LimitedResource::ShardWork => "split it into several services".to_owned(),
        LimitedResource::GroupCopies | LimitedResource::PrimaryWrites => {
            "raise `shards` if the application can shard its data, or split the service into \
             several"
                .to_owned()
        }
        LimitedResource::GatewayRequests => {
            "split the pools behind it over several gateways".to_owned()
        }
        LimitedResource::InstanceRequests => "state less CPU time or smaller responses".to_owned(),
    }
}

/// Where one instance takes a resource from.
const fn place(resource: Resource) -> &'static str {
    match resource {
        Resource::Disk | Resource::Iops => "pool",
        _ => "NUMA node",
    }
}

/// What falls short, and of whom.
fn subject(short: &Shortage) -> String {
    let resource = short.resource;
    match &short.why {
        Why::Total { .. } => resource.to_string(),
        Why::Architecture => "hosts of the architecture of guests".to_owned(),
        Why::NoBridge => "hosts that carry the network".to_owned(),
        Why::Combination => "hosts that satisfy all constraints at once".to_owned(),
        Why::Fragmentation => format!("{resource} {}", usable(resource)),
        Why::Indivisible { service } => {
            format!("{resource} of one {} for {service}", place(resource))
        }
        Why::Majority { service, .. } | Why::Survival { service } | Why::Spread { service } => {
            format!("{resource} ({}) for {service}", domain(resource))
        }
        Why::EngineLimit { service } => format!("{resource}, for {service}"),
    }
}

/// Whose resources were added up.
const fn owner(short: &Shortage) -> Option<&'static str> {
    match (&short.why, short.resource) {
        (Why::Total { .. }, Resource::Disk | Resource::Iops) => Some("all pools"),
        (Why::Total { .. }, Resource::Addresses) => Some("the network"),
        (Why::Total { .. }, _) => Some("all hosts"),
        _ => None,
    }
}

/// Hosts that would make it feasible.
fn added(would_fit: &[AddedHosts]) -> String {
    let hosts =
        |added: &AddedHosts| format!("{} like {}", counted(added.count, "host"), added.like);
    let Some((first, others)) = would_fit.split_first() else { return String::new() };
    let mut sentence =
        format!("Adding {} would make it feasible (cost {})", hosts(first), first.cost);
    for other in others {
        sentence.push_str(&format!(", so would {} (cost {})", hosts(other), other.cost));
    }
    wrapped(2, WIDTH, &format!("{sentence}."))
}

fn row(shortage: &Shortage) -> Option<Vec<String>> {
    let Shortage { resource, needed, available, .. } = shortage;
    let amount = |value| amount(value, *resource);
    Some(vec![
        owner(shortage)?.to_owned(),
        resource.to_string(),
        format!(
            "needs {}{}, allocatable {}, short by {}",
            amount(*needed),
            for_qemu(match shortage.why {
                Why::Total { overhead_mib, .. } => overhead_mib,
                _ => 0,
            }),
            amount(*available),
            amount(shortage.short_by())
        ),
    ])
}

/// The part of what is needed that QEMU itself takes.
fn for_qemu(overhead_mib: u64) -> String {
    match overhead_mib {
        0 => String::new(),
        part => format!(" (of which {} for QEMU)", size(Mebibytes::new(part))),
    }
}

fn refused(rejections: &[Rejection]) -> String {
    let rows: Vec<_> = rejections
        .iter()
        .take(LISTED)
        .map(|rejection| {
            let Rejection { host, service, resource, needed, overhead_mib, .. } = rejection;
            vec![
                host.clone(),
                service.clone(),
                resource.to_string(),
                format!(
                    "needs {}{}, allocatable {}",
                    amount(*needed, *resource),
                    for_qemu(*overhead_mib),
                    allocatable(rejection)
                ),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let more = match rejections.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!("    and {more} more\n"),
    };
    format!("  Too small for even one instance, when empty:\n{}{more}", columns(4, &rows))
}

/// The most that one NUMA node or pool has, and whether that was assumed.
pub(super) fn allocatable(rejection: &Rejection) -> String {
    let most = amount(rejection.allocatable, rejection.resource);
    match &rejection.assumed {
        Some(field) => format!("{most} (assumed; state `{field}`)"),
        None => most,
    }
}

fn served(served: &Served) -> String {
    let Served { service, served_per_s, demand_per_s } = served;
    match served_per_s {
        0 => format!("  None of the demand on {service} could be served.\n"),
        all if all >= demand_per_s => format!("  The demand on {service} could be served.\n"),
        part => format!(
            "  At least {:.0} % of the demand on {service} could be served, data and load alike.\n",
            percent(*part, *demand_per_s)
        ),
    }
}

/// A number with its unit where it has one; sizes as people read them.
pub(super) fn amount(value: u64, resource: Resource) -> String {
    match resource {
        Resource::Memory | Resource::Overhead | Resource::Disk => size(Mebibytes::new(value)),
        Resource::Bandwidth => format!("{value} {}", resource.unit()),
        Resource::Iops => format!("{}/s", grouped(value)),
        _ => value.to_string(),
    }
}

/// Says what would help: remedies for the first shortages, each once.
#[must_use]
pub fn hint(why: &Infeasible) -> Option<String> {
    let mut hints: Vec<String> = Vec::new();
    for hint in why.shortages.iter().map(remedy) {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints.truncate(REMEDIES);
    (!hints.is_empty()).then(|| hints.join("\nhint: "))
}

/// Renders the same as JSON.
#[must_use]
pub fn json(why: &Infeasible) -> Value {
    let shortages = why.shortages.iter().map(|short| {
        json!({
            "resource": subject(short),
            "of": owner(short),
            "needed": short.needed,
            "available": short.available,
            "short_by": short.short_by(),
            "unit": short.resource.unit(),
            "because": because(short),
            "hint": remedy(short),
        })
    });
    let rejections = why.rejections.iter().map(|rejection| {
        json!({
            "host": rejection.host,
            "service": rejection.service,
            "resource": rejection.resource.as_str(),
            "needed": rejection.needed,
            "overhead_mib": rejection.overhead_mib,
            "allocatable": rejection.allocatable,
            "unit": rejection.resource.unit(),
            "assumed": rejection.assumed,
        })
    });
    let served = why.served.iter().map(|served| {
        json!({
            "service": served.service,
            "served_per_s": served.served_per_s,
            "demand_per_s": served.demand_per_s,
        })
    });
    let would_fit = why
        .would_fit
        .iter()
        .map(|more| json!({ "like": more.like, "count": more.count, "cost": more.cost }));
    json!({ "infeasible": {
        "shortages": shortages.collect::<Vec<_>>(),
        "rejections": rejections.collect::<Vec<_>>(),
        "served": served.collect::<Vec<_>>(),
        "withheld": withheld::json(&why.withheld),
        "assumed": assumed::json(&why.assumed),
        "would_fit": would_fit.collect::<Vec<_>>(),
    } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engines_own_limits_have_remedies_of_their_own() {
        let against = |limited, needed| {
            let why = Why::EngineLimit { service: "x".to_owned() };
            let resource = Resource::Engine(limited);
            remedy(&Shortage { resource, needed, available: 1, why, remedy: Remedy::LessDemand })
        };
        assert_eq!(
            against(LimitedResource::ShardCopies, 2),
            "for x: set `copies: 2`, or `survive: none`"
        );
        assert_eq!(
            against(LimitedResource::GatewayRequests, 9),
            "for x: split the pools behind it over several gateways"
        );
    }
}

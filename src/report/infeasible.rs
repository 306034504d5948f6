//! Why there is no plan: what is needed, what there is, what is missing, what would
//! help. All words about infeasibility are here.

mod assumed;
mod remedy;
mod restart;
mod withheld;

use serde_json::{Value, json};

use super::columns::{columns, wrapped};
use super::plan_text::{at_most, size};
use crate::solve::{
    AddedHosts, Infeasible, NeighbourRule, Rejection, Resource, Served, Shortage, Why,
};
use crate::spec::Cluster;
use crate::units::{Mebibytes, counted, grouped, percent};

/// Columns of a sentence.
const WIDTH: usize = 78;

/// Rejections that are listed; the others are counted.
const LISTED: usize = 8;

/// Renders the reasons as sentences, each with its numbers, and what could be served.
#[must_use]
pub fn text(why: &Infeasible) -> String {
    let Infeasible { shortages, rejections, withheld, assumed, served, would_fit, remedies: _ } =
        why;
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
    text.push_str(&unusable(shortages));
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
    let Shortage { resource, needed, available, why } = short;
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
        Why::Spread { service, machines, spread } => format!(
            "Because {service} consists of {}, {}, and there {}, {} of them cannot be placed.",
            counted(*machines, "machine"),
            at_most(*spread),
            only(*available, &domain(*resource)),
            machines.saturating_sub(available.saturating_mul(spread.most()))
        ),
        Why::Neighbours { rules } => {
            let rules: Vec<String> = rules.iter().map(neighbours).collect();
            format!("Because {}, not all of them can be placed.", joined(&rules, "and"))
        }
        Why::Allowed { service } => format!(
            "Because of `on` and `not_on`, {service} may be on hosts that hold {available} of its {} \
             even if they are empty.",
            counted(*needed, "VM")
        ),
        Why::Restart { service, level, domains } => {
            restart::because(service, (*level, domains), (*needed, *available))
        }
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
        Why::Undetermined => "No placement satisfies all constraints at once; the time limit came \
                              before it was found which of them exclude each other."
            .to_owned(),
        Why::EngineLimit { service } => format!(
            "Because {service} needs {} {} and the limit is {} for {resource}, no layout of it \
             serves the demand.",
            grouped(*needed),
            resource.unit(),
            grouped(*available)
        ),
    }
}

fn neighbours(rule: &NeighbourRule) -> String {
    let NeighbourRule { service, is_near, others } = rule;
    match is_near {
        true => {
            let others = joined(others, "and");
            format!("every VM of {service} must be on a host with {others} (`near`)")
        }
        false => {
            let others = joined(others, "or");
            format!("no host may hold both {service} and {others} (`apart`)")
        }
    }
}

/// `a, b and c`.
fn joined(names: &[String], last: &str) -> String {
    match names {
        [init @ .., end] if !init.is_empty() => format!("{} {last} {end}", init.join(", ")),
        names => names.concat(),
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
        Why::Neighbours { .. } | Why::Combination | Why::Undetermined => {
            "hosts that satisfy all constraints at once".to_owned()
        }
        Why::Fragmentation => format!("{resource} {}", usable(resource)),
        Why::Indivisible { service } => {
            format!("{resource} of one {} for {service}", place(resource))
        }
        Why::Majority { service, .. } | Why::Survival { service } | Why::Spread { service, .. } => {
            format!("{resource} ({}) for {service}", domain(resource))
        }
        Why::Allowed { service } => format!("VMs of {service} on hosts that they may be on"),
        Why::Restart { service, level, domains } => restart::subject(service, *level, domains),
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

/// Memory that pages of an unsuitable size keep from use.
fn unusable(shortages: &[Shortage]) -> String {
    let unusable = shortages.iter().find_map(|short| match short.why {
        Why::Total { unusable_mib, .. } if unusable_mib > 0 => Some(Mebibytes::new(unusable_mib)),
        _ => None,
    });
    unusable.map_or_else(String::new, |unusable| {
        let sentence = format!(
            "{} more is unusable: the pages of a NUMA node's instances have one size, which must \
             divide the memory of each.",
            size(unusable)
        );
        wrapped(2, WIDTH, &sentence)
    })
}

/// Hosts with which a plan was found.
fn added(would_fit: &[AddedHosts]) -> String {
    let Some((first, others)) = would_fit.split_first() else { return String::new() };
    let hosts = remedy::hosts;
    let mut sentence =
        format!("Adding {} would make it feasible (cost {})", hosts(first), grouped(first.cost));
    for other in others {
        let cost = grouped(other.cost);
        sentence.push_str(&format!(", so would {} (cost {cost})", hosts(other)));
    }
    wrapped(2, WIDTH, &format!("{sentence}."))
}

fn row(shortage: &Shortage) -> Option<Vec<String>> {
    let Shortage { resource, needed, available, .. } = shortage;
    let [needs, has] = apart([*needed, *available], *resource);
    Some(vec![
        owner(shortage)?.to_owned(),
        resource.to_string(),
        format!(
            "needs {needs}{}, allocatable {has}, short by {}",
            for_qemu(match shortage.why {
                Why::Total { overhead_mib, .. } => overhead_mib,
                _ => 0,
            }),
            amount(shortage.short_by(), *resource)
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
            let Rejection { host, service, resource, overhead_mib, .. } = rejection;
            let [needed, most] = needed_and_most(rejection);
            vec![
                host.clone(),
                service.clone(),
                resource.to_string(),
                format!("needs {needed}{}, allocatable {most}", for_qemu(*overhead_mib)),
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

/// What an instance needs and the most that one NUMA node or pool has, with whether that was
/// assumed.
pub(super) fn needed_and_most(rejection: &Rejection) -> [String; 2] {
    let Rejection { resource, needed, allocatable, .. } = rejection;
    let [needed, most] = apart([*needed, *allocatable], *resource);
    let most = match &rejection.assumed {
        Some(field) => format!("{most} (assumed; state `{field}`)"),
        None => most,
    };
    [needed, most]
}

/// Two amounts of a resource, in MiB where they would look the same in a larger unit.
fn apart(values: [u64; 2], resource: Resource) -> [String; 2] {
    let shown = values.map(|value| amount(value, resource));
    let [first, second] = &shown;
    let is_size = matches!(resource, Resource::Memory | Resource::Overhead | Resource::Disk);
    if is_size && first == second {
        return values.map(|mib| format!("{} MiB", grouped(mib)));
    }
    shown
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
        _ => grouped(value),
    }
}

/// Says what would help: changes with which a plan was found, each alone.
#[must_use]
pub fn hint(why: &Infeasible) -> Option<String> {
    remedy::text(&why.remedies)
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
    let remedies = why.remedies.iter().map(remedy::sentence);
    json!({ "infeasible": {
        "shortages": shortages.collect::<Vec<_>>(),
        "rejections": rejections.collect::<Vec<_>>(),
        "served": served.collect::<Vec<_>>(),
        "withheld": withheld::json(&why.withheld),
        "assumed": assumed::json(&why.assumed),
        "would_fit": would_fit.collect::<Vec<_>>(),
        "remedies": remedies.collect::<Vec<_>>(),
    } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_that_differ_look_different() {
        let shown = |values, resource| apart(values, resource).join(" of ");
        let seed = shown([102_404, 102_400], Resource::Disk);
        assert_eq!(seed, "102,404 MiB of 102,400 MiB");
        assert_eq!(shown([112_640, 102_400], Resource::Memory), "110 GiB of 100 GiB");
        assert_eq!(shown([8_798, 9], Resource::Cores), "8,798 of 9");
    }
}

//! Answers of `explain` as a person reads them.

use serde_json::{Value, json};

use super::columns::{columns, wrapped};
use super::infeasible::{because, needed_and_most};
use super::plan_text::{rate_of, size};
use super::settings;
use super::survival::fate;
use crate::audit::Finding;
use crate::explain::{
    InstanceWhy, Outcome, Price, RunnerUp, ServiceWhy, Totals, Verdict, Violation, WhyNot,
};
use crate::plan::{Layout, Plan};
use crate::profile::Profiles;
use crate::report::plan::Summary;
use crate::spec::Cluster;
use crate::units::{Mebibytes, counted, grouped};

const WIDTH: usize = 100;

/// Why an instance is placed where it is.
#[must_use]
pub fn instance(plan: &Plan, profiles: &Profiles, why: &InstanceWhy) -> String {
    let summary = Summary::new(plan, profiles, Vec::new());
    let reason = summary.instances.iter().find(|one| one.name == why.name);
    let reason = reason.map_or_else(String::new, |one| format!(": {}", one.reason));
    let mut text = format!("{} is placed on {}{reason}\n", why.name, why.host);
    if let Some(instance) = plan.instance(&why.name) {
        text.push_str(&settings::line(&settings::of_instance(plan, instance)));
    }
    for loss in &summary.machine_losses {
        if let Some(machine) = loss.machines.iter().find(|one| one.name == why.name) {
            let fate = fate(
                &[machine.name.as_str()],
                machine.recovery,
                (loss.level, machine.place.as_ref().map(|place| &place.host)),
            );
            let sentence = format!("If {} {} fails: {fate}", loss.level, loss.domain);
            text.push_str(&wrapped(0, WIDTH, &sentence));
        }
    }
    if why.elsewhere.is_empty() {
        text.push_str("There is no other host.\n");
        return text;
    }
    text.push_str("Moved alone to another host:\n");
    let (now, busiest) = (Totals::of(plan), busiest(&summary));
    for other in &why.elsewhere {
        let sentence = match &other.verdict {
            Verdict::NoRoom { resource, needs, free, unit } => format!(
                "not enough {resource}: needs {} {unit} on one NUMA node, at most {} free",
                grouped(*needs),
                grouped(*free)
            ),
            Verdict::Breaks(findings) => {
                let broken = |one: &Finding| format!("{}: {}", one.subject, one.message);
                format!("violates: {}", findings.iter().map(broken).collect::<Vec<_>>().join("; "))
            }
            Verdict::Possible { totals, busiest: then } => {
                format!("possible: {}", difference(now, *totals, (busiest, *then)))
            }
        };
        text.push_str(&wrapped(2, WIDTH, &format!("{}  {sentence}", other.host)));
    }
    text
}

fn busiest(summary: &Summary) -> u64 {
    let mut by_host = std::collections::BTreeMap::new();
    for node in &summary.numa {
        *by_host.entry(&node.host).or_insert(0) += node.cores_used;
    }
    by_host.into_values().max().unwrap_or(0)
}

fn difference(now: Totals, then: Totals, (busiest, after): (u64, u64)) -> String {
    let mut words = Vec::new();
    match then.cost.checked_sub(now.cost) {
        Some(0) => words.push(format!("same cost ({})", grouped(now.cost))),
        Some(more) => words.push(format!("cost {} (+{})", grouped(then.cost), grouped(more))),
        None => {
            words.push(format!("cost {} (-{})", grouped(then.cost), grouped(now.cost - then.cost)));
        }
    }
    if then.cores != now.cores {
        words.push(format!("{} instead of {}", counted(then.cores, "core"), now.cores));
    }
    if after != busiest {
        words.push(format!("{after} cores on the busiest host instead of {busiest}"));
    }
    if words.len() == 1 && then.cost == now.cost {
        words.push("equally good; ties are broken by the order of hosts".to_owned());
    }
    words.join(", ")
}

/// Why a service has its layout.
#[must_use]
pub fn service(why: &ServiceWhy) -> String {
    let mut rows = vec![
        ["layout", "usable/instance", "cost", "hosts", "cores", "memory", ""]
            .map(str::to_owned)
            .to_vec(),
    ];
    let chosen = RunnerUp {
        layout: why.layout.clone(),
        capacity: why.capacity.clone(),
        totals: Some(why.totals),
    };
    rows.push(row(why.cluster, &chosen, "chosen"));
    rows.extend(why.others.iter().map(|other| {
        let note = match other.totals {
            None => "does not fit",
            Some(totals) if totals == why.totals => "same totals",
            Some(_) => "",
        };
        row(why.cluster, other, note)
    }));
    let evaluated = counted(why.candidates as u64, "layout");
    format!(
        "{}: {evaluated} evaluated jointly with all other services; totals are those of the best \
         plan with that layout\n{}",
        why.name,
        columns(2, &rows)
    )
}

fn row(cluster: Cluster, one: &RunnerUp, note: &str) -> Vec<String> {
    let usable = rate_of(one.capacity.usable_per_s, cluster);
    let mut row = vec![layout(&one.layout), usable];
    match one.totals {
        Some(totals) => row.extend(figures(totals)),
        None => row.extend(["-"; 4].map(str::to_owned)),
    }
    row.push(note.to_owned());
    row
}

fn layout(layout: &Layout) -> String {
    let copies = match (layout.groups, layout.copies) {
        (1, 1) => String::new(),
        (groups, copies) => format!(" ({groups} × {copies})"),
    };
    let witness = if layout.witness.is_some() { " plus a witness" } else { "" };
    format!(
        "{}{copies} of {} vCPU, {}{witness}",
        layout.instances,
        layout.vcpus,
        size(layout.memory_mib)
    )
}

fn figures(totals: Totals) -> [String; 4] {
    [
        grouped(totals.cost),
        grouped(totals.hosts),
        grouped(totals.cores),
        size(Mebibytes::new(totals.memory_mib)),
    ]
}

/// What one more instance on a host would change.
#[must_use]
pub fn why_not(why: &WhyNot) -> String {
    let WhyNot { service, host, now, with, outcome } = why;
    let there = match now {
        0 => format!("{service} has no instance on {host}"),
        now => format!("{service} has {} on {host}", counted(*now, "instance")),
    };
    let sentence = match outcome {
        Outcome::Unknown => "One more: undecided, time limit reached.".to_owned(),
        Outcome::Infeasible(violations) => {
            let all: Vec<String> = violations.iter().map(|one| violation(why, one)).collect();
            format!("One more is infeasible. {}", all.join(" "))
        }
        Outcome::Possible(totals) if totals == with => {
            "One more is possible at the same cost, cores and memory; ties are broken by the \
             balance of the hosts, then by the order of hosts."
                .to_owned()
        }
        Outcome::Possible(totals) => {
            format!("One more is possible: {}.", costs(*with, *totals))
        }
    };
    format!("{there}.\n{}", wrapped(2, WIDTH, &sentence))
}

/// The same as [`why_not`] as JSON.
#[must_use]
pub fn why_not_json(why: &WhyNot) -> Value {
    let outcome = match &why.outcome {
        Outcome::Possible(totals) => json!({ "possible": totals }),
        Outcome::Infeasible(all) => {
            let all: Vec<String> = all.iter().map(|one| violation(why, one)).collect();
            json!({ "broken": all })
        }
        Outcome::Unknown => json!("unknown"),
    };
    json!({
        "service": why.service,
        "host": why.host,
        "now": why.now,
        "with": why.with,
        "outcome": outcome,
    })
}

/// Says which constraint is violated, as a sentence.
fn violation(why: &WhyNot, violation: &Violation) -> String {
    let WhyNot { service, host, .. } = why;
    match violation {
        Violation::Architecture => format!("{host} is of another architecture than guests."),
        Violation::NoBridge => format!("{host} does not carry the network's bridge."),
        Violation::TooSmall(rejection) => {
            let [needed, most] = needed_and_most(rejection);
            format!(
                "{}: the smallest instance needs {needed}, {host} has at most {most} in one place.",
                rejection.resource
            )
        }
        Violation::NotAllowed => format!("{service} may not be on {host}."),
        Violation::Spread(spread) => {
            let most = match spread.most() {
                1 => "one".to_owned(),
                most => grouped(most),
            };
            format!("At most {most} of {service} may be in one {}.", spread.per)
        }
        Violation::MaxPerHost(most) => format!(
            "No host may hold more than {most} instances of {service}: the others must have a copy \
             of everything and carry the demand."
        ),
        Violation::Shortage(shortage) => because(shortage),
    }
}

/// The totals that differ.
fn costs(now: Totals, then: Totals) -> String {
    let pairs = [
        ("cost", now.cost, then.cost),
        ("hosts", now.hosts, then.hosts),
        ("cores", now.cores, then.cores),
        ("memory in MiB", now.memory_mib, then.memory_mib),
    ];
    let differing = pairs.into_iter().filter(|(_, now, then)| now != then);
    let words: Vec<String> = differing
        .map(|(what, now, then)| format!("{what} {} instead of {}", grouped(then), grouped(now)))
        .collect();
    words.join(", ")
}

/// What each rule costs.
#[must_use]
pub fn prices(prices: &[Price]) -> String {
    let Some(first) = prices.first() else {
        return "The spec has no rule that could be dropped.\n".to_owned();
    };
    let mut rows = vec![["", "cost", "hosts", "cores", "memory", ""].map(str::to_owned).to_vec()];
    let line = |name: &str, totals: Option<Totals>, note: String| {
        let mut row = vec![name.to_owned()];
        match totals {
            Some(totals) => row.extend(figures(totals)),
            None => row.extend(["-"; 4].map(str::to_owned)),
        }
        row.push(note);
        row
    };
    rows.push(line("plan", Some(first.with), String::new()));
    rows.extend(prices.iter().map(|price| {
        let note = match price.without {
            None => "undecided: time limit reached".to_owned(),
            Some(without) => saved(price.with, without),
        };
        line(&format!("without {}", price.rule), price.without, note)
    }));
    columns(0, &rows)
}

fn saved(with: Totals, without: Totals) -> String {
    let mut words = Vec::new();
    for (more, noun) in [
        (with.cost.saturating_sub(without.cost), "cost"),
        (with.hosts.saturating_sub(without.hosts), "host"),
        (with.cores.saturating_sub(without.cores), "core"),
    ] {
        if more > 0 {
            words.push(match noun {
                "cost" => format!("{} of cost", grouped(more)),
                noun => counted(more, noun),
            });
        }
    }
    if words.is_empty() {
        "saves nothing".to_owned()
    } else {
        format!("saves {}", words.join(", "))
    }
}

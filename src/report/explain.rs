//! Answers of `explain` as a person reads them.

use serde_json::{Value, json};

use super::columns::{columns, wrapped};
use super::infeasible::because;
use super::plan_text::{rate, size};
use crate::explain::{
    InstanceWhy, Outcome, Price, RunnerUp, ServiceWhy, Totals, Verdict, Violation, WhyNot,
};
use crate::plan::{Layout, Plan};
use crate::profile::Profiles;
use crate::report::plan::Summary;
use crate::units::{Mebibytes, counted};

const WIDTH: usize = 100;

/// Why an instance stands where it does.
#[must_use]
pub fn instance(plan: &Plan, profiles: &Profiles, why: &InstanceWhy) -> String {
    let summary = Summary::new(plan, profiles, Vec::new());
    let because = summary.instances.iter().find(|one| one.name == why.name);
    let because = because.map_or_else(String::new, |one| format!(": {}", one.because));
    let mut text = format!("{} stands on {}{because}\n", why.name, why.host);
    if why.elsewhere.is_empty() {
        text.push_str("There is no other host.\n");
        return text;
    }
    text.push_str("If it alone stood elsewhere:\n");
    let (now, busiest) = (Totals::of(plan), busiest(&summary));
    for other in &why.elsewhere {
        let sentence = match &other.verdict {
            Verdict::NoRoom { resource, needs, free, unit } => format!(
                "no: {resource}, needs {needs} {unit} on one NUMA node, at most {free} are free"
            ),
            Verdict::Breaks(rules) => format!("no: {}", rules.join("; ")),
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
        Some(0) => words.push(format!("the cost stays {}", now.cost)),
        Some(more) => words.push(format!("the cost is {}, {more} more", then.cost)),
        None => words.push(format!("the cost is {}, {} less", then.cost, now.cost - then.cost)),
    }
    if then.cores != now.cores {
        words.push(format!("{} instead of {}", counted(then.cores, "core"), now.cores));
    }
    if after != busiest {
        words.push(format!("{after} cores on the busiest host instead of {busiest}"));
    }
    if words.len() == 1 && then.cost == now.cost {
        words.push("as good; the plan takes hosts in one fixed order".to_owned());
    }
    words.join(", ")
}

/// Why a service is split as it is.
#[must_use]
pub fn service(why: &ServiceWhy) -> String {
    let mut rows = vec![
        ["split", "usable each", "cost", "hosts", "cores", "memory", ""]
            .map(str::to_owned)
            .to_vec(),
    ];
    let chosen = RunnerUp {
        layout: why.layout.clone(),
        capacity: why.capacity.clone(),
        totals: Some(why.totals),
    };
    rows.push(row(&chosen, "chosen"));
    rows.extend(why.others.iter().map(|other| {
        let note = match other.totals {
            None => "does not fit",
            Some(totals) if totals == why.totals => "as good in these",
            Some(_) => "",
        };
        row(other, note)
    }));
    let weighed = counted(why.candidates as u64, "split");
    format!(
        "{}: {weighed} weighed together with all other services; the totals are those of the best \
         plan with it\n{}",
        why.name,
        columns(2, &rows)
    )
}

fn row(one: &RunnerUp, note: &str) -> Vec<String> {
    let usable = rate(one.capacity.usable_per_s);
    let mut row = vec![split(&one.layout), usable];
    match one.totals {
        Some(totals) => row.extend(figures(totals)),
        None => row.extend(["-"; 4].map(str::to_owned)),
    }
    row.push(note.to_owned());
    row
}

fn split(layout: &Layout) -> String {
    let copies = match (layout.groups, layout.copies) {
        (1, 1) => String::new(),
        (groups, copies) => format!(" ({groups} x {copies})"),
    };
    let witness = if layout.witness.is_some() { " and a witness" } else { "" };
    format!(
        "{}{copies} of {} vCPU, {}{witness}",
        layout.instances,
        layout.vcpus,
        size(layout.memory_mib)
    )
}

fn figures(totals: Totals) -> [String; 4] {
    [
        totals.cost.to_string(),
        totals.hosts.to_string(),
        totals.cores.to_string(),
        size(Mebibytes::new(totals.memory_mib)),
    ]
}

/// What comes of a wish.
#[must_use]
pub fn why_not(why: &WhyNot) -> String {
    let WhyNot { service, host, now, with, outcome } = why;
    let there = match now {
        0 => format!("{service} has no instance on {host}"),
        now => format!("{service} has {} on {host}", counted(*now, "instance")),
    };
    let sentence = match outcome {
        Outcome::Unknown => "One more there: no answer in time.".to_owned(),
        Outcome::Infeasible(violations) => {
            let all: Vec<String> = violations.iter().map(|one| violation(why, one)).collect();
            format!("One more there is not possible. {}", all.join(" "))
        }
        Outcome::Possible(totals) if totals == with => {
            "One more there is as good in cost, cores and memory; of equal plans the one with the \
             hosts more evenly used, then in a fixed order, is taken."
                .to_owned()
        }
        Outcome::Possible(totals) => {
            format!("One more there is possible: {}.", costs(*with, *totals))
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
        Violation::NoBridge => format!("{host} does not carry the network's bridge."),
        Violation::TooSmall(rejection) => format!(
            "{}: the smallest instance needs {} {}, {host} has at most {} in one place.",
            rejection.resource,
            rejection.needed,
            rejection.resource.unit(),
            rejection.allocatable
        ),
        Violation::Spread(level) => format!("At most one of {service} may be in one {level}."),
        Violation::MaxPerHost(most) => format!(
            "No host may hold more than {most} instances of {service}: the others must have a copy \
             of everything and carry the demand."
        ),
        Violation::Shortage(shortage) => because(shortage),
    }
}

/// What other totals differ in.
fn costs(now: Totals, then: Totals) -> String {
    let pairs = [
        ("cost", now.cost, then.cost),
        ("hosts", now.hosts, then.hosts),
        ("cores", now.cores, then.cores),
        ("MiB of memory", now.memory_mib, then.memory_mib),
    ];
    let differing = pairs.into_iter().filter(|(_, now, then)| now != then);
    let words: Vec<String> =
        differing.map(|(what, now, then)| format!("{what} {then} instead of {now}")).collect();
    words.join(", ")
}

/// What each rule costs.
#[must_use]
pub fn prices(prices: &[Price]) -> String {
    let Some(first) = prices.first() else {
        return "The spec has no rule that could be left out.\n".to_owned();
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
    rows.push(line("the plan", Some(first.with), String::new()));
    rows.extend(prices.iter().map(|price| {
        let note = match price.without {
            None => "no answer in time".to_owned(),
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
                "cost" => format!("{more} of cost"),
                noun => counted(more, noun),
            });
        }
    }
    if words.is_empty() {
        "it costs nothing".to_owned()
    } else {
        format!("it costs {}", words.join(", "))
    }
}

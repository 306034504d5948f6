//! Why there is no plan: what was asked, what is there, by how much, what would
//! help.

use serde_json::{Value, json};

use super::columns::{columns, wrapped};
use super::plan_text::size;
use crate::solve::{Infeasible, More, Rejection, Served, Shortage};
use crate::units::{Mebibytes, counted, percent};

/// Columns of a sentence.
const WIDTH: usize = 78;

/// Remedies that are named; they stand in the order of what falls short.
const REMEDIES: usize = 3;

/// Rejections that are listed; the others are counted.
const LISTED: usize = 8;

/// The reasons as sentences, each with its numbers, and what could be served.
#[must_use]
pub fn text(why: &Infeasible) -> String {
    let Infeasible { shortages, rejections, served, would_fit } = why;
    let mut text = "no plan satisfies the spec\n".to_owned();
    let mut told: Option<&str> = None;
    for shortage in shortages {
        if told != Some(&shortage.because) {
            text.push_str(&wrapped(2, WIDTH, &shortage.because));
            let same = shortages.iter().filter(|other| other.because == shortage.because);
            let rows: Vec<_> = same.filter_map(row).collect();
            text.push_str(&columns(4, &rows));
        }
        told = Some(&shortage.because);
    }
    text.push_str(&refused(rejections));
    for served in served {
        text.push_str(&self::served(served));
    }
    text.push_str(&more(would_fit));
    text
}

/// Hosts that would make it fit.
fn more(would_fit: &[More]) -> String {
    let one = |more: &More| {
        let More { like, count, cost } = more;
        format!("{} like {like} (cost {cost})", counted(*count, "more host"))
    };
    match would_fit {
        [] => String::new(),
        all => {
            let all: Vec<String> = all.iter().map(one).collect();
            wrapped(2, WIDTH, &format!("It would fit with {}.", all.join(", or ")))
        }
    }
}

fn row(shortage: &Shortage) -> Option<Vec<String>> {
    let Shortage { resource, of, needed, available, short_by, unit, because: _, hint: _ } =
        shortage;
    let amount = |value| amount(value, unit);
    Some(vec![
        (*of)?.to_owned(),
        resource.clone(),
        format!(
            "needs {}, allocatable {}, short by {}",
            amount(*needed),
            amount(*available),
            amount(*short_by)
        ),
    ])
}

fn refused(rejections: &[Rejection]) -> String {
    let rows: Vec<_> = rejections
        .iter()
        .take(LISTED)
        .map(|rejection| {
            let Rejection { host, service, resource, needed, allocatable, unit } = rejection;
            vec![
                host.clone(),
                service.clone(),
                (*resource).to_owned(),
                format!(
                    "needs {}, allocatable {}",
                    amount(*needed, unit),
                    amount(*allocatable, unit)
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
    format!("  Too small for even one instance, if they were empty:\n{}{more}", columns(4, &rows))
}

fn served(served: &Served) -> String {
    let Served { service, served_per_s, demand_per_s } = served;
    match served_per_s {
        0 => format!("  Nothing of the demand on {service} could be served.\n"),
        all if all >= demand_per_s => format!("  The demand on {service} could be served.\n"),
        part => format!(
            "  At least {:.0} % of the demand on {service} could be served, data and load alike.\n",
            percent(*part, *demand_per_s)
        ),
    }
}

/// A number with its unit where it has one; sizes as people read them.
fn amount(value: u64, unit: &str) -> String {
    match unit {
        "MiB" => size(Mebibytes::new(value)),
        "Mbit/s" => format!("{value} {unit}"),
        _ => value.to_string(),
    }
}

/// What would help: remedies for what was told first, each once.
#[must_use]
pub fn hint(why: &Infeasible) -> Option<String> {
    let mut hints: Vec<&str> = Vec::new();
    for short in &why.shortages {
        if !short.hint.is_empty() && !hints.contains(&short.hint.as_str()) {
            hints.push(&short.hint);
        }
    }
    hints.truncate(REMEDIES);
    (!hints.is_empty()).then(|| hints.join("\nhint: "))
}

/// The same for programs.
#[must_use]
pub fn json(why: &Infeasible) -> Value {
    let shortages = why.shortages.iter().map(|short| {
        json!({
            "resource": short.resource,
            "of": short.of,
            "needed": short.needed,
            "available": short.available,
            "short_by": short.short_by,
            "unit": short.unit,
            "because": short.because,
            "hint": short.hint,
        })
    });
    let rejections = why.rejections.iter().map(|rejection| {
        json!({
            "host": rejection.host,
            "service": rejection.service,
            "resource": rejection.resource,
            "needed": rejection.needed,
            "allocatable": rejection.allocatable,
            "unit": rejection.unit,
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
        "would_fit": would_fit.collect::<Vec<_>>(),
    } })
}

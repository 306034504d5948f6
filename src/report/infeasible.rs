//! Why there is no plan: what is short, by how much, what would help.

use serde_json::{Value, json};

use super::columns::columns;
use crate::solve::Infeasible;
use crate::units::percent;

/// The shortages and what could be served, a line each.
#[must_use]
pub fn text(why: &Infeasible) -> String {
    let rows: Vec<Vec<String>> = why
        .shortages
        .iter()
        .map(|short| {
            let unit = &short.unit;
            vec![
                short.resource.clone(),
                format!("needs {} {unit}", short.needed),
                format!("has {} {unit}", short.available),
                format!("short by {} {unit}", short.short_by),
            ]
        })
        .collect();
    let mut text = format!("no plan satisfies the spec\n{}", columns(2, &rows));
    for served in &why.served {
        let share = percent(served.served_per_s, served.demand_per_s);
        text.push_str(&format!(
            "  of {} {share:.0} % could be served: {}/s of {}/s\n",
            served.service, served.served_per_s, served.demand_per_s
        ));
    }
    text
}

/// What would help, each remedy once.
#[must_use]
pub fn hint(why: &Infeasible) -> Option<String> {
    let mut hints: Vec<&str> = why.shortages.iter().map(|short| short.hint.as_str()).collect();
    hints.retain(|hint| !hint.is_empty());
    hints.dedup();
    (!hints.is_empty()).then(|| hints.join("\nhint: "))
}

/// The same for programs.
#[must_use]
pub fn json(why: &Infeasible) -> Value {
    let shortages: Vec<Value> = why
        .shortages
        .iter()
        .map(|short| {
            json!({
                "resource": short.resource,
                "needed": short.needed,
                "available": short.available,
                "short_by": short.short_by,
                "unit": short.unit,
                "hint": short.hint,
            })
        })
        .collect();
    let served: Vec<Value> = why
        .served
        .iter()
        .map(|served| {
            json!({
                "service": served.service,
                "served_per_s": served.served_per_s,
                "demand_per_s": served.demand_per_s,
            })
        })
        .collect();
    json!({ "infeasible": { "shortages": shortages, "served": served } })
}

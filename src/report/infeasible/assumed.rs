//! Values of hosts that decide and that nobody measured.

use serde_json::{Value, json};

use super::{LISTED, WIDTH};
use crate::report::columns::{listed, wrapped};
use crate::solve::Assumed;

/// One sentence for each.
pub(super) fn text(assumed: &[Assumed]) -> String {
    assumed.iter().map(|one| wrapped(2, WIDTH, &sentence(one))).collect()
}

fn sentence(one: &Assumed) -> String {
    let Assumed { resource, field, hosts } = one;
    let hosts = listed(hosts, LISTED);
    format!("Assumed, not measured: the {resource} of {hosts}; state `{field}`.")
}

pub(super) fn json(assumed: &[Assumed]) -> Vec<Value> {
    let value = |one: &Assumed| {
        json!({
            "resource": one.resource.as_str(),
            "field": one.field,
            "hosts": one.hosts,
            "because": sentence(one),
        })
    };
    assumed.iter().map(value).collect()
}

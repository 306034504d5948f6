//! `policy:`: what must be survived, and the objectives.

use std::collections::BTreeMap;

use crate::spec::diagnostic::Mark;
use crate::spec::read::form::Spanned;
use crate::spec::read::scope::{Scope, mark_or};
use crate::spec::wire;
use crate::spec::{Objective, Policy, Quorum, Survive};
use crate::topology::{Host, Level};

/// Levels that can be promised together.
const MAX_LEVELS: usize = 2;

/// The policy; without one the loss of any one host is survived.
pub(super) fn policy(scope: &mut Scope<'_>, spec: &wire::SpecFile, hosts: &[Host]) -> Policy {
    let wire = spec.policy.as_ref().map(|node| &node.value);
    let survive = wire.and_then(|wire| wire.survive.as_ref());
    let objective = wire.and_then(|wire| wire.objective.as_ref());
    Policy {
        survive: match survive {
            Some(node) => self::survive(scope, node, hosts),
            None => Policy::surviving(Level::Host).survive,
        },
        objective: match objective {
            Some(node) => self::objective(scope, node),
            None => Objective::all(),
        },
    }
}

/// The levels, smallest first.
fn survive(scope: &mut Scope<'_>, node: &Spanned<wire::Survive>, hosts: &[Host]) -> Vec<Survive> {
    let owner = node.mark;
    if node.value.levels.is_empty() && !node.value.none {
        scope.error(owner, "policy.survive: an empty list; expected levels, or `none`");
    }
    let mut promised: BTreeMap<Level, (Mark, Survive)> = BTreeMap::new();
    for wire in &node.value.levels {
        let (owner, wire) = (wire.mark, &wire.value);
        let mark = mark_or(&wire.level, owner);
        if wire.level.is_none() {
            scope.missing("level", owner);
        }
        let level = scope.optional("policy.survive", &wire.level);
        let quorum = scope.optional("policy.survive.quorum", &wire.quorum);
        let Some(level) = level else { continue };
        let promise = Survive { level, quorum: quorum.unwrap_or(Quorum::Automatic) };
        if promised.insert(level, (mark, promise)).is_some() {
            scope.error(mark, format!("policy.survive: duplicate level {level}"));
        }
    }
    if promised.len() > MAX_LEVELS {
        scope.error_with(
            owner,
            format!("policy.survive: {} levels; expected at most {MAX_LEVELS}", promised.len()),
            "what survives a site need not name racks as well".to_owned(),
        );
    }
    if let (Some((mark, _)), true) =
        (promised.get(&Level::Site), promised.contains_key(&Level::Rack))
    {
        racks_in_sites(scope, *mark, hosts);
    }
    promised.into_values().map(|(_, promise)| promise).collect()
}

/// Each rack is in one site, so that a site is made of whole racks.
fn racks_in_sites(scope: &mut Scope<'_>, mark: Mark, hosts: &[Host]) {
    let mut sites: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
    for host in hosts {
        let label = |level| host.labels.get(&level).map(String::as_str);
        let (Some(rack), Some(site)) = (label(Level::Rack), label(Level::Site)) else { continue };
        let (first, first_host) = *sites.entry(rack).or_insert((site, host.name.as_str()));
        if first != site {
            scope.error_with(
                mark,
                format!(
                    "policy.survive: rack {rack:?} is in site {first:?} on {first_host} \
                     and in site {site:?} on {}; expected one site per rack",
                    host.name
                ),
                format!(
                    "two racks of one name? give them different ones, such as {first}-{rack} and \
                     {site}-{rack}"
                ),
            );
            return;
        }
    }
}

/// The objectives: unmet, then some of the others in their order.
fn objective(
    scope: &mut Scope<'_>,
    node: &Spanned<Vec<crate::spec::read::form::At<Objective>>>,
) -> Vec<Objective> {
    let mut taken: Vec<Objective> = Vec::new();
    for at in &node.value {
        let Some(objective) = scope.value("policy.objective", at) else { return taken };
        if let Some(before) = taken.iter().find(|before| **before >= objective) {
            let message = if *before == objective {
                format!("policy.objective: duplicate objective {objective}")
            } else {
                format!("policy.objective: {objective} must come before {before}")
            };
            scope.error_with(at.mark, message, order());
            return taken;
        }
        taken.push(objective);
    }
    if taken.first() != Some(&Objective::Unmet) {
        let message = "policy.objective: must begin with unmet";
        scope.error_with(node.mark, message, order());
    }
    taken
}

fn order() -> String {
    let words = Objective::ALL.map(Objective::as_str).join(", ");
    format!("expected {words}, in this order; all but unmet may be omitted")
}

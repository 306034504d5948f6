//! How a service differs from its plan.

use super::observe::{Member, Observed, State};
use super::steps::{Existence, View};
use crate::engine::cluster::Copies;
use crate::engine::mysql::differences::of_settings;
use crate::engine::mysql::target::Target;
use crate::engine::{Difference, Fact};
use crate::ids::InstanceName;

/// All that differs.
pub(super) fn differences(target: &Target, observed: &Observed) -> Vec<Difference> {
    let silent = observed.silent.iter();
    let mut found: Vec<Difference> =
        silent.map(|(name, error)| Difference::unanswered(name.clone(), error)).collect();
    for view in View::all(target, observed) {
        of_group(view, &mut found);
    }
    for (name, member) in &observed.seen {
        of_settings(target, name, &member.settings, &mut found);
    }
    found
}

fn of_group(view: View<'_>, found: &mut Vec<Difference>) {
    let mut differs = |instance: &InstanceName, fact, planned: &str, seen: String| {
        let planned = planned.to_owned();
        found.push(Difference { instance: instance.clone(), fact, planned, found: seen });
    };
    for (name, _) in view.members().filter(|(_, member)| member.founds) {
        let seen = "about to start another group".to_owned();
        differs(name, Fact::ClusterState, "in one group", seen);
    }
    let primary = match view.existence() {
        Existence::Led(primary) => primary,
        other => {
            let seen = match &other {
                Existence::Several(_) => "several groups",
                Existence::Blocked(_) => "without a majority",
                Existence::Electing => "electing",
                Existence::Led(_) | Existence::None => "no group",
            };
            let lead = view.group.lead.as_ref().filter(|lead| view.member(lead).is_some());
            if let Some(name) = lead.or_else(|| view.members().next().map(|(name, _)| name)) {
                differs(name, Fact::ClusterState, "one takes writes", seen.to_owned());
            }
            return;
        }
    };
    let Some(leader) = view.member(primary) else { return };
    let lead = view.group.lead.as_ref();
    if let Some(lead) = lead.filter(|lead| *lead != primary && view.member(lead).is_some()) {
        differs(lead, Fact::Role, "primary", "replica".to_owned());
    }
    if !leader.formed {
        differs(primary, Fact::ClusterState, "formed", "without users and databases".to_owned());
    } else if view.target.users().is_some_and(|users| users != leader.users) {
        differs(primary, Fact::Users, "with their passwords", "with other ones".to_owned());
    }
    for (name, member) in view.members().filter(|(name, _)| view.stays(name)) {
        if let Some(fault) = fault(view, leader, (name, member)) {
            let planned = format!("in step with {primary}");
            differs(name, Fact::Replication, &planned, fault);
        }
    }
}

/// Why a member could not take over; `None` if it could.
fn fault(
    view: View<'_>,
    leader: &Member,
    (name, member): (&InstanceName, &Member),
) -> Option<String> {
    match member.state() {
        State::Online if member.closed => Some("closed to clients".to_owned()),
        State::Online if view.is_online(leader, name) => None,
        State::Online => Some("in another group than its primary".to_owned()),
        State::Recovering if member.copied > 0 => {
            Some(format!("RECOVERING, {} MiB copied", member.copied >> 20))
        }
        state => Some(state.as_str().to_owned()),
    }
}

/// The copies of a group.
pub(super) fn copies(view: View<'_>) -> Copies {
    let mut copies = Copies::default();
    let existence = view.existence();
    let led = match existence {
        Existence::Led(primary) => view.member(primary).map(|leader| (primary, leader)),
        _ => None,
    };
    copies.leader = led.map(|(primary, _)| primary.clone());
    for (name, member) in view.members() {
        let fault = match led {
            Some((_, leader)) => fault(view, leader, (name, member)),
            None => Some("no group has a primary".to_owned()),
        };
        match fault {
            None => drop(copies.healthy.insert(name.clone())),
            // Nobody waits for one that leaves.
            Some(fault) if view.stays(name) => drop(copies.ailing.insert(name.clone(), fault)),
            Some(_) => {}
        }
    }
    for name in view.group.members.iter().filter(|name| view.member(name).is_none()) {
        if !view.group.absent.contains(name) {
            let silent = view.observed.silent.get(name);
            let why = silent.map_or_else(|| "not seen".to_owned(), ToString::to_string);
            copies.ailing.insert(name.clone(), why);
        }
    }
    copies
}

/// The same before `leaving` is taken away: those that are left count only where they are a
/// majority without it. A group that goes on with fewer blocks at the next loss.
pub(super) fn copies_without(view: View<'_>, leaving: &InstanceName) -> Copies {
    let mut copies = copies(view);
    let is_other = |name: &&InstanceName| *name != leaving;
    let left = copies.healthy.iter().filter(is_other).count();
    if !copies.healthy.contains(leaving) || left * 2 > view.group.members.len() {
        return copies;
    }
    let others: Vec<InstanceName> = copies.healthy.iter().filter(is_other).cloned().collect();
    for name in others {
        copies.healthy.remove(&name);
        let why = format!("no majority of its group without {leaving}");
        copies.ailing.insert(name, why);
    }
    copies
}

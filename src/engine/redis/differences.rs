//! How the observed cluster differs from the planned one, instance by instance.

use super::nodes::Member;
use super::observe::View;
use super::picture::Picture;
use super::settings;
use super::target::Seat;
use crate::engine::{Difference, Fact};

/// All differences in membership, roles, slots, replication, settings and users; empty
/// when every instance agrees with the plan and with all others.
#[must_use]
pub fn differences(picture: &Picture<'_>) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, error) in &picture.observed.silent {
        found.push(Difference::unanswered(name.clone(), error));
    }
    for (seat, view, me) in picture.seen() {
        let mut differs = |fact: Fact, planned: String, seen: String| {
            if planned != seen {
                let instance = seat.name.clone();
                found.push(Difference { instance, fact, planned, found: seen });
            }
        };
        differs(Fact::ClusterState, "ok".to_owned(), view.state.clone());
        differs(Fact::Role, planned_role(picture, seat), role(picture, me));
        if let Some(link) = &view.link {
            let state = if link.up { "up" } else { "down" };
            differs(Fact::Replication, "up".to_owned(), state.to_owned());
        }
        members(picture, view, &mut differs);
        for master in picture.target.masters() {
            let owners = owners(picture, view, master);
            differs(Fact::OwnerOfSlots(master.slots.to_string()), master.name.to_string(), owners);
        }
        let moving = view.members.iter().flat_map(|member| member.moving.iter());
        let moving: Vec<&str> = moving.map(String::as_str).collect();
        differs(Fact::MovingSlots, String::new(), moving.join(" "));
    }
    found.extend(settings::differences(picture.target, &picture.observed.settings));
    found.extend(picture.observed.access.iter().flat_map(|(instance, all)| {
        all.iter().map(|(fact, found)| {
            let planned = "as the deployment keeps it".to_owned();
            Difference {
                instance: instance.clone(),
                fact: fact.clone(),
                planned,
                found: found.clone(),
            }
        })
    }));
    found
}

fn planned_role(picture: &Picture<'_>, seat: &Seat) -> String {
    match picture.target.master(seat.group) {
        Some(master) if !seat.master => format!("replica of {}", master.name),
        _ => "master".to_owned(),
    }
}

fn role(picture: &Picture<'_>, me: &Member) -> String {
    let follows = me.follows.as_ref();
    follows.map_or_else(|| "master".to_owned(), |id| format!("replica of {}", picture.name(id)))
}

/// Compares whom an instance knows, and in which state.
fn members(picture: &Picture<'_>, view: &View, differs: &mut impl FnMut(Fact, String, String)) {
    for (other, _, other_self) in picture.seen() {
        let seen = match view.member(&other_self.id) {
            _ if !picture.knows(view, other) => "unknown".to_owned(),
            Some(member) if member.failed => "failed".to_owned(),
            Some(member) if member.suspect => "perhaps failed".to_owned(),
            // Clients are told this instance's opinion.
            Some(member) if member.follows != other_self.follows => role(picture, member),
            _ => "known".to_owned(),
        };
        differs(Fact::SightOf(other.name.clone()), "known".to_owned(), seen);
    }
    let others = view.members.iter().filter(|member| !member.handshake);
    let strangers = others.filter(|member| {
        picture.seat(&member.id).is_none() && picture.silent_seat(member).is_none()
    });
    // One that did not answer is told already.
    for stranger in strangers {
        differs(Fact::Member, "not there".to_owned(), stranger.id.to_string());
    }
}

/// Who serves a group's slots, as one instance sees it.
fn owners(picture: &Picture<'_>, view: &View, master: &Seat) -> String {
    let mut left = master.slots.clone();
    let mut owners = Vec::new();
    for member in &view.members {
        let part = member.slots.intersection(&master.slots);
        if part == master.slots {
            return picture.name(&member.id);
        }
        if !part.is_empty() {
            owners.push(format!("{part} at {}", picture.name(&member.id)));
            left = left.minus(&part);
        }
    }
    if !left.is_empty() {
        owners.push(format!("{left} at nobody"));
    }
    owners.join(", ")
}

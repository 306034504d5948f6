//! The copies of a group as seen: who leads, who could, and what is wrong with the rest.

use super::nodes::Member;
use super::observe::View;
use super::picture::Picture;
use super::target::Seat;
use crate::engine::cluster::Copies;

/// The copies of a group.
pub(super) fn copies(picture: &Picture<'_>, group: u32) -> Copies {
    let mut copies = Copies::default();
    let Some((leader, id)) = leader(picture, group) else {
        let members = picture.target.group(group);
        copies.ailing =
            members.map(|seat| (seat.name.clone(), "nobody leads".to_owned())).collect();
        return copies;
    };
    for seat in picture.target.group(group) {
        let seen = picture.seen().find(|(one, ..)| one.name == seat.name);
        let problem = match seen {
            None => Some("it does not answer".to_owned()),
            Some((_, view, me)) => problem(picture, view, me, id),
        };
        match problem {
            None => drop(copies.healthy.insert(seat.name.clone())),
            Some(what) => drop(copies.ailing.insert(seat.name.clone(), what)),
        }
    }
    let served = |member: &Member| member.id == id.id && !member.slots.is_empty();
    let agrees = |view: &View| {
        let owner =
            view.members.iter().find(|member| !member.slots.intersection(&leader.slots).is_empty());
        owner.is_some_and(served)
    };
    let all_agree = picture.seen().all(|(_, view, _)| agrees(view));
    copies.leader = all_agree.then(|| leader.name.clone());
    copies
}

/// The instance that serves a group, also one that does not answer, with its line.
fn leader<'a>(picture: &Picture<'a>, group: u32) -> Option<(&'a Seat, &'a Member)> {
    if let Some((seat, me)) = picture.acting(group).filter(|(_, me)| !me.slots.is_empty()) {
        return Some((seat, me));
    }
    picture.seen().find_map(|(_, view, _)| {
        let mut known = view.members.iter().filter(|member| !member.slots.is_empty());
        known.find_map(|member| {
            let seat = picture.silent_seat(member).filter(|seat| seat.group == group)?;
            (!member.failed).then_some((seat, member))
        })
    })
}

/// Why an instance is no healthy copy of what `leader` serves.
fn problem(picture: &Picture<'_>, view: &View, me: &Member, leader: &Member) -> Option<String> {
    if view.state != "ok" {
        return Some(format!("its cluster state is {:?}", view.state));
    }
    if me.id == leader.id {
        return None;
    }
    match (&me.follows, &view.link) {
        (Some(id), Some(link)) if *id == leader.id && link.up => None,
        (Some(id), _) if *id == leader.id => Some("its replication is down".to_owned()),
        (Some(id), _) => Some(format!("it follows {}", picture.name(id))),
        (None, _) => Some("it follows nobody".to_owned()),
    }
}

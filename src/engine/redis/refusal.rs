//! When to stop: observations in which any command of ours could lose data.

use std::collections::BTreeSet;

use super::nodes::Member;
use super::picture::Picture;
use super::target::Seat;
use crate::slots::Slots;

/// Why a cluster is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Slots, and so data, are with a member that the plan does not know.
    #[error("slots {slots} belong to {owner}: no instance of the plan (seen by {seen_by})")]
    Stranger {
        /// The slots.
        slots: Slots,
        /// Its id and address.
        owner: String,
        /// Who says so.
        seen_by: String,
    },
    /// Two clusters hold the same slots; joining them would delete one's keys.
    #[error("{one} and {other} both serve slots {slots} and do not know each other")]
    Divided {
        /// One of the two.
        one: String,
        /// The other.
        other: String,
        /// The slots that both serve.
        slots: Slots,
    },
    /// Slots are with another group than planned, and would have to be moved
    /// with their data.
    #[error(
        "slots {slots} are with {owner}, planned for group {group}; moving them is a resharding"
    )]
    Misplaced {
        /// The slots.
        slots: Slots,
        /// The instance that serves them.
        owner: String,
        /// The group that shall.
        group: u32,
    },
    /// So many masters were made anew that none of their replicas can be
    /// elected; to promote one without a vote is a person's decision.
    #[error(
        "{lost} of {all} masters are gone for good, which leaves no majority to elect their \
         replicas; promote each by `redis-cli cluster failover takeover`"
    )]
    NoMajority {
        /// Masters that are gone.
        lost: usize,
        /// All masters that serve slots.
        all: usize,
    },
    /// Two instances have the same id: one's data was copied from the other.
    #[error("{one} and {other} have the same member id; one runs on a copy of the other's data")]
    Twins {
        /// One of the two.
        one: String,
        /// The other.
        other: String,
    },
}

/// Finds the first reason to stop.
pub(super) fn refuse(picture: &Picture<'_>) -> Result<(), Refusal> {
    pairs(picture)?;
    strangers(picture)?;
    majority(picture)?;
    misplaced(picture)
}

fn pairs(picture: &Picture<'_>) -> Result<(), Refusal> {
    let seen: Vec<_> = picture.seen().collect();
    for (index, (seat, view, me)) in seen.iter().enumerate() {
        for (other_seat, other_view, other) in seen.iter().skip(index + 1) {
            let (one, other_name) = (seat.name.to_string(), other_seat.name.to_string());
            if me.id == other.id {
                return Err(Refusal::Twins { one, other: other_name });
            }
            let acquainted =
                view.member(&other.id).is_some() || other_view.member(&me.id).is_some();
            let slots = me.slots.intersection(&other.slots);
            // Acquainted ones are about to settle it, by epoch.
            if !acquainted && !slots.is_empty() {
                return Err(Refusal::Divided { one, other: other_name, slots });
            }
        }
    }
    Ok(())
}

fn strangers(picture: &Picture<'_>) -> Result<(), Refusal> {
    let owned = picture.seen().fold(Slots::EMPTY, |all, (.., me)| all.union(&me.slots));
    for (seat, stranger) in picture.strangers() {
        // What an instance says that it serves itself is old news; what an
        // instance follows is about to be replaced by it.
        let slots = stranger.slots.minus(&owned);
        if !slots.is_empty() && !picture.is_followed(&stranger.id) {
            let owner = describe(stranger, picture);
            return Err(Refusal::Stranger { slots, owner, seen_by: seat.name.to_string() });
        }
    }
    Ok(())
}

fn majority(picture: &Picture<'_>) -> Result<(), Refusal> {
    let owned = picture.seen().fold(Slots::EMPTY, |all, (.., me)| all.union(&me.slots));
    let gone = picture.strangers().filter(|(_, stranger)| {
        picture.is_remains(stranger)
            && !stranger.slots.minus(&owned).is_empty()
            && picture.is_followed(&stranger.id)
    });
    let lost = gone.map(|(_, stranger)| &stranger.id).collect::<BTreeSet<_>>().len();
    let living = picture.seen().filter(|(.., me)| !me.slots.is_empty()).count();
    let complete = picture.seen().count() == picture.target.seats.len();
    if complete && lost > 0 && living <= lost {
        return Err(Refusal::NoMajority { lost, all: living + lost });
    }
    Ok(())
}

fn describe(stranger: &Member, picture: &Picture<'_>) -> String {
    let place =
        stranger.address.map_or_else(String::new, |at| format!(" at {at}:{}", stranger.port));
    let before = |seat: &&Seat| stranger.address == Some(seat.address);
    if let Some(seat) = picture.target.seats.iter().find(before) {
        return format!("{}{place}, {} before it was made anew", stranger.id, seat.name);
    }
    if stranger.address.is_some() {
        return format!("{}{place}", stranger.id);
    }
    // Whoever answers at its address now took that away; its slots still tell.
    let planned = |seat: &&Seat| !seat.slots.intersection(&stranger.slots).is_empty();
    let former = picture.target.masters().find(planned).map_or_else(String::new, |seat| {
        format!(", probably {} before it was made anew", seat.name)
    });
    format!("{} that is gone{former}", stranger.id)
}

fn misplaced(picture: &Picture<'_>) -> Result<(), Refusal> {
    for (seat, _, me) in picture.seen() {
        for planned in picture.target.masters() {
            let slots = me.slots.intersection(&planned.slots);
            let contested = picture.seen().any(|(other, _, them)| {
                other.name != seat.name && !them.slots.intersection(&slots).is_empty()
            });
            let foreign = planned.group != seat.group;
            let shared = !foreign
                && picture.acting(seat.group).is_some_and(|(acting, _)| acting.name != seat.name);
            if !slots.is_empty() && !contested && (foreign || shared) {
                let (owner, group) = (seat.name.to_string(), planned.group);
                return Err(Refusal::Misplaced { slots, owner, group });
            }
        }
    }
    Ok(())
}

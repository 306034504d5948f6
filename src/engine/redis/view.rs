//! What was planned laid over what was seen: who is who, who knows whom.

use std::collections::BTreeMap;

use super::nodes::{Member, MemberId};
use super::observe::{Observed, View};
use super::target::{Seat, Target};
use crate::slots::Slots;

/// Plan and observation of one moment.
#[derive(Clone, Debug)]
pub struct Picture<'a> {
    /// As planned.
    pub target: &'a Target,
    /// As seen.
    pub observed: &'a Observed,
    seats: BTreeMap<&'a MemberId, &'a Seat>,
}

impl<'a> Picture<'a> {
    /// Finds out which member is which instance, by what each says of itself.
    #[must_use]
    pub fn new(target: &'a Target, observed: &'a Observed) -> Self {
        let own = |seat: &'a Seat| Some((&observed.views.get(&seat.name)?.me()?.id, seat));
        Self { target, observed, seats: target.seats.iter().filter_map(own).collect() }
    }

    /// The seats that answered, with what they see and their own line.
    pub fn seen(&self) -> impl Iterator<Item = (&'a Seat, &'a View, &'a Member)> {
        self.target.seats.iter().filter_map(|seat| {
            let view = self.observed.views.get(&seat.name)?;
            Some((seat, view, view.me()?))
        })
    }

    /// What an instance says of itself.
    #[must_use]
    pub fn me(&self, seat: &Seat) -> Option<&'a Member> {
        self.observed.views.get(&seat.name)?.me()
    }

    /// The instance behind an id.
    #[must_use]
    pub fn seat(&self, id: &MemberId) -> Option<&'a Seat> {
        self.seats.get(id).copied()
    }

    /// The instance behind an id, also one that did not answer, or the id.
    #[must_use]
    pub fn name(&self, id: &MemberId) -> String {
        let seat = self
            .seat(id)
            .or_else(|| self.seen().find_map(|(_, view, _)| self.silent_seat(view.member(id)?)));
        seat.map_or_else(|| id.to_string(), |seat| seat.name.to_string())
    }

    /// Whether `at` knows `other` by its id and at its planned address.
    #[must_use]
    pub fn knows(&self, at: &View, other: &Seat) -> bool {
        let known = self.me(other).and_then(|other| at.member(&other.id));
        known.is_some_and(|known| {
            known.myself || (known.address == Some(other.address) && known.port == other.port)
        })
    }

    /// The instance that serves a group: whoever of the group says that it has
    /// slots, else the planned master if it is one.
    #[must_use]
    pub fn acting(&self, group: u32) -> Option<(&'a Seat, &'a Member)> {
        let members = || self.seen().filter(move |(seat, ..)| seat.group == group);
        let mut with_slots: Vec<_> = members().filter(|(.., me)| !me.slots.is_empty()).collect();
        // Of two that claim the same, the later epoch is right.
        with_slots.sort_by_key(|(.., me)| me.epoch);
        let idle = || members().find(|(seat, _, me)| seat.master && me.master);
        with_slots.pop().or_else(idle).map(|(seat, _, me)| (seat, me))
    }

    /// Members that are no instance of the plan, with who sees them.
    pub fn strangers(&self) -> impl Iterator<Item = (&'a Seat, &'a Member)> {
        self.seen().flat_map(move |(seat, view, _)| {
            let others = view.members.iter().filter(|member| !member.handshake);
            let unknown = others.filter(|member| self.seat(&member.id).is_none());
            unknown.map(move |member| (seat, member)).collect::<Vec<_>>()
        })
    }

    /// Whether a stranger is gone for good: what an instance was before it lost
    /// its identity, or a member that failed.
    #[must_use]
    pub fn is_remains(&self, stranger: &Member) -> bool {
        let at =
            |seat: &&Seat| stranger.address == Some(seat.address) && stranger.port == seat.port;
        stranger.failed || stranger.address.is_none() || self.target.seats.iter().any(|s| at(&s))
    }

    /// The instance that did not answer and is planned where a member stands:
    /// most likely the two are one.
    #[must_use]
    pub fn silent_seat(&self, member: &Member) -> Option<&'a Seat> {
        let at = |seat: &&Seat| member.address == Some(seat.address) && member.port == seat.port;
        self.target.seats.iter().find(|seat| at(seat) && self.me(seat).is_none())
    }

    /// Slots that anybody believes to be a member's.
    #[must_use]
    pub fn believed_slots(&self, id: &MemberId) -> Slots {
        let seen = self.seen().filter_map(|(_, view, _)| view.member(id));
        seen.fold(Slots::EMPTY, |all, member| all.union(&member.slots))
    }

    /// Whether an instance of the plan follows a member.
    #[must_use]
    pub fn is_followed(&self, id: &MemberId) -> bool {
        self.seen().any(|(.., me)| me.follows.as_ref() == Some(id))
    }
}

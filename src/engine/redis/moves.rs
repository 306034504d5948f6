//! Which slots are to be handed over next, by whom to whom. Pure.
//!
//! Slots that are open already, because a run was cut off in between, come first. A group
//! gets none before its copies are there, so that each key has as many as planned.

use std::collections::BTreeMap;

use super::nodes::{NodeId, NodeLine, OpenSlot};
use super::steps::{Order, Step, is_whole};
use super::target::Member;
use super::view::ClusterView;
use crate::ids::InstanceName;
use crate::recipe::redis::slots::Slots;

/// Slots that are handed over together: as many as some commands each take a second in an
/// emulated guest, and few enough that a run that is cut off leaves little open.
const BATCH: u32 = 512;

/// A move of one batch from the first master that has slots of others. Never two at a time:
/// the receiver of slots begins a new epoch and claims in it all that it believes to own, and
/// a master that gives slots at the same time would take those back, which makes the one that
/// has their keys drop them.
pub(super) fn moves(cluster: &ClusterView<'_>) -> Vec<Step> {
    let masters: Vec<_> =
        cluster.seen().filter(|(_, view, me)| me.master && view.state == "ok").collect();
    for (from, view, me) in masters.iter().filter(|(.., me)| !me.slots.is_empty()) {
        let contested = masters.iter().filter(|(one, ..)| one.name != from.name);
        let own = contested.fold(me.slots.clone(), |own, (.., other)| own.minus(&other.slots));
        let wanted = destinations(cluster, from, me, &own);
        let receiver = |name: &InstanceName| {
            let mut others = masters.iter().filter(|(one, ..)| one.name == *name);
            others.find_map(|(_, other_view, line)| {
                let known = view.node(&line.id).is_some_and(|known| known.master)
                    && other_view.node(&me.id).is_some_and(|known| known.master);
                known.then(|| line.id.clone())
            })
        };
        let next = wanted.into_iter().find_map(|(to, slots)| Some((receiver(&to)?, to, slots)));
        let Some((id, to, slots)) = next else { continue };
        let order = Order::Move { slots: slots.lowest(BATCH), to, ids: (me.id.clone(), id) };
        return vec![Step { at: from.name.clone(), order }];
    }
    Vec::new()
}

/// Where slots of a master are to go: those that are open first, then those of other
/// groups in their order.
fn destinations(
    cluster: &ClusterView<'_>,
    from: &Member,
    me: &NodeLine,
    own: &Slots,
) -> Vec<(InstanceName, Slots)> {
    let mut planned: Vec<(InstanceName, Slots)> = Vec::new();
    for group in cluster.target.groups() {
        let Some((acting, leader)) = cluster.acting(group) else { continue };
        if !is_whole(cluster, group) && !has_as_many(cluster, group, leader) {
            continue;
        }
        let slots = cluster.target.slots(group).intersection(own);
        if acting.name != from.name && !slots.is_empty() {
            planned.push((acting.name.clone(), slots));
        }
    }
    let mut open: BTreeMap<InstanceName, Slots> = BTreeMap::new();
    for (slot, to) in opened(cluster, me) {
        let slot = Slots::range(slot, slot).intersection(own);
        // One that is not there, or that lost its lead, is given up for the planned one.
        if let Some((member, ..)) = cluster.seen().find(|(.., line)| line.id == to && line.master)
            && member.name != from.name
            && !slot.is_empty()
        {
            let slots = open.entry(member.name.clone()).or_default();
            *slots = slots.union(&slot);
        }
    }
    open.into_iter().chain(planned).collect()
}

/// Whether as many copies of what a group serves are in step as are planned, whoever has them:
/// its own may still copy what is to be moved to it, and those that leave go last.
fn has_as_many(cluster: &ClusterView<'_>, group: u32, leader: &NodeLine) -> bool {
    let planned = cluster.target.group(group).filter(|member| member.is_present()).count();
    cluster
        .seen()
        .filter(|(_, view, me)| {
            let follows = me.follows.as_ref() == Some(&leader.id);
            follows && view.link.as_ref().is_some_and(|link| link.up)
        })
        .count()
        + 1
        >= planned
}

/// Marks of hand-overs that came to their end without them: a run was cut off between the
/// receiver and the owner, or somebody else gave the slot away. Only the mark is left then.
pub(super) fn leftovers(cluster: &ClusterView<'_>) -> Vec<Step> {
    let masters = cluster.seen().filter(|(.., me)| me.master);
    masters
        .filter_map(|(member, _, me)| {
            let done = me.moving.iter().filter_map(|open| {
                let slot = open.slot;
                (me.slots.contains(slot) == open.incoming).then_some((slot, slot))
            });
            let slots = Slots::of(&done.collect::<Vec<_>>());
            let at = member.name.clone();
            (!slots.is_empty()).then_some(Step { at, order: Order::Close(slots) })
        })
        .collect()
}

/// Slots of a master that are open, with the node that they are on their way to, as it says
/// itself or the other side does.
fn opened(cluster: &ClusterView<'_>, me: &NodeLine) -> Vec<(u16, NodeId)> {
    let given = me.moving.iter().filter(|open| !open.incoming);
    let mut found: Vec<(u16, NodeId)> = given.map(|open| (open.slot, open.other.clone())).collect();
    for (.., other) in cluster.seen().filter(|(.., other)| other.id != me.id) {
        for OpenSlot { slot, other: from, .. } in other.moving.iter().filter(|one| one.incoming) {
            // After a failover it is another one that has to give.
            let is_given = *from == me.id || me.slots.contains(*slot);
            if is_given && !found.iter().any(|(known, _)| known == slot) {
                found.push((*slot, other.id.clone()));
            }
        }
    }
    found
}

//! When to stop: observations in which any command could lose data.

use std::collections::BTreeSet;

use super::nodes::NodeLine;
use super::target::Member;
use super::view::ClusterView;
use crate::recipe::redis::slots::Slots;

/// Why a cluster is left as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Slots, and so data, are with a node that the plan does not know.
    #[error("slots {slots} belong to {owner}: not an instance of the plan (seen by {seen_by})")]
    ForeignNode {
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
    #[error("{one} and {other} have the same node id; one runs on a copy of the other's data")]
    Twins {
        /// One of the two.
        one: String,
        /// The other.
        other: String,
    },
}

/// Finds the first reason to stop.
pub(super) fn refuse(cluster: &ClusterView<'_>) -> Result<(), Refusal> {
    pairs(cluster)?;
    foreign_nodes(cluster)?;
    majority(cluster)?;
    misplaced(cluster)
}

fn pairs(cluster: &ClusterView<'_>) -> Result<(), Refusal> {
    let seen: Vec<_> = cluster.seen().collect();
    for (index, (member, view, me)) in seen.iter().enumerate() {
        for (other_member, other_view, other) in seen.iter().skip(index + 1) {
            let (one, other_name) = (member.name.to_string(), other_member.name.to_string());
            if me.id == other.id {
                return Err(Refusal::Twins { one, other: other_name });
            }
            let acquainted = view.node(&other.id).is_some() || other_view.node(&me.id).is_some();
            let slots = me.slots.intersection(&other.slots);
            // Acquainted ones are about to settle it, by epoch.
            if !acquainted && !slots.is_empty() {
                return Err(Refusal::Divided { one, other: other_name, slots });
            }
        }
    }
    Ok(())
}

fn foreign_nodes(cluster: &ClusterView<'_>) -> Result<(), Refusal> {
    let owned = cluster.seen().fold(Slots::EMPTY, |all, (.., me)| all.union(&me.slots));
    // One that does not answer is most likely the planned instance; nothing is done
    // until it does.
    let known = |node: &NodeLine| cluster.silent_member(node).is_some();
    for (member, foreign) in cluster.foreign_nodes().filter(|(_, node)| !known(node)) {
        // What an instance says that it serves itself is old news; what an
        // instance follows is about to be replaced by it.
        let slots = foreign.slots.minus(&owned);
        if !slots.is_empty() && !cluster.is_followed(&foreign.id) {
            let owner = describe(foreign, cluster);
            return Err(Refusal::ForeignNode { slots, owner, seen_by: member.name.to_string() });
        }
    }
    Ok(())
}

fn majority(cluster: &ClusterView<'_>) -> Result<(), Refusal> {
    let owned = cluster.seen().fold(Slots::EMPTY, |all, (.., me)| all.union(&me.slots));
    let gone = cluster.foreign_nodes().filter(|(_, foreign)| {
        cluster.is_stale(foreign)
            && !foreign.slots.minus(&owned).is_empty()
            && cluster.is_followed(&foreign.id)
    });
    let lost = gone.map(|(_, foreign)| &foreign.id).collect::<BTreeSet<_>>().len();
    let living = cluster.seen().filter(|(.., me)| !me.slots.is_empty()).count();
    let complete = cluster.seen().count() == cluster.target.members.len();
    if complete && lost > 0 && living <= lost {
        return Err(Refusal::NoMajority { lost, all: living + lost });
    }
    Ok(())
}

fn describe(foreign: &NodeLine, cluster: &ClusterView<'_>) -> String {
    let place = foreign.address.map_or_else(String::new, |at| format!(" at {at}:{}", foreign.port));
    let before = |member: &&Member| foreign.address == Some(member.address);
    if let Some(member) = cluster.target.members.iter().find(before) {
        return format!("{}{place}, {} before it was made anew", foreign.id, member.name);
    }
    if foreign.address.is_some() {
        return format!("{}{place}", foreign.id);
    }
    // The server at its address now took that away; its slots still identify it.
    let planned = |member: &&Member| !member.slots.intersection(&foreign.slots).is_empty();
    let former = cluster.target.masters().find(planned).map_or_else(String::new, |member| {
        format!(", probably {} before it was made anew", member.name)
    });
    format!("{} that is gone{former}", foreign.id)
}

fn misplaced(cluster: &ClusterView<'_>) -> Result<(), Refusal> {
    for (member, _, me) in cluster.seen() {
        for planned in cluster.target.masters() {
            let slots = me.slots.intersection(&planned.slots);
            let contested = cluster.seen().any(|(other, _, them)| {
                other.name != member.name && !them.slots.intersection(&slots).is_empty()
            });
            let foreign = planned.group != member.group;
            let shared = !foreign
                && cluster
                    .acting(member.group)
                    .is_some_and(|(acting, _)| acting.name != member.name);
            if !slots.is_empty() && !contested && (foreign || shared) {
                let (owner, group) = (member.name.to_string(), planned.group);
                return Err(Refusal::Misplaced { slots, owner, group });
            }
        }
    }
    Ok(())
}

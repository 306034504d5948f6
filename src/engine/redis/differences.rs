//! How the observed cluster differs from the planned one, instance by instance.

use std::collections::BTreeMap;

use super::nodes::{NodeId, NodeLine};
use super::observe::NodeView;
use super::target::Member;
use super::view::ClusterView;
use super::{between, settings};
use crate::engine::{Difference, Fact};
use crate::ids::InstanceName;
use crate::recipe::redis::slots::Slots;

/// All differences in membership, roles, slots, replication, settings and users; empty
/// when every instance agrees with the plan and with all others.
#[must_use]
pub fn differences(cluster: &ClusterView<'_>) -> Vec<Difference> {
    let mut found = Vec::new();
    for (name, error) in &cluster.observed.silent {
        found.push(Difference::unanswered(name.clone(), error));
    }
    for (member, view, me) in cluster.present() {
        let mut differs = |fact: Fact, planned: String, seen: String| {
            if planned != seen {
                let instance = member.name.clone();
                found.push(Difference { instance, fact, planned, found: seen });
            }
        };
        differs(Fact::ClusterState, "ok".to_owned(), view.state.clone());
        differs(Fact::Role, planned_role(cluster, member), role(cluster, me));
        if let Some(link) = &view.link {
            let state = if link.up { "up" } else { "down" };
            differs(Fact::Replication, "up".to_owned(), state.to_owned());
        }
        nodes(cluster, view, &mut differs);
        for group in cluster.target.groups() {
            let Some(leader) = planned_leader(cluster, group) else { continue };
            let slots = cluster.target.slots(group);
            let owners = owners(cluster, view, &slots);
            differs(Fact::OwnerOfSlots(slots.to_string()), leader.name.to_string(), owners);
        }
        differs(Fact::MovingSlots, "none".to_owned(), moving(cluster, view));
    }
    for member in cluster.target.members.iter().filter(|member| member.is_present()) {
        let Some(seen) = cluster.observed.seen.get(&member.name) else { continue };
        let mut differs = |fact: Fact, planned: String, seen: String| {
            let instance = member.name.clone();
            found.push(Difference { instance, fact, planned, found: seen });
        };
        settings::differences(member, &seen.settings, &mut differs);
        between::differences(member, &seen.settings, &mut differs);
        for (fact, state) in &seen.users {
            differs(fact.clone(), "as the deployment keeps it".to_owned(), state.clone());
        }
    }
    found
}

/// What is lost, in words, by the instance that is to serve it: slots of which nothing is left,
/// and what a copy has not that is to take over by order.
#[must_use]
pub fn lost(cluster: &ClusterView<'_>) -> BTreeMap<InstanceName, String> {
    let gone = cluster.foreign_nodes().map(|(_, foreign)| cluster.lost_slots(foreign));
    let gone = gone.fold(Slots::EMPTY, |all, slots| all.union(&slots));
    let of_group = |group| {
        let slots = cluster.target.slots(group).intersection(&gone);
        let mut heirs = cluster.target.group(group).filter(|member| member.is_present());
        let heir = heirs.next().filter(|_| !slots.is_empty())?;
        Some((heir.name.clone(), format!("nothing is left of slots {slots}")))
    };
    let heirs = cluster.heirs().into_iter().filter(|heir| heir.may_return).map(|heir| {
        let master = cluster.name(&heir.master.id);
        let cause = format!("it takes over without what only {master} has, unless that is back");
        (heir.copy.name.clone(), cause)
    });
    cluster.target.groups().filter_map(of_group).chain(heirs).collect()
}

fn planned_role(cluster: &ClusterView<'_>, member: &Member) -> String {
    match member.group.and_then(|group| planned_leader(cluster, group)) {
        Some(leader) if leader.name != member.name => format!("replica of {}", leader.name),
        _ => "master".to_owned(),
    }
}

/// The member that is to lead a group: its planned master or, while that is absent, the one
/// that leads now.
fn planned_leader<'a>(cluster: &ClusterView<'a>, group: u32) -> Option<&'a Member> {
    let planned = cluster.target.master(group);
    match planned.filter(|master| master.absent).and_then(|_| cluster.acting(group)) {
        Some((acting, _)) => Some(acting),
        None => planned,
    }
}

fn role(cluster: &ClusterView<'_>, me: &NodeLine) -> String {
    let follows = me.follows.as_ref();
    follows.map_or_else(|| "master".to_owned(), |id| format!("replica of {}", cluster.name(id)))
}

/// Compares whom an instance knows, and in which state.
fn nodes(
    cluster: &ClusterView<'_>,
    view: &NodeView,
    differs: &mut impl FnMut(Fact, String, String),
) {
    for (other, _, other_self) in cluster.present() {
        let seen = match view.node(&other_self.id) {
            _ if !cluster.knows(view, other) => "unknown".to_owned(),
            Some(node) if node.failed => "failed".to_owned(),
            Some(node) if node.suspect => "perhaps failed".to_owned(),
            // Clients get this instance's opinion.
            Some(node) if node.follows != other_self.follows => role(cluster, node),
            _ => "known".to_owned(),
        };
        differs(Fact::SightOf(other.name.clone()), "known".to_owned(), seen);
    }
    let others = view.nodes.iter().filter(|node| !node.handshake);
    let foreign_nodes = others
        .filter(|node| cluster.member(&node.id).is_none() && cluster.silent_member(node).is_none());
    // One that did not answer is reported already.
    for foreign in foreign_nodes {
        differs(Fact::Member, "not there".to_owned(), foreign.id.to_string());
    }
    // One that leaves is forgotten once nobody takes it for the owner of anything.
    for (leaving, _, me) in cluster.seen().filter(|(member, ..)| cluster.can_leave(member)) {
        let seen = if view.node(&me.id).is_some() { "known" } else { "forgotten" };
        differs(Fact::Departure(leaving.name.clone()), "forgotten".to_owned(), seen.to_owned());
    }
}

/// Who serves slots, as one instance sees it.
fn owners(cluster: &ClusterView<'_>, view: &NodeView, slots: &Slots) -> String {
    let mut left = slots.clone();
    let mut owners = Vec::new();
    for node in &view.nodes {
        let part = node.slots.intersection(slots);
        if part == *slots {
            return cluster.name(&node.id);
        }
        if !part.is_empty() {
            owners.push(format!("{part} at {}", cluster.name(&node.id)));
            left = left.minus(&part);
        }
    }
    if !left.is_empty() {
        owners.push(format!("{left} at nobody"));
    }
    owners.join(", ")
}

/// Slots on the move: `14166-14677 to cache-0`, or `none`.
fn moving(cluster: &ClusterView<'_>, view: &NodeView) -> String {
    let mut ways: BTreeMap<(bool, &NodeId), Vec<(u16, u16)>> = BTreeMap::new();
    for open in view.nodes.iter().flat_map(|node| &node.moving) {
        ways.entry((open.incoming, &open.other)).or_default().push((open.slot, open.slot));
    }
    let say = |((incoming, other), slots): (&(bool, &NodeId), &Vec<(u16, u16)>)| {
        let way = if *incoming { "from" } else { "to" };
        format!("{} {way} {}", Slots::of(slots), cluster.name(other))
    };
    let all: Vec<String> = ways.iter().map(say).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

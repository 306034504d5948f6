//! The copies of a group as seen: who leads, who could, and what is wrong with the rest.

use super::nodes::NodeLine;
use super::observe::NodeView;
use super::target::Member;
use super::view::ClusterView;
use crate::engine::cluster::Copies;
use crate::ids::InstanceName;

/// The copies of a group.
pub(super) fn copies(cluster: &ClusterView<'_>, group: u32) -> Copies {
    let mut copies = Copies::default();
    let Some((leader, id)) = leader(cluster, group) else {
        let present = cluster.target.group(group).filter(|member| !member.absent);
        let names = present.map(|member| member.name.clone());
        copies.ailing = names.map(|name| (name, "nobody leads".to_owned())).collect();
        return copies;
    };
    for member in cluster.target.group(group).filter(|member| !member.absent) {
        let seen = cluster.seen().find(|(one, ..)| one.name == member.name);
        let problem = match seen {
            None => Some("it does not answer".to_owned()),
            Some((_, view, me)) => problem(cluster, view, me, id),
        };
        match problem {
            None => drop(copies.healthy.insert(member.name.clone())),
            Some(what) => drop(copies.ailing.insert(member.name.clone(), what)),
        }
    }
    copies.leader = all_agree(cluster, id).then(|| leader.name.clone());
    copies
}

/// Whether all planned members that answer know a node for the one that serves its slots. Those
/// that know nobody belong to no cluster yet, and nobody asks them.
fn all_agree(cluster: &ClusterView<'_>, leader: &NodeLine) -> bool {
    let is_alone = |view: &NodeView, me: &NodeLine| view.nodes.len() == 1 && me.slots.is_empty();
    cluster.present().filter(|(_, view, me)| !is_alone(view, me)).all(|(_, view, _)| {
        let mut owners = view
            .nodes
            .iter()
            .filter(|node| !node.slots.intersection(&leader.slots).is_empty())
            .peekable();
        owners.peek().is_some() && owners.all(|node| node.id == leader.id)
    })
}

/// The copies of what an instance serves or copies now.
pub(super) fn copies_with(cluster: &ClusterView<'_>, name: &InstanceName) -> Copies {
    let mut copies = Copies::default();
    let Some(member) = cluster.target.member(name) else { return copies };
    let Some(leader) = leader_of(cluster, member) else { return copies };
    let named = |node: &NodeLine| cluster.member(&node.id).or_else(|| cluster.at(node));
    let mut add = |member: &Member, problem: Option<String>| match problem {
        None => drop(copies.healthy.insert(member.name.clone())),
        Some(what) => drop(copies.ailing.insert(member.name.clone(), what)),
    };
    for (member, view, me) in cluster.seen() {
        if me.id == leader.id || me.follows.as_ref() == Some(&leader.id) {
            add(member, problem(cluster, view, me, leader));
        }
    }
    // Those that do not answer, as others see them.
    let others = cluster.present().flat_map(|(_, view, _)| view.nodes.iter());
    let silent = others.filter(|node| {
        (node.id == leader.id || node.follows.as_ref() == Some(&leader.id))
            && cluster.member(&node.id).is_none()
    });
    for node in silent {
        if let Some(member) = cluster.at(node).filter(|member| cluster.me(member).is_none()) {
            add(member, Some("it does not answer".to_owned()));
        }
    }
    if all_agree(cluster, leader) {
        copies.leader = named(leader).map(|member| member.name.clone());
    }
    copies
}

/// The node that serves what a member serves or copies; by the member's own line, or what
/// others know of it. `None` where it serves nothing and copies nothing.
fn leader_of<'a>(cluster: &ClusterView<'a>, member: &Member) -> Option<&'a NodeLine> {
    let known = || cluster.present().flat_map(|(_, view, _)| view.nodes.iter());
    let own = cluster.me(member).or_else(|| {
        known().find(|node| member.is_at(node) && cluster.member(&node.id).is_none())
    })?;
    match &own.follows {
        None => (!own.slots.is_empty()).then_some(own),
        Some(master) => {
            let seen = cluster.seen().map(|(.., me)| me).find(|me| me.id == *master);
            seen.or_else(|| known().find(|node| node.id == *master))
                .filter(|master| !master.slots.is_empty())
        }
    }
}

/// The instance that serves a group, also one that does not answer, with its line.
fn leader<'a>(cluster: &ClusterView<'a>, group: u32) -> Option<(&'a Member, &'a NodeLine)> {
    if let Some((member, me)) = cluster.acting(group).filter(|(_, me)| !me.slots.is_empty()) {
        return Some((member, me));
    }
    cluster.seen().find_map(|(_, view, _)| {
        let mut known = view.nodes.iter().filter(|node| !node.slots.is_empty());
        known.find_map(|node| {
            let member =
                cluster.silent_member(node).filter(|member| member.group == Some(group))?;
            (!node.failed).then_some((member, node))
        })
    })
}

/// Why an instance is no healthy copy of what `leader` serves.
fn problem(
    cluster: &ClusterView<'_>,
    view: &NodeView,
    me: &NodeLine,
    leader: &NodeLine,
) -> Option<String> {
    if view.state != "ok" {
        return Some(format!("its cluster state is {:?}", view.state));
    }
    if me.id == leader.id {
        return None;
    }
    match (&me.follows, &view.link) {
        (Some(id), Some(link)) if *id == leader.id && link.up => {
            let unknown = || "too few masters know yet that it is a copy".to_owned();
            (!cluster.is_electable(view)).then(unknown)
        }
        (Some(id), _) if *id == leader.id => Some("its replication is down".to_owned()),
        (Some(id), _) => Some(format!("it follows {}", cluster.name(id))),
        (None, _) => Some("it follows nobody".to_owned()),
    }
}

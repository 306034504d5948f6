//! The copies of a group as seen: who leads, who could, and what is wrong with the rest.

use super::nodes::NodeLine;
use super::observe::NodeView;
use super::target::Member;
use super::view::ClusterView;
use crate::engine::cluster::Copies;

/// The copies of a group.
pub(super) fn copies(cluster: &ClusterView<'_>, group: u32) -> Copies {
    let mut copies = Copies::default();
    let Some((leader, id)) = leader(cluster, group) else {
        let names = cluster.target.group(group).map(|member| member.name.clone());
        copies.ailing = names.map(|name| (name, "nobody leads".to_owned())).collect();
        return copies;
    };
    for member in cluster.target.group(group) {
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
    let served = |node: &NodeLine| node.id == id.id && !node.slots.is_empty();
    let agrees = |view: &NodeView| {
        let owner =
            view.nodes.iter().find(|node| !node.slots.intersection(&leader.slots).is_empty());
        owner.is_some_and(served)
    };
    let all_agree = cluster.seen().all(|(_, view, _)| agrees(view));
    copies.leader = all_agree.then(|| leader.name.clone());
    copies
}

/// The instance that serves a group, also one that does not answer, with its line.
fn leader<'a>(cluster: &ClusterView<'a>, group: u32) -> Option<(&'a Member, &'a NodeLine)> {
    if let Some((member, me)) = cluster.acting(group).filter(|(_, me)| !me.slots.is_empty()) {
        return Some((member, me));
    }
    cluster.seen().find_map(|(_, view, _)| {
        let mut known = view.nodes.iter().filter(|node| !node.slots.is_empty());
        known.find_map(|node| {
            let member = cluster.silent_member(node).filter(|member| member.group == group)?;
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
        (Some(id), Some(link)) if *id == leader.id && link.up => None,
        (Some(id), _) if *id == leader.id => Some("its replication is down".to_owned()),
        (Some(id), _) => Some(format!("it follows {}", cluster.name(id))),
        (None, _) => Some("it follows nobody".to_owned()),
    }
}

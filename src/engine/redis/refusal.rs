//! When to stop: observations in which any command could lose data.

use std::collections::BTreeSet;

use super::nodes::NodeLine;
use super::target::Member;
use super::view::ClusterView;
use crate::ids::ServiceName;
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
    /// Slots were with a node that is gone, and nobody has a copy of their data.
    #[error(
        "slots {slots} belong to {owner}, and nobody has a copy of their data: bring it back, or \
         give the data up with --allow-data-loss {service}, once all hosts answer or are left \
         out (--without HOST)"
    )]
    NothingLeft {
        /// The slots.
        slots: Slots,
        /// Its id and address.
        owner: String,
        /// The service.
        service: ServiceName,
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
    /// Nobody that answers has the slots, and instances that leave the plan may have them.
    #[error(
        "{} {verb} the plan and cannot be asked whether it holds data: start it, or remove its \
         domain by hand if it holds none", names.join(", "),
        verb = if names.len() == 1 { "leaves" } else { "leave" }
    )]
    Unasked {
        /// Those that leave.
        names: Vec<String>,
    },
    /// Nobody has any slots yet, and not all are there who are to get some.
    #[error(
        "the cluster has no slots yet and {} cannot be asked: bring their hosts back, or plan \
         without them", names.join(", ")
    )]
    Incomplete {
        /// Those that cannot be asked.
        names: Vec<String>,
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
    /// A master is gone, and its copy leaves it to a person whether its data is recent enough.
    #[error(
        "slots {slots}: {master} does not answer, and {copy}, which was not in step with it \
         after its last start or for long, does not take over by itself: bring {master} back; or \
         leave all hosts that do not answer out with --without HOST and have the data as \
         {copy} has it with --allow-data-loss {service}"
    )]
    Outdated {
        /// The slots.
        slots: Slots,
        /// The master.
        master: String,
        /// The copy that would take over.
        copy: String,
        /// The service.
        service: ServiceName,
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
    heirs(cluster)?;
    empty(cluster)
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
    // until it does. One that is left out will not.
    let known = |node: &NodeLine| {
        cluster.silent_member(node).is_some_and(|member| !(member.absent && node.failed))
    };
    for (member, foreign) in cluster.foreign_nodes().filter(|(_, node)| !known(node)) {
        // What an instance says that it serves itself is old news; what an
        // instance follows is about to be replaced by it.
        let slots = foreign.slots.minus(&owned);
        if !slots.is_empty() && !cluster.is_followed(&foreign.id) {
            let (owner, service) = (describe(foreign, cluster), cluster.target.service.clone());
            match cluster.lost_slots(foreign) {
                lost if lost.is_empty() => {
                    let names: Vec<String> =
                        cluster.target.lost.iter().map(ToString::to_string).collect();
                    if cluster.is_stale(foreign) && !names.is_empty() {
                        return Err(Refusal::Unasked { names });
                    }
                }
                _ if cluster.target.may_lose_data => continue,
                slots => return Err(Refusal::NothingLeft { slots, owner, service }),
            }
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
    let complete = cluster.is_complete();
    if complete && lost > 0 && living <= lost {
        return Err(Refusal::NoMajority { lost, all: living + lost });
    }
    Ok(())
}

fn heirs(cluster: &ClusterView<'_>) -> Result<(), Refusal> {
    match cluster.heirs().iter().find(|heir| heir.may_return) {
        Some(heir) if !cluster.target.may_lose_data => Err(Refusal::Outdated {
            slots: heir.master.slots.clone(),
            master: cluster.name(&heir.master.id),
            copy: heir.copy.name.to_string(),
            service: cluster.target.service.clone(),
        }),
        _ => Ok(()),
    }
}

fn describe(foreign: &NodeLine, cluster: &ClusterView<'_>) -> String {
    let place = foreign.address.map_or_else(String::new, |at| format!(" at {at}:{}", foreign.port));
    let before = |member: &&Member| foreign.address == Some(member.address);
    if let Some(member) = cluster.target.members.iter().find(before) {
        let what = match member {
            Member { absent: true, .. } => "whose host is left out",
            Member { group: None, .. } => "which leaves the plan and does not answer",
            _ => "before it was made anew",
        };
        return format!("{}{place}, {} {what}", foreign.id, member.name);
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

/// A cluster that looks empty, while not all answer who may have its data or are to get
/// some.
fn empty(cluster: &ClusterView<'_>) -> Result<(), Refusal> {
    let leaving = cluster.target.members.iter().filter(|member| member.is_leaving());
    let silent = leaving.filter(|member| cluster.me(member).is_none()).map(|member| &member.name);
    let names: Vec<String> = silent.chain(&cluster.target.lost).map(ToString::to_string).collect();
    let is_empty = cluster.seen().all(|(_, view, _)| view.nodes.iter().all(|n| n.slots.is_empty()));
    if is_empty && !names.is_empty() {
        return Err(Refusal::Unasked { names });
    }
    let absent = cluster.target.members.iter().filter(|member| member.absent);
    let names: Vec<String> = absent.map(|member| member.name.to_string()).collect();
    if is_empty && !names.is_empty() {
        return Err(Refusal::Incomplete { names });
    }
    Ok(())
}

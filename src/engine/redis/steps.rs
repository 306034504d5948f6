//! What to do next: plan and observation to commands. Pure; the phases are in
//! the order in which Redis can take them.

use std::collections::BTreeMap;
use std::fmt;

use super::nodes::NodeId;
use super::refusal::refuse;
use super::view::ClusterView;
use crate::ids::InstanceName;
use crate::recipe::redis::slots::Slots;

pub use super::refusal::Refusal;

/// One command to one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The instance that it is sent to.
    pub at: InstanceName,
    /// What it shall do.
    pub order: Order,
}

/// What an instance can be commanded to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Take this configuration epoch, while alone.
    SetConfigEpoch(u64),
    /// Meet an instance at its planned address.
    Meet(InstanceName),
    /// Serve slots that nobody serves.
    AddSlots(Slots),
    /// Follow a master.
    Replicate(NodeId, InstanceName),
    /// Forget a node that is gone.
    Forget(NodeId),
    /// Take over from the master that it follows, without loss.
    Failover,
    /// Take over from a master that is gone and cannot be declared failed: a forced
    /// failover.
    ForceFailover,
}

impl Order {
    /// Its kind, as a noun that can be counted.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::SetConfigEpoch(_) => "epoch",
            Self::Meet(_) => "introduction",
            Self::AddSlots(_) => "slot range",
            Self::Replicate(..) => "replica",
            Self::Forget(_) => "forgotten node",
            Self::Failover => "failover",
            Self::ForceFailover => "forced failover",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, order } = self;
        match order {
            Order::SetConfigEpoch(epoch) => write!(f, "{at} takes epoch {epoch}"),
            Order::Meet(other) => write!(f, "{at} meets {other}"),
            Order::AddSlots(slots) => write!(f, "{at} serves slots {slots}"),
            Order::Replicate(_, master) => write!(f, "{at} follows {master}"),
            Order::Forget(id) => write!(f, "{at} forgets {id}"),
            Order::Failover => write!(f, "{at} takes over as master"),
            Order::ForceFailover => write!(f, "{at} takes over from a master that is gone"),
        }
    }
}

/// The commands that bring the cluster nearer to the plan now. None may mean
/// that it is formed, or that something has to settle first: see
/// [`super::differences`].
///
/// # Errors
/// A state that only a person may decide about.
pub fn steps(cluster: &ClusterView<'_>) -> Result<Vec<Step>, Refusal> {
    refuse(cluster)?;
    // With some unseen, steps would be taken for what only looks absent.
    if cluster.seen().count() < cluster.target.members.len() {
        return Ok(Vec::new());
    }
    let phases: [fn(&ClusterView<'_>) -> Vec<Step>; 7] =
        [founding, meetings, forced_failovers, slots, followers, stale_members, takeovers];
    Ok(phases
        .iter()
        .map(|phase| phase(cluster))
        .find(|steps| !steps.is_empty())
        .unwrap_or_default())
}

/// What instances that are still alone can do without each other: their
/// epochs and, where nobody knows anybody, their slots as well.
fn founding(cluster: &ClusterView<'_>) -> Vec<Step> {
    let mut steps = epochs(cluster);
    if cluster.seen().all(|(_, view, _)| view.nodes.len() == 1) {
        steps.extend(slots(cluster));
    }
    steps
}

/// Distinct epochs for those who are alone, so that none have to be settled by
/// collision later; as `redis-cli --cluster create` does.
fn epochs(cluster: &ClusterView<'_>) -> Vec<Step> {
    let used: Vec<u64> =
        cluster.seen().flat_map(|(_, view, _)| view.nodes.iter().map(|node| node.epoch)).collect();
    let mut free = (1..).filter(|epoch| !used.contains(epoch));
    let alone = cluster.seen().filter(|(_, view, me)| view.nodes.len() == 1 && me.epoch == 0);
    alone
        .zip(&mut free)
        .map(|((member, ..), epoch)| Step {
            at: member.name.clone(),
            order: Order::SetConfigEpoch(epoch),
        })
        .collect()
}

/// The best-connected instance meets those it does not know; then each that still
/// misses a node does so itself.
fn meetings(cluster: &ClusterView<'_>) -> Vec<Step> {
    let mut lacking: Vec<Vec<Step>> = cluster
        .seen()
        .map(|(member, view, _)| {
            let unknown = cluster.target.members.iter().filter(|other| !cluster.knows(view, other));
            let meet = |other: &super::target::Member| Step {
                at: member.name.clone(),
                order: Order::Meet(other.name.clone()),
            };
            unknown.map(meet).collect()
        })
        .collect();
    // Stable: of equally well connected ones the first by group.
    lacking.sort_by_key(Vec::len);
    match lacking.first() {
        Some(best) if !best.is_empty() => best.clone(),
        _ => lacking.into_iter().flatten().collect(),
    }
}

/// A master whose machine was made anew within the node timeout loses its
/// address, and Redis never declares failed what has none: its replica waits
/// for ever. The one that is furthest in its stream is promoted by force; a majority
/// of the masters still has to vote for it.
fn forced_failovers(cluster: &ClusterView<'_>) -> Vec<Step> {
    let mut forced_failovers = BTreeMap::new();
    for (member, view, me) in cluster.seen() {
        let Some(master) = me.follows.as_ref().and_then(|id| view.node(id)) else { continue };
        let lost = cluster.member(&master.id).is_none() && master.address.is_none();
        if lost && !master.failed && !cluster.believed_slots(&master.id).is_empty() {
            let offset = view.link.as_ref().map_or(0, |link| link.offset);
            // Of equal ones the first by group.
            let best = forced_failovers.entry(&master.id).or_insert((offset, member));
            if offset > best.0 {
                *best = (offset, member);
            }
        }
    }
    forced_failovers
        .into_values()
        .map(|(_, member)| Step { at: member.name.clone(), order: Order::ForceFailover })
        .collect()
}

/// Slots that nobody serves go to the acting master of their group.
fn slots(cluster: &ClusterView<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for planned in cluster.target.masters() {
        let Some((acting, me)) = cluster.acting(planned.group) else { continue };
        let claims = cluster.seen().flat_map(|(member, view, _)| {
            // The instance itself must see them free; others may believe
            // already that they are its own.
            let own = member.name == acting.name;
            view.nodes.iter().filter(move |node| own || node.id != me.id)
        });
        let free = claims.fold(planned.slots.clone(), |free, node| free.minus(&node.slots));
        if me.master && !free.is_empty() {
            steps.push(Step { at: acting.name.clone(), order: Order::AddSlots(free) });
        }
    }
    steps
}

/// Everybody else of a group follows its acting master.
fn followers(cluster: &ClusterView<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (member, view, me) in cluster.seen().filter(|(.., me)| me.slots.is_empty()) {
        let Some((acting, master)) = cluster.acting(member.group) else { continue };
        let settled = member.name == acting.name || me.follows.as_ref() == Some(&master.id);
        let possible =
            !master.slots.is_empty() && view.node(&master.id).is_some_and(|known| known.master);
        if !settled && possible {
            let order = Order::Replicate(master.id.clone(), acting.name.clone());
            steps.push(Step { at: member.name.clone(), order });
        }
    }
    steps
}

/// Members that are gone and serve nothing are forgotten by all who know them.
fn stale_members(cluster: &ClusterView<'_>) -> Vec<Step> {
    let gone = cluster.foreign_nodes().filter(|(_, foreign)| {
        let id = &foreign.id;
        let anywhere = cluster.foreign_nodes().any(|(_, s)| s.id == *id && cluster.is_stale(s));
        anywhere && cluster.believed_slots(id).is_empty() && !cluster.is_followed(id)
    });
    gone.map(|(member, foreign)| Step {
        at: member.name.clone(),
        order: Order::Forget(foreign.id.clone()),
    })
    .collect()
}

/// A planned master that follows another takes over once it is in step; one at
/// a time, because elections compete for the same votes.
fn takeovers(cluster: &ClusterView<'_>) -> Vec<Step> {
    let ready = cluster.seen().find(|(member, view, me)| {
        let in_step = view.link.as_ref().is_some_and(|link| link.up);
        let acting = cluster.acting(member.group);
        let follows = acting.is_some_and(|(_, master)| me.follows.as_ref() == Some(&master.id));
        member.master && in_step && follows && view.state == "ok"
    });
    ready
        .map(|(member, ..)| Step { at: member.name.clone(), order: Order::Failover })
        .into_iter()
        .collect()
}

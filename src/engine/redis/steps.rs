//! What to do next: plan and observation to commands. Pure; the phases are in
//! the order in which Redis can take them.

use std::collections::BTreeMap;
use std::fmt;

use super::nodes::{NodeId, NodeLine};
use super::refusal::refuse;
use super::target::Member;
use super::view::ClusterView;
use super::{between, moves};
use crate::engine::Goal;
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
    /// Give its copy of the data up, leave the cluster and be an empty master.
    Reset,
    /// Hand slots over to another master, keys first, while both serve.
    Move {
        /// The slots.
        slots: Slots,
        /// The instance that gets them.
        to: InstanceName,
        /// The ids of both, that of the receiver last.
        ids: (NodeId, NodeId),
    },
    /// Take slots for neither on their way out nor in.
    Close(Slots),
    /// Let all instances encrypt what they send each other, or none.
    Encrypt(bool),
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
            Self::Reset => "reset",
            Self::Move { .. } => "slot move",
            Self::Close(_) => "leftover of a slot move",
            Self::Encrypt(_) => "change of encryption",
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
            Order::Reset => write!(f, "{at} gives its copy up"),
            Order::Close(slots) => write!(f, "{at} closes slots {slots}"),
            Order::Encrypt(true) => write!(f, "all encrypt what they send each other"),
            Order::Encrypt(false) => write!(f, "none encrypts what it sends to others"),
            Order::Move { slots, to, .. } => write!(f, "{at} hands slots {slots} over to {to}"),
        }
    }
}

/// What is to be done of one kind.
type Phase = fn(&ClusterView<'_>) -> Vec<Step>;

/// The commands that bring the cluster nearer to a goal now. None may mean
/// that it is reached, or that something has to settle first: see
/// [`super::differences`].
///
/// # Errors
/// A state that only a person may decide about.
pub fn steps(cluster: &ClusterView<'_>, goal: Goal) -> Result<Vec<Step>, Refusal> {
    refuse(cluster)?;
    // With some unseen, steps would be taken for what only looks absent.
    if !cluster.is_complete() {
        return Ok(Vec::new());
    }
    let phases: [(Goal, Phase); 14] = [
        // Without it those that differ cannot connect.
        (Goal::Joined, between::steps),
        (Goal::Joined, founding),
        (Goal::Joined, meetings),
        // Those that are given up no longer count among the votes that a failover needs.
        (Goal::Joined, stale_members),
        (Goal::Joined, forced_failovers),
        (Goal::Joined, slots),
        (Goal::Joined, astray),
        (Goal::Joined, followers),
        (Goal::Balanced, moves::leftovers),
        (Goal::Balanced, moves::moves),
        (Goal::Balanced, deserters),
        (Goal::Planned, takeovers),
        (Goal::Planned, farewells),
        (Goal::Planned, forgotten),
    ];
    Ok(phases
        .iter()
        .filter(|(needed_for, _)| *needed_for <= goal)
        .map(|(_, phase)| phase(cluster))
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
    // One that leaves and serves nothing is not needed any more.
    let is_needed = |other: &&Member| {
        other.is_present() || cluster.me(other).is_some_and(|me| !me.slots.is_empty())
    };
    let mut lacking: Vec<Vec<Step>> = cluster
        .seen()
        .filter(|(member, ..)| is_needed(member))
        .map(|(member, view, _)| {
            let needed = cluster.target.members.iter().filter(is_needed);
            let unknown = needed.filter(|other| !cluster.knows(view, other));
            let meet = |other: &Member| Step {
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
    // Allowed, or it would have been refused.
    let heirs = cluster.heirs().into_iter().map(|heir| heir.copy);
    let forced = forced_failovers.into_values().map(|(_, member)| member).chain(heirs);
    forced.map(|member| Step { at: member.name.clone(), order: Order::ForceFailover }).collect()
}

/// Slots that nobody serves go to the acting master of their group.
fn slots(cluster: &ClusterView<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for group in cluster.target.groups() {
        let Some((acting, me)) = cluster.acting(group) else { continue };
        let claims = cluster.seen().flat_map(|(member, view, _)| {
            // The instance itself must see them free; others may believe
            // already that they are its own.
            let own = member.name == acting.name;
            view.nodes.iter().filter(move |node| own || node.id != me.id)
        });
        let planned = cluster.target.slots(group);
        let free = claims.fold(planned, |free, node| free.minus(&node.slots));
        if me.master && !free.is_empty() {
            steps.push(Step { at: acting.name.clone(), order: Order::AddSlots(free) });
        }
    }
    steps
}

/// Replicas that know no port of their master are commanded again to follow it: Redis takes
/// the port that it listens at then, and they go on where they were.
fn astray(cluster: &ClusterView<'_>) -> Vec<Step> {
    let astray = cluster.seen().filter_map(|(member, view, me)| {
        view.link.as_ref().filter(|link| link.astray && !link.up)?;
        let master = view.node(me.follows.as_ref()?)?;
        let order = Order::Replicate(master.id.clone(), cluster.member(&master.id)?.name.clone());
        Some(Step { at: member.name.clone(), order })
    });
    astray.collect()
}

/// Everybody else of a group follows its acting master. One that copies another group's
/// data gives that copy up only while the group has as many as planned without it.
fn followers(cluster: &ClusterView<'_>) -> Vec<Step> {
    let steps = changes_of_group(cluster);
    steps.filter(|(_, spare)| *spare == Spare::Yes).map(|(step, _)| step).collect()
}

/// What is left of these once all is at rest: groups that wait for each other's copies.
/// One at a time is given up by a group that has at least its master left.
fn deserters(cluster: &ClusterView<'_>) -> Vec<Step> {
    let at_rest = cluster.present().all(|(_, view, me)| {
        me.follows.is_none() || view.link.as_ref().is_some_and(|link| link.up)
    });
    let mut steps = changes_of_group(cluster).filter(|(_, spare)| *spare == Spare::OneLeft);
    steps.next().filter(|_| at_rest).map(|(step, _)| step).into_iter().collect()
}

/// Whether a group can spare a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spare {
    /// It has as many as planned without it.
    Yes,
    /// It has one without it.
    OneLeft,
    /// It would be without a copy.
    No,
}

/// Members that are to copy, or to lead, another group than the one they copy now.
fn changes_of_group<'a>(cluster: &'a ClusterView<'a>) -> impl Iterator<Item = (Step, Spare)> + 'a {
    let idle = cluster.present().filter(|(.., me)| me.slots.is_empty());
    idle.filter_map(|(member, view, me)| {
        let group = member.group?;
        let order = match cluster.acting(group) {
            Some((acting, _)) if acting.name == member.name => return None,
            Some((_, master)) if me.follows.as_ref() == Some(&master.id) => return None,
            Some((acting, master)) => {
                view.node(&master.id).filter(|known| known.master)?;
                Order::Replicate(master.id.clone(), acting.name.clone())
            }
            // Nobody can lead the group yet: this one shall, or somebody in its place.
            None => {
                let planned = cluster.target.master(group).filter(|one| one.is_present());
                let first = || cluster.present().find(|(one, ..)| one.group == Some(group));
                let chosen = planned.or_else(|| first().map(|(one, ..)| one))?;
                if chosen.name != member.name {
                    return None;
                }
                Order::Reset
            }
        };
        Some((Step { at: member.name.clone(), order }, spare(cluster, member, me)))
    })
}

/// Whether the data that a member copies now can do without it.
fn spare(cluster: &ClusterView<'_>, member: &Member, me: &NodeLine) -> Spare {
    let Some(master) = &me.follows else { return Spare::Yes };
    let serves = cluster.seen().find(|(.., line)| line.id == *master);
    let Some((serving, view, line)) = serves else {
        // What follows nobody that is known is needed until its data is elsewhere.
        let is_served = cluster.believed_slots(master).is_empty();
        return if is_served { Spare::Yes } else { Spare::No };
    };
    if line.slots.is_empty() {
        return Spare::Yes;
    }
    let others = cluster.copying(master).filter(|(one, up)| *up && one.name != member.name).count();
    let left = others + usize::from(view.state == "ok");
    // Also one that leaves, until it is taken over.
    let group = cluster.target.groups().find(|group| {
        cluster.acting(*group).is_some_and(|(acting, _)| acting.name == serving.name)
    });
    // A group that is dissolved keeps its copies until its data is elsewhere.
    let planned = group.map_or(usize::MAX, |group| {
        cluster.target.group(group).filter(|one| one.is_present()).count()
    });
    match left {
        left if left >= planned => Spare::Yes,
        0 => Spare::No,
        _ => Spare::OneLeft,
    }
}

/// Members that are gone and serve nothing are forgotten by all who know them; so are those
/// that took the only copy of their data with them, where the operator has given it up.
fn stale_members(cluster: &ClusterView<'_>) -> Vec<Step> {
    forgetting(cluster, |foreign| {
        let is_gone = |seen: &NodeLine| cluster.is_stale(seen) || seen.suspect;
        cluster.foreign_nodes().any(|(_, seen)| seen.id == foreign.id && is_gone(seen))
            && (cluster.believed_slots(&foreign.id).is_empty() || cluster.is_given_up(foreign))
    })
}

/// Members that have been forgotten are forgotten by those, too, that could not be asked then.
/// A majority does not know them, so that they are never declared failed.
fn forgotten(cluster: &ClusterView<'_>) -> Vec<Step> {
    forgetting(cluster, |foreign| {
        cluster.is_forgotten(&foreign.id) && cluster.believed_slots(&foreign.id).is_empty()
    })
}

/// Foreign nodes are forgotten that nobody follows and nobody waits for.
fn forgetting(cluster: &ClusterView<'_>, which: impl Fn(&NodeLine) -> bool) -> Vec<Step> {
    let gone = cluster.foreign_nodes().filter(|(_, foreign)| {
        cluster.silent_member(foreign).is_none_or(|member| !member.absent)
            && !cluster.is_followed(&foreign.id)
            && which(foreign)
    });
    gone.map(|(member, foreign)| Step {
        at: member.name.clone(),
        order: Order::Forget(foreign.id.clone()),
    })
    .collect()
}

/// Members that leave are forgotten by all who stay, once each group has its own copies and
/// none of them serves anything. They forget everybody first, and all of them at once: a node
/// that was forgotten is learned of again, after a minute, from any that still knows it.
fn farewells(cluster: &ClusterView<'_>) -> Vec<Step> {
    let whole = cluster.target.groups().all(|group| is_whole(cluster, group));
    let done = |me: &NodeLine| {
        let staying = || cluster.present().any(|(.., one)| one.follows.as_ref() == Some(&me.id));
        cluster.believed_slots(&me.id).is_empty() && !staying()
    };
    let leaving: Vec<_> = cluster.seen().filter(|(member, ..)| cluster.can_leave(member)).collect();
    if !whole || !leaving.iter().all(|(.., me)| done(me)) {
        return Vec::new();
    }
    let knowing = leaving.iter().filter(|(_, view, _)| view.nodes.len() > 1);
    let mut steps: Vec<Step> =
        knowing.map(|(member, ..)| Step { at: member.name.clone(), order: Order::Reset }).collect();
    if !steps.is_empty() {
        return steps;
    }
    for (.., gone) in leaving {
        let knowing = cluster.present().filter(|(_, view, _)| view.node(&gone.id).is_some());
        steps.extend(knowing.map(|(member, ..)| Step {
            at: member.name.clone(),
            order: Order::Forget(gone.id.clone()),
        }));
    }
    steps
}

/// Whether all of a group that can be asked follow its acting master and are in step;
/// those aside that still serve slots of their own.
pub(super) fn is_whole(cluster: &ClusterView<'_>, group: u32) -> bool {
    let Some((_, master)) = cluster.acting(group) else { return false };
    let mut own = cluster.present().filter(|(one, ..)| one.group == Some(group));
    own.all(|(_, view, me)| {
        let in_step = view.link.as_ref().is_some_and(|link| link.up);
        me.id == master.id
            || !me.slots.is_empty()
            || (me.follows.as_ref() == Some(&master.id) && in_step)
    })
}

/// A planned master that follows another takes over once it is in step; one at
/// a time, because elections compete for the same votes. From a master that leaves anybody of
/// the group takes over, if the planned one is absent.
fn takeovers(cluster: &ClusterView<'_>) -> Vec<Step> {
    let ready = cluster.present().find(|(member, view, me)| {
        let in_step = view.link.as_ref().is_some_and(|link| link.up);
        let Some(group) = member.group else { return false };
        let Some((acting, master)) = cluster.acting(group) else { return false };
        let planned = cluster.target.master(group).is_some_and(Member::is_present);
        let takes_over = member.master || (acting.is_leaving() && !planned);
        let follows = me.follows.as_ref() == Some(&master.id);
        takes_over && in_step && follows && view.state == "ok" && cluster.is_electable(view)
    });
    ready
        .map(|(member, ..)| Step { at: member.name.clone(), order: Order::Failover })
        .into_iter()
        .collect()
}

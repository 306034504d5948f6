//! What to do next: plan and observation to commands. Pure; the phases stand in
//! the order in which Redis can take them.

use std::collections::BTreeMap;
use std::fmt;

use super::nodes::MemberId;
use super::picture::Picture;
use super::refusal::refuse;
use crate::ids::InstanceName;
use crate::slots::Slots;
use crate::units::counted;

pub use super::refusal::Refusal;

/// One command to one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The instance that it is sent to.
    pub at: InstanceName,
    /// What it shall do.
    pub order: Order,
}

/// What an instance can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Take this configuration epoch, while alone.
    SetConfigEpoch(u64),
    /// Meet an instance at its planned address.
    Meet(InstanceName),
    /// Serve slots that nobody serves.
    AddSlots(Slots),
    /// Follow a master.
    Replicate(MemberId, InstanceName),
    /// Forget a member that is gone.
    Forget(MemberId),
    /// Take over from the master that it follows, without loss.
    Failover,
    /// Take over from a master that is gone and cannot be declared failed.
    Inherit,
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
            Order::Inherit => write!(f, "{at} takes over from a master that is gone"),
        }
    }
}

/// What was done, in a line that people read: every step while they are few,
/// else how many of each kind.
#[must_use]
pub fn summary(steps: &[Step]) -> String {
    const FEW: usize = 4;
    if steps.len() <= FEW {
        return steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    }
    type Kind = (&'static str, fn(&Order) -> bool);
    let kinds: [Kind; 6] = [
        ("introduction", |order| matches!(order, Order::Meet(_))),
        ("slot range", |order| matches!(order, Order::AddSlots(_))),
        ("replica", |order| matches!(order, Order::Replicate(..))),
        ("forgotten member", |order| matches!(order, Order::Forget(_))),
        ("takeover", |order| matches!(order, Order::Failover | Order::Inherit)),
        ("epoch", |order| matches!(order, Order::SetConfigEpoch(_))),
    ];
    let counted = kinds.iter().filter_map(|(noun, is)| {
        let count = steps.iter().filter(|step| is(&step.order)).count() as u64;
        (count > 0).then(|| counted(count, noun))
    });
    counted.collect::<Vec<_>>().join(", ")
}

/// The commands that bring the cluster nearer to the plan now. None may mean
/// that it is formed, or that something has to settle first: see
/// [`super::differences`].
///
/// # Errors
/// Something stands in the way that only a person may decide about.
pub fn steps(picture: &Picture<'_>) -> Result<Vec<Step>, Refusal> {
    refuse(picture)?;
    // Half a picture would make us act on what only looks absent.
    if picture.seen().count() < picture.target.seats.len() {
        return Ok(Vec::new());
    }
    let phases: [fn(&Picture<'_>) -> Vec<Step>; 7] =
        [founding, meetings, heirs, slots, followers, remains, takeovers];
    Ok(phases
        .iter()
        .map(|phase| phase(picture))
        .find(|steps| !steps.is_empty())
        .unwrap_or_default())
}

/// What instances that are still alone can be told without each other: their
/// epochs and, where nobody knows anybody, their slots as well.
fn founding(picture: &Picture<'_>) -> Vec<Step> {
    let mut steps = epochs(picture);
    if picture.seen().all(|(_, view, _)| view.members.len() == 1) {
        steps.extend(slots(picture));
    }
    steps
}

/// Distinct epochs for those who are alone, so that none have to be settled by
/// collision later; as `redis-cli --cluster create` does.
fn epochs(picture: &Picture<'_>) -> Vec<Step> {
    let used: Vec<u64> = picture
        .seen()
        .flat_map(|(_, view, _)| view.members.iter().map(|member| member.epoch))
        .collect();
    let mut free = (1..).filter(|epoch| !used.contains(epoch));
    let alone = picture.seen().filter(|(_, view, me)| view.members.len() == 1 && me.epoch == 0);
    alone
        .zip(&mut free)
        .map(|((seat, ..), epoch)| Step {
            at: seat.name.clone(),
            order: Order::SetConfigEpoch(epoch),
        })
        .collect()
}

/// The best-connected instance meets those it does not know; then whoever still
/// misses somebody does so itself.
fn meetings(picture: &Picture<'_>) -> Vec<Step> {
    let mut lacking: Vec<Vec<Step>> = picture
        .seen()
        .map(|(seat, view, _)| {
            let unknown = picture.target.seats.iter().filter(|other| !picture.knows(view, other));
            let meet = |other: &super::target::Seat| Step {
                at: seat.name.clone(),
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
/// for ever. The one that is furthest in its stream inherits; a majority of the
/// masters still has to vote for it.
fn heirs(picture: &Picture<'_>) -> Vec<Step> {
    let mut heirs = BTreeMap::new();
    for (seat, view, me) in picture.seen() {
        let Some(master) = me.follows.as_ref().and_then(|id| view.member(id)) else { continue };
        let lost = picture.seat(&master.id).is_none() && master.address.is_none();
        if lost && !master.failed && !picture.believed_slots(&master.id).is_empty() {
            let offset = view.link.as_ref().map_or(0, |link| link.offset);
            // Of equal ones the first by group.
            let best = heirs.entry(&master.id).or_insert((offset, seat));
            if offset > best.0 {
                *best = (offset, seat);
            }
        }
    }
    heirs
        .into_values()
        .map(|(_, seat)| Step { at: seat.name.clone(), order: Order::Inherit })
        .collect()
}

/// Slots that nobody serves go to whoever acts as their group's master.
fn slots(picture: &Picture<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for planned in picture.target.masters() {
        let Some((acting, me)) = picture.acting(planned.group) else { continue };
        let claims = picture.seen().flat_map(|(seat, view, _)| {
            // The instance itself must see them free; others may believe
            // already that they are its own.
            let own = seat.name == acting.name;
            view.members.iter().filter(move |member| own || member.id != me.id)
        });
        let free = claims.fold(planned.slots.clone(), |free, member| free.minus(&member.slots));
        if me.master && !free.is_empty() {
            steps.push(Step { at: acting.name.clone(), order: Order::AddSlots(free) });
        }
    }
    steps
}

/// Everybody else of a group follows its acting master.
fn followers(picture: &Picture<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for (seat, view, me) in picture.seen().filter(|(.., me)| me.slots.is_empty()) {
        let Some((acting, master)) = picture.acting(seat.group) else { continue };
        let settled = seat.name == acting.name || me.follows.as_ref() == Some(&master.id);
        let possible =
            !master.slots.is_empty() && view.member(&master.id).is_some_and(|known| known.master);
        if !settled && possible {
            let order = Order::Replicate(master.id.clone(), acting.name.clone());
            steps.push(Step { at: seat.name.clone(), order });
        }
    }
    steps
}

/// Members that are gone and serve nothing are forgotten by all who know them.
fn remains(picture: &Picture<'_>) -> Vec<Step> {
    let gone = picture.strangers().filter(|(_, stranger)| {
        let id = &stranger.id;
        let anywhere = picture.strangers().any(|(_, s)| s.id == *id && picture.is_remains(s));
        anywhere && picture.believed_slots(id).is_empty() && !picture.is_followed(id)
    });
    gone.map(|(seat, stranger)| Step {
        at: seat.name.clone(),
        order: Order::Forget(stranger.id.clone()),
    })
    .collect()
}

/// A planned master that follows another takes over once it is in step; one at
/// a time, because elections compete for the same votes.
fn takeovers(picture: &Picture<'_>) -> Vec<Step> {
    let ready = picture.seen().find(|(seat, view, me)| {
        let in_step = view.link.as_ref().is_some_and(|link| link.up);
        let acting = picture.acting(seat.group);
        let follows = acting.is_some_and(|(_, master)| me.follows.as_ref() == Some(&master.id));
        seat.master && in_step && follows && view.state == "ok"
    });
    ready
        .map(|(seat, ..)| Step { at: seat.name.clone(), order: Order::Failover })
        .into_iter()
        .collect()
}

//! Restarts in a cluster that serves: never of the last healthy copy of a group, and
//! the lead is handed over before.

use super::cluster::{Cluster, Copies};
use super::converge::at_rest;
use super::unit::take_up_live;
use super::{Crew, EngineError, converge};
use crate::guest::GuestError;
use crate::hypervisor::clock::{Pauses, Poll};
use crate::ids::InstanceName;
use crate::plan::Instance;

/// Whom a restart disturbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Disturbed {
    /// Nobody: it serves nobody.
    Nobody,
    /// Its group, which has a copy less meanwhile.
    Group,
}

/// Sees to it that an instance can be restarted: another copy of its data leads, and all
/// that answer know. Adds what was done to `made`.
///
/// # Errors
/// [`EngineError::Refused`]: it is the only healthy copy.
pub(super) fn make_room<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    instance: &Instance,
    made: &mut Vec<String>,
) -> Result<Disturbed, EngineError> {
    let Some(group) = instance.group else { return Ok(Disturbed::Nobody) };
    let work = Work { cluster, crew, target: cluster.target(crew)?, instance, group };
    let mut copies = work.look();
    if !copies.is_in_use(&instance.name) {
        // Those that run with former secrets answer once they have the new ones.
        work.introduce(&copies);
        copies = work.look();
    }
    if !copies.is_in_use(&instance.name) {
        return Ok(Disturbed::Nobody);
    }
    if crew.copies_of(instance).count() < 2 {
        return Ok(Disturbed::Group);
    }
    if copies.stand_in(&instance.name).is_none() {
        copies = work.repair(&copies)?;
    }
    let Some(heir) = copies.stand_in(&instance.name).cloned() else {
        return Err(work.only_copy(&copies, None));
    };
    if let Some(leader) = work.hand_over(copies, &heir)? {
        made.push(format!("{leader} leads group {group} meanwhile"));
    }
    Ok(Disturbed::Group)
}

/// Waits until all copies of an instance's group are in step again.
///
/// # Errors
/// [`EngineError::Unformed`] with those that are not.
pub(super) fn wait_until_whole<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    instance: &Instance,
) -> Result<(), EngineError> {
    let Some(group) = instance.group else { return Ok(()) };
    let crew = &crew.only(|one| one.group == Some(group));
    let target = cluster.target(crew)?;
    let mut poll = Poll::new(crew.clock(), C::PATIENCE.idle, Pauses::every(C::PATIENCE.pause));
    let mut last = None;
    loop {
        let observed = cluster.observe(crew, &target);
        let copies = cluster.copies(&target, &observed, group);
        if copies.ailing.is_empty() {
            return Ok(());
        }
        // A copy of data that goes on is a change.
        let rest = at_rest::<C>(&observed);
        if last.as_ref() != Some(&rest) {
            poll.restart();
            last = Some(rest);
        }
        if !poll.pause() {
            return Err(EngineError::Unformed {
                service: crew.service.name.clone(),
                waited_s: poll.waited().as_secs(),
                missing: lines(&copies),
            });
        }
    }
}

fn lines(copies: &Copies) -> Vec<String> {
    copies.ailing.iter().map(|(name, what)| format!("{name}: {what}")).collect()
}

struct Work<'a, C: Cluster> {
    cluster: &'a C,
    crew: &'a Crew<'a>,
    target: C::Target,
    instance: &'a Instance,
    group: u32,
}

impl<C: Cluster> Work<'_, C> {
    fn look(&self) -> Copies {
        let observed = self.cluster.observe(self.crew, &self.target);
        self.cluster.copies(&self.target, &observed, self.group)
    }

    /// Gives copies that do not answer what they take up while they run.
    fn introduce(&self, copies: &Copies) {
        let others = self.crew.copies_of(self.instance);
        for other in others.filter(|one| one.name != self.instance.name) {
            if copies.ailing.contains_key(&other.name) {
                // One that cannot be reached is no copy to rely on, which shows next.
                let _ = take_up_live(self.cluster, self.crew, other);
            }
        }
    }

    /// Repairs the cluster, so that other copies of the group get in step.
    fn repair(&self, copies: &Copies) -> Result<Copies, EngineError> {
        match converge::form(self.cluster, self.crew) {
            Ok(_) => Ok(self.look()),
            Err(error) => Err(self.only_copy(copies, Some(&error))),
        }
    }

    /// Waits until all that answer agree on another leader than the instance, and lets
    /// `heir` take the lead where it is the instance. Returns the new leader.
    fn hand_over(
        &self,
        mut copies: Copies,
        heir: &InstanceName,
    ) -> Result<Option<InstanceName>, EngineError> {
        let own = &self.instance.name;
        let mut poll =
            Poll::new(self.crew.clock(), C::PATIENCE.idle, Pauses::every(C::PATIENCE.pause));
        let (mut asked, mut looks) = (false, 0);
        loop {
            match &copies.leader {
                Some(leader) if leader != own => return Ok(asked.then(|| leader.clone())),
                Some(_) if looks % C::PATIENCE.settling == 0 => {
                    match self.cluster.take_lead(self.crew, &self.target, heir) {
                        // Refused for now: what was seen may have changed.
                        Ok(()) | Err(EngineError::Guest(GuestError::Command { .. })) => {}
                        Err(error) => return Err(error),
                    }
                    asked = true;
                }
                _ => {}
            }
            looks += 1;
            if !poll.pause() {
                return Err(EngineError::Unformed {
                    service: self.crew.service.name.clone(),
                    waited_s: poll.waited().as_secs(),
                    missing: vec![format!(
                        "{heir} does not take the lead of group {} over from {own}",
                        self.group
                    )],
                });
            }
            copies = self.look();
        }
    }

    fn only_copy(&self, copies: &Copies, error: Option<&EngineError>) -> EngineError {
        let Self { instance, group, .. } = self;
        let others = lines(copies).join(", ");
        let cause = error.map_or_else(String::new, |error| format!(" ({error})"));
        EngineError::Refused {
            service: self.crew.service.name.clone(),
            reason: format!(
                "{} is the only healthy copy of group {group} and is not restarted: {others}; \
                 bring these back{cause} and deploy again",
                instance.name
            ),
        }
    }
}

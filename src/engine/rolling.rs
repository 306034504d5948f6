//! Instances that are taken away from a cluster that serves, for a restart or for good:
//! never the last healthy copy of a group, and the lead is handed over before.

use super::cluster::{Cluster, Copies, Goal};
use super::converge::at_rest;
use super::unit::{runs, take_up_live};
use super::{Crew, EngineError, converge};
use crate::guest::GuestError;
use crate::hypervisor::clock::{Pauses, Poll};
use crate::ids::InstanceName;
use crate::plan::Instance;

/// Whom it disturbs when an instance is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Disturbed {
    /// Nobody: it serves nobody.
    Nobody,
    /// Its group, which has a copy less meanwhile.
    Group,
}

/// Sees to it that an instance can be taken away: another copy of its data leads, and
/// all that answer know. Adds what was done to `made`.
///
/// # Errors
/// [`EngineError::Refused`]: it is the only healthy copy, and no outage is allowed.
pub(super) fn make_room<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    name: &InstanceName,
    outage: Outage,
    made: &mut Vec<String>,
) -> Result<Disturbed, EngineError> {
    let work = Work { cluster, crew, target: cluster.target(crew)?, name };
    work.prepare()?;
    let mut copies = work.look();
    if !copies.is_in_use(name) {
        // Those that run with former secrets answer once they have the new ones.
        work.introduce(&copies);
        copies = work.look();
    }
    if !copies.is_in_use(name) {
        return match outage {
            Outage::Refused if work.is_unknown() => Err(work.unknown()),
            _ => Ok(Disturbed::Nobody),
        };
    }
    if work.heir(&copies).is_none() && work.has_copies() {
        match work.repair(&copies) {
            Ok(repaired) => copies = repaired,
            Err(_) if outage == Outage::Allowed => return Ok(Disturbed::Group),
            Err(error) => return Err(error),
        }
    }
    let Some(heir) = work.heir(&copies) else {
        return match outage {
            Outage::Allowed => Ok(Disturbed::Group),
            Outage::Refused => Err(work.only_copy(&copies, None)),
        };
    };
    if let Some(leader) = work.hand_over(copies, &heir)? {
        made.push(format!("{leader} leads instead of {name}"));
    }
    made.extend(cluster.spare(crew, &work.target, name)?);
    Ok(Disturbed::Group)
}

/// Whether data may be without an instance that serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The operator has allowed it.
    Allowed,
    /// Never.
    Refused,
}

/// Waits until all copies of an instance's group are in step again, or of what it copies
/// now: where groups are divided anew it copies a former one until the data is moved.
///
/// # Errors
/// [`EngineError::Unformed`] with those that are not.
pub(super) fn wait_until_whole<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    instance: &Instance,
) -> Result<(), EngineError> {
    if !crew.service.engine.cluster().holds_data() {
        return Ok(());
    }
    let all = crew;
    let crew = &crew.only(|one| one.group == instance.group);
    let target = cluster.target(crew)?;
    let mut poll = Poll::new(crew.clock(), C::PATIENCE.idle, Pauses::every(C::PATIENCE.pause));
    let (mut last, mut unformed) = (None, None);
    loop {
        let observed = cluster.observe(crew, &target);
        let copies = match instance.group {
            Some(group) => cluster.copies(&target, &observed, group),
            None => cluster.copies_with(&target, &observed, &instance.name),
        };
        if copies.ailing.is_empty() {
            return Ok(());
        }
        let needs_help = |name: &InstanceName| !C::REJOINS || *name != instance.name;
        if last.is_none() && copies.ailing.keys().any(needs_help) {
            // A run that was cut off may have left one that copies nothing yet.
            unformed = converge::form(cluster, all, Goal::Joined).err();
        }
        // A copy of data that goes on is a change; while there is one, the whole cluster is
        // not asked besides.
        let rest = at_rest::<C>(&observed);
        if last.as_ref() != Some(&rest) {
            poll.restart();
            last = Some(rest);
        } else if holds_whole(cluster, all, &instance.name)? {
            return Ok(());
        }
        if !poll.pause() {
            let unformed = unformed.iter().map(ToString::to_string);
            return Err(EngineError::Unformed {
                service: crew.service.name.clone(),
                waited_s: poll.waited().as_secs(),
                missing: lines(&copies).into_iter().chain(unformed).collect(),
            });
        }
    }
}

/// Whether an instance is in step with all others that hold what it holds now.
fn holds_whole<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    instance: &InstanceName,
) -> Result<bool, EngineError> {
    let target = cluster.target(crew)?;
    let copies = cluster.copies_with(&target, &cluster.observe(crew, &target), instance);
    Ok(copies.healthy.contains(instance) && copies.ailing.is_empty())
}

fn lines(copies: &Copies) -> Vec<String> {
    copies.ailing.iter().map(|(name, what)| format!("{name}: {what}")).collect()
}

struct Work<'a, C: Cluster> {
    cluster: &'a C,
    crew: &'a Crew<'a>,
    target: C::Target,
    name: &'a InstanceName,
}

impl<C: Cluster> Work<'_, C> {
    fn look(&self) -> Copies {
        let observed = self.cluster.observe(self.crew, &self.target);
        self.cluster.copies_with(&self.target, &observed, self.name)
    }

    /// Prepares those for what is planned that do not let others in by it yet: the instance
    /// that comes back needs them, and they it.
    fn prepare(&self) -> Result<(), EngineError> {
        let observed = self.cluster.observe(self.crew, &self.target);
        let reserved = self.cluster.reserved(&self.target, &observed);
        for other in self.crew.members().iter().filter(|one| reserved.contains(&one.name)) {
            self.cluster.prepare(self.crew, other)?;
        }
        Ok(())
    }

    /// The planned copies of the same data, itself among them; none for one that the
    /// plan does not hold.
    fn planned_copies(&self) -> impl Iterator<Item = &Instance> {
        let planned = self.crew.plan.instance(self.name);
        planned.into_iter().flat_map(|instance| self.crew.copies_of(instance))
    }

    fn has_copies(&self) -> bool {
        self.planned_copies().count() > 1
    }

    /// Whether nobody of the cluster answers, and the instance runs: it may be needed.
    fn is_unknown(&self) -> bool {
        let observed = self.cluster.observe(self.crew, &self.target);
        observed.seen.is_empty() && runs(self.cluster, self.crew, self.name).unwrap_or(false)
    }

    fn unknown(&self) -> EngineError {
        let service = &self.crew.service.name;
        EngineError::Refused {
            service: service.clone(),
            reason: format!(
                "{} runs, and no instance answers that knows whether its data is needed: bring \
                 them back, or allow the outage with --allow-downtime {service}",
                self.name
            ),
        }
    }

    /// Who could take over: one that stays, if there is one.
    fn heir(&self, copies: &Copies) -> Option<InstanceName> {
        let stays = |name: &&InstanceName| {
            *name != self.name && self.crew.members().iter().any(|one| one.name == **name)
        };
        let heir = copies.healthy.iter().find(stays).or_else(|| copies.stand_in(self.name));
        heir.cloned()
    }

    /// Gives copies that do not answer what they take up while they run.
    fn introduce(&self, copies: &Copies) {
        let nobody_answers = copies.leader.is_none() && copies.healthy.is_empty();
        for other in self.planned_copies().filter(|one| one.name != *self.name) {
            if nobody_answers || copies.ailing.contains_key(&other.name) {
                // One that cannot be reached is no copy to rely on, which shows next.
                let _ = take_up_live(self.cluster, self.crew, other);
            }
        }
    }

    /// Repairs the cluster, so that other copies of the data get in step.
    fn repair(&self, copies: &Copies) -> Result<Copies, EngineError> {
        match converge::form(self.cluster, self.crew, Goal::Joined) {
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
        let mut poll =
            Poll::new(self.crew.clock(), C::PATIENCE.idle, Pauses::every(C::PATIENCE.pause));
        let (mut asked, mut looks) = (false, 0);
        loop {
            match &copies.leader {
                Some(leader) if leader != self.name => return Ok(asked.then(|| leader.clone())),
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
                    missing: vec![format!("{heir} does not take the lead over from {}", self.name)],
                });
            }
            copies = self.look();
        }
    }

    fn only_copy(&self, copies: &Copies, error: Option<&EngineError>) -> EngineError {
        let service = &self.crew.service.name;
        let others = lines(copies).join(", ");
        let cause = error.map_or_else(String::new, |error| format!(" ({error})"));
        let remedy = if others.is_empty() {
            format!("add a copy, or allow the outage with --allow-downtime {service}")
        } else {
            format!("{others}; bring these back{cause} and deploy again")
        };
        let holds_data = self.crew.service.engine.cluster().holds_data();
        let what = if holds_data { "copy of its data" } else { "instance of its service" };
        EngineError::Refused {
            service: service.clone(),
            reason: format!(
                "{} is the only healthy {what} and is not taken away: {remedy}",
                self.name
            ),
        }
    }
}

//! Forms or repairs the cluster: observe, decide, command, until nothing is
//! left to do.

use std::time::Duration;

use super::differences::differences;
use super::identity::strangers;
use super::observe::{Observed, observe};
use super::picture::Picture;
use super::send::send;
use super::steps::{Step, steps, summary};
use super::target::Target;
use crate::engine::{Change, Difference, EngineError, Guests};
use crate::guest::GuestError;
use crate::hypervisor::ErrorKind;
use crate::hypervisor::clock::Clock;
use crate::ids::ServiceName;

/// How long nothing may change before we give up: failure detection, an
/// election and a takeover take about 30 s with Redis's own timeouts. A copy of
/// data that goes on is a change.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long anything may go on changing: a copy of all that a host can hold.
const LONGEST: Duration = Duration::from_secs(6 * 3600);
/// Between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Looks that may show no effect of our commands before we repeat them; gossip
/// reaches everybody within a few seconds.
const SETTLING: u32 = 10;
/// Commands in a row that Redis may refuse, since what we saw may have changed.
const REFUSALS: u32 = 5;
/// Rounds of commands; a formation takes about five, a repair of everything a
/// few for each group.
const fn most_rounds(target: &Target) -> usize {
    32 + 4 * target.seats.len()
}

/// Brings the cluster to the target.
pub(super) fn form(
    guests: &dyn Guests,
    service: &ServiceName,
    target: &Target,
) -> Result<Change, EngineError> {
    let Some(first) = target.seats.first() else { return Ok(Change::NotNeeded) };
    let clock = guests.guest(&first.name)?.clock;
    let mut work = Work { guests, service, target, clock, done: Vec::new(), refused: 0 };
    let (mut seen, mut last, mut changed) = (None, Vec::new(), clock.elapsed());
    for _ in 0..most_rounds(target) {
        let (observed, steps) = work.settle(seen)?;
        if steps.is_empty() {
            return Ok(work.change());
        }
        let now = clock.elapsed();
        if steps != last {
            (last, changed) = (steps.clone(), now);
        }
        let still = now.saturating_sub(changed);
        if still > PATIENCE {
            return Err(work.unformed(still, &observed));
        }
        work.refuse_strangers(&observed, &steps)?;
        let taken = work.command(&steps)?;
        let foreseen = observed.after(&steps).filter(|_| taken);
        seen = foreseen.or_else(|| work.wait_for_effect(&steps));
    }
    Err(work.unformed(Duration::ZERO, &observe(guests, target)))
}

struct Work<'a> {
    guests: &'a dyn Guests,
    service: &'a ServiceName,
    target: &'a Target,
    clock: &'a dyn Clock,
    done: Vec<Step>,
    /// Commands refused since the last one that was taken.
    refused: u32,
}

impl Work<'_> {
    /// Waits until there is something to do, or nothing is left to do. `seen` is
    /// what was seen a moment ago: a look costs a process in every guest.
    fn settle(&self, mut seen: Option<Observed>) -> Result<(Observed, Vec<Step>), EngineError> {
        let start = self.clock.elapsed();
        let mut changed = start;
        let mut last = None;
        loop {
            let observed = seen.take().unwrap_or_else(|| observe(self.guests, self.target));
            self.fail_on_lost_hosts(&observed)?;
            let picture = Picture::new(self.target, &observed);
            let steps = steps(&picture).map_err(|refusal| self.refused(refusal.to_string()))?;
            let missing = differences(&picture);
            // Somebody else's member is for the check to tell, not for us.
            let ours = missing.iter().any(|one| one.fact.is_formed());
            if !steps.is_empty() || !ours {
                return Ok((observed, steps));
            }
            let now = self.clock.elapsed();
            let rest = observed.at_rest();
            if last.as_ref() != Some(&rest) {
                changed = now;
            }
            let still = now.saturating_sub(changed);
            if still > PATIENCE || now.saturating_sub(start) > LONGEST {
                return Err(self.unformed(still, &observed));
            }
            last = Some(rest);
            self.clock.wait(PAUSE);
        }
    }

    /// Lets nobody meet a machine that is none of ours.
    fn refuse_strangers(&self, observed: &Observed, steps: &[Step]) -> Result<(), EngineError> {
        let found = strangers(self.guests, self.target, observed, steps);
        if found.is_empty() { Ok(()) } else { Err(self.refused(found.join("; "))) }
    }

    fn refused(&self, reason: String) -> EngineError {
        EngineError::Refused { service: self.service.clone(), reason }
    }

    /// A silent agent may come back; a host that is gone, or a domain, will not
    /// by waiting.
    fn fail_on_lost_hosts(&self, observed: &Observed) -> Result<(), EngineError> {
        let lost = observed.silent.values().find(|error| match error {
            EngineError::Guest(GuestError::Hypervisor(error)) => {
                error.kind != ErrorKind::AgentSilent
            }
            EngineError::Plan { .. } => true,
            _ => false,
        });
        lost.map_or(Ok(()), |error| Err(error.clone()))
    }

    /// Sends commands; a few may be refused, since what we saw may have changed.
    /// Whether all were taken.
    fn command(&mut self, steps: &[Step]) -> Result<bool, EngineError> {
        let before = self.done.len();
        for step in steps {
            tracing::info!(service = %self.service, "{step}");
        }
        for (step, answer) in send(self.guests, self.target, steps)? {
            match answer {
                Ok(_) => {
                    self.refused = 0;
                    self.done.push(step.clone());
                }
                Err(EngineError::Guest(GuestError::Command { .. })) if self.refused < REFUSALS => {
                    self.refused += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.done.len() - before == steps.len())
    }

    /// Gives commands time to show before any of their kind would be repeated;
    /// what was seen last.
    fn wait_for_effect(&self, given: &[Step]) -> Option<Observed> {
        let kind = |step: &Step| std::mem::discriminant(&step.order);
        let mut last = None;
        for _ in 0..SETTLING {
            self.clock.wait(PAUSE);
            let observed = observe(self.guests, self.target);
            let next = steps(&Picture::new(self.target, &observed)).unwrap_or_default();
            // None may mean that something has to settle: `settle` has more
            // patience with that.
            last = Some(observed);
            if !next.iter().any(|step| given.iter().any(|given| kind(given) == kind(step))) {
                break;
            }
        }
        last
    }

    fn change(self) -> Change {
        if self.done.is_empty() {
            return Change::NotNeeded;
        }
        Change::Made(summary(&self.done))
    }

    /// What was seen is not what is wanted.
    fn unformed(&self, still: Duration, observed: &Observed) -> EngineError {
        let missing = differences(&Picture::new(self.target, observed));
        let say = |one: &Difference| {
            let Difference { instance, fact, planned, found } = one;
            format!("{instance}: {fact} is {found:?}, planned {planned:?}")
        };
        EngineError::Unformed {
            service: self.service.clone(),
            waited_s: still.as_secs(),
            missing: missing.iter().map(say).collect(),
        }
    }
}

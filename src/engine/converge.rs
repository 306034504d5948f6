//! Forms or repairs the cluster: observe, decide, command, until nothing is
//! left to do.

use std::time::Duration;

use super::cluster::{Cluster, Goal, Observed};
use super::{Change, Crew, Difference, EngineError};
use crate::guest::GuestError;
use crate::hypervisor::ErrorKind;
use crate::hypervisor::clock::Clock;
use crate::units::counted;

/// Rounds of commands besides those that move data; a formation takes about five, a repair
/// of everything a few for each group.
fn most_rounds(crew: &Crew<'_>) -> usize {
    32 + 4 * crew.members().len()
}

/// What was seen, and what is to be done about it.
type Next<C> = (Observed<<C as Cluster>::Seen>, Vec<<C as Cluster>::Step>);

/// The same observation without what moves in a cluster that is at rest.
pub(super) fn at_rest<C: Cluster>(observed: &Observed<C::Seen>) -> Observed<C::Seen> {
    let mut rest = observed.clone();
    rest.seen.values_mut().for_each(C::settle);
    rest
}

/// What was done: every step while they are few, else how many of each kind, in the
/// order in which they came.
fn summary<C: Cluster>(steps: &[C::Step]) -> String {
    const FEW: usize = 4;
    if steps.len() <= FEW {
        return steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    }
    let mut kinds: Vec<(&str, u64)> = Vec::new();
    for kind in steps.iter().map(C::kind) {
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
    }
    let parts: Vec<String> = kinds.iter().map(|(kind, count)| counted(*count, kind)).collect();
    parts.join(", ")
}

/// Brings a cluster to a goal.
pub(super) fn form<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    goal: Goal,
) -> Result<Change, EngineError> {
    if crew.members().is_empty() {
        return Ok(Change::NotNeeded);
    }
    let (target, clock) = (cluster.target(crew)?, crew.clock());
    let mut work =
        Work { cluster, crew, goal, target: &target, clock, done: Vec::new(), refused: 0 };
    let (mut seen, mut last, mut changed) = (None, Vec::new(), clock.elapsed());
    let (start, mut rounds) = (changed, 0);
    while rounds < most_rounds(crew) && clock.elapsed().saturating_sub(start) < C::PATIENCE.longest
    {
        let (observed, steps) = work.settle(seen)?;
        if steps.is_empty() {
            return Ok(work.change());
        }
        let now = clock.elapsed();
        let progress = steps.iter().all(C::makes_progress);
        rounds += usize::from(!progress);
        if steps != last || (progress && work.refused == 0) {
            (last, changed) = (steps.clone(), now);
        }
        let still = now.saturating_sub(changed);
        if still > C::PATIENCE.idle {
            return Err(work.unformed(still, &observed));
        }
        let hindrances = cluster.hindrances(crew, &target, &observed, &steps);
        if !hindrances.is_empty() {
            return Err(crew.refusal(hindrances.join("; ")));
        }
        let taken = work.command(&steps)?;
        let foreseen = C::foresee(&observed, &steps).filter(|_| taken);
        seen = match foreseen {
            None if taken && progress => None,
            None => work.wait_for_effect(&steps),
            foreseen => foreseen,
        };
    }
    Err(work.unformed(Duration::ZERO, &cluster.observe(crew, &target)))
}

struct Work<'a, C: Cluster> {
    cluster: &'a C,
    crew: &'a Crew<'a>,
    goal: Goal,
    target: &'a C::Target,
    clock: &'a dyn Clock,
    done: Vec<C::Step>,
    /// Commands refused since the last one that was taken.
    refused: u32,
}

impl<C: Cluster> Work<'_, C> {
    /// Waits until there is something to do, or nothing is left to do. `seen` is
    /// what was seen a moment ago: a look costs a process in every guest.
    fn settle(&self, mut seen: Option<Observed<C::Seen>>) -> Result<Next<C>, EngineError> {
        let start = self.clock.elapsed();
        let mut changed = start;
        let mut last = None;
        loop {
            let observed = seen.take().unwrap_or_else(|| self.look());
            self.fail_on_lost_hosts(&observed)?;
            let steps = self.cluster.steps(self.target, &observed, self.goal);
            let steps = steps.map_err(|reason| self.crew.refusal(reason))?;
            let missing = self.cluster.differences(self.target, &observed);
            // What forming does not bring about is for the check to show.
            let ours = missing.iter().any(|one| self.goal.includes(&one.fact));
            if !steps.is_empty() || !ours {
                return Ok((observed, steps));
            }
            let now = self.clock.elapsed();
            let rest = at_rest::<C>(&observed);
            if last.as_ref() != Some(&rest) {
                changed = now;
            }
            let still = now.saturating_sub(changed);
            if still > C::PATIENCE.idle || now.saturating_sub(start) > C::PATIENCE.longest {
                return Err(self.unformed(still, &observed));
            }
            last = Some(rest);
            self.clock.wait(C::PATIENCE.pause);
        }
    }

    fn look(&self) -> Observed<C::Seen> {
        self.cluster.observe(self.crew, self.target)
    }

    /// A silent agent may come back; a host that is gone, or a domain, will not
    /// by waiting.
    fn fail_on_lost_hosts(&self, observed: &Observed<C::Seen>) -> Result<(), EngineError> {
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
    fn command(&mut self, steps: &[C::Step]) -> Result<bool, EngineError> {
        let before = self.done.len();
        for step in steps {
            tracing::info!(service = %self.crew.service.name, "{step}");
        }
        self.crew.report(summary::<C>(steps));
        for (step, answer) in self.cluster.act(self.crew, self.target, steps)? {
            match answer {
                Ok(_) => {
                    self.refused = 0;
                    self.done.push(step.clone());
                }
                Err(EngineError::Guest(GuestError::Command { .. }))
                    if self.refused < C::PATIENCE.refusals =>
                {
                    self.refused += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(self.done.len() - before == steps.len())
    }

    /// Gives commands time to show before any of their kind would be repeated;
    /// what was seen last.
    fn wait_for_effect(&self, given: &[C::Step]) -> Option<Observed<C::Seen>> {
        let mut last = None;
        for _ in 0..C::PATIENCE.settling {
            self.clock.wait(C::PATIENCE.pause);
            let observed = self.look();
            let next = self.cluster.steps(self.target, &observed, self.goal).unwrap_or_default();
            // None may mean that something has to settle: `settle` has more
            // patience with that.
            last = Some(observed);
            if !next.iter().any(|step| given.iter().any(|given| C::kind(given) == C::kind(step))) {
                break;
            }
        }
        last
    }

    fn change(self) -> Change {
        if self.done.is_empty() {
            return Change::NotNeeded;
        }
        Change::Made(summary::<C>(&self.done))
    }

    /// What was seen is not what is wanted.
    fn unformed(&self, still: Duration, observed: &Observed<C::Seen>) -> EngineError {
        let missing = self.cluster.differences(self.target, observed);
        let say = |one: &Difference| {
            let Difference { instance, fact, planned, found } = one;
            format!("{instance}: {fact} is {found:?}, planned {planned:?}")
        };
        EngineError::Unformed {
            service: self.crew.service.name.clone(),
            waited_s: still.as_secs(),
            missing: missing.iter().filter(|one| self.goal.includes(&one.fact)).map(say).collect(),
        }
    }
}

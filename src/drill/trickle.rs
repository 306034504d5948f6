//! A steady trickle of numbered values through every group, and what it says about the
//! time without writes.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::deploy::Context;
use crate::engine::{Acknowledged, Attempt, EngineError, Series, Through, operator_of};
use crate::hypervisor::fan_out::on_each;
use crate::ids::ServiceName;
use crate::plan::ServicePlan;

/// Time between two values of a group.
const PERIOD: Duration = Duration::from_secs(1);
/// Rounds in a row that all groups have to take before they serve.
pub(super) const STEADY: u64 = 3;

/// How long a group took no writes, as far as single values can say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// Between the first and the last value that was refused.
    pub at_least: Duration,
    /// From the cut, or the first value that was refused, to the next that was
    /// acknowledged.
    pub at_most: Duration,
}

/// What was sent so far.
pub(super) struct Trickle {
    series: Series,
    next: u64,
    /// The attempts of each group, round by round.
    attempts: BTreeMap<(ServiceName, Through), Vec<Attempt>>,
    /// Rounds in a row without a failure.
    steady: u64,
}

impl Trickle {
    pub(super) const fn new(series: Series) -> Self {
        Self { series, next: 0, attempts: BTreeMap::new(), steady: 0 }
    }

    /// Sends a value through every group of every service, and waits for the next round.
    pub(super) fn round(&mut self, context: &Context<'_>) -> Result<(), EngineError> {
        let begun = context.clock.elapsed();
        let services: Vec<&ServicePlan> = context.plan.services.iter().collect();
        let (series, number) = (&self.series, self.next);
        let write = |service: &&ServicePlan| {
            operator_of(service)?.write_numbered(&context.whole_crew(service), series, number)
        };
        let answers = on_each(&services, |service| &service.name, write);
        self.next += 1;
        self.steady += 1;
        for (service, attempts) in services.into_iter().zip(answers) {
            for attempt in attempts? {
                if attempt.failure.is_some() {
                    self.steady = 0;
                }
                let group = (service.name.clone(), attempt.through.clone());
                self.attempts.entry(group).or_default().push(attempt);
            }
        }
        let took = context.clock.elapsed().saturating_sub(begun);
        if let Some(rest) = PERIOD.checked_sub(took) {
            context.clock.wait(rest);
        }
        Ok(())
    }

    /// Whether all groups have taken all values of the last rounds.
    pub(super) const fn is_steady(&self) -> bool {
        self.steady >= STEADY
    }

    /// Forgets that the last rounds were taken.
    pub(super) const fn unsettle(&mut self) {
        self.steady = 0;
    }

    /// The last failure, with its service and group.
    pub(super) fn last_failure(&self) -> Option<String> {
        let all =
            self.attempts.iter().flat_map(|(group, own)| own.iter().map(move |one| (group, one)));
        let failures =
            all.filter_map(|(group, one)| Some((one.number, group, one.failure.as_ref()?)));
        let (_, (service, through), why) = failures.max_by_key(|(number, ..)| *number)?;
        Some(format!("{service} {through}: {why}"))
    }

    /// Counts the attempts that satisfy a condition.
    pub(super) fn count(&self, is: impl Fn(&Attempt) -> bool) -> u64 {
        self.attempts.values().flatten().filter(|one| is(one)).count() as u64
    }

    /// The longest gap of any group after the cut; `None` where one has not ended.
    pub(super) fn gap(&self, cut: Duration) -> Option<Gap> {
        let gaps = self.attempts.values().map(|own| {
            let after: Vec<&Attempt> = own.iter().filter(|one| one.sent >= cut).collect();
            gap(&after, cut)
        });
        let gaps: Option<Vec<Gap>> = gaps.collect();
        Some(gaps?.into_iter().max().unwrap_or_default())
    }

    /// The numbers of a service that satisfy a condition, group by group.
    fn numbers(&self, of: &ServiceName, keep: impl Fn(&Attempt) -> bool) -> Vec<Acknowledged> {
        let own = self.attempts.iter().filter(|((service, _), _)| service == of);
        let group = |((_, through), attempts): (&(ServiceName, Through), &Vec<Attempt>)| {
            let kept = attempts.iter().filter(|one| keep(one));
            let numbers = kept.map(|one| one.number).collect();
            Acknowledged { through: through.clone(), numbers }
        };
        own.map(group).collect()
    }

    /// Counts acknowledged values that cannot be read, and removes all that were sent.
    pub(super) fn lost(&self, context: &Context<'_>) -> Result<u64, EngineError> {
        let mut lost = 0;
        for service in &context.plan.services {
            let (operator, crew) = (operator_of(service)?, context.whole_crew(service));
            let acknowledged = self.numbers(&service.name, |one| one.acknowledged);
            let missing = operator.lost_numbers(&crew, &self.series, &acknowledged, false)?;
            lost += missing.iter().map(|one| one.numbers.len() as u64).sum::<u64>();
            let sent = self.numbers(&service.name, |_| true);
            // They expire by themselves where they cannot be removed.
            let _ = operator.lost_numbers(&crew, &self.series, &sent, true);
        }
        Ok(lost)
    }
}

/// The longest run of refused values of a group; `None` where the last one has not ended.
fn gap(attempts: &[&Attempt], cut: Duration) -> Option<Gap> {
    let mut longest = Gap::default();
    // First and last refused value of a run, and whether nothing was taken since the cut.
    let mut run: Option<(Duration, Duration, bool)> = None;
    for (place, one) in attempts.iter().enumerate() {
        match (one.acknowledged, run) {
            (false, None) => run = Some((one.sent, one.sent, place == 0)),
            (false, Some((first, _, early))) => run = Some((first, one.sent, early)),
            (true, Some((first, last, early))) => {
                let begin = if early { cut } else { first };
                longest = longest.max(Gap {
                    at_least: last.saturating_sub(first),
                    at_most: one.sent.saturating_sub(begin),
                });
                run = None;
            }
            (true, None) => {}
        }
    }
    run.is_none().then_some(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Attempts a second apart, the first a second after the cut at 10 s.
    fn found(acknowledged: &str) -> Option<Gap> {
        let attempts: Vec<Attempt> = (1..)
            .zip(acknowledged.chars())
            .map(|(number, c)| Attempt {
                through: Through::Group(0),
                number,
                sent: Duration::from_secs(10 + number),
                acknowledged: c == '+',
                failure: None,
            })
            .collect();
        gap(&attempts.iter().collect::<Vec<_>>(), Duration::from_secs(10))
    }

    #[test]
    fn the_longest_run_of_refusals_counts() {
        let seconds = |least, most| {
            let (at_least, at_most) = (Duration::from_secs(least), Duration::from_secs(most));
            Some(Gap { at_least, at_most })
        };
        assert_eq!(found("++++"), seconds(0, 0));
        assert_eq!(found("---+++"), seconds(2, 4), "from the cut on");
        assert_eq!(found("+-+--+"), seconds(1, 2));
        assert_eq!(found("+-"), None, "nothing is taken any more");
        assert_eq!(found("-+---+"), seconds(2, 3));
    }
}

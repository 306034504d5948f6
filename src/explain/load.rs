//! How much more the hosts carry: the largest multiple of all services' demands that
//! still has a plan.
//!
//! Multiples are hundredths, found by doubling and halving: the one that is named
//! has a plan, the next one, a hundredth or, from ten times on, a thousandth more,
//! has none. Fixed machines stay as they are. That a larger multiple
//! never needs less is assumed: sizes grow with the demand.

use serde::Serialize;

use crate::model::Problem;
use crate::profile::Profiles;
use crate::sizing::{Ratio, Scale, SizingContext, full_layouts};
use crate::solve::{self, Deadline, Limits, SolveError};
use crate::spec::Spec;

/// The largest multiple that is looked for, in hundredths.
const MOST: u64 = 1_000_000;

/// How much of the demand the hosts carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MaxLoad {
    /// The largest multiple that has a plan, in hundredths; 0 if none was found.
    pub hundredths: u64,
    /// The next multiple, of which there is no plan, in hundredths; `None` if the
    /// search ended before that was shown.
    pub above: Option<u64>,
}

/// Returns the largest multiple of the services' demands that fits the hosts; `None`
/// without services.
///
/// # Errors
/// The solver failed.
pub fn max_load(
    spec: &Spec,
    profiles: &Profiles,
    limits: &Limits,
) -> Result<Option<MaxLoad>, SolveError> {
    if spec.services.is_empty() {
        return Ok(None);
    }
    // The limit is that of all tries.
    let clock = Deadline::new(limits);
    let rest = || clock.rest(limits.seconds);
    let fits = |hundredths: u64| match fits(spec, profiles, hundredths, &rest()) {
        Err(SolveError::Limit { .. }) => Ok(None),
        other => other.map(Some),
    };
    let (mut low, mut high) = (0, 100);
    while high <= MOST && fits(high)? == Some(true) {
        (low, high) = (high, high.saturating_mul(2));
    }
    let mut shown = high <= MOST;
    while high - low > step(low) {
        let middle = low.midpoint(high);
        match fits(middle)? {
            Some(true) => low = middle,
            answer => {
                shown = shown && answer.is_some();
                high = middle;
            }
        }
    }
    Ok(Some(MaxLoad { hundredths: low, above: shown.then_some(high) }))
}

/// Returns the step that leaves a multiple three digits.
const fn step(hundredths: u64) -> u64 {
    if hundredths < 1_000 { 1 } else { hundredths / 1_000 }
}

fn fits(
    spec: &Spec,
    profiles: &Profiles,
    hundredths: u64,
    limits: &Limits,
) -> Result<bool, SolveError> {
    let mut more = spec.clone();
    for service in &mut more.services {
        service.demand = service.demand.scaled(Ratio::new(hundredths, 100));
    }
    let context = SizingContext::new(&more.policy, &more.topology);
    let candidates = full_layouts(&more.services, profiles, &context);
    candidates.map_or(Ok(false), |all| solve::fits(&Problem::new(&more, all), limits))
}

/// Returns when a load that grows by `percent` each period reaches a multiple: periods,
/// rounded down; `None` if it never does.
#[must_use]
pub fn periods(hundredths: u64, percent: f64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "at most a million")]
    let multiple = hundredths as f64 / 100.0;
    let periods = multiple.ln() / (1.0 + percent / 100.0).ln();
    (percent > 0.0 && periods.is_finite()).then_some(periods.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_reaches_a_multiple() {
        let periods = |hundredths, percent| periods(hundredths, percent).map(f64::floor);
        assert_eq!(periods(200, 3.0), Some(23.0));
        assert_eq!(periods(100, 3.0), Some(0.0));
        assert_eq!(periods(90, 3.0), Some(0.0));
        assert_eq!(periods(200, 0.0), None);
    }
}

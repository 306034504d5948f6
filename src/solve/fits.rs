//! Whether a problem has a plan at all: no objective, the first assignment will do.

use super::highs::{MipLimits, MipOutcome, minimise};
use super::infeasible::counted;
use super::tiers::{is_large, solve};
use super::{Deadline, Limits, SolveError};
use crate::model::{Elastic, Goal, Model, Problem, Sum};

/// Whether every part can be placed with its whole demand.
///
/// # Errors
/// The solver failed, or gave no answer in time.
pub fn fits(problem: &Problem, limits: &Limits) -> Result<bool, SolveError> {
    if problem.parts.iter().any(|part| part.candidates.is_empty()) {
        return Ok(false);
    }
    let deadline = Deadline::new(limits);
    let mut model = Model::new(problem, Elastic::default());
    for layouts in &model.variables.layouts {
        model.program.equal(layouts.iter().map(|var| (1, *var)).collect(), 1);
    }
    let effort = MipLimits::new(deadline.left(), None);
    match minimise(&model.program, &Sum::default(), &effort, None) {
        Ok(MipOutcome::Feasible { .. }) => Ok(true),
        Ok(MipOutcome::Infeasible) => Ok(false),
        Ok(MipOutcome::Unknown) => Err(deadline.hit()),
        Err(message) => Err(SolveError::Solver { tier: "feasibility".to_owned(), message }),
    }
}

/// Whether every part can be placed, as far as that is known in time: `large` is the limit of
/// a problem that is too large for the program per host. Then only a yes can be found, beside
/// what counting shows.
#[must_use]
pub fn fits_in_time(problem: &Problem, limits: &Limits, large: &Limits) -> Option<bool> {
    if !counted(problem).is_empty() {
        return Some(false);
    }
    if !is_large(problem, None) {
        return fits(problem, limits).ok();
    }
    let solution = solve(problem, large).ok()?;
    let unmet = solution.tiers.iter().find(|tier| tier.goal == Goal::Unmet)?;
    (unmet.value == 0).then_some(true)
}

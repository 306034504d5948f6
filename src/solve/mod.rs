//! A problem -> counts with bound and gap, tier by tier; or, where there is no
//! plan, what falls short and by how much.
//!
//! `highs.rs` is the only door to good_lp and the HiGHS solver. What comes back
//! is rounded and every row is checked again in integers.

mod cancel;
mod exact;
mod fits;
mod highs;
mod host_map;
mod infeasible;
mod lp;
mod merge;
mod pack;
mod prune;
mod reduced;
#[cfg(test)]
mod tests;
mod tiers;
mod values;

use std::time::Instant;

pub use cancel::{cancel, is_cancelled};
pub use fits::{fits, fits_in_time};
pub use infeasible::{
    AddedHosts, Assumed, Edit, Infeasible, NeighbourRule, Origin, Rejection, Remedy, Resource,
    Served, Shortage, Why, Withheld, assumed, diagnose, no_architecture, rejections, served,
    shortages, totals,
};
pub use tiers::{Placed, Restarted, Solution, TierResult, restarts, solve};

/// How long the solver may try, and what it may leave open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Seconds for all tiers together. A tier that hits the limit keeps the best
    /// found, which then may depend on the machine, and so do those after it; the
    /// plan shows value and bound.
    pub seconds: f64,
    /// Part of its value by which a tier may be above its bound, from 0 up to but not
    /// including 1: the search of a tier ends there. What cannot be served is exact all the
    /// same.
    pub gap: f64,
}

impl Limits {
    /// Returns these seconds, for optimal values.
    #[must_use]
    pub const fn of_seconds(seconds: f64) -> Self {
        Self { seconds, gap: 0.0 }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of_seconds(60.0)
    }
}

/// When the time of a solve is over.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    began: Instant,
    seconds: f64,
    gap: f64,
}

impl Deadline {
    /// Starts the clock.
    #[expect(
        clippy::disallowed_methods,
        reason = "a time limit is an input; what it changes is shown with value and bound"
    )]
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self { began: Instant::now(), seconds: limits.seconds, gap: limits.gap }
    }

    /// Returns the seconds since the start.
    fn spent(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Returns the seconds that are left; 0 when the time is over, or the user wants an end.
    #[must_use]
    pub fn left(&self) -> f64 {
        if is_cancelled() { 0.0 } else { (self.seconds - self.spent()).max(0.0) }
    }

    /// Returns what is left as a limit, at most so many seconds.
    #[must_use]
    pub fn rest(&self, most: f64) -> Limits {
        Limits { seconds: self.left().min(most), gap: self.gap }
    }

    /// Returns up to which value a search may end that has this bound.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "values are far below 2^53"
    )]
    fn enough(&self, bound: i64) -> i64 {
        let most = bound as f64 / (1.0 - self.gap);
        bound.max(most.floor() as i64)
    }

    /// Returns the deadline of a step that may take that part of the time that is left.
    fn share(&self, part: f64) -> Self {
        Self { seconds: self.spent() + self.left() * part, ..*self }
    }

    /// The error of a search that found nothing in time.
    fn hit(&self) -> SolveError {
        if is_cancelled() {
            return SolveError::Cancelled;
        }
        SolveError::Limit { seconds: self.seconds.to_string() }
    }
}

/// Why there is no answer at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SolveError {
    /// HiGHS refused the program or failed.
    #[error("the solver failed in tier {tier:?}: {message}")]
    Solver {
        /// The tier.
        tier: String,
        /// Its message.
        message: String,
    },
    /// The time limit came before any solution.
    #[error("time limit of {seconds} s reached: no feasible plan found, infeasibility not proven")]
    Limit {
        /// The limit.
        seconds: String,
    },
    /// The user ended the search before any solution.
    #[error("search cancelled: no feasible plan found, infeasibility not proven")]
    Cancelled,
    /// No assignment satisfies all constraints.
    #[error("no assignment satisfies all constraints")]
    Infeasible,
}

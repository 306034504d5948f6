//! A problem -> counts with bound and gap, tier by tier; or, where there is no
//! plan, what falls short and by how much.
//!
//! [`highs`] is the only door to good_lp and the HiGHS solver. What comes back
//! is rounded and every row is checked again in integers.

mod explain;
mod highs;
mod tiers;

pub use explain::{Infeasible, Served, Shortage, explain};
pub use tiers::{Placed, Solution, TierResult, solve};

/// How long the solver may try.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Seconds for each tier. A tier that hits the limit keeps the best found,
    /// which then may depend on the machine; the plan shows value and bound.
    pub seconds_per_tier: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { seconds_per_tier: 30.0 }
    }
}

/// Why there is no answer at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SolveError {
    /// HiGHS refused the program or broke off.
    #[error("the solver failed in tier {tier:?}: {message}")]
    Solver {
        /// The tier.
        tier: String,
        /// What it said.
        message: String,
    },
    /// The time limit came before any solution.
    #[error("no plan was found in {seconds} seconds, nor was it shown that there is none")]
    Limit {
        /// The limit.
        seconds: String,
    },
    /// No assignment keeps all rules.
    #[error("no assignment keeps all rules")]
    Infeasible,
}

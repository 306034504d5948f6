//! What a drill found for a host.

use std::time::Duration;

use super::trickle::Gap;
use super::{Cut, Promise};
use crate::ids::HostName;

/// What was measured while a host was cut off, and afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The host.
    pub host: HostName,
    /// How it failed.
    pub cut: Cut,
    /// What the plan promises.
    pub promised: Promise,
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Writes that were refused or not answered.
    pub refused: u64,
    /// Acknowledged writes that could not be read at once.
    pub unread: u64,
    /// Acknowledged writes that could not be read once the deployment was whole again.
    pub lost: u64,
    /// The longest time without writes of any group; `None` where it took none any more
    /// before the measurement was given up.
    pub gap: Option<Gap>,
    /// From the return of the host until the deployment was whole.
    pub whole_after: Duration,
}

impl Finding {
    /// Whether nothing was lost, and writes were taken again in time.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.lost == 0 && self.gap.is_some_and(|gap| gap.at_least <= self.promised.most)
    }
}

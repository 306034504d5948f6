//! Waiting, so that simulated hosts need no real time.

use std::time::Duration;

/// A clock that can be waited on.
pub trait Clock: Send + Sync {
    /// Time since the clock was made.
    fn elapsed(&self) -> Duration;
    /// Returns when `duration` has passed.
    fn wait(&self, duration: Duration);
}

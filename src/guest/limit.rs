//! How long a command in a guest may take, and how slow the guest is.
//!
//! A process that hangs and one in a slow guest look the same from outside. What
//! distinguishes them is how long the guest takes for a process that cannot hang:
//! where `true` ends at once, a question that was not answered for seconds never
//! will be.

use std::time::Duration;

use super::{Guest, GuestError};

/// How many times as long as `true` a client with its questions may take. A
/// margin, not a measurement: it loads more libraries, waits for a server that
/// shares its CPU, and the guest's load may have changed in between.
const TIMES: u32 = 10;

/// How long a command may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// In a guest that has its CPUs to itself.
    pub prompt: Duration,
    /// In the slowest guest.
    pub most: Duration,
}

impl Limit {
    /// `prompt`, or as much longer as the guest is slow, up to `most`.
    #[must_use]
    pub const fn adapting(prompt: Duration, most: Duration) -> Self {
        Self { prompt, most }
    }

    /// Whether the guest makes a difference.
    pub(super) fn adapts(self) -> bool {
        self.most > self.prompt
    }
}

impl From<Duration> for Limit {
    /// The same in every guest.
    fn from(limit: Duration) -> Self {
        Self { prompt: limit, most: limit }
    }
}

impl Guest<'_> {
    /// What `limit` comes to in this guest as it is now.
    pub(super) fn allowance(&self, limit: Limit) -> Duration {
        let begin = self.clock.elapsed();
        let pulse = self.run(&["true"], limit.most / TIMES);
        let took = self.clock.elapsed().saturating_sub(begin);
        match pulse {
            Ok(_) => (took * TIMES).clamp(limit.prompt, limit.most),
            // So slow that it deserves all the time that there is, unless its
            // agent has stopped to answer.
            Err(GuestError::Unfinished { .. }) => limit.most,
            Err(_) => limit.prompt,
        }
    }
}

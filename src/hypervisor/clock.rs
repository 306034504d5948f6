//! Waiting, so that simulated hosts need no real time: a clock, and the one loop that
//! asks again until an answer comes or a limit is over.
#![expect(clippy::disallowed_methods, reason = "edge: the clock of the machine")]

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A clock that can be waited on.
pub trait Clock: Send + Sync {
    /// Returns time since the clock was made.
    fn elapsed(&self) -> Duration;
    /// Returns when `duration` has passed.
    fn wait(&self, duration: Duration);
    /// Returns time since the beginning of 1970: what certificates are judged by.
    fn date(&self) -> Duration;
}

/// The clock of this machine.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait(&self, duration: Duration) {
        std::thread::sleep(duration);
    }

    fn date(&self) -> Duration {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

/// Pauses that grow by half up to a bound: short at first, gentle later.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    next: Duration,
    most: Duration,
}

impl Pauses {
    /// Starts at `first` and never exceeds `most`.
    #[must_use]
    pub const fn growing(first: Duration, most: Duration) -> Self {
        Self { next: first, most }
    }

    /// Makes all of the same length.
    #[must_use]
    pub const fn every(pause: Duration) -> Self {
        Self::growing(pause, pause)
    }

    /// Makes the next one last for at least `pause`, within the bound.
    pub fn at_least(&mut self, pause: Duration) {
        self.next = self.next.max(pause).min(self.most);
    }
}

/// A question that is asked again, with pauses, until its limit is over.
///
/// ```
/// # use std::time::Duration;
/// # use hostsplit::hypervisor::clock::{Clock, Pauses, Poll};
/// # fn wait(clock: &dyn Clock, is_off: impl Fn() -> bool) -> Result<(), Duration> {
/// let pauses = Pauses::growing(Duration::from_millis(100), Duration::from_secs(1));
/// let mut poll = Poll::new(clock, Duration::from_secs(30), pauses);
/// while !is_off() {
///     if !poll.pause() {
///         return Err(poll.waited());
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Poll<'a> {
    clock: &'a dyn Clock,
    start: Duration,
    limit: Duration,
    pauses: Pauses,
}

impl<'a> Poll<'a> {
    /// Starts now and lasts for `limit`.
    #[must_use]
    pub fn new(clock: &'a dyn Clock, limit: Duration, pauses: Pauses) -> Self {
        Self { clock, start: clock.elapsed(), limit, pauses }
    }

    /// Starts the limit anew: something has moved.
    pub fn restart(&mut self) {
        self.start = self.clock.elapsed();
    }

    /// Changes the limit, counted from the same start.
    pub const fn set_limit(&mut self, limit: Duration) {
        self.limit = limit;
    }

    /// Makes the next pause last for at least `pause`, within the bound of all pauses.
    pub fn at_least(&mut self, pause: Duration) {
        self.pauses.at_least(pause);
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.clock.elapsed().saturating_sub(self.start)
    }

    /// Returns what is left of the limit; `None` once it is over.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.limit.checked_sub(self.waited()).filter(|left| !left.is_zero())
    }

    /// Waits before the next question, but not beyond the limit. Returns `false`,
    /// without waiting, once the limit is over.
    #[must_use]
    pub fn pause(&mut self) -> bool {
        let Some(left) = self.left() else { return false };
        self.clock.wait(self.pauses.next.min(left).max(SHORTEST));
        self.pauses.next = (self.pauses.next * 3 / 2).min(self.pauses.most);
        true
    }
}

/// No pause is shorter, so that a wait always ends.
const SHORTEST: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulated::SimulatedClock;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Times at which a question is asked that is never answered.
    fn asked(limit: Duration, pauses: Pauses) -> Vec<u64> {
        let clock = SimulatedClock::default();
        let mut poll = Poll::new(&clock, limit, pauses);
        let mut times = vec![0];
        while poll.pause() {
            times.push(u64::try_from(clock.elapsed().as_millis()).unwrap());
        }
        assert_eq!(poll.left(), None);
        times
    }

    #[test]
    fn pauses_grow_up_to_their_bound_and_the_last_ends_with_the_limit() {
        let growing = Pauses::growing(ms(100), ms(200));
        assert_eq!(asked(ms(700), growing), [0, 100, 250, 450, 650, 700]);
        assert_eq!(asked(ms(1000), Pauses::every(ms(400))), [0, 400, 800, 1000]);
        assert_eq!(asked(Duration::ZERO, growing), [0], "a question is always asked once");
    }

    #[test]
    fn a_limit_can_start_anew_and_grow() {
        let clock = SimulatedClock::default();
        let mut poll = Poll::new(&clock, ms(100), Pauses::every(ms(100)));
        assert!(poll.pause() && !poll.pause());
        poll.set_limit(ms(200));
        assert!(poll.pause() && !poll.pause());
        assert_eq!(poll.waited(), ms(200));
        poll.restart();
        assert_eq!(poll.left(), Some(ms(200)));
        let mut slow = Poll::new(&clock, ms(900), Pauses::growing(ms(10), ms(300)));
        slow.at_least(ms(500));
        let before = clock.elapsed();
        assert!(slow.pause());
        assert_eq!(clock.elapsed() - before, ms(300));
    }
}

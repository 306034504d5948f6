//! Virtual time: waiting costs nothing and jumps ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::hypervisor::clock::Clock;

/// The date at which simulated worlds begin, in the summer of 2026.
const BEGINNING: Duration = Duration::from_secs(1_782_000_000);

/// A clock that only moves when somebody waits. Its copies are the same
/// clock.
///
/// A wait ends at the time that it was begun plus its length, so threads that
/// wait at once share the time they wait, as with a real clock, and nobody
/// blocks.
#[derive(Clone, Debug, Default)]
pub struct SimulatedClock(Arc<AtomicU64>);

impl Clock for SimulatedClock {
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::SeqCst))
    }

    fn wait(&self, duration: Duration) {
        let end = self.elapsed().saturating_add(duration).as_nanos();
        self.0.fetch_max(u64::try_from(end).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    fn date(&self) -> Duration {
        BEGINNING.saturating_add(self.elapsed())
    }
}

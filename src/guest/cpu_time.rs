//! How a guest's CPUs spend their time, by its kernel's own count.

use super::{Guest, GuestError};

const STAT: &str = "/proc/stat";

/// Shares of the CPU time of a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shares {
    /// Nothing to do.
    pub idle: f64,
    /// Taken by the host for others.
    pub stolen: f64,
}

/// CPU time since a guest's boot, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ticks {
    all: u64,
    idle: u64,
    stolen: u64,
}

impl Ticks {
    /// The first line of `/proc/stat`: user, nice, system, idle, iowait, irq,
    /// softirq, steal; guest time is a part of user time. See proc_stat(5).
    fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        let numbers: Option<Vec<u64>> =
            line.split_whitespace().take(8).map(|word| word.parse().ok()).collect();
        let numbers = numbers?;
        let at = |index: usize| numbers.get(index).copied().unwrap_or_default();
        Some(Self { all: numbers.iter().sum(), idle: at(3) + at(4), stolen: at(7) })
    }

    /// How the time since `before` was spent; `None` where there was none.
    pub fn since(self, before: Self) -> Option<Shares> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        #[expect(clippy::cast_precision_loss, reason = "ticks of a few seconds")]
        let share = |now: u64, before: u64| now.saturating_sub(before) as f64 / all as f64;
        Some(Shares {
            idle: share(self.idle, before.idle),
            stolen: share(self.stolen, before.stolen),
        })
    }
}

impl Guest<'_> {
    /// How its CPUs spent their time so far; `None` where the kernel does not say.
    ///
    /// # Errors
    /// The agent.
    pub fn ticks(&self) -> Result<Option<Ticks>, GuestError> {
        Ok(self.read_file(STAT)?.as_deref().and_then(Ticks::parse))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(idle: f64, stolen: f64) -> Option<Shares> {
        Some(Shares { idle, stolen })
    }

    #[test]
    fn time_is_read_from_the_kernels_first_line() {
        let before = Ticks::parse("cpu  10 0 10 70 10 0 0 0 0 0\ncpu0 1 1 1 1\n").unwrap();
        let after = Ticks::parse("cpu  60 0 10 90 10 0 0 30 0 0\n").unwrap();
        assert_eq!(after.since(before), shares(0.2, 0.3));
        assert_eq!(before.since(before), None);
        assert_eq!(Ticks::parse("intr 1"), None);
    }
}

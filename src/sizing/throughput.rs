//! Operations per second of one process on `c` virtual CPUs.
//!
//! ```text
//! e(c)    = k + (c - k) · smt_gain          k = whole cores = ceil(c / threads)
//! w(c)    = e(c) · (1 - interrupt_share)    what is left for the process
//! T(c)    = min(max(floor(w), 1), io_threads_max)
//! ceiling = one_thread · min(w, 1) · (1 + gain · (T - 1)) · virtualisation / value_cost
//! usable  = ceiling · (1 - min(1, factor / e^exponent))
//! ```
//!
//! `threads` is the most threads per core of any host. Where hosts differ this
//! is the worst of them: on a host without SMT each virtual CPU is a whole core.

use crate::plan::Layout;
use crate::profile::{Profile, ceil, floor, real};
use crate::spec::{Persistence, RedisDemand};
use crate::units::{Bytes, PerSecond};

/// What one instance can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ceiling {
    /// The most.
    pub ceiling: PerSecond,
    /// The most less the headroom.
    pub usable: PerSecond,
    /// Whether a number outside its fitted range was used.
    pub extrapolated: bool,
}

impl Ceiling {
    /// The ceiling of an instance with `vcpus` on hosts of at most `threads`
    /// threads per core, for values of that size.
    #[must_use]
    pub fn of(profile: &Profile, vcpus: u32, threads: u32, value: Bytes) -> Self {
        let share = working_cores(profile, vcpus, threads);
        let io = f64::from(threads_of(profile, share));
        let numbers = &profile.throughput;
        let gain = 1.0 + numbers.gain_per_io_thread.default * (io - 1.0);
        let speed = numbers.one_thread.default
            * share.min(1.0)
            * gain
            * profile.placement.virtualisation.default
            / value_cost(profile, value);
        let cores = effective_cores(profile, vcpus, threads);
        let headroom =
            profile.headroom.factor.default / cores.powf(profile.headroom.exponent.default);
        let small = numbers.free_value_bytes.default;
        let value_size = real(value.get());
        Self {
            ceiling: PerSecond::new(floor(speed)),
            usable: PerSecond::new(floor(speed * (1.0 - headroom.min(1.0)))),
            extrapolated: !numbers.gain_per_io_thread.holds_at(io)
                || (value_size > small && !numbers.cost_per_further_kib.holds_at(value_size)),
        }
    }
}

/// The demand in plain reads, rounded up.
pub(super) fn work(demand: &RedisDemand, profile: &Profile, copies: u32) -> PerSecond {
    let numbers = &profile.work;
    let kept = match demand.persistence {
        Persistence::None => 0.0,
        Persistence::Rdb => numbers.write_rdb.default,
        Persistence::Aof => numbers.write_aof.default,
    };
    let replicas = f64::from(copies.saturating_sub(1));
    let write = numbers.write.default + replicas * numbers.write_per_replica.default + kept;
    let work = real(demand.reads_per_s.get()) + write * real(demand.writes_per_s.get());
    PerSecond::new(ceil(work))
}

/// I/O threads, the main one included, of an instance of that layout.
#[must_use]
pub fn io_threads(profile: &Profile, layout: &Layout, threads: u32) -> u32 {
    threads_of(profile, working_cores(profile, layout.vcpus, threads))
}

fn effective_cores(profile: &Profile, vcpus: u32, threads: u32) -> f64 {
    let whole = vcpus.div_ceil(threads.max(1));
    let siblings = vcpus.saturating_sub(whole);
    f64::from(whole) + f64::from(siblings) * profile.placement.smt_gain.default
}

fn working_cores(profile: &Profile, vcpus: u32, threads: u32) -> f64 {
    let left = 1.0 - profile.throughput.interrupt_share.default.min(1.0);
    effective_cores(profile, vcpus, threads) * left
}

fn threads_of(profile: &Profile, cores: f64) -> u32 {
    let most = profile.throughput.io_threads_max.whole().max(1);
    u32::try_from(floor(cores).clamp(1, most)).unwrap_or(1)
}

fn value_cost(profile: &Profile, value: Bytes) -> f64 {
    let numbers = &profile.throughput;
    let further = (real(value.get()) - numbers.free_value_bytes.default).max(0.0) / 1024.0;
    1.0 + further * numbers.cost_per_further_kib.default
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profiles;

    fn ceiling(vcpus: u32, threads: u32, value: u64) -> (u64, u64, bool) {
        let profile = Profiles::builtin().unwrap().redis;
        let found = Ceiling::of(&profile, vcpus, threads, Bytes::new(value));
        (found.ceiling.get(), found.usable.get(), found.extrapolated)
    }

    #[test]
    fn ceilings_follow_the_formula() {
        // 160,000 · 0.875 · 0.95 = 133,000, less 71.2 %.
        assert_eq!(ceiling(1, 1, 512), (133_000, 38_304, false));
        // One thread on a whole core.
        assert_eq!(ceiling(2, 1, 512).0, 152_000);
        // floor(8 · 0.875) = 7 threads: 1 + 0.18 · 6 = 2.08.
        assert_eq!(ceiling(8, 1, 512).0, 316_160);
    }

    #[test]
    fn a_sibling_is_worth_less_than_a_core() {
        let (alone, core, sibling) = (ceiling(1, 2, 512), ceiling(2, 1, 512), ceiling(2, 2, 512));
        assert!(alone.1 < sibling.1 && sibling.1 < core.1, "{alone:?} {sibling:?} {core:?}");
    }

    #[test]
    fn large_values_cost_more_and_say_extrapolated() {
        let (small, large) = (ceiling(4, 1, 1024), ceiling(4, 1, 1024 + 10240));
        assert_eq!(small.0, large.0 * 2);
        assert_eq!((small.2, large.2), (false, true));
    }
}

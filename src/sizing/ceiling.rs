//! Work per second of one instance.
//!
//! ```text
//! e       = cores + (vcpus - cores) · smt_gain        cores as in its placement
//! threads:  w = e · (1 - interrupt_share)             what is left for the process
//!           T = min(max(floor(w), 1), io_threads_max)
//!           X = one_thread · min(w, 1) · (1 + gain · (T - 1))
//! usl:      X = lambda · e / (1 + sigma · (e - 1) + kappa · e · (e - 1))
//! ceiling = X · virtualisation · place / cost
//! place   = 1 own, several_l3 several, shared_l3 shared, both straddling
//! usable  = ceiling · (1 - min(1, factor / e^exponent))
//! ```
//!
//! Below one core the law is taken as linear. `cost` is the work of one operation
//! of the demand in units of the profile.

use crate::plan::{CpuPlacement, L3Use};
use crate::profile::{Curve, Profile, Threads, floor};
use crate::units::PerSecond;

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
    /// Returns the ceiling of an instance with `vcpus` in that placement, for operations
    /// of that cost.
    #[must_use]
    pub fn of(profile: &Profile, vcpus: u32, placement: CpuPlacement, cost: f64) -> Self {
        let cores = effective_cores(profile, vcpus, placement);
        let (bare, extrapolated) = bare(&profile.curve, cores);
        let place = place(profile, placement.l3);
        let speed = bare * profile.placement.virtualisation.default * place / cost;
        let headroom =
            profile.headroom.factor.default / cores.powf(profile.headroom.exponent.default);
        Self {
            ceiling: PerSecond::new(floor(speed)),
            usable: PerSecond::new(floor(speed * (1.0 - headroom.min(1.0)))),
            extrapolated,
        }
    }
}

/// Returns the cores that the virtual CPUs amount to.
#[must_use]
pub fn effective_cores(profile: &Profile, vcpus: u32, placement: CpuPlacement) -> f64 {
    let siblings = vcpus.saturating_sub(placement.cores);
    let whole = placement.cores.min(vcpus);
    f64::from(whole) + f64::from(siblings) * profile.placement.smt_gain.default
}

/// Returns the work per second of one of the cores that the virtual CPUs amount to, without
/// virtualisation and neighbours.
#[must_use]
pub fn core_speed(profile: &Profile, vcpus: u32, placement: CpuPlacement) -> f64 {
    let cores = effective_cores(profile, vcpus, placement);
    bare(&profile.curve, cores).0 / cores
}

/// Work per second on that many cores without virtualisation and neighbours, and
/// whether that is extrapolated.
fn bare(curve: &Curve, cores: f64) -> (f64, bool) {
    match curve {
        Curve::Threads(numbers) => {
            let working = working_cores(numbers, cores);
            let threads = f64::from(threads_of(numbers, working));
            let gain = 1.0 + numbers.gain_per_io_thread.default * (threads - 1.0);
            let speed = numbers.one_thread.default * working.min(1.0) * gain;
            (speed, !numbers.gain_per_io_thread.holds_at(threads))
        }
        Curve::Usl(usl) => {
            let (sigma, kappa) = (usl.sigma.default, usl.kappa.default);
            let more = (cores - 1.0).max(0.0);
            let speed = usl.lambda.default * cores / (1.0 + sigma * more + kappa * cores * more);
            (speed, !usl.lambda.holds_at(cores))
        }
    }
}

fn place(profile: &Profile, l3: L3Use) -> f64 {
    let (shared, several) =
        (profile.placement.shared_l3.default, profile.placement.several_l3.default);
    match l3 {
        L3Use::Own => 1.0,
        L3Use::Several => several,
        L3Use::Shared => shared,
        L3Use::Straddling => shared * several,
    }
}

/// Threads, the main one included, that serve clients on those virtual CPUs; 1 for
/// engines whose curve has none.
#[must_use]
pub fn io_threads(profile: &Profile, vcpus: u32, placement: CpuPlacement) -> u32 {
    match &profile.curve {
        Curve::Threads(numbers) => {
            let cores = effective_cores(profile, vcpus, placement);
            threads_of(numbers, working_cores(numbers, cores))
        }
        Curve::Usl(_) => 1,
    }
}

fn working_cores(numbers: &Threads, cores: f64) -> f64 {
    cores * (1.0 - numbers.interrupt_share.default.min(1.0))
}

fn threads_of(numbers: &Threads, working: f64) -> u32 {
    let most = numbers.io_threads_max.whole().max(1);
    u32::try_from(floor(working).clamp(1, most)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profiles;
    use crate::spec::Engine;

    fn ceiling(vcpus: u32, cores: u32, l3: L3Use) -> (u64, u64) {
        let profiles = Profiles::builtin().unwrap();
        let profile = profiles.of(Engine::Redis).unwrap();
        let found = Ceiling::of(profile, vcpus, CpuPlacement { cores, l3 }, 1.0);
        (found.ceiling.get(), found.usable.get())
    }

    #[test]
    fn ceilings_follow_the_formula() {
        // 160,000 · 0.875 · 0.95 = 133,000, less 71.2 %.
        assert_eq!(ceiling(1, 1, L3Use::Own), (133_000, 38_304));
        // One thread on a whole core.
        assert_eq!(ceiling(2, 2, L3Use::Own).0, 152_000);
        // floor(8 · 0.875) = 7 threads: 1 + 0.18 · 6 = 2.08.
        assert_eq!(ceiling(8, 8, L3Use::Own).0, 316_160);
    }

    #[test]
    fn a_sibling_is_worth_less_than_a_core_and_a_shared_cache_less_than_an_own_one() {
        let own = |vcpus, cores| ceiling(vcpus, cores, L3Use::Own).1;
        assert!(own(1, 1) < own(2, 1) && own(2, 1) < own(2, 2));
        let all = [L3Use::Own, L3Use::Several, L3Use::Shared, L3Use::Straddling];
        let speeds = all.map(|l3| ceiling(4, 4, l3).1);
        assert!(speeds.is_sorted_by(|a, b| a > b), "{speeds:?}");
    }
}

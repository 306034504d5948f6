//! What one instance can do by the profile, in the placement that its capacity states.

use crate::plan::{CpuPlacement, L3Use};
use crate::profile::{Curve, Profile, floor};

/// What one instance can do.
pub(super) struct Rates {
    /// The most per second.
    pub ceiling: u64,
    /// The most less the headroom.
    pub usable: u64,
    /// Whether a number outside its fitted range was used.
    pub is_extrapolated: bool,
}

impl Rates {
    /// Derives the rates for operations that cost `cost` units of the profile.
    pub(super) fn of(profile: &Profile, vcpus: u32, placement: CpuPlacement, cost: f64) -> Self {
        let cores = effective(profile, vcpus, placement);
        let (bare, is_extrapolated) = bare(&profile.curve, cores);
        let numbers = &profile.placement;
        let l3 = match placement.l3 {
            L3Use::Own => 1.0,
            L3Use::Several => numbers.several_l3.default,
            L3Use::Shared => numbers.shared_l3.default,
            L3Use::Straddling => numbers.shared_l3.default * numbers.several_l3.default,
        };
        let speed = bare * numbers.virtualisation.default * l3 / cost;
        let kept = profile.headroom.factor.default / cores.powf(profile.headroom.exponent.default);
        let usable = floor(speed * (1.0 - kept.min(1.0)));
        Self { ceiling: floor(speed), usable, is_extrapolated }
    }
}

/// Work per second of one core of an instance, without virtualisation and neighbours.
pub(super) fn of_core(profile: &Profile, vcpus: u32, placement: CpuPlacement) -> f64 {
    let cores = effective(profile, vcpus, placement);
    bare(&profile.curve, cores).0 / cores
}

/// Cores that the virtual CPUs amount to: a sibling is a part of one.
fn effective(profile: &Profile, vcpus: u32, placement: CpuPlacement) -> f64 {
    let (whole, siblings) = (placement.cores.min(vcpus), vcpus.saturating_sub(placement.cores));
    f64::from(whole) + f64::from(siblings) * profile.placement.smt_gain.default
}

fn bare(curve: &Curve, cores: f64) -> (f64, bool) {
    match curve {
        Curve::Threads(numbers) => {
            let working = cores * (1.0 - numbers.interrupt_share.default.min(1.0));
            let most = numbers.io_threads_max.whole().max(1);
            let threads = floor(working).clamp(1, most);
            let threads = f64::from(u32::try_from(threads).unwrap_or(1));
            let gain = &numbers.gain_per_io_thread;
            let speed = numbers.one_thread.default
                * working.min(1.0)
                * (1.0 + gain.default * (threads - 1.0));
            (speed, !gain.holds_at(threads))
        }
        Curve::Usl(numbers) => {
            let more = (cores - 1.0).max(0.0);
            let contention = numbers.sigma.default * more;
            let coherency = numbers.kappa.default * cores * more;
            let speed = numbers.lambda.default * cores / (1.0 + contention + coherency);
            (speed, !numbers.lambda.holds_at(cores))
        }
    }
}

//! What the instances can do, derived again from the profile and from the very
//! cores that they are pinned to.
//!
//! Numbers of the profile are taken in millionths, so that the sums are
//! integers; a plan may claim less than they give, and [`SLACK`] more.

use std::collections::{BTreeMap, BTreeSet};

use super::index::Index;
use super::{Findings, Kind};
use crate::plan::{Instance, ServicePlan};
use crate::profile::{Curve, Number, Profile, Threads, Usl, ceil, real};

pub(super) const MILLION: u128 = 1_000_000;

/// What rounding may differ by: one part in this many.
const SLACK: u128 = 10_000;

pub(super) fn millionths(number: &Number) -> u128 {
    u128::from(ceil(number.default * 1e6))
}

/// Whether `claimed` is more than `derived` by more than rounding.
pub(super) const fn exceeds(claimed: u64, derived: u128) -> bool {
    claimed as u128 > derived + derived / SLACK + 1
}

/// Whether `claimed` is less than `derived` by more than rounding.
pub(super) const fn falls_short(claimed: u64, derived: u128) -> bool {
    let lowered = claimed as u128 + 1;
    lowered + lowered / SLACK < derived
}

/// Work per second of one core at the start of a curve.
pub(super) fn lambda(curve: &Curve) -> u128 {
    u128::from(match curve {
        Curve::Threads(numbers) => numbers.one_thread.whole(),
        Curve::Usl(numbers) => ceil(numbers.lambda.default),
    })
}

/// Work per second, in millionths of it per microsecond, of one of the cores that
/// an instance's CPUs amount to.
pub(super) fn per_core(instance: &Instance, profile: &Profile, index: &Index<'_>) -> u128 {
    let effective = effective_cores(instance, profile, index).max(1);
    bare(&profile.curve, effective) / effective
}

/// Millionths of work per second on that many millionths of a core.
fn bare(curve: &Curve, effective: u128) -> u128 {
    match curve {
        Curve::Threads(numbers) => threads(numbers, effective),
        Curve::Usl(numbers) => usl(numbers, effective),
    }
}

/// Checks the ceiling and usable rate of an instance against its cores; `cost` is the
/// work of one operation in millionths.
pub(super) fn check(
    service: &ServicePlan,
    instance: &Instance,
    profile: &Profile,
    cost: u128,
    index: &Index<'_>,
    findings: &mut Findings,
) {
    // Without known cores there is nothing to derive from.
    if index.numa(instance).is_none() {
        return;
    }
    let effective = effective_cores(instance, profile, index);
    let bare = bare(&profile.curve, effective);
    let place = place(instance, profile, index);
    let kept = millionths(&profile.placement.virtualisation) * place / MILLION;
    let derived = bare * kept / cost.max(1) / MILLION;
    let usable = derived * (MILLION - headroom(effective, profile)) / MILLION;
    for (what, claimed, derived) in [
        ("ceiling", service.capacity.ceiling_per_s, derived),
        ("usable rate", service.capacity.usable_per_s, usable),
    ] {
        if exceeds(claimed.get(), derived) {
            let unit = service.engine.cluster().operations();
            let claimed = claimed.get();
            let message = format!(
                "its cores give a {what} of {derived} {unit}/s; the plan states {claimed} {unit}/s"
            );
            findings.add(Kind::Ceiling, &instance.name, message);
        }
    }
}

/// Millionths of a core that the pinned CPUs amount to: a whole one for each
/// core, a part of one for each further thread.
fn effective_cores(instance: &Instance, profile: &Profile, index: &Index<'_>) -> u128 {
    let cpus: BTreeSet<u32> = instance.cpus.iter().copied().collect();
    let cores: BTreeSet<(u32, usize)> = cpus
        .iter()
        .filter_map(|cpu| index.position(&instance.host, *cpu))
        .map(|position| (position.numa, position.core))
        .collect();
    let siblings = cpus.len().saturating_sub(cores.len()) as u128;
    cores.len() as u128 * MILLION + siblings * millionths(&profile.placement.smt_gain)
}

/// Millionths of its speed that an instance keeps where it is placed: less where it
/// has parts of L3 domains, less where it has more than one.
fn place(instance: &Instance, profile: &Profile, index: &Index<'_>) -> u128 {
    let Some(node) = index.numa(instance) else { return MILLION };
    let mut taken: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for position in instance.cpus.iter().filter_map(|cpu| index.position(&instance.host, *cpu)) {
        taken.entry(position.l3).or_default().insert(position.core);
    }
    let is_part = |(l3, cores): (&usize, &BTreeSet<usize>)| {
        node.l3.get(*l3).is_none_or(|domain| domain.cores.len() > cores.len())
    };
    let shared =
        if taken.iter().any(is_part) { millionths(&profile.placement.shared_l3) } else { MILLION };
    let several = if taken.len() > 1 { millionths(&profile.placement.several_l3) } else { MILLION };
    shared * several / MILLION
}

/// Millionths of work per second of threads on that many millionths of a core.
fn threads(numbers: &Threads, effective: u128) -> u128 {
    let left = MILLION.saturating_sub(millionths(&numbers.interrupt_share));
    let working = effective * left / MILLION;
    let threads = (working / MILLION).clamp(1, u128::from(numbers.io_threads_max.whole().max(1)));
    let gain = MILLION + millionths(&numbers.gain_per_io_thread) * (threads - 1);
    millionths(&numbers.one_thread) * working.min(MILLION) / MILLION * gain / MILLION
}

/// Millionths of work per second by the Universal Scalability Law on that many
/// millionths of a core.
fn usl(numbers: &Usl, effective: u128) -> u128 {
    let more = effective.saturating_sub(MILLION);
    let contention = millionths(&numbers.sigma) * more / MILLION;
    // Coherency is small: in billionths, or it would be rounded away.
    let kappa = u128::from(ceil(numbers.kappa.default * 1e9));
    let coherency = kappa * effective / MILLION * more / MILLION / 1_000;
    let bare = millionths(&numbers.lambda) * effective;
    bare / (MILLION + contention + coherency)
}

/// Millionths to keep free on that many millionths of a core.
fn headroom(effective: u128, profile: &Profile) -> u128 {
    let cores = real(u64::try_from(effective).unwrap_or(u64::MAX)) / 1e6;
    let share = profile.headroom.factor.default / cores.powf(profile.headroom.exponent.default);
    u128::from(ceil(share * 1e6)).min(MILLION)
}

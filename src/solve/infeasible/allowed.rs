//! Machines that `on` and `not_on` leave too few hosts for: no more fit there, even if these
//! are empty.

use super::{Resource, Shortage, Why};
use crate::model::{CandidateHost, Part, PartKind, Problem, Shape};
use crate::units::PerSecond;

pub(super) fn short(problem: &Problem) -> Vec<Shortage> {
    problem.parts.iter().filter_map(|part| of_part(problem, part)).collect()
}

fn of_part(problem: &Problem, part: &Part) -> Option<Shortage> {
    let PartKind::Fixed(_) = part.kind else { return None };
    let shape = part.shapes.first().copied().filter(|shape| shape.allowed.is_some())?;
    let needed = part.candidates.iter().map(|one| u64::from(one.layout.instances)).max()?;
    let hosts = problem.hosts.iter().enumerate().filter(|(at, _)| problem.is_allowed(*at, shape));
    let fit = hosts.map(|(at, host)| fit(problem, (at, host), shape));
    let available = fit.fold(0, u64::saturating_add);
    let why = Why::Allowed { service: part.name.clone() };
    (available < needed).then_some(Shortage {
        resource: Resource::Machines,
        needed,
        available,
        why,
    })
}

/// How many machines an empty host holds, at the most.
fn fit(problem: &Problem, (at, host): (usize, &CandidateHost), shape: Shape) -> u64 {
    let cores = problem.cores(at, shape).max(1);
    let numa = host.numa.iter();
    let numa = numa.map(|numa| (numa.cores / cores).min(problem.fit_memory(at, numa, shape)));
    let numa = numa.fold(0, u64::saturating_add);
    let each = |has: u64, need: u64| has.checked_div(need).unwrap_or(u64::MAX);
    let pools = host.pools.iter().map(|(pool, space)| {
        let rate = pool.iops_per_s.map_or(u64::MAX, PerSecond::get);
        each(*space, shape.disk_mib).min(each(rate, shape.iops_per_s))
    });
    let disks = if shape.disk_mib == 0 { u64::MAX } else { pools.fold(0, u64::saturating_add) };
    let bits = host.host.network_bits_per_s.map_or(u64::MAX, |bits| bits.get());
    numa.min(disks).min(each(bits, shape.bits_per_s))
}

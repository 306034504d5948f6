//! Which instances lead: as many per failure domain as the majority of the others allows, on
//! preferred hosts first.
//!
//! Limits of failure domains within each other are a laminar family, so instances that may lead
//! together are a matroid, and taking preferred ones as long as any may be taken leads to the
//! most of them.

use super::loaded_hosts::ItemPlacement;
use crate::model::{Part, Problem};
use crate::sizing::Candidate;

/// Returns the leading instances of each part by failure domain of the smallest promised
/// level: as many as can be on preferred hosts, else as evenly as the others' majority allows;
/// `None` if there is no way.
pub(super) fn distribute(
    problem: &Problem,
    chosen: &[Option<usize>],
    placements: &[ItemPlacement],
) -> Option<Vec<(usize, usize, u64)>> {
    let Some(level) = problem.leader_level() else { return Some(Vec::new()) };
    let domains = problem.domains(level);
    let mut found = Vec::new();
    for (part, entry) in problem.parts.iter().enumerate() {
        let leads_at_all = entry.candidates.iter().any(|candidate| candidate.leaders > 0);
        if !leads_at_all {
            continue;
        }
        let candidate = chosen.get(part).copied().flatten().and_then(|at| entry.candidates.get(at));
        let own = match candidate {
            Some(candidate) => of_part(problem, (part, entry), candidate, &domains, placements)?,
            None => vec![0; domains.len()],
        };
        found.extend(own.into_iter().enumerate().map(|(domain, count)| (part, domain, count)));
    }
    Some(found)
}

fn of_part(
    problem: &Problem,
    (part, entry): (usize, &Part),
    candidate: &Candidate,
    domains: &[(String, Vec<usize>)],
    placements: &[ItemPlacement],
) -> Option<Vec<u64>> {
    let is_witness =
        |placement: &ItemPlacement| entry.shapes.get(placement.shape).is_some_and(|s| s.is_witness);
    let own = || placements.iter().filter(|placement| placement.part == part);
    let within = |hosts: &[usize], witness: bool| {
        let here = own().filter(|s| hosts.contains(&s.host) && is_witness(s) == witness);
        u64::try_from(here.count()).unwrap_or(u64::MAX)
    };
    let counts: Vec<u64> = domains.iter().map(|(_, hosts)| within(hosts, false)).collect();
    let preferred: Vec<u64> = domains
        .iter()
        .map(|(_, hosts)| {
            let is_preferred = |host: &usize| problem.is_preferred(part, *host);
            within(&hosts.iter().copied().filter(is_preferred).collect::<Vec<_>>(), false)
        })
        .collect();
    let minority = u64::from(candidate.leaders.saturating_sub(1) / 2);
    let mut wide: Vec<(Vec<bool>, u64)> = Vec::new();
    if entry.votes() {
        for (_, hosts) in problem.quorum_levels().flat_map(|level| problem.domains(level)) {
            let inner = domains.iter().map(|(_, own)| own.iter().all(|s| hosts.contains(s)));
            let left = minority.checked_sub(within(&hosts, true))?;
            wide.push((inner.collect(), left));
        }
    }
    let witnesses = u32::from(candidate.layout.witness.is_some());
    let mut found = vec![0u64; domains.len()];
    for _ in 0..candidate.leaders.saturating_sub(witnesses) {
        let open = |at: usize| {
            wide.iter().all(|(inner, left)| *left > 0 || !inner.get(at).copied().unwrap_or(false))
        };
        let counts = found.iter().zip(counts.iter().zip(&preferred)).enumerate();
        let (at, _) = counts
            .filter(|(at, (lead, (count, _)))| lead < count && open(*at))
            .min_by_key(|(at, (lead, (_, preferred)))| (lead >= preferred, **lead, *at))?;
        if let Some(lead) = found.get_mut(at) {
            *lead += 1;
        }
        for (inner, left) in &mut wide {
            if inner.get(at).copied().unwrap_or(false) {
                *left -= 1;
            }
        }
    }
    Some(found)
}

/// Counts leading instances elsewhere than preferred.
pub(super) fn elsewhere(
    problem: &Problem,
    chosen: &[Option<usize>],
    leaders: &[(usize, usize, u64)],
    placements: &[ItemPlacement],
) -> u64 {
    let domains = problem.leader_level().map(|level| problem.domains(level));
    let of = |part: usize| {
        let on = |hosts: &dyn Fn(usize) -> bool| {
            let own = placements.iter().filter(|one| one.part == part && hosts(one.host));
            own.filter(|one| problem.is_preferred(part, one.host)).count() as u64
        };
        let Some(domains) = &domains else {
            let entry = problem.parts.get(part);
            let candidate = entry.zip(chosen.get(part).copied().flatten());
            let candidate = candidate.and_then(|(entry, at)| entry.candidates.get(at));
            let all = candidate.map_or(0, |one| u64::from(one.leaders));
            return all.saturating_sub(on(&|_| true));
        };
        let own = leaders.iter().filter(|(other, _, _)| *other == part);
        let beyond = own.map(|(_, domain, count)| {
            let hosts = domains.get(*domain).map_or(&[][..], |(_, hosts)| hosts);
            count.saturating_sub(on(&|host| hosts.contains(&host)))
        });
        beyond.sum()
    };
    problem.preferred.keys().copied().map(of).sum()
}

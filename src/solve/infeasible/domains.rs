//! Failure domains that quorums and spreads need, counted without a solver.
//!
//! `g` masters need `ceil(g / floor((g - 1) / 2))` domains: 3 for an odd number.

use super::{Resource, Shortage, Why};
use crate::model::{Part, PartKind, Problem};
use crate::sizing::Candidate;
use crate::spec::Spread;
use crate::topology::Level;

pub(super) fn short(problem: &Problem) -> Vec<Shortage> {
    let of = |part: &Part| match part.kind {
        PartKind::Service(_) if part.votes() => {
            problem.quorum_levels().find_map(|level| majority(problem, part, level))
        }
        PartKind::Service(_) => survival(problem, part),
        PartKind::Fixed(rules) => spread(problem, part, rules.spread?),
    };
    problem.parts.iter().filter_map(of).collect()
}

fn majority(problem: &Problem, part: &Part, level: Level) -> Option<Shortage> {
    let PartKind::Service(cluster) = part.kind else { return None };
    let voters = part.candidates.iter().map(|c| u64::from(c.leaders));
    let domains = |voters: u64| voters.div_ceil((voters.saturating_sub(1) / 2).max(1));
    let (needed, voters) = voters.map(|voters| (domains(voters), voters)).min()?;
    let service = part.name.clone();
    too_few(problem, level, needed, Why::Majority { service, voters, cluster })
}

/// Fewer failure domains than the copies of a group need.
fn survival(problem: &Problem, part: &Part) -> Option<Shortage> {
    let level = problem.anti_affinity_level()?;
    let domains = |one: &Candidate| {
        one.layout.instances.div_ceil(one.max_per_domain.unwrap_or(u32::MAX).max(1))
    };
    let needed = part.candidates.iter().map(|one| u64::from(domains(one))).min()?;
    too_few(problem, level, needed, Why::Survival { service: part.name.clone() })
}

fn spread(problem: &Problem, part: &Part, spread: Spread) -> Option<Shortage> {
    let machines = part.candidates.iter().map(|c| u64::from(c.layout.instances)).max()?;
    let why = Why::Spread { service: part.name.clone(), machines, spread };
    too_few(problem, spread.per, spread.domains(machines), why)
}

/// Returns the failure domains that are missing, if any are.
fn too_few(problem: &Problem, level: Level, needed: u64, why: Why) -> Option<Shortage> {
    let available = u64::try_from(problem.domains(level).len()).unwrap_or(u64::MAX);
    (needed > available).then_some(Shortage {
        resource: Resource::FailureDomains(level),
        needed,
        available,
        why,
    })
}

//! Failure domains that quorums and spreads need, counted without a solver.
//!
//! `g` masters need `ceil(g / floor((g - 1) / 2))` domains: 3 for an odd number.

use super::Shortage;
use crate::model::{Part, PartKind, Problem};
use crate::sizing::Candidate;
use crate::spec::Cluster;
use crate::topology::Level;
use crate::units::counted;

pub(super) fn short(problem: &Problem) -> Vec<Shortage> {
    let of = |part: &Part| match part.kind {
        PartKind::Service(_) if part.votes() => {
            problem.quorum_levels().find_map(|level| quorum(problem, part, level))
        }
        PartKind::Service(_) => copies(problem, part),
        PartKind::Fixed(Some(level)) => spread(problem, part, level),
        PartKind::Fixed(None) => None,
    };
    problem.parts.iter().filter_map(of).collect()
}

fn quorum(problem: &Problem, part: &Part, level: Level) -> Option<Shortage> {
    let voters = part.candidates.iter().map(|c| u64::from(c.leaders));
    let domains = |voters: u64| voters.div_ceil((voters.saturating_sub(1) / 2).max(1));
    let (needed, voters) = voters.map(|voters| (domains(voters), voters)).min()?;
    let available = count(problem, level);
    let missing = needed.checked_sub(available).filter(|missing| *missing > 0)?;
    let loss = match available {
        1 => format!("there is only 1 {level}, its loss would stop it."),
        2 => format!(
            "there are only 2 {level}s, the loss of either would stop it: two {level}s cannot \
             keep a cluster that elects by majority writable after losing one."
        ),
        more => format!("there are only {more} {level}s, the loss of one would stop it."),
    };
    let name = &part.name;
    let (voter, voting) = match part.kind {
        PartKind::Service(Cluster::Quorum) => ("voting-only instance", "voters"),
        _ => ("master", "masters"),
    };
    let add = match missing {
        1 => format!("add a third {level}, or a small one that carries one {voter}"),
        more => format!("add {more} more {level}s; a small one may carry just one {voter}"),
    };
    Some(Shortage {
        resource: format!("failure domains ({level}) for {name}"),
        of: None,
        needed,
        available,
        short_by: missing,
        unit: format!("{level}s"),
        because: format!(
            "Because {name} needs {voters} {voting}, no failure domain may hold half of them, and \
             {loss}"
        ),
        hint: format!(
            "{add}; or accept that an operator must help: `survive: {{ level: {level}, quorum: \
             manual }}`; or `survive: none`"
        ),
    })
}

/// Copies that must stand apart, in fewer failure domains than there are copies.
fn copies(problem: &Problem, part: &Part) -> Option<Shortage> {
    let level = problem.anti_affinity_level()?;
    let domains = |one: &Candidate| {
        one.layout.instances.div_ceil(one.max_per_domain.unwrap_or(u32::MAX).max(1))
    };
    let needed = part.candidates.iter().map(|one| u64::from(domains(one))).min()?;
    let available = count(problem, level);
    let missing = needed.checked_sub(available).filter(|missing| *missing > 0)?;
    let name = &part.name;
    let words = level.to_string();
    let are = if available == 1 { "is" } else { "are" };
    Some(Shortage {
        resource: format!("failure domains ({level}) for {name}"),
        of: None,
        needed,
        available,
        short_by: missing,
        unit: format!("{level}s"),
        because: format!(
            "Because {name} must go on after the loss of any one {level}, it needs {}, and there \
             {are} only {}.",
            counted(needed, &words),
            counted(available, &words)
        ),
        hint: format!("add {}; or `survive: none`", counted(missing, &words)),
    })
}

fn spread(problem: &Problem, part: &Part, level: Level) -> Option<Shortage> {
    let machines = part.candidates.iter().map(|c| u64::from(c.layout.instances)).max()?;
    let available = count(problem, level);
    let missing = machines.checked_sub(available).filter(|missing| *missing > 0)?;
    let name = &part.name;
    let (are, domains) = (if available == 1 { "is" } else { "are" }, level.to_string());
    Some(Shortage {
        resource: format!("failure domains ({level}) for {name}"),
        of: None,
        needed: machines,
        available,
        short_by: missing,
        unit: format!("{level}s"),
        because: format!(
            "Because {name} asks for {}, at most one per {level}, and there {are} only {}, \
             {missing} of them cannot be placed.",
            counted(machines, "machine"),
            counted(available, &domains)
        ),
        hint: format!(
            "add {}, ask for fewer of {name}, or leave its `spread` out",
            counted(missing, &domains)
        ),
    })
}

fn count(problem: &Problem, level: Level) -> u64 {
    u64::try_from(problem.domains(level).len()).unwrap_or(u64::MAX)
}

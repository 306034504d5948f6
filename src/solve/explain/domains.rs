//! Failure domains that quorums and spreads need, counted without a solver.
//!
//! `g` masters need `ceil(g / floor((g - 1) / 2))` domains: 3 for an odd number.

use super::Shortage;
use crate::model::{Kind, Part, Problem};
use crate::topology::Level;
use crate::units::counted;

pub(super) fn short(problem: &Problem) -> Vec<Shortage> {
    let of = |part: &Part| match (part.kind, problem.level) {
        (Kind::Service, Some(level)) => quorum(problem, part, level),
        (Kind::Fixed(Some(level)), _) => spread(problem, part, level),
        _ => None,
    };
    problem.parts.iter().filter_map(of).collect()
}

fn quorum(problem: &Problem, part: &Part, level: Level) -> Option<Shortage> {
    let masters = part.candidates.iter().map(|c| u64::from(c.layout.groups));
    let domains = |masters: u64| masters.div_ceil((masters.saturating_sub(1) / 2).max(1));
    let (needed, masters) = masters.map(|masters| (domains(masters), masters)).min()?;
    let available = count(problem, level);
    let missing = needed.checked_sub(available).filter(|missing| *missing > 0)?;
    let loss = match available {
        1 => format!("there is only 1 {level}, its loss would stop it."),
        2 => format!(
            "there are only 2 {level}s, the loss of either would stop it: two {level}s cannot \
             keep a Redis Cluster writable after losing one."
        ),
        more => format!("there are only {more} {level}s, the loss of one would stop it."),
    };
    let name = &part.name;
    let add = match missing {
        1 => format!("add a third {level}, or a small one that carries one master"),
        more => format!("add {more} more {level}s; a small one may carry just one master"),
    };
    Some(Shortage {
        resource: format!("failure domains ({level}) for {name}"),
        of: None,
        needed,
        available,
        short_by: missing,
        unit: format!("{level}s"),
        because: format!(
            "Because {name} needs {masters} masters, no failure domain may hold half of them, and \
             {loss}"
        ),
        hint: format!("{add}; or `survive: none`"),
    })
}

fn spread(problem: &Problem, part: &Part, level: Level) -> Option<Shortage> {
    let machines = part.candidates.iter().map(|c| u64::from(c.layout.instances())).max()?;
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

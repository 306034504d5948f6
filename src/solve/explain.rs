//! No plan: the least that falls short, in words.
//!
//! First the failure domains, which are counted by hand. Then the same program
//! with one family of rules made elastic at a time (one slack per host or pool);
//! the first family that alone makes a plan possible is what falls short. If
//! none does alone, all are made elastic, and the least excess of each is found
//! in the order of [`FAMILIES`].

use super::highs::{Answer, minimise};
use super::{Limits, SolveError, solve};
use crate::model::{Kind, Model, Part, Problem, Relaxed, Short, Sum, Var, bound_row};
use crate::topology::Level;

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no plan: {}", .shortages.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Infeasible {
    /// What falls short, all of it together; never empty.
    pub shortages: Vec<Shortage>,
    /// What the hosts could serve at most.
    pub served: Vec<Served>,
}

/// One thing that there is too little of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{resource}: needs {needed} {unit}, has {available}, short by {short_by}")]
pub struct Shortage {
    /// What, and where: `cores of host h1`.
    pub resource: String,
    /// The least that would do.
    pub needed: u64,
    /// What there is.
    pub available: u64,
    /// The difference.
    pub short_by: u64,
    /// Unit of the three.
    pub unit: String,
    /// What would help.
    pub hint: String,
}

/// The part of a service's demand that could be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The service.
    pub service: String,
    /// What could be served, in the profile's unit of work.
    pub served_per_s: u64,
    /// What was asked for.
    pub demand_per_s: u64,
}

/// Families of rules, in the order in which a shortage is looked for.
const FAMILIES: [Relaxed; 5] = [
    Relaxed { cores: true, ..NONE },
    Relaxed { memory: true, ..NONE },
    Relaxed { addresses: true, ..NONE },
    Relaxed { disk: true, ..NONE },
    Relaxed { bandwidth: true, ..NONE },
];

const NONE: Relaxed = Relaxed {
    cores: false,
    memory: false,
    disk: false,
    bandwidth: false,
    addresses: false,
    domains: false,
};

/// Says what falls short for `problem`, which has no plan. `partial` is the same
/// problem with layouts that serve a part of the demand as well.
///
/// # Errors
/// The solver failed or found nothing in time.
pub fn explain(
    problem: &Problem,
    partial: &Problem,
    limits: &Limits,
) -> Result<Infeasible, SolveError> {
    let mut shortages = domains(problem);
    let relaxed = Relaxed { domains: !shortages.is_empty(), ..NONE };
    if problem.sites.is_empty() {
        shortages = vec![no_hosts()];
    } else {
        shortages.extend(resources(problem, relaxed, limits)?);
    }
    if shortages.is_empty() {
        shortages.push(together());
    }
    Ok(Infeasible { shortages, served: served(partial, limits) })
}

/// Failure domains that quorums and spreads need, counted without a solver.
///
/// `g` groups need `ceil(g / floor((g - 1) / 2))` domains: 3 for an odd number.
fn domains(problem: &Problem) -> Vec<Shortage> {
    let mut found = Vec::new();
    let short = |needed: u64, level: Level, what: &str, hint: String| {
        let available = u64::try_from(problem.domains(level).len()).unwrap_or(u64::MAX);
        (available < needed).then(|| Shortage {
            resource: format!("failure domains ({level}) for {what}"),
            needed,
            available,
            short_by: needed - available,
            unit: format!("{level}s"),
            hint,
        })
    };
    for part in &problem.parts {
        match (part.kind, problem.level) {
            (Kind::Service, Some(level)) => {
                let hint = format!(
                    "a Redis Cluster stays writable after the loss of a {level} only while most of \
                     its masters are left, which two {level}s cannot promise: add a third {level}"
                );
                let groups = part.candidates.iter().map(|c| u64::from(c.layout.groups));
                let least = groups.map(|g| g.div_ceil((g.saturating_sub(1) / 2).max(1))).min();
                found.extend(short(least.unwrap_or(0), level, &part.name, hint));
            }
            (Kind::Fixed(Some(level)), _) => {
                let hint = format!("ask for fewer, or spread {} over a smaller level", part.name);
                found.extend(short(machines(part), level, &part.name, hint));
            }
            _ => {}
        }
    }
    found
}

fn machines(part: &Part) -> u64 {
    part.candidates.iter().map(|c| u64::from(c.layout.instances())).max().unwrap_or(0)
}

fn resources(
    problem: &Problem,
    base: Relaxed,
    limits: &Limits,
) -> Result<Vec<Shortage>, SolveError> {
    if base.domains && least(problem, base, limits)?.is_some() {
        return Ok(Vec::new());
    }
    for family in FAMILIES {
        let relaxed = Relaxed { domains: base.domains, ..family };
        if let Some(found) = least(problem, relaxed, limits)? {
            return Ok(shortages(problem, &found));
        }
    }
    let all = Relaxed {
        cores: true,
        memory: true,
        disk: true,
        bandwidth: true,
        addresses: true,
        domains: base.domains,
    };
    Ok(least(problem, all, limits)?.map(|found| shortages(problem, &found)).unwrap_or_default())
}

/// The least excess under which the whole demand has a plan, if there is one.
fn least(
    problem: &Problem,
    relaxed: Relaxed,
    limits: &Limits,
) -> Result<Option<Vec<(Short, u64)>>, SolveError> {
    let mut model = Model::new(problem, relaxed);
    for layouts in &model.variables.layouts {
        model.program.equal(layouts.iter().map(|var| (1, *var)).collect(), 1);
    }
    let mut values = Vec::new();
    for family in FAMILIES {
        let of_family = |(short, _): &&(Short, Var)| belongs(short, family);
        let slacks = model.variables.slacks.iter().filter(of_family);
        let sum: Sum = slacks.map(|(_, var)| (1, *var)).collect();
        if sum.is_empty() && !values.is_empty() {
            continue;
        }
        match minimise(&model.program, &sum, limits.seconds_per_tier, None) {
            Ok(Answer::Found { values: found, .. }) => {
                let value = sum.value(&found);
                model.program.rows.push(bound_row(sum, value));
                values = found;
            }
            Ok(Answer::Infeasible) => return Ok(None),
            Ok(Answer::Nothing) => {
                let seconds = limits.seconds_per_tier.to_string();
                return Err(SolveError::Limit { seconds });
            }
            Err(message) => {
                return Err(SolveError::Solver { tier: "shortage".to_owned(), message });
            }
        }
    }
    let excess = model.variables.slacks.iter().filter_map(|(short, var)| {
        let value = values.get(var.index()).copied().unwrap_or(0);
        Some((short.clone(), u64::try_from(value).ok()?)).filter(|(_, excess)| *excess > 0)
    });
    Ok(Some(excess.collect()))
}

const fn belongs(short: &Short, family: Relaxed) -> bool {
    match short {
        Short::Cores(_) => family.cores,
        Short::Memory(_) => family.memory,
        Short::Disk(..) => family.disk,
        Short::Bandwidth(_) => family.bandwidth,
        Short::Addresses => family.addresses,
    }
}

fn shortages(problem: &Problem, excess: &[(Short, u64)]) -> Vec<Shortage> {
    let mut summed: std::collections::BTreeMap<&Short, u64> = std::collections::BTreeMap::new();
    for (short, by) in excess {
        let sum = summed.entry(short).or_default();
        *sum = sum.saturating_add(*by);
    }
    summed.into_iter().map(|(short, by)| shortage(problem, short, by)).collect()
}

fn shortage(problem: &Problem, short: &Short, by: u64) -> Shortage {
    let site = |index: &usize| problem.sites.get(*index);
    let name = |index: &usize| site(index).map_or("", |site| site.host.name.as_str());
    let rooms = |index: &usize| site(index).into_iter().flat_map(|site| &site.rooms);
    let (resource, available, unit, hint) = match short {
        Short::Cores(at) => (
            format!("cores of host {}", name(at)),
            rooms(at).map(|room| room.cores).sum(),
            "cores",
            "add a host, reserve fewer cores, or ask for less",
        ),
        Short::Memory(at) => (
            format!("memory of host {}", name(at)),
            rooms(at).map(|room| room.memory_mib).sum(),
            "MiB",
            "add memory or a host, or reserve less",
        ),
        Short::Disk(at, pool) => {
            let pool = site(at).and_then(|site| site.pools.get(*pool));
            (
                format!("pool {} of host {}", pool.map_or("(none)", |(p, _)| &p.name), name(at)),
                pool.map_or(0, |(_, space)| *space),
                "MiB",
                "enlarge the pool, or add one",
            )
        }
        Short::Bandwidth(at) => {
            let bandwidth = site(at).and_then(|site| site.host.network_bits_per_s);
            (
                format!("bandwidth of host {}", name(at)),
                bandwidth.map_or(0, |bits| bits.get() / 1_000_000),
                "Mbit/s",
                "add a host, or a faster network",
            )
        }
        Short::Addresses => {
            ("addresses".to_owned(), problem.addresses, "addresses", "widen network.addresses")
        }
    };
    Shortage {
        resource,
        needed: available.saturating_add(by),
        available,
        short_by: by,
        unit: unit.to_owned(),
        hint: hint.to_owned(),
    }
}

fn no_hosts() -> Shortage {
    Shortage {
        resource: "hosts that carry the network".to_owned(),
        needed: 1,
        available: 0,
        short_by: 1,
        unit: "hosts".to_owned(),
        hint: "add a host that has the bridge of the network".to_owned(),
    }
}

/// Every count would do alone, but no placement keeps all rules at once.
fn together() -> Shortage {
    Shortage {
        resource: "hosts that can keep all rules at once".to_owned(),
        needed: 1,
        available: 0,
        short_by: 1,
        unit: "hosts".to_owned(),
        hint: "add a host in a failure domain of its own".to_owned(),
    }
}

/// What could be served; empty if even that has no answer.
fn served(partial: &Problem, limits: &Limits) -> Vec<Served> {
    let Ok(solution) = solve(partial, limits) else { return Vec::new() };
    let of = |(part, chosen): (&Part, &Option<usize>)| {
        let any = part.candidates.iter().filter_map(|c| c.capacity.as_ref()).next()?;
        let demand = any.demand_per_s;
        let candidate = chosen.and_then(|index| part.candidates.get(index));
        let served = candidate.map_or(0, |c| demand.saturating_sub(c.unmet_per_s).get());
        Some(Served {
            service: part.name.clone(),
            served_per_s: served,
            demand_per_s: demand.get(),
        })
    };
    partial.parts.iter().zip(&solution.chosen).filter_map(of).collect()
}

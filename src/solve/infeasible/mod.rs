//! No plan: what falls short, by how much and why. The words are in `report`.
//!
//! First what can be counted without a solver, since it is proved by counting:
//!
//! | file | counts |
//! | --- | --- |
//! | `shortage.rs` | nothing: what falls short, as data |
//! | `remedy.rs` | nothing: what would help, as data, tried by `planner` |
//! | `domains.rs` | failure domains that quorums and spreads need |
//! | `totals.rs` | cores, memory, disk, addresses, bandwidth of all hosts |
//! | `fit.rs` | NUMA nodes and pools that the smallest instance of each part fits into |
//! | `allowed.rs` | machines that fit on the hosts which they may be on |
//! | `assumed.rs` | values of hosts that were assumed and decide |
//! | `withheld.rs` | cores and memory that no instance can have |
//! | `restart.rs` | machines without room to be restarted, solved |
//! | `neighbours.rs` | rules on neighbours that leave no plan, solved |
//! | `elastic.rs` | else: the least excess of one family of rules, solved |

mod allowed;
mod assumed;
mod domains;
mod elastic;
mod fit;
mod neighbours;
mod remedy;
mod restart;
mod shortage;
mod totals;
mod withheld;

pub use self::assumed::{Assumed, assumed};
pub use self::fit::rejections;
pub use self::remedy::{AddedHosts, Edit, Remedy};
pub use self::shortage::{NeighbourRule, Resource, Shortage, Why};
pub use self::withheld::{Origin, Withheld};
use super::{Deadline, solve};
use crate::model::{Goal, Part, Problem};

/// Most seconds for what could be served: an extra, worth no long wait.
const SERVED_SECONDS: f64 = 10.0;

/// Most seconds for what falls short where counting finds nothing.
const ELASTIC_SECONDS: f64 = 20.0;

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no plan: {}", .shortages.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
pub struct Infeasible {
    /// What falls short, all of it together; never empty.
    pub shortages: Vec<Shortage>,
    /// Hosts that cannot take an instance even if they are empty.
    pub rejections: Vec<Rejection>,
    /// Cores and memory of hosts that no instance can have, where they would help.
    pub withheld: Vec<Withheld>,
    /// Values of hosts that decide and that nobody measured.
    pub assumed: Vec<Assumed>,
    /// What the hosts could serve, each service's share rounded down.
    pub served: Vec<Served>,
    /// Hosts with which a plan was found, each entry alone, the least cost first.
    pub would_fit: Vec<AddedHosts>,
    /// Changes with which a plan was found, each alone.
    pub remedies: Vec<Remedy>,
}

/// Why a host cannot take an instance: the two numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The host.
    pub host: String,
    /// The service, or the entry of fixed machines.
    pub service: String,
    /// What is too little.
    pub resource: Resource,
    /// What the smallest instance needs of one NUMA node or pool.
    pub needed: u64,
    /// The part of it that QEMU itself takes.
    pub overhead_mib: u64,
    /// The most that one NUMA node or pool of the host has for instances.
    pub allocatable: u64,
    /// The field of the host's file that states it, if that value was assumed.
    pub assumed: Option<String>,
}

/// The part of a service's demand that could be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The service.
    pub service: String,
    /// What could be served, in the profile's unit of work.
    pub served_per_s: u64,
    /// The demand.
    pub demand_per_s: u64,
}

/// Finds what falls short for `problem`, which has no plan. `partial` is the same
/// problem with layouts that serve a part of the demand as well.
#[must_use]
pub fn diagnose(problem: &Problem, partial: &Problem, clock: &Deadline) -> Infeasible {
    let shortages = shortages(problem, clock);
    let rejections = rejections(problem);
    Infeasible {
        assumed: assumed(problem, &shortages, &rejections),
        withheld: withheld::withheld(problem, &shortages, &rejections),
        shortages,
        rejections,
        served: served(partial, clock),
        would_fit: Vec::new(),
        remedies: Vec::new(),
    }
}

/// Finds what falls short for a problem that has no plan.
#[must_use]
pub fn shortages(problem: &Problem, clock: &Deadline) -> Vec<Shortage> {
    let found = counted(problem);
    if !found.is_empty() {
        return found;
    }
    let limits = clock.rest(ELASTIC_SECONDS);
    let without_room = restart::short(problem, &limits).unwrap_or_default();
    if !without_room.is_empty() {
        return without_room;
    }
    if let Some(excluded) = neighbours::short(problem, &clock.rest(ELASTIC_SECONDS)) {
        return vec![excluded];
    }
    // What is left is how things are divided.
    match elastic::short(problem, &clock.rest(ELASTIC_SECONDS)) {
        Some(found) if !found.is_empty() => found,
        Some(_) => vec![no_placement(Why::Combination)],
        None => vec![no_placement(Why::Undetermined)],
    }
}

/// Finds what falls short by counting alone: nothing of it says that there is a plan.
#[must_use]
pub fn counted(problem: &Problem) -> Vec<Shortage> {
    if problem.hosts.is_empty() {
        return vec![no_bridge()];
    }
    let mut found = domains::short(problem);
    found.extend(fit::short(problem));
    found.extend(allowed::short(problem));
    found.extend(totals(problem));
    found
}

/// No host runs guests, since all are of another architecture.
#[must_use]
pub const fn no_architecture() -> Shortage {
    no_placement(Why::Architecture)
}

const fn no_bridge() -> Shortage {
    no_placement(Why::NoBridge)
}

/// No host is as it has to be.
const fn no_placement(why: Why) -> Shortage {
    Shortage { resource: Resource::Hosts, needed: 1, available: 0, why }
}

/// Resources of all hosts that the smallest layouts of all parts exceed.
#[must_use]
pub fn totals(problem: &Problem) -> Vec<Shortage> {
    totals::short(problem)
}

/// Returns what could be served; empty if even that has no answer, or where it is not known
/// whether a service could have more than nothing.
#[must_use]
pub fn served(partial: &Problem, clock: &Deadline) -> Vec<Served> {
    let limits = clock.rest(SERVED_SECONDS);
    let Ok(solution) = solve(partial, &limits) else { return Vec::new() };
    let of = |(part, chosen): (&Part, &Option<usize>)| {
        let any = part.candidates.iter().find_map(|c| c.capacity.as_ref())?;
        let demand = any.demand_per_s;
        let candidate = chosen.and_then(|index| part.candidates.get(index));
        let served = candidate.map_or(0, |c| demand.saturating_sub(c.unmet_per_s).get());
        Some(Served {
            service: part.name.clone(),
            served_per_s: served,
            demand_per_s: demand.get(),
        })
    };
    let unmet = solution.tiers.iter().find(|tier| tier.goal == Goal::Unmet);
    let is_proved = unmet.is_some_and(|tier| tier.value == tier.bound);
    let found: Vec<Served> = partial.parts.iter().zip(&solution.chosen).filter_map(of).collect();
    let is_known = is_proved || found.iter().all(|one| one.served_per_s > 0);
    if is_known { found } else { Vec::new() }
}

//! No plan: what falls short, by how much and why. The words are in `report`.
//!
//! First what can be counted without a solver, since it is proved by counting:
//!
//! | file | counts |
//! | --- | --- |
//! | `shortage.rs` | nothing: what falls short, as data |
//! | `domains.rs` | failure domains that quorums and spreads need |
//! | `totals.rs` | cores, memory, disk, addresses, bandwidth of all hosts |
//! | `fit.rs` | NUMA nodes and pools that the smallest instance of each part fits into |
//! | `assumed.rs` | values of hosts that were assumed and decide |
//! | `withheld.rs` | cores and memory that no instance can have |
//! | `elastic.rs` | else: the least excess of one family of rules, solved |

mod assumed;
mod domains;
mod elastic;
mod fit;
mod shortage;
mod totals;
mod withheld;

pub use self::assumed::{Assumed, assumed};
pub use self::fit::rejections;
pub use self::shortage::{Remedy, Resource, Shortage, Why};
pub use self::withheld::{Origin, Withheld};
use super::{Limits, solve};
use crate::model::{Part, Problem};

/// Most seconds for what could be served: an extra, worth no long wait.
const SERVED_SECONDS: f64 = 10.0;

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
    /// Hosts that would make it feasible, each entry alone, the least cost first.
    pub would_fit: Vec<AddedHosts>,
}

/// More hosts of a kind that is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddedHosts {
    /// A host of that kind.
    pub like: String,
    /// How many more.
    pub count: u64,
    /// What they cost together.
    pub cost: u64,
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
pub fn diagnose(problem: &Problem, partial: &Problem, limits: &Limits) -> Infeasible {
    let mut shortages = Vec::new();
    if problem.hosts.is_empty() {
        shortages.push(no_bridge());
    } else {
        shortages.extend(domains::short(problem));
        shortages.extend(fit::short(problem));
        shortages.extend(totals(problem));
    }
    if shortages.is_empty() {
        // What is left is how things are divided; a solver that gives up here
        // takes nothing from what is already known.
        shortages.extend(elastic::short(problem, limits).unwrap_or_default());
    }
    if shortages.is_empty() {
        shortages.push(combination());
    }
    let rejections = rejections(problem);
    Infeasible {
        assumed: assumed(problem, &shortages, &rejections),
        withheld: withheld::withheld(problem, &shortages, &rejections),
        shortages,
        rejections,
        served: served(partial, limits),
        would_fit: Vec::new(),
    }
}

/// No host runs guests, since all are of another architecture.
#[must_use]
pub const fn no_architecture() -> Shortage {
    let (why, remedy) = (Why::Architecture, Remedy::X86Host);
    Shortage { resource: Resource::Hosts, needed: 1, available: 0, why, remedy }
}

const fn no_bridge() -> Shortage {
    let (why, remedy) = (Why::NoBridge, Remedy::BridgedHost);
    Shortage { resource: Resource::Hosts, needed: 1, available: 0, why, remedy }
}

/// Every count suffices alone, but no placement satisfies all constraints at once.
const fn combination() -> Shortage {
    let (why, remedy) = (Why::Combination, Remedy::AnotherDomain);
    Shortage { resource: Resource::Hosts, needed: 1, available: 0, why, remedy }
}

/// Resources of all hosts that the smallest layouts of all parts exceed.
#[must_use]
pub fn totals(problem: &Problem) -> Vec<Shortage> {
    totals::short(problem)
}

/// Returns what could be served; empty if even that has no answer.
#[must_use]
pub fn served(partial: &Problem, limits: &Limits) -> Vec<Served> {
    let limits = Limits { seconds: limits.seconds.min(SERVED_SECONDS) };
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
    partial.parts.iter().zip(&solution.chosen).filter_map(of).collect()
}

//! The tiers in order: each is solved with those before it fixed at what they
//! reached, starting from the assignment that reached it.

use super::exact::exact;
use super::host_map::HostMap;
use super::merge::Merged;
use super::pack::{BranchOnHosts, Packed, pack, with_restarts};
use super::reduced::{Reduced, affordable};
use super::{Deadline, Limits, SolveError};
use crate::model::{Goal, Problem};

/// What a tier reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TierResult {
    /// What was minimised.
    pub goal: Goal,
    /// The value of the plan.
    pub value: u64,
    /// What no plan can go below.
    pub bound: u64,
    /// Seconds that it took.
    pub seconds: f64,
    /// Whether the time limit ended it.
    pub limit_hit: bool,
}

/// Instances of one shape at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Index of the part.
    pub part: usize,
    /// Index of the shape within the part.
    pub shape: usize,
    /// Index of the host.
    pub host: usize,
    /// Index of the NUMA node within the host, or of the pool.
    pub at: usize,
    /// How many; never 0.
    pub count: u64,
}

/// A machine that is restarted elsewhere once its failure domain is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Restarted {
    /// Index of the failure domain that is lost.
    pub domain: usize,
    /// Index of the part.
    pub part: usize,
    /// Index of the shared pool that has its disks ([`Problem::shared_pools`]).
    pub shared: Option<usize>,
    /// Index of the host where it is restarted.
    pub host: usize,
    /// Index of the NUMA node within that host.
    pub numa: usize,
    /// Index of the pool of that host in which its disks are restored.
    pub pool: Option<usize>,
}

/// A solved problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Index of the chosen candidate of each part.
    pub chosen: Vec<Option<usize>>,
    /// Instances per NUMA node.
    pub numa: Vec<Placed>,
    /// Instances per pool, for hosts with several.
    pub pools: Vec<Placed>,
    /// Leading instances as (part, failure domain, count); empty without a policy.
    pub leaders: Vec<(usize, usize, u64)>,
    /// Machines that are restarted after each loss.
    pub restarts: Vec<Restarted>,
    /// What each tier reached.
    pub tiers: Vec<TierResult>,
}

/// Counts above which the program per host is too large: the packed plan is then
/// the plan, with its bounds.
const LARGE: usize = 4_000;

/// The same where services have several layouts: what is packed then is far from its bound.
const LARGE_LAYOUTS: usize = 16_000;

/// Counts of restarted machines above which the same holds.
const LARGE_RESTARTS: usize = 10_000;

/// Solves a problem tier by tier.
///
/// First it is packed, see `pack`. Where the program per host is small, the packed
/// plan is where it starts from, and a tier that the packing proves is not solved
/// again.
///
/// # Errors
/// [`SolveError::Infeasible`] if fixed machines cannot be placed; else the solver
/// failed or found nothing in time. Unmet demand is no error here: it is the
/// value of the first tier.
pub fn solve(problem: &Problem, limits: &Limits) -> Result<Solution, SolveError> {
    let deadline = Deadline::new(limits);
    if !problem.requirements.is_empty() || problem.has_prior() {
        // Both name single hosts, which classes cannot express.
        return exact(problem, None, &deadline);
    }
    let merged = Merged::new(problem);
    let packed = match pack(merged.problem(), BranchOnHosts::WhereItPays, &deadline) {
        Ok(Packed::Feasible(solution)) => Some(*solution),
        Ok(Packed::Infeasible) => return Err(SolveError::Infeasible),
        // The program per host does without a packing.
        Ok(Packed::Unknown) | Err(_) => None,
    };
    // What is packed keeps no room for restarts: its bounds hold, and it may need more hosts.
    let packed = match packed {
        Some(packed) if problem.restarts() => with_restarts(merged.problem(), packed),
        packed => packed,
    };
    let whole = merged.problem();
    let packed = packed.map(|packed| HostMap::used_first(whole, &packed).apply(packed));
    let reduced = packed.as_ref().and_then(|packed| Reduced::new(whole, packed));
    let found = match (packed, &reduced) {
        (Some(packed), Some(reduced)) if !is_large(&reduced.problem, None) => {
            let packed = reduced.reduce(packed);
            reduced.expand(exact(&reduced.problem, Some(packed), &deadline)?)
        }
        (Some(packed), _) if is_large(whole, None) => packed,
        (packed, _) => exact(whole, packed, &deadline)?,
    };
    Ok(merged.split(found))
}

/// Whether the program per host has about so many counts that it is too large to be solved,
/// without the hosts that plans of that cost cannot use.
pub(super) fn is_large(problem: &Problem, cost: Option<u64>) -> bool {
    let several = problem.parts.iter().any(|part| part.candidates.len() > 1);
    let large = if several { LARGE_LAYOUTS } else { LARGE };
    exceeds(problem, cost, large)
}

/// Whether the program per host is so small that nothing is to be gained before it.
pub(super) fn is_small(problem: &Problem, cost: Option<u64>) -> bool {
    !exceeds(problem, cost, LARGE)
}

fn exceeds(problem: &Problem, cost: Option<u64>, most: usize) -> bool {
    let shapes: usize = problem.parts.iter().map(|part| part.shapes.len()).sum();
    let hosts = affordable(problem, cost.filter(|_| !problem.restarts()).unwrap_or(u64::MAX));
    let numa: usize =
        hosts.iter().filter_map(|host| problem.hosts.get(*host)).map(|host| host.numa.len()).sum();
    let restarts = if problem.restarts() {
        let parts = problem.parts.iter().filter(|part| part.restarts()).count();
        let domains = problem.domains(problem.restart_level()).len();
        parts.saturating_mul(numa).saturating_mul(domains)
    } else {
        0
    };
    shapes.saturating_mul(numa) > most || restarts > LARGE_RESTARTS
}

/// Finds where each machine is restarted that is to be, on hosts that a solution uses; with
/// the host and the pool where it is. `pools` says in which pools instances are on hosts with
/// several. `None` if no way was found.
#[must_use]
pub fn restarts(
    problem: &Problem,
    solution: &Solution,
    pools: &[Placed],
) -> Option<Vec<((usize, usize), Restarted)>> {
    super::pack::restarts(problem, solution, pools)
}

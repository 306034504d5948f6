//! Fewer hosts, where a plan is known: a plan that costs no more has at most `cost / price`
//! hosts of a class, and since equal hosts are used in one order (`model/symmetry.rs`), those
//! are the first ones. No plan is lost that is as good in any tier.

use super::host_map::HostMap;
use super::tiers::{Solution, TierResult};
use crate::model::{Goal, Problem};

/// Returns the hosts that a plan of at most that cost can use, where each class is used from
/// its first host on.
pub(super) fn affordable(problem: &Problem, cost: u64) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    let mut first = 0;
    for class in problem.hosts.chunk_by(|one, next| one.class == next.class) {
        let price = class.first().map_or(0, |host| host.host.cost);
        let most = cost.checked_div(price).map_or(class.len(), |most| {
            usize::try_from(most).unwrap_or(usize::MAX).min(class.len())
        });
        kept.extend(first..first + most);
        first += class.len();
    }
    kept
}

/// A problem with fewer hosts.
pub(super) struct Reduced<'p> {
    /// The problem.
    pub problem: Problem<'p>,
    to: HostMap,
    back: HostMap,
}

impl<'p> Reduced<'p> {
    /// Leaves out what a plan as cheap as `known` cannot use; `None` if that is nothing, or if
    /// the known plan does not serve everything: another that does may cost more.
    pub(super) fn new(problem: &Problem<'p>, known: &Solution) -> Option<Self> {
        let tier = |goal: Goal| known.tiers.iter().find(|tier| tier.goal == goal);
        let value = |goal: Goal| tier(goal).map(|one: &TierResult| one.value);
        // Pools that several hosts see are numbered by all hosts.
        if value(Goal::Unmet)? > 0 || problem.restarts() {
            return None;
        }
        let cost = value(Goal::Cost)?;
        let kept = affordable(problem, cost);
        (kept.len() < problem.hosts.len()).then(|| Self::of(problem, kept))
    }

    /// Keeps these hosts, in order; no machine may be restarted elsewhere.
    pub(super) fn of(problem: &Problem<'p>, kept: Vec<usize>) -> Self {
        let pick =
            |all: &Vec<bool>| kept.iter().filter_map(|host| all.get(*host).copied()).collect();
        let reduced = Problem {
            hosts: kept.iter().filter_map(|host| problem.hosts.get(*host)).cloned().collect(),
            allowed: problem.allowed.iter().map(pick).collect(),
            preferred: problem.preferred.iter().map(|(part, all)| (*part, pick(all))).collect(),
            ..problem.clone()
        };
        let mut to = vec![usize::MAX; problem.hosts.len()];
        for (new, old) in kept.iter().enumerate() {
            if let Some(to) = to.get_mut(*old) {
                *to = new;
            }
        }
        let to = HostMap::new(problem, &reduced, to);
        let back = HostMap::new(&reduced, problem, kept);
        Self { problem: reduced, to, back }
    }

    /// Returns a solution of the whole problem in terms of this one.
    pub(super) fn reduce(&self, solution: Solution) -> Solution {
        self.to.apply(solution)
    }

    /// Returns a solution of this problem in terms of the whole one.
    pub(super) fn expand(&self, solution: Solution) -> Solution {
        self.back.apply(solution)
    }
}

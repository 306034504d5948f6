//! Bounds of every plan, tier by tier, and what a plan achieves of the same.

use super::super::Deadline;
use super::super::highs::{MipLimits, MipOutcome, minimise};
use super::bins::{BinPacking, Item, int};
use super::loaded_hosts::LoadedHosts;
use super::relaxation::{Cut, Relaxation, counts};
use crate::model::{Goal, Part, Problem, Sum, Var, Variables, bound_row, goal};

/// Nodes of the search for one bound.
const NODES: i32 = 2_000;
/// Part of the time that the search for one bound may take.
const SHARE: f64 = 0.3;

/// What the relaxation proves.
#[derive(Clone, Debug, Default)]
pub(super) struct LowerBound {
    /// The layouts that reach it.
    pub chosen: Vec<Option<usize>>,
    /// Hosts in use by class.
    pub hosts: Vec<i64>,
    pub unmet: i64,
    pub cost: i64,
    pub cores: i64,
    pub memory: i64,
}

impl LowerBound {
    /// Minimises unmet demand, cost, cores and memory, in that order. What a plan achieved
    /// of one is allowed in the next; without a plan, the least that was found. Returns
    /// `None` if there is no plan.
    pub(super) fn new(
        packing: &BinPacking,
        cuts: &[Cut],
        achieved: Option<&Achieved>,
        deadline: &Deadline,
    ) -> Result<Option<Self>, String> {
        let mut relaxation = Relaxation::new(packing, cuts);
        let mut variables = Variables::default();
        variables.layouts.clone_from(&relaxation.layouts);
        let program = &mut relaxation.program;
        let (unmet, constant) = goal(Goal::Unmet, packing.problem, &variables, program);
        let tiers = [
            (unmet, None),
            (relaxation.cost(packing), achieved.map(|one| one.cost)),
            (relaxation.takes(packing, 0), achieved.map(|one| one.cores)),
            (relaxation.takes(packing, 1), achieved.map(|one| one.memory)),
        ];
        let mut bounds = [0i64; 4];
        let mut best: Option<Vec<i64>> = None;
        for ((sum, allowed), proved) in tiers.into_iter().zip(&mut bounds) {
            let found = least(&relaxation, &sum, best.take(), deadline)?;
            let Some((values, bound)) = found else { return Ok(None) };
            let allowed = allowed.unwrap_or_else(|| sum.value(&values));
            relaxation.program.rows.push(bound_row(sum, allowed));
            *proved = bound;
            best = Some(values);
        }
        let values = best.unwrap_or_default();
        let value = |var: &Var| values.get(var.index()).copied().unwrap_or(0);
        let chosen = relaxation.layouts.iter().map(|all| all.iter().position(|var| value(var) > 0));
        let [unmet, cost, cores, memory] = bounds;
        Ok(Some(Self {
            chosen: chosen.collect(),
            hosts: relaxation.hosts.iter().map(value).collect(),
            unmet: unmet.saturating_add(constant),
            cost,
            cores,
            memory,
        }))
    }
}

/// Minimises a sum from a start. Returns the values and a bound; `None` if there is no
/// solution.
fn least(
    relaxation: &Relaxation,
    sum: &Sum,
    start: Option<Vec<i64>>,
    deadline: &Deadline,
) -> Result<Option<(Vec<i64>, i64)>, String> {
    if let Some(values) = start.as_ref().filter(|_| sum.is_empty()) {
        return Ok(Some((values.clone(), 0)));
    }
    let limits = MipLimits::new(deadline.left() * SHARE, Some(NODES));
    match minimise(&relaxation.program, sum, &limits, start.as_deref())? {
        MipOutcome::Infeasible => Ok(None),
        MipOutcome::Feasible { values, bound, .. } => Ok(Some((values, bound))),
        MipOutcome::Unknown => {
            start.map(|values| Some((values, 0))).ok_or("no bound in time".to_owned())
        }
    }
}

/// What a plan achieves.
pub(super) struct Achieved {
    pub unmet: i64,
    pub cost: i64,
    pub cores: i64,
    pub memory: i64,
}

impl Achieved {
    pub(super) fn new(
        packing: &BinPacking,
        chosen: &[Option<usize>],
        hosts: &LoadedHosts,
        unmet: i64,
    ) -> Self {
        let cores = (0..hosts.count()).map(|host| hosts.cores(host));
        Self {
            unmet,
            cost: hosts.cost(),
            cores: cores.map(|(left, has)| has - left).sum(),
            memory: memory(packing, &counts(packing, chosen)),
        }
    }
}

/// Returns the memory of all instances.
fn memory(packing: &BinPacking, demand: &[i64]) -> i64 {
    let of = |(item, count): (&Item, &i64)| int(item.size.memory_mib).saturating_mul(*count);
    packing.items.iter().zip(demand).map(of).fold(0, i64::saturating_add)
}

/// Returns the demand that these layouts leave unserved; all of a service that has none.
pub(super) fn unmet(problem: &Problem, chosen: &[Option<usize>]) -> i64 {
    let of = |(part, chosen): (&Part, &Option<usize>)| {
        let work = part.candidates.iter().filter_map(|one| one.capacity.as_ref());
        let whole = work.map(|capacity| int(capacity.demand_per_s.get()).max(1)).max()?;
        let one = chosen.and_then(|chosen| part.candidates.get(chosen));
        Some(one.map_or(whole, |one| int(one.unmet_per_s.get())))
    };
    problem.parts.iter().zip(chosen).filter_map(of).fold(0, i64::saturating_add)
}

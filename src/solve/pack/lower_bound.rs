//! Bounds of every plan, tier by tier, and what a plan achieves of the same.

use super::super::Deadline;
use super::super::highs::{MipLimits, MipOutcome, minimise};
use super::bins::{BinPacking, Item, int};
use super::loaded_hosts::LoadedHosts;
use super::relaxation::{Cut, Relaxation, counts};
use crate::model::{Goal, Part, Problem, Sum, Var, Variables, bound_row, goal};

/// Nodes of the search for one bound.
const NODES: i32 = 2_000;
/// Nodes of the search for layouts and hosts that are still to be tried.
const MANY_NODES: i32 = 50_000;
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

/// What the valid inequalities ask for at least.
pub(super) enum Cheapest {
    Some {
        chosen: Vec<Option<usize>>,
        /// Hosts in use by class.
        hosts: Vec<i64>,
        /// What all that is left costs at least.
        cost: i64,
    },
    /// Nothing is left that costs less than what is known.
    Nothing,
    /// Nothing was found in time.
    Unknown,
}

/// Returns the layouts for which the valid inequalities ask least, without choices that were
/// made before, with the bound of all that are left. The
/// hosts hold that many thousandths more than is asked.
pub(super) fn cheapest(
    packing: &BinPacking,
    cuts: &[Cut],
    (without, most, surplus, gap): (&[Without], i64, i64, f64),
    deadline: &Deadline,
) -> Cheapest {
    let mut relaxation = Relaxation::with_surplus(packing, cuts, surplus);
    let layouts = &relaxation.layouts;
    for all in layouts {
        relaxation.program.equal(all.iter().map(|var| (1, *var)).collect(), 1);
    }
    let is_of_hosts = without.iter().any(|one| matches!(one, Without::Hosts(_)));
    let steps = if is_of_hosts { steps(packing, &mut relaxation, most) } else { Vec::new() };
    for one in without {
        one.exclude(&mut relaxation, &steps);
    }
    // Costs are multiples of what divides all prices.
    let unit = packing.classes.iter().fold(0, |unit, class| common(unit, class.cost)).max(1);
    let prices = packing.classes.iter().map(|class| class.cost / unit);
    let sum: Sum = prices.zip(relaxation.hosts.iter().copied()).collect();
    // Less than `most`, which is a multiple as well.
    relaxation.program.rows.push(bound_row(sum.clone(), (most - 1).div_euclid(unit)));
    let limits = MipLimits { gap, ..MipLimits::new(deadline.left() * SHARE, Some(MANY_NODES)) };
    let (values, bound) = match minimise(&relaxation.program, &sum, &limits, None) {
        Ok(MipOutcome::Feasible { values, bound, .. }) => (values, bound),
        Ok(MipOutcome::Infeasible) => return Cheapest::Nothing,
        Ok(MipOutcome::Unknown) | Err(_) => return Cheapest::Unknown,
    };
    let value = |var: &Var| values.get(var.index()).copied().unwrap_or(0);
    let chosen = relaxation.layouts.iter().map(|all| all.iter().position(|var| value(var) > 0));
    Cheapest::Some {
        chosen: chosen.collect(),
        hosts: relaxation.hosts.iter().map(value).collect(),
        cost: bound.saturating_mul(unit),
    }
}

/// What is not to be chosen again.
pub(super) enum Without {
    /// These layouts together.
    Layouts(Vec<Option<usize>>),
    /// So many hosts of each class, or fewer.
    Hosts(Vec<i64>),
}

impl Without {
    fn exclude(&self, relaxation: &mut Relaxation, steps: &[Vec<Var>]) {
        match self {
            Self::Layouts(chosen) => {
                let own = relaxation.layouts.iter().zip(chosen);
                let own: Vec<Var> = own.filter_map(|(all, at)| all.get((*at)?).copied()).collect();
                let most = int(u64::try_from(own.len()).unwrap_or(u64::MAX)) - 1;
                relaxation.program.at_most(own.into_iter().map(|var| (1, var)).collect(), most);
            }
            Self::Hosts(hosts) => {
                let mut any = Sum::default();
                for (most, steps) in hosts.iter().zip(steps) {
                    if let Some(more) = usize::try_from(*most).ok().and_then(|at| steps.get(at)) {
                        any.add(-1, *more);
                    }
                }
                relaxation.program.at_most(any, -1);
            }
        }
    }
}

/// Adds whether the first host of each class is in use, the second, and so on, as far as a plan
/// of that cost goes. Returns the variables by class.
fn steps(packing: &BinPacking, relaxation: &mut Relaxation, most: i64) -> Vec<Vec<Var>> {
    let mut found = Vec::new();
    for (class, hosts) in packing.classes.iter().zip(relaxation.hosts.clone()) {
        let count = usize::try_from(most / class.cost.max(1)).unwrap_or(0).min(class.hosts.len());
        let program = &mut relaxation.program;
        let steps: Vec<Var> =
            (0..count).map(|_| program.variable("step".to_owned(), Some(1))).collect();
        let mut sum: Sum = steps.iter().map(|var| (1, *var)).collect();
        sum.add(-1, hosts);
        program.equal(sum, 0);
        for pair in steps.windows(2) {
            if let [one, next] = pair {
                program.at_most([(1, *next), (-1, *one)].into_iter().collect(), 0);
            }
        }
        found.push(steps);
    }
    found
}

/// Returns the greatest common divisor.
fn common(one: i64, other: i64) -> i64 {
    if other == 0 { one } else { common(other, one % other) }
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

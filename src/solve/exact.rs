//! The program per host, tier by tier.

use super::highs::{MipLimits, MipOutcome, minimise};
use super::prune::Layouts;
use super::tiers::{Solution, TierResult};
use super::values::{assignment, natural, read};
use super::{Deadline, SolveError};
use crate::model::{Elastic, Goal, Model, Problem, Program, Sum, TIERS, bound_row, goal};

/// Solves the program per host, starting from a packed plan if there is one.
///
/// # Errors
/// As `solve`.
pub(super) fn exact(
    problem: &Problem,
    packed: Option<Solution>,
    deadline: &Deadline,
) -> Result<Solution, SolveError> {
    let mut exact = Exact::new(problem, packed, deadline);
    for tier in TIERS.into_iter().filter(|tier| tier.is_of(problem)) {
        let left = exact.tier(tier)?;
        if tier == Goal::Unmet && left > 0 {
            break;
        }
    }
    let values = exact.best.unwrap_or_default();
    Ok(read(&exact.model.variables, &values, exact.tiers))
}

struct Exact<'a> {
    problem: &'a Problem<'a>,
    deadline: &'a Deadline,
    model: Model,
    layouts: Layouts<'a>,
    /// What the tiers so far reached.
    tiers: Vec<TierResult>,
    /// The assignment that reached it.
    best: Option<Vec<i64>>,
    /// What is known of tiers to come; it holds as long as its assignment is kept.
    known: Vec<TierResult>,
}

impl<'a> Exact<'a> {
    fn new(problem: &'a Problem<'a>, packed: Option<Solution>, deadline: &'a Deadline) -> Self {
        let model = Model::new(problem, Elastic::default());
        let start = packed.as_ref().map(|packed| assignment(&model, packed));
        let broken = |values: &Vec<i64>| model.program.rows.iter().find(|row| !row.holds(values));
        debug_assert_eq!(start.as_ref().and_then(broken), None, "a packed plan breaks a row");
        let best = start.filter(|values| broken(values).is_none());
        let known = packed.filter(|_| best.is_some()).map(|packed| packed.tiers);
        let layouts = Layouts::new(problem);
        let known = known.unwrap_or_default();
        Self { problem, deadline, model, layouts, tiers: Vec::new(), best, known }
    }

    /// Solves a tier and keeps it where it is from then on. Returns its value.
    fn tier(&mut self, tier: Goal) -> Result<u64, SolveError> {
        let began = self.deadline.spent();
        if tier == Goal::Unmet && self.best.is_none() {
            self.all_served()?;
        }
        let known = self.known.iter().find(|one| one.goal == tier).copied();
        let (sum, constant) = self.goal(tier);
        // The bound holds for whatever reached the values of the tiers before.
        let least = known.map(|known| int(known.bound).saturating_sub(constant));
        let (values, bound, limit_hit) = self.seek(tier, (&sum, constant), least)?;
        let value = sum.value(&values);
        let bound = least.map_or(bound, |least| bound.max(least)).min(value);
        self.model.program.rows.push(bound_row(sum, value));
        let reached = TierResult {
            goal: tier,
            value: natural(value.saturating_add(constant)),
            bound: natural(bound.saturating_add(constant)),
            seconds: self.deadline.spent() - began,
            limit_hit,
        };
        if known.is_some_and(|known| reached.value != known.value) {
            self.known.clear();
        }
        // What is unmet is proved to be only if the bound says so.
        if tier == Goal::Unmet && reached.value > 0 && reached.bound == 0 {
            return Err(self.deadline.hit());
        }
        self.layouts.prune(&mut self.model, tier, reached.value);
        self.best = Some(values);
        self.tiers.push(reached);
        Ok(reached.value)
    }

    fn goal(&mut self, tier: Goal) -> (Sum, i64) {
        goal(tier, self.problem, &self.model.variables, &mut self.model.program)
    }

    /// Returns the best assignment with its bound, and whether the time limit ended the
    /// search; none is made where the best so far reaches `least`.
    fn seek(
        &mut self,
        tier: Goal,
        (sum, constant): (&Sum, i64),
        least: Option<i64>,
    ) -> Result<(Vec<i64>, i64, bool), SolveError> {
        let start = self.best.take().map(|values| completed(&self.model.program, values));
        if let Some(values) = &start {
            let value = sum.value(values);
            let is_enough = |least: &i64| match tier {
                Goal::Unmet => value <= *least,
                _ => {
                    let enough = self.deadline.enough(least.saturating_add(constant));
                    value.saturating_add(constant) <= enough
                }
            };
            if sum.is_empty() {
                return Ok((values.clone(), value, false));
            }
            if let Some(least) = least.filter(is_enough) {
                return Ok((values.clone(), least, false));
            }
            // Nothing is sought that is worse than what is known.
            let value = natural(value.saturating_add(constant));
            self.layouts.prune(&mut self.model, tier, value);
        }
        let mut deadline = self.deadline.share(share(tier));
        if tier == Goal::Unmet {
            deadline.gap = 0.0;
        }
        improve(&self.model.program, sum, tier, &deadline, start)
    }

    /// Looks for the cheapest plan that serves everything, without asking first
    /// whether there is one: there nearly always is, and then one search does for two
    /// tiers. It is given up after a while, or if there is none.
    fn all_served(&mut self) -> Result<(), SolveError> {
        let (unmet, all) = self.goal(Goal::Unmet);
        let (sum, constant) = self.goal(Goal::Cost);
        let mut model = self.model.clone();
        model.program.rows.push(bound_row(unmet, -all));
        self.layouts.prune(&mut model, Goal::Unmet, 0);
        let began = self.deadline.spent();
        let effort = MipLimits {
            gap: self.deadline.gap,
            ..MipLimits::new(self.deadline.left() / 2.0, Some(SLICE.0))
        };
        let answer = minimise(&model.program, &sum, &effort, None);
        let answer = answer.map_err(|message| failed(Goal::Cost, message))?;
        let MipOutcome::Feasible { values, bound, .. } = answer else { return Ok(()) };
        let reached = |goal, value: i64, bound: i64| TierResult {
            goal,
            value: natural(value),
            bound: natural(bound),
            seconds: self.deadline.spent() - began,
            limit_hit: false,
        };
        let cost = sum.value(&values).saturating_add(constant);
        let bound = bound.saturating_add(constant);
        self.known = vec![reached(Goal::Unmet, 0, 0), reached(Goal::Cost, cost, bound)];
        self.best = Some(values);
        Ok(())
    }
}

/// Part of the time that is left for a tier: the last ones can take all of it for little, and
/// those after a tier are to have some.
const fn share(tier: Goal) -> f64 {
    match tier {
        Goal::Unmet => 1.0,
        Goal::BusiestHost | Goal::MostLeaders => 0.25,
        _ => 0.85,
    }
}

/// Returns the best assignment that is found in time, or the one that is known: none that is
/// worse.
fn improve(
    program: &Program,
    sum: &Sum,
    tier: Goal,
    deadline: &Deadline,
    start: Option<Vec<i64>>,
) -> Result<(Vec<i64>, i64, bool), SolveError> {
    match (sliced(program, sum, deadline, start.as_deref()), start) {
        (Ok(MipOutcome::Feasible { values, bound, limit_hit }), _) => {
            Ok((values, bound, limit_hit))
        }
        // Sums of natural numbers are never below 0.
        (Ok(MipOutcome::Unknown), Some(values)) => Ok((values, 0, true)),
        (Ok(MipOutcome::Unknown), None) => Err(deadline.hit()),
        // What is known keeps all rows, so this is an error of the solver.
        (Ok(MipOutcome::Infeasible), Some(_)) => {
            Err(failed(tier, "HiGHS finds no solution, but one is known".to_owned()))
        }
        (Ok(MipOutcome::Infeasible), None) => Err(SolveError::Infeasible),
        (Err(message), _) => Err(failed(tier, message)),
    }
}

/// Returns the better of two assignments, the first of equals.
fn better(sum: &Sum, one: Option<Vec<i64>>, other: Vec<i64>) -> Vec<i64> {
    match one {
        Some(one) if sum.value(&one) <= sum.value(&other) => one,
        _ => other,
    }
}

fn failed(tier: Goal, message: String) -> SolveError {
    SolveError::Solver { tier: tier.name().to_owned(), message }
}

/// Nodes of the first slice of a search, and how many times more each next one has.
const SLICE: (i32, i32) = (2_000, 4);

/// Searches in slices of nodes, each from the best of those before: between them the
/// user may end the search. Nodes, unlike seconds, are the same on every machine.
fn sliced(
    program: &Program,
    sum: &Sum,
    deadline: &Deadline,
    start: Option<&[i64]>,
) -> Result<MipOutcome, String> {
    let (mut nodes, more) = SLICE;
    let mut best = start.map(<[i64]>::to_vec);
    let mut proved: Option<i64> = None;
    loop {
        let seconds = deadline.left();
        if seconds <= 0.0 {
            // The start is known already; what was found since is worth more.
            return Ok(match (proved, best) {
                (Some(bound), Some(values)) => {
                    MipOutcome::Feasible { values, bound, limit_hit: true }
                }
                _ => MipOutcome::Unknown,
            });
        }
        let effort = MipLimits { gap: deadline.gap, ..MipLimits::new(seconds, Some(nodes)) };
        match minimise(program, sum, &effort, best.as_deref())? {
            MipOutcome::Feasible { values, bound, limit_hit } => {
                let is_start_kept =
                    best.as_ref().is_none_or(|b| sum.value(&values) <= sum.value(b));
                debug_assert!(is_start_kept, "HiGHS has refused its start");
                let values = better(sum, best.take(), values);
                let bound = proved.map_or(bound, |before| before.max(bound));
                if !limit_hit {
                    return Ok(MipOutcome::Feasible { values, bound, limit_hit });
                }
                (best, proved) = (Some(values), Some(bound));
            }
            MipOutcome::Unknown => {}
            MipOutcome::Infeasible => return Ok(MipOutcome::Infeasible),
        }
        nodes = nodes.saturating_mul(more);
    }
}

/// Returns an assignment with values for the variables that a tier has added: each the
/// least that the rows allow. Such a variable is a maximum: it is in its rows as
/// `sum - var <= 0`.
fn completed(program: &Program, mut values: Vec<i64>) -> Vec<i64> {
    let known = values.len();
    values.resize(program.variables.len(), 0);
    for row in &program.rows {
        let added = row.sum.terms().find(|(var, factor)| var.index() >= known && *factor == -1);
        let Some((var, _)) = added else { continue };
        let missing = row.sum.value(&values).saturating_sub(row.right).max(0);
        if let Some(value) = values.get_mut(var.index()) {
            *value = value.saturating_add(missing);
        }
    }
    values
}

fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::*;

    #[test]
    fn a_maximum_is_completed_with_what_it_is() {
        let mut program = Program::default();
        let (a, b) = (program.variable("a".into(), None), program.variable("b".into(), None));
        let most = program.variable("most".into(), None);
        for var in [a, b] {
            program.at_most([(2, var), (-1, most)].into_iter().collect(), 0);
        }
        assert_eq!(completed(&program, vec![3, 4]), [3, 4, 8]);
    }

    #[test]
    fn when_the_time_is_over_the_known_assignment_stays() {
        let mut program = Program::default();
        let a = program.variable("a".into(), Some(9));
        let sum: Sum = [(1, a)].into_iter().collect();
        let over = Deadline::new(&Limits::of_seconds(0.0));
        let kept = improve(&program, &sum, Goal::Cost, &over, Some(vec![4]));
        assert_eq!(kept, Ok((vec![4], 0, true)));
        assert!(matches!(
            improve(&program, &sum, Goal::Unmet, &over, None),
            Err(SolveError::Limit { .. })
        ));
        let in_time = Deadline::new(&Limits::default());
        assert_eq!(
            improve(&program, &sum, Goal::Cost, &in_time, Some(vec![4])),
            Ok((vec![0], 0, false))
        );
    }
}

//! The tiers in order: each is solved with those before it fixed at what they
//! reached, starting from the assignment that reached it.

use std::time::Instant;

use super::highs::{Answer, minimise};
use super::{Limits, SolveError};
use crate::model::{Count, Goal, Model, Problem, Relaxed, Sum, TIERS, Variables, bound_row, goal};

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
    pub site: usize,
    /// Index of the NUMA node within the host, or of the pool.
    pub at: usize,
    /// How many; never 0.
    pub count: u64,
}

/// A solved problem.
#[derive(Clone, Debug, PartialEq)]
pub struct Solution {
    /// Index of the chosen candidate of each part.
    pub chosen: Vec<Option<usize>>,
    /// Instances per NUMA node.
    pub rooms: Vec<Placed>,
    /// Instances per pool, for hosts with several.
    pub pools: Vec<Placed>,
    /// Masters as (part, failure domain, count); empty without a policy.
    pub masters: Vec<(usize, usize, u64)>,
    /// What each tier reached.
    pub tiers: Vec<TierResult>,
}

/// Solves a problem tier by tier.
///
/// # Errors
/// [`SolveError::Infeasible`] if fixed machines cannot be placed; else the solver
/// failed or found nothing in time. Unmet demand is no error here: it is the
/// value of the first tier.
pub fn solve(problem: &Problem, limits: &Limits) -> Result<Solution, SolveError> {
    let mut model = Model::new(problem, Relaxed::default());
    let mut tiers = Vec::new();
    let mut best: Option<Vec<i64>> = None;
    for tier in TIERS {
        let began = now();
        let known = model.program.variables.len();
        let (sum, constant) = goal(tier, problem, &model.variables, &mut model.program);
        // A start must give every variable: the tier may have added some.
        let start = best.as_ref().filter(|_| model.program.variables.len() == known);
        let (values, bound, limit_hit) = match (&best, sum.is_empty()) {
            (Some(values), true) => (values.clone(), 0, false),
            _ => improve(&model, &sum, tier, limits, start)?,
        };
        let value = sum.value(&values);
        model.program.rows.push(bound_row(sum, value));
        tiers.push(TierResult {
            goal: tier,
            value: natural(value.saturating_add(constant)),
            bound: natural(bound.saturating_add(constant)),
            seconds: began.elapsed().as_secs_f64(),
            limit_hit,
        });
        best = Some(values);
        if tier == Goal::Unmet && value.saturating_add(constant) > 0 {
            break;
        }
    }
    Ok(read(&model.variables, &best.unwrap_or_default(), tiers))
}

fn improve(
    model: &Model,
    sum: &Sum,
    tier: Goal,
    limits: &Limits,
    start: Option<&Vec<i64>>,
) -> Result<(Vec<i64>, i64, bool), SolveError> {
    let seconds = limits.seconds_per_tier;
    let answer = minimise(&model.program, sum, seconds, start.map(Vec::as_slice));
    match answer {
        Ok(Answer::Found { values, bound, limit_hit }) => Ok((values, bound, limit_hit)),
        Ok(Answer::Infeasible) => Err(SolveError::Infeasible),
        Ok(Answer::Nothing) => Err(SolveError::Limit { seconds: seconds.to_string() }),
        Err(message) => Err(SolveError::Solver { tier: tier.name().to_owned(), message }),
    }
}

fn read(variables: &Variables, values: &[i64], tiers: Vec<TierResult>) -> Solution {
    let value = |var: crate::model::Var| natural(values.get(var.index()).copied().unwrap_or(0));
    let placed = |counts: &[Count]| -> Vec<Placed> {
        let all = counts.iter().map(|c| Placed {
            part: c.part,
            shape: c.shape,
            site: c.site,
            at: c.at,
            count: value(c.var),
        });
        all.filter(|placed| placed.count > 0).collect()
    };
    Solution {
        chosen: variables
            .layouts
            .iter()
            .map(|layouts| layouts.iter().position(|var| value(*var) > 0))
            .collect(),
        rooms: placed(&variables.counts),
        pools: placed(&variables.pools),
        masters: variables.masters.iter().map(|(p, d, var)| (*p, *d, value(*var))).collect(),
        tiers,
    }
}

fn natural(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[expect(clippy::disallowed_methods, reason = "how long a tier took is reported, never planned with")]
fn now() -> Instant {
    Instant::now()
}

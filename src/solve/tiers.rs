//! The tiers in order: each is solved with those before it fixed at what they
//! reached, starting from the assignment that reached it.

use super::highs::{Answer, Effort, minimise};
use std::collections::BTreeMap;

use super::merge::Merged;
use super::pack::{Packed, pack};
use super::{Deadline, Limits, SolveError};
use crate::model::{
    Count, Goal, Model, Problem, Program, Relaxed, Sum, TIERS, Var, Variables, bound_row, goal,
};

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
    /// Leading instances as (part, failure domain, count); empty without a policy.
    pub leads: Vec<(usize, usize, u64)>,
    /// What each tier reached.
    pub tiers: Vec<TierResult>,
}

/// Counts above which the program per host is too large: the packed plan then
/// stands with its bounds.
const LARGE: usize = 4_000;

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
    if !problem.wishes.is_empty() || !problem.prior.is_empty() {
        // Both name hosts one by one, which the packing does not know.
        return exact(problem, None, &deadline);
    }
    let merged = Merged::new(problem);
    let packed = match pack(merged.problem(), &deadline) {
        Ok(Packed::Found(solution)) => Some(*solution),
        Ok(Packed::Infeasible) => return Err(SolveError::Infeasible),
        // A packing is a help, not a need.
        Ok(Packed::Nothing) | Err(_) => None,
    };
    let found = match packed {
        Some(packed) if size(merged.problem()) > LARGE => packed,
        packed => exact(merged.problem(), packed, &deadline)?,
    };
    Ok(merged.split(found))
}

/// About how many counts the program per host has.
fn size(problem: &Problem) -> usize {
    let shapes: usize = problem.parts.iter().map(|part| part.shapes.len()).sum();
    let rooms: usize = problem.sites.iter().map(|site| site.rooms.len()).sum();
    shapes.saturating_mul(rooms)
}

/// The program per host, tier by tier.
pub(super) fn exact(
    problem: &Problem,
    packed: Option<Solution>,
    deadline: &Deadline,
) -> Result<Solution, SolveError> {
    let mut model = Model::new(problem, Relaxed::default());
    let mut tiers = Vec::new();
    let start = packed.as_ref().map(|packed| assignment(&model, packed));
    let mut best = start.filter(|values| model.program.rows.iter().all(|row| row.holds(values)));
    // What the packing reached and proved holds as long as its plan is kept.
    let mut proved = if best.is_some() { packed.map(|packed| packed.tiers) } else { None };
    let has_prior = !problem.prior.is_empty();
    for tier in TIERS.into_iter().filter(|tier| has_prior || !tier.needs_prior()) {
        let began = deadline.spent();
        let (sum, constant) = goal(tier, problem, &model.variables, &mut model.program);
        let start = best.take().map(|values| completed(&model.program, values));
        let known = proved.as_ref().and_then(|tiers| tiers.iter().find(|one| one.goal == tier));
        // The bound holds for whatever reached the values of the tiers before.
        let least = known.map(|known| int(known.bound).saturating_sub(constant));
        let (values, bound, limit_hit) = match start {
            Some(values) if sum.is_empty() => (values, 0, false),
            Some(values) if least == Some(sum.value(&values)) => {
                let value = sum.value(&values);
                (values, value, false)
            }
            start => improve(&model.program, &sum, tier, deadline, start)?,
        };
        let bound = least.map_or(bound, |least| bound.max(least)).min(sum.value(&values));
        let value = sum.value(&values);
        if known.is_some_and(|known| natural(value.saturating_add(constant)) != known.value) {
            proved = None;
        }
        model.program.rows.push(bound_row(sum, value));
        tiers.push(TierResult {
            goal: tier,
            value: natural(value.saturating_add(constant)),
            bound: natural(bound.saturating_add(constant)),
            seconds: deadline.spent() - began,
            limit_hit,
        });
        best = Some(values);
        if tier == Goal::Unmet && value.saturating_add(constant) > 0 {
            // What is unmet is proved to be only if the bound says so.
            let unproved = bound.saturating_add(constant) <= 0;
            if unproved {
                return Err(deadline.hit());
            }
            break;
        }
    }
    Ok(read(&model.variables, &best.unwrap_or_default(), tiers))
}

/// The values of a solution in the program per host.
fn assignment(model: &Model, solution: &Solution) -> Vec<i64> {
    let mut values = vec![0; model.program.variables.len()];
    let mut set = |var: Var, value: u64| {
        if let Some(place) = values.get_mut(var.index()) {
            *place = i64::try_from(value).unwrap_or(i64::MAX);
        }
    };
    for (layouts, chosen) in model.variables.layouts.iter().zip(&solution.chosen) {
        if let Some(var) = chosen.and_then(|chosen| layouts.get(chosen)) {
            set(*var, 1);
        }
    }
    let counts = |all: &[Count], placed: &[Placed], set: &mut dyn FnMut(Var, u64)| {
        let key = |c: &Count| (c.part, c.shape, c.site, c.at);
        let vars: BTreeMap<_, Var> = all.iter().map(|count| (key(count), count.var)).collect();
        for one in placed {
            if let Some(var) = vars.get(&(one.part, one.shape, one.site, one.at)) {
                set(*var, one.count);
            }
        }
    };
    counts(&model.variables.counts, &solution.rooms, &mut set);
    counts(&model.variables.pools, &solution.pools, &mut set);
    for placed in &solution.rooms {
        if let Some(var) = model.variables.used.get(placed.site) {
            set(*var, 1);
        }
    }
    for (part, domain, count) in &solution.leads {
        let own = |(p, d, _): &&(usize, usize, Var)| (*p, *d) == (*part, *domain);
        if let Some((_, _, var)) = model.variables.leads.iter().find(own) {
            set(*var, *count);
        }
    }
    values
}

/// The best assignment that is found in time, or the one that is known.
fn improve(
    program: &Program,
    sum: &Sum,
    tier: Goal,
    deadline: &Deadline,
    start: Option<Vec<i64>>,
) -> Result<(Vec<i64>, i64, bool), SolveError> {
    match (sliced(program, sum, deadline, start.as_deref()), start) {
        (Ok(Answer::Found { values, bound, limit_hit }), _) => Ok((values, bound, limit_hit)),
        // Sums of natural numbers are never below 0.
        (Ok(Answer::Nothing), Some(values)) => Ok((values, 0, true)),
        (Ok(Answer::Nothing), None) => Err(deadline.hit()),
        // What is known keeps all rules, so this is an error of the solver.
        (Ok(Answer::Infeasible), Some(_)) => Err(SolveError::Solver {
            tier: tier.name().to_owned(),
            message: "HiGHS finds no solution, but one is known".to_owned(),
        }),
        (Ok(Answer::Infeasible), None) => Err(SolveError::Infeasible),
        (Err(message), _) => Err(SolveError::Solver { tier: tier.name().to_owned(), message }),
    }
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
) -> Result<Answer, String> {
    let (mut nodes, more) = SLICE;
    let mut best = start.map(<[i64]>::to_vec);
    let mut proved: Option<i64> = None;
    loop {
        let seconds = deadline.left();
        if seconds <= 0.0 {
            // The start is known already; what was found since is worth more.
            return Ok(match (proved, best) {
                (Some(bound), Some(values)) => Answer::Found { values, bound, limit_hit: true },
                _ => Answer::Nothing,
            });
        }
        let effort = Effort { seconds, nodes: Some(nodes) };
        match minimise(program, sum, &effort, best.as_deref())? {
            Answer::Found { values, bound, limit_hit: true } => {
                proved = Some(proved.map_or(bound, |before| before.max(bound)));
                best = Some(values);
            }
            Answer::Nothing => {}
            answer => return Ok(answer),
        }
        nodes = nodes.saturating_mul(more);
    }
}

/// An assignment with values for the variables that a tier has added: each the
/// least that the rows ask for. Such a variable is a maximum: it stands in its
/// rows as `sum - var <= 0`.
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

fn read(variables: &Variables, values: &[i64], tiers: Vec<TierResult>) -> Solution {
    let value = |var: Var| natural(values.get(var.index()).copied().unwrap_or(0));
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
        leads: variables.leads.iter().map(|(p, d, var)| (*p, *d, value(*var))).collect(),
        tiers,
    }
}

fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn natural(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
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
        let over = Deadline::new(&Limits { seconds: 0.0 });
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

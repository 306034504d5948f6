//! Mixed-integer programs in HiGHS: an integer program in, integers and a proved bound out.
//!
//! The model is built through good_lp and run through its own crate, since
//! good_lp does not hand out the dual bound. One thread, a fixed seed and no
//! relative gap make runs repeatable; an absolute gap below 1 is none where all
//! coefficients are integers. HiGHS prints nothing.

use ::highs::{HighsModelStatus, HighsSolutionStatus, Model as HighsModel, SolvedModel};
use good_lp::{Expression, ProblemVariables, SolverModel, Variable, constraint, variable};

use crate::model::{Program, Row, Sense, Sum};

/// The outcome of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MipOutcome {
    /// No assignment keeps all rows.
    Infeasible,
    /// A limit came before any assignment was found.
    Unknown,
    /// The best assignment that was found.
    Feasible {
        /// Values by variable.
        values: Vec<i64>,
        /// What no assignment can go below.
        bound: i64,
        /// Whether the time limit ended the search.
        limit_hit: bool,
    },
}

/// Limits of a search.
#[derive(Clone, Copy, Debug)]
pub(super) struct MipLimits {
    /// Seconds.
    pub seconds: f64,
    /// Nodes of the tree; `None` for any number. Unlike seconds they do not depend
    /// on the machine.
    pub nodes: Option<i32>,
    /// Part of its value by which the objective may be above its bound at the end.
    pub gap: f64,
}

impl MipLimits {
    /// Returns limits of a search for the optimum.
    pub(super) const fn new(seconds: f64, nodes: Option<i32>) -> Self {
        Self { seconds, nodes, gap: 0.0 }
    }
}

/// Tolerance for values that are integers by construction.
const TOLERANCE: f64 = 1e-4;

/// The bit of `presolve_rule_off` for probing. With hundreds of layouts that exclude
/// each other it takes most of the time and finds nothing.
const PROBING: i32 = 1 << 15;

/// Minimises `objective`, starting from an assignment if there is one.
///
/// HiGHS has called feasible programs infeasible in presolve
/// (<https://github.com/ERGO-Code/HiGHS/issues/2290>), so that answer, and one
/// that violates a row when rounded, is solved again without presolve.
pub(super) fn minimise(
    program: &Program,
    objective: &Sum,
    effort: &MipLimits,
    start: Option<&[i64]>,
) -> Result<MipOutcome, String> {
    let first = run(program, objective, effort, start, true)?;
    match &first {
        MipOutcome::Feasible { values, .. } if keeps(program, values) => Ok(first),
        MipOutcome::Unknown => Ok(first),
        MipOutcome::Infeasible | MipOutcome::Feasible { .. } => {
            let second = run(program, objective, effort, start, false)?;
            match &second {
                MipOutcome::Feasible { values, .. } if !keeps(program, values) => {
                    Err("the rounded solution violates a constraint".to_owned())
                }
                _ => Ok(second),
            }
        }
    }
}

fn keeps(program: &Program, values: &[i64]) -> bool {
    let within = |(value, variable): (&i64, &crate::model::Variable)| {
        *value >= 0 && variable.upper.is_none_or(|upper| *value <= upper)
    };
    values.len() == program.variables.len()
        && values.iter().zip(&program.variables).all(within)
        && program.rows.iter().all(|row| row.holds(values))
}

fn run(
    program: &Program,
    objective: &Sum,
    effort: &MipLimits,
    start: Option<&[i64]>,
    presolve: bool,
) -> Result<MipOutcome, String> {
    let mut model = build(program, objective)?;
    set(&mut model, "threads", 1)?;
    set(&mut model, "random_seed", 0)?;
    set(&mut model, "mip_rel_gap", effort.gap)?;
    set(&mut model, "mip_abs_gap", 0.9)?;
    set(&mut model, "time_limit", effort.seconds)?;
    if let Some(nodes) = effort.nodes {
        set(&mut model, "mip_max_nodes", nodes)?;
    }
    set(&mut model, "presolve_rule_off", PROBING)?;
    set(&mut model, "presolve", if presolve { "choose" } else { "off" })?;
    if let Some(start) = start {
        let columns: Vec<f64> = start.iter().map(|value| real(*value)).collect();
        // A warm start is optional: one that HiGHS refuses is left out.
        let _ = model.try_set_solution(Some(&columns), None, None, None);
    }
    let solved = model.try_solve().map_err(|error| format!("HiGHS: {error:?}"))?;
    answer(&solved, objective)
}

fn build(program: &Program, objective: &Sum) -> Result<HighsModel, String> {
    let mut variables = ProblemVariables::new();
    // What can only be 0 is left out of the rows.
    let columns: Vec<Option<Variable>> = program
        .variables
        .iter()
        .map(|entry| {
            let column = variable().integer().min(0);
            let column = variables.add(match entry.upper {
                Some(upper) => column.max(real(upper)),
                None => column,
            });
            (entry.upper != Some(0)).then_some(column)
        })
        .collect();
    let mut model = variables.minimise(expression(objective, &columns, 1)).using(good_lp::highs);
    for row in program.rows.iter().filter(|row| !row.sum.is_empty()) {
        let (factor, right) = normal(row);
        let left = expression(&row.sum, &columns, factor);
        model.add_constraint(match row.sense {
            Sense::AtMost => constraint!(left <= right),
            Sense::Equal => constraint!(left == right),
        });
    }
    model.try_into_inner().map_err(|error| error.to_string())
}

/// Returns the common divisor of a row's coefficients, and its right side divided by it:
/// smaller numbers, and for `<=` a tighter row.
fn normal(row: &Row) -> (i64, f64) {
    let divisor = row.sum.terms().fold(0i64, |gcd, (_, factor)| common(gcd, factor)).max(1);
    let exact = row.sense == Sense::Equal && row.right % divisor != 0;
    if exact { (1, real(row.right)) } else { (divisor, real(row.right.div_euclid(divisor))) }
}

fn common(a: i64, b: i64) -> i64 {
    let (mut a, mut b) = (a.saturating_abs(), b.saturating_abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn expression(sum: &Sum, columns: &[Option<Variable>], divisor: i64) -> Expression {
    let mut found = Expression::default();
    for (var, factor) in sum.terms() {
        if let Some(Some(column)) = columns.get(var.index()) {
            found.add_mul(real(factor / divisor), *column);
        }
    }
    found
}

fn set<V: ::highs::HighsOptionValue>(
    model: &mut HighsModel,
    name: &str,
    value: V,
) -> Result<(), String> {
    model.try_set_option(name, value).map_err(|_| format!("HiGHS refused the option {name}"))
}

fn answer(solved: &SolvedModel, objective: &Sum) -> Result<MipOutcome, String> {
    let limit_hit = match solved.status() {
        HighsModelStatus::Infeasible | HighsModelStatus::UnboundedOrInfeasible => {
            return Ok(MipOutcome::Infeasible);
        }
        HighsModelStatus::Optimal | HighsModelStatus::ModelEmpty => false,
        HighsModelStatus::ReachedTimeLimit
        | HighsModelStatus::ReachedIterationLimit
        | HighsModelStatus::ReachedSolutionLimit
        | HighsModelStatus::ReachedInterrupt => true,
        other => return Err(format!("HiGHS ended with {other:?}")),
    };
    if limit_hit && solved.primal_solution_status() != HighsSolutionStatus::Feasible {
        return Ok(MipOutcome::Unknown);
    }
    let values: Vec<i64> = solved.get_solution().columns().iter().map(|v| integer(*v)).collect();
    let value = objective.value(&values);
    let bound = if limit_hit {
        let proved = solved.double_info_value(c"mip_dual_bound").unwrap_or(0.0);
        // Sums that are minimised here may be negative; nothing proved is -inf.
        integer((proved - TOLERANCE).ceil()).min(value)
    } else {
        let proved = solved.double_info_value(c"mip_dual_bound").unwrap_or(f64::INFINITY);
        if proved.is_finite() { integer((proved - TOLERANCE).ceil()).min(value) } else { value }
    };
    Ok(MipOutcome::Feasible { values, bound, limit_hit })
}

#[expect(clippy::cast_possible_truncation, reason = "`as` saturates; the caller checks the rows")]
fn integer(value: f64) -> i64 {
    value.round() as i64
}

#[expect(clippy::cast_precision_loss, reason = "coefficients are far below 2^53")]
const fn real(value: i64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: MipLimits = MipLimits::new(10.0, None);

    /// Least 3a + 2b with a + b >= 4, 2a >= 3.
    fn small() -> (Program, Sum) {
        let mut program = Program::default();
        let (a, b) = (program.variable("a".into(), Some(9)), program.variable("b".into(), None));
        program.at_most([(-1, a), (-1, b)].into_iter().collect(), -4);
        program.at_most([(-2, a)].into_iter().collect(), -3);
        (program, [(3, a), (2, b)].into_iter().collect())
    }

    #[test]
    fn the_best_comes_with_its_bound() {
        let (program, sum) = small();
        let found = minimise(&program, &sum, &TEN, None).unwrap();
        assert_eq!(found, MipOutcome::Feasible { values: vec![2, 2], bound: 10, limit_hit: false });
        let again = minimise(&program, &sum, &TEN, Some(&[4, 0])).unwrap();
        assert_eq!(again, found);
    }

    #[test]
    fn infeasible_is_said() {
        let (mut program, sum) = small();
        program.at_most(sum.clone(), 9);
        assert_eq!(minimise(&program, &sum, &TEN, None), Ok(MipOutcome::Infeasible));
    }
}

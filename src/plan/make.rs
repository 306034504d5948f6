//! Spec -> plan: candidates, problem, solution, placement, instances.

use std::collections::BTreeMap;

use super::build::{self, Draft};
use super::{FORMAT, Plan, Tier};
use crate::ids::NameError;
use crate::model::{Goal, Problem};
use crate::profile::Profiles;
use crate::sizing::{self, Candidate, Range};
use crate::solve::{self, Infeasible, Limits, Shortage, Solution, SolveError};
use crate::spec::{Service, Spec};

/// How a plan was found: what may differ between runs and so is not in it.
#[must_use]
#[derive(Clone, Debug, PartialEq)]
pub struct PlanReport {
    /// Seconds per tier, in their order.
    pub seconds: Vec<(String, f64)>,
    /// Whether a time limit ended a tier before its bound was reached.
    pub limit_hit: bool,
    /// Layouts that were weighed against each other, by service.
    pub layouts: BTreeMap<String, usize>,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The hosts cannot carry what is asked.
    #[error(transparent)]
    Infeasible(#[from] Infeasible),
    /// The solver gave no answer.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// A service's name leaves no room for an ordinal.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The solution cannot be carried out: an error of this program.
    #[error("the solution leaves no {what} for {instance}; please report this")]
    Inconsistent {
        /// What is missing.
        what: &'static str,
        /// For which instance.
        instance: String,
    },
}

/// Makes the plan of a spec.
///
/// # Errors
/// Says what falls short, or that the solver gave no answer.
pub fn make(
    spec: &Spec,
    profiles: &Profiles,
    limits: &Limits,
) -> Result<(Plan, PlanReport), PlanError> {
    let ranges = ranges(spec, profiles);
    let candidates: Vec<Vec<Candidate>> = ranges.iter().map(Range::whole).collect();
    if candidates.iter().any(Vec::is_empty) {
        return Err(infeasible(spec, &ranges, limits).into());
    }
    let layouts = spec.services.iter().zip(&candidates);
    let layouts = layouts.map(|(service, found)| (service.name.to_string(), found.len())).collect();
    let problem = Problem::new(spec, candidates);
    let solution = match solve::solve(&problem, limits) {
        Ok(solution) if unmet(&solution) == 0 => solution,
        Ok(_) | Err(SolveError::Infeasible) => {
            return Err(infeasible(spec, &ranges, limits).into());
        }
        Err(error) => return Err(error.into()),
    };
    let draft = Draft { spec, profiles, problem: &problem, solution: &solution };
    let (services, instances) = build::parts(&draft)?;
    let plan = Plan {
        format: FORMAT,
        hostsplit: env!("CARGO_PKG_VERSION").to_owned(),
        name: spec.name.clone(),
        policy: spec.policy,
        network: spec.network.clone(),
        image: spec.image.clone(),
        topology: spec.topology.clone(),
        services,
        vms: spec.vms.clone(),
        instances,
        tiers: tiers(&solution),
    };
    let report = PlanReport {
        seconds: solution.tiers.iter().map(|t| (t.goal.name().to_owned(), t.seconds)).collect(),
        limit_hit: solution.tiers.iter().any(|tier| tier.limit_hit),
        layouts,
    };
    Ok((plan, report))
}

fn unmet(solution: &Solution) -> u64 {
    let unmet = solution.tiers.iter().find(|tier| tier.goal == Goal::Unmet);
    unmet.map_or(0, |tier| tier.value)
}

fn tiers(solution: &Solution) -> Vec<Tier> {
    let tier = |tier: &solve::TierResult| Tier {
        name: tier.goal.name().to_owned(),
        unit: tier.goal.unit().to_owned(),
        value: tier.value,
        bound: tier.bound,
    };
    solution.tiers.iter().map(tier).collect()
}

fn ranges<'a>(spec: &'a Spec, profiles: &'a Profiles) -> Vec<Range<'a>> {
    let range = |service: &'a Service| {
        let profile = sizing::profile(service, profiles);
        sizing::range(service, profile, spec.policy, &spec.topology)
    };
    spec.services.iter().map(range).collect()
}

/// What falls short, the engines' own limits first.
fn infeasible(spec: &Spec, ranges: &[Range], limits: &Limits) -> Infeasible {
    let with = |more: fn(&Range) -> Vec<Candidate>| {
        Problem::new(spec, ranges.iter().map(|range| more(range)).collect())
    };
    let problem = with(|range| match range.whole() {
        none if none.is_empty() => range.beyond(),
        whole => whole,
    });
    let partial = with(|range| [range.whole(), range.partial()].concat());
    let services = spec.services.iter().zip(ranges);
    let mut large: Vec<Shortage> =
        services.filter_map(|(service, range)| too_large(service, range)).collect();
    if large.is_empty() {
        return solve::explain(&problem, &partial, limits);
    }
    large.extend(solve::totals(&problem));
    Infeasible { shortages: large, rejections: Vec::new(), served: solve::served(&partial, limits) }
}

/// No layout within the engine's limits serves the demand.
fn too_large(service: &Service, range: &Range) -> Option<Shortage> {
    let (needed, available) = range.processes();
    let name = &service.name;
    (needed > available).then(|| Shortage {
        resource: format!("processes of one cluster, for {name}"),
        of: None,
        needed,
        available,
        short_by: needed - available,
        unit: "processes".to_owned(),
        because: format!(
            "Because {name} needs {needed} processes and one cluster should have {available} at \
             most, it is too large for one cluster."
        ),
        hint: format!("split {name} into several services"),
    })
}

//! Spec -> plan: candidates, problem, solution, placement, instances.

use std::collections::BTreeMap;

use super::build::{self, Draft};
use super::{FORMAT, Plan, Tier};
use crate::ids::NameError;
use crate::model::{Goal, Problem};
use crate::profile::Profiles;
use crate::sizing::{self, Candidate, Range};
use crate::solve::{self, Infeasible, Limits, Shortage, Solution, SolveError};
use crate::spec::{Demand, Service, Spec};

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
    let mut candidates = Vec::new();
    for service in &spec.services {
        let profile = sizing::profile(service, profiles);
        let found = sizing::layouts(service, profile, spec.policy, &spec.topology);
        if found.is_empty() {
            return Err(too_large(spec, service, profiles).into());
        }
        candidates.push(found);
    }
    let layouts = spec.services.iter().zip(&candidates);
    let layouts = layouts.map(|(service, found)| (service.name.to_string(), found.len())).collect();
    let problem = Problem::new(spec, candidates.clone());
    let solution = match solve::solve(&problem, limits) {
        Ok(solution) if unmet(&solution) == 0 => solution,
        Ok(_) | Err(SolveError::Infeasible) => {
            let partial = Problem::new(spec, with_partial(spec, profiles, candidates));
            return Err(solve::explain(&problem, &partial, limits)?.into());
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

fn with_partial(
    spec: &Spec,
    profiles: &Profiles,
    candidates: Vec<Vec<Candidate>>,
) -> Vec<Vec<Candidate>> {
    let add = |(service, mut all): (&Service, Vec<Candidate>)| {
        let profile = sizing::profile(service, profiles);
        all.extend(sizing::partial_layouts(service, profile, spec.policy, &spec.topology));
        all
    };
    spec.services.iter().zip(candidates).map(add).collect()
}

/// No layout within the engine's limits serves the demand.
fn too_large(spec: &Spec, service: &Service, profiles: &Profiles) -> Infeasible {
    let Demand::Redis(demand) = &service.demand;
    let profile = sizing::profile(service, profiles);
    let range = Range::new(demand, profile, spec.policy, &spec.topology);
    let (needed, available) = range.processes();
    Infeasible {
        shortages: vec![Shortage {
            resource: format!("processes of one cluster, for {}", service.name),
            needed,
            available,
            short_by: needed.saturating_sub(available),
            unit: "processes".to_owned(),
            hint: format!("split {} into several services", service.name),
        }],
        served: Vec::new(),
    }
}

//! Spec -> plan: candidates, problem, solution, placement, instances.
//!
//! Why a second round may be needed: `docs/cpu-feedback.md`.

use std::collections::{BTreeMap, BTreeSet};

use super::build::{self, Draft};
use super::reached::reached;
use super::remedy::remedied;
use super::tries::Tries;
use crate::ids::{NameError, ServiceName};
use crate::model::{Goal, Problem};
use crate::plan::{FORMAT, Plan, Role, ServicePlan, Settings, Tier};
use crate::profile::Profiles;
use crate::recipe;
use crate::sizing::{self, Candidate, EngineLimit, SizingContext, SizingInput};
use crate::solve::{
    self, Deadline, Infeasible, Limits, Resource, Shortage, Solution, SolveError, Why,
};
use crate::spec::{Engine, Objective, Service, Spec};

/// Most seconds for what would help where there is no plan.
const REMEDY_SECONDS: f64 = 15.0;

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
    /// The hosts cannot carry the demand.
    #[error(transparent)]
    Infeasible(#[from] Box<Infeasible>),
    /// The solver gave no answer.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// A service's name leaves no room for an ordinal.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Nothing is known of what an engine can do.
    #[error("service {service}: there is no profile of {engine}")]
    NoProfile {
        /// The service.
        service: String,
        /// Its engine.
        engine: Engine,
    },
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
/// What falls short, or that the solver gave no answer.
pub fn make(
    spec: &Spec,
    profiles: &Profiles,
    limits: &Limits,
) -> Result<(Plan, PlanReport), PlanError> {
    make_with(spec, profiles, limits, None)
}

/// Makes the plan of a spec that moves as few instances of a prior plan as a plan of
/// the least cost can, unless the policy's objectives leave `moves` out. Instances
/// that stay keep their names, addresses and CPUs.
///
/// # Errors
/// As [`make`].
pub fn make_with(
    spec: &Spec,
    profiles: &Profiles,
    limits: &Limits,
    prior: Option<&Plan>,
) -> Result<(Plan, PlanReport), PlanError> {
    let clock = Deadline::new(limits);
    let mut straddling = BTreeSet::new();
    loop {
        let context = SizingContext {
            policy: &spec.policy,
            topology: &spec.topology,
            straddling: straddling.clone(),
        };
        let (plan, report) = attempt(spec, profiles, &context, (&clock, limits), prior)?;
        let worse = worse_than_promised(&plan);
        // A service that already counts as straddling cannot be placed worse.
        if worse.is_subset(&straddling) {
            return Ok((plan, report));
        }
        straddling.extend(worse);
    }
}

/// Makes the plan in a context, which may promise more than the CPUs that were left
/// give.
fn attempt(
    spec: &Spec,
    profiles: &Profiles,
    context: &SizingContext,
    (clock, limits): (&Deadline, &Limits),
    prior: Option<&Plan>,
) -> Result<(Plan, PlanReport), PlanError> {
    let inputs = inputs(spec, profiles, context)?;
    let candidates: Vec<Vec<Candidate>> = inputs.iter().map(SizingInput::full).collect();
    if candidates.iter().any(Vec::is_empty) {
        return Err(Box::new(infeasible(spec, profiles, &inputs, clock)).into());
    }
    let layouts = spec.services.iter().zip(&candidates);
    let layouts = layouts.map(|(service, found)| (service.name.to_string(), found.len())).collect();
    let mut problem = Problem::new(spec, candidates);
    if let Some(prior) = prior.filter(|_| spec.policy.objective.contains(&Objective::Moves)) {
        problem.keep(prior);
    }
    let solution = match solve::solve(&problem, &clock.rest(limits.seconds)) {
        Ok(solution) if unmet(&solution) == 0 => solution,
        Ok(_) | Err(SolveError::Infeasible) => {
            return Err(Box::new(infeasible(spec, profiles, &inputs, clock)).into());
        }
        // The limit is that of all attempts.
        Err(SolveError::Limit { .. }) => {
            return Err(SolveError::Limit { seconds: limits.seconds.to_string() }.into());
        }
        Err(error) => return Err(error.into()),
    };
    let draft = Draft { spec, profiles, problem: &problem, solution: &solution, prior };
    let (services, instances) = build::build(&draft)?;
    let mut plan = Plan {
        format: FORMAT,
        hostsplit: env!("CARGO_PKG_VERSION").to_owned(),
        name: spec.name.clone(),
        policy: spec.policy.clone(),
        network: spec.network.clone(),
        image: spec.image.clone(),
        profiles: spec.profiles.clone(),
        topology: spec.topology.clone(),
        services,
        vms: spec.vms.clone(),
        drained: spec.drained.clone(),
        policy_when_whole: None,
        restart_when_whole: BTreeSet::new(),
        instances,
        tiers: Vec::new(),
    };
    plan.tiers = tiers(&solution, &plan);
    let settings: Vec<Settings> =
        plan.instances.iter().map(|one| recipe::settings(&plan, one, profiles)).collect();
    for (instance, settings) in plan.instances.iter_mut().zip(settings) {
        instance.settings = settings;
    }
    let report = PlanReport {
        seconds: solution.tiers.iter().map(|t| (t.goal.name().to_owned(), t.seconds)).collect(),
        limit_hit: solution.tiers.iter().any(|tier| tier.limit_hit),
        layouts,
    };
    Ok((plan, report))
}

/// Returns the services of which an instance is placed worse than its capacity assumes.
fn worse_than_promised(plan: &Plan) -> BTreeSet<ServiceName> {
    let is_worse = |service: &&ServicePlan| {
        let own = plan.members(&service.name);
        own.filter(|one| one.role != Role::Witness).any(|one| {
            plan.topology.numa(&one.host, one.numa).is_some_and(|node| {
                !sizing::taken(node, &one.cpus).is_as_good_as(service.capacity.placement)
            })
        })
    };
    plan.services.iter().filter(is_worse).map(|service| service.name.clone()).collect()
}

fn unmet(solution: &Solution) -> u64 {
    let unmet = solution.tiers.iter().find(|tier| tier.goal == Goal::Unmet);
    unmet.map_or(0, |tier| tier.value)
}

/// Returns what the plan reaches of each objective. A tier that was not proved only keeps
/// those after it from being worse, and they may happen to be better.
fn tiers(solution: &Solution, plan: &Plan) -> Vec<Tier> {
    let tier = |tier: &solve::TierResult| {
        let value = reached(plan, tier.goal).unwrap_or(tier.value);
        Tier {
            name: tier.goal.name().to_owned(),
            unit: tier.goal.unit().to_owned(),
            value,
            bound: tier.bound.min(value),
        }
    };
    solution.tiers.iter().map(tier).collect()
}

/// Returns the services with all that their layouts follow from.
fn inputs<'a>(
    spec: &'a Spec,
    profiles: &'a Profiles,
    context: &'a SizingContext,
) -> Result<Vec<SizingInput<'a>>, PlanError> {
    let input = |service: &'a Service| {
        SizingInput::new(service, profiles, context).ok_or_else(|| PlanError::NoProfile {
            service: service.name.to_string(),
            engine: service.engine,
        })
    };
    spec.services.iter().map(input).collect()
}

/// What falls short, and what would help.
fn infeasible(
    spec: &Spec,
    profiles: &Profiles,
    inputs: &[SizingInput],
    clock: &Deadline,
) -> Infeasible {
    let why = short(spec, inputs, clock);
    let clock = &Deadline::new(&clock.rest(REMEDY_SECONDS));
    remedied(&Tries { spec, profiles, clock }, why)
}

/// What falls short, the engines' own limits first.
fn short(spec: &Spec, inputs: &[SizingInput], clock: &Deadline) -> Infeasible {
    let none = |shortages| Infeasible {
        shortages,
        rejections: Vec::new(),
        withheld: Vec::new(),
        assumed: Vec::new(),
        served: Vec::new(),
        would_fit: Vec::new(),
        remedies: Vec::new(),
    };
    let hosts = &spec.topology.hosts;
    if !hosts.is_empty() && !hosts.iter().any(|host| host.architecture.is_of_guests()) {
        return none(vec![solve::no_architecture()]);
    }
    let with = |more: fn(&SizingInput) -> Vec<Candidate>| {
        Problem::new(spec, inputs.iter().map(more).collect())
    };
    let problem = with(|input| match input.full() {
        none if none.is_empty() => input.unconstrained(),
        whole => whole,
    });
    let partial = with(|input| [input.full(), input.partial()].concat());
    let mut large: Vec<Shortage> = inputs.iter().filter_map(engine_limit).collect();
    if large.is_empty() {
        return solve::diagnose(&problem, &partial, clock);
    }
    large.extend(solve::totals(&problem));
    Infeasible {
        assumed: solve::assumed(&problem, &large, &[]),
        served: solve::served(&partial, clock),
        ..none(large)
    }
}

/// The engine's limit that keeps every layout too small, if there is one.
fn engine_limit(input: &SizingInput) -> Option<Shortage> {
    let EngineLimit { limited, needed, available } = input.exceeded_limit()?;
    Some(Shortage {
        resource: Resource::Engine(limited),
        needed,
        available,
        why: Why::EngineLimit { service: input.name.to_string() },
    })
}

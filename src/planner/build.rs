//! Solution -> services and instances, in one descent: counts are placed, what is
//! placed is named, what is named is pinned, and what is pinned becomes an instance.

use super::instance::instances;
use super::make::PlanError;
use super::member::{self, Member, Named};
use super::pin::pinned;
use super::place::{Placed, place};
use super::restart;
use crate::ids::ServiceName;
use crate::model::Problem;
use crate::plan::{Instance, Plan, ServicePlan};
use crate::profile::Profiles;
use crate::sizing::Candidate;
use crate::solve::Solution;
use crate::spec::{Service, Spec};

/// What a plan is built of.
#[derive(Clone, Copy)]
pub(super) struct Draft<'a> {
    /// The spec.
    pub spec: &'a Spec,
    /// The engines' profiles.
    pub profiles: &'a Profiles,
    /// What was solved.
    pub problem: &'a Problem<'a>,
    /// The solution.
    pub solution: &'a Solution,
    /// What is deployed already, so far as is known.
    pub prior: Option<&'a Plan>,
}

/// Builds the services and instances of a draft.
pub(super) fn build(draft: &Draft) -> Result<(Vec<ServicePlan>, Vec<Instance>), PlanError> {
    let (placed, restarts) = place(draft.problem, draft.solution, draft.prior)
        .ok_or_else(|| missing("room to restart machines", &draft.spec.name))?;
    let mut placed = placed.into_iter();
    let mut next = |name: &ServiceName| -> Result<Placed, PlanError> {
        placed.next().flatten().ok_or_else(|| missing("placement", name))
    };
    let mut services = Vec::new();
    let mut members: Vec<Member> = Vec::new();
    for service in &draft.spec.services {
        let placed = next(&service.name)?;
        let candidate = placed.candidate;
        let named = member::service(draft, service, placed)?;
        services.push(service_plan(draft, service, candidate, &named)?);
        members.extend(named.members);
    }
    for vm in &draft.spec.vms {
        members.extend(member::fixed(draft, vm, next(&vm.name)?)?);
    }
    let pinned = pinned(draft.problem, draft.prior, members)?;
    let places = restart::places(draft.problem, &pinned, restarts)?;
    let mut instances = instances(draft, pinned)?;
    for (instance, place) in instances.iter_mut().zip(places) {
        instance.restart = place;
    }
    Ok((services, instances))
}

/// Returns the error that the solution lacks something of a service or an instance.
pub(super) fn missing(what: &'static str, name: &impl ToString) -> PlanError {
    PlanError::Inconsistent { what, instance: name.to_string() }
}

fn service_plan(
    draft: &Draft,
    service: &Service,
    candidate: &Candidate,
    named: &Named,
) -> Result<ServicePlan, PlanError> {
    let capacity = candidate.capacity.clone().ok_or_else(|| missing("capacity", &service.name))?;
    Ok(ServicePlan {
        name: service.name.clone(),
        engine: service.engine,
        demand: service.demand.clone(),
        gateway: service.gateway.clone(),
        access: service.access.clone(),
        serve: service.serve.clone(),
        prefer: service.prefer.clone(),
        layout: candidate.layout.clone(),
        capacity,
        groups: named.groups(draft.profiles, service)?,
    })
}

//! Why a service has no further instance on a host: one is required there and the whole
//! is solved again. Then either a constraint is violated, or the plan costs more, or it
//! is as good.

use super::service::totals;
use super::{Totals, spec_of};
use crate::ids::{HostName, ServiceName};
use crate::model::{PartKind, Problem, Requirement, Shape};
use crate::plan::Plan;
use crate::profile::Profiles;
use crate::sizing::{SizingContext, full_layouts};
use crate::solve::{self, Deadline, Limits, Rejection, Shortage};
use crate::spec::Spread;

/// What comes of one more instance on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyNot {
    /// The service, or the entry of fixed machines.
    pub service: ServiceName,
    /// The host.
    pub host: HostName,
    /// Instances of it that are there now.
    pub now: u64,
    /// Totals of the plan.
    pub with: Totals,
    /// What comes of it.
    pub outcome: Outcome,
}

/// What comes of a requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is a plan, with these totals.
    Possible(Totals),
    /// No plan satisfies it: the constraints that are violated.
    Infeasible(Vec<Violation>),
    /// The solver gave no answer in time.
    Unknown,
}

/// A constraint that one more instance on a host violates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Violation {
    /// The host lacks the network's bridge.
    NoBridge,
    /// The host is of another architecture than guests.
    Architecture,
    /// The host is too small for even one instance.
    TooSmall(Rejection),
    /// The machines may not be on the host.
    NotAllowed,
    /// A failure domain holds no more of these fixed machines.
    Spread(Spread),
    /// One host holds at most that many instances.
    MaxPerHost(u64),
    /// Too little would be left for the others.
    Shortage(Shortage),
}

/// Returns what one more instance of a service on a host would cost, or which
/// constraints it would violate; `None` if the plan has no such service or host.
#[must_use]
pub fn why_not(
    plan: &Plan,
    profiles: &Profiles,
    (service, host): (&ServiceName, &HostName),
    limits: &Limits,
) -> Option<WhyNot> {
    let here = plan.topology.host(host)?;
    let spec = spec_of(plan);
    let names = spec.services.iter().map(|one| &one.name).chain(spec.vms.iter().map(|vm| &vm.name));
    let part = names.into_iter().position(|name| name == service)?;
    let context = SizingContext::new(&spec.policy, &spec.topology);
    let all = full_layouts(&spec.services, profiles, &context)?;
    let mut problem = Problem::new(&spec, all);
    let now = plan.on_host(host).filter(|one| &one.service == service).count() as u64;
    let outcome = match problem.hosts.iter().position(|one| &one.host.name == host) {
        None if !here.architecture.is_of_guests() => {
            Outcome::Infeasible(vec![Violation::Architecture])
        }
        None => Outcome::Infeasible(vec![Violation::NoBridge]),
        Some(host) => {
            let requirement = Requirement { part, host, least: now.saturating_add(1) };
            problem.requirements.push(requirement);
            outcome(&problem, requirement, limits)
        }
    };
    let (service, host, with) = (service.clone(), host.clone(), Totals::of(plan));
    Some(WhyNot { service, host, now, with, outcome })
}

fn outcome(problem: &Problem, requirement: Requirement, limits: &Limits) -> Outcome {
    let refused = refused(problem, requirement);
    if !refused.is_empty() {
        return Outcome::Infeasible(refused);
    }
    match solve::solve(problem, limits) {
        Ok(solution) => totals(problem, &solution)
            .map_or_else(|| Outcome::Infeasible(shortages(problem, limits)), Outcome::Possible),
        Err(solve::SolveError::Infeasible) => Outcome::Infeasible(shortages(problem, limits)),
        Err(_) => Outcome::Unknown,
    }
}

/// Returns the constraints that the requirement violates by itself.
fn refused(problem: &Problem, requirement: Requirement) -> Vec<Violation> {
    let part = problem.parts.get(requirement.part);
    let host = problem.hosts.get(requirement.host);
    let Some((part, host)) = part.zip(host) else { return Vec::new() };
    let name = host.host.name.as_str();
    let rejections = solve::rejections(problem).into_iter();
    let own = rejections.filter(|one| one.host == name && one.service == part.name);
    let mut found: Vec<Violation> = own.map(Violation::TooSmall).collect();
    match part.kind {
        PartKind::Fixed(rules) => {
            let spread = rules.spread.filter(|spread| requirement.least > spread.most());
            found.extend(spread.map(Violation::Spread));
            let is_allowed = |shape: &Shape| problem.is_allowed(requirement.host, *shape);
            if !part.shapes.iter().all(is_allowed) {
                found.push(Violation::NotAllowed);
            }
        }
        PartKind::Service(_) => {
            let per_host = part.candidates.iter().map(|one| {
                let witness = u64::from(one.layout.witness.is_some());
                one.max_per_domain.map_or(u64::MAX, |most| u64::from(most).saturating_add(witness))
            });
            let most = per_host.max().unwrap_or(u64::MAX);
            if requirement.least > most {
                found.push(Violation::MaxPerHost(most));
            }
        }
    }
    found
}

/// Returns what falls short elsewhere.
fn shortages(problem: &Problem, limits: &Limits) -> Vec<Violation> {
    let found = solve::shortages(problem, &Deadline::new(limits));
    found.into_iter().map(Violation::Shortage).collect()
}

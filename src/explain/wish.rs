//! Why something does not stand on a host: it is forced there and the whole is
//! solved again. Then either a rule is broken, or it costs more, or it is as good.

use std::collections::BTreeSet;

use serde::Serialize;

use super::service::totals;
use super::{Totals, spec_of};
use crate::ids::{HostName, ServiceName};
use crate::model::{PartKind, Problem, Requirement};
use crate::plan::Plan;
use crate::profile::Profiles;
use crate::sizing::{Candidate, SizingContext, SizingInput};
use crate::solve::{self, Limits};

/// What comes of one more instance on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WhyNot {
    /// The service, or the entry of fixed machines.
    pub service: ServiceName,
    /// The host.
    pub host: HostName,
    /// Instances of it that stand there now.
    pub now: u64,
    /// Totals of the plan.
    pub with: Totals,
    /// What comes of it.
    pub outcome: Outcome,
}

/// What comes of a wish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// There is a plan, with these totals.
    Possible(Totals),
    /// No plan grants it: the rules that are broken, in words with numbers.
    Broken(Vec<String>),
    /// The solver gave no answer in time.
    Unknown,
}

/// Says what one more instance of a service on a host would cost, or which rule it
/// would break; `None` if the plan has no such service or host.
#[must_use]
pub fn why_not(
    plan: &Plan,
    profiles: &Profiles,
    (service, host): (&ServiceName, &HostName),
    limits: &Limits,
) -> Option<WhyNot> {
    plan.topology.host(host)?;
    let spec = spec_of(plan);
    let names = spec.services.iter().map(|one| &one.name).chain(spec.vms.iter().map(|vm| &vm.name));
    let part = names.into_iter().position(|name| name == service)?;
    let context = SizingContext {
        policy: &spec.policy,
        topology: &spec.topology,
        straddling: BTreeSet::new(),
    };
    let inputs = spec.services.iter().map(|service| SizingInput::new(service, profiles, &context));
    let inputs: Vec<SizingInput> = inputs.collect::<Option<_>>()?;
    let all: Vec<Vec<Candidate>> = inputs.iter().map(SizingInput::full).collect();
    let mut problem = Problem::new(&spec, all);
    let now = plan.on_host(host).filter(|one| &one.service == service).count() as u64;
    let outcome = match problem.hosts.iter().position(|site| &site.host.name == host) {
        None => Outcome::Broken(vec![format!("{host} does not carry the network's bridge")]),
        Some(site) => {
            let wish = Requirement { part, host: site, least: now.saturating_add(1) };
            problem.requirements.push(wish);
            outcome(&problem, wish, limits)
        }
    };
    let (service, host, with) = (service.clone(), host.clone(), Totals::of(plan));
    Some(WhyNot { service, host, now, with, outcome })
}

fn outcome(problem: &Problem, wish: Requirement, limits: &Limits) -> Outcome {
    let refused = refused(problem, wish);
    if !refused.is_empty() {
        return Outcome::Broken(refused);
    }
    match solve::solve(problem, limits) {
        Ok(solution) => totals(problem, &solution)
            .map_or_else(|| Outcome::Broken(broken(problem, limits)), Outcome::Possible),
        Err(solve::SolveError::Infeasible) => Outcome::Broken(broken(problem, limits)),
        Err(_) => Outcome::Unknown,
    }
}

/// Rules that refuse the wish whatever stands elsewhere.
fn refused(problem: &Problem, wish: Requirement) -> Vec<String> {
    let (part, site) = (problem.parts.get(wish.part), problem.hosts.get(wish.host));
    let Some((part, site)) = part.zip(site) else { return Vec::new() };
    let host = &site.host.name;
    let rejections = solve::rejections(problem);
    let own = rejections.iter().filter(|one| one.host == host.as_str() && one.service == part.name);
    let mut found: Vec<String> = own
        .map(|one| {
            format!(
                "{}: the smallest instance needs {} {}, {host} has {} at most in one place.",
                one.resource, one.needed, one.unit, one.allocatable
            )
        })
        .collect();
    match part.kind {
        PartKind::Fixed(Some(level)) if wish.least > 1 => {
            found.push(format!("Of {} at most one may stand in one {level}.", part.name));
        }
        PartKind::Fixed(_) => {}
        PartKind::Service(_) => {
            let apart = part.candidates.iter().map(|one| {
                let witness = u64::from(one.layout.witness.is_some());
                one.max_per_domain.map_or(u64::MAX, |most| u64::from(most).saturating_add(witness))
            });
            let most = apart.max().unwrap_or(u64::MAX);
            if wish.least > most {
                found.push(format!(
                    "No host may hold more than {most} instances of {}: the others must have a \
                     copy of everything and carry the demand.",
                    part.name
                ));
            }
        }
    }
    found
}

/// What falls short elsewhere.
fn broken(problem: &Problem, limits: &Limits) -> Vec<String> {
    let why = solve::explain(problem, problem, limits);
    why.shortages.iter().map(|short| short.because.clone()).collect()
}

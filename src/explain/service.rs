//! Which other splits of a service there were: each is forced in turn and the
//! whole is solved again.

use std::collections::BTreeSet;

use serde::Serialize;

use super::{Totals, spec_of};
use crate::ids::ServiceName;
use crate::model::{Goal, Problem};
use crate::plan::{Capacity, Layout, Plan, ServicePlan};
use crate::profile::Profiles;
use crate::sizing::{Candidate, SizingContext, full_layouts};
use crate::solve::{self, Limits, Solution};
use crate::spec::{Cluster, Spec};

/// Splits that are solved again at most.
const MOST: usize = 12;

/// Why a service is split as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceWhy {
    /// The service.
    pub name: ServiceName,
    /// Its kind of cluster, which says what rates count.
    pub cluster: Cluster,
    /// The split that was chosen.
    pub layout: Layout,
    /// What it can do.
    pub capacity: Capacity,
    /// Totals of the plan.
    pub totals: Totals,
    /// Splits that were considered.
    pub candidates: usize,
    /// The best of the others, best first; those that fit nowhere come last.
    pub others: Vec<RunnerUp>,
}

/// Another split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunnerUp {
    /// The split.
    pub layout: Layout,
    /// What it could do.
    pub capacity: Capacity,
    /// Totals of the best plan with it; `None` if there is none.
    pub totals: Option<Totals>,
}

/// Returns why a service is split as it is; `None` if the plan has none of that name.
#[must_use]
pub fn service(
    plan: &Plan,
    profiles: &Profiles,
    name: &ServiceName,
    limits: &Limits,
) -> Option<ServiceWhy> {
    let own = plan.service(name)?;
    let spec = spec_of(plan);
    let context = SizingContext::new(&spec.policy, &spec.topology);
    let all = full_layouts(&spec.services, profiles, &context)?;
    let part = spec.services.iter().position(|service| &service.name == name)?;
    let candidates = all.get(part)?;
    let mut others: Vec<RunnerUp> = varied(candidates, own)
        .into_iter()
        .filter_map(|candidate| {
            let capacity = candidate.capacity.clone()?;
            let totals = forced(&spec, &all, (part, candidate), limits);
            Some(RunnerUp { layout: candidate.layout.clone(), capacity, totals })
        })
        .collect();
    others.sort_by_key(|one| (one.totals.is_none(), one.totals, one.layout.clone()));
    Some(ServiceWhy {
        name: name.clone(),
        cluster: own.engine.cluster(),
        layout: own.layout.clone(),
        capacity: own.capacity.clone(),
        totals: Totals::of(plan),
        candidates: candidates.len(),
        others,
    })
}

/// Returns of each count of virtual CPUs and memory the smallest split that was not
/// chosen, nearest to the chosen one first.
fn varied<'a>(candidates: &'a [Candidate], own: &ServicePlan) -> Vec<&'a Candidate> {
    let mut seen = BTreeSet::new();
    let mut found: Vec<&Candidate> = Vec::new();
    for candidate in candidates.iter().filter(|one| one.layout != own.layout) {
        let layout = &candidate.layout;
        // Splits of one size differ in number; the first is the smallest.
        if seen.insert((layout.vcpus, layout.copies, layout.witness.clone(), layout.memory_mib)) {
            found.push(candidate);
        }
    }
    let distance = |one: &&Candidate| {
        let layout = &one.layout;
        let cores = |layout: &Layout| u64::from(layout.vcpus) * u64::from(layout.instances);
        (cores(layout).abs_diff(cores(&own.layout)), layout.memory_mib)
    };
    found.sort_by_key(distance);
    found.truncate(MOST);
    found
}

fn forced(
    spec: &Spec,
    all: &[Vec<Candidate>],
    (part, candidate): (usize, &Candidate),
    limits: &Limits,
) -> Option<Totals> {
    let mut all = all.to_vec();
    *all.get_mut(part)? = vec![candidate.clone()];
    let problem = Problem::new(spec, all);
    let solution = solve::solve(&problem, limits).ok()?;
    totals(&problem, &solution)
}

/// Returns the totals of a solution; `None` if it leaves demand unserved.
pub(super) fn totals(problem: &Problem, solution: &Solution) -> Option<Totals> {
    let unmet = solution.tiers.iter().find(|tier| tier.goal == Goal::Unmet);
    if unmet.is_some_and(|tier| tier.value > 0) {
        return None;
    }
    let used: BTreeSet<usize> = solution.numa.iter().map(|placed| placed.host).collect();
    let sites = used.iter().filter_map(|site| problem.hosts.get(*site));
    let mut totals = Totals {
        cost: sites.map(|site| site.host.cost).fold(0, u64::saturating_add),
        hosts: used.len() as u64,
        cores: 0,
        memory_mib: 0,
    };
    for placed in &solution.numa {
        let shape = problem.parts.get(placed.part)?.shapes.get(placed.shape)?;
        let cores = problem.cores(placed.host, *shape);
        totals.cores = totals.cores.saturating_add(cores.saturating_mul(placed.count));
        let memory = shape.memory_mib.saturating_mul(placed.count);
        totals.memory_mib = totals.memory_mib.saturating_add(memory);
    }
    Some(totals)
}

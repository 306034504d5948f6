//! Objectives: which there are and what the plan reaches of each. What no plan can go
//! below is the plan's claim: a proof is not in it.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::index::Index;
use crate::audit::preferred::{OBJECTIVE, Preferred};
use crate::audit::{Findings, Kind};
use crate::ids::HostName;
use crate::plan::{Instance, Plan, Role};
use crate::spec::Objective;
use crate::topology::NumaNode;

/// What a value is derived from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    /// A plan serves everything, or there is none.
    Nothing,
    /// Prices of hosts with instances, and of those that are kept to restart some.
    Cost,
    /// Cores that instances have, whole.
    Cores,
    /// Memory of the instances.
    Memory,
    /// Leading instances elsewhere than their services prefer, where one does.
    Preferred,
    /// Cores taken on the host where most are.
    Busiest,
    /// Leading instances in the failure domain that has most, summed over services.
    Leaders,
    /// The plan before this one, which it does not hold.
    Prior,
}

/// Names and units of the objectives in their order.
const OBJECTIVES: [(&str, &str, Source); 13] = [
    ("unmet demand", "/s", Source::Nothing),
    ("cost of used hosts", "cost", Source::Cost),
    ("instances moved off their host", "instances", Source::Prior),
    ("instances new on their host", "instances", Source::Prior),
    ("instances moved off their NUMA node", "instances", Source::Prior),
    ("services whose layout changes", "services", Source::Prior),
    ("memory short for old beside new", "MiB", Source::Prior),
    ("cores", "cores", Source::Cores),
    ("memory", "MiB", Source::Memory),
    (OBJECTIVE, "instances", Source::Preferred),
    ("cores on the busiest host", "cores", Source::Busiest),
    ("leading instances in one failure domain", "instances", Source::Leaders),
    ("leading instances moved", "instances", Source::Prior),
];

pub(super) fn check(plan: &Plan, index: &Index<'_>, findings: &mut Findings) {
    let mut wrong = |message: String| findings.add(Kind::Objective, &plan.name, message);
    let prefers = plan.services.iter().any(|one| !one.prefer.is_empty());
    let all = OBJECTIVES.into_iter().filter(|one| prefers || one.2 != Source::Preferred);
    let is_prior = |source: Source| source == Source::Prior;
    let has_prior = plan.tiers.len() > all.clone().filter(|one| !is_prior(one.2)).count();
    let expected: Vec<_> = all.filter(|one| has_prior || !is_prior(one.2)).collect();
    let names: Vec<&str> = expected.iter().map(|(name, ..)| *name).collect();
    let found: Vec<&str> = plan.tiers.iter().map(|tier| tier.name.as_str()).collect();
    if found != names {
        wrong(format!("its objectives are {found:?}; expected {names:?}"));
        return;
    }
    if has_prior && !plan.policy.objective.contains(&Objective::Moves) {
        wrong("it has objectives against an earlier plan, and its policy has none".to_owned());
    }
    for (tier, (name, unit, source)) in plan.tiers.iter().zip(expected) {
        if tier.unit != unit {
            wrong(format!("{name}: its unit is {:?}; expected {unit:?}", tier.unit));
        }
        if tier.bound > tier.value {
            wrong(format!("{name}: {} is below its bound {}", tier.value, tier.bound));
        }
        if let Some(reached) = reached(plan, index, source)
            && u128::from(tier.value) != reached
        {
            wrong(format!("{name}: the plan states {}; it has {reached}", tier.value));
        }
    }
}

fn reached(plan: &Plan, index: &Index<'_>, source: Source) -> Option<u128> {
    let mut hosts: BTreeSet<&HostName> = plan.instances.iter().map(|one| &one.host).collect();
    hosts.extend(plan.instances.iter().filter_map(|one| Some(&one.restart.as_ref()?.host)));
    let cores = |instance: &Instance| u128::from(cores(instance, index));
    Some(match source {
        Source::Nothing => 0,
        Source::Cost => {
            hosts.iter().filter_map(|name| index.host(name)).map(|host| u128::from(host.cost)).sum()
        }
        Source::Cores => plan.instances.iter().map(cores).sum(),
        Source::Memory => plan.instances.iter().map(|one| u128::from(one.memory_mib.get())).sum(),
        Source::Busiest => {
            let taken = |here: Vec<&Instance>| here.into_iter().map(cores).sum();
            plan.by_host().into_values().map(taken).max().unwrap_or(0)
        }
        Source::Preferred => {
            let of = |service| Preferred::of(plan, service);
            plan.services.iter().filter_map(of).map(|one| u128::from(one.elsewhere())).sum()
        }
        Source::Leaders => leaders(plan, index),
        Source::Prior => return None,
    })
}

/// Whole cores that the virtual CPUs of an instance are on.
fn cores(instance: &Instance, index: &Index<'_>) -> u64 {
    let own = |cpus: &[u32]| cpus.iter().any(|cpu| instance.cpus.contains(cpu));
    let cores = index.numa(instance).into_iter().flat_map(NumaNode::cores);
    cores.filter(|core| own(&core.cpus)).count() as u64
}

/// Counted in failure domains of the smallest level that is promised.
fn leaders(plan: &Plan, index: &Index<'_>) -> u128 {
    let Some(level) = plan.policy.survive.first().map(|survive| survive.level) else { return 0 };
    let most = |service: &crate::plan::ServicePlan| {
        let mut of: BTreeMap<String, u128> = BTreeMap::new();
        let leads = |one: &&Instance| {
            matches!(one.role, Role::Master | Role::Primary | Role::Voter | Role::Active)
        };
        for one in plan.members(&service.name).filter(leads) {
            let Some(host) = index.host(&one.host) else { continue };
            *of.entry(host.failure_domain(level)).or_default() += 1;
        }
        of.into_values().max().unwrap_or(0)
    };
    plan.services.iter().map(most).sum()
}

//! What a finished plan reaches of the objectives that follow from it alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::Goal;
use crate::plan::{Plan, Role};
use crate::sizing::cores_on;
use crate::topology::Host;

/// Returns the value of an objective; `None` for those that compare with a prior plan, and
/// for unmet demand, of which a plan has none.
pub(super) fn reached(plan: &Plan, goal: Goal) -> Option<u64> {
    let by_host = plan.by_host();
    let cores = |host: &Host| -> u64 {
        let here = by_host.get(&host.name).into_iter().flatten();
        here.map(|one| u64::from(cores_on(host, one.vcpus()))).sum()
    };
    // A host that is only kept to restart machines is paid as well.
    let kept = plan.instances.iter().filter_map(|one| Some(&one.restart.as_ref()?.host));
    let used: BTreeSet<_> = plan.instances.iter().map(|one| &one.host).chain(kept).collect();
    let hosts = || plan.topology.hosts.iter().filter(|host| used.contains(&host.name));
    Some(match goal {
        Goal::Cost => hosts().map(|host| host.cost).fold(0, u64::saturating_add),
        Goal::Cores => hosts().map(cores).sum(),
        Goal::BusiestHost => hosts().map(cores).max().unwrap_or(0),
        Goal::Memory => plan.instances.iter().map(|one| one.memory_mib.get()).sum(),
        Goal::Preferred => elsewhere(plan),
        Goal::MostLeaders => most_leaders(plan),
        _ => return None,
    })
}

/// Leading instances on hosts other than those that their services prefer.
fn elsewhere(plan: &Plan) -> u64 {
    let of = |service: &crate::plan::ServicePlan| {
        let lead = Role::lead(service.engine.cluster());
        let leads = plan.members(&service.name).filter(|one| one.role == lead);
        let is_preferred = |host: &&Host| service.prefer.iter().any(|set| set.contains(host));
        let hosts = leads.filter_map(|one| plan.topology.host(&one.host));
        hosts.filter(|host| !is_preferred(host)).count() as u64
    };
    plan.services.iter().filter(|one| !one.prefer.is_empty()).map(of).sum()
}

/// Leading instances of each service in the failure domain where most are, summed. A
/// witness does not lead.
fn most_leaders(plan: &Plan) -> u64 {
    let Some(level) = plan.policy.levels().next() else { return 0 };
    let most = |service: &crate::plan::ServicePlan| {
        let lead = Role::lead(service.engine.cluster());
        let mut domains: BTreeMap<String, u64> = BTreeMap::new();
        let leads = plan.members(&service.name).filter(|one| one.role == lead);
        for host in leads.filter_map(|one| plan.topology.host(&one.host)) {
            *domains.entry(host.failure_domain(level)).or_default() += 1;
        }
        domains.into_values().max().unwrap_or(0)
    };
    let leading =
        plan.services.iter().filter(|one| one.engine.cluster() != crate::spec::Cluster::Pool);
    leading.map(most).sum()
}

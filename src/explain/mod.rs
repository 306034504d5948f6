//! Why a plan is what it is: where else an instance could be placed, which other
//! splits there were, what each rule costs, and what a requirement would.
//!
//! Everything is derived from the plan alone, which holds what it was made from: a move
//! is checked by the audit, a split, a rule or a requirement by solving again.

mod cause;
mod demand;
mod instance;
mod load;
mod price;
mod service;
mod unsplit;
mod why_not;

use crate::plan::Plan;
use crate::spec::{Service, Spec};

pub use cause::Cause;
pub use demand::{DemandPart, Of, demand_parts};
pub use instance::{Elsewhere, InstanceWhy, Verdict, instance};
pub use load::{MaxLoad, max_load, periods};
pub use price::{Price, prices};
pub use service::{RunnerUp, ServiceWhy, service};
pub use unsplit::{Unsplit, unsplit};
pub use why_not::{Outcome, Violation, WhyNot, why_not};

/// What plans are compared by, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Totals {
    /// Cost of the hosts in use.
    pub cost: u64,
    /// Hosts in use.
    pub hosts: u64,
    /// Cores that instances take.
    pub cores: u64,
    /// Memory that instances take, in MiB.
    pub memory_mib: u64,
}

impl Totals {
    /// Returns the totals of a plan.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let used: Vec<_> =
            plan.topology.hosts.iter().filter(|host| plan.uses(&host.name)).collect();
        let cores = |host: &&crate::topology::Host| -> u64 {
            let pinned: std::collections::BTreeSet<u32> =
                plan.on_host(&host.name).flat_map(|one| one.cpus.iter().copied()).collect();
            let cores = host.numa.iter().flat_map(crate::topology::NumaNode::cores);
            cores.filter(|core| core.cpus.iter().any(|cpu| pinned.contains(cpu))).count() as u64
        };
        Self {
            cost: used.iter().map(|host| host.cost).fold(0, u64::saturating_add),
            hosts: used.len() as u64,
            cores: used.iter().map(cores).sum(),
            memory_mib: plan
                .instances
                .iter()
                .map(|one| one.memory_mib.get())
                .fold(0, u64::saturating_add),
        }
    }
}

/// Returns the spec that a plan was made from, as far as planning goes.
#[must_use]
pub fn spec_of(plan: &Plan) -> Spec {
    let services = plan.services.iter().map(|service| Service {
        name: service.name.clone(),
        engine: service.engine,
        demand: service.demand.clone(),
        gateway: service.gateway.clone(),
        access: service.access.clone(),
        serve: service.serve.clone(),
        prefer: service.prefer.clone(),
    });
    Spec {
        name: plan.name.clone(),
        policy: plan.policy.clone(),
        network: plan.network.clone(),
        image: plan.image.clone(),
        profiles: plan.profiles.clone(),
        topology: plan.topology.clone(),
        services: services.collect(),
        vms: plan.vms.clone(),
        drained: plan.drained.clone(),
    }
}

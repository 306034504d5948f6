//! What one part of a plan says of another: names of things that are there, and forms that
//! a spec would have been refused without.

use super::{Findings, Kind};
use crate::ids::ServiceName;
use crate::plan::{Plan, ServicePlan};
use crate::spec::{Cluster, Demand, FailoverMode, Objective, Policy};

/// Kinds of failure domain that a policy may name.
const MAX_LEVELS: usize = 2;

pub(super) fn check(plan: &Plan, findings: &mut Findings) {
    image(plan, findings);
    for service in &plan.services {
        gateway(plan, service, findings);
        preferred(service, findings);
        demand(service, findings);
    }
    for host in plan.drained.iter().filter(|host| plan.topology.host(host).is_none()) {
        findings.add(Kind::Reference, host, "is being emptied, but is no host of the plan");
    }
    restarts(plan, findings);
    neighbours(plan, findings);
    policy(plan, "policy", &plan.policy, findings);
    if let Some(policy) = &plan.policy_when_whole {
        self::policy(plan, "policy when whole", policy, findings);
        if plan.drained.is_empty() {
            let message = "a policy for when no host is emptied any more, and none is";
            findings.add(Kind::Reference, &plan.name, message);
        }
    }
}

/// Room to restart machines that is kept again later is not kept now.
fn restarts(plan: &Plan, findings: &mut Findings) {
    for name in &plan.restart_when_whole {
        let vm = plan.vms.iter().find(|vm| vm.name == *name);
        if vm.is_none_or(|vm| vm.restart) || plan.drained.is_empty() {
            let message = "room to restart it when no host is emptied any more, which it has, or \
                           which nothing asks for";
            findings.add(Kind::Reference, name, message);
        }
    }
}

/// Hosts are preferred for leading instances where some lead, each set of hosts once.
fn preferred(service: &ServicePlan, findings: &mut Findings) {
    let mut wrong = |message: String| findings.add(Kind::Reference, &service.name, message);
    let is_led = !matches!(service.engine.cluster(), Cluster::Quorum | Cluster::Pool);
    if !service.prefer.is_empty() && !is_led {
        wrong(format!("prefer: no instance of {} leads", service.engine));
    }
    if !service.prefer.is_sorted_by(|one, other| one < other) {
        wrong("prefer: expected hosts in order, each once".to_owned());
    }
}

/// What machines are to be apart from, or near, is something else of the plan, each once.
fn neighbours(plan: &Plan, findings: &mut Findings) {
    for vm in &plan.vms {
        for (list, names) in [("apart", &vm.apart), ("near", &vm.near)] {
            let is_known = |name: &ServiceName| {
                plan.service(name).is_some() || plan.vms.iter().any(|other| other.name == *name)
            };
            for name in names.iter().filter(|name| **name == vm.name || !is_known(name)) {
                let message = format!("{list}: {name} is no other service or entry of the plan");
                findings.add(Kind::Reference, &vm.name, message);
            }
            if !names.is_sorted_by(|one, other| one < other) {
                let message = format!("{list}: expected names in order, each once");
                findings.add(Kind::Reference, &vm.name, message);
            }
        }
    }
}

/// What a kernel boots with needs a kernel.
fn image(plan: &Plan, findings: &mut Findings) {
    let Some(image) = &plan.image else { return };
    if image.kernel.is_none() && (image.initrd.is_some() || !image.cmdline.is_empty()) {
        let message = "its image has an initrd or a kernel command line, but no kernel";
        findings.add(Kind::Reference, &plan.name, message);
    }
}

fn gateway(plan: &Plan, service: &ServicePlan, findings: &mut Findings) {
    let Some(name) = &service.gateway else { return };
    let mut wrong = |message: String| findings.add(Kind::Reference, &service.name, message);
    if !service.engine.cluster().is_behind_gateways() {
        wrong(format!("{} is behind no gateway", service.engine));
    }
    match plan.service(name) {
        Some(gateway) if gateway.engine.cluster() == Cluster::GatewayPair => {}
        Some(gateway) => wrong(format!("its gateway {name} runs {}", gateway.engine)),
        None => wrong(format!("its gateway {name} is no service of the plan")),
    }
}

/// Numbers that a spec must state within bounds, since others are divided by them.
fn demand(service: &ServicePlan, findings: &mut Findings) {
    let mut wrong = |message: String| findings.add(Kind::Policy, &service.name, message);
    match &service.demand {
        Demand::PrimaryReplica(demand) => {
            if !(1..=100).contains(&demand.working_set_percent) {
                wrong(format!("a working set of {} %", demand.working_set_percent));
            }
            if demand.shards == 0 {
                wrong("no shards; expected at least 1".to_owned());
            }
            let is_manual = demand.failover == FailoverMode::Manual;
            if !is_manual && service.engine.why_not_elected().is_some() {
                wrong(format!("{} does not elect its primary by itself", service.engine));
            }
        }
        Demand::Quorum(demand) if demand.copies == 0 => {
            wrong("no copies of a shard; expected at least 1".to_owned());
        }
        _ => {}
    }
}

/// Levels ascend, at most two; objectives come in their order, unmet demand first.
fn policy(plan: &Plan, what: &str, policy: &Policy, findings: &mut Findings) {
    let mut wrong = |message: String| findings.add(Kind::Policy, &plan.name, message);
    let levels: Vec<_> = policy.levels().collect();
    if levels.len() > MAX_LEVELS || !levels.is_sorted_by(|one, other| one < other) {
        wrong(format!("{what}: expected at most {MAX_LEVELS} levels, the smallest first"));
    }
    let is_ordered = policy.objective.is_sorted_by(|one, other| one < other);
    if policy.objective.first() != Some(&Objective::Unmet) || !is_ordered {
        let words = Objective::ALL.map(Objective::as_str).join(", ");
        wrong(format!("{what}: expected objectives in the order {words}, and always the first"));
    }
}

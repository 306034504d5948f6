//! The loss of each failure domain, replayed: who takes over, and what is left.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::groups::members;
use super::{Findings, Kind};
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Group, Plan, ServicePlan};
use crate::spec::{Quorum, Survive};
use crate::topology::Level;
use crate::units::PerSecond;

/// What the loss of one failure domain does to one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The failure domain that is lost.
    pub domain: String,
    /// The service.
    pub service: ServiceName,
    /// Masters before the loss.
    pub masters: usize,
    /// Masters that are lost.
    pub masters_lost: usize,
    /// Replicas that take over.
    pub promoted: Vec<InstanceName>,
    /// Groups of which no copy is left.
    pub lost_groups: Vec<u32>,
    /// Groups of which one copy is left.
    pub single_groups: Vec<u32>,
    /// What the service can do afterwards.
    pub remaining_per_s: PerSecond,
    /// What is asked of it.
    pub demand_per_s: PerSecond,
}

/// Replays the loss of each failure domain of `level` that holds an instance of
/// a service, in the order of their names.
#[must_use]
pub fn losses(plan: &Plan, level: Level) -> Vec<Loss> {
    let domains = domains(plan, level);
    let names: BTreeSet<&String> = domains.values().collect();
    let mut losses = Vec::new();
    for domain in names {
        for service in &plan.services {
            let gone = |name: &InstanceName| domain_of(plan, &domains, name) == Some(domain);
            if service.groups.iter().flat_map(members).any(gone) {
                losses.push(replay(service, domain, gone));
            }
        }
    }
    losses
}

fn replay(service: &ServicePlan, domain: &str, gone: impl Fn(&InstanceName) -> bool) -> Loss {
    let mut loss = Loss {
        domain: domain.to_owned(),
        service: service.name.clone(),
        masters: service.groups.len(),
        masters_lost: 0,
        promoted: Vec::new(),
        lost_groups: Vec::new(),
        single_groups: Vec::new(),
        remaining_per_s: PerSecond::ZERO,
        demand_per_s: service.capacity.demand_per_s,
    };
    for group in &service.groups {
        let left: Vec<&InstanceName> = members(group).filter(|name| !gone(name)).collect();
        let master_gone = gone(&group.lead);
        loss.masters_lost += usize::from(master_gone);
        let Some(heir) = left.first() else {
            loss.lost_groups.push(group.index);
            continue;
        };
        if master_gone {
            loss.promoted.push((*heir).clone());
        }
        if left.len() == 1 {
            loss.single_groups.push(group.index);
        }
        // Copies are equal: who takes over can do what the lost one did.
        loss.remaining_per_s = loss.remaining_per_s.saturating_add(service.capacity.usable_per_s);
    }
    loss
}

/// The failure domain of every host.
fn domains(plan: &Plan, level: Level) -> BTreeMap<&HostName, String> {
    let hosts = plan.topology.hosts.iter();
    hosts.map(|host| (&host.name, host.failure_domain(level))).collect()
}

fn domain_of<'a>(
    plan: &Plan,
    domains: &'a BTreeMap<&HostName, String>,
    name: &InstanceName,
) -> Option<&'a String> {
    domains.get(&plan.instance(name)?.host)
}

/// Judges the plan by what it promises to survive.
pub(super) fn check(plan: &Plan, findings: &mut Findings) {
    for survive in &plan.policy.survive {
        check_level(plan, *survive, findings);
    }
}

fn check_level(plan: &Plan, survive: Survive, findings: &mut Findings) {
    let level = survive.level;
    let domains = domains(plan, level);
    let mut crowded = BTreeSet::new();
    for service in &plan.services {
        for group in &service.groups {
            if let Some((name, domain)) = crowd(plan, &domains, group) {
                crowded.insert((&service.name, group.index));
                let message =
                    format!("another copy of group {} is in {level} {domain:?} too", group.index);
                findings.add(Kind::GroupSpread, name, message);
            }
        }
    }
    for loss in losses(plan, level) {
        // A group whose copies stand together was told above.
        let untold = |index: &&u32| !crowded.contains(&(&loss.service, **index));
        for index in loss.lost_groups.iter().filter(untold) {
            let message =
                format!("the loss of {level} {:?} takes all of group {index}", loss.domain);
            findings.add(Kind::LostGroup, &loss.service, message);
        }
        let is_lost = loss.masters_lost.saturating_mul(2) >= loss.masters;
        if is_lost && survive.quorum == Quorum::Automatic {
            let Loss { domain, masters, masters_lost, .. } = &loss;
            let message = format!(
                "{level} {domain:?} holds {masters_lost} of {masters} masters, half or more"
            );
            findings.add(Kind::Majority, &loss.service, message);
        }
    }
}

/// A member of a group that shares its failure domain with an earlier one.
fn crowd<'a>(
    plan: &Plan,
    domains: &'a BTreeMap<&HostName, String>,
    group: &'a Group,
) -> Option<(&'a InstanceName, &'a String)> {
    let mut seen = BTreeSet::new();
    members(group).find_map(|name| {
        let domain = domain_of(plan, domains, name)?;
        (!seen.insert(domain)).then_some((name, domain))
    })
}

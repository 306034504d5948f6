//! What a plan promises to survive, checked by replaying every loss.

use std::collections::{BTreeMap, BTreeSet};

use super::groups::members;
use super::loss::{Loss, domains, losses};
use super::{Findings, Kind};
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Group, Plan};
use crate::profile::Profiles;
use crate::spec::{Cluster, Quorum, Survive};

pub(super) fn check(plan: &Plan, profiles: &Profiles, findings: &mut Findings) {
    for survive in &plan.policy.survive {
        check_level(plan, profiles, *survive, findings);
    }
}

fn check_level(plan: &Plan, profiles: &Profiles, survive: Survive, findings: &mut Findings) {
    let level = survive.level;
    let domains = domains(plan, level);
    let mut crowded = BTreeSet::new();
    for service in &plan.services {
        for group in &service.groups {
            if let Some((name, domain)) = crowd(plan, &domains, group) {
                crowded.insert((&service.name, group.index));
                let message =
                    format!("shares {level} {domain:?} with another copy of group {}", group.index);
                findings.add(Kind::GroupSpread, name, message);
            }
        }
    }
    for loss in losses(plan, profiles, level) {
        lost_groups(&loss, &crowded, findings);
        shards(plan, &loss, findings);
        if !loss.has_majority() && survive.quorum == Quorum::Automatic {
            let Loss { domain, leads, leads_lost, .. } = &loss;
            let what = if loss.cluster == Cluster::Quorum { "voters" } else { "masters" };
            let message =
                format!("{level} {domain:?} holds {leads_lost} of {leads} {what}, half or more");
            findings.add(Kind::Majority, &loss.service, message);
        }
        // What lost groups take with them was reported above.
        if loss.remaining_per_s < loss.demand_per_s && loss.lost_groups.is_empty() {
            let message = format!(
                "after the loss of {level} {:?} its capacity is {}, below the demand {}",
                loss.domain, loss.remaining_per_s, loss.demand_per_s
            );
            findings.add(Kind::Survivors, &loss.service, message);
        }
    }
}

fn lost_groups(loss: &Loss, crowded: &BTreeSet<(&ServiceName, u32)>, findings: &mut Findings) {
    // A group whose copies share a domain was reported already.
    let is_new = |index: &&u32| !crowded.contains(&(&loss.service, **index));
    for index in loss.lost_groups.iter().filter(is_new) {
        let message = format!(
            "the loss of {} {:?} takes every copy of group {index}",
            loss.level, loss.domain
        );
        findings.add(Kind::LostGroup, &loss.service, message);
    }
}

/// With `c` copies of each shard, at most one of them in a failure domain, shards
/// spread evenly over `n` instances only while no domain holds more than `n / c`.
fn shards(plan: &Plan, loss: &Loss, findings: &mut Findings) {
    let Some(service) = plan.service(&loss.service) else { return };
    let layout = &service.layout;
    if loss.cluster != Cluster::Quorum {
        return;
    }
    let witnesses = usize::from(layout.witness.is_some());
    let here = plan
        .members(&loss.service)
        .filter(|one| one.role != crate::plan::Role::Witness)
        .filter(|one| {
            let host = plan.topology.host(&one.host);
            host.is_some_and(|host| host.failure_domain(loss.level) == loss.domain)
        })
        .count();
    let all = loss.instances.saturating_sub(witnesses);
    if here.saturating_mul(layout.copies as usize) > all {
        let message = format!(
            "{} {:?} holds {here} of {all} instances, too many for {} copies of each shard",
            loss.level, loss.domain, layout.copies
        );
        findings.add(Kind::ShardSpread, &loss.service, message);
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
        let domain = domains.get(&plan.instance(name)?.host)?;
        (!seen.insert(domain)).then_some((name, domain))
    })
}

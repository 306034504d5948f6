//! Groups: slots, copies, roles, and where the copies are.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, Kind};
use crate::ids::InstanceName;
use crate::plan::{Group, Plan, Role, ServicePlan, SlotRange};
use crate::spec::Cluster;

/// Hash slots of a Redis Cluster.
pub(super) const SLOTS: u32 = 16_384;
/// Masters below which a cluster cannot agree that one is gone.
const MIN_MASTERS: usize = 3;
/// Voters of which one may be lost without losing the majority.
const MIN_VOTERS: usize = 3;

pub(super) fn check(plan: &Plan, findings: &mut Findings) {
    for service in &plan.services {
        let cluster = service.engine.cluster();
        if cluster == Cluster::Sharded {
            slots(service, findings);
        }
        instances(plan, service, findings);
        counts(service, findings);
        match cluster {
            Cluster::Sharded | Cluster::PrimaryReplica | Cluster::GatewayPair => {
                roles(plan, service, findings);
            }
            Cluster::Quorum | Cluster::Pool => alone(plan, service, findings),
        }
        if cluster == Cluster::Quorum {
            voters(plan, service, findings);
        }
    }
}

/// Returns the leader, then the replicas.
pub(super) fn members(group: &Group) -> impl Iterator<Item = &InstanceName> {
    std::iter::once(&group.lead).chain(&group.replicas)
}

fn slots(service: &ServicePlan, findings: &mut Findings) {
    let mut ranges: Vec<(u32, u32)> = service
        .groups
        .iter()
        .flat_map(|group| &group.slots)
        .map(|slots| (u32::from(slots.first), u32::from(slots.last)))
        .collect();
    ranges.sort_unstable();
    let mut is_whole = true;
    let mut wrong = |message: String| {
        is_whole = false;
        findings.add(Kind::Slots, &service.name, message);
    };
    let mut next = 0;
    for (first, last) in ranges {
        if first > last || last >= SLOTS {
            wrong(format!("{first}-{last} is not a range of slots"));
            return;
        }
        if first < next {
            let end = last.min(next - 1);
            wrong(format!("slots {first}-{end} are assigned twice"));
        }
        if first > next {
            wrong(format!("slots {next}-{} are not assigned", first - 1));
        }
        next = next.max(last + 1);
    }
    if next < SLOTS {
        wrong(format!("slots {next}-{} are not assigned", SLOTS - 1));
    }
    if is_whole {
        balance(service, findings);
    }
}

/// Keys are spread evenly over the slots, so equal groups have equal numbers of them: two
/// of a service differ by one at most, however often its groups were more or fewer.
fn balance(service: &ServicePlan, findings: &mut Findings) {
    let width = |range: &SlotRange| u32::from(range.last) + 1 - u32::from(range.first);
    let counts = || service.groups.iter().map(|group| group.slots.iter().map(width).sum::<u32>());
    let (Some(least), Some(most)) = (counts().min(), counts().max()) else { return };
    if most - least > 1 {
        let message =
            format!("one group has {least} slots and another {most}; expected equal parts");
        findings.add(Kind::Slots, &service.name, message);
    }
}

/// Checks that there are as many instances as the layout has.
fn instances(plan: &Plan, service: &ServicePlan, findings: &mut Findings) {
    let has = plan.members(&service.name).count();
    let planned = service.layout.all_instances() as usize;
    if has != planned {
        let message = format!("{has} instances; its layout has {planned}");
        findings.add(Kind::Instances, &service.name, message);
    }
}

fn counts(service: &ServicePlan, findings: &mut Findings) {
    let groups = service.groups.len();
    let planned = match service.engine.cluster() {
        // Instances that are all alike form no groups.
        Cluster::Quorum | Cluster::Pool => 0,
        _ => service.layout.groups as usize,
    };
    if groups != planned {
        let message = format!("{groups} groups; its layout has {planned}");
        findings.add(Kind::Copies, &service.name, message);
    }
    let copies = service.layout.copies as usize;
    for group in &service.groups {
        let members: BTreeSet<&InstanceName> = members(group).collect();
        if members.len() != copies {
            let (index, has) = (group.index, members.len());
            let message = format!("group {index} has {has} copies; its layout has {copies}");
            findings.add(Kind::Copies, &service.name, message);
        }
    }
    if groups < MIN_MASTERS && service.engine.cluster() == Cluster::Sharded {
        let message = format!("{groups} masters; a Redis Cluster needs at least {MIN_MASTERS}");
        findings.add(Kind::Masters, &service.name, message);
    }
}

/// Instances of a cluster without groups: in none, each in a role of its kind.
fn alone(plan: &Plan, service: &ServicePlan, findings: &mut Findings) {
    let cluster = service.engine.cluster();
    for instance in plan.members(&service.name) {
        let known = instance.role == Role::lead(cluster)
            || instance.role == Role::follower(cluster)
            || (instance.role == Role::Witness && cluster == Cluster::Quorum);
        if !known || instance.group.is_some() {
            let message = format!(
                "role {} or group not valid in a {cluster} service",
                instance.role.as_str()
            );
            findings.add(Kind::Role, &instance.name, message);
        }
    }
}

/// An odd number of voters; three or more where a loss must be survived.
fn voters(plan: &Plan, service: &ServicePlan, findings: &mut Findings) {
    let own = || plan.members(&service.name);
    let witnesses = own().filter(|one| one.role == Role::Witness).count();
    let voters = witnesses + own().filter(|one| one.role == Role::Voter).count();
    let least = if plan.policy.survives() { MIN_VOTERS } else { 1 };
    if voters < least || voters.is_multiple_of(2) {
        let message = format!("{voters} voters; expected an odd number, at least {least}");
        findings.add(Kind::Voters, &service.name, message);
    }
    if witnesses != usize::from(service.layout.witness.is_some()) {
        let planned = u32::from(service.layout.witness.is_some());
        let message = format!("{witnesses} witnesses; its layout has {planned}");
        findings.add(Kind::Voters, &service.name, message);
    }
}

/// Checks that groups and instances agree on membership and roles.
fn roles(plan: &Plan, service: &ServicePlan, findings: &mut Findings) {
    let mut stated: BTreeMap<&InstanceName, (Role, u32)> = BTreeMap::new();
    let mut indices = BTreeSet::new();
    let cluster = service.engine.cluster();
    if !service.groups.iter().is_sorted_by_key(|group| group.index) {
        findings.add(Kind::Role, &service.name, "its groups are not in the order of their numbers");
    }
    for group in &service.groups {
        if !indices.insert(group.index) {
            let message = format!("duplicate group {}", group.index);
            findings.add(Kind::Role, &service.name, message);
        }
        for (place, name) in members(group).enumerate() {
            let role = if place == 0 { Role::lead(cluster) } else { Role::follower(cluster) };
            if stated.insert(name, (role, group.index)).is_some() {
                findings.add(Kind::Role, name, "listed twice in the groups");
            }
        }
    }
    for instance in plan.members(&service.name) {
        let says = (instance.role, instance.group);
        match stated.remove(&instance.name) {
            Some((role, group)) if says == (role, Some(group)) => {}
            Some((role, group)) => {
                let own = instance
                    .group
                    .map_or_else(|| "no group".to_owned(), |group| format!("group {group}"));
                let message = format!(
                    "{} of {own}; listed as {} of group {group}",
                    instance.role.as_str(),
                    role.as_str()
                );
                findings.add(Kind::Role, &instance.name, message);
            }
            None => findings.add(Kind::Role, &instance.name, "in no group"),
        }
    }
    for name in stated.into_keys() {
        findings.add(Kind::Role, name, "listed in a group, but not an instance of the plan");
    }
}

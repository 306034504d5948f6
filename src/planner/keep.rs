//! Names against a prior plan: an instance that stays where it is keeps its name,
//! and with that its volumes, its address and its CPUs.
//!
//! Groups first: the group that shares most with a prior one takes its number, so
//! that it keeps its slots. Then names, in this order: of the same group on the same
//! host, of the service on the same host (of several the one in the same role, on the
//! same NUMA node, in the same pool), then names that are left for instances that
//! move. Of equals the first is taken. What is new takes the lowest names that the
//! prior plan does not have; so numbers may be missing where instances went.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::member::Member;
use super::place::{GroupPlacement, Placement};
use crate::ids::{InstanceName, NameError, ServiceName};
use crate::model::Problem;
use crate::plan::{Instance, Plan, Role};

/// Ordinals that are given.
#[derive(Default)]
struct Given {
    by_member: BTreeMap<usize, u32>,
    used: BTreeSet<u32>,
}

impl Given {
    /// Takes pairs of (likeness, ordinal, member), the likest first, as long as both
    /// are free.
    fn take(&mut self, mut pairs: Vec<(Reverse<u32>, u32, usize)>) {
        pairs.sort_unstable();
        for (_, ordinal, at) in pairs {
            if !self.by_member.contains_key(&at) && self.used.insert(ordinal) {
                self.by_member.insert(at, ordinal);
            }
        }
    }
}

/// Gives members of one service, or of one entry of fixed machines, the names that
/// they have in the prior plan, and sorts them by ordinal.
pub(super) fn names(
    problem: &Problem,
    prior: &Plan,
    service: &ServiceName,
    members: &mut [Member],
) -> Result<(), NameError> {
    let old = instances_of(prior, service);
    let mut given = Given::default();
    let mut on_host: BTreeMap<&str, Vec<(u32, &Instance)>> = BTreeMap::new();
    for (ordinal, instance) in &old {
        on_host.entry(instance.host.as_str()).or_default().push((*ordinal, instance));
    }
    let mut stay = Vec::new();
    for (at, member) in members.iter().enumerate() {
        let host = problem.hosts.get(member.placement.host).map(|host| host.host.name.as_str());
        for (ordinal, instance) in host.and_then(|host| on_host.get(host)).into_iter().flatten() {
            let score = likeness(problem, member, instance);
            stay.extend(score.map(|score| (Reverse(score), *ordinal, at)));
        }
    }
    given.take(stay);
    let mut moved = Vec::new();
    let open = |(at, _): &(usize, &Member)| !given.by_member.contains_key(at);
    for (at, member) in members.iter().enumerate().filter(open) {
        let left = old.iter().filter(|(ordinal, _)| !given.used.contains(*ordinal));
        for (ordinal, instance) in left {
            let score = likeness(problem, member, instance);
            moved.extend(score.map(|score| (Reverse(score), *ordinal, at)));
        }
    }
    given.take(moved);
    let mut new = (0u32..).filter(|ordinal| !old.contains_key(ordinal));
    for (at, member) in members.iter_mut().enumerate() {
        let ordinal = given.by_member.get(&at).copied().or_else(|| new.next()).unwrap_or(u32::MAX);
        member.ordinal = ordinal;
        member.name = InstanceName::of(service, ordinal)?;
    }
    members.sort_by_key(|member| member.ordinal);
    Ok(())
}

/// The prior instances of a service by ordinal.
fn instances_of<'a>(prior: &'a Plan, service: &ServiceName) -> BTreeMap<u32, &'a Instance> {
    let own = prior.members(service);
    own.filter_map(|one| {
        let ordinal = one.name.as_str().strip_prefix(service.as_str())?.strip_prefix('-')?;
        Some((ordinal.parse().ok()?, one))
    })
    .collect()
}

/// How much a member is like a prior instance, apart from the host; `None` where it
/// cannot have its name, since one of them only votes.
fn likeness(problem: &Problem, member: &Member, instance: &Instance) -> Option<u32> {
    if (member.role == Role::Witness) != (instance.role == Role::Witness) {
        return None;
    }
    let (_, numa, pool) = place(problem, member.placement)?;
    let same_pool = instance.volumes().next().is_none_or(|volume| Some(&*volume.pool) == pool);
    let parts = [
        (8, member.group == instance.group),
        (4, member.role == instance.role),
        (2, numa == instance.numa),
        (1, same_pool),
    ];
    Some(parts.into_iter().filter(|(_, same)| *same).map(|(points, _)| points).sum())
}

/// Returns host, NUMA node and pool of a placement.
fn place<'a>(
    problem: &'a Problem,
    placement: Placement,
) -> Option<(&'a str, u32, Option<&'a str>)> {
    let host = problem.hosts.get(placement.host)?;
    let pool = host.pools.get(placement.pool).map(|(pool, _)| pool.name.as_str());
    Some((host.host.name.as_str(), host.numa.get(placement.numa)?.node.id, pool))
}

/// Orders groups by the prior groups that they share most with.
pub(super) fn ordered(
    problem: &Problem,
    prior: &Plan,
    service: &ServiceName,
    placed: Vec<GroupPlacement>,
) -> Vec<GroupPlacement> {
    let groups: Vec<Vec<&Instance>> = prior
        .service(service)
        .into_iter()
        .flat_map(|one| &one.groups)
        .take(placed.len())
        .map(|group| {
            let names = [&group.lead].into_iter().chain(&group.replicas);
            names.filter_map(|name| prior.instance(name)).collect()
        })
        .collect();
    let mut pairs = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        for (at, new_group) in placed.iter().enumerate() {
            let score = shared(problem, new_group, group);
            if score > (0, 0) {
                pairs.push((Reverse(score), number, at));
            }
        }
    }
    pairs.sort_unstable();
    let (mut number_of, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for (_, number, at) in pairs {
        if !number_of.contains_key(&at) && taken.insert(number) {
            number_of.insert(at, number);
        }
    }
    let mut free = (0..).filter(|number| !taken.contains(number));
    let numbered = placed.into_iter().enumerate().map(|(at, new_group)| {
        let number = number_of.get(&at).copied().or_else(|| free.next());
        (number.unwrap_or(usize::MAX), new_group)
    });
    let mut numbered: Vec<_> = numbered.collect();
    numbered.sort_by_key(|(number, _)| *number);
    numbered.into_iter().map(|(_, new_group)| new_group).collect()
}

/// Copies on hosts that both have, one more if the same host leads; then the copies
/// that have their NUMA node and pool too.
fn shared(problem: &Problem, new_group: &GroupPlacement, group: &[&Instance]) -> (usize, usize) {
    let copies = || [&new_group.leader].into_iter().chain(&new_group.followers);
    let mut old: Vec<(&str, u32, Option<&str>)> = group
        .iter()
        .map(|one| {
            let pool = one.volumes().next().map(|volume| volume.pool.as_str());
            (one.host.as_str(), one.numa, pool)
        })
        .collect();
    let lead = place(problem, new_group.leader);
    let first = old.first().copied();
    let leads = lead.zip(first).map_or((0, 0), |(new, old)| {
        (usize::from(new.0 == old.0), usize::from((new.0, new.1) == (old.0, old.1)))
    });
    let (mut hosts, mut exact) = leads;
    for copy in copies() {
        let Some(new) = place(problem, *copy) else { continue };
        let is_exact = |other: &(&str, u32, Option<&str>)| {
            (other.0, other.1) == (new.0, new.1) && (other.2.is_none() || other.2 == new.2)
        };
        let found = old.iter().position(is_exact);
        exact += usize::from(found.is_some());
        let found = found.or_else(|| old.iter().position(|other| other.0 == new.0));
        if let Some(at) = found {
            hosts += 1;
            old.swap_remove(at);
        }
    }
    (hosts, exact)
}

//! Names against a prior plan: an instance that stays where it is keeps its name,
//! and with that its volumes, its address and its CPUs.
//!
//! Groups first: the group that shares most with a prior one takes its number and its
//! slots. Then names, in this order: of the same group on the same host, of the service on
//! the same host (of several the one in the same role, on the same NUMA node, in the same
//! pool). Of equals the first is taken.
//!
//! An instance of a service that changes its host or its pool is a new one: it gets the
//! lowest name that the prior plan does not have, so that domain, address and volumes of
//! old and new can exist side by side until the new one serves. So numbers may be missing
//! where instances went. A fixed machine keeps its name on another host, since it is the
//! same machine that moves there.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::member::Member;
use super::place::{GroupPlacement, Placement};
use crate::ids::{InstanceName, NameError, ServiceName};
use crate::model::Problem;
use crate::plan::{Group, Instance, Plan, Role, ServicePlan};

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
    let had = given.by_member.iter().filter_map(|(at, ordinal)| Some((*at, *old.get(ordinal)?)));
    back_in_place(problem, members, &had.collect());
    let has_its_data = |at: usize, ordinal: u32| {
        let (member, instance) = (members.get(at)?, old.get(&ordinal)?);
        Some(member.role == Role::Fixed || is_in_its_pool(problem, member, instance))
    };
    given.by_member.retain(|at, ordinal| has_its_data(*at, *ordinal) == Some(true));
    // Only a fixed machine moves as it is.
    let mut moved = Vec::new();
    let open = |(at, member): &(usize, &Member)| {
        member.role == Role::Fixed && !given.by_member.contains_key(at)
    };
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

/// Gives members that stay on their host, `had` by member, the pool and the NUMA node that
/// they have in the prior plan, as far as members of their size on that host have them:
/// which of them has which was chosen without regard to names.
fn back_in_place(problem: &Problem, members: &mut [Member], had: &BTreeMap<usize, &Instance>) {
    let kind = |member: &Member| (member.placement.host, member.role == Role::Witness);
    let mut free: BTreeMap<(usize, bool), Vec<Placement>> = BTreeMap::new();
    for member in &*members {
        free.entry(kind(member)).or_default().push(member.placement);
    }
    let mut open: Vec<usize> = (0..members.len()).collect();
    for (pool_counts, numa_counts) in [(true, true), (true, false), (false, true), (false, false)] {
        open.retain(|at| {
            let (Some(member), instance) = (members.get_mut(*at), had.get(at)) else {
                return false;
            };
            let Some(free) = free.get_mut(&kind(member)) else { return false };
            let fits = |placement: &Placement| {
                let same = |same: &dyn Fn(&Instance, u32, Option<&str>) -> bool| {
                    let found = place(problem, *placement);
                    instance.zip(found).is_some_and(|(old, (_, numa, pool))| same(old, numa, pool))
                };
                let same_pool =
                    same(&|old, _, pool| pool_of(old).is_none_or(|was| Some(was) == pool));
                let same_numa = same(&|old, numa, _| old.numa == numa);
                (!pool_counts || same_pool) && (!numa_counts || same_numa)
            };
            let Some(at) = free.iter().position(fits) else { return true };
            member.placement = free.remove(at);
            false
        });
    }
}

/// The pool that an instance's volumes are in; `None` without any.
fn pool_of(instance: &Instance) -> Option<&str> {
    instance.volumes().next().map(|volume| volume.pool.as_str())
}

/// Whether a member is in the pool where the prior instance has its volumes.
fn is_in_its_pool(problem: &Problem, member: &Member, instance: &Instance) -> bool {
    let pool = place(problem, member.placement).and_then(|(_, _, pool)| pool);
    pool_of(instance).is_none_or(|was| Some(was) == pool)
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
    let (_, numa, _) = place(problem, member.placement)?;
    let parts = [
        (8, member.prior_group == instance.group),
        (4, member.role == instance.role),
        (2, numa == instance.numa),
        (1, is_in_its_pool(problem, member, instance)),
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

/// Orders groups by the prior groups that they share most with, and returns which that
/// is for each. A group continues a prior one as long as there is one left, even where it
/// shares no host with it: so the slots stay in one group while its copies move. It has
/// the number of the prior group if there are as many groups, else the lowest that is left.
pub(super) fn ordered<'a>(
    problem: &Problem,
    prior: Option<&Plan>,
    service: Option<&'a ServicePlan>,
    placed: Vec<GroupPlacement>,
) -> Vec<(Option<&'a Group>, GroupPlacement)> {
    let groups: Vec<&Group> = service.into_iter().flat_map(|service| &service.groups).collect();
    let mut pairs = Vec::new();
    for (number, group) in groups.iter().enumerate() {
        let names = [&group.lead].into_iter().chain(&group.replicas);
        let old: Vec<&Instance> = names.filter_map(|name| prior?.instance(name)).collect();
        for (at, new_group) in placed.iter().enumerate() {
            pairs.push((Reverse(shared(problem, new_group, &old)), number, at));
        }
    }
    pairs.sort_unstable();
    let (mut was, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for (_, number, at) in pairs {
        if !was.contains_key(&at) && taken.insert(number) {
            was.insert(at, number);
        }
    }
    let count = placed.len();
    let mut free = (0..count).filter(|number| !taken.contains(number));
    // Those whose number is gone come before those that are new.
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by_key(|at| (was.get(at).copied().unwrap_or(usize::MAX), *at));
    let mut number_of = BTreeMap::new();
    for at in order {
        let own = was.get(&at).copied().filter(|number| *number < count);
        number_of.insert(at, own.or_else(|| free.next()));
    }
    let prior_of = |at: usize| was.get(&at).and_then(|number| groups.get(*number).copied());
    let mut found: Vec<(usize, GroupPlacement)> = placed.into_iter().enumerate().collect();
    found.sort_by_key(|(at, _)| number_of.get(at).copied());
    found.into_iter().map(|(at, group)| (prior_of(at), group)).collect()
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

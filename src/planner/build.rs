//! Counts -> services with groups, and complete instances.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::cpus::Cpus;
use super::make::PlanError;
use super::place::{Seats, Slot, Team, place};
use super::{keep, pages};
use crate::ids::{InstanceName, ServiceName};
use crate::model::{Problem, ROOT_WITHOUT_IMAGE, SEED};
use crate::plan::{
    Group, Instance, Layout, Plan, Role, ServicePlan, Settings, SlotRange, Volume, Witness, names,
};
use crate::profile::{Profiles, Rules};
use crate::sizing::Candidate;
use crate::solve::Solution;
use crate::spec::{Service, Spec};
use crate::units::Mebibytes;

/// What a plan is built of.
#[derive(Clone, Copy)]
pub(super) struct Draft<'a> {
    /// What was asked.
    pub spec: &'a Spec,
    /// The engines' profiles.
    pub profiles: &'a Profiles,
    /// What was solved.
    pub problem: &'a Problem<'a>,
    /// How.
    pub solution: &'a Solution,
    /// What stands already, so far as is known.
    pub prior: Option<&'a Plan>,
}

/// An instance before it has CPUs and addresses.
pub(super) struct Member<'a> {
    /// Its number within the service.
    pub ordinal: u32,
    /// Its name.
    pub name: InstanceName,
    /// Its service or entry of fixed machines.
    pub service: &'a ServiceName,
    /// Its part.
    pub role: Role,
    /// Its group.
    pub group: Option<u32>,
    /// Where it stands.
    pub slot: Slot,
    /// Its size.
    pub size: Size,
    /// What it is an instance of.
    pub candidate: &'a Candidate,
}

/// Size of an instance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub vcpus: u32,
    pub memory_mib: Mebibytes,
    pub data_mib: Mebibytes,
}

impl Size {
    const fn of(layout: &Layout) -> Self {
        let Layout { vcpus, memory_mib, data_mib, .. } = *layout;
        Self { vcpus, memory_mib, data_mib }
    }

    /// The witness's size where there is one.
    fn of_witness(layout: &Layout) -> Self {
        let witness = layout.witness.as_ref();
        witness.map_or(Self::of(layout), |one| {
            let Witness { vcpus, memory_mib, data_mib } = *one;
            Self { vcpus, memory_mib, data_mib }
        })
    }
}

/// Services and instances of a draft.
pub(super) fn parts(draft: &Draft) -> Result<(Vec<ServicePlan>, Vec<Instance>), PlanError> {
    let mut seats = place(draft.problem, draft.solution);
    let mut services = Vec::new();
    let mut members = Vec::new();
    for (part, service) in draft.spec.services.iter().enumerate() {
        let candidate = chosen(draft, part, &service.name)?;
        let own = seats.remove(&part).ok_or_else(|| lacks("seats", &service.name))?;
        services.push(service_plan(draft, service, candidate, own, &mut members)?);
    }
    let first = draft.spec.services.len();
    for (index, vm) in draft.spec.vms.iter().enumerate() {
        let candidate = chosen(draft, first + index, &vm.name)?;
        let own = seats.remove(&(first + index)).ok_or_else(|| lacks("seats", &vm.name))?;
        let Seats::Each { slots, .. } = own else { return Err(lacks("seats", &vm.name)) };
        let mut machines = Vec::new();
        for (ordinal, slot) in (0..).zip(slots) {
            machines.push(Member {
                ordinal,
                name: InstanceName::of(&vm.name, ordinal)?,
                service: &vm.name,
                role: Role::Fixed,
                group: None,
                slot,
                size: Size::of(&candidate.layout),
                candidate,
            });
        }
        if let Some(prior) = draft.prior {
            keep::names(draft.problem, prior, &vm.name, &mut machines)?;
        }
        members.extend(machines);
    }
    Ok((services, instances(draft, &members)?))
}

fn lacks(what: &'static str, name: &ServiceName) -> PlanError {
    PlanError::Inconsistent { what, instance: name.to_string() }
}

fn chosen<'a>(
    draft: &Draft<'a>,
    part: usize,
    name: &ServiceName,
) -> Result<&'a Candidate, PlanError> {
    let index = draft.solution.chosen.get(part).copied().flatten();
    let entry = draft.problem.parts.get(part);
    entry
        .zip(index)
        .and_then(|(entry, index)| entry.candidates.get(index))
        .ok_or_else(|| lacks("layout", name))
}

fn service_plan<'a>(
    draft: &Draft<'a>,
    service: &'a Service,
    candidate: &'a Candidate,
    seats: Seats,
    members: &mut Vec<Member<'a>>,
) -> Result<ServicePlan, PlanError> {
    let (mut own, count) = match seats {
        Seats::Teams(teams) => {
            let count = u32::try_from(teams.len()).unwrap_or(u32::MAX);
            (grouped(draft, service, candidate, teams)?, count)
        }
        Seats::Each { slots, leads, witness } => {
            (alone(service, candidate, (slots, leads, witness))?, 0)
        }
    };
    if let Some(prior) = draft.prior {
        keep::names(draft.problem, prior, &service.name, &mut own)?;
    }
    let groups = groups(draft, service, count, &own)?;
    members.extend(own);
    let capacity = candidate.capacity.clone().ok_or_else(|| lacks("capacity", &service.name))?;
    Ok(ServicePlan {
        name: service.name.clone(),
        engine: service.engine,
        demand: service.demand.clone(),
        gateway: service.gateway.clone(),
        access: service.access.clone(),
        layout: candidate.layout.clone(),
        capacity,
        groups,
    })
}

/// Groups in the order of the teams, which is that of a prior plan where there is
/// one; who leads group `i` has ordinal `i`, the followers come after all who lead,
/// the first of every group, then the second.
fn grouped<'a>(
    draft: &Draft<'a>,
    service: &'a Service,
    candidate: &'a Candidate,
    mut teams: Vec<Team>,
) -> Result<Vec<Member<'a>>, PlanError> {
    if let Some(prior) = draft.prior {
        teams = keep::ordered(draft.problem, prior, &service.name, teams);
    }
    let count = u32::try_from(teams.len()).unwrap_or(u32::MAX);
    let cluster = service.engine.cluster();
    let mut members = Vec::new();
    for (index, team) in (0..count).zip(teams) {
        let lead = (index, Role::lead(cluster), team.lead);
        let followers = (1..).zip(team.followers).map(|(turn, slot)| {
            let ordinal = count.saturating_mul(turn).saturating_add(index);
            (ordinal, Role::follower(cluster), slot)
        });
        for (ordinal, role, slot) in [lead].into_iter().chain(followers) {
            members.push(Member {
                ordinal,
                name: InstanceName::of(&service.name, ordinal)?,
                service: &service.name,
                role,
                group: Some(index),
                slot,
                size: Size::of(&candidate.layout),
                candidate,
            });
        }
    }
    members.sort_by_key(|member| member.ordinal);
    Ok(members)
}

/// The groups of members, with their hash slots.
fn groups(
    draft: &Draft,
    service: &Service,
    count: u32,
    members: &[Member],
) -> Result<Vec<Group>, PlanError> {
    let mut ranges = match draft.profiles.of(service.engine).map(|profile| &profile.rules) {
        Some(Rules::Sharded(rules)) => slots(rules.cluster.slots.whole(), count),
        _ => Vec::new(),
    }
    .into_iter();
    let lead = Role::lead(service.engine.cluster());
    let group = |index: u32| {
        let own = members.iter().filter(|member| member.group == Some(index));
        let (leads, replicas): (Vec<&Member>, Vec<&Member>) =
            own.partition(|member| member.role == lead);
        let lead = leads.first().ok_or_else(|| lacks("lead", &service.name))?;
        let replicas = replicas.into_iter().map(|member| member.name.clone()).collect();
        Ok(Group { index, slots: ranges.next(), lead: lead.name.clone(), replicas })
    };
    (0..count).map(group).collect()
}

/// Instances without groups: those that lead, all others, the witness.
fn alone<'a>(
    service: &'a Service,
    candidate: &'a Candidate,
    (slots, leads, witness): (Vec<Slot>, usize, Option<Slot>),
) -> Result<Vec<Member<'a>>, PlanError> {
    let cluster = service.engine.cluster();
    let layout = &candidate.layout;
    let all = slots.into_iter().enumerate().map(|(at, slot)| {
        let role = if at < leads { Role::lead(cluster) } else { Role::follower(cluster) };
        (role, slot, Size::of(layout))
    });
    let last = witness.map(|slot| (Role::Witness, slot, Size::of_witness(layout)));
    let member = |(ordinal, (role, slot, size))| {
        Ok(Member {
            ordinal,
            name: InstanceName::of(&service.name, ordinal)?,
            service: &service.name,
            role,
            group: None,
            slot,
            size,
            candidate,
        })
    };
    (0..).zip(all.chain(last)).map(member).collect()
}

/// First and last slot of each group: equal parts, the first groups one more.
fn slots(all: u64, groups: u32) -> Vec<SlotRange> {
    let groups = u64::from(groups.max(1));
    let (each, more) = (all / groups, all % groups);
    let range = |index: u64| {
        let first = index * each + index.min(more);
        let end = first + each + u64::from(index < more);
        let (first, last) = (u16::try_from(first).ok()?, u16::try_from(end.checked_sub(1)?).ok()?);
        Some(SlotRange { first, last })
    };
    (0..groups).map_while(range).collect()
}

fn instances(draft: &Draft, members: &[Member]) -> Result<Vec<Instance>, PlanError> {
    let cpus = Cpus::assign(draft.problem, members, draft.prior)?;
    let pages = pages::choose(draft.problem, members);
    let mut macs = BTreeSet::new();
    let kept = kept_addresses(draft, members);
    let taken: BTreeSet<Ipv4Addr> = kept.values().copied().collect();
    let mut addresses = addresses(draft.spec).filter(|address| !taken.contains(address));
    let missing =
        |what, member: &Member| PlanError::Inconsistent { what, instance: member.name.to_string() };
    let mut found = Vec::new();
    for (index, member) in members.iter().enumerate() {
        let slot = member.slot;
        let site = draft.problem.hosts.get(slot.site).ok_or_else(|| missing("host", member))?;
        let room = site.numa.get(slot.room).ok_or_else(|| missing("NUMA node", member))?;
        let cpus = cpus.of(index).ok_or_else(|| missing("CPUs", member))?;
        let address = kept.get(&member.name).copied().or_else(|| addresses.next());
        if draft.spec.network.is_some() && address.is_none() {
            return Err(missing("address", member));
        }
        let domain = format!("{}-{}", draft.spec.name, member.name);
        let pool = site.pools.get(slot.pool).map(|(pool, _)| pool.name.as_str());
        let [root, data, seed] = volumes(draft.spec, &domain, pool, member);
        found.push(Instance {
            name: member.name.clone(),
            service: member.service.clone(),
            role: member.role,
            group: member.group,
            host: site.host.name.clone(),
            numa: room.node.id,
            cpus: cpus.own.clone(),
            threads: cpus.threads,
            emulator_cpus: cpus.emulator.clone(),
            memory_mib: member.size.memory_mib,
            page_kib: pages.get(&(slot.site, slot.room)).copied().unwrap_or(4),
            uuid: names::uuid(&draft.spec.name, &member.name),
            mac: names::mac(&draft.spec.name, &member.name, &mut macs),
            address,
            root,
            data,
            seed,
            // What they follow from is only whole with the plan.
            settings: Settings::new(),
            domain,
        });
    }
    Ok(found)
}

/// Addresses in ascending order, without the gateway's.
fn addresses(spec: &Spec) -> impl Iterator<Item = Ipv4Addr> {
    spec.network.iter().flat_map(|network| {
        let (first, last) = (u32::from(network.first), u32::from(network.last));
        let gateway = network.gateway;
        (first..=last).map(Ipv4Addr::from).filter(move |address| Some(*address) != gateway)
    })
}

/// The addresses of a prior plan that instances of the same name may keep.
fn kept_addresses(draft: &Draft, members: &[Member]) -> BTreeMap<InstanceName, Ipv4Addr> {
    let (Some(prior), Some(network)) = (draft.prior, &draft.spec.network) else {
        return BTreeMap::new();
    };
    let mut taken = BTreeSet::new();
    let kept = members.iter().filter_map(|member| {
        let address = prior.instance(&member.name)?.address?;
        let in_range = (network.first..=network.last).contains(&address);
        let is_good = in_range && network.gateway != Some(address) && taken.insert(address);
        is_good.then(|| (member.name.clone(), address))
    });
    kept.collect()
}

/// Root, data and seed; none for a machine without a disk or on a host whose pools
/// are not known.
fn volumes(spec: &Spec, domain: &str, pool: Option<&str>, member: &Member) -> [Option<Volume>; 3] {
    let image = spec.image.as_ref().map(|image| image.virtual_size_mib);
    let root = member.candidate.root_mib.or(image).unwrap_or(ROOT_WITHOUT_IMAGE);
    let data = member.size.data_mib;
    let bare = root == Mebibytes::ZERO && data == Mebibytes::ZERO;
    let Some(pool) = pool.filter(|_| !bare) else { return [None, None, None] };
    let volume = |suffix: &str, size_mib| {
        let (pool, name) = (pool.to_owned(), format!("{domain}-{suffix}"));
        (size_mib > Mebibytes::ZERO).then_some(Volume { pool, name, size_mib })
    };
    [volume("root.qcow2", root), volume("data.raw", data), volume("seed.img", SEED)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_split_evenly_and_the_first_groups_have_one_more() {
        let ends = |groups| {
            let all = slots(16384, groups);
            all.iter().map(|one| (one.first, one.last)).collect::<Vec<_>>()
        };
        assert_eq!(ends(3), [(0, 5461), (5462, 10922), (10923, 16383)]);
        for groups in [1, 4, 7, 500, 1000] {
            let all = ends(groups);
            assert_eq!(all.len(), usize::try_from(groups).unwrap());
            assert_eq!((all[0].0, all[all.len() - 1].1), (0, 16383));
            assert!(all.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
        }
    }
}

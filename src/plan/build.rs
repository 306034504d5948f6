//! Counts -> services with groups, and complete instances.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::cpus::Cpus;
use super::make::PlanError;
use super::place::{Slot, place};
use super::{Group, Instance, Role, ServicePlan, Volume, config, names, pages};
use crate::ids::{InstanceName, ServiceName};
use crate::model::{Problem, ROOT_WITHOUT_IMAGE, SEED};
use crate::profile::Profiles;
use crate::sizing::{self, Candidate};
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
}

/// An instance before it has CPUs and addresses.
pub(super) struct Member<'a> {
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
    pub candidate: &'a Candidate,
    /// What it is an instance of, if not a fixed machine.
    pub of: Option<&'a Service>,
}

/// Services and instances of a draft.
pub(super) fn parts(draft: &Draft) -> Result<(Vec<ServicePlan>, Vec<Instance>), PlanError> {
    let mut slots = place(draft.problem, draft.solution);
    let mut services = Vec::new();
    let mut members = Vec::new();
    for (part, service) in draft.spec.services.iter().enumerate() {
        let candidate = chosen(draft, part, &service.name)?;
        let own = slots.remove(&part).unwrap_or_default();
        services.push(service_plan(draft, service, candidate, own, &mut members)?);
    }
    let first = draft.spec.services.len();
    for (index, vm) in draft.spec.vms.iter().enumerate() {
        let candidate = chosen(draft, first + index, &vm.name)?;
        let own = slots.remove(&(first + index)).unwrap_or_default();
        for (ordinal, (slot, _)) in (0..).zip(own) {
            let name = InstanceName::of(&vm.name, ordinal)?;
            let role = Role::Fixed;
            let service = &vm.name;
            members.push(Member { name, service, role, group: None, slot, candidate, of: None });
        }
    }
    Ok((services, instances(draft, &members)?))
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
        .ok_or_else(|| PlanError::Inconsistent { what: "layout", instance: name.to_string() })
}

/// Groups in the order of the pairing; the master of group `i` has ordinal `i`,
/// the replicas follow after all masters.
fn service_plan<'a>(
    draft: &Draft<'a>,
    service: &'a Service,
    candidate: &'a Candidate,
    own: Vec<(Slot, Option<Slot>)>,
    members: &mut Vec<Member<'a>>,
) -> Result<ServicePlan, PlanError> {
    let count = candidate.layout.groups;
    let mut groups = Vec::new();
    let mut replicas = Vec::new();
    let profile = sizing::profile(service, draft.profiles);
    let slots = slots(profile.cluster.slots.whole(), count);
    for ((index, (master, replica)), (first_slot, last_slot)) in (0..).zip(own).zip(slots) {
        let member = |ordinal, role, slot| -> Result<Member<'a>, PlanError> {
            let name = InstanceName::of(&service.name, ordinal)?;
            let group = Some(index);
            let of = Some(service);
            Ok(Member { name, service: &service.name, role, group, slot, candidate, of })
        };
        let master = member(index, Role::Master, master)?;
        let replica = replica.map(|slot| member(count + index, Role::Replica, slot)).transpose()?;
        groups.push(Group {
            index,
            first_slot,
            last_slot,
            master: master.name.clone(),
            replicas: replica.iter().map(|replica| replica.name.clone()).collect(),
        });
        members.push(master);
        replicas.extend(replica);
    }
    members.extend(replicas);
    let capacity = candidate.capacity.clone().ok_or_else(|| PlanError::Inconsistent {
        what: "capacity",
        instance: service.name.to_string(),
    })?;
    Ok(ServicePlan {
        name: service.name.clone(),
        demand: service.demand.clone(),
        layout: candidate.layout.clone(),
        capacity,
        groups,
    })
}

/// First and last slot of each group: equal parts, the first groups one more.
fn slots(all: u64, groups: u32) -> impl Iterator<Item = (u16, u16)> {
    let groups = u64::from(groups.max(1));
    let (each, more) = (all / groups, all % groups);
    (0..groups).map_while(move |index| {
        let first = index * each + index.min(more);
        let last = first + each + u64::from(index < more);
        Some((u16::try_from(first).ok()?, u16::try_from(last.checked_sub(1)?).ok()?))
    })
}

fn instances(draft: &Draft, members: &[Member]) -> Result<Vec<Instance>, PlanError> {
    let cpus = Cpus::assign(draft.problem, members)?;
    let pages = pages::choose(draft.problem, members);
    let mut macs = BTreeSet::new();
    let mut addresses = addresses(draft.spec);
    let missing = |what, member: &Member| PlanError::Inconsistent {
        what,
        instance: member.name.to_string(),
    };
    let mut found = Vec::new();
    for (index, member) in members.iter().enumerate() {
        let slot = member.slot;
        let site = draft.problem.sites.get(slot.site).ok_or_else(|| missing("host", member))?;
        let room = site.rooms.get(slot.room).ok_or_else(|| missing("NUMA node", member))?;
        let cpus = cpus.of(index).ok_or_else(|| missing("CPUs", member))?;
        let address = addresses.next().ok_or_else(|| missing("address", member))?;
        let (pool, _) = site.pools.get(slot.pool).ok_or_else(|| missing("pool", member))?;
        let domain = format!("{}-{}", draft.spec.name, member.name);
        let [root, data, seed] = volumes(draft.spec, &domain, &pool.name, member.candidate);
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
            memory_mib: member.candidate.layout.memory_mib,
            page_kib: pages.get(&(slot.site, slot.room)).copied().unwrap_or(4),
            uuid: names::uuid(&draft.spec.name, &member.name),
            mac: names::mac(&draft.spec.name, &member.name, &mut macs),
            address,
            root,
            data: (data.size_mib > Mebibytes::ZERO).then_some(data),
            seed,
            config: member.of.map_or_else(BTreeMap::new, |service| {
                config::redis(draft, service, &member.candidate.layout, address)
            }),
            domain,
        });
    }
    Ok(found)
}

/// Addresses in ascending order, without the gateway's.
fn addresses(spec: &Spec) -> impl Iterator<Item = Ipv4Addr> {
    let (first, last) = (u32::from(spec.network.first), u32::from(spec.network.last));
    let gateway = spec.network.gateway;
    (first..=last).map(Ipv4Addr::from).filter(move |address| Some(*address) != gateway)
}

fn volumes(spec: &Spec, domain: &str, pool: &str, candidate: &Candidate) -> [Volume; 3] {
    let image = spec.image.as_ref().map(|image| image.virtual_size_mib);
    let root = candidate.root_mib.or(image).unwrap_or(ROOT_WITHOUT_IMAGE);
    let volume = |suffix: &str, size_mib| Volume {
        pool: pool.to_owned(),
        name: format!("{domain}-{suffix}"),
        size_mib,
    };
    [
        volume("root.qcow2", root),
        volume("data.raw", candidate.layout.data_mib),
        volume("seed.img", SEED),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_split_evenly_and_the_first_groups_have_one_more() {
        let three: Vec<_> = slots(16384, 3).collect();
        assert_eq!(three, [(0, 5461), (5462, 10922), (10923, 16383)]);
        for groups in [1, 4, 7, 500, 1000] {
            let all: Vec<_> = slots(16384, groups).collect();
            assert_eq!(all.len(), usize::try_from(groups).unwrap());
            assert_eq!((all[0].0, all[all.len() - 1].1), (0, 16383));
            assert!(all.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
        }
    }
}

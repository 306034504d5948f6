//! Placed -> named: instances with name, role, group and size, before they have CPUs
//! and addresses.
//!
//! The leader of group `i` has ordinal `i`; the followers come after all leaders, the
//! first of every group, then the second. Without groups the leaders come first, the
//! witness last. Against a prior plan see `keep`.

use super::build::{Draft, missing};
use super::keep;
use super::make::PlanError;
use super::place::{GroupPlacement, GroupedPlacements, Placed, Placement};
use super::slots;
use crate::ids::{InstanceName, ServiceName};
use crate::plan::{Group, Layout, Role, SlotRange, Witness};
use crate::profile::{Profiles, Rules};
use crate::spec::{FixedVm, Service};
use crate::units::Mebibytes;

/// An instance before it has CPUs and addresses.
pub(super) struct Member<'a> {
    /// Its number within the service.
    pub ordinal: u32,
    /// Its name.
    pub name: InstanceName,
    /// Its service or entry of fixed machines.
    pub service: &'a ServiceName,
    /// Its role.
    pub role: Role,
    /// Its group.
    pub group: Option<u32>,
    /// The group of a prior plan that its group was.
    pub prior_group: Option<u32>,
    /// Where it is placed.
    pub placement: Placement,
    /// Its size.
    pub size: Size,
}

/// Size of an instance.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub vcpus: u32,
    pub memory_mib: Mebibytes,
    pub data_mib: Mebibytes,
    /// Root disk, if it is not the image's size.
    pub root_mib: Option<Mebibytes>,
}

impl Size {
    const fn of(placed: &Placed) -> Self {
        let Layout { vcpus, memory_mib, data_mib, .. } = placed.candidate.layout;
        Self { vcpus, memory_mib, data_mib, root_mib: placed.candidate.root_mib }
    }

    /// Returns the witness's size where there is one.
    fn of_witness(placed: &Placed) -> Self {
        let all = Self::of(placed);
        let witness = placed.candidate.layout.witness.as_ref();
        witness.map_or(all, |one| {
            let Witness { vcpus, memory_mib, data_mib } = *one;
            Self { vcpus, memory_mib, data_mib, ..all }
        })
    }
}

/// The members of a service, by ordinal.
pub(super) struct Named<'a> {
    /// Every instance.
    pub members: Vec<Member<'a>>,
    /// The slots of a prior plan that each of their groups had.
    pub had: Vec<Vec<SlotRange>>,
}

/// Names the instances of a service.
pub(super) fn service<'a>(
    draft: &Draft<'a>,
    service: &'a Service,
    placed: Placed,
) -> Result<Named<'a>, PlanError> {
    let cluster = service.engine.cluster();
    let (size, witness_size) = (Size::of(&placed), Size::of_witness(&placed));
    let (leader, follower) = (Role::lead(cluster), Role::follower(cluster));
    let mut seeds: Vec<Seed> = Vec::new();
    let (mut had, mut prior_groups) = (Vec::new(), Vec::new());
    match placed.placements {
        GroupedPlacements::Groups(placements) => {
            let prior = draft.prior.and_then(|prior| prior.service(&service.name));
            let ordered = keep::ordered(draft.problem, draft.prior, prior, placements);
            let count = u32::try_from(ordered.len()).unwrap_or(u32::MAX);
            for (group, (was, placement)) in (0..).zip(ordered) {
                let GroupPlacement { leader: first, followers } = placement;
                seeds.push((group, leader, Some(group), first, size));
                seeds.extend((1..).zip(followers).map(|(turn, placement)| {
                    let ordinal = count.saturating_mul(turn).saturating_add(group);
                    (ordinal, follower, Some(group), placement, size)
                }));
                had.push(was.map(|group| group.slots.clone()).unwrap_or_default());
                prior_groups.push(was.map(|group| group.index));
            }
            seeds.sort_by_key(|(ordinal, ..)| *ordinal);
        }
        GroupedPlacements::Each { placements, leaders, witness } => {
            let all = placements.into_iter().enumerate().map(|(at, placement)| {
                (if at < leaders { leader } else { follower }, placement, size)
            });
            let last = witness.map(|placement| (Role::Witness, placement, witness_size));
            seeds.extend(
                (0..).zip(all.chain(last)).map(|(ordinal, (role, placement, size))| {
                    (ordinal, role, None, placement, size)
                }),
            );
        }
    }
    let members = named(draft, &service.name, seeds, &prior_groups)?;
    Ok(Named { members, had })
}

/// Names the fixed machines of an entry.
pub(super) fn fixed<'a>(
    draft: &Draft<'a>,
    vm: &'a FixedVm,
    placed: Placed,
) -> Result<Vec<Member<'a>>, PlanError> {
    let size = Size::of(&placed);
    let GroupedPlacements::Each { placements, .. } = placed.placements else {
        return Err(missing("placement", &vm.name));
    };
    let seeds = (0..).zip(placements);
    let seeds = seeds.map(|(ordinal, placement)| (ordinal, Role::Fixed, None, placement, size));
    named(draft, &vm.name, seeds.collect(), &[])
}

/// Ordinal, role, group, placement and size of a member.
type Seed = (u32, Role, Option<u32>, Placement, Size);

fn named<'a>(
    draft: &Draft<'a>,
    service: &'a ServiceName,
    seeds: Vec<Seed>,
    prior_groups: &[Option<u32>],
) -> Result<Vec<Member<'a>>, PlanError> {
    let was = |group: Option<u32>| *prior_groups.get(usize::try_from(group?).ok()?)?;
    let member = |(ordinal, role, group, placement, size)| {
        let name = InstanceName::of(service, ordinal)?;
        let prior_group = was(group);
        Ok(Member { ordinal, name, service, role, group, prior_group, placement, size })
    };
    let mut members = seeds.into_iter().map(member).collect::<Result<Vec<_>, PlanError>>()?;
    if let Some(prior) = draft.prior {
        keep::names(draft.problem, prior, service, &mut members)?;
    }
    Ok(members)
}

impl Named<'_> {
    /// Returns the groups that the members form, with their hash slots.
    pub(super) fn groups(
        &self,
        profiles: &Profiles,
        service: &Service,
    ) -> Result<Vec<Group>, PlanError> {
        let all = match profiles.of(service.engine).map(|profile| &profile.rules) {
            Some(Rules::Sharded(rules)) => rules.cluster.slots.whole(),
            _ => 0,
        };
        let slots = slots::divided(u16::try_from(all).unwrap_or(u16::MAX), &self.had);
        let leader = Role::lead(service.engine.cluster());
        let group = |(index, slots): (u32, Vec<SlotRange>)| {
            let own = self.members.iter().filter(|member| member.group == Some(index));
            let (leaders, replicas): (Vec<&Member>, Vec<&Member>) =
                own.partition(|member| member.role == leader);
            let lead = leaders.first().ok_or_else(|| missing("leader", &service.name))?;
            let replicas = replicas.into_iter().map(|member| member.name.clone()).collect();
            Ok(Group { index, slots, lead: lead.name.clone(), replicas })
        };
        (0..).zip(slots).map(group).collect()
    }
}

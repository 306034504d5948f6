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
    /// How many groups they form.
    pub groups: u32,
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
    let groups =
        match placed.placements {
            GroupedPlacements::Groups(mut placements) => {
                if let Some(prior) = draft.prior {
                    placements = keep::ordered(draft.problem, prior, &service.name, placements);
                }
                let count = u32::try_from(placements.len()).unwrap_or(u32::MAX);
                for (group, GroupPlacement { leader: first, followers }) in (0..).zip(placements) {
                    seeds.push((group, leader, Some(group), first, size));
                    seeds.extend((1..).zip(followers).map(|(turn, placement)| {
                        let ordinal = count.saturating_mul(turn).saturating_add(group);
                        (ordinal, follower, Some(group), placement, size)
                    }));
                }
                seeds.sort_by_key(|(ordinal, ..)| *ordinal);
                count
            }
            GroupedPlacements::Each { placements, leaders, witness } => {
                let all = placements.into_iter().enumerate().map(|(at, placement)| {
                    (if at < leaders { leader } else { follower }, placement, size)
                });
                let last = witness.map(|placement| (Role::Witness, placement, witness_size));
                seeds.extend((0..).zip(all.chain(last)).map(
                    |(ordinal, (role, placement, size))| (ordinal, role, None, placement, size),
                ));
                0
            }
        };
    Ok(Named { members: named(draft, &service.name, seeds)?, groups })
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
    named(draft, &vm.name, seeds.collect())
}

/// Ordinal, role, group, placement and size of a member.
type Seed = (u32, Role, Option<u32>, Placement, Size);

fn named<'a>(
    draft: &Draft<'a>,
    service: &'a ServiceName,
    seeds: Vec<Seed>,
) -> Result<Vec<Member<'a>>, PlanError> {
    let member = |(ordinal, role, group, placement, size)| {
        let name = InstanceName::of(service, ordinal)?;
        Ok(Member { ordinal, name, service, role, group, placement, size })
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
        let mut ranges = match profiles.of(service.engine).map(|profile| &profile.rules) {
            Some(Rules::Sharded(rules)) => slots(rules.cluster.slots.whole(), self.groups),
            _ => Vec::new(),
        }
        .into_iter();
        let leader = Role::lead(service.engine.cluster());
        let group = |index: u32| {
            let own = self.members.iter().filter(|member| member.group == Some(index));
            let (leaders, replicas): (Vec<&Member>, Vec<&Member>) =
                own.partition(|member| member.role == leader);
            let lead = leaders.first().ok_or_else(|| missing("leader", &service.name))?;
            let replicas = replicas.into_iter().map(|member| member.name.clone()).collect();
            Ok(Group {
                index,
                slots: ranges.next().into_iter().collect(),
                lead: lead.name.clone(),
                replicas,
            })
        };
        (0..self.groups).map(group).collect()
    }
}

/// Returns the first and last slot of each group: equal parts, the first groups one more.
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

//! The virtual CPUs an instance may have with the ways it may stand, and which of
//! the layouts that follow are worth weighing.

use std::collections::BTreeMap;

use super::{Candidate, CpuPlacement, SizingInput, offered};

/// An instance's virtual CPUs and how it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CpuOption {
    pub vcpus: u32,
    pub placement: CpuPlacement,
}

/// All of them, fewest virtual CPUs and best placements first.
pub(super) fn all<'a>(input: &'a SizingInput<'a>) -> impl Iterator<Item = CpuOption> + 'a {
    input.profile.shapes.vcpus.iter().flat_map(|vcpus| {
        let placements = input.placements(*vcpus).into_iter();
        placements.map(|placement| CpuOption { vcpus: *vcpus, placement })
    })
}

/// The hosts that each way to stand is offered on.
pub(super) struct Places(BTreeMap<CpuOption, Vec<bool>>);

impl Places {
    /// Those of some candidates.
    pub(super) fn of(input: &SizingInput<'_>, all: &[Candidate]) -> Self {
        let mut places: BTreeMap<CpuOption, Vec<bool>> = BTreeMap::new();
        for option in all.iter().filter_map(option_of) {
            places.entry(option).or_insert_with(|| {
                let hosts = input.context.topology.hosts.iter();
                hosts
                    .map(|host| offered(host, option.vcpus).is_as_good_as(option.placement))
                    .collect()
            });
        }
        Self(places)
    }

    /// Whether `one` can stand wherever `other` can.
    pub(super) fn cover(&self, one: &Candidate, other: &Candidate) -> bool {
        let of = |candidate| option_of(candidate).and_then(|option| self.0.get(&option));
        let (Some(one), Some(other)) = (of(one), of(other)) else { return false };
        one.iter().zip(other).all(|(one, other)| *one || !*other)
    }
}

/// The candidates of which no other one does the same with less: with no larger and
/// no more instances, of which no fewer may share a failure domain, and which can
/// stand wherever its own can.
pub(super) fn undominated(input: &SizingInput<'_>, all: Vec<Candidate>) -> Vec<Candidate> {
    let places = Places::of(input, &all);
    let mut kept: Vec<bool> = vec![true; all.len()];
    for (at, one) in all.iter().enumerate() {
        let beaten = all.iter().zip(&kept).enumerate().any(|(by, (other, is_kept))| {
            by != at && *is_kept && needs_no_more(other, one) && places.cover(other, one)
        });
        if let Some(keep) = kept.get_mut(at) {
            *keep = !beaten;
        }
    }
    all.into_iter().zip(kept).filter(|(_, keep)| *keep).map(|(one, _)| one).collect()
}

fn option_of(candidate: &Candidate) -> Option<CpuOption> {
    let placement = candidate.capacity.as_ref()?.placement;
    Some(CpuOption { vcpus: candidate.layout.vcpus, placement })
}

/// Whether `one` takes no more of anything than `other`.
fn needs_no_more(one: &Candidate, other: &Candidate) -> bool {
    let (small, large) = (&one.layout, &other.layout);
    (small.groups, small.copies, &small.witness) == (large.groups, large.copies, &large.witness)
        && small.instances <= large.instances
        && small.vcpus <= large.vcpus
        && small.memory_mib <= large.memory_mib
        && small.data_mib <= large.data_mib
        && one.network <= other.network
        && one.iops <= other.iops
        && one.max_per_domain >= other.max_per_domain
        && one.leaders == other.leaders
        && one.unmet_per_s <= other.unmet_per_s
}

//! Drops candidates of which another does the same with less.

use std::collections::BTreeMap;

use super::{Candidate, CpuPlacement, SizingInput, offered};

/// The hosts that offer each count of virtual CPUs with each placement.
pub(super) struct Coverage(BTreeMap<(u32, CpuPlacement), Vec<bool>>);

impl Coverage {
    /// Returns the coverage of some candidates.
    pub(super) fn of(input: &SizingInput<'_>, all: &[Candidate]) -> Self {
        let mut hosts: BTreeMap<(u32, CpuPlacement), Vec<bool>> = BTreeMap::new();
        for (vcpus, placement) in all.iter().filter_map(Candidate::cpus) {
            hosts.entry((vcpus, placement)).or_insert_with(|| {
                let hosts = input.context.topology.hosts.iter();
                hosts.map(|host| offered(host, vcpus).is_as_good_as(placement)).collect()
            });
        }
        Self(hosts)
    }

    /// Whether the instances of `one` can be placed wherever those of `other` can.
    pub(super) fn covers(&self, one: &Candidate, other: &Candidate) -> bool {
        let of = |candidate: &Candidate| candidate.cpus().and_then(|cpus| self.0.get(&cpus));
        let (Some(one), Some(other)) = (of(one), of(other)) else { return false };
        one.iter().zip(other).all(|(one, other)| *one || !*other)
    }
}

/// Keeps the candidates of which no other one does the same with less: with no larger
/// and no more instances, of which no fewer may share a failure domain, and which can
/// be placed wherever its own can.
pub(super) fn undominated(input: &SizingInput<'_>, all: Vec<Candidate>) -> Vec<Candidate> {
    let coverage = Coverage::of(input, &all);
    let mut kept: Vec<bool> = vec![true; all.len()];
    for (at, one) in all.iter().enumerate() {
        let beaten = all.iter().zip(&kept).enumerate().any(|(by, (other, is_kept))| {
            by != at && *is_kept && needs_no_more(other, one) && coverage.covers(other, one)
        });
        if let Some(keep) = kept.get_mut(at) {
            *keep = !beaten;
        }
    }
    all.into_iter().zip(kept).filter(|(_, keep)| *keep).map(|(one, _)| one).collect()
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

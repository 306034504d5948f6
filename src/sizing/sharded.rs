//! Layouts of a sharded engine: equal groups that share slots, load and data.
//!
//! For each count of virtual CPUs the fewest groups that serve the demand are
//! the largest of what throughput, data per process and the quorum ask for.
//! More groups never serve better, but their instances are smaller and may fit
//! where larger ones do not. So, per count of virtual CPUs, the candidates are
//!
//! - every number of groups from the fewest up to [`EXACT`] more, then in steps
//!   of an eighth, always two neighbours at a time: with an even number, the
//!   rule that no failure domain holds half of the masters is harder;
//! - of those whose instances are equal in every size only the two with the
//!   fewest groups: the others use more of everything.
//!
//! Assumptions: keys spread evenly over the slots, and load over the keys; so
//! the group with the most slots has the most of both, and sets the size. The
//! enumeration is exact up to [`EXACT`] groups beyond the fewest, and as good as
//! its steps from there on, of which at most [`MOST`] are taken.

use std::collections::{BTreeMap, BTreeSet};

use super::parts::{Parts, proportion};
use super::{Candidate, Ceiling, copies, memory, threads, throughput};
use crate::plan::{Binding, Capacity, Layout};
use crate::profile::{Profile, ceil, real};
use crate::spec::{Policy, RedisDemand};
use crate::topology::{NumaNode, Topology};
use crate::units::{BitsPerSecond, Mebibytes, PerSecond};

/// Groups beyond the fewest up to which every number is a candidate.
const EXACT: u64 = 6;

/// Most candidates per count of virtual CPUs.
const MOST: usize = 16;

/// Shares of the demand that partial layouts serve, in percent.
const SHARES: [u64; 23] =
    [95, 90, 85, 80, 75, 70, 65, 60, 55, 50, 45, 40, 35, 30, 25, 20, 15, 10, 7, 5, 3, 2, 1];

/// The layouts of one service.
#[derive(Clone, Copy, Debug)]
pub struct Range<'a> {
    demand: &'a RedisDemand,
    profile: &'a Profile,
    copies: u32,
    threads: u32,
    /// Instances that could stand on the hosts if each took one core.
    room: u64,
}

impl<'a> Range<'a> {
    /// The layouts for that demand on those hosts.
    #[must_use]
    pub fn new(
        demand: &'a RedisDemand,
        profile: &'a Profile,
        policy: Policy,
        topology: &Topology,
    ) -> Self {
        let nodes = topology.hosts.iter().flat_map(|host| &host.numa);
        let room = nodes.map(NumaNode::allocatable_cores).map(u64::from).sum();
        Self { demand, profile, copies: copies(policy), threads: threads(topology), room }
    }

    /// Those that serve the whole demand, fewest virtual CPUs, then groups first.
    #[must_use]
    pub fn whole(&self) -> Vec<Candidate> {
        self.profile.shapes.vcpus.iter().flat_map(|vcpus| self.with_vcpus(*vcpus)).collect()
    }

    /// Those that serve a share of the demand, load and data alike, from the
    /// largest share of `SHARES` to the smallest.
    #[must_use]
    pub fn partial(&self) -> Vec<Candidate> {
        let whole = self.work();
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for share in SHARES {
            let demand = share_of(self.demand, share);
            let range = Range { demand: &demand, ..*self };
            for mut candidate in range.few() {
                if seen.insert(candidate.layout.clone()) {
                    let served = PerSecond::new(proportion(whole.get(), share, 100));
                    candidate.unmet_per_s = whole.saturating_sub(served);
                    if let Some(capacity) = &mut candidate.capacity {
                        capacity.demand_per_s = whole;
                    }
                    found.push(candidate);
                }
            }
        }
        found
    }

    /// Per count of virtual CPUs the two smallest splits and the largest.
    fn few(&self) -> Vec<Candidate> {
        let mut found = Vec::new();
        for vcpus in &self.profile.shapes.vcpus {
            let all = self.with_vcpus(*vcpus);
            let last = all.len().saturating_sub(1);
            let ends = all.into_iter().enumerate().filter(|(at, _)| *at < 2 || *at >= last);
            found.extend(ends.map(|(_, candidate)| candidate));
        }
        found
    }

    /// The smallest splits that would serve the demand if the engine set no limit
    /// to the processes of a cluster: for saying by how much the hosts fall short.
    #[must_use]
    pub fn beyond(&self) -> Vec<Candidate> {
        let vcpus = self.profile.shapes.vcpus.iter();
        vcpus.map(|vcpus| self.candidate(*vcpus, self.fewest(*vcpus).0)).collect()
    }

    /// Instances that the smallest sufficient layout would have, and the most
    /// that a cluster may have.
    #[must_use]
    pub fn processes(&self) -> (u64, u64) {
        let fewest = self.profile.shapes.vcpus.iter().map(|vcpus| self.fewest(*vcpus).0).min();
        let groups = fewest.unwrap_or(u64::MAX);
        (groups.saturating_mul(self.copies.into()), self.profile.cluster.processes_max.whole())
    }

    fn most_groups(&self) -> u64 {
        self.profile.cluster.processes_max.whole() / u64::from(self.copies)
    }

    /// The fewest groups that serve the demand, and the limit that sets them.
    fn fewest(&self, vcpus: u32) -> (u64, Binding) {
        let usable = self.ceiling(vcpus).usable.get();
        let work = self.work().get();
        let load = self.parts().groups_for(work, usable);
        let per_process = self.profile.memory.data_per_process_mib.whole();
        let data = self.parts().groups_for(self.demand.data_mib.get(), per_process);
        let quorum = self.profile.cluster.masters_min.whole();
        if quorum >= load && quorum >= data {
            (quorum, Binding::Quorum)
        } else if load >= data {
            (load, Binding::Throughput)
        } else {
            (data, Binding::DataPerProcess)
        }
    }

    fn parts(&self) -> Parts {
        Parts { slots: self.profile.cluster.slots.whole(), most_groups: self.most_groups() }
    }

    fn with_vcpus(&self, vcpus: u32) -> Vec<Candidate> {
        let (fewest, _) = self.fewest(vcpus);
        // Beyond what could stand on the hosts only the fewest are kept, so that
        // the model can say by how much the hosts fall short.
        let room = (self.room / u64::from(self.copies)).max(fewest.saturating_add(1));
        let last = room.min(self.most_groups());
        let mut of_size: BTreeMap<Layout, u32> = BTreeMap::new();
        let mut found = Vec::new();
        for groups in steps(fewest, last) {
            let candidate = self.candidate(vcpus, groups);
            let size = Layout { groups: 0, ..candidate.layout.clone() };
            let seen = of_size.entry(size).or_default();
            *seen += 1;
            if *seen <= 2 {
                found.push(candidate);
            }
            if found.len() >= MOST {
                break;
            }
        }
        found
    }

    fn candidate(&self, vcpus: u32, groups: u64) -> Candidate {
        let RedisDemand { persistence, value_bytes, data_mib, .. } = *self.demand;
        let data = Mebibytes::new(self.parts().largest(data_mib.get(), groups));
        let (_, binding) = self.fewest(vcpus);
        let ceiling = self.ceiling(vcpus);
        let work = self.work();
        let total = ceiling.usable.get().saturating_mul(groups);
        let operations = self.parts().largest(work.get(), groups).min(ceiling.usable.get());
        let bytes = real(value_bytes.get()) + self.profile.network.overhead_bytes.default;
        Candidate {
            layout: Layout {
                groups: u32::try_from(groups).unwrap_or(u32::MAX),
                copies: self.copies,
                vcpus,
                memory_mib: memory::memory(self.profile, data, self.copies, persistence),
                data_mib: memory::volume(self.profile, data, persistence),
            },
            capacity: Some(Capacity {
                ceiling_per_s: ceiling.ceiling,
                usable_per_s: ceiling.usable,
                total_per_s: PerSecond::new(total),
                demand_per_s: work,
                binding,
                extrapolated: ceiling.extrapolated,
            }),
            unmet_per_s: PerSecond::ZERO,
            network: BitsPerSecond::new(ceil(real(operations) * bytes * 8.0)),
            root_mib: None,
        }
    }

    fn ceiling(&self, vcpus: u32) -> Ceiling {
        Ceiling::of(self.profile, vcpus, self.threads, self.demand.value_bytes)
    }

    fn work(&self) -> PerSecond {
        throughput::work(self.demand, self.profile, self.copies)
    }
}

/// That many percent of a demand, rounded up.
fn share_of(demand: &RedisDemand, percent: u64) -> RedisDemand {
    let part = |whole: u64| whole.saturating_sub(proportion(whole, 100 - percent.min(100), 100));
    RedisDemand {
        reads_per_s: PerSecond::new(part(demand.reads_per_s.get())),
        writes_per_s: PerSecond::new(part(demand.writes_per_s.get())),
        data_mib: Mebibytes::new(part(demand.data_mib.get())),
        ..*demand
    }
}

/// Numbers of groups from `first` to `last`: see the module's doc.
fn steps(first: u64, last: u64) -> impl Iterator<Item = u64> {
    let dense = first..=last.min(first.saturating_add(EXACT));
    let mut sparse = Vec::new();
    let mut next = first.saturating_add(EXACT).saturating_add(1);
    while next <= last {
        sparse.push(next);
        if next < last {
            sparse.push(next + 1);
        }
        next = next.saturating_add((next / 8).max(2));
    }
    dense.chain(sparse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profiles;
    use crate::spec::Persistence;
    use crate::topology::Level;
    use crate::units::Bytes;

    fn found(reads: u64, data_gib: u64) -> Vec<Candidate> {
        let profile = Profiles::builtin().unwrap().redis;
        let demand = RedisDemand {
            reads_per_s: PerSecond::new(reads),
            writes_per_s: PerSecond::new(1000),
            value_bytes: Bytes::new(512),
            data_mib: Mebibytes::from_gib(data_gib),
            persistence: Persistence::Aof,
        };
        let policy = Policy { survive: Some(Level::Host) };
        let range =
            Range { room: 400, ..Range::new(&demand, &profile, policy, &Topology::default()) };
        range.whole()
    }

    #[test]
    fn what_binds_is_named() {
        let binding = |reads, data| found(reads, data)[0].capacity.clone().unwrap().binding;
        assert_eq!(binding(3_000, 1), Binding::Quorum);
        assert_eq!(binding(900_000, 1), Binding::Throughput);
        assert_eq!(binding(3_000, 400), Binding::DataPerProcess);
    }

    #[test]
    fn every_candidate_serves_the_demand_and_none_is_dominated() {
        let all = found(900_000, 96);
        for one in &all {
            let capacity = one.capacity.clone().unwrap();
            assert!(capacity.total_per_s >= capacity.demand_per_s);
            assert_eq!(one.unmet_per_s, PerSecond::ZERO);
            let same = all.iter().filter(|other| {
                Layout { groups: 0, ..other.layout.clone() }
                    == Layout { groups: 0, ..one.layout.clone() }
            });
            assert!(same.count() <= 2);
        }
    }

    #[test]
    fn a_share_of_the_demand_needs_less_and_leaves_the_rest() {
        let profile = Profiles::builtin().unwrap().redis;
        let demand = RedisDemand {
            reads_per_s: PerSecond::new(900_000),
            writes_per_s: PerSecond::ZERO,
            value_bytes: Bytes::new(512),
            data_mib: Mebibytes::from_gib(96),
            persistence: Persistence::None,
        };
        let range = Range {
            room: 400,
            ..Range::new(&demand, &profile, Policy { survive: None }, &Topology::default())
        };
        let all = range.partial();
        let shares: BTreeSet<u64> = all.iter().map(|one| one.unmet_per_s.get() / 9_000).collect();
        assert_eq!(shares.first(), Some(&5), "95 % is the largest share");
        for one in all {
            let served = 900_000 - one.unmet_per_s.get();
            let total = one.capacity.unwrap().total_per_s.get();
            assert!(served > 0 && served <= total, "{served} of {total}");
            let held = u64::from(one.layout.groups) * one.layout.memory_mib.get();
            assert!(held >= 96 * 1024 * served / 900_000);
        }
    }

    #[test]
    fn steps_come_in_neighbours() {
        assert_eq!(steps(3, 14).collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
        assert_eq!(steps(5, 4).count(), 0);
    }
}

//! The candidates of a sharded engine; see the folder's documentation.

use std::collections::BTreeMap;

use super::memory::Sizes;
use super::parts::Parts;
use super::work::{value_cost, work};
use crate::plan::{Binding, Capacity, Layout};
use crate::profile::{Profile, Sharded, ceil, real};
use crate::sizing::cpu_option::{self, CpuOption};
use crate::sizing::input::Layouts;
use crate::sizing::{Candidate, EngineLimit, LimitedResource, SizingInput};
use crate::spec::{Persistence, ShardedDemand};
use crate::units::{BitsPerSecond, Mebibytes, PerSecond};

/// Groups beyond the fewest up to which every number is a candidate.
const EXACT: u64 = 6;

/// Most candidates per count of virtual CPUs.
const MOST: usize = 16;

/// The layouts of one service.
#[derive(Clone, Copy, Debug)]
pub(in crate::sizing) struct ShardedLayouts<'a> {
    demand: &'a ShardedDemand,
    rules: &'a Sharded,
    profile: &'a Profile,
    input: &'a SizingInput<'a>,
    copies: u32,
    /// Cores of all hosts: no more instances than these can be placed.
    room: u64,
}

impl<'a> ShardedLayouts<'a> {
    /// Returns the layouts for that demand.
    pub(in crate::sizing) fn new(
        demand: &'a ShardedDemand,
        rules: &'a Sharded,
        input: &'a SizingInput,
    ) -> Self {
        let copies = demand.copies_with(if input.context.policy.survives() { 2 } else { 1 });
        Self {
            demand,
            rules,
            profile: input.profile,
            input,
            copies,
            room: input.allocatable_cores(),
        }
    }

    fn options(&self) -> impl Iterator<Item = CpuOption> {
        let (cost, is_extrapolated) = value_cost(self.rules, self.demand.value_bytes);
        cpu_option::options(self.input, move |_, _| cost).map(move |mut option| {
            option.ceiling.extrapolated |= is_extrapolated;
            option
        })
    }

    fn most_groups(&self) -> u64 {
        self.rules.cluster.processes_max.whole() / u64::from(self.copies)
    }

    /// Returns the fewest groups that serve the demand, and the limit that sets them.
    fn fewest(&self, option: CpuOption) -> (u64, Binding) {
        let usable = option.ceiling.usable.get();
        let work = self.work().get();
        let load = self.parts().groups_for(work, usable);
        let per_process = self.rules.memory.data_per_process_mib.whole();
        let data = self.parts().groups_for(self.demand.data_mib.get(), per_process);
        let quorum = self.rules.cluster.masters_min.whole();
        if quorum >= load && quorum >= data {
            (quorum, Binding::Quorum)
        } else if load >= data {
            (load, Binding::Throughput)
        } else {
            (data, Binding::DataPerProcess)
        }
    }

    fn parts(&self) -> Parts {
        Parts { slots: self.rules.cluster.slots.whole(), most_groups: self.most_groups() }
    }

    /// Returns the candidates of one option, fewest groups first.
    fn candidates(&self, option: CpuOption) -> Vec<Candidate> {
        let (fewest, _) = self.fewest(option);
        // Beyond what the hosts could take only the fewest are kept, so that the model
        // can say by how much the hosts fall short.
        let room = (self.room / u64::from(self.copies)).max(fewest.saturating_add(1));
        let last = room.min(self.most_groups());
        let mut of_size: BTreeMap<Layout, u32> = BTreeMap::new();
        let mut found = Vec::new();
        for groups in steps(fewest, last) {
            let candidate = self.candidate(option, groups);
            let size = Layout { groups: 0, instances: 0, ..candidate.layout.clone() };
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

    fn candidate(&self, option: CpuOption, groups: u64) -> Candidate {
        let ShardedDemand { persistence, value_bytes, data_mib, writes_per_s, .. } = *self.demand;
        let data = Mebibytes::new(self.parts().largest(data_mib.get(), groups));
        let (_, binding) = self.fewest(option);
        let ceiling = option.ceiling;
        let work = self.work();
        let total = ceiling.usable.get().saturating_mul(groups);
        let operations = self.parts().largest(work.get(), groups).min(ceiling.usable.get());
        let bytes = real(value_bytes.get()) + self.rules.network.overhead_bytes.default;
        let (rules, profile, copies) = (self.rules, self.profile, self.copies);
        let sizes = Sizes { profile, rules, copies, persistence };
        let groups_u32 = u32::try_from(groups).unwrap_or(u32::MAX);
        let writes = real(self.parts().largest(writes_per_s.get(), groups));
        let iops = match persistence {
            Persistence::Aof => PerSecond::new(ceil(writes * rules.disk.iops_aof.default)),
            Persistence::None | Persistence::Rdb => PerSecond::ZERO,
        };
        Candidate {
            layout: Layout {
                groups: groups_u32,
                copies,
                instances: groups_u32.saturating_mul(copies),
                vcpus: option.vcpus,
                memory_mib: sizes.memory(data),
                data_mib: sizes.volume(data),
                witness: None,
            },
            capacity: Some(Capacity {
                unit: profile.unit.clone(),
                ceiling_per_s: ceiling.ceiling,
                usable_per_s: ceiling.usable,
                total_per_s: PerSecond::new(total),
                demand_per_s: work,
                iops_per_s: iops,
                binding,
                placement: option.placement,
                extrapolated: ceiling.extrapolated,
            }),
            unmet_per_s: PerSecond::ZERO,
            network: BitsPerSecond::new(ceil(real(operations) * bytes * 8.0)),
            iops,
            root_mib: None,
            max_per_domain: self.input.context.policy.survives().then_some(groups_u32),
            leaders: groups_u32,
        }
    }

    fn work(&self) -> PerSecond {
        work(self.demand, self.rules, self.copies)
    }
}

impl Layouts for ShardedLayouts<'_> {
    /// Fewest virtual CPUs, then groups first.
    fn full(&self) -> Vec<Candidate> {
        self.options().flat_map(|option| self.candidates(option)).collect()
    }

    /// As if there were no limit to the processes of a cluster.
    fn unconstrained(&self) -> Vec<Candidate> {
        self.options().map(|option| self.candidate(option, self.fewest(option).0)).collect()
    }

    /// More processes than a cluster should have.
    fn exceeded_limit(&self) -> Option<EngineLimit> {
        let fewest = self.options().map(|option| self.fewest(option).0).min().unwrap_or(u64::MAX);
        let needed = fewest.saturating_mul(self.copies.into());
        let available = self.rules.cluster.processes_max.whole();
        let limited = LimitedResource::ClusterProcesses;
        (needed > available).then_some(EngineLimit { limited, needed, available })
    }
}

/// Returns numbers of groups from `first` to `last`: every one at first, then in steps
/// of an eighth.
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
    use crate::ids::ServiceName;
    use crate::plan::L3Use;
    use crate::profile::Profiles;
    use crate::sizing::SizingContext;
    use crate::spec::{Access, Demand, Engine, Persistence, Policy, Service};
    use crate::topology::{
        Core, Host, L3Domain, Level, Migration, NumaNode, Topology, Virtualization,
    };
    use crate::units::Bytes;

    fn hosts() -> Topology {
        let cores = (0..200).map(|cpu| Core { cpus: vec![cpu] }).collect();
        let numa = NumaNode {
            id: 0,
            l3: vec![L3Domain { size_kib: None, cores }],
            memory_mib: Mebibytes::from_gib(1024),
            reserved_memory_mib: Mebibytes::ZERO,
            reserved_cores: 0,
            pages: Vec::new(),
        };
        let host = |name: &str| Host {
            name: crate::ids::HostName::new(name).unwrap(),
            uri: None,
            hypervisor: Virtualization::Kvm,
            labels: BTreeMap::new(),
            numa: vec![numa.clone()],
            pools: Vec::new(),
            bridges: Vec::new(),
            network_bits_per_s: None,
            cost: 1,
            fence: None,
            migration: Migration::default(),
            architecture: Default::default(),
            assumed: Default::default(),
        };
        Topology::new(vec![host("a"), host("b")])
    }

    fn with<T>(policy: &Policy, reads: u64, data_gib: u64, f: impl FnOnce(&SizingInput) -> T) -> T {
        let profiles = Profiles::builtin().unwrap();
        let demand = ShardedDemand {
            reads_per_s: PerSecond::new(reads),
            writes_per_s: PerSecond::new(1000),
            value_bytes: Bytes::new(512),
            data_mib: Mebibytes::from_gib(data_gib),
            persistence: Persistence::Aof,
            copies: None,
        };
        let service = Service {
            name: ServiceName::new("cache").unwrap(),
            engine: Engine::Redis,
            demand: Demand::Sharded(demand),
            gateway: None,
            access: Access::default(),
            serve: None,
            prefer: Vec::new(),
        };
        let topology = hosts();
        let context = SizingContext::new(policy, &topology);
        f(&SizingInput::new(&service, &profiles, &context).unwrap())
    }

    fn found(reads: u64, data_gib: u64) -> Vec<Candidate> {
        with(&Policy::surviving(Level::Host), reads, data_gib, |input| input.full())
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
        let size = |layout: &Layout| Layout { groups: 0, instances: 0, ..layout.clone() };
        for one in &all {
            let capacity = one.capacity.clone().unwrap();
            assert!(capacity.total_per_s >= capacity.demand_per_s);
            assert_eq!(capacity.placement.l3, L3Use::Shared);
            assert_eq!(one.unmet_per_s, PerSecond::ZERO);
            let same = all.iter().filter(|other| size(&other.layout) == size(&one.layout));
            assert!(same.count() <= 2);
        }
    }

    #[test]
    fn a_share_of_the_demand_needs_less_and_leaves_the_rest() {
        let all = with(&Policy::nothing(), 900_000, 96, |input| input.partial());
        for one in all {
            let capacity = one.capacity.unwrap();
            let (whole, total) = (capacity.demand_per_s.get(), capacity.total_per_s.get());
            let served = whole - one.unmet_per_s.get();
            assert!(served > 0 && served <= total && served < whole, "{served} of {total}");
            let held = u64::from(one.layout.groups) * one.layout.memory_mib.get();
            assert!(held >= 96 * 1024 * served / whole);
        }
    }

    #[test]
    fn steps_come_in_neighbours() {
        assert_eq!(steps(3, 14).collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
        assert_eq!(steps(5, 4).count(), 0);
    }
}

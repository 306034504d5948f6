//! The candidates of a search engine; see the folder's documentation.

use super::memory::Sizes;
use super::shards::{Shards, Sharing, carried};
use super::work::{Load, Part};
use crate::plan::{Binding, Capacity, Layout};
use crate::profile::Quorum;
use crate::sizing::cpu_option::{self, CpuOption};
use crate::sizing::dominance::undominated;
use crate::sizing::input::Layouts;
use crate::sizing::spread::{self, Spread};
use crate::sizing::{Candidate, EngineLimit, LimitedResource, SizingInput, cores_on};
use crate::spec::{self, SearchDemand};
use crate::units::{Mebibytes, PerSecond};

/// Most candidates per count of virtual CPUs.
const MOST: usize = 16;

/// Most shards of an index, and most copies of each, that could help.
const MOST_SHARDS: u64 = 1_024;
const MOST_COPIES: u32 = 10;

/// Instances beyond the fewest that are weighed where nothing is promised: their
/// data volumes are smaller.
const MORE: u64 = 3;

/// The layouts of one service.
#[derive(Clone, Copy, Debug)]
pub(in crate::sizing) struct QuorumLayouts<'a> {
    demand: &'a SearchDemand,
    rules: &'a Quorum,
    input: &'a SizingInput<'a>,
    sizes: Sizes<'a>,
    copies: u32,
    domains: u64,
    /// Whether only instances count that hold a shard.
    is_sharded: bool,
}

/// A size of instance, with or without a witness beside its instances.
#[derive(Clone, Copy, Debug)]
struct InstanceSize {
    option: CpuOption,
    memory: Mebibytes,
    has_witness: bool,
}

impl<'a> QuorumLayouts<'a> {
    /// Returns the layouts for that demand.
    pub(in crate::sizing) fn new(
        demand: &'a SearchDemand,
        rules: &'a Quorum,
        input: &'a SizingInput,
    ) -> Self {
        // One copy survives no loss: see `exceeded_limit`.
        let least = if input.context.policy.survives() { 2 } else { 1 };
        let sizes = Sizes { profile: input.profile, rules };
        let domains = spread::domains(input);
        let copies = demand.copies.max(least);
        Self { demand, rules, input, sizes, copies, domains, is_sharded: true }
    }

    fn options(&self) -> impl Iterator<Item = CpuOption> {
        cpu_option::options(self.input, |_, _| 1.0)
    }

    fn survives(&self) -> bool {
        self.input.context.policy.survives()
    }

    fn load(&self) -> Load<'a> {
        let (demand, rules, copies) = (self.demand, self.rules, self.copies);
        Load { demand, rules, profile: self.input.profile, copies }
    }

    fn sharing(&self) -> Sharing<'a> {
        Sharing { load: self.load(), survives: self.survives() }
    }

    /// The shards of an index on instances of a size, and how many carry the work.
    fn shards(&self, size: InstanceSize) -> Shards {
        let usable = size.option.ceiling.usable;
        let shards = self.sharing().of(usable);
        if self.is_sharded || shards.need < u64::MAX {
            return shards;
        }
        Shards { need: shards.work.get().div_ceil(usable.get().max(1)).max(1), ..shards }
    }

    /// The candidates of one count of virtual CPUs and placement; those with a
    /// witness come last.
    fn candidates(&self, option: CpuOption) -> Vec<Candidate> {
        let sizes = |has_witness| {
            let of = |memory| InstanceSize { option, memory, has_witness };
            let mut useful: Vec<InstanceSize> = Vec::new();
            for size in self.sizes.memories(option.vcpus).into_iter().map(of) {
                // More memory is worth it only where it makes instances fewer.
                let floor = |size: &InstanceSize| self.floor(*size).0;
                if useful.last().is_none_or(|last| floor(&size) < floor(last)) {
                    useful.push(size);
                }
            }
            useful
        };
        let alone = sizes(false);
        let share = (MOST / alone.len().max(1)).max(3);
        let alone = alone.into_iter().flat_map(|size| self.of_size(size, share));
        let witnessed = if self.votes_apart() { sizes(true) } else { Vec::new() };
        let witnessed = witnessed.into_iter().flat_map(|size| self.of_size(size, 2));
        alone.chain(witnessed).collect()
    }

    /// Whether a third domain that only votes could make a majority.
    fn votes_apart(&self) -> bool {
        let survive = &self.input.context.policy.survive;
        let is_automatic = survive.iter().any(|one| one.quorum == spec::Quorum::Automatic);
        is_automatic && self.copies == 2 && self.domains > 2
    }

    /// Failure domains that its instances can spread over.
    fn domains(&self, size: InstanceSize) -> u64 {
        if size.has_witness { 2 } else { self.domains.max(self.copies.into()).max(2) }
    }

    fn of_size(&self, size: InstanceSize, most: usize) -> Vec<Candidate> {
        let (floor, binding) = self.floor(size);
        let need = self.shards(size).need;
        if need == u64::MAX {
            return Vec::new();
        }
        let room = self.input.allocatable_cores();
        let spread = Spread { need, floor, copies: self.copies.into() };
        let counts = if !self.survives() {
            (floor..=floor.saturating_add(MORE).min(room.max(floor))).collect()
        } else {
            spread.counts(self.domains(size), room, most)
        };
        let max_per_domain = |count| self.survives().then(|| spread.max_per_domain(count));
        counts
            .into_iter()
            .map(|count| self.candidate(size, count, max_per_domain(count), binding))
            .collect()
    }

    /// The fewest instances, and the limit that sets them; of equal ones the first.
    fn floor(&self, size: InstanceSize) -> (u64, Binding) {
        let need = self.shards(size).need;
        let spare = need.div_ceil(self.domains(size) - 1);
        let spare = if self.survives() { spare } else { 0 };
        let voters = match (self.survives(), size.has_witness) {
            (false, _) => 1,
            (true, false) => self.voters(),
            (true, true) => self.voters().saturating_sub(1),
        };
        let held = self.data().div_ceil(self.sizes.held(size.memory));
        let limits = [
            (Binding::Throughput, need.saturating_add(spare)),
            (Binding::DataPerMemory, held),
            (Binding::Quorum, voters),
            (Binding::Copies, self.copies.into()),
        ];
        limits.into_iter().fold((0, Binding::Throughput), |(most, binding), (limit, asked)| {
            if asked > most { (asked, limit) } else { (most, binding) }
        })
    }

    /// Whether a NUMA node of a host has cores for so many virtual CPUs.
    fn is_held(&self, vcpus: u32) -> bool {
        let hosts = &self.input.context.topology.hosts;
        hosts.iter().any(|host| {
            let cores = cores_on(host, vcpus);
            host.numa.iter().any(|node| node.allocatable_cores() >= cores)
        })
    }

    fn voters(&self) -> u64 {
        self.rules.cluster.voters.whole()
    }

    /// All copies of all data, in MiB.
    fn data(&self) -> u64 {
        self.demand.data_mib.get().saturating_mul(self.copies.into())
    }

    fn candidate(
        &self,
        size: InstanceSize,
        instances: u64,
        max_per_domain: Option<u64>,
        binding: Binding,
    ) -> Candidate {
        let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let load = self.load();
        let serving = instances.saturating_sub(max_per_domain.unwrap_or(0));
        let usable = size.option.ceiling.usable;
        let (sharing, shards) = (self.sharing(), self.shards(size));
        let part = Part::new(sharing.serving(shards.primary), serving);
        let iops = load.iops(shards.primary, part);
        let all = shards.primary.saturating_mul(self.copies.into());
        let voters = self.voters().min(instances.saturating_add(size.has_witness.into()));
        Candidate {
            layout: Layout {
                groups: 1,
                copies: self.copies,
                instances: small(instances),
                vcpus: size.option.vcpus,
                memory_mib: size.memory,
                data_mib: self.sizes.volume(self.data(), (sharing.held(shards.primary), instances)),
                witness: size.has_witness.then(|| self.sizes.witness()),
            },
            capacity: Some(Capacity {
                unit: self.input.profile.unit.clone(),
                ceiling_per_s: size.option.ceiling.ceiling,
                usable_per_s: usable,
                total_per_s: carried(all, instances, usable),
                demand_per_s: shards.work,
                iops_per_s: iops,
                binding,
                placement: size.option.placement,
                extrapolated: size.option.ceiling.extrapolated || load.extrapolated(),
            }),
            unmet_per_s: PerSecond::ZERO,
            network: load.network(shards.primary, part),
            iops,
            root_mib: None,
            max_per_domain: max_per_domain.map(small),
            // Two that vote are no better than one: neither outlives the other.
            leaders: small(if voters < self.voters() { 1 } else { voters }),
        }
    }
}

impl Layouts for QuorumLayouts<'_> {
    /// Fewest virtual CPUs, then instances first.
    fn full(&self) -> Vec<Candidate> {
        if self.demand.copies < self.copies {
            return Vec::new();
        }
        let all = self.options().flat_map(|option| self.candidates(option)).collect();
        undominated(self.input, all)
    }

    /// As if the demand stated copies enough, and every instance held a shard.
    fn unconstrained(&self) -> Vec<Candidate> {
        let free = Self { is_sharded: false, ..*self };
        free.options().flat_map(|option| free.candidates(option).into_iter().next()).collect()
    }

    /// Fewer copies than survive a loss, or fewer shards than the work has to be divided
    /// into.
    fn exceeded_limit(&self) -> Option<EngineLimit> {
        let (needed, available) = (self.copies.into(), self.demand.copies.into());
        let limited = LimitedResource::ShardCopies;
        if needed > available {
            return Some(EngineLimit { limited, needed, available });
        }
        let usable = |option: CpuOption| option.ceiling.usable;
        // What no host holds helps nobody.
        let held = self.options().filter(|option| self.is_held(option.vcpus)).map(usable).max();
        let best = held.or_else(|| self.options().map(usable).max())?;
        let carries = |demand: &SearchDemand| {
            let load = Load { demand, copies: demand.copies, ..self.load() };
            Sharing { load, ..self.sharing() }.of(best).need < u64::MAX
        };
        if carries(self.demand) {
            return None;
        }
        let typical = self.load().typical();
        let more_shards = (typical + 1..=MOST_SHARDS).find(|shards| {
            let shards_per_query = u32::try_from(*shards).ok();
            carries(&SearchDemand { shards_per_query, ..self.demand.clone() })
        });
        let more_copies = || {
            (self.demand.copies + 1..=MOST_COPIES)
                .find(|copies| carries(&SearchDemand { copies: *copies, ..self.demand.clone() }))
        };
        let (limited, needed, available) = match (more_shards, more_copies()) {
            (Some(shards), _) => (LimitedResource::Shards, shards, typical),
            (None, Some(copies)) => (LimitedResource::SearchedCopies, copies.into(), available),
            (None, None) => {
                let shards = self.sharing().serving(typical);
                let most = carried(shards, shards, best).get();
                (LimitedResource::ShardWork, self.load().work(typical).get(), most)
            }
        };
        Some(EngineLimit { limited, needed, available })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sizing::trial;
    use crate::spec::{Demand, Engine, Policy};
    use crate::topology::Level;
    use crate::units::Bytes;

    fn demand(index: u64, queries: u64, data_gib: u64, copies: u32) -> Demand {
        Demand::Quorum(SearchDemand {
            index_per_s: PerSecond::new(index),
            queries_per_s: PerSecond::new(queries),
            data_mib: Mebibytes::from_gib(data_gib),
            copies,
            document_bytes: Bytes::new(128),
            shards_per_query: None,
            retention_days: None,
        })
    }

    fn found(demand: Demand, policy: &Policy, hosts: u32) -> Vec<Candidate> {
        trial::with((Engine::Elasticsearch, demand), policy, hosts, |input| input.full())
    }

    fn host() -> Policy {
        Policy::surviving(Level::Host)
    }

    fn binding(one: &Candidate) -> Binding {
        one.capacity.as_ref().unwrap().binding
    }

    #[test]
    fn work_follows_the_formula() {
        // 2 · 10,000 for two copies; 5 searches of 5 shards for 10 ms of 23,500/s.
        let all = found(demand(10_000, 5, 1, 2), &host(), 3);
        let capacity = all[0].capacity.clone().unwrap();
        assert_eq!(capacity.demand_per_s.get(), 20_000 + 5_875);
        // One core, no neighbours: 23,500 · 0.9, less 71.2 %.
        assert_eq!((capacity.ceiling_per_s.get(), capacity.usable_per_s.get()), (21_150, 6_091));
        assert!(capacity.extrapolated);
    }

    #[test]
    fn what_binds_is_named() {
        let first = |index, data, copies| {
            let all = found(demand(index, 0, data, copies), &host(), 6);
            binding(all.iter().find(|one| one.layout.witness.is_none()).unwrap())
        };
        assert_eq!(first(100, 1, 2), Binding::Quorum);
        assert_eq!(first(100, 1, 5), Binding::Copies);
        assert_eq!(first(900_000, 1, 2), Binding::Throughput);
        assert_eq!(first(100, 60_000, 2), Binding::DataPerMemory);
    }

    #[test]
    fn memory_is_at_most_what_heap_and_cache_can_use() {
        for one in found(demand(100, 0, 40_000, 2), &host(), 6) {
            let Layout { memory_mib, data_mib, instances, .. } = one.layout;
            assert!(memory_mib <= Mebibytes::from_gib(64));
            let all = 2 * 40_000 * 1024;
            assert!(u64::from(instances) * memory_mib.get() * 30 >= all, "{instances}");
            assert!(u64::from(instances) * data_mib.get() >= all * 133 / 100);
        }
        let sizes = |gib: u64| {
            let demand = demand(1, 0, 1, 2);
            trial::with((Engine::Elasticsearch, demand), &host(), 3, |input| {
                let crate::profile::Rules::Quorum(rules) = &input.profile.rules else { panic!() };
                let sizes = Sizes { profile: input.profile, rules };
                sizes.heap(Mebibytes::from_gib(gib))
            })
        };
        assert_eq!((sizes(8), sizes(64)), (Mebibytes::from_gib(4), Mebibytes::from_gib(30)));
    }

    #[test]
    fn the_survivors_carry_the_work_and_hold_a_copy_of_each_shard() {
        for hosts in [2, 3, 5] {
            let all = found(demand(300_000, 200, 4_000, 2), &host(), hosts);
            assert!(!all.is_empty() && all.len() < 120, "{} candidates", all.len());
            for one in all {
                let (instances, max_per_domain) =
                    (one.layout.instances, one.max_per_domain.unwrap());
                let capacity = one.capacity.unwrap();
                let left = u64::from(instances - max_per_domain) * capacity.usable_per_s.get();
                assert!(left >= capacity.demand_per_s.get() && 2 * max_per_domain <= instances);
                assert_eq!(one.leaders, 3);
            }
        }
    }

    #[test]
    fn two_hosts_and_a_small_third_make_a_quorum() {
        let all = found(demand(1_000, 0, 10, 2), &host(), 3);
        let with = all.iter().find(|one| one.layout.witness.is_some()).unwrap();
        assert_eq!((with.layout.instances, with.max_per_domain, with.leaders), (2, Some(1), 3));
        let witness = with.layout.witness.clone().unwrap();
        assert_eq!((witness.vcpus, witness.memory_mib), (1, Mebibytes::new(2048)));
        // Without a third host it would have no host of its own.
        let two = found(demand(1_000, 0, 10, 2), &host(), 2);
        assert!(two.iter().all(|one| one.layout.witness.is_none()));
    }

    #[test]
    fn one_copy_outlives_nothing() {
        let one = demand(1_000, 0, 10, 1);
        let input = (Engine::Elasticsearch, one.clone());
        let exceeded =
            trial::with(input.clone(), &host(), 3, |input| input.exceeded_limit()).unwrap();
        assert_eq!((exceeded.needed, exceeded.available), (2, 1));
        assert_eq!(exceeded.limited, LimitedResource::ShardCopies);
        assert_eq!(trial::with(input.clone(), &host(), 3, |input| input.full()), []);
        assert!(!trial::with(input, &host(), 3, |input| input.unconstrained()).is_empty());
        let free = found(one, &Policy::nothing(), 1);
        assert_eq!(
            (free[0].layout.instances, free[0].leaders, free[0].max_per_domain),
            (1, 1, None)
        );
    }
}

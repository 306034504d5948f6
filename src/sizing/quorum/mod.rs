//! Layouts of a search engine: equal instances that share shards out and elect by
//! majority.
//!
//! The instances that there must be are the most of what throughput, data per
//! memory, voters and copies ask for. Under a policy the survivors of any one
//! failure domain carry the whole work, and copies of a shard never share a domain
//! (forced awareness), which shards out evenly only if no domain holds more than
//! its part of the instances; see `spread`. That counts the work of all copies,
//! though a lost copy takes no work: so a plan keeps what making it again takes.
//!
//! For each count of virtual CPUs there are candidates of each memory size that
//! lets data do with fewer instances than the size below; and, where two failure
//! domains can carry everything, of one that has a small instance that only votes
//! for a third domain, so that two voters and it are the quorum.

mod memory;
mod work;

pub(super) use self::work::Load;
use super::cpu_option::{self, CpuOption};
use super::spread::{self, Spread};
use super::{Candidate, Ceiling, EngineLimit, LimitedResource, SizingInput};
use crate::plan::{Binding, Capacity, Layout};
use crate::profile::Quorum;
use crate::spec::{self, SearchDemand};
use crate::units::{Mebibytes, PerSecond};

pub use self::memory::Sizes;

/// Most candidates per count of virtual CPUs.
const MOST: usize = 16;

/// Instances beyond the fewest that are weighed where nothing is promised: their
/// data volumes are smaller.
const MORE: u64 = 3;

/// The layouts of one service.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range<'a> {
    demand: &'a SearchDemand,
    rules: &'a Quorum,
    input: &'a SizingInput<'a>,
    sizes: Sizes<'a>,
    copies: u32,
    domains: u64,
}

/// A size of instance with what asks for its number.
#[derive(Clone, Copy, Debug)]
struct Kind {
    option: CpuOption,
    ceiling: Ceiling,
    memory: Mebibytes,
    has_witness: bool,
}

impl<'a> Range<'a> {
    /// The layouts for that demand.
    pub(super) fn new(demand: &'a SearchDemand, rules: &'a Quorum, input: &'a SizingInput) -> Self {
        // One copy cannot outlive anything: see `exceeded`.
        let least = if input.context.policy.survives() { 2 } else { 1 };
        let sizes = Sizes { profile: input.profile, rules };
        let domains = spread::domains(input);
        Self { demand, rules, input, sizes, copies: demand.copies.max(least), domains }
    }

    /// Those that serve the whole demand, fewest virtual CPUs, then instances first.
    pub(super) fn full(&self) -> Vec<Candidate> {
        if self.demand.copies < self.copies {
            return Vec::new();
        }
        let all = cpu_option::all(self.input).flat_map(|option| self.standing(option)).collect();
        cpu_option::undominated(self.input, all)
    }

    /// The same as if there were copies enough.
    pub(super) fn unconstrained(&self) -> Vec<Candidate> {
        cpu_option::all(self.input)
            .flat_map(|option| self.standing(option).into_iter().next())
            .collect()
    }

    /// Fewer copies than outlive a loss.
    pub(super) fn exceeded(&self) -> Option<EngineLimit> {
        (self.demand.copies < self.copies).then(|| EngineLimit {
            limited: LimitedResource::ShardCopies,
            needed: self.copies.into(),
            available: self.demand.copies.into(),
        })
    }

    fn survives(&self) -> bool {
        self.input.context.policy.survives()
    }

    fn load(&self) -> Load<'a> {
        let (demand, rules, copies) = (self.demand, self.rules, self.copies);
        Load { demand, rules, profile: self.input.profile, copies }
    }

    /// The candidates of one count of virtual CPUs and placement; those with a
    /// witness come last.
    fn standing(&self, option: CpuOption) -> Vec<Candidate> {
        let ceiling = Ceiling::of(self.input.profile, option.vcpus, option.placement, 1.0);
        let kinds = |has_witness| {
            let of = |memory| Kind { option, ceiling, memory, has_witness };
            let mut useful: Vec<Kind> = Vec::new();
            for kind in self.sizes.memories(option.vcpus).into_iter().map(of) {
                // More memory is worth it only where it makes instances fewer.
                let floor = |kind: &Kind| self.floor(*kind).0;
                if useful.last().is_none_or(|last| floor(&kind) < floor(last)) {
                    useful.push(kind);
                }
            }
            useful
        };
        let alone = kinds(false);
        let share = (MOST / alone.len().max(1)).max(3);
        let alone = alone.into_iter().flat_map(|kind| self.of_kind(kind, share));
        let witnessed = if self.votes_apart() { kinds(true) } else { Vec::new() };
        let witnessed = witnessed.into_iter().flat_map(|kind| self.of_kind(kind, 2));
        alone.chain(witnessed).collect()
    }

    /// Whether a third domain that only votes could make a majority.
    fn votes_apart(&self) -> bool {
        let survive = &self.input.context.policy.survive;
        let is_automatic = survive.iter().any(|one| one.quorum == spec::Quorum::Automatic);
        is_automatic && self.copies == 2 && self.domains > 2
    }

    /// Failure domains that its instances can spread over.
    fn domains(&self, kind: Kind) -> u64 {
        if kind.has_witness { 2 } else { self.domains.max(self.copies.into()).max(2) }
    }

    fn of_kind(&self, kind: Kind, most: usize) -> Vec<Candidate> {
        let (floor, binding) = self.floor(kind);
        let need = self.need(kind);
        if need == u64::MAX {
            return Vec::new();
        }
        let room = self.input.room();
        let spread = Spread { need, floor, copies: self.copies.into() };
        let counts = if !self.survives() {
            (floor..=floor.saturating_add(MORE).min(room.max(floor))).collect()
        } else {
            spread.counts(self.domains(kind), room, most)
        };
        let max_per_domain = |count| self.survives().then(|| spread.max_per_domain(count));
        counts
            .into_iter()
            .map(|count| self.candidate(kind, count, max_per_domain(count), binding))
            .collect()
    }

    /// Instances whose usable rates add up to the work.
    fn need(&self, kind: Kind) -> u64 {
        match kind.ceiling.usable.get() {
            0 => u64::MAX,
            usable => self.load().work().get().div_ceil(usable).max(1),
        }
    }

    /// The fewest instances, and the limit that sets them; of equal ones the first.
    fn floor(&self, kind: Kind) -> (u64, Binding) {
        let need = self.need(kind);
        let spare = need.div_ceil(self.domains(kind) - 1);
        let spare = if self.survives() { spare } else { 0 };
        let voters = match (self.survives(), kind.has_witness) {
            (false, _) => 1,
            (true, false) => self.voters(),
            (true, true) => self.voters().saturating_sub(1),
        };
        let held = self.data().div_ceil(self.sizes.held(kind.memory));
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

    fn voters(&self) -> u64 {
        self.rules.cluster.voters.whole()
    }

    /// All copies of all data, in MiB.
    fn data(&self) -> u64 {
        self.demand.data_mib.get().saturating_mul(self.copies.into())
    }

    fn candidate(
        &self,
        kind: Kind,
        instances: u64,
        max_per_domain: Option<u64>,
        binding: Binding,
    ) -> Candidate {
        let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let load = self.load();
        let serving = instances.saturating_sub(max_per_domain.unwrap_or(0));
        let usable = kind.ceiling.usable;
        let iops = load.iops(serving);
        let voters = self.voters().min(instances.saturating_add(kind.has_witness.into()));
        Candidate {
            layout: Layout {
                groups: 1,
                copies: self.copies,
                instances: small(instances),
                vcpus: kind.option.vcpus,
                memory_mib: kind.memory,
                data_mib: self.sizes.volume(self.data(), instances),
                witness: kind.has_witness.then(|| self.sizes.witness()),
            },
            capacity: Some(Capacity {
                unit: self.input.profile.unit.clone(),
                ceiling_per_s: kind.ceiling.ceiling,
                usable_per_s: usable,
                total_per_s: PerSecond::new(usable.get().saturating_mul(instances)),
                demand_per_s: load.work(),
                iops_per_s: iops,
                binding,
                placement: kind.option.placement,
                extrapolated: kind.ceiling.extrapolated || load.extrapolated(),
            }),
            unmet_per_s: PerSecond::ZERO,
            network: load.network(serving),
            iops,
            root_mib: None,
            max_per_domain: max_per_domain.map(small),
            // Two that vote are no better than one: neither outlives the other.
            leaders: small(if voters < self.voters() { 1 } else { voters }),
        }
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
        // 2 · 10,000 for two copies; 100 searches of 5 shards for 10 ms of 23,500/s.
        let all = found(demand(10_000, 100, 1, 2), &host(), 3);
        let capacity = all[0].capacity.clone().unwrap();
        assert_eq!(capacity.demand_per_s.get(), 20_000 + 117_500);
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
        // Without a third host it would have nowhere to stand apart.
        let two = found(demand(1_000, 0, 10, 2), &host(), 2);
        assert!(two.iter().all(|one| one.layout.witness.is_none()));
    }

    #[test]
    fn one_copy_outlives_nothing() {
        let one = demand(1_000, 0, 10, 1);
        let input = (Engine::Elasticsearch, one.clone());
        let exceeded = trial::with(input.clone(), &host(), 3, |input| input.exceeded()).unwrap();
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

//! The candidates of a primary-replica engine; see the folder's documentation.

use std::collections::BTreeSet;

use super::choice;
use super::load::{self, Costs, Load};
use super::memory::{self, Pool};
use crate::plan::{Binding, Capacity, Layout};
use crate::profile::{PrimaryReplica, floor, real};
use crate::sizing::cpu_option::{self, CpuOption};
use crate::sizing::input::Layouts;
use crate::sizing::{Candidate, EngineLimit, LimitedResource, SizingInput};
use crate::spec::RelationalDemand;
use crate::units::{BitsPerSecond, Mebibytes, PerSecond};

/// Buffer pools to choose from, in percent of the data.
const POOLS: [u32; 4] = [100, 75, 50, 35];

/// How many numbers of groups, counted from the fewest, and which pools besides
/// that of the working set are candidates: the first choice that leaves no more
/// than [`MOST`], or the last.
const CHOICES: [(u64, &[u32]); 4] = [(4, &POOLS), (4, &[100, 50]), (4, &[100]), (2, &[100])];

/// Candidates that a model takes easily.
pub(super) const MOST: usize = 48;

/// The layouts of one service.
#[derive(Clone, Copy, Debug)]
pub(in crate::sizing) struct PrimaryReplicaLayouts<'a> {
    demand: &'a RelationalDemand,
    rules: &'a PrimaryReplica,
    input: &'a SizingInput<'a>,
}

/// Groups, copies of each, and the limit that set their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Split {
    groups: u64,
    copies: u64,
    binding: Binding,
}

impl<'a> PrimaryReplicaLayouts<'a> {
    /// Returns the layouts for that demand.
    pub(in crate::sizing) const fn new(
        demand: &'a RelationalDemand,
        rules: &'a PrimaryReplica,
        input: &'a SizingInput<'a>,
    ) -> Self {
        Self { demand, rules, input }
    }

    fn options(&self) -> impl Iterator<Item = CpuOption> {
        cpu_option::options(self.input, |_, _| 1.0)
    }

    fn shards(&self) -> u64 {
        u64::from(self.demand.shards.max(1))
    }

    const fn survives(&self) -> bool {
        self.input.context.policy.survives()
    }

    const fn costs(&self) -> Costs {
        Costs::of(self.rules, self.demand, self.survives())
    }

    /// The fewest copies of each of that many groups that keep the promise; none
    /// if one primary cannot take its writes.
    fn copies_for(&self, option: CpuOption, groups: u64) -> Option<u64> {
        let load = Load::of(self.demand, groups);
        load.copies(self.costs(), option.ceiling.usable.get())
    }

    /// Returns the candidates of one option with so many numbers of groups.
    fn candidates(&self, option: CpuOption, numbers: u64, pools: &[u32]) -> Vec<Candidate> {
        let most = self.rules.cluster.copies_max.whole();
        let fits = |groups: &u64| self.copies_for(option, *groups).is_some_and(|n| n <= most);
        let Some(first) = (1..=self.shards()).find(fits) else { return Vec::new() };
        let last = self.shards().min(first.saturating_add(numbers - 1));
        let mut found = Vec::new();
        for groups in first..=last {
            for percent in self.pools(pools) {
                let pool = self.pool(groups, percent);
                let split = self.split(option, groups, pool);
                found.extend(split.map(|split| self.candidate(option, split, pool)));
            }
        }
        found
    }

    /// Buffer pools to choose from, in percent of the data, largest first.
    fn pools(&self, besides: &[u32]) -> impl Iterator<Item = u32> {
        let working = self.demand.working_set_percent.clamp(1, 100);
        let all: BTreeSet<u32> = besides.iter().copied().chain([working]).collect();
        all.into_iter().rev()
    }

    fn pool(&self, groups: u64, percent: u32) -> Pool {
        Pool::new((self.input.profile, self.rules), self.demand, groups, percent)
    }

    /// The fewest copies with that pool, and what sets their number.
    fn split(&self, option: CpuOption, groups: u64, pool: Pool) -> Option<Split> {
        let enough = self.copies_for(option, groups)?;
        let most = self.rules.cluster.copies_max.whole();
        let (disk, least) = (self.disk_per_s(), self.costs().copies_min);
        let copies = (enough..=most).find(|copies| self.iops(groups, *copies, pool) <= disk);
        let binding = match copies {
            Some(copies) if copies > enough => Binding::Iops,
            _ if enough > least => Binding::Throughput,
            _ if groups == 1 => Binding::Copies,
            _ => self.fewer_groups(option, groups - 1),
        };
        // Writes alone may be more than a disk can do: copies do not help, so the
        // model has to say that the disks are too slow.
        let full = pool.percent == 100;
        let copies = copies.or_else(|| (full && enough <= most).then_some(enough))?;
        Some(Split { groups, copies, binding })
    }

    /// Why there are not fewer groups.
    fn fewer_groups(&self, option: CpuOption, groups: u64) -> Binding {
        let least = self.costs().copies_min;
        match self.copies_for(option, groups) {
            None => Binding::Writes,
            Some(copies) if copies > least => Binding::Throughput,
            Some(_) => Binding::Copies,
        }
    }

    fn iops(&self, groups: u64, copies: u64, pool: Pool) -> u64 {
        let load = Load::of(self.demand, groups);
        load.iops(self.costs(), copies, pool.misses(), self.rules)
    }

    /// I/O operations per second of the fastest disk that an instance may get.
    fn disk_per_s(&self) -> u64 {
        let unstated = self.rules.io.unstated_per_s.whole();
        let pools = self.input.context.topology.hosts.iter().flat_map(|host| &host.pools);
        let stated = pools.map(|pool| pool.iops_per_s.map_or(unstated, PerSecond::get));
        stated.max().unwrap_or(unstated)
    }

    fn candidate(&self, option: CpuOption, split: Split, pool: Pool) -> Candidate {
        let Split { groups, copies, binding } = split;
        let load = Load::of(self.demand, groups);
        let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let instances = groups.saturating_mul(copies);
        let total = option.ceiling.usable.get().saturating_mul(instances);
        let iops = PerSecond::new(self.iops(groups, copies, pool));
        let network = load.network(self.costs(), copies, self.rules);
        let ceiling = option.ceiling;
        Candidate {
            layout: Layout {
                groups: small(groups),
                copies: small(copies),
                instances: small(instances),
                vcpus: option.vcpus,
                memory_mib: pool.memory,
                data_mib: self.volume(load),
                witness: None,
            },
            capacity: Some(Capacity {
                unit: self.input.profile.unit.clone(),
                ceiling_per_s: ceiling.ceiling,
                usable_per_s: ceiling.usable,
                total_per_s: PerSecond::new(total),
                demand_per_s: load::work(self.demand, self.costs(), copies),
                iops_per_s: iops,
                binding,
                placement: option.placement,
                extrapolated: ceiling.extrapolated || pool.is_extrapolated(self.rules),
            }),
            unmet_per_s: PerSecond::ZERO,
            network: BitsPerSecond::new(network),
            iops,
            root_mib: None,
            max_per_domain: self.survives().then(|| small(groups)),
            leaders: small(groups),
        }
    }

    fn volume(&self, load: Load) -> Mebibytes {
        memory::volume(self.input.profile, self.rules, load.data, load.writes)
    }
}

impl Layouts for PrimaryReplicaLayouts<'_> {
    /// Fewest virtual CPUs, then groups, then the largest pool first.
    fn full(&self) -> Vec<Candidate> {
        let mut found = Vec::new();
        for (groups, pools) in CHOICES {
            let of = |option| self.candidates(option, groups, pools);
            found = choice::undominated(self.input, self.options().flat_map(of).collect());
            if found.len() <= MOST {
                break;
            }
        }
        found
    }

    /// As if neither the engine nor the application set a limit.
    fn unconstrained(&self) -> Vec<Candidate> {
        let shards = self.shards();
        self.options()
            .filter_map(|option| {
                let usable = option.ceiling.usable.get();
                let groups = self.costs().groups_for_writes(self.demand, usable)?.max(shards);
                let copies = self.copies_for(option, groups)?;
                let split = Split { groups, copies, binding: Binding::Writes };
                Some(self.candidate(option, split, self.pool(groups, 100)))
            })
            .collect()
    }

    /// More writes than a primary takes, or more copies than a group should have.
    fn exceeded_limit(&self) -> Option<EngineLimit> {
        let largest = self.options().max_by_key(|option| option.ceiling.usable)?;
        let (shards, usable) = (self.shards(), largest.ceiling.usable.get());
        let load = Load::of(self.demand, shards);
        if load.primary_work(self.costs()) > usable {
            let available = floor(real(usable) / self.costs().write);
            let limited = LimitedResource::PrimaryWrites;
            return Some(EngineLimit { limited, needed: load.writes, available });
        }
        let needed = self.options().filter_map(|option| self.copies_for(option, shards)).min()?;
        let available = self.rules.cluster.copies_max.whole();
        let limited = LimitedResource::GroupCopies;
        (needed > available).then_some(EngineLimit { limited, needed, available })
    }
}

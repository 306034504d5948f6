//! The packing problem: items, classes of equal hosts, and the bin types of each class.
//!
//! A bin is a NUMA node. Its cores and memory are its own; disk, I/O and bandwidth are
//! shared by all bins of a host. Memory limits an instance alone where its pages are huge ones,
//! else together with what QEMU itself takes: the other of the two amounts is unlimited.

use super::knapsack::{Amounts, UNLIMITED};
use crate::model::{CandidateHost, FixedRules, NumaCapacity, Part, PartKind, Problem, Shape};
use crate::sizing::Candidate;

/// Equal instances of one part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub part: usize,
    pub shape: usize,
    pub size: Shape,
    /// Most of them in any layout.
    pub most: i64,
    /// Most of them on one host in any layout.
    pub max_per_host: i64,
}

/// Equal NUMA nodes of the hosts of a class.
#[derive(Clone, Copy, Debug)]
pub(super) struct BinType {
    /// Index of the class.
    pub class: usize,
    /// How many a host has.
    pub per_host: i64,
    /// What one holds; disk, I/O and bandwidth are the host's.
    pub capacity: Amounts,
}

/// Equal hosts.
#[derive(Clone, Debug)]
pub(super) struct HostClass {
    /// Indices of hosts.
    pub hosts: Vec<usize>,
    pub cost: i64,
    /// What a host holds, its NUMA nodes and pools summed.
    pub capacity: Amounts,
    /// Whether a host has one NUMA node, so that a bin is the whole host.
    pub is_single_bin: bool,
}

/// Items to be packed into the bins of hosts.
pub(super) struct BinPacking<'p> {
    pub problem: &'p Problem<'p>,
    pub items: Vec<Item>,
    pub classes: Vec<HostClass>,
    pub bin_types: Vec<BinType>,
    /// Whether an item is allowed on a class of hosts, by class and item.
    eligible: Vec<Vec<bool>>,
    /// What an item takes, by class and item.
    needs: Vec<Vec<Amounts>>,
    /// The least that an item takes on any class that allows it.
    least: Vec<Amounts>,
    /// Class of each host.
    pub class_of: Vec<usize>,
    /// By part: how many others come before it that it is to be near.
    ranks: Vec<usize>,
}

impl<'p> BinPacking<'p> {
    pub(super) fn new(problem: &'p Problem<'p>) -> Self {
        let items = items(problem);
        let (classes, bin_types) = classes(problem);
        let first = |class: &HostClass| class.hosts.first().copied().unwrap_or(0);
        let eligible = classes.iter().map(|class| {
            items.iter().map(|item| problem.is_eligible(first(class), item.size)).collect()
        });
        let eligible: Vec<Vec<bool>> = eligible.collect();
        let needs = classes.iter().map(|class| {
            let of = |item: &Item| need(problem, first(class), item.size);
            items.iter().map(of).collect()
        });
        let needs: Vec<Vec<Amounts>> = needs.collect();
        let least = (0..items.len()).map(|item| least(item, &needs, &eligible)).collect();
        let mut class_of = vec![0; problem.hosts.len()];
        for (class, one) in classes.iter().enumerate() {
            for host in &one.hosts {
                if let Some(of) = class_of.get_mut(*host) {
                    *of = class;
                }
            }
        }
        let ranks = ranks(problem);
        Self { problem, items, classes, bin_types, eligible, needs, least, class_of, ranks }
    }

    /// Returns when the instances of a part are placed: those that are to be near others come
    /// after them.
    pub(super) fn rank(&self, part: usize) -> usize {
        self.ranks.get(part).copied().unwrap_or(0)
    }

    /// Returns what an item takes on a class of hosts.
    pub(super) fn need(&self, class: usize, item: usize) -> Amounts {
        self.needs.get(class).and_then(|needs| needs.get(item)).copied().unwrap_or_default()
    }

    /// Returns what items take of a dimension on a class of hosts.
    pub(super) fn takes(&self, class: usize, counts: &[(usize, i64)], dimension: usize) -> i64 {
        let of = |(item, count): &(usize, i64)| {
            self.need(class, *item).get(dimension).copied().unwrap_or(0) * count
        };
        counts.iter().map(of).sum()
    }

    /// Counts the instances of a part, without witnesses.
    pub(super) fn of_part(&self, counts: &[(usize, i64)], part: usize) -> i64 {
        let own = counts.iter().filter(|(item, _)| {
            let item = self.items.get(*item);
            item.is_some_and(|item| item.part == part && !item.size.is_witness)
        });
        own.map(|(_, count)| count).sum()
    }

    /// Returns the index of the item of a part and shape.
    pub(super) fn index(&self, part: usize, shape: usize) -> usize {
        self.items.partition_point(|item| (item.part, item.shape) < (part, shape))
    }

    /// Returns the index of the bin type of a NUMA node.
    pub(super) fn bin_type_of(&self, class: usize, host: usize, numa: usize) -> Option<usize> {
        let numa = self.problem.hosts.get(host)?.numa.get(numa)?;
        let is_same = |place: &BinType| {
            place.class == class && place.capacity == of_numa(numa, place.capacity)
        };
        self.bin_types.iter().position(is_same)
    }

    /// Whether a class of hosts allows an item.
    pub(super) fn is_eligible(&self, class: usize, item: usize) -> bool {
        self.eligible.get(class).and_then(|may| may.get(item)).copied().unwrap_or(false)
    }

    /// Returns the least that an item takes on any class that allows it.
    pub(super) fn least(&self, item: usize) -> Amounts {
        self.least.get(item).copied().unwrap_or_default()
    }

    /// Returns the cores of the largest instance that every plan has, whatever its
    /// layouts.
    pub(super) fn largest(&self) -> i64 {
        let of = |(part, entry): (usize, &Part)| {
            let items = self.index(part, 0)..self.index(part + 1, 0);
            let own = self.items.get(items.clone()).unwrap_or_default();
            let largest = |one: &Candidate| {
                let has =
                    items.clone().zip(own).filter(|(_, item)| Part::count(one, item.size) > 0);
                has.map(|(item, _)| self.least(item)[0]).max().unwrap_or(0)
            };
            entry.candidates.iter().map(largest).min().unwrap_or(0)
        };
        self.problem.parts.iter().enumerate().map(of).max().unwrap_or(0)
    }
}

/// Returns by part how long the chain of parts is that it is to be near. Parts that are to be
/// near each other have no order; they end a chain where it would come back.
fn ranks(problem: &Problem) -> Vec<usize> {
    let mut ranks = vec![0; problem.parts.len()];
    for _ in 0..problem.parts.len() {
        let before = ranks.clone();
        for (one, other) in &problem.near {
            let next = before.get(*other).map_or(0, |rank| rank + 1);
            if let Some(rank) = ranks.get_mut(*one) {
                *rank = next.max(*rank);
            }
        }
        if ranks == before {
            break;
        }
    }
    ranks
}

/// One item per shape of each part.
fn items(problem: &Problem) -> Vec<Item> {
    let mut found = Vec::new();
    for (part, entry) in problem.parts.iter().enumerate() {
        for (shape, size) in entry.shapes.iter().enumerate() {
            let count = |one| i64::from(Part::count(one, *size));
            let most = entry.candidates.iter().map(count).max().unwrap_or(0);
            let max_per_host = match entry.kind {
                PartKind::Fixed(FixedRules { spread: Some(spread), .. }) => {
                    int(spread.most()).min(most)
                }
                _ if size.is_witness || problem.survive.is_empty() => most,
                _ => {
                    let has = entry.candidates.iter().filter(|one| count(one) > 0);
                    let limits = has.filter_map(|one| one.max_per_domain);
                    limits.max().map_or(most, i64::from).min(most)
                }
            };
            found.push(Item { part, shape, size: *size, most, max_per_host });
        }
    }
    found
}

/// Returns the classes of equal hosts, which follow each other, and the bin types of
/// each.
fn classes(problem: &Problem) -> (Vec<HostClass>, Vec<BinType>) {
    let (mut classes, mut types) = (Vec::<HostClass>::new(), Vec::new());
    for (index, host) in problem.hosts.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| problem.hosts.get(before));
        if before.is_some_and(|before| before.class == host.class) {
            if let Some(class) = classes.last_mut() {
                class.hosts.push(index);
            }
            continue;
        }
        let capacity = host_capacity(host);
        types.extend(bin_types(classes.len(), host, capacity));
        classes.push(HostClass {
            hosts: vec![index],
            cost: int(host.host.cost),
            capacity,
            is_single_bin: host.numa.len() == 1,
        });
    }
    (classes, types)
}

/// Returns the NUMA nodes of a host of a class, equal ones counted.
fn bin_types(class: usize, host: &CandidateHost, of_host: Amounts) -> Vec<BinType> {
    let mut found: Vec<BinType> = Vec::new();
    for numa in &host.numa {
        let capacity = of_numa(numa, of_host);
        match found.iter_mut().find(|bin| bin.capacity == capacity) {
            Some(bin) => bin.per_host += 1,
            None => found.push(BinType { class, per_host: 1, capacity }),
        }
    }
    found
}

/// Returns what a NUMA node holds, of a host that holds so much.
fn of_numa(numa: &NumaCapacity, of_host: Amounts) -> Amounts {
    let [_, _, disk, iops, network, _] = of_host;
    let [alone, with_overhead] = memory(numa);
    [int(numa.cores), alone, disk, iops, network, with_overhead]
}

/// Returns the memory of a NUMA node for instances alone, and for instances with QEMU.
pub(super) fn memory(numa: &NumaCapacity) -> [i64; 2] {
    let memory = int(numa.memory_mib);
    match numa.overhead_mib {
        None => [UNLIMITED, memory],
        Some(_) => [memory, UNLIMITED],
    }
}

/// Returns the least that an item takes of each amount on any class that allows it; where
/// none does, on the first.
fn least(item: usize, needs: &[Vec<Amounts>], eligible: &[Vec<bool>]) -> Amounts {
    let allowed = needs.iter().zip(eligible).filter(|(_, may)| may.get(item) == Some(&true));
    let own = allowed.filter_map(|(needs, _)| needs.get(item)).copied();
    let least = own.reduce(|a, b| {
        let mut least = a;
        least.iter_mut().zip(b).for_each(|(least, b)| *least = b.min(*least));
        least
    });
    let any = || needs.first().and_then(|needs| needs.get(item)).copied();
    least.or_else(any).unwrap_or_default()
}

/// Returns what an instance takes on the host with that index.
fn need(problem: &Problem, host: usize, size: Shape) -> Amounts {
    [
        int(problem.cores(host, size)),
        int(size.memory_mib),
        int(size.disk_mib),
        int(size.iops_per_s),
        int(size.bits_per_s.div_ceil(1_000_000)),
        int(size.memory_mib.saturating_add(problem.overhead(host, size))),
    ]
}

fn host_capacity(host: &CandidateHost) -> Amounts {
    let sum = |all: &mut dyn Iterator<Item = u64>| int(all.fold(0, u64::saturating_add));
    let of_numa = |kind: usize| {
        let all = host.numa.iter().filter_map(|numa| memory(numa).get(kind).copied());
        all.fold(0i64, i64::saturating_add).min(UNLIMITED)
    };
    let known: Option<Vec<u64>> =
        host.pools.iter().map(|(pool, _)| pool.iops_per_s.map(|iops| iops.get())).collect();
    [
        sum(&mut host.numa.iter().map(|numa| numa.cores)),
        of_numa(0),
        sum(&mut host.pools.iter().map(|(_, space)| *space)),
        // A host without pools has no disk whose I/O could be too little.
        known
            .filter(|known| !known.is_empty())
            .map_or(UNLIMITED, |known| sum(&mut known.into_iter())),
        host.host.network_bits_per_s.map_or(UNLIMITED, |bits| int(bits.get() / 1_000_000)),
        of_numa(1),
    ]
}

pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(UNLIMITED).min(UNLIMITED)
}

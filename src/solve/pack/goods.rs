//! The problem as a packer sees it: classes of equal hosts, items, and rules about
//! failure domains.

use super::knapsack::{Amounts, UNLIMITED};
use crate::model::{Part, PartKind, Problem, Shape};
use crate::sizing::Candidate;

/// Instances of one shape of one part.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub part: usize,
    pub shape: usize,
    pub size: Shape,
    /// Most of them in any layout.
    pub most: i64,
    /// Most of them on one host in any layout.
    pub max_per_domain: i64,
}

/// NUMA nodes of a class that are alike.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// Index of the class.
    pub class: usize,
    /// How many a host has.
    pub times: i64,
    /// What one holds; disk, I/O and bandwidth are the host's.
    pub capacity: Amounts,
}

/// Hosts that are alike.
#[derive(Clone, Debug)]
pub(super) struct Class {
    /// Indices of hosts.
    pub hosts: Vec<usize>,
    pub cost: i64,
    /// What a host holds, its NUMA nodes and pools summed.
    pub capacity: Amounts,
    /// Whether there is one NUMA node, so that a place is the whole host.
    pub is_flat: bool,
}

/// All of it.
pub(super) struct Goods<'p> {
    pub problem: &'p Problem<'p>,
    pub items: Vec<Item>,
    pub classes: Vec<Class>,
    pub places: Vec<Place>,
    /// Whether an item may stand on a class of hosts, by class and item.
    may: Vec<Vec<bool>>,
    /// What an item takes, by class and item.
    needs: Vec<Vec<Amounts>>,
    /// The least that an item takes on any class that it may stand on.
    least: Vec<Amounts>,
    /// Class of each host.
    pub class_of: Vec<usize>,
}

impl<'p> Goods<'p> {
    pub(super) fn new(problem: &'p Problem<'p>) -> Self {
        let mut items = Vec::new();
        for (part, entry) in problem.parts.iter().enumerate() {
            for (shape, size) in entry.shapes.iter().enumerate() {
                let count = |one| i64::from(Part::count(one, *size));
                let most = entry.candidates.iter().map(count).max().unwrap_or(0);
                let max_per_domain = match entry.kind {
                    PartKind::Fixed(Some(_)) => 1,
                    _ if size.is_witness || problem.survive.is_empty() => most,
                    _ => {
                        let has = entry.candidates.iter().filter(|one| count(one) > 0);
                        has.filter_map(|one| one.max_per_domain)
                            .max()
                            .map_or(most, i64::from)
                            .min(most)
                    }
                };
                items.push(Item { part, shape, size: *size, most, max_per_domain });
            }
        }
        let mut classes: Vec<Class> = Vec::new();
        let mut places: Vec<Place> = Vec::new();
        for (index, host) in problem.hosts.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| problem.hosts.get(before));
            if before.is_some_and(|before| before.class == host.class) {
                if let Some(class) = classes.last_mut() {
                    class.hosts.push(index);
                }
                continue;
            }
            let class = classes.len();
            let all = host_capacity(problem, index);
            let mut own: Vec<Place> = Vec::new();
            for numa in &host.numa {
                let mut capacity = all;
                let (cores, memory) = (int(numa.cores), int(numa.memory_mib));
                capacity[0] = cores;
                capacity[1] = memory;
                match own.iter_mut().find(|place| place.capacity == capacity) {
                    Some(place) => place.times += 1,
                    None => own.push(Place { class, times: 1, capacity }),
                }
            }
            let is_flat = host.numa.len() == 1;
            places.extend(own);
            let cost = int(host.host.cost);
            classes.push(Class { hosts: vec![index], cost, capacity: all, is_flat });
        }
        let first = |class: &Class| class.hosts.first().copied().unwrap_or(0);
        let may = classes.iter().map(|class| {
            items.iter().map(|item| problem.is_eligible(first(class), item.size)).collect()
        });
        let may: Vec<Vec<bool>> = may.collect();
        let needs = classes.iter().map(|class| {
            let of = |item: &Item| need(item.size, problem.cores(first(class), item.size));
            items.iter().map(of).collect()
        });
        let needs: Vec<Vec<Amounts>> = needs.collect();
        let least = (0..items.len()).map(|item| {
            let allowed = needs.iter().zip(&may).filter(|(_, may)| may.get(item) == Some(&true));
            let own = allowed.filter_map(|(needs, _)| needs.get(item));
            let any = needs.first().and_then(|needs| needs.get(item));
            own.min_by_key(|need| need[0]).or(any).copied().unwrap_or_default()
        });
        let least = least.collect();
        let mut class_of = vec![0; problem.hosts.len()];
        for (class, one) in classes.iter().enumerate() {
            for host in &one.hosts {
                if let Some(of) = class_of.get_mut(*host) {
                    *of = class;
                }
            }
        }
        Self { problem, items, classes, places, may, needs, least, class_of }
    }

    /// What an item takes on a class of hosts.
    pub(super) fn need(&self, class: usize, item: usize) -> Amounts {
        self.needs.get(class).and_then(|needs| needs.get(item)).copied().unwrap_or_default()
    }

    /// What items take of a dimension on a class of hosts.
    pub(super) fn takes(&self, class: usize, counts: &[(usize, i64)], dimension: usize) -> i64 {
        let of = |(item, count): &(usize, i64)| {
            self.need(class, *item).get(dimension).copied().unwrap_or(0) * count
        };
        counts.iter().map(of).sum()
    }

    /// Instances of a part, without witnesses.
    pub(super) fn of_part(&self, counts: &[(usize, i64)], part: usize) -> i64 {
        let own = counts.iter().filter(|(item, _)| {
            let item = self.items.get(*item);
            item.is_some_and(|item| item.part == part && !item.size.is_witness)
        });
        own.map(|(_, count)| count).sum()
    }

    /// Index of the item of a part and shape.
    pub(super) fn index(&self, part: usize, shape: usize) -> usize {
        self.items.partition_point(|item| (item.part, item.shape) < (part, shape))
    }

    /// The kind of a NUMA node of a host, by index.
    pub(super) fn place_of(&self, class: usize, host: usize, numa: usize) -> Option<usize> {
        let numa = self.problem.hosts.get(host)?.numa.get(numa)?;
        let numa = [int(numa.cores), int(numa.memory_mib)];
        let is_same = |place: &Place| place.class == class && place.capacity[..2] == numa;
        self.places.iter().position(is_same)
    }

    pub(super) fn may(&self, class: usize, item: usize) -> bool {
        self.may.get(class).and_then(|may| may.get(item)).copied().unwrap_or(false)
    }

    /// The least that an item takes on any class that it may stand on.
    pub(super) fn least(&self, item: usize) -> Amounts {
        self.least.get(item).copied().unwrap_or_default()
    }

    /// Cores of the largest instance that every plan has, whatever its layouts.
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

/// What an instance takes.
fn need(size: Shape, cores: u64) -> Amounts {
    [
        int(cores),
        int(size.memory_mib),
        int(size.disk_mib),
        int(size.iops_per_s),
        int(size.bits_per_s.div_ceil(1_000_000)),
    ]
}

fn host_capacity(problem: &Problem, index: usize) -> Amounts {
    let Some(host) = problem.hosts.get(index) else { return [0; 5] };
    let sum = |all: &mut dyn Iterator<Item = u64>| int(all.fold(0, u64::saturating_add));
    let known: Option<Vec<u64>> =
        host.pools.iter().map(|(pool, _)| pool.iops_per_s.map(|iops| iops.get())).collect();
    [
        sum(&mut host.numa.iter().map(|numa| numa.cores)),
        sum(&mut host.numa.iter().map(|numa| numa.memory_mib)),
        sum(&mut host.pools.iter().map(|(_, space)| *space)),
        // A host without pools has no disk whose I/O could be too little.
        known
            .filter(|known| !known.is_empty())
            .map_or(UNLIMITED, |known| sum(&mut known.into_iter())),
        host.host.network_bits_per_s.map_or(UNLIMITED, |bits| int(bits.get() / 1_000_000)),
    ]
}

pub(super) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(UNLIMITED).min(UNLIMITED)
}

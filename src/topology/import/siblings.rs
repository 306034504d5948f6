//! Which CPUs are threads of one core, where the numbers of cores alone do not say.
//!
//! Kernels number the cores of ARM machines within a cluster and give no number of the
//! cluster, so that CPUs of different cores have the same number. Threads of one core
//! share caches of the first level, or one of them: modules of AMD share the one for
//! instructions. A core of POWER consists of two halves with caches of their own; their
//! CPUs are neighbours in the numbering.

use std::collections::BTreeMap;

use super::dump::{CoreKey, Cpu, Dump};

/// Most CPUs with one number that are looked at one by one: a machine has fewer, and a
/// file may be made to be slow.
const MOST: usize = 1_024;

/// The numbers of the caches beside a CPU, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Beside {
    /// First level, data.
    pub l1d: Option<u32>,
    /// First level, instructions.
    pub l1i: Option<u32>,
    /// Second level.
    pub l2: Option<u32>,
}

impl Beside {
    /// Whether the two CPUs have a cache of the first level in common.
    fn is_shared_with(&self, other: &Self) -> bool {
        let same = |a: Option<u32>, b: Option<u32>| a.is_some() && a == b;
        same(self.l1d, other.l1d) || same(self.l1i, other.l1i)
    }

    const fn is_known(&self) -> bool {
        self.l1d.is_some() || self.l1i.is_some()
    }
}

/// Gives CPUs that have the number of their core in common, but no cache, cores of their
/// own. `beside` has the caches of each CPU. Returns a note if there are such CPUs.
pub(super) fn separate(cpus: &mut [Cpu], beside: &[Beside]) -> Option<String> {
    let mut claimed: BTreeMap<CoreKey, Vec<(u32, Beside)>> = BTreeMap::new();
    for (cpu, beside) in cpus.iter().zip(beside) {
        claimed.entry(cpu.core).or_default().push((cpu.id, *beside));
    }
    let mut first_of: BTreeMap<u32, u32> = BTreeMap::new();
    let mut example = None;
    for threads in claimed.values() {
        let parts = cores_of(threads);
        if let [one, .., other] = parts.as_slice() {
            example = example.or_else(|| Some((*one.first()?, *other.first()?)));
        }
        for part in &parts {
            let first = part.iter().min().copied();
            first_of.extend(part.iter().zip(first.into_iter().cycle()).map(|(cpu, of)| (*cpu, of)));
        }
    }
    let (one, other) = example?;
    for cpu in cpus {
        let first = first_of.get(&cpu.id).copied().unwrap_or(cpu.id);
        cpu.core = CoreKey { within: first, number: cpu.core.number };
    }
    Some(format!(
        "CPUs {one} and {other} have the same number of a core and no cache in common: taken for \
         cores of their own, as all CPUs like them."
    ))
}

/// The CPUs of each core among those with one number.
fn cores_of(threads: &[(u32, Beside)]) -> Vec<Vec<u32>> {
    let all = || vec![threads.iter().map(|(cpu, _)| *cpu).collect()];
    if threads.len() > MOST || !threads.iter().all(|(_, beside)| beside.is_known()) {
        return all();
    }
    let mut parts: Vec<Vec<(u32, Beside)>> = Vec::new();
    for thread in threads {
        let near =
            |part: &Vec<(u32, Beside)>| part.iter().any(|(_, b)| b.is_shared_with(&thread.1));
        let (joined, mut kept): (Vec<_>, Vec<_>) = parts.into_iter().partition(near);
        let mut joined: Vec<_> = joined.into_iter().flatten().collect();
        joined.push(*thread);
        kept.push(joined);
        parts = kept;
    }
    let has_threads = parts.iter().any(|part| part.len() > 1);
    let l2 = threads.first().and_then(|(_, beside)| beside.l2);
    let has_one_l2 = l2.is_some() && threads.iter().all(|(_, beside)| beside.l2 == l2);
    if are_neighbours(threads.iter().map(|(cpu, _)| *cpu)) && (has_threads || has_one_l2) {
        return all();
    }
    parts.into_iter().map(|part| part.into_iter().map(|(cpu, _)| cpu).collect()).collect()
}

/// Whether the CPUs follow each other in the numbering, without a gap.
fn are_neighbours(cpus: impl Iterator<Item = u32>) -> bool {
    let mut cpus: Vec<u32> = cpus.collect();
    cpus.sort_unstable();
    cpus.windows(2).all(|pair| matches!(pair, [a, b] if b - a == 1))
}

/// Takes the L3 caches of a core whose halves have one each for one cache of their size
/// together: no VM gets half of a core.
pub(super) fn join_caches(dump: &mut Dump) {
    let mut cores: BTreeMap<CoreKey, Vec<(u32, Option<usize>)>> = BTreeMap::new();
    for cpu in &dump.cpus {
        cores.entry(cpu.core).or_default().push((cpu.id, cpu.l3));
    }
    let mut joined: BTreeMap<usize, usize> = BTreeMap::new();
    for threads in cores.values() {
        let caches: Option<Vec<usize>> = threads.iter().map(|(_, l3)| *l3).collect();
        let caches = caches.unwrap_or_default();
        if !are_neighbours(threads.iter().map(|(cpu, _)| *cpu)) {
            continue;
        }
        let roots: Vec<usize> = caches.iter().map(|cache| root(&mut joined, *cache)).collect();
        let Some(least) = roots.iter().min().copied() else { continue };
        joined.extend(roots.into_iter().filter(|root| *root != least).map(|root| (root, least)));
    }
    if joined.is_empty() {
        return;
    }
    for cpu in &mut dump.cpus {
        cpu.l3 = cpu.l3.map(|cache| root(&mut joined, cache));
    }
    let sizes = dump.caches_kib.clone();
    for cache in joined.keys().copied().collect::<Vec<_>>() {
        let into = root(&mut joined, cache);
        let size = sizes.get(cache).copied().flatten();
        if let Some(whole) = dump.caches_kib.get_mut(into) {
            *whole = whole.zip(size).map(|(whole, size)| whole.saturating_add(size));
        }
    }
    dump.notes.push(
        "The threads of a core are on two L3 caches: taken for one of their size together.".into(),
    );
}

/// The lowest of the caches that this one is joined with. Shortens the way there.
fn root(joined: &mut BTreeMap<usize, usize>, cache: usize) -> usize {
    let (mut root, mut way) = (cache, Vec::new());
    // Every cache is joined to one with a lower index, so that this ends.
    while let Some(next) = joined.get(&root) {
        way.push(root);
        root = *next;
    }
    joined.extend(way.into_iter().map(|cache| (cache, root)));
    root
}

//! The CPUs that instances run on: whole cores, siblings, and the last-level cache.
//!
//! A host offers each count of virtual CPUs one [`CpuPlacement`], which holds on each
//! of its NUMA nodes:
//!
//! ```text
//! cores = ceil(vcpus / threads)
//! l3    = own         cores = L         L = cores of each L3 domain
//!         shared      cores < L
//!         several     cores = k · L     k > 1
//!         straddling  else
//! ```
//!
//! Where L3 domains differ in size, `L` is the smallest, and an instance that
//! takes exactly a smallest one is taken to share. An instance that would fit into
//! one L3 domain may have to straddle two where others are in the way; what it
//! really got is seen after the CPUs are given out, see [`SizingContext::straddling`].
//!
//! [`SizingContext::straddling`]: super::SizingContext::straddling

use std::collections::BTreeSet;

use crate::plan::{CpuPlacement, L3Use};
use crate::topology::{Host, L3Domain, NumaNode, Topology};

/// Returns what a host offers an instance of that many virtual CPUs.
#[must_use]
pub fn offered(host: &Host, vcpus: u32) -> CpuPlacement {
    let cores = cores_on(host, vcpus);
    let sizes: BTreeSet<u32> = host.numa.iter().flat_map(|node| &node.l3).map(size_of).collect();
    let smallest = sizes.first().copied().unwrap_or(1).max(1);
    let is_regular = sizes.len() <= 1;
    let l3 = if cores < smallest || (cores == smallest && !is_regular) {
        L3Use::Shared
    } else if is_regular && cores.is_multiple_of(smallest) {
        if cores == smallest { L3Use::Own } else { L3Use::Several }
    } else {
        L3Use::Straddling
    };
    CpuPlacement { cores, l3 }
}

/// Returns the whole cores that `vcpus` take on a host: siblings never go to two VMs.
#[must_use]
pub fn cores_on(host: &Host, vcpus: u32) -> u32 {
    vcpus.div_ceil(host.threads_per_core())
}

/// Returns what the hosts offer an instance of that many virtual CPUs, each once, best
/// first.
#[must_use]
pub(super) fn of_hosts(topology: &Topology, vcpus: u32) -> Vec<CpuPlacement> {
    let found: BTreeSet<(L3Use, std::cmp::Reverse<u32>)> = topology
        .hosts
        .iter()
        .map(|host| offered(host, vcpus))
        .map(|placement| (placement.l3, std::cmp::Reverse(placement.cores)))
        .collect();
    found.into_iter().map(|(l3, cores)| CpuPlacement { cores: cores.0, l3 }).collect()
}

/// Returns the placement that an instance with these CPUs has on its NUMA node.
#[must_use]
pub fn taken(node: &NumaNode, cpus: &[u32]) -> CpuPlacement {
    let own = |cpu: &u32| cpus.contains(cpu);
    let touched: Vec<(u32, u32)> = node
        .l3
        .iter()
        .map(|domain| {
            let used = domain.cores.iter().filter(|core| core.cpus.iter().any(own)).count();
            (u32::try_from(used).unwrap_or(u32::MAX), size_of(domain))
        })
        .filter(|(used, _)| *used > 0)
        .collect();
    let whole = touched.iter().all(|(used, size)| used == size);
    let l3 = match (touched.len(), whole) {
        (0 | 1, true) => L3Use::Own,
        (0 | 1, false) => L3Use::Shared,
        (_, true) => L3Use::Several,
        (_, false) => L3Use::Straddling,
    };
    CpuPlacement { cores: touched.iter().map(|(used, _)| used).sum(), l3 }
}

fn size_of(domain: &L3Domain) -> u32 {
    u32::try_from(domain.cores.len()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Core;
    use crate::units::Mebibytes;

    fn node(sizes: &[u32]) -> NumaNode {
        let mut next = 0;
        let mut domain = |size: &u32| {
            let cores = (next..next + size).map(|cpu| Core { cpus: vec![cpu, cpu + 100] });
            next += size;
            L3Domain { size_kib: None, cores: cores.collect() }
        };
        NumaNode {
            id: 0,
            l3: sizes.iter().map(&mut domain).collect(),
            memory_mib: Mebibytes::from_gib(1),
            reserved_memory_mib: Mebibytes::ZERO,
            reserved_cores: 0,
            pages: Vec::new(),
        }
    }

    #[test]
    fn what_was_taken_is_counted_by_domain() {
        let node = node(&[4, 4, 2]);
        let l3 = |cpus: &[u32]| taken(&node, cpus).l3;
        assert_eq!(l3(&[0, 1, 2, 3]), L3Use::Own);
        assert_eq!(l3(&[0, 1]), L3Use::Shared);
        assert_eq!(l3(&[0, 1, 2, 3, 8, 9]), L3Use::Several);
        assert_eq!(l3(&[3, 4]), L3Use::Straddling);
        assert_eq!(taken(&node, &[0, 100, 1]).cores, 2);
    }
}

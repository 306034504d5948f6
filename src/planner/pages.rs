//! The page size behind the memory of each NUMA node's instances: the largest
//! of its pools of huge pages that holds all of it and divides each size, else
//! ordinary pages of 4 KiB.

use std::collections::BTreeMap;

use super::build::Member;
use crate::model::Problem;
use crate::topology::NumaNode;

/// Page size in KiB by indices of host and NUMA node.
pub(super) fn choose(problem: &Problem, members: &[Member]) -> BTreeMap<(usize, usize), u64> {
    let mut sizes: BTreeMap<(usize, usize), Vec<u64>> = BTreeMap::new();
    for member in members {
        let place = (member.slot.site, member.slot.room);
        sizes.entry(place).or_default().push(member.size.memory_mib.kib());
    }
    let mut found = BTreeMap::new();
    for ((site, room), sizes) in sizes {
        let node = problem.hosts.get(site).and_then(|site| site.numa.get(room));
        if let Some(room_) = node {
            found.insert((site, room), page_kib(room_.node, &sizes));
        }
    }
    found
}

fn page_kib(node: &NumaNode, sizes_kib: &[u64]) -> u64 {
    let need = sizes_kib.iter().copied().fold(0, u64::saturating_add);
    let holds = |size: u64, count: u64| {
        size > 0
            && size.saturating_mul(count) >= need
            && sizes_kib.iter().all(|memory| memory.is_multiple_of(size))
    };
    let pools = node.pages.iter().filter(|pool| holds(pool.size_kib, pool.count));
    pools.map(|pool| pool.size_kib).max().unwrap_or(4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::PagePool;
    use crate::units::Mebibytes;

    #[test]
    fn the_largest_page_that_holds_and_divides_is_taken() {
        let pages = vec![
            PagePool { size_kib: 2048, count: 1024 },
            PagePool { size_kib: 1 << 20, count: 2 },
        ];
        let node = NumaNode {
            id: 0,
            l3: Vec::new(),
            memory_mib: Mebibytes::from_gib(8),
            reserved_memory_mib: Mebibytes::ZERO,
            reserved_cores: 0,
            pages,
        };
        assert_eq!(page_kib(&node, &[1 << 20, 1 << 20]), 1 << 20);
        assert_eq!(page_kib(&node, &[512 << 10, 1 << 20]), 2048);
        assert_eq!(page_kib(&node, &[3 << 20]), 4);
    }
}

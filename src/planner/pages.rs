//! The page size behind the memory of each NUMA node's instances: the largest
//! of its pools of huge pages that holds all of it and divides each size, else
//! ordinary pages of 4 KiB.

use crate::topology::NumaNode;

/// Returns the page size in KiB for memories of those sizes in KiB.
pub(super) fn page_kib(node: &NumaNode, sizes_kib: &[u64]) -> u64 {
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

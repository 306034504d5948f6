//! What a host keeps for itself and for emulator threads, and from which NUMA
//! nodes it is taken. How much where nobody states it: [`super::assumed::reserve`].

use super::NumaNode;
use crate::units::Mebibytes;

/// Cores of all NUMA nodes.
#[must_use]
pub fn total_cores(numa: &[NumaNode]) -> u32 {
    numa.iter().map(core_count).fold(0, u32::saturating_add)
}

/// Memory of all NUMA nodes.
#[must_use]
pub fn total_memory(numa: &[NumaNode]) -> Mebibytes {
    numa.iter().map(|node| node.memory_mib).sum()
}

fn core_count(node: &NumaNode) -> u32 {
    u32::try_from(node.cores().count()).unwrap_or(u32::MAX)
}

/// Cores of each NUMA node.
#[must_use]
pub fn cores_of_each(numa: &[NumaNode]) -> Vec<usize> {
    numa.iter().map(|node| node.cores().count()).collect()
}

/// Takes `cores` and `memory` from the NUMA nodes evenly.
///
/// NUMA nodes without memory give their cores first: no VM can have them. Among the
/// others cores go round: the lowest NUMA node gives one, the next one, and so on
/// until all are taken; within a NUMA node the first cores go first. Memory is
/// split into equal parts, the odd MiB from the lowest NUMA nodes. One that
/// has no more to give is passed over. More than there is, is all there is.
pub fn spread(numa: &mut [NumaNode], cores: u32, memory: Mebibytes) {
    for node in numa.iter_mut() {
        node.reserved_cores = 0;
        node.reserved_memory_mib = Mebibytes::ZERO;
    }
    let is_useless = |node: &NumaNode| node.memory_mib == Mebibytes::ZERO;
    let left = take_in_turn(numa.iter_mut().filter(|node| is_useless(node)).collect(), cores);
    take_in_turn(numa.iter_mut().collect(), left);
    spread_memory(numa, memory);
}

/// Reserves one core after the other; returns how many there are not.
fn take_in_turn(mut numa: Vec<&mut NumaNode>, cores: u32) -> u32 {
    let mut left = cores;
    while left > 0 {
        let before = left;
        for node in &mut numa {
            if left > 0 && node.allocatable_cores() > 0 {
                node.reserved_cores += 1;
                left -= 1;
            }
        }
        if left == before {
            break;
        }
    }
    left
}

fn spread_memory(numa: &mut [NumaNode], memory: Mebibytes) {
    let mut left = memory.get();
    loop {
        let givers = numa.iter().filter(|node| node.allocatable_memory().get() > 0).count() as u64;
        if left == 0 || givers == 0 {
            return;
        }
        let (part, mut odd) = (left / givers, left % givers);
        for node in numa.iter_mut().filter(|node| node.allocatable_memory().get() > 0) {
            let wanted = part + u64::from(odd > 0);
            odd = odd.saturating_sub(1);
            let given = wanted.min(node.allocatable_memory().get());
            node.reserved_memory_mib =
                node.reserved_memory_mib.saturating_add(Mebibytes::new(given));
            left -= given;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Core, L3Domain};

    fn node(id: u32, cores: u32, memory: u64) -> NumaNode {
        let cores = (0..cores).map(|core| Core { cpus: vec![id * 100 + core] }).collect();
        NumaNode {
            id,
            l3: vec![L3Domain { size_kib: None, cores }],
            memory_mib: Mebibytes::new(memory),
            reserved_memory_mib: Mebibytes::ZERO,
            reserved_cores: 0,
            pages: Vec::new(),
        }
    }

    fn kept(numa: &[NumaNode]) -> Vec<(u32, u64)> {
        numa.iter().map(|node| (node.reserved_cores, node.reserved_memory_mib.get())).collect()
    }

    #[test]
    fn the_lowest_numa_nodes_give_first() {
        let mut numa = vec![node(0, 8, 1000), node(1, 8, 1000)];
        spread(&mut numa, 3, Mebibytes::new(101));
        assert_eq!(kept(&numa), [(2, 51), (1, 50)]);
    }

    #[test]
    fn who_has_nothing_more_is_passed_over() {
        let mut numa = vec![node(0, 1, 0), node(1, 0, 10), node(2, 9, 1000)];
        spread(&mut numa, 4, Mebibytes::new(100));
        assert_eq!(kept(&numa), [(1, 0), (0, 10), (3, 90)]);
    }

    #[test]
    fn cores_without_memory_are_reserved_before_others() {
        let mut numa = vec![node(0, 8, 1000), node(1, 2, 0), node(2, 8, 1000), node(3, 2, 0)];
        spread(&mut numa, 4, Mebibytes::ZERO);
        assert_eq!(kept(&numa), [(0, 0), (2, 0), (0, 0), (2, 0)]);
        spread(&mut numa, 5, Mebibytes::ZERO);
        assert_eq!(kept(&numa), [(1, 0), (2, 0), (0, 0), (2, 0)]);
    }

    #[test]
    fn more_than_there_is_takes_all() {
        let mut numa = vec![node(0, 2, 10)];
        spread(&mut numa, u32::MAX, Mebibytes::new(u64::MAX));
        assert_eq!(kept(&numa), [(2, 10)]);
    }
}

//! NUMA nodes, L3 domains, cores and huge pages.

use serde::{Deserialize, Serialize};

use crate::units::Mebibytes;

/// Cores and memory that are near to each other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumaNode {
    /// libvirt's and the kernel's number.
    pub id: u32,
    /// L3 domains, in the order of their first CPU.
    pub l3: Vec<L3Domain>,
    /// Physical memory.
    pub memory_mib: Mebibytes,
    /// Memory kept back for the host.
    pub reserved_memory_mib: Mebibytes,
    /// Cores kept back for the host and for emulator threads: this many, from
    /// the first core of the first L3 domain on.
    pub reserved_cores: u32,
    /// Pools of huge pages, by page size; memory in them is part of
    /// `memory_mib`.
    pub pages: Vec<PagePool>,
}

/// Huge pages of one size on one NUMA node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PagePool {
    /// Page size in KiB: 2048 or 1048576.
    pub size_kib: u64,
    /// Pages of that size.
    pub count: u64,
}

/// Cores that share a last-level cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L3Domain {
    /// Size of the cache in KiB, if known.
    pub size_kib: Option<u64>,
    /// Cores, in the order of their first CPU.
    pub cores: Vec<Core>,
}

/// A physical core: its hardware threads as the host's CPU numbers, ascending.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Core {
    /// CPU numbers of the threads.
    pub cpus: Vec<u32>,
}

impl NumaNode {
    /// All cores, L3 domain by L3 domain.
    pub fn cores(&self) -> impl Iterator<Item = &Core> {
        self.l3.iter().flat_map(|domain| domain.cores.iter())
    }

    /// Cores that VMs may have.
    #[must_use]
    pub fn allocatable_cores(&self) -> u32 {
        let all = u32::try_from(self.cores().count()).unwrap_or(u32::MAX);
        all.saturating_sub(self.reserved_cores)
    }

    /// Memory that VMs may have.
    #[must_use]
    pub fn allocatable_memory(&self) -> Mebibytes {
        self.memory_mib.saturating_sub(self.reserved_memory_mib)
    }
}

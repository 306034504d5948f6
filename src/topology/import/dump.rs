//! What a file says of a machine, CPU by CPU, before anything is filled in.

use std::collections::BTreeMap;

use super::Place;
use crate::topology::Architecture;
use crate::units::{BitsPerSecond, Mebibytes};

/// The contents of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// The name that the machine calls itself.
    pub hostname: Option<String>,
    /// What the CPUs are, if the file says it.
    pub architecture: Option<Architecture>,
    /// Domain types that libvirt offers guests of the host's architecture, sorted.
    pub domain_types: Option<Vec<String>>,
    /// Online CPUs, in the order of the file.
    pub cpus: Vec<Cpu>,
    /// NUMA nodes, also those without CPUs.
    pub numa: BTreeMap<u32, Numa>,
    /// Whether the file knows which CPU lies in which NUMA node.
    pub numa_listed: bool,
    /// Sizes of the L3 caches in KiB, where known; CPUs name them by their index.
    pub caches_kib: Vec<Option<u64>>,
    /// What was assumed about cores and caches already, if anything.
    pub cores_assumed: Option<String>,
    /// NICs and disks that are built in, in the order of the file.
    pub devices: Vec<Device>,
    /// Online CPUs that are near to devices; devices name them by their index.
    pub places: Vec<Vec<u32>>,
    /// What was left out, or is to be taken with care.
    pub notes: Vec<String>,
}

impl Dump {
    /// Of a NUMA node without memory, programs write none instead of zero. So where
    /// some NUMA node's is known, the others have none.
    pub(super) fn none_told_is_none(&mut self) {
        if self.numa.values().any(|numa| numa.memory_kib.is_some()) {
            for numa in self.numa.values_mut() {
                numa.memory_kib.get_or_insert(0);
            }
        }
    }
}

/// A NIC or a disk that is built in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The kernel's name of it.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// Index of the CPUs near to it in [`Dump::places`], if known.
    pub place: Option<usize>,
}

/// Kinds of device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A NIC.
    Nic {
        /// What its link carries, if known.
        speed: Option<BitsPerSecond>,
        /// Its MAC address, if known.
        address: Option<String>,
    },
    /// A disk.
    Disk {
        /// Its size, if known.
        size: Option<Mebibytes>,
    },
}

/// A NUMA node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numa {
    /// Memory in KiB.
    pub memory_kib: Option<u64>,
    /// What kind of memory, where it is not the ordinary one: `HBM`, `CXL-DRAM`.
    pub kind: Option<String>,
    /// Pages: size in KiB and number; `None` if the file lists none of any size.
    pub pages: Option<Vec<(u64, u64)>>,
}

/// An online CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// Where the file describes it.
    pub place: Place,
    /// Its number.
    pub id: u32,
    /// Its socket.
    pub socket: u32,
    /// Its die in the socket.
    pub die: u32,
    /// Its core: CPUs with equal keys are siblings.
    pub core: CoreKey,
    /// Its NUMA node.
    pub numa: Option<u32>,
    /// Index of its L3 cache in [`Dump::caches_kib`].
    pub l3: Option<usize>,
}

/// What makes a core one of its machine: a number and what it is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CoreKey {
    /// What the number is counted in: a socket, or the core's first CPU.
    pub within: u32,
    /// The number.
    pub number: u32,
}

/// Says which CPUs are left out because they are offline.
pub(super) fn offline_note(cpus: &[u32]) -> Option<String> {
    const SHOWN: usize = 8;
    let shown: Vec<String> = cpus.iter().take(SHOWN).map(u32::to_string).collect();
    let rest = if cpus.len() > SHOWN { ", ..." } else { "" };
    match cpus.len() {
        0 => None,
        1 => Some(format!("CPU {} is offline: left out.", shown.join(""))),
        count => Some(format!("{count} CPUs are offline: left out ({}{rest}).", shown.join(", "))),
    }
}

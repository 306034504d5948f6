//! The hosts: NUMA nodes, L3 domains, cores and threads; memory, pools and
//! failure domains; what is kept back for the host itself.

pub mod assumed;
pub mod cpuset;
pub mod import;
pub mod reserve;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::HostName;
use crate::units::{BitsPerSecond, Mebibytes, PerSecond};

/// All hosts, in the order of their names. Names are unique.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Topology {
    /// The hosts, sorted by name.
    pub hosts: Vec<Host>,
}

/// A physical server that runs libvirt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Name, unique in the topology.
    pub name: HostName,
    /// libvirt's address; `None` for a host that is only planned for.
    pub uri: Option<String>,
    /// How it runs guests.
    pub hypervisor: Virtualization,
    /// Failure domains above the host: its rack and its site.
    pub labels: BTreeMap<Level, String>,
    /// NUMA nodes, in the order of their ids.
    pub numa: Vec<NumaNode>,
    /// Storage pools, in the order of their names.
    pub pools: Vec<Pool>,
    /// Bridges that guests can be attached to, sorted.
    pub bridges: Vec<String>,
    /// Bandwidth of the NIC, if known.
    pub network_bits_per_s: Option<BitsPerSecond>,
    /// What the host costs when it is used, in any unit that all hosts share.
    pub cost: u64,
}

/// How a host runs guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Virtualization {
    /// Hardware virtualisation.
    Kvm,
    /// Software emulation: everything works, speeds mean nothing.
    #[serde(rename = "qemu")]
    Tcg,
}

impl Virtualization {
    /// The domain type of libvirt, which host files use too.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "qemu",
        }
    }
}

/// Kinds of failure domain, smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A host.
    Host,
    /// The hosts of one rack.
    Rack,
    /// The hosts of one site.
    Site,
}

impl Level {
    /// The word that the spec uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Rack => "rack",
            Self::Site => "site",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

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

/// A storage pool and the disk behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// libvirt's name of the pool.
    pub name: String,
    /// Space that plans may use.
    pub capacity_mib: Mebibytes,
    /// I/O operations per second of the disk, if known.
    pub iops_per_s: Option<PerSecond>,
}

impl Topology {
    /// Orders hosts by their names; names must differ.
    #[must_use]
    pub fn new(mut hosts: Vec<Host>) -> Self {
        hosts.sort_by(|a, b| a.name.cmp(&b.name));
        Self { hosts }
    }

    /// The host of that name.
    #[must_use]
    pub fn host(&self, name: &HostName) -> Option<&Host> {
        self.hosts.iter().find(|host| &host.name == name)
    }

    /// The NUMA node with that id on the host of that name.
    #[must_use]
    pub fn numa(&self, host: &HostName, id: u32) -> Option<&NumaNode> {
        self.host(host)?.numa_node(id)
    }
}

impl Host {
    /// The NUMA node with that id.
    #[must_use]
    pub fn numa_node(&self, id: u32) -> Option<&NumaNode> {
        self.numa.iter().find(|node| node.id == id)
    }

    /// The failure domain of `level` that holds the host: its name for
    /// [`Level::Host`], else its label, else a domain of its own.
    #[must_use]
    pub fn failure_domain(&self, level: Level) -> String {
        match level {
            Level::Host => self.name.to_string(),
            _ => self
                .labels
                .get(&level)
                .cloned()
                .unwrap_or_else(|| format!("{level} of {}", self.name)),
        }
    }

    /// Hardware threads of a core: the fewest of any core of the host, so that a
    /// promise in whole cores holds on each of them. At least 1.
    #[must_use]
    pub fn threads_per_core(&self) -> u32 {
        let fewest = self.numa.iter().flat_map(NumaNode::cores).map(|core| core.cpus.len()).min();
        fewest.and_then(|count| u32::try_from(count).ok()).unwrap_or(1).max(1)
    }

    /// The cores that share a last-level cache with a CPU, the CPU's own among them.
    #[must_use]
    pub fn l3_of(&self, cpu: u32) -> Option<&L3Domain> {
        let has = |core: &Core| core.cpus.contains(&cpu);
        let mut domains = self.numa.iter().flat_map(|node| &node.l3);
        domains.find(|domain| domain.cores.iter().any(has))
    }

    /// CPUs of all reserved cores, ascending: where emulator threads run.
    #[must_use]
    pub fn reserved_cpus(&self) -> Vec<u32> {
        let mut cpus: Vec<u32> = self
            .numa
            .iter()
            .flat_map(|node| node.cores().take(node.reserved_cores as usize))
            .flat_map(|core| core.cpus.iter().copied())
            .collect();
        cpus.sort_unstable();
        cpus
    }
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

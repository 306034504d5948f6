//! A host: its NUMA nodes, pools, bridges and failure domains.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Core, Fence, L3Domain, Level, NumaNode};
use crate::ids::HostName;
use crate::units::{BitsPerSecond, Mebibytes, PerSecond};

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
    /// What its CPUs are.
    #[serde(default, skip_serializing_if = "Architecture::is_of_guests")]
    pub architecture: Architecture,
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
    /// How the operator's own command cuts it off, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fence: Option<Fence>,
    /// How VMs that move here while they run reach it.
    #[serde(default, skip_serializing_if = "Migration::is_default")]
    pub migration: Migration,
    /// Fields of its file whose values were assumed, such as `pools.default.iops`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub assumed: BTreeSet<String>,
}

/// How VMs reach a host that they move to while they run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Migration {
    /// Its address, or its name, for the other hosts; without it the one in its URI.
    pub address: Option<String>,
    /// Most that a move may send.
    pub bits_per_s: Option<BitsPerSecond>,
    /// Whether memory and disks are encrypted on their way.
    pub tls: bool,
}

impl Migration {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Architectures of CPUs, by the kernel's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// Those of Intel and AMD; guests have it.
    #[default]
    #[serde(rename = "x86_64")]
    X86,
    /// ARM of 64 bits.
    Aarch64,
    /// POWER.
    Ppc64le,
    /// RISC-V of 64 bits.
    Riscv64,
    /// IBM Z.
    S390x,
    /// Any other.
    Other,
}

impl Architecture {
    /// All, in the order of their names.
    pub const ALL: [Self; 6] =
        [Self::Aarch64, Self::Ppc64le, Self::Riscv64, Self::S390x, Self::X86, Self::Other];

    /// The kernel's name of it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::X86 => "x86_64",
            Self::Aarch64 => "aarch64",
            Self::Ppc64le => "ppc64le",
            Self::Riscv64 => "riscv64",
            Self::S390x => "s390x",
            Self::Other => "other",
        }
    }

    /// The architecture of that name, by the kernel's or another common name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name.trim() {
            // Libvirt names the 32 bits of a kernel; whether its CPUs have 64 is seen by the
            // guests that it offers.
            "amd64" | "x86-64" | "i386" | "i586" | "i686" => Self::X86,
            "arm64" => Self::Aarch64,
            name => Self::ALL.into_iter().find(|one| one.as_str() == name).unwrap_or(Self::Other),
        }
    }

    /// Whether guests are of it: all images and machines are x86_64.
    #[must_use]
    pub fn is_of_guests(&self) -> bool {
        *self == Self::X86
    }
}

/// How a host runs guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Virtualization {
    /// Hardware virtualisation.
    Kvm,
    /// Software emulation: everything works, and no speed is promised.
    ///
    /// All ceilings were measured on hardware. Emulation translates each instruction, so
    /// what is lost depends on the code: the engine, its version, encryption, even the
    /// data. No measurement of these engines under it was found, and a factor without one
    /// would be a guess that looks like a promise. So plans size and place as for KVM, and
    /// state no capacity.
    /// <https://www.qemu.org/docs/master/devel/tcg.html>
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
    /// Whether all hosts that have a shared pool of this name see the same volumes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shared: bool,
}

impl Host {
    /// The pool of that name.
    #[must_use]
    pub fn pool(&self, name: &str) -> Option<&Pool> {
        self.pools.iter().find(|pool| pool.name == name)
    }

    /// The field of the host's file that states the I/O operations of a pool, if they were
    /// assumed.
    #[must_use]
    pub fn assumed_iops(&self, pool: &str) -> Option<String> {
        // A host without `numa` has one pool and states them beside it.
        let fields = [format!("pools.{pool}.iops"), "iops".to_owned()];
        fields.into_iter().find(|field| self.assumed.contains(field))
    }

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

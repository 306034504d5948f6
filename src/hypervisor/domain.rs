//! Domains as they are seen on a host.

use std::collections::BTreeSet;

use uuid::Uuid;

#[cfg(doc)]
use super::ORDINARY_PAGE_KIB;

/// A domain as seen on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Name.
    pub name: String,
    /// UUID.
    pub uuid: Uuid,
    /// Whether it runs.
    pub active: bool,
    /// The tag of its deployment; `None` for foreign domains.
    pub owner: Option<OwnerTag>,
    /// Memory in KiB.
    pub memory_kib: u64,
    /// Host CPUs by virtual CPU, live where it runs; empty sets for unpinned.
    pub vcpu_pins: Vec<Vec<u32>>,
    /// Host CPUs of emulator threads; empty for unpinned.
    pub emulator_pins: Vec<u32>,
    /// NUMA nodes that its memory is bound to; empty for unbound.
    pub memory_nodes: Vec<u32>,
    /// Whether that binding is strict.
    pub memory_strict: bool,
    /// Size of the pages behind its memory in KiB; [`ORDINARY_PAGE_KIB`] unless it
    /// has huge ones.
    pub page_kib: u64,
    /// Its disks and interfaces, and the files that it boots.
    pub devices: Devices,
    /// Current XML, live where it runs: to be shown and compared, not to be read.
    pub xml: String,
}

/// The tag in the metadata of every domain that hostsplit makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerTag {
    /// The deployment's name.
    pub deployment: String,
    /// The instance's name.
    pub instance: String,
    /// Digest of the instance as planned; differs when it must be defined anew.
    pub digest: String,
    /// Digest of what its disks were made from; `None` for a domain of a former release.
    pub system: Option<String>,
}

/// XML namespace of [`OwnerTag`] in a domain's metadata.
pub const METADATA_NAMESPACE: &str = "urn:hostsplit:instance:1";

/// What a domain takes from its host besides CPUs and memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Devices {
    /// Disks, in the order of the XML.
    pub disks: Vec<Disk>,
    /// Kernel and initial RAM disk, where it boots them directly.
    pub boot_files: Vec<String>,
    /// MAC addresses of its interfaces, in lower case.
    pub macs: BTreeSet<String>,
    /// All storage that its XML names: that of its disks and what they are overlays
    /// on, its boot files, and files of any other device.
    pub storage: BTreeSet<StorageSource>,
}

/// A disk of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Where its bytes are; behind that, what it is an overlay on.
    pub sources: Vec<StorageSource>,
    /// Its name in the domain: `vda`.
    pub target: Option<String>,
    /// Its serial number, by which the guest finds it.
    pub serial: Option<String>,
    /// Whether the guest may only read it.
    pub readonly: bool,
}

/// Storage as the XML of a domain names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StorageSource {
    /// A file or device of the host.
    Path(String),
    /// A volume of a pool.
    Volume {
        /// The pool.
        pool: String,
        /// The volume.
        name: String,
    },
}

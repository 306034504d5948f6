//! Domains as they are seen on a host.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use uuid::Uuid;

use crate::quote;

#[cfg(doc)]
use super::ORDINARY_PAGE_KIB;

/// A domain as seen on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Name.
    pub name: String,
    /// UUID.
    pub uuid: Uuid,
    /// Whether it runs: it has a QEMU process, also while that is paused.
    pub active: bool,
    /// Its state.
    pub state: DomainState,
    /// The tag of its deployment; `None` for foreign domains.
    pub owner: Option<OwnerTag>,
    /// Whether its definition outlives its process. Foreign domains are not asked and
    /// count as persistent.
    pub persistent: bool,
    /// Whether its host starts it when libvirt starts. Foreign domains are not asked.
    pub autostart: bool,
    /// What it runs with; of one that is off, what it is defined with.
    pub definition: Definition,
    /// What its next boot will have, where it runs and is persistent. Foreign domains are
    /// not asked.
    pub next: Option<Definition>,
}

/// State of a domain, as far as callers act upon it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DomainState {
    /// Its virtual CPUs run.
    Running,
    /// It has a process whose virtual CPUs do not run.
    Paused(Pause),
    /// The guest has shut down and its process is about to end.
    ShuttingDown,
    /// The guest has suspended itself to memory.
    Asleep,
    /// The guest or its process crashed.
    Crashed,
    /// It is off.
    Off,
}

/// Why a domain is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pause {
    /// Somebody asked for it, or libvirt does not say why.
    Asked,
    /// An I/O error of a disk, for example because the host has no space left.
    IoError,
    /// Its watchdog.
    Watchdog,
    /// A panic of its kernel.
    Panic,
    /// A job of libvirt, which lets it run again by itself: a migration, a save, a
    /// snapshot, a start.
    Job,
}

impl fmt::Display for DomainState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Paused(Pause::Asked) => "paused",
            Self::Paused(Pause::IoError) => "paused by an I/O error",
            Self::Paused(Pause::Watchdog) => "paused by its watchdog",
            Self::Paused(Pause::Panic) => "paused by a kernel panic",
            Self::Paused(Pause::Job) => "paused by a job of libvirt",
            Self::ShuttingDown => "shutting down",
            Self::Asleep => "suspended",
            Self::Crashed => "crashed",
            Self::Off => "off",
        })
    }
}

/// What a domain has, as its XML says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Definition {
    /// Memory in KiB.
    pub memory_kib: u64,
    /// Host CPUs by virtual CPU; empty sets for unpinned.
    pub vcpu_pins: Vec<Vec<u32>>,
    /// Host CPUs of emulator threads; empty for unpinned.
    pub emulator_pins: Vec<u32>,
    /// Host CPUs of I/O threads, by their numbers; empty sets for unpinned.
    pub iothread_pins: BTreeMap<u32, Vec<u32>>,
    /// NUMA nodes that its memory is bound to; empty for unbound.
    pub memory_nodes: Vec<u32>,
    /// Whether that binding is strict.
    pub memory_strict: bool,
    /// Size of the pages behind its memory in KiB; [`ORDINARY_PAGE_KIB`] unless it
    /// has huge ones.
    pub page_kib: u64,
    /// Its disks and interfaces, and the files that it boots.
    pub devices: Devices,
    /// The XML: to be shown and compared, not to be read.
    pub xml: String,
}

/// A thread of a domain that can be pinned to CPUs of its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thread {
    /// A virtual CPU, by its number.
    Vcpu(u32),
    /// The threads of the emulator that are none of the others.
    Emulator,
    /// An I/O thread, by its number, from 1.
    Io(u32),
}

impl fmt::Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vcpu(number) => write!(f, "vCPU {number}"),
            Self::Emulator => f.write_str("emulator"),
            Self::Io(number) => write!(f, "I/O thread {number}"),
        }
    }
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
    /// Whether a disk of it was made larger, or may have been, and the file system on it
    /// was not yet.
    pub grows: bool,
}

impl OwnerTag {
    /// Returns the element in the metadata, without its namespace's prefix.
    #[must_use]
    pub fn to_xml(&self) -> String {
        let attribute = |name: &str, value: &str| format!(" {name}=\"{}\"", quote::xml(value));
        let mut element = "<instance".to_owned();
        element += &attribute("deployment", &self.deployment);
        element += &attribute("instance", &self.instance);
        element += &attribute("digest", &self.digest);
        if let Some(system) = &self.system {
            element += &attribute("system", system);
        }
        if self.grows {
            element += &attribute("grows", "yes");
        }
        element + "/>"
    }
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
    /// Those of them whose links are down.
    pub unplugged: BTreeSet<String>,
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

/// A disk that a running domain is given: a raw volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedDisk {
    /// Pool of the volume.
    pub pool: String,
    /// The volume.
    pub volume: String,
    /// Its serial number, by which the guest finds it.
    pub serial: String,
}

impl AttachedDisk {
    /// The disk's name in a domain, which no planned one has. So there is one at a time.
    pub const TARGET: &'static str = "vdy";

    /// Returns its element in a domain's XML. A pool that is full is an error of the disk in the
    /// guest: by default QEMU would stop the whole guest, and with it what it serves.
    /// <https://libvirt.org/formatdomain.html#hard-drives-floppy-disks-cdroms>
    #[must_use]
    pub fn to_xml(&self) -> String {
        let target = Self::TARGET;
        let [pool, volume, serial] =
            [&self.pool, &self.volume, &self.serial].map(|text| quote::xml(text));
        format!(
            "<disk type='volume' device='disk'>\
             <driver name='qemu' type='raw' cache='none' io='native' discard='unmap' \
             error_policy='report'/>\
             <source pool='{pool}' volume='{volume}'/><target dev='{target}' bus='virtio'/>\
             <serial>{serial}</serial></disk>"
        )
    }
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

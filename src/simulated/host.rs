//! One host: pools, volumes and domains in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::daemon::VolumeId;
use super::guest::Running;
use super::xml::{self, Defined};
use crate::hypervisor::{Definition, Domain, DomainState, ORDINARY_PAGE_KIB, VolumeRequest};
use crate::topology::Host;

/// Where pools are on a host.
pub(super) const POOLS: &str = "/pools/";

/// Path of a pool on its host.
pub(super) fn pool_path(pool: &str) -> String {
    format!("{POOLS}{pool}")
}

/// A file in a guest.
#[derive(Clone, Debug, Default)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) mode: u32,
    pub(super) owner: String,
}

/// A volume and what guests left on it.
#[derive(Clone, Debug)]
pub(super) struct Volume {
    /// What engines know it by.
    pub(super) id: VolumeId,
    pub(super) request: VolumeRequest,
    /// What was uploaded, up to the last byte that is not 0: most of a seed is
    /// empty, and a world holds many.
    bytes: Vec<u8>,
    /// Bytes that were uploaded.
    pub(super) length: usize,
    /// Files, for a root.
    pub(super) files: BTreeMap<String, File>,
    /// Units that start at boot, for a root.
    pub(super) enabled: BTreeSet<String>,
    /// Size of its file system in bytes, once a guest has made or found one.
    pub(super) file_system: u64,
}

impl Volume {
    pub(super) fn empty(id: VolumeId, request: &VolumeRequest) -> Self {
        Self {
            id,
            request: request.clone(),
            bytes: Vec::new(),
            length: 0,
            files: BTreeMap::new(),
            enabled: BTreeSet::new(),
            file_system: 0,
        }
    }

    /// Keeps what was uploaded.
    pub(super) fn fill(&mut self, mut bytes: Vec<u8>) {
        self.length = bytes.len();
        let used = used(&bytes);
        bytes.truncate(used);
        bytes.shrink_to_fit();
        self.bytes = bytes;
    }

    /// What was uploaded, up to the last byte that is not 0.
    pub(super) fn head(&self) -> &[u8] {
        &self.bytes
    }

    /// What was uploaded.
    pub(super) fn content(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes.resize(self.length, 0);
        bytes
    }
}

/// A domain, defined or only running.
#[derive(Clone, Debug)]
pub(super) struct SimulatedDomain {
    /// What it runs with; of one that is off, what it is defined with.
    pub(super) definition: Defined,
    /// What its next boot will have, where it was defined anew while it ran.
    pub(super) next: Option<Defined>,
    /// Whether it is gone once it stops.
    pub(super) transient: bool,
    pub(super) autostart: bool,
    /// Whether it stopped by itself.
    pub(super) crashed: bool,
    pub(super) running: Option<Running>,
}

impl SimulatedDomain {
    pub(super) const fn new(definition: Defined) -> Self {
        Self {
            definition,
            next: None,
            transient: false,
            autostart: false,
            crashed: false,
            running: None,
        }
    }

    /// Defines it anew: at once, or from its next boot on.
    pub(super) fn define(&mut self, definition: Defined) {
        self.transient = false;
        if self.running.is_some() {
            self.next = Some(definition);
        } else {
            self.definition = definition;
        }
    }

    /// Changes the XML that it runs with, and that of its next boot where it has one.
    pub(super) fn change(&mut self, live: bool, next: bool, edit: impl Fn(&str) -> String) {
        let changed = |known: &Defined| xml::read(&edit(&known.domain.definition.xml)).ok();
        let runs = self.running.is_some();
        if next && runs && !self.transient {
            self.next = changed(self.next.as_ref().unwrap_or(&self.definition));
        } else if live && !next && runs {
            self.next.get_or_insert_with(|| self.definition.clone());
        }
        if live || !runs {
            self.definition = changed(&self.definition).unwrap_or_else(|| self.definition.clone());
        }
    }

    /// What its host says of it.
    pub(super) fn seen(&self) -> Domain {
        let Self { definition, next, transient, autostart, crashed, running } = self;
        let state = match running {
            Some(Running { paused: Some(why), .. }) => DomainState::Paused(*why),
            Some(_) => DomainState::Running,
            None if *crashed => DomainState::Crashed,
            None => DomainState::Off,
        };
        let active = running.is_some();
        let next = next.as_ref().unwrap_or(definition);
        let next = (active && !transient).then(|| next.domain.definition.clone());
        let (persistent, autostart) = (!transient, *autostart);
        Domain { active, state, persistent, autostart, next, ..definition.domain.clone() }
    }
}

/// A host and all it holds.
#[derive(Debug)]
pub(super) struct SimulatedHost {
    pub(super) topology: Host,
    /// What its CPUs are called, where somebody said so.
    pub(super) cpu_model: Option<String>,
    pub(super) powered: bool,
    pub(super) reachable: bool,
    pub(super) pools: BTreeMap<String, BTreeMap<String, Volume>>,
    pub(super) domains: BTreeMap<String, SimulatedDomain>,
}

impl SimulatedHost {
    pub(super) fn new(topology: &Host) -> Self {
        let pools = topology.pools.iter().map(|pool| (pool.name.clone(), BTreeMap::new()));
        Self {
            topology: topology.clone(),
            cpu_model: None,
            powered: true,
            reachable: true,
            pools: pools.collect(),
            domains: BTreeMap::new(),
        }
    }

    pub(super) const fn answers(&self) -> bool {
        self.powered && self.reachable
    }

    pub(super) fn lose_power(&mut self) {
        self.powered = false;
        let names: Vec<String> = self.domains.keys().cloned().collect();
        for name in names {
            self.stop(&name);
        }
    }

    /// Whether a domain runs here.
    pub(super) fn runs(&self, domain: &str) -> bool {
        self.domains.get(domain).is_some_and(|domain| domain.running.is_some())
    }

    /// Starts the domains that it is to start by itself.
    pub(super) fn autostart(&mut self, now: Duration) {
        let off = |domain: &SimulatedDomain| domain.autostart && domain.running.is_none();
        let names = self.domains.iter().filter(|(_, domain)| off(domain));
        let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
        for name in names {
            let definition = self.domains.get(&name).map(|domain| domain.definition.clone());
            let starts = definition.is_some_and(|one| self.obstacle(&one).is_none());
            self.forget_run(&name);
            if let Some(domain) = self.domains.get_mut(&name).filter(|_| starts) {
                domain.running = Some(Running::starting(now));
            }
        }
    }

    /// Takes the process of a domain away; whether it had one.
    pub(super) fn stop(&mut self, name: &str) -> bool {
        let Some(domain) = self.domains.get_mut(name) else { return false };
        let ran = domain.running.take().is_some();
        if let Some(next) = domain.next.take() {
            domain.definition = next;
        }
        if domain.transient {
            self.domains.remove(name);
        }
        ran
    }

    pub(super) fn volumes(&self, pool: &str) -> impl Iterator<Item = &Volume> {
        self.pools.get(pool).into_iter().flat_map(BTreeMap::values)
    }

    /// Pages of a size on a NUMA node that running domains hold.
    pub(super) fn pages_in_use(&self, numa: u32, size_kib: u64) -> u64 {
        let running = self.domains.values().filter(|domain| domain.running.is_some());
        running
            .map(|domain| &domain.definition)
            .filter(|known| known.domain.definition.memory_nodes == [numa])
            .filter(|known| known.domain.definition.page_kib == size_kib)
            .map(|known| known.domain.definition.memory_kib.div_ceil(size_kib))
            .sum()
    }

    /// The volume of a disk that a domain was given while it runs.
    pub(super) fn attached_to_mut(&mut self, domain: &str) -> Option<&mut Volume> {
        let disks = &self.domains.get(domain)?.definition.disks;
        let disk = disks.iter().filter(|disk| !disk.readonly).nth(2)?;
        self.pools.get_mut(&disk.pool)?.get_mut(&disk.volume)
    }

    /// Takes what a guest has in memory alone.
    pub(super) fn forget_run(&mut self, domain: &str) {
        if let Some(root) = self.root_of_mut(domain) {
            root.files.retain(|path, _| !path.starts_with("/run/"));
        }
    }

    /// The volume that a domain boots from.
    pub(super) fn root_of(&self, domain: &str) -> Option<&Volume> {
        let disk = self.domains.get(domain)?.definition.disks.iter().find(|disk| !disk.readonly)?;
        self.pools.get(&disk.pool)?.get(&disk.volume)
    }

    /// The same, to change it.
    pub(super) fn root_of_mut(&mut self, domain: &str) -> Option<&mut Volume> {
        let disks = &self.domains.get(domain)?.definition.disks;
        let disk = disks.iter().find(|disk| !disk.readonly)?;
        self.pools.get_mut(&disk.pool)?.get_mut(&disk.volume)
    }

    /// The domain whose engines keep their directories on a volume, if it runs here.
    pub(super) fn with_data(&self, volume: VolumeId) -> Option<String> {
        let has = |domain: &SimulatedDomain| {
            let disks = domain.definition.disks.iter().filter(|disk| !disk.readonly);
            let disk = disks.take(2).last()?;
            Some(self.pools.get(&disk.pool)?.get(&disk.volume)?.id == volume)
        };
        let mut running = self.domains.iter().filter(|(_, domain)| domain.running.is_some());
        running.find(|(_, domain)| has(domain) == Some(true)).map(|(name, _)| name.clone())
    }

    fn has_file(&self, path: &str) -> bool {
        self.pools.iter().any(|(pool, volumes)| {
            volumes.keys().any(|name| path == format!("{}/{name}", pool_path(pool)))
        })
    }

    /// Why QEMU would not start a domain.
    pub(super) fn obstacle(&self, domain: &Defined) -> Option<String> {
        let missing = domain.disks.iter().find(|disk| {
            self.pools.get(&disk.pool).is_none_or(|pool| !pool.contains_key(&disk.volume))
        });
        if let Some(disk) = missing {
            return Some(format!("Storage volume not found: {}/{}", disk.pool, disk.volume));
        }
        if let Some(path) =
            domain.domain.definition.devices.boot_files.iter().find(|path| !self.has_file(path))
        {
            return Some(format!("could not open kernel file '{path}'"));
        }
        let Definition { memory_nodes, memory_kib, page_kib, .. } = &domain.domain.definition;
        let size = Some(*page_kib).filter(|kib| *kib > ORDINARY_PAGE_KIB)?;
        let node = self.topology.numa.iter().find(|node| *memory_nodes == [node.id])?;
        let pool =
            node.pages.iter().find(|pool| pool.size_kib == size).map_or(0, |pool| pool.count);
        let free = pool.saturating_sub(self.pages_in_use(node.id, size));
        (free < memory_kib.div_ceil(size)).then(|| {
            format!("unable to map backing store for guest RAM: {free} pages of {size} KiB free")
        })
    }
}

/// Bytes up to the last that is not zero. Most of a volume is, so whole blocks are
/// compared first.
fn used(bytes: &[u8]) -> usize {
    const BLOCK: [u8; 4096] = [0; 4096];
    let empty = bytes.rchunks_exact(BLOCK.len()).take_while(|block| **block == BLOCK).count();
    let rest = bytes.get(..bytes.len() - empty * BLOCK.len()).unwrap_or_default();
    rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

//! hwloc's XML, as `lstopo --of xml` writes it.
//!
//! Versions differ in where NUMA nodes are (above the sockets in version 1,
//! beside the caches since version 2) and in what sockets and caches are
//! called. So ancestors are searched for sockets, caches and cores, and
//! sets of CPUs for NUMA nodes.

use std::collections::{BTreeMap, BTreeSet};

use roxmltree::Node;

use super::bitmap::Bitmap;
use super::devices::{Devices, Hanging, info};
use super::dump::{CoreKey, Cpu, Dump, Numa, offline_note};
use super::xml::{Xml, child, elements, number};
use super::{ImportError, MAX_NUMA, Place};
use crate::topology::Architecture;
use crate::units::Bytes;

/// The ancestors of an object in the tree.
#[derive(Clone, Copy, Default)]
struct Above<'a> {
    socket: Option<u32>,
    die: u32,
    core: Option<u32>,
    l3: Option<usize>,
    cpuset: Option<&'a str>,
    /// The NUMA nodes around, also those that hwloc lists no object of.
    nodes: Option<&'a str>,
    io: Hanging,
}

/// A NUMA node and the CPUs near to it.
struct Near {
    id: u32,
    cpus: Bitmap,
    /// Whether its memory is not the ordinary one.
    is_special: bool,
}

#[derive(Default)]
struct Walk {
    dump: Dump,
    near: Vec<Near>,
    /// CPU to the only NUMA node around it, listed as an object or not.
    around: BTreeMap<u32, u32>,
    sockets: u32,
    dies: u32,
    cores: u32,
    offline: Vec<u32>,
    coreless: bool,
    devices: Devices,
    /// Sizes of memory-side caches in bytes, where known.
    memory_caches: Vec<Option<u64>>,
}

pub(super) fn dump(xml: &Xml<'_>) -> Result<Dump, ImportError> {
    let root = xml.root();
    let machine = elements(Some(root), "object")
        .next()
        .ok_or_else(|| xml.wrong(root, "hwloc XML without an object"))?;
    let online: Vec<Bitmap> = ["cpuset", "online_cpuset"]
        .into_iter()
        .filter_map(|name| machine.attribute(name).and_then(Bitmap::parse))
        .filter(|set| !set.is_empty())
        .collect();
    let version = root.attribute("version").and_then(|version| version.split('.').next());
    let mut walk = Walk::default();
    walk.devices.kinds_are_sets = version.and_then(|version| version.parse().ok()) >= Some(3_u32);
    let mut open = vec![(machine, Above::default())];
    while let Some((node, above)) = open.pop() {
        let above = walk.object(xml, node, above, &online)?;
        let objects: Vec<Node<'_, '_>> = elements(Some(node), "object").collect();
        open.extend(objects.into_iter().rev().map(|object| (object, above)));
    }
    walk.missing(machine, &online);
    walk.numa_of_cpus();
    let mut dump = walk.dump;
    // Of the machine until version 2, of the topology since version 3.
    dump.hostname = info(machine, "HostName").or_else(|| info(root, "HostName"));
    let architecture = info(machine, "Architecture").or_else(|| info(root, "Architecture"));
    dump.architecture = architecture.as_deref().map(Architecture::named);
    walk.offline.sort_unstable();
    walk.offline.dedup();
    dump.notes.extend(offline_note(&walk.offline));
    if walk.coreless {
        dump.cores_assumed = Some("each CPU is a core of its own; the file lists no cores".into());
    }
    if elements(Some(root), "cpukind").count() > 1 {
        dump.notes.push("The cores are of several kinds; a plan takes all for equal.".into());
    }
    dump.notes.extend(memory_caches_note(&walk.memory_caches));
    dump.none_told_is_none();
    memory_of_all(machine, &mut dump);
    walk.devices.into_dump(&mut dump);
    Ok(dump)
}

impl Walk {
    /// Takes an object; returns the ancestors of its children.
    fn object<'a>(
        &mut self,
        xml: &Xml<'_>,
        node: Node<'a, '_>,
        mut above: Above<'a>,
        online: &[Bitmap],
    ) -> Result<Above<'a>, ImportError> {
        let depth = node.attribute("depth");
        above.nodes = node.attribute("complete_nodeset").or(above.nodes);
        match node.attribute("type").unwrap_or_default() {
            "Package" | "Socket" => above.socket = Some(next(&mut self.sockets)),
            "Die" => above.die = next(&mut self.dies),
            "Core" => above.core = Some(next(&mut self.cores)),
            "L3Cache" => above.l3 = Some(self.cache(node)),
            "Cache" if depth == Some("3") => above.l3 = Some(self.cache(node)),
            "NUMANode" | "Node" => self.numa_node(xml, node, above)?,
            "PU" => self.pu(xml, node, above, online)?,
            "MemCache" => self.memory_caches.push(number(node, "cache_size")),
            kind @ ("Bridge" | "PCIDev") => {
                above.io = self.devices.below(above.io, above.cpuset, kind == "PCIDev");
            }
            "OSDev" => self.devices.device(node, above.io),
            _ => {}
        }
        above.cpuset = node.attribute("cpuset").or(above.cpuset);
        Ok(above)
    }

    fn cache(&mut self, node: Node<'_, '_>) -> usize {
        let size = number::<u64>(node, "cache_size");
        self.dump.caches_kib.push(size.map(|bytes| bytes >> 10));
        self.dump.caches_kib.len() - 1
    }

    fn numa_node(
        &mut self,
        xml: &Xml<'_>,
        node: Node<'_, '_>,
        above: Above<'_>,
    ) -> Result<(), ImportError> {
        let id = number(node, "os_index")
            .ok_or_else(|| xml.wrong(node, "a NUMA node without an os_index"))?;
        let text = node.attribute("cpuset").or(above.cpuset).unwrap_or_default();
        let cpus = Bitmap::parse(text)
            .ok_or_else(|| xml.wrong(node, format!("cpuset: {text:?} is not a set of CPUs")))?;
        if id > MAX_NUMA {
            let message = format!("NUMA node {id} is out of range: at most {MAX_NUMA}");
            return Err(xml.wrong(node, message));
        }
        let kind = memory_kind(node);
        let is_special = kind.is_some();
        let numa = Numa { memory_kib: memory_kib(node), pages: pages(node), kind };
        if self.dump.numa.insert(id, numa).is_some() {
            return Err(xml.wrong(node, format!("duplicate NUMA node {id}")));
        }
        self.near.push(Near { id, cpus, is_special });
        Ok(())
    }

    fn pu(
        &mut self,
        xml: &Xml<'_>,
        node: Node<'_, '_>,
        above: Above<'_>,
        online: &[Bitmap],
    ) -> Result<(), ImportError> {
        let id =
            number(node, "os_index").ok_or_else(|| xml.wrong(node, "a PU without an os_index"))?;
        if !online.iter().all(|set| set.contains(id)) {
            self.offline.push(id);
            return Ok(());
        }
        let nodes = above.nodes.and_then(Bitmap::parse).filter(|nodes| nodes.count() == 1);
        self.around.extend(nodes.and_then(|nodes| Some((id, nodes.numbers().next()?))));
        self.coreless |= above.core.is_none();
        let core = above.core.unwrap_or_else(|| next(&mut self.cores));
        self.dump.cpus.push(Cpu {
            place: Place::Byte(xml.offset(node)),
            id,
            socket: above.socket.unwrap_or(0),
            die: above.die,
            core: CoreKey { within: 0, number: core },
            numa: None,
            l3: above.l3,
        });
        Ok(())
    }

    /// CPUs that the machine has but that are not online or have no object.
    fn missing(&mut self, machine: Node<'_, '_>, online: &[Bitmap]) {
        let all = machine.attribute("complete_cpuset").and_then(Bitmap::parse).unwrap_or_default();
        if !online.is_empty() {
            let off = all.numbers().filter(|cpu| !online.iter().all(|set| set.contains(*cpu)));
            self.offline.extend(off);
        }
    }

    /// Gives each CPU to the smallest NUMA node of ordinary memory that is near to it:
    /// memory at the whole machine, or fast memory beside the ordinary one, comes later.
    ///
    /// hwloc lists no object of a NUMA node without memory; the number of such a one is in
    /// the sets of what is around its CPUs.
    fn numa_of_cpus(&mut self) {
        self.near.sort_by_cached_key(|near| (near.is_special, near.cpus.count(), near.id));
        for cpu in &mut self.dump.cpus {
            let near = self.near.iter().find(|near| near.cpus.contains(cpu.id));
            cpu.numa = near.map(|near| near.id);
        }
        let listed: BTreeSet<u32> = self.dump.numa.keys().copied().collect();
        let lone = |cpu: &&mut Cpu| cpu.numa.is_none() && !listed.is_empty();
        for cpu in self.dump.cpus.iter_mut().filter(lone) {
            let id = self.around.get(&cpu.id).copied();
            let id = id.filter(|id| *id <= MAX_NUMA && !listed.contains(id));
            if let Some(id) = id {
                self.dump.numa.entry(id).or_default();
                cpu.numa = Some(id);
            }
        }
        let sizes = self.dump.numa.values().any(|numa| numa.memory_kib.is_some());
        self.dump.numa_listed = self.near.len() > 1 || (self.near.len() == 1 && sizes);
    }
}

/// Counts on: objects need not have an index of their own.
fn next(counter: &mut u32) -> u32 {
    let number = *counter;
    *counter = counter.saturating_add(1);
    number
}

/// A machine without NUMA nodes, as version 1 writes it: memory is at the
/// machine itself.
fn memory_of_all(machine: Node<'_, '_>, dump: &mut Dump) {
    if dump.numa.is_empty() && memory_kib(machine).is_some() {
        let numa = Numa { memory_kib: memory_kib(machine), pages: pages(machine), kind: None };
        dump.numa = BTreeMap::from([(0, numa)]);
        dump.numa_listed = true;
        for cpu in &mut dump.cpus {
            cpu.numa = Some(0);
        }
    }
}

fn memory_kib(node: Node<'_, '_>) -> Option<u64> {
    number::<u64>(node, "local_memory").map(|bytes| bytes >> 10).filter(|kib| *kib > 0)
}

/// Pages of each size; `None` if no size is listed.
fn pages(node: Node<'_, '_>) -> Option<Vec<(u64, u64)>> {
    child(node, "page_type")?;
    let pages = elements(Some(node), "page_type").filter_map(|pages| {
        Some((number::<u64>(pages, "size")? >> 10, number(pages, "count").unwrap_or(0)))
    });
    Some(pages.collect())
}

/// The kind of memory where hwloc names one that is not ordinary.
fn memory_kind(node: Node<'_, '_>) -> Option<String> {
    let is_word = |kind: &&str| {
        kind.len() <= 16 && kind.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
    };
    let kind = node.attribute("subtype").filter(|kind| !kind.is_empty() && *kind != "DRAM");
    kind.map(|kind| Some(kind).filter(is_word).unwrap_or("another kind").to_owned())
}

/// Says that memory-side caches are there.
fn memory_caches_note(caches: &[Option<u64>]) -> Option<String> {
    let first = caches.first()?;
    let equal = first.filter(|_| caches.iter().all(|cache| cache == first));
    let size = equal.map_or_else(String::new, |bytes| format!(" of {}", Bytes::new(bytes)));
    let count = caches.len();
    let caches = if count == 1 { "memory-side cache" } else { "memory-side caches" };
    Some(format!("{count} {caches}{size}: not counted as memory."))
}

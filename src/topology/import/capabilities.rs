//! NUMA nodes, CPUs, caches and domain types out of libvirt's capabilities.

use std::collections::{BTreeMap, BTreeSet};

use roxmltree::Node;

use super::dump::{CoreKey, Cpu, Dump, Numa, offline_note};
use super::siblings;
use super::xml::{Xml, bytes, child, elements, number};
use super::{ImportError, Place};
use crate::topology::{Architecture, cpuset};

/// Reads capabilities.
///
/// # Errors
/// They are incomplete, or contradict themselves.
pub fn parse(xml: &str) -> Result<Dump, ImportError> {
    Xml::parse(xml).and_then(|parsed| dump(&parsed)).map_err(|error| error.located(xml))
}

/// What has been read on the way.
struct Reader<'x, 'i> {
    xml: &'x Xml<'i>,
    /// CPU to the index of its L3 cache.
    l3: BTreeMap<u32, usize>,
    /// CPU to the first CPU of the core that claims it.
    owner: BTreeMap<u32, u32>,
    offline: Vec<u32>,
    dump: Dump,
}

pub(super) fn dump(xml: &Xml<'_>) -> Result<Dump, ImportError> {
    let root = xml.root();
    let host = child(root, "host").ok_or_else(|| xml.wrong(root, "capabilities without a host"))?;
    let architecture = child(host, "cpu").and_then(|cpu| child(cpu, "arch")?.text()).map(str::trim);
    let guests = match architecture.map(Architecture::named) {
        None | Some(Architecture::X86) => Architecture::X86.as_str(),
        Some(_) => architecture.unwrap_or_default(),
    };
    let (l3, caches_kib) = l3_banks(host);
    let dump = Dump {
        hostname: None,
        architecture: architecture.map(Architecture::named),
        domain_types: Some(domain_types(root, guests)),
        numa_listed: true,
        caches_kib,
        ..Dump::default()
    };
    let mut reader = Reader { xml, l3, owner: BTreeMap::new(), offline: Vec::new(), dump };
    let cells = child(host, "topology").and_then(|topology| child(topology, "cells"));
    for cell in elements(cells, "cell") {
        reader.cell(cell)?;
    }
    let Reader { offline, mut dump, .. } = reader;
    if dump.numa.is_empty() {
        return Err(xml.wrong(host, "capabilities without NUMA cells"));
    }
    dump.none_told_is_none();
    dump.notes.extend(offline_note(&offline));
    dump.cpus.sort_by_key(|cpu| cpu.id);
    siblings::join_caches(&mut dump);
    Ok(dump)
}

/// CPUs with their L3 cache, and the caches' sizes.
fn l3_banks(host: Node<'_, '_>) -> (BTreeMap<u32, usize>, Vec<Option<u64>>) {
    let mut of_cpu = BTreeMap::new();
    let mut sizes = Vec::new();
    let banks = elements(child(host, "cache"), "bank");
    for bank in banks.filter(|bank| bank.attribute("level") == Some("3")) {
        let size = bank.attribute("size").and_then(|size| bytes(bank, size, "KiB"));
        let cpus = bank.attribute("cpus").map(cpuset::parse).unwrap_or_default();
        of_cpu.extend(cpus.into_iter().map(|cpu| (cpu, sizes.len())));
        sizes.push(size.map(|bytes| bytes >> 10));
    }
    (of_cpu, sizes)
}

impl Reader<'_, '_> {
    fn cell(&mut self, cell: Node<'_, '_>) -> Result<(), ImportError> {
        let id =
            number(cell, "id").ok_or_else(|| self.xml.wrong(cell, "a NUMA cell without an id"))?;
        // libvirt leaves the element out where there is no memory.
        let memory_kib = match child(cell, "memory") {
            None => None,
            Some(memory) => {
                let read = memory.text().and_then(|text| bytes(memory, text, "KiB"));
                let wrong =
                    || self.xml.wrong(memory, format!("NUMA cell {id}: no amount of memory"));
                Some(read.ok_or_else(wrong)? >> 10)
            }
        };
        let pages = elements(Some(cell), "pages").filter_map(|pages| {
            let kib = bytes(pages, pages.attribute("size")?, "KiB")? >> 10;
            Some((kib, pages.text()?.trim().parse().ok()?))
        });
        let numa = Numa { memory_kib, pages: Some(pages.collect()), kind: None };
        if self.dump.numa.insert(id, numa).is_some() {
            return Err(self.xml.wrong(cell, format!("duplicate NUMA cell {id}")));
        }
        for node in elements(child(cell, "cpus"), "cpu") {
            self.cpu(node, id)?;
        }
        Ok(())
    }

    /// Takes a CPU. Of one that is offline libvirt lists the number alone.
    fn cpu(&mut self, node: Node<'_, '_>, numa: u32) -> Result<(), ImportError> {
        let id = number(node, "id").ok_or_else(|| self.xml.wrong(node, "a CPU without an id"))?;
        let (Some(socket), Some(core), Some(siblings)) =
            (number(node, "socket_id"), number(node, "core_id"), node.attribute("siblings"))
        else {
            self.offline.push(id);
            return Ok(());
        };
        let siblings = cpuset::parse(siblings);
        let first = siblings.first().copied().unwrap_or(id).min(id);
        for cpu in siblings.into_iter().chain([id]) {
            if self.owner.insert(cpu, first).is_some_and(|other| other != first) {
                let message = format!("CPU {cpu} is in two cores: the siblings disagree");
                return Err(self.xml.wrong(node, message));
            }
        }
        self.dump.cpus.push(Cpu {
            place: Place::Byte(self.xml.offset(node)),
            id,
            socket,
            // Releases before 6.0 know no dies.
            die: number(node, "die_id").unwrap_or(0),
            core: CoreKey { within: first, number: core },
            numa: Some(numa),
            l3: self.l3.get(&id).copied(),
        });
        Ok(())
    }
}

/// Domain types for guests of an architecture.
fn domain_types(root: Node<'_, '_>, architecture: &str) -> Vec<String> {
    let types: BTreeSet<String> = elements(Some(root), "guest")
        .flat_map(|guest| elements(Some(guest), "arch"))
        .filter(|arch| arch.attribute("name") == Some(architecture))
        .flat_map(|arch| elements(Some(arch), "domain"))
        .filter_map(|domain| domain.attribute("type").map(str::to_owned))
        .collect();
    types.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_NODES: &str = "<capabilities><host>
      <cpu><arch>x86_64</arch><pages unit='KiB' size='4'/></cpu>
      <topology><cells num='2'>
        <cell id='1'><memory unit='KiB'>65932712</memory>
          <pages unit='KiB' size='4'>3348698</pages><pages unit='KiB' size='1048576'>50</pages>
          <cpus num='2'>
            <cpu id='3' socket_id='1' die_id='0' core_id='0' siblings='1,3'/>
            <cpu id='1' socket_id='1' die_id='0' core_id='0' siblings='1,3'/>
          </cpus></cell>
        <cell id='0'><memory unit='KiB'>65678216</memory>
          <cpus num='3'>
            <cpu id='0' socket_id='0' core_id='0' siblings='0,2'/>
            <cpu id='2' socket_id='0' core_id='0' siblings='0,2'/>
            <cpu id='4'/>
          </cpus></cell>
      </cells></topology>
      <cache>
        <bank id='0' level='2' type='both' size='512' unit='KiB' cpus='0,2'/>
        <bank id='1' level='3' type='both' size='32' unit='MiB' cpus='1,3'/>
      </cache></host>
      <guest><arch name='i686'><domain type='xen'/></arch></guest>
      <guest><arch name='x86_64'><domain type='qemu'/><domain type='kvm'/></arch></guest>
    </capabilities>";

    #[test]
    fn two_numa_nodes_with_smt_an_offline_cpu_and_one_known_cache() {
        let dump = parse(TWO_NODES).unwrap();
        assert_eq!(dump.domain_types.unwrap(), ["kvm", "qemu"]);
        assert_eq!(dump.numa.keys().copied().collect::<Vec<_>>(), [0, 1]);
        assert_eq!(dump.numa[&1].memory_kib, Some(65_932_712));
        assert_eq!(dump.numa[&1].pages, Some(vec![(4, 3_348_698), (1_048_576, 50)]));
        let cpus: Vec<_> = dump.cpus.iter().map(|cpu| (cpu.id, cpu.numa, cpu.socket)).collect();
        assert_eq!(cpus, [(0, Some(0), 0), (1, Some(1), 1), (2, Some(0), 0), (3, Some(1), 1)]);
        assert_eq!(dump.cpus[0].l3, None, "an L2 cache is no L3 cache");
        assert_eq!(dump.cpus[1].l3, dump.cpus[3].l3);
        assert_eq!(dump.caches_kib, [Some(32 << 10)]);
        assert_eq!(dump.cpus[0].core, dump.cpus[2].core);
        assert_eq!(dump.notes, ["CPU 4 is offline: left out."]);
    }

    #[test]
    fn incomplete_capabilities_are_an_error() {
        for xml in ["", "<capabilities/>", "<capabilities><host/></capabilities>"] {
            assert!(parse(xml).is_err(), "{xml}");
        }
    }

    #[test]
    fn siblings_that_disagree_are_an_error_with_its_place() {
        let xml = TWO_NODES.replace(
            "id='2' socket_id='0' core_id='0' siblings='0,2'",
            "id='2' socket_id='0' core_id='0' siblings='2,3'",
        );
        let error = parse(&xml).unwrap_err();
        assert_eq!(error.to_string(), "13:13: CPU 2 is in two cores: the siblings disagree");
    }
}

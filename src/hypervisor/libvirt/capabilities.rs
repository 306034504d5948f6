//! NUMA nodes, CPUs, caches and domain types out of libvirt's capabilities.

use std::collections::BTreeSet;

use roxmltree::{Document, Node};

use super::cpuset;
use super::xml::{bytes, child};
use crate::hypervisor::{ReportedCpu, ReportedNuma};

/// What the capabilities tell.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Capabilities {
    /// NUMA nodes, in the order of their ids; free pages are not in here.
    pub numa: Vec<ReportedNuma>,
    /// Domain types offered for x86_64 guests, sorted.
    pub domain_types: Vec<String>,
}

/// A cache and the CPUs that share it.
struct Bank {
    cpus: Vec<u32>,
    kib: u64,
}

/// Reads capabilities.
///
/// # Errors
/// Says what is missing.
pub(super) fn parse(xml: &str) -> Result<Capabilities, String> {
    let document = Document::parse(xml).map_err(|error| format!("capabilities: {error}"))?;
    let root = document.root_element();
    let host = child(root, "host").ok_or("capabilities without a host")?;
    let banks = l3_banks(host);
    let cells = child(host, "topology").and_then(|topology| child(topology, "cells"));
    let mut numa = elements(cells, "cell")
        .map(|cell| numa_node(cell, &banks))
        .collect::<Result<Vec<_>, _>>()?;
    if numa.is_empty() {
        return Err("capabilities without NUMA cells".to_owned());
    }
    numa.sort_by_key(|node| node.id);
    Ok(Capabilities { numa, domain_types: domain_types(root) })
}

fn elements<'a, 'i>(
    parent: Option<Node<'a, 'i>>,
    name: &'static str,
) -> impl Iterator<Item = Node<'a, 'i>> {
    parent.into_iter().flat_map(|node| node.children()).filter(move |node| node.has_tag_name(name))
}

fn number(node: Node<'_, '_>, attribute: &str) -> Option<u32> {
    node.attribute(attribute)?.parse().ok()
}

fn l3_banks(host: Node<'_, '_>) -> Vec<Bank> {
    elements(child(host, "cache"), "bank")
        .filter(|bank| bank.attribute("level") == Some("3"))
        .filter_map(|bank| {
            let kib = bytes(bank, bank.attribute("size")?, "KiB")? >> 10;
            Some(Bank { cpus: cpuset::parse(bank.attribute("cpus")?), kib })
        })
        .collect()
}

fn numa_node(cell: Node<'_, '_>, banks: &[Bank]) -> Result<ReportedNuma, String> {
    let id = number(cell, "id").ok_or("a NUMA cell without an id")?;
    let memory_kib = child(cell, "memory")
        .and_then(|memory| bytes(memory, memory.text()?, "KiB"))
        .ok_or_else(|| format!("NUMA cell {id} without memory"))?
        >> 10;
    let pages = elements(Some(cell), "pages")
        .filter_map(|pages| {
            let kib = bytes(pages, pages.attribute("size")?, "KiB")? >> 10;
            Some((kib, pages.text()?.trim().parse().ok()?))
        })
        .collect();
    let mut cpus: Vec<ReportedCpu> =
        elements(child(cell, "cpus"), "cpu").filter_map(|node| cpu(node, banks)).collect();
    cpus.sort_by_key(|cpu| cpu.id);
    Ok(ReportedNuma { id, memory_kib, pages, free_pages: Vec::new(), cpus })
}

/// A CPU; `None` for one that is offline, of which libvirt lists the number
/// alone.
fn cpu(node: Node<'_, '_>, banks: &[Bank]) -> Option<ReportedCpu> {
    let id = number(node, "id")?;
    let bank = banks.iter().find(|bank| bank.cpus.contains(&id));
    Some(ReportedCpu {
        id,
        socket: number(node, "socket_id")?,
        // Releases before 6.0 know no dies.
        die: number(node, "die_id").unwrap_or(0),
        core: number(node, "core_id")?,
        siblings: cpuset::parse(node.attribute("siblings")?),
        l3: bank.map(|bank| (bank.cpus.clone(), bank.kib)),
    })
}

fn domain_types(root: Node<'_, '_>) -> Vec<String> {
    let types: BTreeSet<String> = elements(Some(root), "guest")
        .flat_map(|guest| elements(Some(guest), "arch"))
        .filter(|arch| arch.attribute("name") == Some("x86_64"))
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
        let capabilities = parse(TWO_NODES).unwrap();
        assert_eq!(capabilities.domain_types, ["kvm", "qemu"]);
        let [first, second] = capabilities.numa.as_slice() else { panic!("two nodes") };
        assert_eq!((first.id, second.id, second.memory_kib), (0, 1, 65_932_712));
        assert_eq!(first.cpus.iter().map(|cpu| cpu.id).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(first.cpus[0].l3, None, "an L2 cache is no L3 cache");
        assert_eq!(second.cpus[0].l3, Some((vec![1, 3], 32 << 10)));
        assert_eq!((second.cpus[1].socket, second.cpus[1].siblings.as_slice()), (1, &[1, 3][..]));
        assert_eq!(second.pages, [(4, 3_348_698), (1_048_576, 50)]);
    }

    #[test]
    fn incomplete_capabilities_are_an_error() {
        for xml in ["", "<capabilities/>", "<capabilities><host/></capabilities>"] {
            assert!(parse(xml).is_err(), "{xml}");
        }
    }
}

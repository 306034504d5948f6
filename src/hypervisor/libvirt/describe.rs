//! What a host says of itself.

use std::collections::{BTreeMap, BTreeSet};

use virt::connect::Connect;
use virt_sys as sys;

use super::error::CallSite;
use super::{storage, xml};
use crate::hypervisor::{HostReport, ReportedCpu, ReportedNic, ReportedNuma, Result};
use crate::topology::import::dump::{CoreKey, Dump};
use crate::topology::import::{self, capabilities};

/// Asks for everything a plan needs to know.
pub(super) fn host(connection: &Connect, site: &CallSite<'_>) -> Result<HostReport> {
    let text = site.named(connection.capabilities())?;
    let wrong = |error| site.error(format!("capabilities: {error}"));
    let dump = capabilities::parse(&text).map_err(wrong)?;
    let mut numa = reported(&dump);
    for node in &mut numa {
        node.free_pages = free_pages(connection, site, node)?;
    }
    Ok(HostReport {
        hostname: site.named(connection.hostname())?,
        libvirt_version: u64::from(site.named(connection.lib_version())?),
        qemu_version: u64::from(site.named(connection.hyp_version())?),
        architecture: dump.architecture.unwrap_or_default(),
        domain_types: dump.domain_types.unwrap_or_default(),
        numa,
        pools: storage::pools(connection, site)?,
        bridges: bridges(connection, site)?,
        cpu_model: xml::cpu_model(&text),
        nics: nics(connection, site)?,
    })
}

/// Returns NUMA nodes as the capabilities list them; free pages are not in there.
fn reported(dump: &Dump) -> Vec<ReportedNuma> {
    let mut siblings: BTreeMap<CoreKey, Vec<u32>> = BTreeMap::new();
    let mut sharers: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for cpu in &dump.cpus {
        siblings.entry(cpu.core).or_default().push(cpu.id);
        if let Some(l3) = cpu.l3 {
            sharers.entry(l3).or_default().push(cpu.id);
        }
    }
    let l3 = |l3: usize| {
        let kib = dump.caches_kib.get(l3).copied().flatten()?;
        Some((sharers.get(&l3)?.clone(), kib))
    };
    let node = |(id, numa): (&u32, &import::dump::Numa)| {
        let cpus = dump.cpus.iter().filter(|cpu| cpu.numa == Some(*id));
        let cpus = cpus.map(|cpu| ReportedCpu {
            id: cpu.id,
            socket: cpu.socket,
            die: cpu.die,
            core: cpu.core.number,
            siblings: siblings.get(&cpu.core).cloned().unwrap_or_default(),
            l3: cpu.l3.and_then(l3),
        });
        ReportedNuma {
            id: *id,
            memory_kib: numa.memory_kib.unwrap_or(0),
            pages: numa.pages.clone().unwrap_or_default(),
            free_pages: Vec::new(),
            cpus: cpus.collect(),
        }
    };
    dump.numa.iter().map(node).collect()
}

/// Returns free pages of each size of a node; empty where the driver does not know.
fn free_pages(
    connection: &Connect,
    site: &CallSite<'_>,
    node: &ReportedNuma,
) -> Result<Vec<(u64, u64)>> {
    let sizes: Vec<u32> =
        node.pages.iter().filter_map(|&(kib, _)| u32::try_from(kib).ok()).collect();
    if sizes.is_empty() {
        return Ok(Vec::new());
    }
    let counts = site.if_supported(connection.free_pages(&sizes, node.id, 1, 0))?;
    Ok(sizes.into_iter().map(u64::from).zip(counts.unwrap_or_default()).collect())
}

/// Lists physical NICs, by name; a driver without node devices lists none.
fn nics(connection: &Connect, site: &CallSite<'_>) -> Result<Vec<ReportedNic>> {
    let net = sys::VIR_CONNECT_LIST_NODE_DEVICES_CAP_NET;
    let devices = site.if_supported(connection.list_all_node_devices(net))?.unwrap_or_default();
    let mut nics = Vec::new();
    for device in devices {
        // One that goes away while we look is none to plan with.
        let Some((mut nic, parent)) = device.xml_desc(0).ok().and_then(|text| xml::nic(&text))
        else {
            continue;
        };
        let slot = connection.lookup_node_device_by_name(&parent);
        nic.numa = slot.and_then(|slot| slot.xml_desc(0)).ok().and_then(|text| xml::numa(&text));
        nics.push(nic);
    }
    nics.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(nics)
}

/// Bridges of libvirt's own networks and of the host's interfaces, sorted. A
/// driver without interfaces lists none.
fn bridges(connection: &Connect, site: &CallSite<'_>) -> Result<Vec<String>> {
    let mut bridges = BTreeSet::new();
    let active = sys::VIR_CONNECT_LIST_INTERFACES_ACTIVE;
    for interface in site.if_supported(connection.list_all_interfaces(active))?.unwrap_or_default()
    {
        // One that goes away while we look is none to plan with.
        if let Ok(text) = interface.xml_desc(0) {
            bridges.extend(xml::bridge(&text));
        }
    }
    let active = sys::VIR_CONNECT_LIST_NETWORKS_ACTIVE;
    for network in site.if_supported(connection.list_all_networks(active))?.unwrap_or_default() {
        // Networks that pass a device through have no bridge.
        bridges.extend(network.bridge_name().ok());
    }
    Ok(bridges.into_iter().collect())
}

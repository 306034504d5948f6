//! What a host says of itself.

use std::collections::BTreeSet;

use virt::connect::Connect;
use virt_sys as sys;

use super::error::Site;
use super::{capabilities, storage, xml};
use crate::hypervisor::{HostReport, ReportedNuma, Result};

/// Asks for everything a plan needs to know.
pub(super) fn host(connection: &Connect, site: &Site<'_>) -> Result<HostReport> {
    let text = site.named(connection.capabilities())?;
    let capabilities = capabilities::parse(&text).map_err(|message| site.error(message))?;
    let mut numa = capabilities.numa;
    for node in &mut numa {
        node.free_pages = free_pages(connection, site, node)?;
    }
    Ok(HostReport {
        hostname: site.named(connection.hostname())?,
        libvirt_version: u64::from(site.named(connection.lib_version())?),
        qemu_version: u64::from(site.named(connection.hyp_version())?),
        domain_types: capabilities.domain_types,
        numa,
        pools: storage::pools(connection, site)?,
        bridges: bridges(connection, site)?,
    })
}

/// Free pages of each size of a node; empty where the driver cannot tell.
fn free_pages(
    connection: &Connect,
    site: &Site<'_>,
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

/// Bridges of libvirt's own networks and of the host's interfaces, sorted. A
/// driver without interfaces lists none.
fn bridges(connection: &Connect, site: &Site<'_>) -> Result<Vec<String>> {
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

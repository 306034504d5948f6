//! Domain XML to what the simulation needs of it besides what is seen of every
//! domain.

use crate::hypervisor::{self, Domain, StorageSource, domain_xml};

/// A domain as defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Defined {
    /// What is seen of it, off.
    pub(super) domain: Domain,
    pub(super) disks: Vec<Disk>,
}

/// A disk that is a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) pool: String,
    pub(super) volume: String,
    pub(super) readonly: bool,
    pub(super) target: Option<String>,
}

/// Reads domain XML; the error is what libvirt would say.
pub(super) fn read(xml: &str) -> Result<Defined, String> {
    let domain = domain_xml::parse(xml, false).map_err(|error| error.to_string())?;
    let disks = domain.definition.devices.disks.iter().filter_map(disk).collect();
    Ok(Defined { domain, disks })
}

fn disk(disk: &hypervisor::Disk) -> Option<Disk> {
    let StorageSource::Volume { pool, name } = disk.sources.first()? else { return None };
    let (pool, volume) = (pool.clone(), name.clone());
    Some(Disk { pool, volume, readonly: disk.readonly, target: disk.target.clone() })
}

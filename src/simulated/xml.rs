//! Domain XML to what the simulation needs of it besides what is seen of every
//! domain.

use super::host::POOLS;
use crate::hypervisor::{self, Domain, METADATA_NAMESPACE, OwnerTag, StorageSource, domain_xml};

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

/// Returns domain XML with another tag.
pub(super) fn with_tag(xml: &str, tag: &OwnerTag) -> String {
    const START: &str = "<hostsplit:instance ";
    let name = format!("{START}xmlns:hostsplit=\"{METADATA_NAMESPACE}\" ");
    let element = tag.to_xml().replacen("<instance ", &name, 1);
    let old =
        xml.split_once(START).and_then(|(before, rest)| Some((before, rest.split_once("/>")?)));
    match old {
        Some((before, (_, after))) => format!("{before}{element}{after}"),
        None => xml.to_owned(),
    }
}

fn disk(disk: &hypervisor::Disk) -> Option<Disk> {
    let (pool, volume) = match disk.sources.first()? {
        StorageSource::Volume { pool, name } => (pool.clone(), name.clone()),
        StorageSource::Path(path) => {
            let (pool, name) = path.strip_prefix(POOLS)?.split_once('/')?;
            (pool.to_owned(), name.to_owned())
        }
    };
    Some(Disk { pool, volume, readonly: disk.readonly, target: disk.target.clone() })
}

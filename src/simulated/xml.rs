//! Domain XML to what the simulation needs of it besides what is seen of every
//! domain.

use roxmltree::{Document, Node};

use crate::hypervisor::Domain;
use crate::hypervisor::domain_xml::{self, at, text};

/// A domain as defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    /// What is seen of it, off.
    pub(super) domain: Domain,
    /// Kernel and initrd on the host.
    pub(super) boot_files: Vec<String>,
    pub(super) disks: Vec<Disk>,
}

/// A disk that is a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) pool: String,
    pub(super) volume: String,
    pub(super) readonly: bool,
}

/// Reads domain XML; the error is what libvirt would say.
pub(super) fn read(xml: &str) -> Result<Definition, String> {
    let document = Document::parse(xml).map_err(|error| format!("XML error: {error}"))?;
    let root = document.root_element();
    let domain = domain_xml::domain(xml, false)
        .ok_or("XML error: missing or malformed name, uuid or memory element in domain")?;
    let boot_files = ["kernel", "initrd"].iter().filter_map(|file| text(root, &["os", file]));
    Ok(Definition { domain, boot_files: boot_files.collect(), disks: disks(root) })
}

fn disks(domain: Node<'_, '_>) -> Vec<Disk> {
    let devices = at(domain, &["devices"]);
    let disks = devices.iter().flat_map(Node::children).filter(|node| node.has_tag_name("disk"));
    disks
        .filter_map(|disk| {
            let source = at(disk, &["source"])?;
            Some(Disk {
                pool: source.attribute("pool")?.to_owned(),
                volume: source.attribute("volume")?.to_owned(),
                readonly: at(disk, &["readonly"]).is_some(),
            })
        })
        .collect()
}

//! Domain XML to what the simulation needs of it.

use roxmltree::{Document, Node};
use uuid::Uuid;

use crate::hypervisor::{METADATA_NAMESPACE, OwnerTag};

/// A domain as defined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) uuid: Uuid,
    pub(super) owner: Option<OwnerTag>,
    pub(super) memory_kib: u64,
    pub(super) vcpu_pins: Vec<Vec<u32>>,
    pub(super) emulator_pins: Vec<u32>,
    pub(super) memory_nodes: Vec<u32>,
    pub(super) memory_strict: bool,
    /// Size of its huge pages, if it has any.
    pub(super) page_kib: Option<u64>,
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
    let domain = document.root_element();
    let child = |name: &str| below(domain, &[name]);
    let name = child("name").and_then(text).ok_or("missing element name in domain")?;
    let uuid = child("uuid")
        .and_then(text)
        .and_then(|uuid| Uuid::parse_str(uuid).ok())
        .ok_or("malformed uuid element")?;
    let memory = child("memory").ok_or("missing memory element")?;
    let vcpus = child("vcpu").and_then(text).and_then(|count| count.parse().ok()).unwrap_or(1);
    let mode = below(domain, &["numatune", "memory"]);
    let page = below(domain, &["memoryBacking", "hugepages", "page"]);
    Ok(Definition {
        name: name.to_owned(),
        uuid,
        owner: owner(domain),
        memory_kib: kib(memory).ok_or("malformed memory element")?,
        vcpu_pins: pins(domain, vcpus),
        emulator_pins: cpus(below(domain, &["cputune", "emulatorpin"]), "cpuset"),
        memory_nodes: cpus(mode, "nodeset"),
        memory_strict: mode.and_then(|memory| memory.attribute("mode")) == Some("strict"),
        page_kib: page.and_then(|page| page.attribute("size")?.parse().ok()),
        boot_files: ["kernel", "initrd"]
            .iter()
            .filter_map(|file| below(domain, &["os", file]).and_then(text))
            .map(str::to_owned)
            .collect(),
        disks: disks(domain),
    })
}

fn below<'a, 'i>(from: Node<'a, 'i>, path: &[&str]) -> Option<Node<'a, 'i>> {
    path.iter().try_fold(from, |node, name| node.children().find(|child| child.has_tag_name(*name)))
}

fn text<'a>(node: Node<'a, '_>) -> Option<&'a str> {
    node.text().map(str::trim)
}

fn kib(memory: Node<'_, '_>) -> Option<u64> {
    let value: u64 = text(memory)?.parse().ok()?;
    match memory.attribute("unit").unwrap_or("KiB") {
        "b" | "bytes" => Some(value / 1024),
        "KiB" | "k" => Some(value),
        "MiB" | "M" => value.checked_mul(1024),
        "GiB" | "G" => value.checked_mul(1024 * 1024),
        _ => None,
    }
}

fn owner(domain: Node<'_, '_>) -> Option<OwnerTag> {
    let tag = below(domain, &["metadata"])?
        .children()
        .find(|child| child.has_tag_name((METADATA_NAMESPACE, "instance")))?;
    let value = |name: &str| tag.attribute(name).map(str::to_owned);
    Some(OwnerTag {
        deployment: value("deployment")?,
        instance: value("instance")?,
        digest: value("digest")?,
    })
}

fn pins(domain: Node<'_, '_>, vcpus: usize) -> Vec<Vec<u32>> {
    let mut pins = vec![Vec::new(); vcpus];
    let tune = below(domain, &["cputune"]);
    for pin in tune.iter().flat_map(Node::children).filter(|node| node.has_tag_name("vcpupin")) {
        let vcpu = pin.attribute("vcpu").and_then(|vcpu| vcpu.parse::<usize>().ok());
        if let Some(slot) = vcpu.and_then(|vcpu| pins.get_mut(vcpu)) {
            *slot = cpus(Some(pin), "cpuset");
        }
    }
    pins
}

/// Reads `0-3,8`.
fn cpus(node: Option<Node<'_, '_>>, attribute: &str) -> Vec<u32> {
    let set = node.and_then(|node| node.attribute(attribute)).unwrap_or_default();
    let mut numbers = Vec::new();
    for part in set.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.trim().parse::<u32>(), last.trim().parse::<u32>()) {
            numbers.extend(first..=last);
        }
    }
    numbers
}

fn disks(domain: Node<'_, '_>) -> Vec<Disk> {
    let devices = below(domain, &["devices"]);
    let disks = devices.iter().flat_map(Node::children).filter(|node| node.has_tag_name("disk"));
    disks
        .filter_map(|disk| {
            let source = below(disk, &["source"])?;
            Some(Disk {
                pool: source.attribute("pool")?.to_owned(),
                volume: source.attribute("volume")?.to_owned(),
                readonly: below(disk, &["readonly"]).is_some(),
            })
        })
        .collect()
}

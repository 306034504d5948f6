//! The only reader of domain XML: what libvirt, or a simulated host, knows of a
//! domain, as a [`Domain`].

use std::collections::{BTreeMap, BTreeSet};

use roxmltree::{Document, Node};
use uuid::Uuid;

use super::{
    Definition, Devices, Disk, Domain, DomainState, METADATA_NAMESPACE, ORDINARY_PAGE_KIB,
    OwnerTag, StorageSource,
};
use crate::topology::cpuset;
use crate::topology::import::xml::{bytes, child};

/// Why a text is not the XML of a domain.
#[derive(Debug, thiserror::Error)]
pub enum DomainXmlError {
    /// It is not XML.
    #[error("XML error: {0}")]
    Xml(#[from] roxmltree::Error),
    /// An element that every domain has.
    #[error("XML error: missing or malformed {0} element in domain")]
    Missing(&'static str),
}

/// Returns the descendant at the end of a path of element names.
pub(super) fn at<'a, 'i>(node: Node<'a, 'i>, path: &[&str]) -> Option<Node<'a, 'i>> {
    path.iter().try_fold(node, |node, name| child(node, name))
}

/// Returns text of the element at the end of a path.
pub(super) fn text(node: Node<'_, '_>, path: &[&str]) -> Option<String> {
    Some(at(node, path)?.text()?.trim().to_owned())
}

/// Returns the name in some domain XML.
#[cfg(feature = "libvirt")]
pub(super) fn domain_name(xml: &str) -> Option<String> {
    let document = Document::parse(xml).ok()?;
    text(document.root_element(), &["name"])
}

/// Reads a domain from its XML, as one that is persistent and not started by its host.
///
/// # Errors
/// [`DomainXmlError`]: it is not XML, or lacks name, UUID or memory.
pub fn parse(xml: &str, active: bool) -> Result<Domain, DomainXmlError> {
    let document = Document::parse(xml)?;
    let root = document.root_element();
    let required = |name| text(root, &[name]).ok_or(DomainXmlError::Missing(name));
    Ok(Domain {
        name: required("name")?,
        uuid: Uuid::parse_str(&required("uuid")?).map_err(|_| DomainXmlError::Missing("uuid"))?,
        active,
        state: if active { DomainState::Running } else { DomainState::Off },
        owner: owner(root),
        persistent: true,
        autostart: false,
        definition: definition_in(root, xml)?,
        next: None,
    })
}

/// Reads what a domain has from its XML.
///
/// # Errors
/// [`DomainXmlError`]: it is not XML, or lacks memory.
pub fn definition(xml: &str) -> Result<Definition, DomainXmlError> {
    definition_in(Document::parse(xml)?.root_element(), xml)
}

fn definition_in(root: Node<'_, '_>, xml: &str) -> Result<Definition, DomainXmlError> {
    let memory = child(root, "memory").and_then(|node| bytes(node, node.text()?, "KiB"));
    let binding = at(root, &["numatune", "memory"]);
    Ok(Definition {
        memory_kib: memory.ok_or(DomainXmlError::Missing("memory"))? >> 10,
        vcpu_pins: vcpu_pins(root),
        emulator_pins: emulator_pins(root),
        iothread_pins: iothread_pins(root),
        memory_nodes: memory_nodes(root),
        // libvirt's default where the mode is not stated.
        memory_strict: binding
            .is_some_and(|node| node.attribute("mode").unwrap_or("strict") == "strict"),
        page_kib: page_kib(root).unwrap_or(ORDINARY_PAGE_KIB),
        devices: devices(root),
        xml: xml.to_owned(),
    })
}

fn devices(root: Node<'_, '_>) -> Devices {
    let devices = child(root, "devices");
    let disks = devices.iter().flat_map(Node::children).filter(|node| node.has_tag_name("disk"));
    let boot_files = ["kernel", "initrd"].iter().filter_map(|file| text(root, &["os", file]));
    let boot_files: Vec<String> = boot_files.collect();
    let macs = root.descendants().filter(|node| node.has_tag_name("mac"));
    let macs = macs.filter_map(|mac| mac.attribute("address")).map(str::to_ascii_lowercase);
    let booted = boot_files.iter().cloned().map(StorageSource::Path);
    Devices {
        disks: disks.map(disk).collect(),
        macs: macs.collect(),
        unplugged: unplugged(root),
        storage: sources(root).chain(booted).collect(),
        boot_files,
    }
}

/// Whether an element is the interface of that MAC address.
pub(super) fn is_interface_of(node: Node<'_, '_>, mac: &str) -> bool {
    let own = child(node, "mac").and_then(|own| own.attribute("address"));
    node.has_tag_name("interface") && own.is_some_and(|own| own.eq_ignore_ascii_case(mac))
}

/// Returns MAC addresses of interfaces whose links are down.
fn unplugged(root: Node<'_, '_>) -> BTreeSet<String> {
    let interfaces = root.descendants().filter(|node| node.has_tag_name("interface"));
    let is_down = |node: &Node<'_, '_>| {
        child(*node, "link").is_some_and(|link| link.attribute("state") == Some("down"))
    };
    let macs =
        interfaces.filter(is_down).filter_map(|node| child(node, "mac")?.attribute("address"));
    macs.map(str::to_ascii_lowercase).collect()
}

fn disk(node: Node<'_, '_>) -> Disk {
    Disk {
        sources: sources(node).collect(),
        target: child(node, "target").and_then(|node| Some(node.attribute("dev")?.to_owned())),
        serial: text(node, &["serial"]),
        readonly: child(node, "readonly").is_some(),
    }
}

/// Returns all storage that is named below a node, in the order of the XML.
fn sources<'a>(node: Node<'a, '_>) -> impl Iterator<Item = StorageSource> {
    let sources = node.descendants().filter(|element| element.has_tag_name("source"));
    sources.filter_map(|source| {
        let volume = source.attribute("pool").zip(source.attribute("volume"));
        let path = source.attribute("file").or_else(|| source.attribute("dev"));
        let path = path.map(|path| StorageSource::Path(path.to_owned()));
        path.or_else(|| {
            let (pool, name) = volume?;
            Some(StorageSource::Volume { pool: pool.to_owned(), name: name.to_owned() })
        })
    })
}

/// Returns size of the huge pages behind its memory.
fn page_kib(root: Node<'_, '_>) -> Option<u64> {
    let page = at(root, &["memoryBacking", "hugepages", "page"])?;
    Some(bytes(page, page.attribute("size")?, "KiB")? >> 10)
}

fn owner(root: Node<'_, '_>) -> Option<OwnerTag> {
    let tag = child(root, "metadata")?
        .children()
        .find(|node| node.has_tag_name((METADATA_NAMESPACE, "instance")))?;
    Some(OwnerTag {
        deployment: tag.attribute("deployment")?.to_owned(),
        instance: tag.attribute("instance")?.to_owned(),
        digest: tag.attribute("digest")?.to_owned(),
        system: tag.attribute("system").map(str::to_owned),
        grows: tag.attribute("grows") == Some("yes"),
    })
}

/// Returns the CPUs that threads without a pin of their own may use.
fn default_pins(root: Node<'_, '_>) -> Vec<u32> {
    child(root, "vcpu")
        .and_then(|vcpu| vcpu.attribute("cpuset"))
        .map(cpuset::parse)
        .unwrap_or_default()
}

/// More virtual CPUs or I/O threads than any machine type has; a malformed text must not
/// fill the memory.
const MOST_THREADS: u32 = 1 << 16;

fn vcpu_pins(root: Node<'_, '_>) -> Vec<Vec<u32>> {
    let count = text(root, &["vcpu"]).and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut pins = vec![default_pins(root); MOST_THREADS.min(count) as usize];
    let tune = child(root, "cputune");
    for pin in tune.iter().flat_map(Node::children).filter(|node| node.has_tag_name("vcpupin")) {
        let vcpu = pin.attribute("vcpu").and_then(|text| text.parse::<usize>().ok());
        if let (Some(slot), Some(set)) =
            (vcpu.and_then(|vcpu| pins.get_mut(vcpu)), pin.attribute("cpuset"))
        {
            *slot = cpuset::parse(set);
        }
    }
    pins
}

fn emulator_pins(root: Node<'_, '_>) -> Vec<u32> {
    at(root, &["cputune", "emulatorpin"])
        .and_then(|pin| pin.attribute("cpuset"))
        .map_or_else(|| default_pins(root), cpuset::parse)
}

/// Returns the CPUs of each I/O thread, by its number.
fn iothread_pins(root: Node<'_, '_>) -> BTreeMap<u32, Vec<u32>> {
    let count = text(root, &["iothreads"]).and_then(|text| text.parse().ok()).unwrap_or(0);
    let numbers = 1..=MOST_THREADS.min(count);
    let mut pins: BTreeMap<u32, Vec<u32>> =
        numbers.map(|number| (number, default_pins(root))).collect();
    let tune = child(root, "cputune");
    for pin in tune.iter().flat_map(Node::children).filter(|node| node.has_tag_name("iothreadpin"))
    {
        let number = pin.attribute("iothread").and_then(|text| text.parse().ok());
        if let Some((number, set)) = number.zip(pin.attribute("cpuset")) {
            pins.insert(number, cpuset::parse(set));
        }
    }
    pins
}

/// Nodes of the whole memory and of each guest node.
fn memory_nodes(root: Node<'_, '_>) -> Vec<u32> {
    let sets: Vec<&str> = child(root, "numatune")
        .iter()
        .flat_map(Node::children)
        .filter_map(|node| node.attribute("nodeset"))
        .collect();
    cpuset::parse(&sets.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOMAIN: &str = "<domain type='kvm' id='3'>
      <name>shop-cache-0</name><uuid>5f6c3c0a-6d5e-5b6f-9c39-1f2a3b4c5d6e</uuid>
      <metadata>
        <other:x xmlns:other='urn:other' deployment='no'/>
        <h:instance xmlns:h='urn:hostsplit:instance:1' deployment='shop' instance='cache-0' digest='ab'/>
      </metadata>
      <memory unit='KiB'>16777216</memory><currentMemory unit='KiB'>8388608</currentMemory>
      <vcpu placement='static' cpuset='4-5'>3</vcpu><iothreads>2</iothreads>
      <cputune><iothreadpin iothread='1' cpuset='0'/>
        <vcpupin vcpu='0' cpuset='9'/><vcpupin vcpu='1' cpuset='10-12,^11'/>
        <vcpupin vcpu='77' cpuset='1'/>
        <emulatorpin cpuset='0,8'/>
      </cputune>
      <numatune><memory mode='strict' nodeset='1'/></numatune>
    </domain>";

    #[test]
    fn a_pinned_domain() {
        let domain = parse(DOMAIN, true).unwrap();
        assert_eq!((domain.name.as_str(), domain.state), ("shop-cache-0", DomainState::Running));
        let Definition { memory_kib, vcpu_pins, emulator_pins, iothread_pins, .. } =
            &domain.definition;
        assert_eq!(*memory_kib, 16_777_216);
        assert_eq!(*vcpu_pins, [vec![9], vec![10, 12], vec![4, 5]]);
        assert_eq!(*emulator_pins, [0, 8]);
        assert_eq!(*iothread_pins, BTreeMap::from([(1, vec![0]), (2, vec![4, 5])]));
        let Definition { memory_nodes, memory_strict, .. } = &domain.definition;
        assert_eq!((memory_nodes.as_slice(), *memory_strict), (&[1][..], true));
        let owner = domain.owner.unwrap();
        assert_eq!((owner.deployment.as_str(), owner.instance.as_str()), ("shop", "cache-0"));
        assert_eq!(owner.digest, "ab");
    }

    #[test]
    fn a_foreign_domain_without_any_pin() {
        let xml = "<domain><name>f</name><uuid>5f6c3c0a-6d5e-5b6f-9c39-1f2a3b4c5d6e</uuid>
            <memory>1024</memory><vcpu>2</vcpu></domain>";
        let domain = parse(xml, false).unwrap();
        assert_eq!((domain.owner, domain.state), (None, DomainState::Off));
        let found = domain.definition;
        assert_eq!(found.vcpu_pins, [vec![0; 0], vec![]]);
        assert_eq!((found.memory_strict, found.memory_kib), (false, 1024));
        assert!(found.memory_nodes.is_empty() && found.emulator_pins.is_empty());
    }

    #[test]
    fn storage_is_that_of_disks_boot_files_and_other_devices() {
        let xml = "<domain><name>a</name><uuid>5f6c3c0a-6d5e-5b6f-9c39-1f2a3b4c5d6e</uuid>
            <memory>1024</memory>
            <os><kernel> /p/k </kernel><nvram type='file'><source file='/p/nv'/></nvram></os>
            <devices><disk type='file'><source file='/p/a'/><serial>data</serial>
              <backingStore><source file='/p/base'/></backingStore></disk>
            <disk type='volume'><source pool='p' volume='b' index='1'/><readonly/></disk>
            <interface><mac address='52:54:00:AB:00:01'/><source bridge='br0'/>
              <link state='down'/></interface>
            </devices></domain>";
        let devices = definition(xml).unwrap().devices;
        let path = |path: &str| StorageSource::Path(path.to_owned());
        let b = StorageSource::Volume { pool: "p".to_owned(), name: "b".to_owned() };
        let [data, seed] = &devices.disks[..] else { panic!("{:?}", devices.disks) };
        assert_eq!(data.sources, [path("/p/a"), path("/p/base")]);
        assert_eq!((data.serial.as_deref(), data.readonly), (Some("data"), false));
        assert_eq!((&seed.sources[..], seed.readonly), (&[b.clone()][..], true));
        assert_eq!(devices.boot_files, ["/p/k"]);
        let all = [path("/p/a"), path("/p/base"), path("/p/k"), path("/p/nv"), b];
        assert!(devices.storage.iter().eq(&all), "{:?}", devices.storage);
        assert!(devices.macs.iter().eq(["52:54:00:ab:00:01"]));
        assert_eq!(devices.unplugged, devices.macs);
    }

    #[test]
    fn what_is_no_domain_is_refused_with_what_is_missing() {
        let refused = |xml| parse(xml, true).unwrap_err().to_string();
        assert!(refused("not xml").starts_with("XML error: "));
        insta::assert_snapshot!(
            refused("<domain><name>a</name><uuid>5</uuid></domain>"),
            @"XML error: missing or malformed uuid element in domain"
        );
        for xml in ["", "<domain/>", "<domain><name>a</name></domain>"] {
            assert!(parse(xml, true).is_err(), "{xml}");
        }
    }
}

//! Domains out of libvirt's XML, for every backend.

use roxmltree::{Document, Node};
use uuid::Uuid;

use super::{Domain, METADATA_NAMESPACE, ORDINARY_PAGE_KIB, OwnerTag};
use crate::topology::cpuset;
use crate::topology::import::xml::{bytes, child};

/// The descendant at the end of a path of element names.
pub fn at<'a, 'i>(node: Node<'a, 'i>, path: &[&str]) -> Option<Node<'a, 'i>> {
    path.iter().try_fold(node, |node, name| child(node, name))
}

/// Text of the element at the end of a path.
pub fn text(node: Node<'_, '_>, path: &[&str]) -> Option<String> {
    Some(at(node, path)?.text()?.trim().to_owned())
}

/// The name in some domain XML.
#[cfg(feature = "libvirt")]
pub fn domain_name(xml: &str) -> Option<String> {
    let document = Document::parse(xml).ok()?;
    text(document.root_element(), &["name"])
}

/// A domain from its XML; `None` if that is none.
pub fn domain(xml: &str, active: bool) -> Option<Domain> {
    let document = Document::parse(xml).ok()?;
    let root = document.root_element();
    let memory = child(root, "memory")?;
    let binding = at(root, &["numatune", "memory"]);
    Some(Domain {
        name: text(root, &["name"])?,
        uuid: Uuid::parse_str(&text(root, &["uuid"])?).ok()?,
        active,
        owner: owner(root),
        memory_kib: bytes(memory, memory.text()?, "KiB")? >> 10,
        vcpu_pins: vcpu_pins(root),
        emulator_pins: emulator_pins(root),
        memory_nodes: memory_nodes(root),
        // libvirt's default where the mode is not stated.
        memory_strict: binding
            .is_some_and(|node| node.attribute("mode").unwrap_or("strict") == "strict"),
        page_kib: page_kib(root).unwrap_or(ORDINARY_PAGE_KIB),
        xml: xml.to_owned(),
    })
}

/// Size of the huge pages behind its memory.
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
    })
}

/// The CPUs that threads without a pin of their own may use.
fn default_pins(root: Node<'_, '_>) -> Vec<u32> {
    child(root, "vcpu")
        .and_then(|vcpu| vcpu.attribute("cpuset"))
        .map(cpuset::parse)
        .unwrap_or_default()
}

/// More virtual CPUs than any machine type has; a malformed text must not fill
/// the memory.
const MOST_VCPUS: usize = 1 << 16;

fn vcpu_pins(root: Node<'_, '_>) -> Vec<Vec<u32>> {
    let count = text(root, &["vcpu"]).and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut pins = vec![default_pins(root); MOST_VCPUS.min(count)];
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
      <vcpu placement='static' cpuset='4-5'>3</vcpu>
      <cputune>
        <vcpupin vcpu='0' cpuset='9'/><vcpupin vcpu='1' cpuset='10-12,^11'/>
        <vcpupin vcpu='77' cpuset='1'/>
        <emulatorpin cpuset='0,8'/>
      </cputune>
      <numatune><memory mode='strict' nodeset='1'/></numatune>
    </domain>";

    #[test]
    fn a_pinned_domain() {
        let domain = domain(DOMAIN, true).unwrap();
        assert_eq!(domain.name, "shop-cache-0");
        assert_eq!(domain.memory_kib, 16_777_216);
        assert_eq!(domain.vcpu_pins, [vec![9], vec![10, 12], vec![4, 5]]);
        assert_eq!(domain.emulator_pins, [0, 8]);
        assert_eq!((domain.memory_nodes.as_slice(), domain.memory_strict), (&[1][..], true));
        let owner = domain.owner.unwrap();
        assert_eq!((owner.deployment.as_str(), owner.instance.as_str()), ("shop", "cache-0"));
        assert_eq!(owner.digest, "ab");
    }

    #[test]
    fn a_foreign_domain_without_any_pin() {
        let xml = "<domain><name>f</name><uuid>5f6c3c0a-6d5e-5b6f-9c39-1f2a3b4c5d6e</uuid>
            <memory>1024</memory><vcpu>2</vcpu></domain>";
        let domain = domain(xml, false).unwrap();
        assert_eq!(domain.vcpu_pins, [vec![0; 0], vec![]]);
        assert_eq!((domain.owner, domain.memory_strict, domain.memory_kib), (None, false, 1024));
        assert!(domain.memory_nodes.is_empty() && domain.emulator_pins.is_empty());
    }

    #[test]
    fn what_is_no_domain_is_none() {
        for xml in ["", "<domain/>", "not xml", "<domain><name>a</name></domain>"] {
            assert_eq!(domain(xml, true), None, "{xml}");
        }
    }
}

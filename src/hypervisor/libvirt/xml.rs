//! Pools, volumes and interfaces out of libvirt's XML; the XML of a volume to be
//! made.

use roxmltree::Document;

use crate::hypervisor::domain_xml::{at, text};
use crate::hypervisor::{ReportedNic, ReportedPool, VolumeFormat, VolumeInfo, VolumeRequest};
use crate::quote;
use crate::topology::import::xml::{bytes, child};

/// Reads a pool from its XML.
pub(super) fn pool(xml: &str) -> Option<ReportedPool> {
    let document = Document::parse(xml).ok()?;
    let root = document.root_element();
    let size = |name| child(root, name).and_then(|node| bytes(node, node.text()?, "bytes"));
    Some(ReportedPool {
        name: text(root, &["name"])?,
        path: text(root, &["target", "path"])
            .or_else(|| text(root, &["source", "name"]))
            .unwrap_or_default(),
        capacity: size("capacity")?,
        available: size("available")?,
    })
}

/// Reads a volume from its XML.
pub(super) fn volume(xml: &str) -> Option<VolumeInfo> {
    let document = Document::parse(xml).ok()?;
    let root = document.root_element();
    let capacity = child(root, "capacity")?;
    Some(VolumeInfo {
        name: text(root, &["name"])?,
        path: text(root, &["target", "path"])?,
        capacity: bytes(capacity, capacity.text()?, "bytes")?,
        backing: text(root, &["backingStore", "path"]),
    })
}

/// Writes the XML of a volume to be made: sparse, over the qcow2 volume at `backing` if
/// there is one.
pub(super) fn volume_to_make(request: &VolumeRequest, backing: Option<&str>) -> String {
    let format = match request.format {
        VolumeFormat::Raw => "raw",
        VolumeFormat::Qcow2 => "qcow2",
    };
    let backing = backing.map_or_else(String::new, |path| {
        let path = quote::xml(path);
        format!("<backingStore><path>{path}</path><format type='qcow2'/></backingStore>")
    });
    format!(
        "<volume><name>{}</name><capacity unit='bytes'>{}</capacity>\
         <allocation unit='bytes'>0</allocation>\
         <target><format type='{format}'/></target>{backing}</volume>",
        quote::xml(&request.name),
        request.capacity,
    )
}

/// Returns the interface's name if it is a bridge.
pub(super) fn bridge(xml: &str) -> Option<String> {
    let document = Document::parse(xml).ok()?;
    let root = document.root_element();
    if root.attribute("type") != Some("bridge") {
        return None;
    }
    root.attribute("name").map(str::to_owned)
}

/// Returns what the capabilities call the host's CPUs.
pub(super) fn cpu_model(capabilities: &str) -> Option<String> {
    let document = Document::parse(capabilities).ok()?;
    let root = document.root_element();
    let model = text(root, &["host", "cpu", "model"])?;
    match text(root, &["host", "cpu", "vendor"]) {
        Some(vendor) => Some(format!("{model} by {vendor}")),
        None => Some(model),
    }
}

/// Returns the description of the host's CPUs as it is in the capabilities.
pub(super) fn cpu(capabilities: &str) -> Option<String> {
    let document = Document::parse(capabilities).ok()?;
    let cpu = at(document.root_element(), &["host", "cpu"])?;
    capabilities.get(cpu.range()).map(str::to_owned)
}

/// Reads a physical NIC and the name of the device that it sits on. Bridges, taps and
/// the like sit on the computer itself.
pub(super) fn nic(xml: &str) -> Option<(ReportedNic, String)> {
    let document = Document::parse(xml).ok()?;
    let root = document.root_element();
    let parent = text(root, &["parent"]).filter(|parent| parent != "computer")?;
    let name = text(root, &["capability", "interface"])?;
    // In Mbit/s; absent, or 0, without a link.
    let speed = at(root, &["capability", "link"])
        .and_then(|link| link.attribute("speed")?.parse::<u64>().ok())
        .filter(|mbits| *mbits > 0);
    let bits_per_s = speed.map(|mbits| mbits.saturating_mul(1_000_000));
    Some((ReportedNic { name, bits_per_s, numa: None }, parent))
}

/// Returns the NUMA node of a PCI device.
pub(super) fn numa(xml: &str) -> Option<u32> {
    let document = Document::parse(xml).ok()?;
    at(document.root_element(), &["capability", "numa"])?.attribute("node")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_and_volumes() {
        let pool = pool(
            "<pool type='dir'><name>default</name><capacity unit='bytes'>270553174016</capacity>
             <allocation unit='bytes'>1</allocation><available unit='bytes'>253131005952</available>
             <target><path>/images</path></target></pool>",
        )
        .unwrap();
        assert_eq!((pool.name.as_str(), pool.path.as_str()), ("default", "/images"));
        assert_eq!((pool.capacity, pool.available), (270_553_174_016, 253_131_005_952));
        let volume = volume(
            "<volume type='file'><name>a</name><capacity unit='GiB'>3</capacity>
             <target><path>/images/a</path><format type='qcow2'/></target>
             <backingStore><path>/images/base</path></backingStore></volume>",
        )
        .unwrap();
        assert_eq!((volume.capacity, volume.backing.as_deref()), (3 << 30, Some("/images/base")));
    }

    #[test]
    fn overlays_name_what_they_lie_on() {
        let request = VolumeRequest {
            pool: "default".to_owned(),
            name: "a&b".to_owned(),
            capacity: 1 << 30,
            format: VolumeFormat::Qcow2,
            backing: Some("base".to_owned()),
        };
        assert_eq!(
            volume_to_make(&request, Some("/images/base")),
            "<volume><name>a&amp;b</name><capacity unit='bytes'>1073741824</capacity>\
             <allocation unit='bytes'>0</allocation><target><format type='qcow2'/></target>\
             <backingStore><path>/images/base</path><format type='qcow2'/></backingStore></volume>"
        );
        assert!(!volume_to_make(&request, None).contains("backingStore"));
    }

    #[test]
    fn nics_that_sit_on_a_slot_with_their_speed_and_node() {
        let device = |parent: &str, link: &str| {
            format!(
                "<device><name>net_eth0</name><parent>{parent}</parent><capability type='net'>
                 <interface>eth0</interface><address>52:54:00:00:00:01</address>{link}
                 </capability></device>"
            )
        };
        let up = device("pci_0000_41_00_0", "<link speed='25000' state='up'/>");
        let (nic, parent) = nic(&up).unwrap();
        assert_eq!((nic.name.as_str(), nic.bits_per_s), ("eth0", Some(25_000_000_000)));
        assert_eq!(parent, "pci_0000_41_00_0");
        let down = super::nic(&device("pci_0000_41_00_0", "<link state='down'/>")).unwrap();
        assert_eq!(down.0.bits_per_s, None);
        assert_eq!(super::nic(&device("computer", "")), None);
        let slot = "<device><capability type='pci'><numa node='1'/></capability></device>";
        assert_eq!(numa(slot), Some(1));
    }

    #[test]
    fn a_cpu_has_a_model_and_may_have_a_vendor() {
        let cpu = "<capabilities><host><cpu><model>EPYC-Milan</model><vendor>AMD</vendor></cpu>\
                   </host></capabilities>";
        assert_eq!(cpu_model(cpu).as_deref(), Some("EPYC-Milan by AMD"));
        let description = "<cpu><model>EPYC-Milan</model><vendor>AMD</vendor></cpu>";
        assert_eq!(super::cpu(cpu).as_deref(), Some(description));
        assert_eq!(cpu_model("<capabilities><host/></capabilities>"), None);
    }

    #[test]
    fn only_bridges_are_bridges() {
        let xml = "<interface type='bridge' name='br0'><bridge stp='off'>\
                   <interface type='ethernet' name='uplink'/></bridge></interface>";
        assert_eq!(bridge(xml).as_deref(), Some("br0"));
        assert_eq!(bridge("<interface type='ethernet' name='eth1'/>"), None);
    }
}

//! Changes of domain XML that leave the rest of its text as it is.

use std::ops::Range;

use roxmltree::{Document, Node};

use super::Thread;
use super::domain_xml::is_interface_of;
use crate::topology::cpuset;
use crate::topology::import::xml::child;

/// Returns the XML with a thread pinned to CPUs of the host; what is no domain XML is given
/// back as it is.
#[must_use]
pub fn with_pin(xml: &str, thread: Thread, cpus: &[u32]) -> String {
    let Ok(document) = Document::parse(xml) else { return xml.to_owned() };
    let root = document.root_element();
    let (name, number) = match thread {
        Thread::Vcpu(number) => ("vcpupin", Some(("vcpu", number.to_string()))),
        Thread::Emulator => ("emulatorpin", None),
        Thread::Io(number) => ("iothreadpin", Some(("iothread", number.to_string()))),
    };
    let tune = child(root, "cputune");
    let is_its = |pin: &Node<'_, '_>| {
        let own = |(attribute, number): &(&str, String)| pin.attribute(*attribute) == Some(number);
        pin.has_tag_name(name) && number.as_ref().is_none_or(own)
    };
    let found = tune.and_then(|tune| tune.children().find(is_its));
    let set = cpuset::show(cpus);
    if let Some(known) = found.and_then(|pin| pin.attribute_node("cpuset")) {
        return replaced(xml, known.range_value(), &set);
    }
    let number = number.map(|(name, number)| format!(" {name}='{number}'")).unwrap_or_default();
    let pin = format!("<{name}{number} cpuset='{set}'/>");
    match tune {
        Some(tune) => with_child(xml, tune, &pin),
        None => with_child(xml, root, &format!("<cputune>{pin}</cputune>")),
    }
}

/// Returns the interface of that MAC address with its link up or down, as an element of its
/// own; `None` without such an interface.
#[must_use]
pub fn interface_with_link(xml: &str, mac: &str, up: bool) -> Option<String> {
    let document = Document::parse(xml).ok()?;
    let interface = document.descendants().find(|node| is_interface_of(*node, mac))?;
    let text = xml.get(interface.range())?;
    let element = Document::parse(text).ok()?;
    let state = if up { "up" } else { "down" };
    let known = child(element.root_element(), "link").and_then(|link| link.attribute_node("state"));
    Some(match known {
        Some(known) => replaced(text, known.range_value(), state),
        None => with_child(text, element.root_element(), &format!("<link state='{state}'/>")),
    })
}

/// Returns the XML of a domain with the link of one of its interfaces up or down; `None`
/// without such an interface.
#[must_use]
pub fn with_link(xml: &str, mac: &str, up: bool) -> Option<String> {
    let document = Document::parse(xml).ok()?;
    let interface = document.descendants().find(|node| is_interface_of(*node, mac))?;
    Some(replaced(xml, interface.range(), &interface_with_link(xml, mac, up)?))
}

/// Returns the XML of a domain with a further device.
#[must_use]
pub fn with_device(xml: &str, device: &str) -> String {
    let Ok(document) = Document::parse(xml) else { return xml.to_owned() };
    let root = document.root_element();
    match child(root, "devices") {
        Some(devices) => with_child(xml, devices, device),
        None => with_child(xml, root, &format!("<devices>{device}</devices>")),
    }
}

/// Returns a disk of a domain as an element of its own, by its target; `None` without such a
/// disk.
#[must_use]
pub fn disk<'x>(xml: &'x str, target: &str) -> Option<&'x str> {
    let document = Document::parse(xml).ok()?;
    let is_it = |node: &Node<'_, '_>| {
        node.has_tag_name("disk")
            && child(*node, "target").and_then(|one| one.attribute("dev")) == Some(target)
    };
    let range = document.descendants().find(is_it)?.range();
    xml.get(range)
}

/// Returns the XML of a domain without a disk, by its target; as it is without such a disk.
#[must_use]
pub fn without_disk(xml: &str, target: &str) -> String {
    disk(xml, target).map_or_else(|| xml.to_owned(), |element| xml.replacen(element, "", 1))
}

/// Adds an element as the last of its parent.
fn with_child(xml: &str, parent: Node<'_, '_>, element: &str) -> String {
    let Range { start, end } = parent.range();
    let own = xml.get(start..end).unwrap_or_default();
    match (own.strip_suffix("/>"), own.rfind("</")) {
        (Some(open), _) => {
            let name = parent.tag_name().name();
            replaced(xml, start..end, &format!("{open}>{element}</{name}>"))
        }
        (None, Some(at)) => replaced(xml, start + at..start + at, element),
        (None, None) => xml.to_owned(),
    }
}

fn replaced(text: &str, range: Range<usize>, by: &str) -> String {
    let mut text = text.to_owned();
    text.replace_range(range, by);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_is_changed_where_it_is_and_added_where_it_is_not() {
        let xml = "<domain><cputune><vcpupin vcpu='0' cpuset='1'/>\
                   <vcpupin vcpu='1' cpuset='2'/></cputune></domain>";
        let changed = with_pin(xml, Thread::Vcpu(1), &[4, 5]);
        assert_eq!(changed, xml.replace("cpuset='2'", "cpuset='4-5'"));
        let added = with_pin(xml, Thread::Io(1), &[0]);
        let pin = "<iothreadpin iothread='1' cpuset='0'/></cputune>";
        assert_eq!(added, xml.replace("</cputune>", pin));
        assert_eq!(
            with_pin("<domain/>", Thread::Emulator, &[3]),
            "<domain><cputune><emulatorpin cpuset='3'/></cputune></domain>"
        );
        assert_eq!(with_pin("no XML", Thread::Emulator, &[3]), "no XML");
    }

    #[test]
    fn a_disk_comes_and_goes() {
        let xml = "<domain><devices><disk><target dev='vda'/></disk></devices></domain>";
        let added = with_device(xml, "<disk><target dev='vdy'/></disk>");
        assert_eq!(disk(&added, "vdy"), Some("<disk><target dev='vdy'/></disk>"));
        assert_eq!(without_disk(&added, "vdy"), xml);
        assert_eq!(without_disk(xml, "vdy"), xml);
        let bare = with_device("<domain/>", "<disk/>");
        assert_eq!(bare, "<domain><devices><disk/></devices></domain>");
    }

    #[test]
    fn a_link_goes_down_and_up_again() {
        let xml = "<domain><devices><interface><mac address='52:54:00:AB:00:01'/></interface>\
                   <interface><mac address='52:54:00:ab:00:02'/></interface></devices></domain>";
        let down = with_link(xml, "52:54:00:ab:00:01", false).unwrap();
        let first = "<mac address='52:54:00:AB:00:01'/><link state='down'/>";
        assert_eq!(down, xml.replace("<mac address='52:54:00:AB:00:01'/>", first));
        let up = interface_with_link(&down, "52:54:00:ab:00:01", true).unwrap();
        assert_eq!(up, format!("<interface>{}</interface>", first.replace("down", "up")));
        assert_eq!(with_link(xml, "52:54:00:ab:00:03", true), None);
    }
}

//! XML in a form that can be compared line by line.
//!
//! libvirt gives a domain's XML back with much that nobody wrote: addresses,
//! aliases, controllers, defaults. What is compared is what the planned XML
//! speaks of, and the devices that carry data, even those that were added by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use roxmltree::{Document, Node};

use crate::topology::import::xml::bytes;

/// Devices that are shown though the plan has none of their kind.
const ALWAYS_SHOWN: [&str; 4] = ["disk", "filesystem", "hostdev", "interface"];

/// Attributes that say what a device is of, shown in every place.
const IDENTIFYING: [&str; 3] = ["file", "bridge", "network"];

/// Planned elements, by their path of names.
type Planned<'a, 'i> = BTreeMap<Vec<&'a str>, Vec<Node<'a, 'i>>>;

/// Returns the planned XML, and the one that was found with only what can be compared,
/// an element a line. What is no XML is given back as it is.
#[must_use]
pub fn comparable(planned: &str, found: Option<&str>) -> (String, Option<String>) {
    outlines(planned, found, &[])
}

/// Returns the lines of the planned XML that the one that was found lacks, and those that
/// it has instead. Elements at the paths `passed_over`, as `domain/title`, are not compared.
#[must_use]
pub fn differences(planned: &str, found: &str, passed_over: &[&str]) -> (Vec<String>, Vec<String>) {
    let (planned, found) = outlines(planned, Some(found), passed_over);
    let lines = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.trim_start().to_owned()).collect()
    };
    let (mut lost, mut gained) = (lines(&planned), Vec::new());
    for line in lines(&found.unwrap_or_default()) {
        match lost.iter().position(|known| *known == line) {
            Some(at) => drop(lost.remove(at)),
            None => gained.push(line),
        }
    }
    (lost, gained)
}

fn outlines(planned: &str, found: Option<&str>, passed_over: &[&str]) -> (String, Option<String>) {
    let Ok(document) = Document::parse(planned) else {
        return (planned.to_owned(), found.map(str::to_owned));
    };
    let mut known = Planned::new();
    let root = document.root_element();
    collect(root, &mut vec![root.tag_name().name()], &mut known);
    let outline = Outline { known: &known, passed_over };
    let found = found.map(|text| {
        let Ok(document) = Document::parse(text) else { return text.to_owned() };
        outline.of(document.root_element())
    });
    (outline.of(root), found)
}

fn collect<'a, 'i>(node: Node<'a, 'i>, path: &mut Vec<&'a str>, known: &mut Planned<'a, 'i>) {
    known.entry(path.clone()).or_default().push(node);
    for child in node.children().filter(Node::is_element) {
        path.push(child.tag_name().name());
        collect(child, path, known);
        path.pop();
    }
}

/// What of a document is shown.
struct Outline<'a> {
    known: &'a Planned<'a, 'a>,
    passed_over: &'a [&'a str],
}

impl Outline<'_> {
    fn of(&self, root: Node<'_, '_>) -> String {
        let mut out = String::new();
        self.write(root, &mut vec![root.tag_name().name()], &mut out);
        out
    }

    fn write<'a>(&self, node: Node<'a, '_>, path: &mut Vec<&'a str>, out: &mut String) {
        let indent = "  ".repeat(path.len() - 1);
        let planned = self.known.get(path.as_slice());
        let name = node.tag_name().name();
        // Writing to a string does not fail.
        let _ = write!(out, "{indent}<{name}{}", attributes(node, planned));
        let mut children: Vec<Node<'_, '_>> =
            node.children().filter(|child| self.is_compared(*child, path)).collect();
        children.sort_by_key(|child| place(*child, planned));
        let text = node.text().map(str::trim).unwrap_or_default();
        if children.is_empty() {
            let _ = match text {
                "" => writeln!(out, "/>"),
                _ => writeln!(out, ">{}</{name}>", in_kib(node, text)),
            };
            return;
        }
        let _ = writeln!(out, ">");
        for child in children {
            path.push(child.tag_name().name());
            self.write(child, path, out);
            path.pop();
        }
        let _ = writeln!(out, "{indent}</{name}>");
    }

    fn is_compared<'a>(&self, child: Node<'a, '_>, path: &[&'a str]) -> bool {
        if !child.is_element() {
            return false;
        }
        let name = child.tag_name().name();
        let mut own = path.to_vec();
        own.push(name);
        if !self.passed_over.is_empty() && self.passed_over.contains(&own.join("/").as_str()) {
            return false;
        }
        // Below a device that is not planned everything is shown.
        self.known.contains_key(own.as_slice())
            || ALWAYS_SHOWN.contains(&name)
            || !self.known.contains_key(path)
    }
}

/// Returns where the plan has elements of that name; libvirt has an order of its own.
fn place(child: Node<'_, '_>, planned: Option<&Vec<Node<'_, '_>>>) -> usize {
    let parents = planned.into_iter().flatten();
    let places = parents.filter_map(|parent| {
        parent
            .children()
            .filter(Node::is_element)
            .position(|one| one.tag_name().name() == child.tag_name().name())
    });
    places.min().unwrap_or(usize::MAX)
}

/// Attributes by name, those that the plan does not speak of left out.
fn attributes(node: Node<'_, '_>, planned: Option<&Vec<Node<'_, '_>>>) -> String {
    let is_source = node.has_tag_name("source");
    let is_compared = |name: &str| {
        (is_source && IDENTIFYING.contains(&name))
            || planned.is_none_or(|nodes| nodes.iter().any(|node| node.has_attribute(name)))
    };
    let kept = node.attributes().filter(|one| is_compared(one.name()));
    let kept: BTreeMap<&str, String> =
        kept.map(|one| (one.name(), value(node, one.name(), one.value()))).collect();
    kept.iter().map(|(name, value)| format!(" {name}=\"{value}\"")).collect()
}

/// libvirt replaces a machine by the newest version of it that QEMU has, and a size by its
/// KiB.
fn value(node: Node<'_, '_>, name: &str, value: &str) -> String {
    let known = match name {
        "machine" if value.starts_with("pc-q35-") => "q35",
        "machine" if value.starts_with("pc-i440fx-") => "pc",
        "size" => return in_kib(node, value),
        "unit" if is_size(node) => "KiB",
        _ => value,
    };
    known.to_owned()
}

/// Whether an element states a size with its unit.
fn is_size(node: Node<'_, '_>) -> bool {
    let number = node.attribute("size").or_else(|| node.text()).map(str::trim);
    number.is_some_and(|number| bytes(node, number, "KiB").is_some())
}

/// Returns the number of an element that has a unit in KiB, anything else as it is.
fn in_kib(node: Node<'_, '_>, number: &str) -> String {
    let bytes = node.attribute("unit").and_then(|_| bytes(node, number, "KiB"));
    bytes.map_or_else(|| number.to_owned(), |bytes| (bytes >> 10).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libvirt_adds_is_left_out_and_what_somebody_changed_stays() {
        let planned = "<domain type='kvm'><name>a</name><vcpu>2</vcpu>
            <os><type machine='q35'>hvm</type></os>
            <devices><disk type='volume'><source pool='p' volume='r'/></disk></devices></domain>";
        let found = "<domain type='kvm' id='3'><name>a</name><uuid>x</uuid>
            <devices><emulator>/usr/bin/qemu</emulator>
            <disk type='volume'><source pool='p' volume='r' index='1'/><alias name='v'/></disk>
            <disk type='file'><source file='/evil'/></disk><controller type='usb'/></devices>
            <vcpu placement='static'>4</vcpu>
            <os><type machine='pc-q35-10.0' arch='x86_64'>hvm</type></os></domain>";
        let (_, found) = comparable(planned, Some(found));
        insta::assert_snapshot!(found.unwrap(), @r#"
        <domain type="kvm">
          <name>a</name>
          <vcpu>4</vcpu>
          <os>
            <type machine="q35">hvm</type>
          </os>
          <devices>
            <disk type="volume">
              <source pool="p" volume="r"/>
            </disk>
            <disk type="file">
              <source file="/evil"/>
            </disk>
          </devices>
        </domain>
        "#);
    }

    #[test]
    fn sizes_are_compared_in_one_unit_and_parts_can_be_passed_over() {
        let planned = "<domain><title>a</title><memory unit='MiB'>512</memory>
            <features><tb unit='MiB'>256</tb></features><page size='2' unit='MiB'/>
            <disk><driver cache='none'/></disk><disk><driver cache='none'/></disk></domain>";
        let same = "<domain><title>b</title><features><tb unit='KiB'>262144</tb></features>
            <disk><driver cache='none'/></disk><disk><driver cache='none'/></disk>
            <memory unit='KiB'>524288</memory><page size='2048' unit='KiB'/></domain>";
        let differences = |found: &str| differences(planned, found, &["domain/title"]);
        assert_eq!(differences(same), (Vec::new(), Vec::new()));
        let other = same.replacen("'none'", "'writeback'", 1).replace("524288", "1048576");
        let (lost, gained) = differences(&other);
        assert_eq!(lost, [r#"<memory unit="KiB">524288</memory>"#, r#"<driver cache="none"/>"#]);
        let expected = [r#"<memory unit="KiB">1048576</memory>"#, r#"<driver cache="writeback"/>"#];
        assert_eq!(gained, expected);
    }

    #[test]
    fn what_is_no_xml_is_compared_as_it_is() {
        assert_eq!(comparable("a", Some("b")), ("a".to_owned(), Some("b".to_owned())));
    }
}

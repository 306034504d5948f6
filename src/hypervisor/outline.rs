//! XML in a form that can be compared line by line.
//!
//! libvirt gives a domain's XML back with much that nobody wrote: addresses,
//! aliases, controllers, defaults. What is compared is what the planned XML
//! speaks of, and the devices that carry data, even those that were added by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use roxmltree::{Document, Node};

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
    let Ok(document) = Document::parse(planned) else {
        return (planned.to_owned(), found.map(str::to_owned));
    };
    let mut known = Planned::new();
    let root = document.root_element();
    collect(root, &mut vec![root.tag_name().name()], &mut known);
    let mut out = String::new();
    write(root, 0, &mut vec![root.tag_name().name()], &known, &mut out);
    let found = found.map(|text| {
        let Ok(document) = Document::parse(text) else { return text.to_owned() };
        let root = document.root_element();
        let mut out = String::new();
        write(root, 0, &mut vec![root.tag_name().name()], &known, &mut out);
        out
    });
    (out, found)
}

fn collect<'a, 'i>(node: Node<'a, 'i>, path: &mut Vec<&'a str>, known: &mut Planned<'a, 'i>) {
    known.entry(path.clone()).or_default().push(node);
    for child in node.children().filter(Node::is_element) {
        path.push(child.tag_name().name());
        collect(child, path, known);
        path.pop();
    }
}

fn write<'a>(
    node: Node<'a, '_>,
    depth: usize,
    path: &mut Vec<&'a str>,
    known: &Planned<'_, '_>,
    out: &mut String,
) {
    let indent = "  ".repeat(depth);
    let planned = known.get(path.as_slice());
    let name = node.tag_name().name();
    // Writing to a string does not fail.
    let _ = write!(out, "{indent}<{name}{}", attributes(node, planned));
    let mut children: Vec<Node<'_, '_>> =
        node.children().filter(|child| is_compared(*child, path, known)).collect();
    children.sort_by_key(|child| place(*child, planned));
    let text = node.text().map(str::trim).unwrap_or_default();
    if children.is_empty() {
        let _ = match text {
            "" => writeln!(out, "/>"),
            _ => writeln!(out, ">{text}</{name}>"),
        };
        return;
    }
    let _ = writeln!(out, ">");
    for child in children {
        path.push(child.tag_name().name());
        write(child, depth + 1, path, known, out);
        path.pop();
    }
    let _ = writeln!(out, "{indent}</{name}>");
}

fn is_compared<'a>(child: Node<'a, '_>, path: &[&'a str], known: &Planned<'_, '_>) -> bool {
    if !child.is_element() {
        return false;
    }
    let name = child.tag_name().name();
    let mut own = path.to_vec();
    own.push(name);
    // Below a device that is not planned everything is shown.
    known.contains_key(own.as_slice()) || ALWAYS_SHOWN.contains(&name) || !known.contains_key(path)
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
    let kept: BTreeMap<&str, &str> =
        kept.map(|one| (one.name(), value(one.name(), one.value()))).collect();
    kept.iter().map(|(name, value)| format!(" {name}=\"{value}\"")).collect()
}

/// libvirt replaces a machine by the newest version of it that QEMU has.
fn value<'a>(name: &str, value: &'a str) -> &'a str {
    match value {
        _ if name != "machine" => value,
        _ if value.starts_with("pc-q35-") => "q35",
        _ if value.starts_with("pc-i440fx-") => "pc",
        _ => value,
    }
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
    fn what_is_no_xml_is_compared_as_it_is() {
        assert_eq!(comparable("a", Some("b")), ("a".to_owned(), Some("b".to_owned())));
    }
}

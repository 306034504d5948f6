//! The XML of a domain that moves while it runs: as it runs now, with what belongs to the
//! host exchanged for what is planned at the destination.
//!
//! The guest must see no difference, so nothing is rendered anew: an address that libvirt
//! gave a device, or a machine version that QEMU chose, stays what it is.

use std::collections::BTreeMap;
use std::ops::Range;

use roxmltree::{Document, Node};

use super::{DiskPaths, RenderError, Result, domain_xml, machine_digest, system_digest};
use crate::hypervisor::METADATA_NAMESPACE;
use crate::plan::{Instance, Plan};
use crate::quote;

/// Parts of the text that are replaced.
type Edits = Vec<(Range<usize>, String)>;

/// Returns what the destination of a move runs, from the migratable XML of the running
/// domain. CPUs, memory nodes, pages, volumes, bridge and the tag are those of the plan.
/// Disks whose bytes are copied are in `copied`, by target, with their path there: of one
/// that is named by its volume libvirt does not see that it is there already.
///
/// # Errors
/// As [`domain_xml`]; or the domain has a disk that is not planned, and so no place at the
/// destination.
pub fn destination_xml(
    plan: &Plan,
    instance: &Instance,
    migratable: &str,
    paths: &DiskPaths,
    copied: &BTreeMap<String, String>,
) -> Result<String> {
    let planned = domain_xml(plan, instance, paths)?;
    let wrong = |source| RenderError::Xml { instance: instance.name.clone(), source };
    let (planned, running) =
        (Document::parse(&planned).map_err(wrong)?, Document::parse(migratable).map_err(wrong)?);
    let (plan_root, root) = (planned.root_element(), running.root_element());
    let mut edits = Edits::new();
    let digests =
        [("digest", machine_digest(plan, instance)), ("system", system_digest(plan, instance))];
    tag(root, &digests, &mut edits);
    tuning(plan_root, root, &mut edits);
    for name in ["kernel", "initrd"] {
        let place = |root| child(child(root, "os")?, name);
        if let (Some(new), Some(old)) = (place(plan_root), place(root)) {
            edits.push((old.range(), source(new)));
        }
    }
    for old in devices(root, "disk") {
        let target = attribute(old, "target", "dev");
        let new = devices(plan_root, "disk").find(|new| attribute(*new, "target", "dev") == target);
        let Some(new) = new else {
            return Err(RenderError::ForeignDisk {
                instance: instance.name.clone(),
                disk: target.unwrap_or("without a target").to_owned(),
            });
        };
        match target.and_then(|target| copied.get(target)) {
            Some(path) => file(old, path, &mut edits),
            None => replace_source(new, old, &mut edits),
        }
        // What a root lies on is written in its own file.
        edits.extend(child(old, "backingStore").map(|node| (node.range(), String::new())));
    }
    for old in devices(root, "interface") {
        let mac = attribute(old, "mac", "address");
        let new = devices(plan_root, "interface");
        let same = |new: &Node<'_, '_>| match (attribute(*new, "mac", "address"), mac) {
            (Some(new), Some(old)) => new.eq_ignore_ascii_case(old),
            _ => false,
        };
        if let Some(new) = new.into_iter().find(same) {
            replace_source(new, old, &mut edits);
        }
    }
    Ok(apply(migratable, edits))
}

/// The digests of the machine as it is planned there.
fn tag(root: Node<'_, '_>, digests: &[(&str, String)], edits: &mut Edits) {
    let is_tag = |node: &Node<'_, '_>| node.has_tag_name((METADATA_NAMESPACE, "instance"));
    let tag = child(root, "metadata").and_then(|metadata| metadata.children().find(is_tag));
    for (name, digest) in digests {
        let value = tag.and_then(|tag| tag.attribute_node(*name));
        edits.extend(value.map(|value| (value.range_value(), digest.clone())));
    }
}

/// Pins, memory nodes and pages. Of `cputune` only the pins are the host's; what else it
/// says stays.
fn tuning(planned: Node<'_, '_>, running: Node<'_, '_>, edits: &mut Edits) {
    const PINS: [&str; 3] = ["vcpupin", "emulatorpin", "iothreadpin"];
    let mut missing = String::new();
    let mut put = |name: &str, text: String| match child(running, name) {
        Some(old) => edits.push((old.range(), text)),
        None => missing.push_str(&text),
    };
    let tune = child(planned, "cputune").into_iter().flat_map(|tune| tune.children());
    let kept = child(running, "cputune").into_iter().flat_map(|tune| tune.children());
    let kept = kept.filter(|node| !PINS.contains(&node.tag_name().name()));
    let tune: String = tune.chain(kept).filter(Node::is_element).map(source).collect();
    put("cputune", format!("<cputune>{tune}</cputune>"));
    for name in ["numatune", "memoryBacking"] {
        if let Some(new) = child(planned, name) {
            put(name, source(new));
        }
    }
    let Some(vcpu) = child(running, "vcpu") else { return };
    edits.push((vcpu.range().end..vcpu.range().end, missing));
    // Threads without a pin of their own; with the pins above there are none.
    edits.extend(vcpu.attribute_node("cpuset").map(|cpus| (cpus.range(), String::new())));
}

fn replace_source(planned: Node<'_, '_>, running: Node<'_, '_>, edits: &mut Edits) {
    if let (Some(new), Some(old)) = (child(planned, "source"), child(running, "source")) {
        edits.push((old.range(), source(new)));
    }
}

/// Names a disk by its path.
fn file(running: Node<'_, '_>, path: &str, edits: &mut Edits) {
    let path = format!("<source file=\"{}\"/>", quote::xml(path));
    edits.extend(child(running, "source").map(|old| (old.range(), path)));
    let kind = running.attribute_node("type");
    edits.extend(kind.map(|kind| (kind.range_value(), "file".to_owned())));
}

/// Replaces parts of a text; none of them overlap.
fn apply(text: &str, mut edits: Edits) -> String {
    edits.sort_by_key(|(range, _)| range.start);
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for (range, new) in edits {
        out.push_str(text.get(done..range.start).unwrap_or_default());
        out.push_str(&new);
        done = range.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}

fn child<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn devices<'a, 'i>(root: Node<'a, 'i>, kind: &'static str) -> impl Iterator<Item = Node<'a, 'i>> {
    let all = child(root, "devices").into_iter().flat_map(|devices| devices.children());
    all.filter(move |device| device.has_tag_name(kind))
}

fn attribute<'a>(node: Node<'a, '_>, name: &str, attribute: &str) -> Option<&'a str> {
    child(node, name)?.attribute(attribute)
}

/// The text of an element.
fn source(node: Node<'_, '_>) -> String {
    node.document().input_text().get(node.range()).unwrap_or_default().to_owned()
}

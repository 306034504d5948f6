//! Texts of a plan that reach files, commands and definitions of domains: digests, names
//! and values in their form, and ports that there are.

use std::fmt;

use super::{Findings, Kind};
use crate::plan::{Instance, Plan, Setting};
use crate::topology::uri::is_known;

/// Hexadecimal digits of a SHA-256.
const DIGEST: usize = 64;

pub(super) fn check(plan: &Plan, findings: &mut Findings) {
    image(plan, findings);
    for host in &plan.topology.hosts {
        let pools = host.pools.iter().map(|pool| &pool.name);
        let address = host.migration.address.iter().chain(host.labels.values());
        let texts = host.uri.iter().chain(&host.bridges).chain(pools).chain(address);
        for text in texts.chain(&host.assumed) {
            named(&host.name, "URI, bridge, pool, label, address or field", text, findings);
        }
        if let Some(uri) = host.uri.as_ref().filter(|uri| !is_known(uri)) {
            let message = format!("{uri:?} is not a libvirt URI such as qemu+ssh://root@h1/system");
            findings.add(Kind::Text, &host.name, message);
        }
    }
    if let Some(network) = &plan.network {
        named(&plan.name, "bridge", &network.bridge, findings);
    }
    for service in &plan.services {
        named(&service.name, "unit", &service.capacity.unit, findings);
    }
    for instance in &plan.instances {
        for (name, value) in &instance.settings {
            setting(instance, name, value, findings);
        }
    }
}

fn image(plan: &Plan, findings: &mut Findings) {
    let Some(image) = &plan.image else { return };
    named(&plan.name, "name of an image", &image.name, findings);
    plain(&plan.name, "kernel command line", &image.cmdline, findings);
    for file in [Some(&image.disk), image.kernel.as_ref(), image.initrd.as_ref()] {
        let Some(file) = file else { continue };
        named(&plan.name, "file name of the image", &file.file, findings);
        if !is_digest(&file.sha256) {
            let message = format!(
                "the SHA-256 of {:?} is {:?}; expected {DIGEST} lower-case hexadecimal digits",
                file.file, file.sha256
            );
            findings.add(Kind::ImageDigest, &plan.name, message);
        }
    }
}

/// Whether a text is a SHA-256 as plans spell it.
pub(super) fn is_digest(text: &str) -> bool {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == DIGEST && text.bytes().all(is_hex)
}

pub(super) fn named(subject: &impl fmt::Display, what: &str, text: &str, findings: &mut Findings) {
    plain(subject, what, text, findings);
    if text.is_empty() {
        findings.add(Kind::Text, subject, format!("an empty {what}"));
    }
}

fn plain(subject: &impl fmt::Display, what: &str, text: &str, findings: &mut Findings) {
    if text.contains(char::is_control) {
        let message = format!("{text:?} has control characters and is not a valid {what}");
        findings.add(Kind::Text, subject, message);
    }
}

fn setting(instance: &Instance, name: &str, value: &Setting, findings: &mut Findings) {
    if name.is_empty() || name.contains(char::is_control) {
        findings.add(Kind::Text, &instance.name, format!("{name:?} is not the name of a setting"));
    }
    let texts: &[String] = match value {
        Setting::Text(text) => std::slice::from_ref(text),
        Setting::Words(words) => words,
        _ => &[],
    };
    for text in texts {
        plain(&instance.name, &format!("value of {name}"), text, findings);
    }
    let is_port = name == "port" || [".port", "-port"].iter().any(|end| name.ends_with(end));
    // Redis takes zero for: not at all.
    let may_be_off = name == "port" && instance.settings.contains_key("tls-port");
    let is_good = |port: u64| (1..=65_535).contains(&port) || (port == 0 && may_be_off);
    if is_port && !value.number().is_some_and(is_good) {
        let message = format!("{name} is {value}; expected a port from 1 to 65535");
        findings.add(Kind::Port, &instance.name, message);
    }
}

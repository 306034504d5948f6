//! What a host reported, in words.

use std::collections::BTreeSet;

use crate::hypervisor::{Domain, ReportedNic};
use crate::topology::cpuset;
use crate::units::{BitsPerSecond, Mebibytes};

/// A NIC in words: `eth0: 10 Gbit/s, NUMA node 0`.
#[must_use]
pub fn nic_words(nic: &ReportedNic) -> String {
    let ReportedNic { name, bits_per_s, numa } = nic;
    let speed = bits_per_s
        .map_or_else(|| "no link".to_owned(), |bits| BitsPerSecond::new(bits).to_string());
    let numa = numa.map_or_else(String::new, |numa| format!(", NUMA node {numa}"));
    format!("{name}: {speed}{numa}")
}

/// A domain in words: what it holds of the host.
#[must_use]
pub fn domain_words(domain: &Domain) -> String {
    let pins: BTreeSet<u32> = domain.definition.vcpu_pins.iter().flatten().copied().collect();
    let pins = match cpuset::show(&pins) {
        text if text.is_empty() => "not pinned".to_owned(),
        text => format!("pinned to CPUs {text}"),
    };
    let state = if domain.active { "running" } else { "off" };
    let owner = domain.owner.as_ref().map_or_else(String::new, |owner| {
        format!(", {} of deployment {}", owner.instance, owner.deployment)
    });
    format!(
        "{}: {state}, {} vCPUs {pins}, {}{owner}",
        domain.name,
        domain.definition.vcpu_pins.len(),
        Mebibytes::new(domain.definition.memory_kib.div_ceil(1024)),
    )
}

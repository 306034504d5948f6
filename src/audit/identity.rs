//! Names, addresses, MACs and UUIDs: well-formed and once each.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use sha2::{Digest, Sha256};
use uuid::{Uuid, uuid};

use super::hosts::volumes;
use super::{Findings, Kind};
use crate::plan::{Instance, Plan, ServicePlan};
use crate::spec::Cluster;

/// QEMU's prefix for the MACs of guests.
const MAC_PREFIX: &str = "52:54:00:";

/// Namespace of the UUIDs of all domains that this program makes: stated here a
/// second time, so that a slip in the planner would be seen.
const NAMESPACE: Uuid = uuid!("6f2d1c0e-93b4-4a57-8d1e-5b7a40c9e216");

pub(super) fn check(plan: &Plan, findings: &mut Findings) {
    names(plan, findings);
    network(plan, findings);
    addresses(plan, findings);
    forms(plan, findings);
    uniqueness(plan, findings);
    derivation(plan, findings);
}

fn names(plan: &Plan, findings: &mut Findings) {
    let mut owners = BTreeSet::new();
    let services = plan.services.iter().map(|service| &service.name);
    for name in services.chain(plan.vms.iter().map(|vm| &vm.name)) {
        if !owners.insert(name) {
            findings.add(Kind::DuplicateName, name, "duplicate name of a service or fixed machine");
        }
    }
    let mut instances = BTreeSet::new();
    for instance in &plan.instances {
        if !instances.insert(&instance.name) {
            findings.add(Kind::DuplicateName, &instance.name, "duplicate name of an instance");
        }
        if !owners.contains(&instance.service) {
            let message = format!("unknown service or fixed machine {}", instance.service);
            findings.add(Kind::UnknownService, &instance.name, message);
        }
    }
}

fn network(plan: &Plan, findings: &mut Findings) {
    let Some(network) = &plan.network else { return };
    let (subnet, first, last) =
        (u32::from(network.subnet), u32::from(network.first), u32::from(network.last));
    let bits = 32u32.checked_sub(u32::from(network.prefix)).filter(|bits| (2..32).contains(bits));
    let Some(hosts) = bits.and_then(|bits| u32::MAX.checked_shr(32 - bits)) else {
        findings.add(
            Kind::Network,
            &plan.name,
            format!("prefix length {} is out of range", network.prefix),
        );
        return;
    };
    let in_subnet = |address: u32| address > subnet && address - subnet < hosts;
    if subnet & hosts != 0 || first > last || !in_subnet(first) || !in_subnet(last) {
        let message = format!(
            "address range {}-{} is outside {}/{}",
            network.first, network.last, network.subnet, network.prefix
        );
        findings.add(Kind::Network, &plan.name, message);
    }
    let mut wrong = |message: String| findings.add(Kind::Network, &plan.name, message);
    for (what, address) in [("gateway", network.gateway), ("virtual address", network.vip)] {
        let Some(address) = address else { continue };
        if !in_subnet(address.into()) {
            let (subnet, prefix) = (network.subnet, network.prefix);
            wrong(format!("{what} {address} is not an address in {subnet}/{prefix}"));
        } else if (first..=last).contains(&u32::from(address)) {
            wrong(format!("{what} {address} is inside the range of the instances"));
        }
    }
    let mut taken = BTreeMap::new();
    for service in plan.services.iter().filter(|one| one.access.vip.is_some() || is_gateway(one)) {
        let Some(vip) = plan.vip_of(service) else { continue };
        let name = &service.name;
        if !is_gateway(service) {
            wrong(format!("{name} is no gateway and has a virtual address"));
        } else if let Some(first) = taken.insert(vip, name) {
            wrong(format!("virtual address {vip} is that of {first} and of {name}"));
        }
        let is_free = in_subnet(vip.into()) && !(first..=last).contains(&u32::from(vip));
        if service.access.vip.is_some() && (!is_free || network.gateway == Some(vip)) {
            wrong(format!("virtual address {vip} of {name} is none that is free in the network"));
        }
    }
    if let (Some(gateway), Some(vip)) = (network.gateway, network.vip)
        && gateway == vip
    {
        wrong(format!("virtual address {vip} is the gateway's"));
    }
}

fn is_gateway(service: &ServicePlan) -> bool {
    service.engine.cluster() == Cluster::GatewayPair
}

fn addresses(plan: &Plan, findings: &mut Findings) {
    let Some(network) = &plan.network else {
        for instance in plan.instances.iter().filter(|one| one.address.is_some()) {
            findings.add(Kind::Address, &instance.name, "an address, but the plan has no network");
        }
        return;
    };
    let mut owners = BTreeMap::new();
    for instance in &plan.instances {
        let Some(address) = instance.address else {
            findings.add(Kind::Address, &instance.name, "no address");
            continue;
        };
        let range = network.first..=network.last;
        if !range.contains(&address) {
            let message = format!("{address} is outside {}-{}", range.start(), range.end());
            findings.add(Kind::Address, &instance.name, message);
        }
        if let Some(other) = owners.insert(address, &instance.name) {
            let message = format!("duplicate address {address}, also of {other}");
            findings.add(Kind::DuplicateAddress, &instance.name, message);
        }
    }
}

fn forms(plan: &Plan, findings: &mut Findings) {
    for instance in &plan.instances {
        let mut wrong = |what: &str, text: &dyn Display| {
            findings.add(Kind::Identity, &instance.name, format!("{text} is not a valid {what}"));
        };
        if !is_mac(&instance.mac) {
            wrong("guest MAC, 52:54:00:xx:xx:xx", &instance.mac);
        }
        if instance.uuid.get_version_num() != 5 {
            wrong("name-based UUID", &instance.uuid);
        }
        if !is_label(&instance.domain) {
            wrong("domain name", &instance.domain);
        }
        for volume in volumes(instance).filter(|volume| !is_label(&volume.name)) {
            wrong("volume name", &volume.name);
        }
    }
}

fn is_mac(text: &str) -> bool {
    text.strip_prefix(MAC_PREFIX).is_some_and(|rest| {
        let mut parts = rest.split(':');
        let good = |part: &str| {
            part.len() == 2 && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        parts.clone().count() == 3 && parts.all(good)
    })
}

/// Characters that are safe in names of files, domains and volumes alike.
fn is_label(text: &str) -> bool {
    let safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=128).contains(&text.len()) && text.bytes().all(safe) && !text.starts_with(['.', '-'])
}

fn uniqueness(plan: &Plan, findings: &mut Findings) {
    let (mut macs, mut uuids) = (BTreeSet::new(), BTreeSet::new());
    let (mut domains, mut all_volumes) = (BTreeSet::new(), BTreeSet::new());
    for instance in &plan.instances {
        let mut twice = |is_new: bool, what: &str, text: &dyn Display| {
            if !is_new {
                let message = format!("duplicate {what} {text}");
                findings.add(Kind::DuplicateIdentity, &instance.name, message);
            }
        };
        twice(macs.insert(&instance.mac), "MAC", &instance.mac);
        twice(uuids.insert(instance.uuid), "UUID", &instance.uuid);
        twice(domains.insert(&instance.domain), "domain", &instance.domain);
        for volume in volumes(instance) {
            let is_new = all_volumes.insert((&instance.host, &volume.pool, &volume.name));
            twice(is_new, "volume", &volume.name);
        }
    }
}

/// Checks what is neither malformed nor a duplicate: it must follow from the names, or
/// a second run would take its own machines for foreign ones.
fn derivation(plan: &Plan, findings: &mut Findings) {
    let mut taken = BTreeSet::new();
    for instance in &plan.instances {
        let is_unique = |same: &dyn Fn(&Instance) -> bool| {
            plan.instances.iter().filter(|other| same(other)).count() == 1
        };
        let mut differs = |what: &str, planned: &dyn Display, derived: &dyn Display| {
            let message =
                format!("its {what} is {planned}; expected {derived}, derived from its name");
            findings.add(Kind::Derivation, &instance.name, message);
        };
        let domain = format!("{}-{}", plan.name, instance.name);
        let name = format!("{}/{}", plan.name, instance.name);
        let mac = free_mac(&name, &mut taken);
        if instance.mac != mac && is_mac(&instance.mac) && is_unique(&|i| i.mac == instance.mac) {
            differs("MAC", &instance.mac, &mac);
        }
        let uuid = Uuid::new_v5(&NAMESPACE, name.as_bytes());
        let is_good = instance.uuid.get_version_num() == 5;
        if instance.uuid != uuid && is_good && is_unique(&|i| i.uuid == instance.uuid) {
            differs("UUID", &instance.uuid, &uuid);
        }
        let is_good = is_label(&instance.domain);
        if instance.domain != domain && is_good && is_unique(&|i| i.domain == instance.domain) {
            differs("domain", &instance.domain, &domain);
        }
        let parts = [
            (&instance.root, "root volume", "root.qcow2"),
            (&instance.data, "data volume", "data.raw"),
            (&instance.seed, "seed", "seed.img"),
        ];
        let mut pools = BTreeSet::new();
        for (volume, what, suffix) in parts {
            let Some(volume) = volume else { continue };
            pools.insert(&volume.pool);
            let derived = format!("{domain}-{suffix}");
            if volume.name != derived && is_label(&volume.name) {
                differs(what, &volume.name, &derived);
            }
        }
        if let (Some(first), Some(last)) = (pools.first(), pools.last())
            && first != last
        {
            let message =
                format!("its volumes are in the pools {first} and {last}; expected one pool");
            findings.add(Kind::Derivation, &instance.name, message);
        }
    }
}

/// The first of the MACs of `name`, `name/1`, `name/2` .. that no instance before
/// has: the prefix and the first three bytes of the text's SHA-256.
fn free_mac(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut text = name.to_owned();
    for attempt in 1u32.. {
        let digest = Sha256::digest(&text);
        let bytes: Vec<String> = digest.iter().take(3).map(|b| format!("{b:02x}")).collect();
        let mac = format!("{MAC_PREFIX}{}", bytes.join(":"));
        if taken.insert(mac.clone()) {
            return mac;
        }
        text = format!("{name}/{attempt}");
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_those_of_the_published_algorithms() {
        // printf shop/cache-0 | sha256sum; uuidgen --sha1 --namespace .. --name shop/cache-0
        let mut taken = BTreeSet::new();
        assert_eq!(free_mac("shop/cache-0", &mut taken), "52:54:00:36:0e:6e");
        let second = free_mac("shop/cache-0", &mut taken);
        assert_eq!(second, free_mac("shop/cache-0/1", &mut BTreeSet::new()));
        let uuid = Uuid::new_v5(&NAMESPACE, b"shop/cache-0");
        assert_eq!(uuid.to_string(), "5ba0ac2d-7bcc-50fc-8d63-47899bfa7fc1");
    }
}

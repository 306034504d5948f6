//! The topology that the plan carries: no duplicates, no machine twice, and reserves within
//! bounds.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, Kind};
use crate::ids::HostName;
use crate::plan::Plan;
use crate::topology::{Core, Host, Level, NumaNode};

pub(super) fn check(plan: &Plan, findings: &mut Findings) {
    let mut names = BTreeSet::new();
    for host in &plan.topology.hosts {
        if !names.insert(&host.name) {
            findings.add(Kind::Topology, &host.name, "duplicate host");
        }
        self::host(host, findings);
    }
    if !plan.topology.hosts.is_sorted_by(|one, other| one.name <= other.name) {
        findings.add(Kind::Topology, &plan.name, "its hosts are not in the order of their names");
    }
    machines(plan, findings);
}

/// Lists in their order, each thing once: what is first decides between equals.
fn order(host: &Host, findings: &mut Findings) {
    let mut wrong = |message: String| findings.add(Kind::Topology, &host.name, message);
    let first = |core: &Core| core.cpus.first().copied();
    for node in &host.numa {
        let l3 = node.l3.iter().map(|domain| domain.cores.first().and_then(first));
        let is_ordered = l3.is_sorted()
            && node.l3.iter().all(|domain| domain.cores.iter().map(first).is_sorted())
            && node.cores().all(|core| core.cpus.is_sorted());
        if !is_ordered {
            wrong(format!("NUMA node {}: CPUs, cores or L3 domains out of order", node.id));
        }
        let is_page = |size: u64| size > ORDINARY_KIB && size.is_power_of_two();
        let ascend = node.pages.is_sorted_by(|one, other| one.size_kib < other.size_kib);
        if !ascend || !node.pages.iter().all(|pool| is_page(pool.size_kib)) {
            wrong(format!("NUMA node {}: pages of a size that there is not, or twice", node.id));
        }
    }
    let is_ordered = host.numa.is_sorted_by_key(|node| node.id)
        && host.pools.is_sorted_by(|one, other| one.name <= other.name)
        && host.bridges.is_sorted_by(|one, other| one < other);
    if !is_ordered {
        wrong("NUMA nodes, pools or bridges out of order, or twice".to_owned());
    }
    if host.labels.contains_key(&Level::Host) {
        wrong("a label of level host; its name is that".to_owned());
    }
}

/// Size of ordinary pages.
const ORDINARY_KIB: u64 = 4;

/// Two names for one machine would give its CPUs and memory away twice.
fn machines(plan: &Plan, findings: &mut Findings) {
    let mut known: BTreeMap<String, &HostName> = BTreeMap::new();
    for host in &plan.topology.hosts {
        let Some(uri) = &host.uri else { continue };
        let first = known.entry(machine(uri)).or_insert(&host.name);
        if *first != &host.name {
            let message = format!("its URI {uri:?} leads to the machine of {first}");
            findings.add(Kind::Topology, &host.name, message);
        }
    }
}

/// What a URI says of the machine that it leads to: its address, without transport, user,
/// default port and the way of authentication. Without an address it is this machine, or
/// what a socket leads to; a command may lead anywhere.
fn machine(uri: &str) -> String {
    let (scheme, rest) = uri.split_once(':').unwrap_or(("", uri));
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let address = authority.rsplit_once('@').map_or(authority, |(_, address)| address);
    let (driver, transport) = match scheme.split_once('+') {
        Some(both) => both,
        None if address.is_empty() => (scheme, "unix"),
        None => (scheme, "tls"),
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let path = path.split('#').next().unwrap_or_default().trim_end_matches('/');
    let address = match transport {
        "ext" if address.is_empty() => return uri.to_owned(),
        "unix" if address.is_empty() => {
            let socket = query.split(['&', ';', '#']).find(|pair| pair.starts_with("socket="));
            return format!("{driver} {} {path}", socket.unwrap_or("here"));
        }
        // As libvirt has it.
        _ if address.is_empty() => "localhost",
        _ => address,
    };
    let port = match transport {
        "ssh" | "libssh" | "libssh2" => ":22",
        "tcp" => ":16509",
        _ => ":16514",
    };
    let address = address.strip_suffix(port).unwrap_or(address).to_ascii_lowercase();
    format!("{driver} {address} {path}")
}

fn host(host: &Host, findings: &mut Findings) {
    order(host, findings);
    let mut ids = BTreeSet::new();
    let mut cpus = BTreeSet::new();
    for node in &host.numa {
        if !ids.insert(node.id) {
            findings.add(Kind::Topology, &host.name, format!("duplicate NUMA node {}", node.id));
        }
        for cpu in node.cores().flat_map(|core| &core.cpus) {
            if !cpus.insert(cpu) {
                findings.add(Kind::Topology, &host.name, format!("duplicate CPU {cpu}"));
            }
        }
        if node.cores().any(|core| core.cpus.is_empty()) {
            let message = format!("NUMA node {}: a core without CPUs", node.id);
            findings.add(Kind::Topology, &host.name, message);
        }
        reserve(host, node, findings);
    }
    let mut pools = BTreeSet::new();
    for pool in &host.pools {
        if !pools.insert(&pool.name) {
            findings.add(Kind::Topology, &host.name, format!("duplicate pool {}", pool.name));
        }
    }
}

fn reserve(host: &Host, node: &NumaNode, findings: &mut Findings) {
    let cores = node.cores().count();
    if node.reserved_cores as usize > cores {
        let message =
            format!("NUMA node {}: {} of {cores} cores reserved", node.id, node.reserved_cores);
        findings.add(Kind::Topology, &host.name, message);
    }
    if node.reserved_memory_mib > node.memory_mib {
        let (reserved, memory) = (node.reserved_memory_mib, node.memory_mib);
        let message = format!("NUMA node {}: {reserved} of {memory} reserved", node.id);
        findings.add(Kind::Topology, &host.name, message);
    }
}

#[cfg(test)]
mod tests {
    use super::machine;

    #[test]
    fn a_machine_is_known_by_its_address() {
        for same in [
            "qemu+ssh://root@H1/system",
            "qemu+ssh://admin@h1:22/system?keyfile=id",
            "qemu+tls://h1/system/",
            "qemu://h1:16514/system",
        ] {
            assert_eq!(machine(same), "qemu h1 /system", "{same}");
        }
        for other in [
            "qemu+ssh://root@h1:2201/system",
            "qemu+ssh://root@h2/system",
            "qemu+ssh://root@h1/session",
            "qemu+unix:///system?socket=/run/h1",
            "test://h1/system",
        ] {
            assert_ne!(machine(other), "qemu h1 /system", "{other}");
        }
    }

    #[test]
    fn this_machine_is_known_by_every_name() {
        for same in [
            "qemu:///system",
            "qemu:///system/",
            "qemu:/system",
            "qemu+unix:///system",
            "qemu:///system?mode=auto",
            "qemu+unix:///system?mode=direct&no_verify=1",
        ] {
            assert_eq!(machine(same), "qemu here /system", "{same}");
        }
        for same in
            ["qemu+unix:///system?socket=/run/h1", "qemu:///system?mode=auto&socket=/run/h1"]
        {
            assert_eq!(machine(same), "qemu socket=/run/h1 /system", "{same}");
        }
        for other in [
            "qemu:///session",
            "qemu+unix:///system?socket=/run/h2",
            "qemu+ext:///system?command=/bin/a",
            "qemu+ssh:///system",
            "test:///default",
        ] {
            let known = ["qemu here /system", "qemu socket=/run/h1 /system"];
            assert!(!known.contains(&machine(other).as_str()), "{other}");
        }
    }
}

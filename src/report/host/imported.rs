//! The host file of a machine that was read from another program's file.

use super::{HostFile, Writer, devices, scalar};
use crate::ids::HostName;
use crate::topology::Virtualization;
use crate::topology::assumed::IOPS;
use crate::topology::import::Machine;
use crate::units::{BitsPerSecond, Mebibytes};

/// What the user says of a host beside its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// libvirt's address.
    pub uri: Option<String>,
    /// How the host runs guests.
    pub hypervisor: Option<Virtualization>,
    /// Bridges that guests can be attached to.
    pub bridges: Vec<String>,
    /// Pools with the space that plans may use.
    pub pools: Vec<(String, Mebibytes)>,
    /// Bandwidth of the NIC that the bridge is on.
    pub network: Option<BitsPerSecond>,
}

/// The host file of a machine. `origin` names the file that it was read from.
#[must_use]
pub fn imported_file(
    name: &HostName,
    origin: &str,
    machine: &Machine,
    stated: &Stated,
) -> HostFile {
    let mut file = Writer::default();
    let numa = &machine.numa.value;
    head(&mut file, origin, machine);
    file.line(&format!("name: {name}"), "");
    if let Some(uri) = &stated.uri {
        file.line(&format!("uri: {}", scalar(uri)), "");
    }
    let hypervisor = file.hypervisor(stated.hypervisor, machine.domain_types.as_deref());
    file.architecture(machine.architecture);
    file.cost();
    file.reserve(numa);
    file.bridges(&stated.bridges, "none listed");
    devices::network(&mut file, machine, stated.network);
    file.line("numa:", &machine.numa.provenance.comment());
    if machine.numa.provenance.is_assumed() {
        file.assumed.push("numa".to_owned());
    }
    file.numa(numa);
    devices::disks(&mut file, &machine.disks);
    pools(&mut file, &stated.pools);
    let ids: Vec<u32> = numa.iter().map(|node| node.id).collect();
    file.assumed = gathered(&file.assumed, &ids);
    file.done(hypervisor)
}

fn head(file: &mut Writer, origin: &str, machine: &Machine) {
    let shown: String = origin.chars().filter(|c| !c.is_control()).collect();
    file.line(&format!("# Written by hostsplit import from {shown}; edit as you like."), "");
    let source = machine.source;
    file.line(&format!("# Read as {source}. Measured unless a comment says otherwise."), "");
    for note in &machine.notes {
        file.comment(note);
    }
    devices::nics(file, &machine.nics);
}

fn pools(file: &mut Writer, pools: &[(String, Mebibytes)]) {
    if pools.is_empty() {
        file.line("pools: []", "none listed; set them with --pool NAME=SIZE");
        return;
    }
    file.line("pools:", "capacity: stated by the user; iops: assumed");
    for (name, capacity) in pools {
        let shown = scalar(name);
        let line = format!("  - {{ name: {shown}, capacity: {capacity}, iops: {IOPS} }}");
        file.line(&line, "");
        file.assumed.push(scalar(&format!("pools.{name}.iops")));
    }
}

/// What was assumed of every one of several NUMA nodes as one entry, in the
/// place of the first.
fn gathered(assumed: &[String], ids: &[u32]) -> Vec<String> {
    let mut gathered: Vec<String> = Vec::new();
    for path in assumed {
        let field = path
            .strip_prefix("numa.")
            .and_then(|rest| rest.split_once('.'))
            .map(|(_, field)| field)
            .filter(|field| {
                let of = |id: &u32| assumed.contains(&format!("numa.{id}.{field}"));
                ids.len() > 1 && ids.iter().all(of)
            });
        let entry = field.map_or_else(|| path.clone(), |field| format!("numa.*.{field}"));
        if !gathered.contains(&entry) {
            gathered.push(entry);
        }
    }
    gathered
}

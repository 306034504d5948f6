//! What was imported, for people and for programs.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use super::Imported;
use crate::cli::error::{Outcome, exit};
use crate::cli::ui::{self, Format};
use crate::ids::HostName;
use crate::topology::import::Machine;
use crate::topology::{Architecture, L3Domain};
use crate::units::Mebibytes;

/// Shows what was written, or the host files themselves.
pub(super) fn show(format: Format, hosts: &BTreeMap<HostName, Imported>) -> Outcome {
    let text: String = match format {
        Format::Json => {
            let hosts: Vec<_> = hosts.iter().map(|(name, host)| value(name, host)).collect();
            format!("{:#}\n", json!({ "hosts": hosts }))
        }
        Format::Text => {
            let shown = hosts.iter().map(|(name, host)| match &host.path {
                Some(path) => line(name, host, path),
                None => host.file.text.clone(),
            });
            // Several files as documents of one stream.
            shown.collect::<Vec<_>>().join(if hosts.values().any(|host| host.path.is_none()) {
                "---\n"
            } else {
                ""
            })
        }
    };
    ui::data(&text)?;
    Ok(exit::DONE)
}

/// Numbers of NUMA nodes, L3 domains, cores and CPUs.
fn counts(machine: &Machine) -> [usize; 4] {
    let domains = || machine.numa.value.iter().flat_map(|node| &node.l3.value);
    let cores = || domains().flat_map(|L3Domain { cores, .. }| cores);
    let cpus = cores().map(|core| core.cpus.len()).sum();
    [machine.numa.value.len(), domains().count(), cores().count(), cpus]
}

/// A host in one line, and what was assumed of it.
fn line(name: &HostName, host: &Imported, path: &Path) -> String {
    let [numa, l3, cores, cpus] = counts(&host.machine);
    let memory: Mebibytes = host.machine.numa.value.iter().map(|node| node.memory.value).sum();
    format!(
        "{name}  {numa} NUMA, {l3} L3, {cores} cores, {cpus} CPUs, {memory} from {}: {} written\n    \
         assumed: {}\n",
        host.machine.source,
        path.display(),
        host.file.assumed.join(", "),
    )
}

fn value(name: &HostName, host: &Imported) -> serde_json::Value {
    let [numa, l3, cores, cpus] = counts(&host.machine);
    json!({
        "name": name,
        "origin": host.origin,
        "source": host.machine.source.to_string(),
        "hypervisor": host.file.hypervisor,
        "architecture": host.machine.architecture.map(Architecture::as_str),
        "numa_nodes": numa,
        "l3_domains": l3,
        "cores": cores,
        "cpus": cpus,
        "file": host.path,
        "text": host.file.text,
        "notes": host.machine.notes,
        "nics": host.machine.nics,
        "disks": host.machine.disks,
        "assumed": host.file.assumed,
    })
}

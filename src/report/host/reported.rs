//! What a host reported of its CPUs, in the form that importers make too.

use std::collections::BTreeMap;

use crate::hypervisor::{ReportedCpu, ReportedNic, ReportedNuma};
use crate::topology::import::{HugePages, Nic, Numa, Provenance, Sourced, Uplink};
use crate::topology::{Core, L3Domain};
use crate::units::{BitsPerSecond, Mebibytes};

pub(super) fn numa(reported: &[ReportedNuma]) -> Vec<Numa> {
    let measured = |node: &ReportedNuma| Numa {
        id: node.id,
        memory: Sourced {
            value: Mebibytes::new(node.memory_kib >> 10),
            provenance: Provenance::Measured,
        },
        pages: Sourced { value: HugePages::among(&node.pages), provenance: Provenance::Measured },
        l3: l3(node),
    };
    reported.iter().map(measured).collect()
}

/// L3 domains as libvirt lists the caches; else one for each die, which is a
/// guess.
fn l3(node: &ReportedNuma) -> Sourced<Vec<L3Domain>> {
    let mut domains: BTreeMap<u32, (Option<u64>, Vec<&ReportedCpu>)> = BTreeMap::new();
    let mut provenance = Provenance::Measured;
    for cpu in &node.cpus {
        let first = match &cpu.l3 {
            Some((sharers, _)) => sharers.iter().min().copied().unwrap_or(cpu.id),
            None => {
                provenance =
                    Provenance::Assumed("one for each die; libvirt lists no such cache".to_owned());
                let die = |other: &&ReportedCpu| (other.socket, other.die) == (cpu.socket, cpu.die);
                node.cpus.iter().filter(die).map(|other| other.id).min().unwrap_or(cpu.id)
            }
        };
        let (size, cpus) = domains.entry(first).or_default();
        *size = cpu.l3.as_ref().map(|(_, kib)| *kib);
        cpus.push(cpu);
    }
    let domain = |(size_kib, cpus): (_, Vec<_>)| L3Domain { size_kib, cores: cores(&cpus) };
    Sourced { value: domains.into_values().map(domain).collect(), provenance }
}

/// CPUs core by core, in the order of their first CPU: siblings together.
fn cores(cpus: &[&ReportedCpu]) -> Vec<Core> {
    let mut cores: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for cpu in cpus {
        let here = |other: &&u32| cpus.iter().any(|cpu| cpu.id == **other);
        let first = cpu.siblings.iter().filter(here).min().copied().unwrap_or(cpu.id);
        cores.entry(first).or_default().push(cpu.id);
    }
    cores.into_values().map(|cpus| Core { cpus }).collect()
}

/// The NIC that is assumed to carry the bridge.
pub(super) fn uplink(reported: &[ReportedNic]) -> Option<Uplink> {
    let nic = |nic: &ReportedNic| Nic {
        name: nic.name.clone(),
        bits_per_s: nic.bits_per_s.map(BitsPerSecond::new),
        numa: nic.numa,
        shares_address: false,
    };
    Uplink::of(&reported.iter().map(nic).collect::<Vec<_>>())
}

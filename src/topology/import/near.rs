//! Devices to the NUMA nodes that they are near to.

use std::collections::{BTreeMap, BTreeSet};

use super::dump::{Dump, Kind};
use super::split::CoreOf;
use super::{Disk, Nic};

/// NICs and disks, each in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Near {
    pub nics: Vec<Nic>,
    pub disks: Vec<Disk>,
}

/// The devices of a machine whose cores lie in these NUMA nodes. A device that is near
/// to the CPUs of several is near to none.
pub(super) fn devices(dump: &Dump, cores: &[CoreOf]) -> Near {
    let numa_of: BTreeMap<u32, u32> =
        cores.iter().flat_map(|core| core.cpus.iter().map(|cpu| (*cpu, core.numa))).collect();
    let numa = |cpus: &Vec<u32>| {
        let near: BTreeSet<u32> = cpus.iter().filter_map(|cpu| numa_of.get(cpu).copied()).collect();
        near.first().copied().filter(|_| near.len() == 1)
    };
    let places: Vec<Option<u32>> = dump.places.iter().map(numa).collect();
    let mut addresses: BTreeMap<&str, usize> = BTreeMap::new();
    for device in &dump.devices {
        if let Kind::Nic { address: Some(address), .. } = &device.kind {
            *addresses.entry(address).or_default() += 1;
        }
    }
    let mut found = Near::default();
    for device in &dump.devices {
        let name = device.name.clone();
        let numa = device.place.and_then(|place| places.get(place).copied().flatten());
        match &device.kind {
            Kind::Nic { speed, address } => found.nics.push(Nic {
                name,
                bits_per_s: *speed,
                numa,
                shares_address: address
                    .as_deref()
                    .is_some_and(|address| addresses.get(address).is_some_and(|count| *count > 1)),
            }),
            Kind::Disk { size } => found.disks.push(Disk { name, size_mib: *size, numa }),
        }
    }
    found
}

//! A service on some equal hosts, for tests of layouts.

use std::collections::BTreeMap;

use super::{SizingContext, SizingInput};
use crate::ids::{HostName, ServiceName};
use crate::profile::Profiles;
use crate::spec::{Demand, Engine, Policy, Service};
use crate::topology::{Core, Host, L3Domain, Migration, NumaNode, Topology, Virtualization};
use crate::units::Mebibytes;

/// Calls `f` with the input of a service on so many hosts of 64 cores.
pub(super) fn with<T>(
    (engine, demand): (Engine, Demand),
    policy: &Policy,
    hosts: u32,
    f: impl FnOnce(&SizingInput) -> T,
) -> T {
    let profiles = Profiles::builtin().unwrap();
    let name = ServiceName::new("trial").unwrap();
    let service = Service {
        name,
        engine,
        demand,
        gateway: None,
        access: crate::spec::Access::default(),
        serve: None,
        prefer: Vec::new(),
    };
    let topology = Topology::new((0..hosts).map(host).collect());
    let context = SizingContext::new(policy, &topology);
    f(&SizingInput::new(&service, &profiles, &context).unwrap())
}

fn host(number: u32) -> Host {
    let cores = |first: u32| (first..first + 8).map(|cpu| Core { cpus: vec![cpu, cpu + 64] });
    let l3 = |at: u32| L3Domain { size_kib: None, cores: cores(8 * at).collect() };
    Host {
        name: HostName::new(format!("h{number}")).unwrap(),
        uri: None,
        hypervisor: Virtualization::Kvm,
        labels: BTreeMap::new(),
        numa: vec![NumaNode {
            id: 0,
            l3: (0..8).map(l3).collect(),
            memory_mib: Mebibytes::from_gib(512),
            reserved_memory_mib: Mebibytes::ZERO,
            reserved_cores: 0,
            pages: Vec::new(),
        }],
        pools: Vec::new(),
        bridges: Vec::new(),
        network_bits_per_s: None,
        cost: 1,
        fence: None,
        migration: Migration::default(),
        architecture: Default::default(),
        assumed: Default::default(),
    }
}

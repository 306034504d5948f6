//! Where each CPU of each host is.

use std::collections::BTreeMap;

use crate::ids::HostName;
use crate::plan::Instance;
use crate::topology::{Host, NumaNode, Topology};

/// Where a CPU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CpuPosition {
    /// Id of the NUMA node.
    pub numa: u32,
    /// Number of the L3 domain within the NUMA node.
    pub l3: usize,
    /// Number of the core within the NUMA node.
    pub core: usize,
    /// Whether the core is kept for the host.
    pub reserved: bool,
}

/// The topology, by name and number.
pub(super) struct Index<'a> {
    hosts: BTreeMap<&'a HostName, (&'a Host, BTreeMap<u32, CpuPosition>)>,
}

impl<'a> Index<'a> {
    pub(super) fn new(topology: &'a Topology) -> Self {
        let hosts = topology.hosts.iter();
        Self { hosts: hosts.map(|host| (&host.name, (host, positions(host)))).collect() }
    }

    /// The host of that name.
    pub(super) fn host(&self, name: &HostName) -> Option<&'a Host> {
        self.hosts.get(name).map(|(host, _)| *host)
    }

    /// The NUMA node of an instance.
    pub(super) fn numa(&self, instance: &Instance) -> Option<&'a NumaNode> {
        self.host(&instance.host)?.numa_node(instance.numa)
    }

    /// Where a CPU of a host is.
    pub(super) fn position(&self, host: &HostName, cpu: u32) -> Option<CpuPosition> {
        self.hosts.get(host)?.1.get(&cpu).copied()
    }
}

fn positions(host: &Host) -> BTreeMap<u32, CpuPosition> {
    let mut positions = BTreeMap::new();
    for node in &host.numa {
        let mut core = 0;
        for (l3, domain) in node.l3.iter().enumerate() {
            for threads in &domain.cores {
                let reserved = core < node.reserved_cores as usize;
                let position = CpuPosition { numa: node.id, l3, core, reserved };
                positions.extend(threads.cpus.iter().map(|cpu| (*cpu, position)));
                core += 1;
            }
        }
    }
    positions
}

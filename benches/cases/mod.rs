//! The cases of the benchmarks: specs as the library takes them.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::path::Path;

use hostsplit::spec::{
    Demand, Engine, FixedVm, Network, Persistence, Policy, ShardedDemand, Spec, load,
};
use hostsplit::topology::{Core, Host, L3Domain, Level, NumaNode};
use hostsplit::units::{BitsPerSecond, Mebibytes, PerSecond};

mod dice;
#[path = "../../tests/support/plain.rs"]
mod plain;

use dice::Dice;

/// A host with NUMA nodes of `l3` L3 domains of 8 cores each, two threads a core.
fn large(at: usize, nodes: u32, l3: u32, memory_gib: u64, cost: u64) -> Host {
    let cores = nodes * l3 * 8;
    let core = |core: u32| Core { cpus: vec![core, core + cores] };
    let domain = |domain: u32| {
        let first = domain * 8;
        L3Domain { size_kib: Some(32 << 10), cores: (first..first + 8).map(core).collect() }
    };
    let node = |id: u32| NumaNode {
        reserved_memory_mib: Mebibytes::from_gib(8),
        reserved_cores: u32::from(id == 0),
        ..plain::node(
            id,
            (id * l3..(id + 1) * l3).map(domain).collect(),
            memory_gib / u64::from(nodes),
        )
    };
    Host { numa: (0..nodes).map(node).collect(), cost, ..flat(at, 1, 1, 1) }
}

/// A host of one NUMA node, without SMT or a reserve.
fn flat(at: usize, cores: u32, memory_gib: u64, cost: u64) -> Host {
    let node = plain::node(0, vec![plain::l3(0..=cores - 1)], memory_gib);
    let numa = vec![NumaNode { reserved_cores: 0, ..node }];
    Host { cost, ..plain::host(&format!("h{at}"), numa, 16 << 10) }
}

fn machine(at: usize, count: u32, vcpus: u32, memory_mib: u64) -> FixedVm {
    plain::machines(&format!("m{at}"), count, vcpus, memory_mib, 20)
}

fn spec(hosts: Vec<Host>, vms: Vec<FixedVm>) -> Spec {
    Spec { network: None, vms, ..plain::spec(hosts, Policy::nothing(), Vec::new()) }
}

/// 40 equal hosts and 200 machines of 8 sizes.
pub fn equal_hosts() -> Spec {
    let sizes = [(2, 8), (4, 16), (4, 32), (8, 32), (8, 64), (12, 48), (16, 96), (24, 128)];
    let vms = sizes.iter().enumerate();
    let vms = vms.map(|(at, (vcpus, gib))| machine(at, 25, *vcpus, gib << 10)).collect();
    spec((0..40).map(|at| flat(at, 96, 512, 1)).collect(), vms)
}

/// 200 hosts of 10 classes, 12 Redis services and 300 other machines.
pub fn services() -> Spec {
    let class = |at: usize| {
        let gib = [256, 384, 512, 768, 1024][at % 5];
        let (nodes, l3) = if at.is_multiple_of(2) { (2, 4) } else { (2, 6) };
        let cost = u64::from(nodes * l3) * 600 + gib * 7 + 500;
        (nodes, l3, gib, cost)
    };
    let hosts = (0..200).map(|at| {
        let (nodes, l3, gib, cost) = class(at % 10);
        large(at, nodes, l3, gib, cost)
    });
    let mut dice = Dice(7);
    let vms = (0..10).map(|at| {
        let vcpus = u32::try_from(4 + 4 * dice.below(6)).unwrap();
        machine(at, 30, vcpus, u64::from(vcpus) * (2 + dice.below(4)) * 1024)
    });
    let mut found = spec(hosts.collect(), vms.collect());
    found.policy = Policy::surviving(Level::Host);
    let last = [10, 20, 99, 250].into();
    found.network = Some(Network { last, ..plain::network() });
    found.services = (0..12u64)
        .map(|at| {
            let reads = 900_000 + 200_000 * at;
            let writes = 90_000 + 25_000 * (at % 4);
            let is_kept = at.is_multiple_of(2);
            let demand = ShardedDemand {
                persistence: if is_kept { Persistence::Aof } else { Persistence::None },
                ..plain::sharded(reads, writes, (100 + 50 * (at % 5)) << 10)
            };
            plain::service(&format!("cache{at}"), Engine::Redis, Demand::Sharded(demand))
        })
        .collect();
    found
}

/// 300 flat hosts of 12 prices and 1,000 machines with five resources each; of 40
/// sizes, or each of its own.
pub fn machines(sizes: usize) -> Spec {
    let mut dice = Dice(42);
    let hosts = (0..300).map(|at| {
        let kind = at % 12;
        let cores = [16, 24, 32, 48, 64, 96][kind % 6];
        let gib = u64::from(cores) * [4, 8][kind / 6];
        let cost = u64::from(cores) * 90 + gib * 6 + 900;
        let mut host = flat(at, cores, gib, cost);
        host.pools[0].capacity_mib = Mebibytes::from_gib(u64::from(cores) * 60);
        host.pools[0].iops_per_s = Some(PerSecond::new(u64::from(cores) * 1500));
        host.network_bits_per_s = Some(BitsPerSecond::new(u64::from(cores) * 500_000_000));
        host
    });
    let hosts: Vec<Host> = hosts.collect();
    let count = u32::try_from(1000 / sizes).unwrap();
    let vms = (0..sizes).map(|at| {
        let vcpus = u32::try_from(1 + dice.below(12)).unwrap();
        let mut vm = machine(at, count, vcpus, 512 * (1 + dice.below(u64::from(vcpus) * 24)));
        vm.disk_mib = Mebibytes::from_gib(5 + dice.below(u64::from(vcpus) * 100));
        vm.iops_per_s = PerSecond::new(dice.below(u64::from(vcpus) * 2400));
        vm.network_bits_per_s = BitsPerSecond::new(dice.below(u64::from(vcpus) * 800) * 1_000_000);
        vm
    });
    spec(hosts, vms.collect())
}

/// A committed example.
pub fn example(name: &str) -> Spec {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    load(&root.join(name).join("spec.yaml")).unwrap()
}

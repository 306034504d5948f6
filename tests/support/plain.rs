//! Hosts and specs of the planner's tests, as plain as they can be: a test states
//! only what it is about.

#![allow(dead_code, reason = "each test uses a part")]

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use hostsplit::ids::{DeploymentName, HostName, ServiceName};
use hostsplit::spec::{
    Access, Demand, Engine, FixedVm, Network, Persistence, Policy, SearchDemand, Service,
    ShardedDemand, Spec, Tls, WebDemand,
};
use hostsplit::topology::{Core, Host, L3Domain, NumaNode, Pool, Topology, Virtualization};
use hostsplit::units::{BitsPerSecond, Bytes, Mebibytes, PerSecond};

/// An L3 domain of cores of one thread each.
pub fn l3(cpus: RangeInclusive<u32>) -> L3Domain {
    L3Domain { size_kib: None, cores: cpus.map(|cpu| Core { cpus: vec![cpu] }).collect() }
}

/// A NUMA node of which one core is the host's.
pub fn node(id: u32, l3: Vec<L3Domain>, gib: u64) -> NumaNode {
    NumaNode {
        id,
        l3,
        memory_mib: Mebibytes::from_gib(gib),
        reserved_memory_mib: Mebibytes::ZERO,
        reserved_cores: 1,
        pages: Vec::new(),
    }
}

/// A pool that states no I/O operations.
pub fn pool(name: &str, gib: u64) -> Pool {
    Pool {
        name: name.to_owned(),
        capacity_mib: Mebibytes::from_gib(gib),
        iops_per_s: None,
        shared: false,
    }
}

/// A host of cost 1 without labels, with one pool.
pub fn host(name: &str, numa: Vec<NumaNode>, pool_gib: u64) -> Host {
    Host {
        name: HostName::new(name).unwrap(),
        uri: None,
        hypervisor: Virtualization::Kvm,
        labels: BTreeMap::new(),
        numa,
        pools: vec![pool("default", pool_gib)],
        bridges: vec!["br0".to_owned()],
        network_bits_per_s: None,
        cost: 1,
        fence: None,
        migration: Default::default(),
        architecture: Default::default(),
        assumed: Default::default(),
    }
}

/// A service that everybody gets into.
pub fn service(name: &str, engine: Engine, demand: Demand) -> Service {
    let name = ServiceName::new(name).unwrap();
    let tls = if demand.ends_tls() { Tls::On } else { Tls::Off };
    let access = Access { tls, ..Access::default() };
    Service { name, engine, demand, gateway: None, access, serve: None, prefer: Vec::new() }
}

/// Machines of fixed size that need no I/O operations and no bandwidth.
pub fn machines(name: &str, count: u32, vcpus: u32, mib: u64, disk_gib: u64) -> FixedVm {
    FixedVm {
        name: ServiceName::new(name).unwrap(),
        count,
        vcpus,
        memory_mib: Mebibytes::new(mib),
        disk_mib: Mebibytes::from_gib(disk_gib),
        iops_per_s: PerSecond::ZERO,
        network_bits_per_s: BitsPerSecond::ZERO,
        spread: None,
        on: Vec::new(),
        not_on: Vec::new(),
        apart: Vec::new(),
        near: Vec::new(),
        restart: false,
        migrate: Default::default(),
    }
}

/// 711 addresses.
pub fn network() -> Network {
    Network {
        bridge: "br0".to_owned(),
        subnet: [10, 20, 0, 0].into(),
        prefix: 16,
        first: [10, 20, 0, 50].into(),
        last: [10, 20, 3, 250].into(),
        gateway: Some([10, 20, 0, 1].into()),
        vip: None,
    }
}

/// A spec without fixed machines.
pub fn spec(hosts: Vec<Host>, policy: Policy, services: Vec<Service>) -> Spec {
    Spec {
        name: DeploymentName::new("shop").unwrap(),
        policy,
        network: Some(network()),
        image: None,
        profiles: Default::default(),
        topology: Topology::new(hosts),
        services,
        vms: Vec::new(),
        drained: Default::default(),
    }
}

/// Commands of values of 512 bytes, kept in an append-only file.
pub fn sharded(reads: u64, writes: u64, data_mib: u64) -> ShardedDemand {
    ShardedDemand {
        reads_per_s: PerSecond::new(reads),
        writes_per_s: PerSecond::new(writes),
        value_bytes: Bytes::new(512),
        data_mib: Mebibytes::new(data_mib),
        persistence: Persistence::Aof,
        copies: None,
    }
}

/// Documents of 300 bytes, and searches that look into one shard.
pub fn search(index: u64, queries: u64, data_mib: u64, copies: u32) -> SearchDemand {
    SearchDemand {
        index_per_s: PerSecond::new(index),
        queries_per_s: PerSecond::new(queries),
        data_mib: Mebibytes::new(data_mib),
        copies,
        document_bytes: Bytes::new(300),
        shards_per_query: Some(1),
        retention_days: None,
    }
}

/// Requests without TLS.
pub fn web(requests: u64, bytes: u64, cpu_us: u64) -> WebDemand {
    WebDemand {
        requests_per_s: PerSecond::new(requests),
        response_bytes: Bytes::new(bytes),
        cpu_us,
        tls: false,
    }
}

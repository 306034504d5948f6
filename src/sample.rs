//! A small plan made by hand, for unit tests: three hosts, one Redis service of
//! three groups with two copies each.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use uuid::Uuid;

use crate::ids::{DeploymentName, HostName, InstanceName, ServiceName};
use crate::plan::{
    Binding, Capacity, CpuPlacement, FORMAT, Group, Instance, L3Use, Layout, Plan, Role,
    ServicePlan, Setting, SlotRange, Tier, Volume,
};
use crate::profile::OwnProfiles;
use crate::spec::{Access, Demand, Engine, Network, Persistence, Policy, ShardedDemand};
use crate::topology::{
    Core, Host, L3Domain, Level, Migration, NumaNode, Pool, Topology, Virtualization,
};
use crate::units::{Bytes, Mebibytes, PerSecond};

/// Slots of the three groups.
const SLOTS: [(u16, u16); 3] = [(0, 5460), (5461, 10922), (10923, 16383)];

/// The plan: `cache-0` to `cache-2` are masters on `h1` to `h3`, `cache-3` to
/// `cache-5` their replicas, each on the next host.
pub(crate) fn plan() -> Plan {
    Plan {
        format: FORMAT,
        hostsplit: "0.1.0".to_owned(),
        name: DeploymentName::new("sample").unwrap(),
        policy: Policy::surviving(Level::Host),
        network: Some(Network {
            bridge: "br0".to_owned(),
            subnet: Ipv4Addr::new(10, 20, 0, 0),
            prefix: 24,
            first: Ipv4Addr::new(10, 20, 0, 50),
            last: Ipv4Addr::new(10, 20, 0, 99),
            gateway: None,
            vip: None,
        }),
        image: None,
        profiles: OwnProfiles::default(),
        topology: Topology { hosts: (1..=3).map(host).collect() },
        services: vec![service()],
        vms: Vec::new(),
        drained: Default::default(),
        policy_when_whole: None,
        restart_when_whole: BTreeSet::new(),
        instances: (0..6).map(instance).collect(),
        tiers: vec![Tier { name: "unmet".into(), unit: "/s".into(), value: 0, bound: 0 }],
    }
}

fn host(ordinal: u32) -> Host {
    let core = |cpu| Core { cpus: vec![cpu] };
    Host {
        name: HostName::new(format!("h{ordinal}")).unwrap(),
        uri: Some(format!("simulated://h{ordinal}")),
        hypervisor: Virtualization::Tcg,
        labels: BTreeMap::new(),
        numa: vec![NumaNode {
            id: 0,
            l3: vec![L3Domain { size_kib: Some(32768), cores: (0..4).map(core).collect() }],
            memory_mib: Mebibytes::from_gib(8),
            reserved_memory_mib: Mebibytes::from_gib(1),
            reserved_cores: 1,
            pages: Vec::new(),
        }],
        pools: vec![Pool {
            name: "default".to_owned(),
            capacity_mib: Mebibytes::from_gib(100),
            iops_per_s: None,
            shared: false,
        }],
        bridges: vec!["br0".to_owned()],
        network_bits_per_s: None,
        cost: 1,
        fence: None,
        migration: Migration::default(),
        architecture: Default::default(),
        assumed: Default::default(),
    }
}

fn service() -> ServicePlan {
    let name = ServiceName::new("cache").unwrap();
    let group = |(index, (first, last)): (u32, (u16, u16))| Group {
        index,
        slots: vec![SlotRange { first, last }],
        lead: InstanceName::of(&name, index).unwrap(),
        replicas: vec![InstanceName::of(&name, index + 3).unwrap()],
    };
    let groups = (0..).zip(SLOTS).map(group).collect();
    ServicePlan {
        engine: Engine::Redis,
        gateway: None,
        access: Access::default(),
        serve: None,
        prefer: Vec::new(),
        demand: Demand::Sharded(ShardedDemand {
            reads_per_s: PerSecond::new(90_000),
            writes_per_s: PerSecond::new(10_000),
            value_bytes: Bytes::new(512),
            data_mib: Mebibytes::from_gib(3),
            persistence: Persistence::Aof,
            copies: None,
        }),
        layout: Layout {
            groups: 3,
            copies: 2,
            instances: 6,
            vcpus: 1,
            memory_mib: Mebibytes::from_gib(2),
            data_mib: Mebibytes::from_gib(4),
            witness: None,
        },
        capacity: Capacity {
            unit: "plain reads".to_owned(),
            ceiling_per_s: PerSecond::new(100_000),
            usable_per_s: PerSecond::new(50_000),
            total_per_s: PerSecond::new(150_000),
            demand_per_s: PerSecond::new(100_000),
            iops_per_s: PerSecond::ZERO,
            binding: Binding::Quorum,
            placement: CpuPlacement { cores: 1, l3: L3Use::Shared },
            extrapolated: false,
        },
        groups,
        name,
    }
}

fn instance(ordinal: u8) -> Instance {
    let service = ServiceName::new("cache").unwrap();
    let (group, replica) = (ordinal % 3, ordinal / 3);
    let domain = format!("sample-cache-{ordinal}");
    let volume = |part: &str, gib| Volume {
        pool: "default".to_owned(),
        name: format!("{domain}-{part}"),
        size_mib: Mebibytes::from_gib(gib),
    };
    let settings = [
        ("cluster-enabled", true.into()),
        ("cluster-node-timeout", Setting::Millis(5000)),
        ("maxmemory", Mebibytes::from_gib(1).into()),
        ("port", 6379.into()),
        ("save", Setting::Words(Vec::new())),
    ];
    Instance {
        name: InstanceName::of(&service, u32::from(ordinal)).unwrap(),
        service,
        role: if replica == 0 { Role::Master } else { Role::Replica },
        group: Some(u32::from(group)),
        host: HostName::new(format!("h{}", 1 + (group + replica) % 3)).unwrap(),
        numa: 0,
        cpus: vec![1 + u32::from(replica)],
        threads: 1,
        emulator_cpus: vec![0],
        memory_mib: Mebibytes::from_gib(2),
        page_kib: 4,
        uuid: Uuid::new_v5(&Uuid::NAMESPACE_URL, domain.as_bytes()),
        mac: format!("52:54:00:00:00:{ordinal:02x}"),
        address: Some(Ipv4Addr::new(10, 20, 0, 50 + ordinal)),
        root: Some(volume("root", 8)),
        data: Some(volume("data", 4)),
        seed: Some(Volume { size_mib: Mebibytes::new(1), ..volume("seed", 0) }),
        settings: settings.map(|(name, value)| (name.to_owned(), value)).into(),
        restart: None,
        domain,
    }
}

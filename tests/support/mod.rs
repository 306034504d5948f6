//! A good plan, built by hand: three hosts, a cluster of three groups with one
//! replica each, two fixed machines.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use hostsplit::ids::{DeploymentName, HostName, InstanceName, ServiceName};
use hostsplit::plan::{
    Binding, Capacity, CpuPlacement, FORMAT, Group, Instance, L3Use, Layout, Plan, Role,
    ServicePlan, Settings, SlotRange, Tier, Volume, mac, uuid,
};
use hostsplit::profile::Profiles;
use hostsplit::recipe;
use hostsplit::spec::{
    Access, Demand, Engine, FixedVm, Image, ImageFile, Network, Persistence, Policy, ShardedDemand,
};
use hostsplit::topology::{
    Core, Host, L3Domain, Level, NumaNode, PagePool, Pool, Topology, Virtualization,
};
use hostsplit::units::{BitsPerSecond, Bytes, Mebibytes, PerSecond};

/// What an instance of the cluster may be counted on for, in plain reads per second.
pub const USABLE: u64 = 44_424;

/// Cores of a host; core `i` has the CPUs `i` and `i + CORES`.
pub const CORES: u32 = 12;

/// CPUs of cores, core by core.
pub fn cores(cores: &[u32]) -> Vec<u32> {
    cores.iter().flat_map(|core| [*core, *core + CORES]).collect()
}

fn host(name: &str) -> Host {
    let core = |i: u32| Core { cpus: vec![i, i + CORES] };
    let l3 = |range: std::ops::Range<u32>| L3Domain {
        size_kib: Some(32 << 10),
        cores: range.map(core).collect(),
    };
    Host {
        name: HostName::new(name).unwrap(),
        uri: Some(format!("qemu+ssh://root@{name}/system")),
        hypervisor: Virtualization::Kvm,
        labels: BTreeMap::new(),
        numa: vec![NumaNode {
            id: 0,
            l3: vec![l3(0..6), l3(6..12)],
            memory_mib: Mebibytes::new(24_000),
            reserved_memory_mib: Mebibytes::new(2_048),
            reserved_cores: 2,
            pages: vec![PagePool { size_kib: 2_048, count: 256 }],
        }],
        pools: vec![Pool {
            name: "default".to_owned(),
            capacity_mib: Mebibytes::from_gib(70),
            iops_per_s: None,
            shared: false,
        }],
        bridges: vec!["br0".to_owned()],
        network_bits_per_s: Some(BitsPerSecond::new(10_000_000_000)),
        cost: 1,
        fence: None,
        migration: Default::default(),
        architecture: Default::default(),
        assumed: Default::default(),
    }
}

fn volume(instance: &str, part: &str, size_mib: u64) -> Volume {
    Volume {
        pool: "default".to_owned(),
        name: format!("shop-{instance}-{part}"),
        size_mib: Mebibytes::new(size_mib),
    }
}

/// An instance that differs from all others by `number`.
pub fn instance(service: &str, ordinal: u32, host: &str, cpus: Vec<u32>, number: u8) -> Instance {
    let service = ServiceName::new(service).unwrap();
    let name = InstanceName::of(&service, ordinal).unwrap();
    let shop = DeploymentName::new("shop").unwrap();
    let text = name.as_str();
    let address = Ipv4Addr::new(10, 20, 0, 50 + number);
    Instance {
        service,
        role: Role::Fixed,
        group: None,
        host: HostName::new(host).unwrap(),
        numa: 0,
        cpus,
        threads: 2,
        emulator_cpus: vec![0, 1, CORES, CORES + 1],
        memory_mib: Mebibytes::new(1_024),
        page_kib: 4,
        domain: format!("shop-{text}"),
        uuid: uuid(&shop, &name),
        mac: mac(&shop, &name, &mut BTreeSet::new()),
        address: Some(address),
        root: Some(volume(text, "root.qcow2", 4_096)),
        data: None,
        seed: Some(volume(text, "seed.img", 4)),
        settings: Settings::new(),
        restart: None,
        name,
    }
}

fn redis(ordinal: u32, host: &str, core: u32, role: Role) -> Instance {
    let number = u8::try_from(ordinal).unwrap();
    let mut redis = instance("cache", ordinal, host, cores(&[core]), number);
    redis.role = role;
    redis.group = Some(ordinal / 2);
    redis.root = Some(volume(redis.name.as_str(), "root.qcow2", 3_072));
    redis.data = Some(volume(redis.name.as_str(), "data.raw", 1_216));
    redis
}

fn service() -> ServicePlan {
    let name = |ordinal: u32| InstanceName::new(format!("cache-{ordinal}")).unwrap();
    let group = |index: u32, first: u16, last: u16| Group {
        index,
        slots: vec![SlotRange { first, last }],
        lead: name(index * 2),
        replicas: vec![name(index * 2 + 1)],
    };
    ServicePlan {
        name: ServiceName::new("cache").unwrap(),
        engine: Engine::Redis,
        gateway: None,
        access: Access::default(),
        serve: None,
        prefer: Vec::new(),
        demand: Demand::Sharded(ShardedDemand {
            reads_per_s: PerSecond::new(60_000),
            writes_per_s: PerSecond::new(40_000),
            value_bytes: Bytes::new(512),
            data_mib: Mebibytes::new(1_200),
            persistence: Persistence::Aof,
            copies: None,
        }),
        layout: Layout {
            groups: 3,
            copies: 2,
            instances: 6,
            witness: None,
            vcpus: 2,
            memory_mib: Mebibytes::new(1_024),
            data_mib: Mebibytes::new(1_216),
        },
        capacity: Capacity {
            unit: "plain reads per second, without pipelining".to_owned(),
            iops_per_s: PerSecond::new(134),
            placement: CpuPlacement { cores: 1, l3: L3Use::Shared },
            ceiling_per_s: PerSecond::new(129_200),
            usable_per_s: PerSecond::new(USABLE),
            total_per_s: PerSecond::new(3 * USABLE),
            demand_per_s: PerSecond::new(124_000),
            binding: Binding::Quorum,
            extrapolated: false,
        },
        groups: vec![group(0, 0, 5_460), group(1, 5_461, 10_921), group(2, 10_922, 16_383)],
    }
}

fn image() -> Image {
    let file = |name: &str| ImageFile { file: format!("/images/{name}"), sha256: "0".repeat(64) };
    Image {
        name: "debian".to_owned(),
        disk: file("root.qcow2"),
        virtual_size_mib: Mebibytes::from_gib(3),
        kernel: None,
        initrd: None,
        cmdline: String::new(),
        engines: [].into(),
    }
}

/// A plan without a fault.
pub fn good_plan() -> Plan {
    let builder = ServiceName::new("builder").unwrap();
    let tier = |name: &str, unit: &str, value| Tier {
        name: name.to_owned(),
        unit: unit.to_owned(),
        value,
        bound: value,
    };
    let mut plan = Plan {
        format: FORMAT,
        hostsplit: "0.1.0".to_owned(),
        name: DeploymentName::new("shop").unwrap(),
        policy: Policy::surviving(Level::Host),
        network: Some(Network {
            bridge: "br0".to_owned(),
            subnet: Ipv4Addr::new(10, 20, 0, 0),
            prefix: 24,
            first: Ipv4Addr::new(10, 20, 0, 50),
            last: Ipv4Addr::new(10, 20, 0, 99),
            gateway: Some(Ipv4Addr::new(10, 20, 0, 1)),
            vip: None,
        }),
        image: Some(image()),
        profiles: Default::default(),
        drained: Default::default(),
        policy_when_whole: None,
        restart_when_whole: BTreeSet::new(),
        topology: Topology { hosts: vec![host("h1"), host("h2"), host("h3")] },
        services: vec![service()],
        vms: vec![FixedVm {
            name: builder,
            count: 2,
            vcpus: 4,
            memory_mib: Mebibytes::new(1_024),
            disk_mib: Mebibytes::from_gib(4),
            iops_per_s: PerSecond::ZERO,
            migrate: Default::default(),
            network_bits_per_s: BitsPerSecond::ZERO,
            spread: Some(Level::Host.into()),
            on: Vec::new(),
            not_on: Vec::new(),
            apart: Vec::new(),
            near: Vec::new(),
            restart: false,
        }],
        instances: vec![
            redis(0, "h1", 2, Role::Master),
            redis(1, "h2", 2, Role::Replica),
            redis(2, "h2", 3, Role::Master),
            redis(3, "h3", 2, Role::Replica),
            redis(4, "h3", 3, Role::Master),
            redis(5, "h1", 3, Role::Replica),
            instance("builder", 0, "h1", cores(&[6, 7]), 10),
            instance("builder", 1, "h2", cores(&[6, 7]), 11),
        ],
        tiers: vec![
            tier("unmet demand", "/s", 0),
            tier("cost of used hosts", "cost", 3),
            tier("cores", "cores", 10),
            tier("memory", "MiB", 8_192),
            tier("cores on the busiest host", "cores", 4),
            tier("leading instances in one failure domain", "instances", 1),
        ],
    };
    configure(&mut plan);
    plan
}

/// Gives each instance the settings that its plan asks for.
pub fn configure(plan: &mut Plan) {
    let profiles = Profiles::builtin().unwrap();
    let settings: Vec<Settings> =
        plan.instances.iter().map(|one| recipe::settings(plan, one, &profiles)).collect();
    for (instance, settings) in plan.instances.iter_mut().zip(settings) {
        instance.settings = settings;
    }
}

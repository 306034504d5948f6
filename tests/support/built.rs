//! Instances and Redis Clusters by hand, such as a deploy builds.

use std::net::Ipv4Addr;

use hostsplit::ids::{HostName, InstanceName, ServiceName};
use hostsplit::plan::{
    Binding, Capacity, CpuPlacement, Group, Instance, L3Use, Layout, Role, ServicePlan, Setting,
    Volume,
};
use hostsplit::spec::{Access, Demand, Engine, Persistence, ShardedDemand};
use hostsplit::units::{Bytes, Mebibytes, PerSecond};
use uuid::Uuid;

/// An instance of one CPU; with a data volume if it is of a cluster, whose groups
/// have two instances each.
pub fn instance(
    service: &ServiceName,
    ordinal: u32,
    (host, cpu): (u32, u32),
    address: Ipv4Addr,
    role: Role,
) -> Instance {
    let name = InstanceName::of(service, ordinal).unwrap();
    let domain = format!("shop-{name}");
    let volume = |part: &str, size_mib| Volume {
        pool: "default".to_owned(),
        name: format!("{domain}-{part}"),
        size_mib: Mebibytes::new(size_mib),
    };
    let settings: [(&str, Setting); 3] =
        [("port", 6379.into()), ("cluster-enabled", true.into()), ("appendonly", true.into())];
    let [_, _, third, fourth] = address.octets();
    Instance {
        service: service.clone(),
        role,
        group: (role != Role::Fixed).then_some(ordinal / 2),
        host: HostName::new(format!("h{host}")).unwrap(),
        numa: 0,
        cpus: vec![cpu],
        threads: 1,
        emulator_cpus: vec![0],
        memory_mib: Mebibytes::new(512),
        page_kib: 4,
        uuid: Uuid::new_v5(&Uuid::NAMESPACE_URL, domain.as_bytes()),
        mac: format!("52:54:00:00:{third:02x}:{fourth:02x}"),
        address: Some(address),
        root: Some(volume("root.qcow2", 4096)),
        data: (role != Role::Fixed).then(|| volume("data.raw", 1024)),
        seed: Some(volume("seed.img", 1)),
        settings: settings.into_iter().map(|(key, value)| (key.into(), value)).collect(),
        restart: None,
        domain,
        name,
    }
}

/// A Redis Cluster of which next to nothing is asked.
pub fn redis(name: ServiceName, access: Access, groups: Vec<Group>) -> ServicePlan {
    let count = u32::try_from(groups.len()).unwrap();
    let rate = PerSecond::new(1);
    ServicePlan {
        name,
        engine: Engine::Redis,
        gateway: None,
        access,
        serve: None,
        prefer: Vec::new(),
        demand: Demand::Sharded(ShardedDemand {
            reads_per_s: rate,
            writes_per_s: rate,
            value_bytes: Bytes::new(512),
            data_mib: Mebibytes::new(64),
            persistence: Persistence::Aof,
            copies: None,
        }),
        layout: Layout {
            groups: count,
            copies: 2,
            instances: 2 * count,
            witness: None,
            vcpus: 1,
            memory_mib: Mebibytes::new(512),
            data_mib: Mebibytes::new(1024),
        },
        capacity: Capacity {
            unit: "plain reads".to_owned(),
            iops_per_s: PerSecond::ZERO,
            placement: CpuPlacement { cores: 1, l3: L3Use::Shared },
            ceiling_per_s: rate,
            usable_per_s: rate,
            total_per_s: rate,
            demand_per_s: rate,
            binding: Binding::Quorum,
            extrapolated: false,
        },
        groups,
    }
}

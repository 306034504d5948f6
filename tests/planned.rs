//! The law of the two halves: every plan that the planner makes passes the
//! audit, which knows nothing of how it was made.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use hostsplit::audit::{audit, is_fit};
use hostsplit::ids::{DeploymentName, HostName, ServiceName};
use hostsplit::plan::{PlanError, make};
use hostsplit::profile::Profiles;
use hostsplit::solve::Limits;
use hostsplit::spec::{
    Access, Demand, Engine, FixedVm, Network, Persistence, Policy, Service, ShardedDemand, Spec,
};
use hostsplit::topology::{
    Core, Host, Hypervisor, L3Domain, Level, NumaNode, PagePool, Pool, Topology, reserve,
};
use hostsplit::units::{BitsPerSecond, Bytes, Mebibytes, PerSecond};
use proptest::prelude::*;

/// A host: NUMA nodes, L3 domains per NUMA node, cores per L3 domain, threads.
fn host(name: &str, (numa, l3, cores, threads): (u32, u32, u32, u32), gib: u64, huge: u64) -> Host {
    let mut next = 0;
    let mut core = || {
        let first = next;
        next += threads;
        Core { cpus: (first..first + threads).collect() }
    };
    let mut numa: Vec<NumaNode> = (0..numa)
        .map(|id| NumaNode {
            id,
            l3: (0..l3)
                .map(|_| L3Domain { size_kib: None, cores: (0..cores).map(|_| core()).collect() })
                .collect(),
            memory_mib: Mebibytes::from_gib(gib),
            reserved_memory_mib: Mebibytes::ZERO,
            reserved_cores: 0,
            pages: vec![PagePool { size_kib: 2_048, count: huge }],
        })
        .collect();
    reserve::spread(&mut numa, reserve::DEFAULT_CORES, reserve::DEFAULT_MEMORY);
    Host {
        name: HostName::new(name).unwrap(),
        uri: None,
        hypervisor: Hypervisor::Kvm,
        labels: BTreeMap::new(),
        numa,
        pools: vec![Pool {
            name: "default".to_owned(),
            capacity_mib: Mebibytes::from_gib(200),
            iops_per_s: None,
        }],
        bridges: vec!["br0".to_owned()],
        network_bits_per_s: Some(BitsPerSecond::new(10_000_000_000)),
        cost: 1,
    }
}

prop_compose! {
    fn hosts()(
        shapes in prop::collection::vec(
            ((1u32..3, 1u32..3, 2u32..8, 1u32..3), 4u64..40, prop::sample::select(vec![0u64, 512, 2_048])),
            1..7,
        )
    ) -> Topology {
        let hosts = shapes.into_iter().zip(1..);
        Topology::new(
            hosts.map(|((shape, gib, huge), at)| host(&format!("h{at}"), shape, gib, huge)).collect(),
        )
    }
}

prop_compose! {
    fn specs()(
        topology in hosts(),
        reads in 1u64..120_000,
        writes in 0u64..20_000,
        value in 1u64..20_000,
        data in 1u64..20_000,
        persistence in prop::sample::select(vec![Persistence::None, Persistence::Rdb, Persistence::Aof]),
        survive in prop::sample::select(vec![None, Some(Level::Host)]),
        count in 1u32..4,
        vcpus in 1u32..5,
        spread in prop::sample::select(vec![None, Some(Level::Host)]),
    ) -> Spec {
        let redis = ShardedDemand {
            reads_per_s: PerSecond::new(reads),
            writes_per_s: PerSecond::new(writes),
            value_bytes: Bytes::new(value),
            data_mib: Mebibytes::new(data),
            persistence,
        };
        Spec {
            name: DeploymentName::new("shop").unwrap(),
            policy: survive.map_or_else(Policy::nothing, Policy::surviving),
            network: Some(Network {
                bridge: "br0".to_owned(),
                subnet: Ipv4Addr::new(10, 20, 0, 0),
                prefix: 24,
                first: Ipv4Addr::new(10, 20, 0, 50),
                last: Ipv4Addr::new(10, 20, 0, 199),
                gateway: Some(Ipv4Addr::new(10, 20, 0, 1)),
                vip: None,
            }),
            image: None,
            topology,
            services: vec![Service {
                name: ServiceName::new("cache").unwrap(),
                engine: Engine::Redis,
                demand: Demand::Sharded(redis),
                gateway: None,
                access: Access::default(),
            }],
            vms: vec![FixedVm {
                name: ServiceName::new("builder").unwrap(),
                count,
                vcpus,
                memory_mib: Mebibytes::new(1_024),
                disk_mib: Mebibytes::from_gib(8),
                iops_per_s: PerSecond::ZERO,
                network_bits_per_s: BitsPerSecond::ZERO,
                spread,
            }],
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_passes_the_audit(spec in specs()) {
        let profiles = Profiles::builtin().unwrap();
        match make(&spec, &profiles, &Limits::default()) {
            Ok((plan, _)) => {
                let findings = audit(&plan, &profiles);
                prop_assert!(is_fit(&findings), "{findings:#?}");
            }
            Err(PlanError::Infeasible(why)) => prop_assert!(!why.shortages.is_empty()),
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}

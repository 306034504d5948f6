//! The law of the two halves: every plan that the planner makes passes the
//! audit, which knows nothing of how it was made.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::num::NonZeroU32;

use hostsplit::audit::{audit, is_fit};
use hostsplit::planner::{PlanError, make};
use hostsplit::profile::Profiles;
use hostsplit::solve::Limits;
use hostsplit::spec::{Demand, Engine, FixedVm, Persistence, Policy, ShardedDemand, Spec, Spread};
use hostsplit::topology::{Core, Host, L3Domain, Level, NumaNode, PagePool, Topology, reserve};
use hostsplit::units::{BitsPerSecond, Bytes, Mebibytes};
use proptest::prelude::*;

#[path = "support/plain.rs"]
mod plain;

/// A host: NUMA nodes, L3 domains per NUMA node, cores per L3 domain, threads.
fn host(name: &str, (numa, l3, cores, threads): (u32, u32, u32, u32), gib: u64, huge: u64) -> Host {
    let mut next = 0;
    let mut core = || {
        let first = next;
        next += threads;
        Core { cpus: (first..first + threads).collect() }
    };
    let mut numa: Vec<NumaNode> = (0..numa)
        .map(|id| {
            let domain =
                |_| L3Domain { size_kib: None, cores: (0..cores).map(|_| core()).collect() };
            NumaNode {
                reserved_cores: 0,
                pages: vec![PagePool { size_kib: 2_048, count: huge }],
                ..plain::node(id, (0..l3).map(domain).collect(), gib)
            }
        })
        .collect();
    reserve::spread(&mut numa, 1, Mebibytes::from_gib(2));
    Host {
        network_bits_per_s: Some(BitsPerSecond::new(10_000_000_000)),
        ..plain::host(name, numa, 200)
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
        spread in prop::sample::select(vec![None, Some(1), Some(2)]),
    ) -> Spec {
        let redis = ShardedDemand {
            value_bytes: Bytes::new(value),
            persistence,
            ..plain::sharded(reads, writes, data)
        };
        let policy = survive.map_or_else(Policy::nothing, Policy::surviving);
        let cache = plain::service("cache", Engine::Redis, Demand::Sharded(redis));
        let spread = spread.map(|at_most| Spread {
            per: Level::Host,
            at_most: NonZeroU32::new(at_most).unwrap(),
        });
        let builder = FixedVm { spread, ..plain::machines("builder", count, vcpus, 1_024, 8) };
        Spec { topology, vms: vec![builder], ..plain::spec(Vec::new(), policy, vec![cache]) }
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

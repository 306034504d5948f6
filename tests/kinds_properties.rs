//! Laws for every kind of cluster on random small hosts: the audit is the judge of
//! every plan, and on tiny cases its cost and cores equal what enumeration finds.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use hostsplit::audit::{Kind, audit};
use hostsplit::plan::Plan;
use hostsplit::planner::{PlanError, make};
use hostsplit::profile::Profiles;
use hostsplit::sizing::{Candidate, SizingContext, SizingInput, offered};
use hostsplit::solve::Limits;
use hostsplit::spec::{
    Cluster, Demand, Engine, FailoverMode, GatewayDemand, Policy, Quorum, RelationalDemand, Spec,
    Survive, WebDemand,
};
use hostsplit::topology::{Host, Level};
use hostsplit::units::{Mebibytes, PerSecond};
use proptest::prelude::*;

#[path = "support/plain.rs"]
mod plain;

/// A host of one NUMA node and one L3 domain, with a core for itself.
fn host(name: &str, cores: u32, gib: u64, cost: u64, rack: u32) -> Host {
    let numa = vec![plain::node(0, vec![plain::l3(0..=cores)], gib)];
    let labels = BTreeMap::from([(Level::Rack, format!("r{rack}"))]);
    Host { labels, cost, ..plain::host(name, numa, 2_000) }
}

prop_compose! {
    fn hosts(count: std::ops::Range<usize>, most: u32)(
        all in prop::collection::vec((1..=most, 2u64..24, 1u64..4, 0u32..3), count),
    ) -> Vec<Host> {
        let numbered = all.into_iter().enumerate();
        numbered
            .map(|(at, (cores, gib, cost, rack))| host(&format!("h{at}"), cores, gib, cost, rack))
            .collect()
    }
}

fn policies() -> impl Strategy<Value = Policy> {
    let survive = |level, quorum| Survive { level, quorum };
    let both = vec![survive(Level::Host, Quorum::Automatic), survive(Level::Rack, Quorum::Manual)];
    let manual = vec![survive(Level::Host, Quorum::Manual)];
    prop_oneof![
        Just(Policy::nothing()),
        Just(Policy::surviving(Level::Host)),
        Just(Policy::surviving(Level::Rack)),
        Just(Policy { survive: manual, ..Policy::nothing() }),
        Just(Policy { survive: both, ..Policy::nothing() }),
    ]
}

fn asked() -> impl Strategy<Value = (Engine, Demand)> {
    (0usize..9, 1u64..100, 1u64..100, 1u32..3).prop_map(|(at, load, data, copies)| {
        let engine = Engine::ALL[at];
        let demand = match engine.cluster() {
            Cluster::Sharded => {
                Demand::Sharded(plain::sharded(load * 1_500, load * 300, data * 40))
            }
            Cluster::PrimaryReplica => Demand::PrimaryReplica(RelationalDemand {
                reads_per_s: PerSecond::new(load * 10),
                writes_per_s: PerSecond::new(load),
                data_mib: Mebibytes::new(data * 80),
                working_set_percent: 50,
                shards: copies,
                failover: FailoverMode::Manual,
            }),
            Cluster::Quorum => {
                Demand::Quorum(plain::search(load * 100, load / 10, data * 100, copies))
            }
            Cluster::Pool => Demand::Pool(WebDemand {
                tls: copies == 2,
                ..plain::web(load * 400, data * 200, data % 3 * 20)
            }),
            Cluster::GatewayPair => Demand::GatewayPair(GatewayDemand {
                requests_per_s: PerSecond::new(load * 1_000),
                transactions_per_s: PerSecond::ZERO,
                response_bytes_per_s: load * data * 2_000,
                tls: copies == 2,
            }),
        };
        (engine, demand)
    })
}

/// Services named in their order.
fn spec(hosts: Vec<Host>, policy: Policy, services: Vec<(Engine, Demand)>) -> Spec {
    let numbered = services.into_iter().enumerate();
    let services =
        numbered.map(|(at, (engine, demand))| plain::service(&format!("s{at}"), engine, demand));
    plain::spec(hosts, policy, services.collect())
}

/// The plan of a spec, judged; `None` if there is none.
fn plan(spec: &Spec, profiles: &Profiles) -> Option<Plan> {
    match make(spec, profiles, &Limits::default()) {
        Ok((plan, report)) => {
            assert!(!report.limit_hit);
            let faults = audit(&plan, profiles);
            let faults: Vec<_> =
                faults.into_iter().filter(|one| one.kind != Kind::L3Straddled).collect();
            assert_eq!(faults, [], "{spec:#?}");
            Some(plan)
        }
        Err(PlanError::Infeasible(why)) => {
            assert!(!why.shortages.is_empty());
            None
        }
        Err(other) => panic!("{other}"),
    }
}

fn tier(plan: &Plan, name: &str) -> u64 {
    plan.tiers.iter().find(|tier| tier.name == name).unwrap().value
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_plan_passes_the_audit(
        hosts in hosts(2..6, 12),
        policy in policies(),
        services in prop::collection::vec(asked(), 1..4),
    ) {
        let profiles = Profiles::builtin().unwrap();
        plan(&spec(hosts, policy, services), &profiles);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_is_as_cheap_as_any(
        hosts in hosts(1..5, 6),
        policy in policies(),
        service in asked(),
    ) {
        let profiles = Profiles::builtin().unwrap();
        let spec = spec(hosts, policy, vec![service]);
        let found = plan(&spec, &profiles)
            .map(|plan| (tier(&plan, "cost of used hosts"), tier(&plan, "cores")));
        prop_assert_eq!(found, enumerated(&spec, &profiles));
    }
}

/// The least (cost, cores) over all candidates and all ways to put their instances
/// on hosts.
fn enumerated(spec: &Spec, profiles: &Profiles) -> Option<(u64, u64)> {
    let context = SizingContext::new(&spec.policy, &spec.topology);
    let input = SizingInput::new(&spec.services[0], profiles, &context).unwrap();
    let cluster = spec.services[0].engine.cluster();
    let mut best = None;
    for candidate in input.full() {
        let search = Search { spec, cluster, candidate: &candidate };
        search.place(&mut Vec::new(), &mut best);
    }
    best
}

struct Search<'a> {
    spec: &'a Spec,
    cluster: Cluster,
    candidate: &'a Candidate,
}

impl Search<'_> {
    /// Instances and witnesses per host, host by host.
    fn place(&self, taken: &mut Vec<(u32, u32)>, best: &mut Option<(u64, u64)>) {
        let layout = &self.candidate.layout;
        let Some(host) = self.spec.topology.hosts.get(taken.len()) else {
            let placed: u32 = taken.iter().map(|(instances, _)| instances).sum();
            let witnesses: u32 = taken.iter().map(|(_, witnesses)| witnesses).sum();
            let complete =
                placed == layout.instances && witnesses == u32::from(layout.witness.is_some());
            if complete && self.keeps_rules(taken) {
                let sum = self.sum(taken);
                if best.is_none_or(|best| sum < best) {
                    *best = Some(sum);
                }
            }
            return;
        };
        let left = layout.instances - taken.iter().map(|(instances, _)| instances).sum::<u32>();
        for instances in 0..=left {
            for witness in 0..=u32::from(layout.witness.is_some()) {
                if self.fits(host, instances, witness) {
                    taken.push((instances, witness));
                    self.place(taken, best);
                    taken.pop();
                }
            }
        }
    }

    fn fits(&self, host: &Host, instances: u32, witness: u32) -> bool {
        let layout = &self.candidate.layout;
        let node = &host.numa[0];
        let small = layout.witness.as_ref();
        let cores = instances * layout.vcpus + witness * small.map_or(0, |one| one.vcpus);
        // QEMU takes 64 MiB, 8 MiB a virtual CPU, 8 MiB for its I/O thread, and page tables.
        let with_qemu = |vcpus: u32, memory: Mebibytes| {
            memory.get() + 72 + 8 * u64::from(vcpus) + memory.get().div_ceil(512)
        };
        let memory = u64::from(instances) * with_qemu(layout.vcpus, layout.memory_mib)
            + u64::from(witness) * small.map_or(0, |one| with_qemu(one.vcpus, one.memory_mib));
        let disk = |data: Mebibytes| 8 * 1_024 + data.get() + 4;
        let disks = u64::from(instances) * disk(layout.data_mib)
            + u64::from(witness) * small.map_or(0, |one| disk(one.data_mib));
        let placement = self.candidate.capacity.as_ref().unwrap().placement;
        cores <= node.allocatable_cores()
            && memory <= node.allocatable_memory().get()
            && disks <= host.pools[0].capacity_mib.get()
            && (instances == 0 || offered(host, layout.vcpus).is_as_good_as(placement))
    }

    fn keeps_rules(&self, taken: &[(u32, u32)]) -> bool {
        let hosts = &self.spec.topology.hosts;
        let of = |level, taken: &[(u32, u32)]| -> Vec<(u32, u32)> {
            let mut domains: BTreeMap<String, (u32, u32)> = BTreeMap::new();
            for (host, (instances, witness)) in hosts.iter().zip(taken) {
                let domain = domains.entry(host.failure_domain(level)).or_default();
                domain.0 += instances;
                domain.1 += witness;
            }
            domains.into_values().collect()
        };
        let apart = self.candidate.max_per_domain.unwrap_or(u32::MAX);
        let mut levels = self.spec.policy.levels();
        levels.all(|level| of(level, taken).iter().all(|(instances, _)| *instances <= apart))
            && self.voters_fit(taken)
    }

    /// Whether leading instances can be chosen so that no failure domain of a level
    /// that must keep a majority by itself holds half of them: tried out.
    fn voters_fit(&self, taken: &[(u32, u32)]) -> bool {
        if !matches!(self.cluster, Cluster::Sharded | Cluster::Quorum) {
            return true;
        }
        let automatic =
            self.spec.policy.survive.iter().filter(|one| one.quorum == Quorum::Automatic);
        let levels: Vec<Level> = automatic.map(|one| one.level).collect();
        let leads = self.candidate.leaders;
        let witness = u32::from(self.candidate.layout.witness.is_some());
        self.choose(taken, leads - witness, &mut Vec::new(), &levels)
    }

    fn choose(
        &self,
        taken: &[(u32, u32)],
        left: u32,
        chosen: &mut Vec<u32>,
        levels: &[Level],
    ) -> bool {
        let Some((instances, _)) = taken.get(chosen.len()) else {
            return left == 0 && self.keeps_majority(taken, chosen, levels);
        };
        (0..=left.min(*instances)).any(|count| {
            chosen.push(count);
            let found = self.choose(taken, left - count, chosen, levels);
            chosen.pop();
            found
        })
    }

    fn keeps_majority(&self, taken: &[(u32, u32)], chosen: &[u32], levels: &[Level]) -> bool {
        let hosts = &self.spec.topology.hosts;
        levels.iter().all(|level| {
            let mut domains: BTreeMap<String, u32> = BTreeMap::new();
            for ((host, (_, witness)), leads) in hosts.iter().zip(taken).zip(chosen) {
                *domains.entry(host.failure_domain(*level)).or_default() += leads + witness;
            }
            domains.values().all(|voters| 2 * voters < self.candidate.leaders)
        })
    }

    fn sum(&self, taken: &[(u32, u32)]) -> (u64, u64) {
        let layout = &self.candidate.layout;
        let small = layout.witness.as_ref().map_or(0, |one| one.vcpus);
        let used = self.spec.topology.hosts.iter().zip(taken);
        let cost = used.filter(|(_, here)| **here != (0, 0)).map(|(host, _)| host.cost).sum();
        let cores =
            taken.iter().map(|(instances, witness)| instances * layout.vcpus + witness * small);
        (cost, u64::from(cores.sum::<u32>()))
    }
}

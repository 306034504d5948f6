//! `prefer`: where the leading instances of a service are.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "support/bench.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod bench;
#[path = "support/plain.rs"]
mod plain;

use std::collections::BTreeMap;

use hostsplit::audit::{Kind, audit};
use hostsplit::ids::HostName;
use hostsplit::plan::{Plan, Tier};
use hostsplit::planner::{PlanError, make, make_with};
use hostsplit::profile::Profiles;
use hostsplit::solve::Limits;
use hostsplit::spec::{Demand, Engine, HostSet, Policy, Spec};
use hostsplit::topology::{Host, Level};

use crate::bench::Bench;

fn planned(spec: &Spec) -> Option<Plan> {
    let profiles = Profiles::builtin().unwrap();
    match make(spec, &profiles, &Limits::default()) {
        Ok((plan, _)) => {
            assert_eq!(audit(&plan, &profiles), []);
            Some(plan)
        }
        Err(PlanError::Infeasible(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

fn host(number: usize, cores: u32, gib: u64, cost: u64) -> Host {
    let node = plain::node(0, vec![plain::l3(0..=cores)], gib);
    let mut host = plain::host(&format!("h{number}"), vec![node], 100);
    host.cost = cost;
    host
}

fn on(host: usize) -> HostSet {
    HostSet::Host(HostName::new(format!("h{host}")).unwrap())
}

fn cache(hosts: Vec<Host>, policy: Policy, prefer: Vec<HostSet>) -> Spec {
    let demand = Demand::Sharded(plain::sharded(3_000, 100, 300));
    let mut cache = plain::service("cache", Engine::Redis, demand);
    cache.prefer = prefer;
    plain::spec(hosts, policy, vec![cache])
}

fn tier(plan: &Plan) -> &Tier {
    plan.tiers
        .iter()
        .find(|tier| tier.name == "leading instances elsewhere than preferred")
        .unwrap()
}

/// Every way to place a layout of one size: the fewest masters off preferred hosts.
struct Ways<'a> {
    plan: &'a Plan,
    survives: bool,
    cost: u64,
}

impl Ways<'_> {
    fn least(&self, at: usize, left: [u64; 2], cost: u64, elsewhere: u64) -> Option<u64> {
        let layout = &self.plan.services[0].layout;
        let Some(host) = self.plan.topology.hosts.get(at) else {
            return (left == [0, 0] && cost <= self.cost).then_some(elsewhere);
        };
        let is_preferred = self.plan.services[0].prefer.iter().any(|set| set.contains(host));
        let mib = layout.memory_mib.get();
        let with_qemu = mib + 72 + 8 * u64::from(layout.vcpus) + mib.div_ceil(512);
        let mut best = None;
        for masters in 0..=left[0] {
            for replicas in 0..=left[1] {
                let here = masters + replicas;
                let groups = u64::from(layout.groups);
                let apart = here <= groups && 2 * masters < groups;
                let fits = here * u64::from(layout.vcpus)
                    <= host.numa[0].allocatable_cores().into()
                    && here * with_qemu <= host.numa[0].memory_mib.get()
                    && (apart || !self.survives);
                if fits {
                    let cost = cost + if here > 0 { host.cost } else { 0 };
                    let elsewhere = elsewhere + if is_preferred { 0 } else { masters };
                    let left = [left[0] - masters, left[1] - replicas];
                    let found = self.least(at + 1, left, cost, elsewhere);
                    best = [best, found].into_iter().flatten().min();
                }
            }
        }
        best
    }
}

#[test]
fn no_other_way_to_place_the_layout_has_more_where_they_are_preferred() {
    let (mut seed, mut kinds) = (11u64, BTreeMap::new());
    let mut below = |most: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % most
    };
    for number in 0..60 {
        let count = usize::try_from(below(2)).unwrap() + 3;
        let hosts = (1..=count).map(|at| {
            let cores = u32::try_from(below(5)).unwrap() + 1;
            host(at, cores, 4, below(3) + 1)
        });
        let hosts: Vec<Host> = hosts.collect();
        let prefer: Vec<HostSet> = (1..=count).filter(|_| below(3) == 0).map(on).collect();
        let survives = below(3) > 0;
        let policy = if survives { Policy::surviving(Level::Host) } else { Policy::nothing() };
        let prefer = if prefer.is_empty() { vec![on(1)] } else { prefer };
        let Some(plan) = planned(&cache(hosts, policy, prefer)) else { continue };
        let layout = &plan.services[0].layout;
        let (groups, all) = (u64::from(layout.groups), u64::from(layout.instances));
        let cost = plan.tiers.iter().find(|tier| tier.name == "cost of used hosts").unwrap().value;
        let ways = Ways { plan: &plan, survives, cost };
        let least = ways.least(0, [groups, all - groups], 0, 0).unwrap();
        let tier = tier(&plan);
        assert_eq!((tier.value, tier.bound), (least, least), "{number}: {plan:#?}");
        *kinds.entry((survives, least.min(2))).or_insert(0) += 1;
    }
    assert!(kinds.len() >= 5, "{kinds:?}");
}

#[test]
fn a_preference_costs_no_host_and_outlives_a_new_plan() {
    let profiles = Profiles::builtin().unwrap();
    // The preferred host costs more, and nothing needs it.
    let hosts = |cost| (1..=4).map(|at| host(at, 3, 8, if at == 4 { cost } else { 1 })).collect();
    let survive = || Policy::surviving(Level::Host);
    let plan = planned(&cache(hosts(5), survive(), vec![on(4)])).unwrap();
    assert_eq!(tier(&plan).value, 3);
    let plan = planned(&cache(hosts(1), survive(), vec![on(4)])).unwrap();
    assert_eq!(tier(&plan).value, 2);
    let again = make_with(
        &cache(hosts(1), survive(), vec![on(4)]),
        &profiles,
        &Limits::default(),
        Some(&plan),
    );
    let places = |plan: &Plan| {
        plan.instances.iter().map(|one| (one.host.clone(), one.role)).collect::<Vec<_>>()
    };
    assert_eq!(places(&again.unwrap().0), places(&plan));
    // The plan says so of itself.
    let mut edited = plan;
    let own = edited.tiers.iter_mut().find(|tier| tier.name.ends_with("preferred")).unwrap();
    own.value = 3;
    let findings = audit(&edited, &profiles);
    assert_eq!(findings.len(), 1, "{findings:#?}");
    assert_eq!(findings[0].kind, Kind::Objective);
    assert!(findings[0].message.ends_with("the plan states 3; it has 2"), "{findings:#?}");
}

const SHOP: &str = "
name: shop
policy: { survive: site }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.99, vip: 10.20.0.10 }
hosts:
  - { name: a, count: 2, cores: 20, memory: 64GiB, disk: 1TiB, labels: { site: main } }
  - { name: b, count: 2, cores: 20, memory: 64GiB, disk: 1TiB, labels: { site: second } }
  - { name: c, count: 2, cores: 20, memory: 64GiB, disk: 1TiB, labels: { site: third } }
services:
  - { name: cache, engine: redis, prefer: { site: main }, demand: { reads: 300k/s, writes: 30k/s, data: 4GiB } }
  - { name: orders, engine: mysql, prefer: { site: main }, demand: { reads: 1k/s, writes: 100/s, data: 4GiB } }
  - { name: web, engine: nginx, demand: { requests: 1k/s, response: 10KiB }, gateway: edge }
  - { name: edge, engine: haproxy, prefer: [c-1, c-2] }
";

#[test]
fn screens_say_how_many_lead_where_they_are_preferred_and_why_not_all() {
    let bench = Bench::new();
    bench.put("spec.yaml", SHOP);
    let own = |text: &str, words: &[&str]| {
        let lines = text.lines().filter(|line| words.iter().any(|word| line.contains(word)));
        lines.collect::<Vec<_>>().join("\n")
    };
    let checked = bench.run(&["check", "spec.yaml"]);
    insta::assert_snapshot!(own(&checked, &["if possible"]), @"
    service   cache: redis, 300k/s reads, 30k/s writes, 4 GiB data, masters on site main if possible
    service   orders: mysql, 1k/s reads, 100/s writes, 4 GiB data, primaries on site main if possible
    service   edge: haproxy, 1k/s requests, active instance on c-1, c-2 if possible
    ");
    let text = bench.run(&["plan", "spec.yaml"]);
    insta::assert_snapshot!(own(&text, &["prefer", "  fixed:"]), @"
    prefers   5 of 11 masters on site main: no site may hold half of the masters
    prefers   1 primary on site main
    prefers   1 active instance on c-1, c-2
    leading instances elsewhere than preferred  6               optimal
    ");
    let markdown = bench.run(&["show", "--format", "markdown"]);
    insta::assert_snapshot!(own(&markdown, &["masters on", "primary on", "instance on"]), @"
    - cache: 5 of 11 masters on site main: no site may hold half of the masters
    - orders: 1 primary on site main
    - edge: 1 active instance on c-1, c-2
    ");
    let json = bench.run(&["show", "--format", "json"]);
    assert!(json.contains("\"preferred\""), "{json}");
    let dear = SHOP.replace("name: c, count: 2,", "name: c, count: 2, cost: 9,");
    let dear = dear.replace("policy: { survive: site }", "policy: { survive: host }");
    bench.put("spec.yaml", &dear.replace("prefer: { site: main }", "prefer: [a-1, c-1]"));
    let text = bench.run(&["plan", "spec.yaml"]);
    insta::assert_snapshot!(own(&text, &["prefer"]), @"
    prefers   5 of 11 masters on a-1, c-1: no host may hold half of the masters
    prefers   1 primary on a-1, c-1
    prefers   0 of 1 active instance on c-1, c-2: an instance there would break a rule or cost more
    leading instances elsewhere than preferred  7               optimal
    ");
}

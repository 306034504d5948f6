//! Laws that every plan keeps, whatever the hosts and the demand.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use hostsplit::audit::{Kind, audit};
use hostsplit::ids::{DeploymentName, HostName};
use hostsplit::plan::{Binding, Plan, Role};
use hostsplit::planner::{PlanError, make};
use hostsplit::profile::Profiles;
use hostsplit::solve::{Limits, Resource, Shortage, Why};
use hostsplit::spec::{Demand, Engine, FixedVm, Policy, ShardedDemand, Spec};
use hostsplit::topology::{Core, Host, L3Domain, Level, NumaNode, PagePool, Pool, Topology};
use hostsplit::units::{Mebibytes, PerSecond};
use proptest::prelude::*;

#[path = "support/brute_force.rs"]
mod brute_force;
#[path = "support/plain.rs"]
mod plain;

/// A host with that many cores for instances, and one for itself.
fn host(name: &str, cores: u32, threads: u32, memory_gib: u64) -> Host {
    let all = cores + 1;
    let core = |core: u32| Core { cpus: (0..threads).map(|t| core + t * all).collect() };
    let l3 = L3Domain { size_kib: None, cores: (0..all).map(core).collect() };
    plain::host(name, vec![plain::node(0, vec![l3], memory_gib)], 200)
}

fn spec(hosts: Vec<Host>, reads: u64, data: u64, survive: Option<Level>) -> Spec {
    let policy = survive.map_or_else(Policy::nothing, Policy::surviving);
    let demand = Demand::Sharded(plain::sharded(reads, reads / 3, data));
    let cache = plain::service("cache", Engine::Redis, demand);
    Spec {
        name: DeploymentName::new("lab").unwrap(),
        topology: Topology::new(hosts),
        ..plain::spec(Vec::new(), policy, vec![cache])
    }
}

fn sharded(spec: &Spec) -> ShardedDemand {
    match &spec.services[0].demand {
        Demand::Sharded(demand) => demand.clone(),
        other => panic!("{other:?}"),
    }
}

fn quickstart() -> Spec {
    let hosts = ["h1", "h2", "h3"].map(|name| host(name, 2, 1, 2));
    spec(hosts.into(), 3_000, 150, Some(Level::Host))
}

fn fixed(name: &str, count: u32, vcpus: u32, spread: Option<Level>) -> FixedVm {
    FixedVm { spread: spread.map(Into::into), ..plain::machines(name, count, vcpus, 512, 10) }
}

/// The plan of a spec, judged.
fn plan(spec: &Spec) -> Result<Plan, PlanError> {
    let profiles = Profiles::builtin().unwrap();
    let (plan, report) = make(spec, &profiles, &Limits::default())?;
    assert!(!report.limit_hit);
    judge(&plan, &profiles);
    Ok(plan)
}

/// Every plan of these tests passes through here; the audit is the judge.
fn judge(plan: &Plan, profiles: &Profiles) {
    // A warning alone is no fault: where whole cores run short, no choice of CPUs
    // keeps every instance inside one L3 domain.
    let faults = audit(plan, profiles).into_iter().filter(|one| one.kind != Kind::L3Straddled);
    assert_eq!(faults.collect::<Vec<_>>(), []);
    for tier in &plan.tiers {
        assert!(tier.is_optimal(), "{tier:?}");
    }
    let text = plan.to_text().unwrap();
    assert_eq!(Plan::from_text(&text).as_ref(), Ok(plan));
}

fn shortages(spec: &Spec) -> Vec<Shortage> {
    match plan(spec) {
        Err(PlanError::Infeasible(report)) => report.shortages,
        other => panic!("expected shortages, got {other:?}"),
    }
}

fn tier(plan: &Plan, name: &str) -> u64 {
    plan.tiers.iter().find(|tier| tier.name == name).unwrap().value
}

fn objective(plan: &Plan) -> (u64, u64) {
    (tier(plan, "cost of used hosts"), tier(plan, "cores"))
}

#[test]
fn the_quickstart_is_three_masters_and_three_replicas() {
    let plan = plan(&quickstart()).unwrap();
    let cache = &plan.services[0];
    assert_eq!((cache.layout.groups, cache.layout.copies, cache.layout.vcpus), (3, 2, 1));
    assert!(cache.layout.memory_mib <= Mebibytes::new(640));
    assert_eq!(cache.capacity.binding, Binding::Quorum);
    for name in ["h1", "h2", "h3"] {
        let name = HostName::new(name).unwrap();
        let roles: BTreeSet<Role> = plan.on_host(&name).map(|one| one.role).collect();
        assert_eq!(roles, [Role::Master, Role::Replica].into());
    }
    let first = &plan.instances[0];
    let config: Vec<String> =
        first.settings.iter().map(|(directive, value)| format!("{directive} {value}")).collect();
    insta::assert_snapshot!(config.join("\n"), @r#"
    appendfsync everysec
    appendonly on
    bind 0.0.0.0
    cluster-allow-replica-migration off
    cluster-announce-ip 10.20.0.50
    cluster-config-file nodes.conf
    cluster-enabled on
    cluster-node-timeout 15000 ms
    dir /var/lib/redis
    maxmemory 136162912 B
    maxmemory-policy noeviction
    port 6379
    protected-mode off
    repl-backlog-size 32MiB
    repl-diskless-sync on
    repl-diskless-sync-max-replicas 1
    save none
    "#);
    insta::assert_snapshot!(
        format!("{} {} {} {} {}", first.domain, first.host, first.uuid, first.mac, first.address.unwrap()),
        @"lab-cache-0 h1 ad1a86f9-7201-5376-b777-37701cd68d3d 52:54:00:97:f4:f6 10.20.0.50"
    );
}

#[test]
fn two_hosts_cannot_keep_a_quorum() {
    let mut spec = quickstart();
    spec.topology.hosts.pop();
    let all = shortages(&spec);
    assert_eq!((all[0].needed, all[0].available, all[0].short_by()), (3, 2, 1));
    assert_eq!(all[0].resource, Resource::FailureDomains(Level::Host));
    assert!(matches!(&all[0].why, Why::Majority { service, voters: 3, .. } if service == "cache"));
}

#[test]
fn what_falls_short_is_named_with_its_numbers() {
    let mut cores = quickstart();
    cores.vms.push(fixed("builder", 1, 1, None));
    insta::assert_snapshot!(
        shortages(&cores)[0].to_string(),
        @"cores: needs 7 cores, has 6, short by 1"
    );

    let mut addresses = quickstart();
    addresses.network.as_mut().unwrap().last = [10, 20, 0, 53].into();
    let short = &shortages(&addresses)[0];
    assert_eq!((short.resource.as_str(), short.needed, short.available), ("addresses", 6, 4));

    let mut memory = quickstart();
    for one in &mut memory.topology.hosts {
        one.numa[0].memory_mib = Mebibytes::new(700);
    }
    let all: Vec<String> = shortages(&memory).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(all.join("\n"), @"
    memory: needs 3558 MiB, has 2100, short by 1458
    ");

    let mut disk = quickstart();
    disk.topology.hosts[2].pools.clear();
    match plan(&disk) {
        Err(PlanError::Infeasible(why)) => {
            assert_eq!(
                (why.rejections[0].host.as_str(), why.rejections[0].resource.as_str()),
                ("h3", "disk")
            );
            assert_eq!(why.rejections[0].allocatable, 0);
        }
        other => panic!("expected a rejection, got {other:?}"),
    }

    let mut huge = quickstart();
    huge.services[0].demand = spec(Vec::new(), 900_000_000, 1, None).services[0].demand.clone();
    assert_eq!(shortages(&huge)[0].resource.as_str(), "processes of one cluster");

    let mut spread = quickstart();
    spread.vms.push(fixed("builder", 4, 1, Some(Level::Host)));
    let short = &shortages(&spread)[0];
    assert_eq!(short.resource, Resource::FailureDomains(Level::Host));
    let (service, machines) = ("builder".to_owned(), 4);
    assert_eq!(short.why, Why::Spread { service, machines, spread: Level::Host.into() });

    assert_eq!(shortages(&spec(Vec::new(), 1, 1, None))[0].available, 0);
}

#[test]
fn huge_pages_pools_and_smt_are_used_as_written() {
    let mut spec = quickstart();
    for one in &mut spec.topology.hosts {
        *one = host(one.name.as_str(), 3, 2, 4);
        one.numa[0].pages = vec![PagePool { size_kib: 2048, count: 1024 }];
        one.pools.push(Pool {
            name: "fast".into(),
            capacity_mib: Mebibytes::from_gib(10),
            iops_per_s: None,
            shared: false,
        });
    }
    let plan = plan(&spec).unwrap();
    for one in &plan.instances {
        assert_eq!((one.page_kib, one.emulator_cpus.as_slice()), (2048, [0, 4].as_slice()));
        assert!(!one.cpus.contains(&0) && !one.cpus.contains(&4));
    }
    assert!(plan.instances.iter().all(|one| one.root.as_ref().unwrap().pool == "default"));
}

#[test]
fn forty_hosts_carry_two_hundred_machines() {
    let hosts: Vec<Host> = (0..40).map(|n| host(&format!("h{n}"), 96, 1, 512)).collect();
    let mut spec = spec(hosts, 2_000_000, 96 * 1024, Some(Level::Host));
    for (name, vcpus) in [("a", 4), ("b", 8), ("c", 12), ("d", 16), ("e", 24), ("f", 32)] {
        spec.vms.push(fixed(name, 20, vcpus, None));
    }
    let profiles = Profiles::builtin().unwrap();
    let (plan, report) = make(&spec, &profiles, &Limits::default()).unwrap();
    assert!(!report.limit_hit);
    judge(&plan, &profiles);
    // One core of a shared L3 carries 32,558 of the 3,066,666 operations per second:
    // 95 masters and as many replicas. With the 1,920 cores of the machines they need
    // 22 hosts of 96.
    assert_eq!(objective(&plan), (22, 2110));
    assert!(plan.instances.len() >= 200);
}

/// Sixty machines, of which two or three fill a host.
#[test]
fn a_longer_limit_never_gives_a_worse_plan() {
    let hosts = (0..40).map(|at| host(&format!("h{at}"), 96, 1, 400)).collect();
    let vms = (0..60u32).map(|at| {
        let (vcpus, mib) = (16 + at * 37 % 32, 1024 * (67 + u64::from(at) * 59 % 133));
        plain::machines(&format!("m{at}"), 1, vcpus, mib, 20 + u64::from(at) * 43 % 60)
    });
    let spec = Spec { vms: vms.collect(), services: Vec::new(), ..spec(hosts, 0, 0, None) };
    let profiles = Profiles::builtin().unwrap();
    let cost = |seconds: f64| {
        let limits = Limits::of_seconds(seconds);
        make(&spec, &profiles, &limits).map_or(u64::MAX, |(plan, _)| objective(&plan).0)
    };
    let costs = [0.3, 1.5, 6.0].map(cost);
    assert!(costs.is_sorted_by(|short, long| long <= short), "{costs:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_same_input_gives_the_same_bytes(spec in any_spec()) {
        let text = |spec: &Spec| plan(spec).map(|plan| plan.to_text().unwrap());
        prop_assert_eq!(text(&spec), text(&spec));
    }

    #[test]
    fn more_demand_never_needs_less(spec in any_spec(), more in 1u64..50_000) {
        let mut demand = sharded(&spec);
        demand.reads_per_s = demand.reads_per_s.saturating_add(PerSecond::new(more));
        let mut larger = spec.clone();
        larger.services[0].demand = Demand::Sharded(demand);
        if let Ok(larger) = plan(&larger) {
            prop_assert!(objective(&plan(&spec).unwrap()) <= objective(&larger));
        }
    }

    #[test]
    fn one_more_host_never_makes_it_worse(spec in any_spec(), cores in 1u32..5) {
        let mut wider = spec.clone();
        wider.topology.hosts.push(host("z", cores, 1, 4));
        if let Ok(plain) = plan(&spec) {
            prop_assert!(objective(&plan(&wider).unwrap()) <= objective(&plain));
        }
    }

    #[test]
    fn names_of_hosts_change_nothing(spec in any_spec(), shift in 1usize..4) {
        let mut renamed = spec.clone();
        let count = renamed.topology.hosts.len();
        for (index, host) in renamed.topology.hosts.iter_mut().enumerate() {
            host.name = HostName::new(format!("n{}", (index + shift) % count)).unwrap();
        }
        renamed.topology.hosts.sort_by(|a, b| a.name.cmp(&b.name));
        match (plan(&spec), plan(&renamed)) {
            (Ok(one), Ok(other)) => prop_assert_eq!(shape(&one), shape(&other)),
            (one, other) => prop_assert_eq!(one.is_ok(), other.is_ok()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn equals_brute_force_on_tiny_cases(spec in tiny_spec()) {
        let found = plan(&spec).ok().map(|plan| objective(&plan));
        prop_assert_eq!(found, brute_force::least(&spec));
    }
}

/// What stands together, whatever the host is called.
fn shape(plan: &Plan) -> Vec<Vec<(Role, String, Vec<u32>)>> {
    let names = plan.topology.hosts.iter().map(|host| &host.name);
    let mut all: Vec<Vec<_>> = names
        .map(|name| {
            let of = |one: &hostsplit::plan::Instance| {
                (one.role, one.service.to_string(), one.cpus.clone())
            };
            let mut here: Vec<_> = plan.on_host(name).map(of).collect();
            here.sort();
            here
        })
        .collect();
    all.sort();
    all
}

fn any_hosts(count: std::ops::Range<usize>, cores: u32) -> impl Strategy<Value = Vec<Host>> {
    let one = (1..=cores, 1u64..6, 1u64..4);
    proptest::collection::vec(one, count).prop_map(|all| {
        let numbered = all.into_iter().enumerate();
        numbered
            .map(|(index, (cores, gib, cost))| {
                let mut host = host(&format!("h{index}"), cores, 1, gib);
                host.cost = cost;
                host
            })
            .collect()
    })
}

/// Adds a second NUMA node, siblings, a reserve and a rack to some hosts.
fn enrich(host: &mut Host, (threads, nodes, reserved, rack): (u32, u32, u32, u32)) {
    let cores = u32::try_from(host.numa[0].cores().count()).unwrap();
    let node = host.numa[0].clone();
    let cpus = |at: u32, core: u32| (0..threads).map(move |t| (at * cores + core) + t * 2 * cores);
    host.numa = (0..nodes)
        .map(|id| {
            let all: Vec<Core> =
                (0..cores).map(|core| Core { cpus: cpus(id, core).collect() }).collect();
            let domains = all.chunks(3).map(|part| L3Domain { size_kib: None, cores: part.into() });
            let l3 = domains.collect();
            NumaNode { id, l3, reserved_cores: if id == 0 { 1 } else { reserved }, ..node.clone() }
        })
        .collect();
    if rack > 0 {
        host.labels.insert(Level::Rack, format!("r{rack}"));
    }
}

prop_compose! {
    fn any_spec()(
        mut hosts in any_hosts(3..6, 8),
        more in proptest::collection::vec((1u32..3, 1u32..3, 0u32..2, 0u32..4), 5),
        reads in 1u64..150_000,
        data in 1u64..8_000,
        survive in prop_oneof![Just(None), Just(Some(Level::Host)), Just(Some(Level::Rack))],
        vms in 0u32..3,
    ) -> Spec {
        for (host, more) in hosts.iter_mut().zip(more) {
            enrich(host, more);
        }
        let mut spec = spec(hosts, reads, data, survive);
        if vms > 0 {
            spec.vms.push(fixed("builder", vms, 2, Some(Level::Host)));
        }
        spec
    }
}

prop_compose! {
    fn tiny_spec()(
        hosts in any_hosts(2..5, 4),
        reads in 1u64..120_000,
        data in 1u64..3_000,
        survives in any::<bool>(),
        vms in 0u32..2,
    ) -> Spec {
        let mut spec = spec(hosts, reads, data, survives.then_some(Level::Host));
        if vms > 0 {
            spec.vms.push(fixed("builder", vms, 1, None));
        }
        spec
    }
}

//! Plans of the kinds of cluster besides the sharded one, on small topologies: who
//! plays which part, where copies and voters stand, what the survivors of a loss
//! can do.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use hostsplit::ids::{HostName, ServiceName};
use hostsplit::plan::{Instance, Plan, Role};
use hostsplit::planner::{PlanError, make};
use hostsplit::profile::Profiles;
use hostsplit::solve::Limits;
use hostsplit::spec::{Demand, Engine, GatewayDemand, Policy, Quorum, SearchDemand, Spec, Survive};
use hostsplit::topology::{Core, Host, L3Domain, Level, NumaNode, reserve};
use hostsplit::units::{Bytes, Mebibytes, PerSecond};

#[path = "support/plain.rs"]
mod plain;

/// A host of one NUMA node, L3 domains of 8 cores, two threads each.
fn host(name: &str, cores: u32, gib: u64) -> Host {
    let core = |cpu: u32| Core { cpus: vec![cpu, cpu + cores] };
    let domain = |first: usize| {
        let first = u32::try_from(first).unwrap();
        let cores = (first..cores.min(first + 8)).map(core).collect();
        L3Domain { size_kib: None, cores }
    };
    let l3 = (0..cores as usize).step_by(8).map(domain).collect();
    let mut numa = vec![NumaNode { reserved_cores: 0, ..plain::node(0, l3, gib) }];
    reserve::spread(&mut numa, 1, Mebibytes::from_gib(2));
    plain::host(name, numa, 4_000)
}

fn spec(hosts: Vec<Host>, policy: Policy, services: Vec<(&str, Engine, Demand)>) -> Spec {
    let service = |(name, engine, demand)| plain::service(name, engine, demand);
    let services = services.into_iter().map(service).collect();
    Spec { network: None, ..plain::spec(hosts, policy, services) }
}

fn plan(spec: &Spec) -> Result<Plan, PlanError> {
    make(spec, &Profiles::builtin().unwrap(), &Limits::default()).map(|(plan, _)| plan)
}

fn search(index: u64, queries: u64, data_gib: u64, copies: u32) -> Demand {
    Demand::Quorum(SearchDemand {
        document_bytes: Bytes::new(256),
        shards_per_query: None,
        retention_days: None,
        ..plain::search(index, queries, data_gib << 10, copies)
    })
}

fn web(requests: u64, bytes: u64, cpu_us: u64) -> Demand {
    Demand::Pool(plain::web(requests, bytes, cpu_us))
}

/// What stands on each host, by role.
fn table(plan: &Plan) -> String {
    let mut rows: BTreeMap<(&HostName, &ServiceName, &str, usize, u64), u32> = BTreeMap::new();
    for one in &plan.instances {
        let size = (one.cpus.len(), one.memory_mib.get());
        let key = (&one.host, &one.service, one.role.as_str(), size.0, size.1);
        *rows.entry(key).or_default() += 1;
    }
    let row = |((host, service, role, vcpus, mib), count): (_, _)| {
        format!("{host}  {count} x {service} {role}, {vcpus} vCPU, {mib} MiB")
    };
    rows.into_iter().map(row).collect::<Vec<_>>().join("\n")
}

fn of<'a>(plan: &'a Plan, service: &str) -> Vec<&'a Instance> {
    plan.instances.iter().filter(|one| one.service.as_str() == service).collect()
}

/// The survivors of each host carry the service's work.
fn outlives_each_host(plan: &Plan, service: &str) {
    let entry = plan.services.iter().find(|one| one.name.as_str() == service).unwrap();
    let serving = |lost: &HostName| {
        let own = of(plan, service).into_iter();
        own.filter(|one| &one.host != lost && one.role != Role::Witness).count() as u64
    };
    for host in &plan.topology.hosts {
        let left = serving(&host.name) * entry.capacity.usable_per_s.get();
        assert!(left >= entry.capacity.demand_per_s.get(), "{service} without {}", host.name);
    }
}

/// No host has half of the votes.
fn keeps_its_majority(plan: &Plan, service: &str) {
    let votes: Vec<&Instance> = of(plan, service)
        .into_iter()
        .filter(|one| matches!(one.role, Role::Voter | Role::Witness))
        .collect();
    assert_eq!(votes.len(), 3);
    let hosts: BTreeSet<&HostName> = votes.iter().map(|one| &one.host).collect();
    assert_eq!(hosts.len(), 3);
}

#[test]
fn search_on_two_hosts_and_a_witness_host() {
    let hosts = vec![host("a", 32, 128), host("b", 32, 128), host("small", 2, 8)];
    let policy = Policy::surviving(Level::Host);
    let spec =
        spec(hosts, policy, vec![("search", Engine::Elasticsearch, search(40_000, 100, 500, 2))]);
    let plan = plan(&spec).unwrap();
    insta::assert_snapshot!(table(&plan), @"
    a  4 x search data, 8 vCPU, 16384 MiB
    a  1 x search voter, 8 vCPU, 16384 MiB
    b  4 x search data, 8 vCPU, 16384 MiB
    b  1 x search voter, 8 vCPU, 16384 MiB
    small  1 x search witness, 1 vCPU, 2048 MiB
    ");
    outlives_each_host(&plan, "search");
    keeps_its_majority(&plan, "search");
}

#[test]
fn search_on_three_hosts() {
    let hosts = vec![host("a", 32, 128), host("b", 32, 128), host("c", 32, 128)];
    let policy = Policy::surviving(Level::Host);
    let spec =
        spec(hosts, policy, vec![("search", Engine::Opensearch, search(80_000, 300, 1_000, 2))]);
    let plan = plan(&spec).unwrap();
    insta::assert_snapshot!(table(&plan), @"
    a  1 x search data, 16 vCPU, 32768 MiB
    a  1 x search voter, 16 vCPU, 32768 MiB
    b  2 x search data, 16 vCPU, 32768 MiB
    b  1 x search voter, 16 vCPU, 32768 MiB
    c  2 x search data, 16 vCPU, 32768 MiB
    c  1 x search voter, 16 vCPU, 32768 MiB
    ");
    outlives_each_host(&plan, "search");
    keeps_its_majority(&plan, "search");
    // No host holds more than its part: two copies of a shard never share one.
    let instances = of(&plan, "search");
    for host in ["a", "b", "c"] {
        let here = instances.iter().filter(|one| one.host.as_str() == host).count();
        assert!(2 * here <= instances.len(), "{host}");
    }
}

#[test]
fn two_hosts_have_no_majority_unless_an_operator_makes_one() {
    let hosts = || vec![host("a", 32, 128), host("b", 32, 128)];
    let services = || vec![("search", Engine::Elasticsearch, search(10_000, 10, 100, 2))];
    let automatic = spec(hosts(), Policy::surviving(Level::Host), services());
    let Err(PlanError::Infeasible(why)) = plan(&automatic) else { panic!("it has no majority") };
    assert!(!why.shortages.is_empty());
    let survive = vec![Survive { level: Level::Host, quorum: Quorum::Manual }];
    let plan = plan(&spec(hosts(), Policy { survive, ..Policy::nothing() }, services())).unwrap();
    insta::assert_snapshot!(table(&plan), @"
    a  1 x search data, 4 vCPU, 8192 MiB
    a  2 x search voter, 4 vCPU, 8192 MiB
    b  2 x search data, 4 vCPU, 8192 MiB
    b  1 x search voter, 4 vCPU, 8192 MiB
    ");
    outlives_each_host(&plan, "search");
}

#[test]
fn one_copy_cannot_outlive_a_host() {
    let hosts = vec![host("a", 32, 128), host("b", 32, 128), host("c", 32, 128)];
    let services = vec![("search", Engine::Elasticsearch, search(10_000, 10, 100, 1))];
    let spec = spec(hosts, Policy::surviving(Level::Host), services);
    let Err(PlanError::Infeasible(why)) = plan(&spec) else { panic!("one copy is lost") };
    let text = hostsplit::report::infeasible::text(&why);
    insta::assert_snapshot!(text.lines().take(3).collect::<Vec<_>>().join("\n"), @"
    no plan satisfies the spec
      Because search needs 2 copies and the limit is 1 for copies of each shard,
      no layout of it serves the demand.
    ");
}

#[test]
fn a_pool_on_three_hosts() {
    let hosts = vec![host("a", 16, 64), host("b", 16, 64), host("c", 16, 64)];
    let policy = Policy::surviving(Level::Host);
    let services = vec![("web", Engine::Apache, web(40_000, 10_240, 0))];
    let plan = plan(&spec(hosts, policy, services)).unwrap();
    insta::assert_snapshot!(table(&plan), @"
    a  1 x web member, 8 vCPU, 1024 MiB
    b  1 x web member, 8 vCPU, 1024 MiB
    ");
    outlives_each_host(&plan, "web");
    assert!(of(&plan, "web").iter().all(|one| one.role == Role::Member && one.group.is_none()));
}

#[test]
fn a_gateway_before_a_pool() {
    let hosts = vec![host("a", 32, 64), host("b", 32, 64)];
    let gateway = Demand::GatewayPair(GatewayDemand {
        requests_per_s: PerSecond::new(20_000),
        transactions_per_s: PerSecond::ZERO,
        response_bytes_per_s: 20_000 * 10_240,
        tls: true,
    });
    let services =
        vec![("web", Engine::Nginx, web(20_000, 10_240, 0)), ("edge", Engine::Haproxy, gateway)];
    let plan = plan(&spec(hosts, Policy::surviving(Level::Host), services)).unwrap();
    insta::assert_snapshot!(table(&plan), @"
    a  1 x edge active, 4 vCPU, 4096 MiB
    a  1 x web member, 4 vCPU, 640 MiB
    b  1 x edge standby, 4 vCPU, 4096 MiB
    b  1 x web member, 4 vCPU, 640 MiB
    ");
    outlives_each_host(&plan, "web");
    outlives_each_host(&plan, "edge");
    let edge = of(&plan, "edge");
    assert_eq!(edge.len(), 2);
    assert_ne!(edge[0].host, edge[1].host);
    assert_eq!((edge[0].role, edge[1].role), (Role::Active, Role::Standby));
}

#[test]
fn nothing_promised_needs_nothing_spare() {
    let services = vec![
        ("search", Engine::Elasticsearch, search(1_000, 0, 10, 1)),
        ("web", Engine::Nginx, web(5_000, 1_024, 0)),
    ];
    let plan = plan(&spec(vec![host("a", 16, 64)], Policy::nothing(), services)).unwrap();
    insta::assert_snapshot!(table(&plan), @"
    a  1 x search voter, 1 vCPU, 2048 MiB
    a  1 x web member, 1 vCPU, 576 MiB
    ");
}

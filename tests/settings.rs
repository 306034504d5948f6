//! The settings of every engine: what somebody who builds by hand needs first, and what
//! must hold between them and the machine that they are for.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::collections::BTreeSet;

use hostsplit::plan::{Instance, Plan, Role, Setting};
use hostsplit::recipe;
use hostsplit::spec::Engine;

#[path = "support/bench.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod bench;

/// Three hosts with a service of each engine, two copies of all data.
const SPEC: &str = "
name: shop
policy: { survive: host }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.199, vip: 10.20.0.10 }
hosts:
  - { name: h1, cores: 96, memory: 512GiB, disk: 8TiB }
  - { name: h2, cores: 96, memory: 512GiB, disk: 8TiB }
  - { name: h3, cores: 96, memory: 512GiB, disk: 8TiB }
services:
  - { name: cache,   engine: redis,         demand: { reads: 100k/s, writes: 10k/s, value: 512B, data: 24GiB, persistence: aof } }
  - { name: keys,    engine: valkey,        demand: { reads: 50k/s, writes: 5k/s, value: 512B, data: 4GiB, persistence: rdb }, tls: true }
  - { name: orders,  engine: mysql,         demand: { reads: 2k/s, writes: 100/s, data: 100GiB, working_set: 20% } }
  - { name: ledger,  engine: mariadb,       demand: { reads: 500/s, writes: 50/s, data: 20GiB } }
  - { name: search,  engine: elasticsearch, demand: { index: 5k docs/s, queries: 100/s, data: 200GiB, copies: 2 } }
  - { name: logs,    engine: opensearch,    demand: { index: 5k docs/s, queries: 20/s, data: 200GiB, copies: 2 } }
  - { name: web,     engine: apache,        demand: { requests: 10k/s, response: 10KiB }, gateway: edge }
  - { name: assets,  engine: nginx,         demand: { requests: 10k/s, response: 20KiB }, gateway: edge, port: 8080 }
  - { name: edge,    engine: haproxy }
";

fn plan() -> Plan {
    let bench = bench::Bench::new();
    let planned = bench.put("spec.yaml", SPEC).run(&["plan", "spec.yaml", "-o", "plan.json"]);
    assert!(planned.starts_with("exit 0\n"), "{planned}");
    Plan::from_text(&bench.read("plan.json").unwrap()).unwrap()
}

fn number(instance: &Instance, name: &str) -> u64 {
    instance.settings.get(name).and_then(Setting::number).unwrap()
}

fn words<'a>(instance: &'a Instance, name: &str) -> &'a [String] {
    match instance.settings.get(name) {
        Some(Setting::Words(words)) => words,
        other => panic!("{}: {name} is {other:?}", instance.name),
    }
}

/// The settings of the first instance of each service, as a person reads them.
#[test]
fn every_engine_has_its_settings_in_the_plan() {
    let plan = plan();
    let mut text = String::new();
    for service in &plan.services {
        let first = plan.members(&service.name).next().unwrap();
        text += &format!("{} ({}, {})\n", first.name, service.engine, first.role.as_str());
        for (name, value) in &first.settings {
            text += &format!("  {name}: {value}\n");
        }
    }
    insta::assert_snapshot!(text);
    let planned: BTreeSet<Engine> = plan.services.iter().map(|service| service.engine).collect();
    assert_eq!(planned, Engine::ALL.iter().copied().collect());
}

#[test]
fn main_settings_are_settings_of_the_engine() {
    let plan = plan();
    for service in &plan.services {
        let known: BTreeSet<&str> = plan
            .members(&service.name)
            .flat_map(|one| one.settings.keys().map(String::as_str))
            .collect();
        let main = recipe::of(service.engine).main;
        let shown = main.iter().filter(|name| known.contains(**name)).count();
        assert!(shown > 0 && main.len() - shown <= 2, "{}: {main:?}", service.engine);
    }
}

#[test]
fn what_an_engine_takes_fits_its_machine() {
    let plan = plan();
    for instance in &plan.instances {
        let memory = instance.memory_mib.bytes();
        let name = &instance.name;
        match plan.service_of(instance).unwrap().engine {
            Engine::Redis | Engine::Valkey => {
                assert!(number(instance, "maxmemory") < memory, "{name}");
                assert_eq!(
                    instance.settings.get("cluster-announce-ip"),
                    instance.address.map(Setting::Address).as_ref()
                );
            }
            Engine::Mysql | Engine::Mariadb => {
                let pool = number(instance, "innodb_buffer_pool_size");
                assert!(pool < memory && pool > memory / 2, "{name}");
                assert_eq!(instance.settings.get("read_only"), Some(&Setting::Switch(true)));
            }
            Engine::Elasticsearch | Engine::Opensearch => {
                let heap = number(instance, "jvm.heap");
                // Above it the JVM's object pointers are no longer compressed.
                assert!(heap <= memory / 2 && heap <= 31 << 30, "{name}");
                let cpus = u64::try_from(instance.cpus.len()).unwrap();
                assert_eq!(number(instance, "node.processors"), cpus);
            }
            Engine::Apache => {
                let (workers, threads) = ("MaxRequestWorkers", "ThreadsPerChild");
                let needed = number(instance, workers) / number(instance, threads);
                assert!(number(instance, "ServerLimit") > needed, "{name}");
            }
            Engine::Nginx | Engine::Haproxy => {}
        }
    }
}

#[test]
fn instances_know_their_peers() {
    let plan = plan();
    for service in &plan.services {
        let members: Vec<&Instance> = plan.members(&service.name).collect();
        let address = |one: &&Instance| one.address.unwrap().to_string();
        match service.engine {
            Engine::Mysql | Engine::Mariadb => {
                let ids: BTreeSet<u64> =
                    members.iter().map(|one| number(one, "server_id")).collect();
                assert_eq!(ids.len(), members.len(), "{}: {ids:?}", service.name);
            }
            Engine::Elasticsearch | Engine::Opensearch => {
                let votes = |one: &&&Instance| matches!(one.role, Role::Voter | Role::Witness);
                let voters: Vec<String> = members.iter().filter(votes).map(address).collect();
                for one in &members {
                    assert_eq!(words(one, "discovery.seed_hosts"), voters);
                }
                let roles = |one: &&Instance| words(one, "node.roles").to_vec();
                let can_vote = |roles: &Vec<String>| {
                    roles.iter().any(|role| role == "master" || role == "cluster_manager")
                };
                assert_eq!(members.iter().map(roles).filter(can_vote).count(), voters.len());
            }
            Engine::Haproxy => {
                for (pool, port) in [("web", 80), ("assets", 8080)] {
                    let name = pool.parse().unwrap();
                    let server =
                        |one: &Instance| format!("{}={}:{port}", one.name, one.address.unwrap());
                    let servers: Vec<String> = plan.members(&name).map(server).collect();
                    assert_eq!(words(members[0], &format!("backend.{pool}")), servers);
                }
                let other = members[1].address.unwrap().to_string();
                assert_eq!(words(members[0], "vrrp.unicast_peer"), [other]);
                let priorities = members.iter().map(|one| number(one, "vrrp.priority"));
                assert!(priorities.is_sorted_by(|active, standby| active > standby));
            }
            _ => {}
        }
    }
}

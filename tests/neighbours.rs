//! `apart` and `near`: what fixed machines share hosts with, or not.

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "support/bench.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod bench;
#[path = "support/plain.rs"]
mod plain;

use std::collections::BTreeSet;

use hostsplit::audit::audit;
use hostsplit::ids::{HostName, ServiceName};
use hostsplit::plan::Plan;
use hostsplit::planner::{PlanError, make};
use hostsplit::profile::Profiles;
use hostsplit::solve::Limits;
use hostsplit::spec::{Demand, Engine, FixedVm, Policy, Spec};
use hostsplit::topology::{Host, Level};

use crate::bench::Bench;

fn name(text: &str) -> ServiceName {
    ServiceName::new(text).unwrap()
}

fn hosts(count: usize, cores: u32, gib: u64) -> Vec<Host> {
    let host = |number: usize| {
        let node = plain::node(0, vec![plain::l3(0..=cores)], gib);
        plain::host(&format!("h{number}"), vec![node], 100)
    };
    (1..=count).map(host).collect()
}

fn on(plan: &Plan, service: &str) -> BTreeSet<HostName> {
    plan.members(&name(service)).map(|one| one.host.clone()).collect()
}

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

/// A cache of six instances on three of the hosts at least, and machines.
fn cached(hosts: Vec<Host>, vms: Vec<FixedVm>) -> Spec {
    let cache = Demand::Sharded(plain::sharded(3_000, 100, 300));
    let cache = plain::service("cache", Engine::Redis, cache);
    Spec { vms, ..plain::spec(hosts, Policy::surviving(Level::Host), vec![cache]) }
}

#[test]
fn a_machine_is_beside_a_service_or_on_hosts_of_its_own() {
    let machines = |name| plain::machines(name, 2, 1, 1_024, 10);
    // Three hosts hold everything, unless something is to be apart.
    let plan = planned(&cached(hosts(5, 6, 16), vec![machines("free")])).unwrap();
    assert_eq!(on(&plan, "cache").union(&on(&plan, "free")).count(), 3);
    let apart = FixedVm { apart: vec![name("cache")], ..machines("apart") };
    let near = FixedVm { near: vec![name("cache")], ..machines("near") };
    let plan = planned(&cached(hosts(5, 6, 16), vec![apart, near])).unwrap();
    let cache = on(&plan, "cache");
    assert_eq!(cache.len(), 3);
    assert!(on(&plan, "apart").is_disjoint(&cache));
    assert!(on(&plan, "near").is_subset(&cache));
    assert_eq!(on(&plan, "apart").len(), 1);
}

#[test]
fn machines_keep_each_other_company() {
    // Each agent takes more than half of a host: both rules together ask for two of them.
    let pair =
        |own, other| FixedVm { near: vec![name(other)], ..plain::machines(own, 2, 3, 1_024, 10) };
    let mut spec =
        Spec { vms: vec![pair("a", "b"), pair("b", "a")], ..cached(hosts(4, 6, 8), vec![]) };
    (spec.services, spec.network) = (Vec::new(), None);
    let plan = planned(&spec).unwrap();
    assert_eq!((on(&plan, "a"), on(&plan, "a").len()), (on(&plan, "b"), 2));
    // Neither is on a host alone: nor is there room for two on small hosts.
    spec.topology.hosts = hosts(4, 5, 8);
    assert_eq!(planned(&spec), None);
}

#[test]
fn many_hosts_keep_the_rules_as_well() {
    let sizes = [(1, 2_048), (2, 3_072), (2, 4_096), (3, 5_120), (3, 2_560), (4, 6_144)];
    let mut vms: Vec<FixedVm> = (0..48)
        .map(|at| {
            let (vcpus, mib) = sizes[at % sizes.len()];
            let mib = mib + 64 * u64::try_from(at / sizes.len()).unwrap();
            plain::machines(&format!("m{at}"), 4, vcpus, mib, 10)
        })
        .collect();
    let store =
        FixedVm { spread: Some(Level::Host.into()), ..plain::machines("store", 30, 2, 2_048, 20) };
    let agent = FixedVm { near: vec![name("store")], ..plain::machines("agent", 30, 1, 512, 4) };
    let noisy = FixedVm { apart: vec![name("agent")], ..plain::machines("noisy", 12, 4, 4_096, 8) };
    vms.extend([agent, noisy, store]);
    let spec = Spec {
        vms,
        network: None,
        ..plain::spec(hosts(90, 12, 32), Policy::nothing(), Vec::new())
    };
    let plan = planned(&spec).unwrap();
    assert_eq!(on(&plan, "store").len(), 30);
    assert!(on(&plan, "agent").is_subset(&on(&plan, "store")));
    assert!(on(&plan, "noisy").is_disjoint(&on(&plan, "agent")));
    let cost = plan.tiers.iter().find(|tier| tier.name == "cost of used hosts").unwrap();
    assert!(cost.value <= cost.bound + cost.bound / 10, "{cost:?}");
}

const OFFICE: &str = "
name: office
policy: { survive: none }
hosts:
  - { name: box, count: 3, cores: 8, memory: 32GiB, disk: 200GiB, reserve: none }
vms:
  - { name: erp, count: 2, vcpus: 2, memory: 4GiB, disk: 20GiB, spread: host }
  - { name: logs, count: 2, vcpus: 1, memory: 1GiB, disk: 10GiB, near: erp, spread: host }
  - { name: lab, count: 2, vcpus: 4, memory: 8GiB, disk: 10GiB, apart: [erp, logs] }
";

#[test]
fn screens_say_what_is_beside_what() {
    let bench = Bench::new();
    bench.put("spec.yaml", OFFICE);
    insta::assert_snapshot!(bench.run(&["check", "spec.yaml"]), @"
    exit 0
    spec.yaml: valid
      hosts     box-1, box-2, box-3: 24 cores and 96 GiB for instances
      vms       erp: 2 VMs of 2 vCPU, 4 GiB, 20 GiB disk, at most one per host
      vms       logs: 2 VMs of 1 vCPU, 1 GiB, 10 GiB disk, at most one per host, near erp
      vms       lab: 2 VMs of 4 vCPU, 8 GiB, 10 GiB disk, apart from erp, logs
      survives  no guarantee
    ---
    ");
    let planned = bench.run(&["plan", "spec.yaml"]);
    let lines = |text: &str| {
        let own = text.lines().filter(|line| {
            line.contains("fixed:")
                || line.starts_with("  erp-")
                || line.starts_with("  logs-")
                || line.starts_with("  lab-")
        });
        own.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(lines(&planned), @"
    erp  fixed: 2 VMs of 2 vCPU, 4 GiB memory, 20 GiB disk, at most one per host
    logs  fixed: 2 VMs of 1 vCPU, 1 GiB memory, 10 GiB disk, at most one per host, near erp
    lab  fixed: 2 VMs of 4 vCPU, 8 GiB memory, 10 GiB disk, apart from erp, logs
      erp-0     box-2  0     0-1   4 GiB   fixed  requested by the spec
      erp-1     box-3  0     0-1   4 GiB   fixed  requested by the spec
      logs-0    box-2  0     2     1 GiB   fixed  requested by the spec
      logs-1    box-3  0     2     1 GiB   fixed  requested by the spec
      lab-0     box-1  0     0-3   8 GiB   fixed  requested by the spec
      lab-1     box-1  0     4-7   8 GiB   fixed  requested by the spec
    ");
    insta::assert_snapshot!(bench.run(&["explain", "plan.json", "--price"]), @"
    exit 0
                                  cost  hosts  cores  memory
    plan                          3     3      14     26 GiB
    without spread: host of erp   3     3      14     26 GiB  saves nothing
    without spread: host of logs  3     3      14     26 GiB  saves nothing
    without near of logs          3     3      14     26 GiB  saves nothing
    without apart of lab          2     2      14     26 GiB  saves 1 of cost, 1 host
    ---
    ");
    insta::assert_snapshot!(bench.run(&["explain", "plan.json", "logs-0"]), @r#"
    exit 0
    logs-0 is placed on box-2: requested by the spec
    Moved alone to another host:
      box-1 not enough cores: needs 1 cores on one NUMA node, at most 0 free
      box-3 violates: logs-1: shares host "box-3" with logs-0
    ---
    "#);
}

#[test]
fn rules_that_leave_no_plan_are_named() {
    let bench = Bench::new();
    let plan = |from: &str, to: &str| {
        assert!(OFFICE.contains(from), "{from}");
        bench.put("spec.yaml", &OFFICE.replace(from, to));
        bench.run(&["plan", "spec.yaml"])
    };
    insta::assert_snapshot!(plan("erp, count: 2", "erp, count: 3"), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because no host may hold both lab and erp or logs (`apart`), not all of them
      can be placed.
      Adding 1 host like box-1 would make it feasible (cost 1).
    hint: add 1 host like box-1; or omit `apart` of lab
    ");
    insta::assert_snapshot!(plan("logs, count: 2", "logs, count: 3"), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because every VM of logs must be on a host with erp (`near`) and no host may
      hold both lab and erp or logs (`apart`), not all of them can be placed.
    hint: omit `near` of logs and omit `apart` of lab
    ");
    let lost =
        plan("spread: host }\n  - { name: logs", "spread: host, restart: true }\n  - { name: logs");
    insta::assert_snapshot!(lost, @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because of `restart: true`, another host must have room for 1 VM of erp on
      each of box-2, box-3 once that is lost, and none has.
      Adding 1 host like box-1 would make it feasible (cost 1).
    hint: add 1 host like box-1; or omit `restart` of erp
    ");
}

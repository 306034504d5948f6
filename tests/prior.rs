//! Plans against a prior plan: what can stay stays, at the same cost.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use hostsplit::audit::{Kind, audit};
use hostsplit::plan::{Group, Instance, Plan, Role};
use hostsplit::planner::{PlanError, make, make_with};
use hostsplit::profile::Profiles;
use hostsplit::recipe::redis::slots::{SLOTS, Slots};
use hostsplit::report::moves::Moves;
use hostsplit::solve::Limits;
use hostsplit::spec::{Demand, Engine, GatewayDemand, Objective, Policy, Spec};
use hostsplit::topology::{Host, Level};
use hostsplit::units::PerSecond;
use proptest::prelude::*;

#[path = "support/bench.rs"]
mod bench;
#[path = "support/plain.rs"]
mod plain;

use crate::bench::Bench;

/// A host of so many NUMA nodes, each of one L3 domain with a core for the host.
fn host(at: usize, (numa, cores, gib): (u32, u32, u64)) -> Host {
    let node = |id: u32| {
        let first = id * (cores + 1);
        plain::node(id, vec![plain::l3(first..=first + cores)], gib)
    };
    let pools = vec![plain::pool("a", 1_000), plain::pool("b", 1_000)];
    Host { pools, ..plain::host(&format!("h{at}"), (0..numa).map(node).collect(), 0) }
}

fn demand(engine: Engine, load: u64) -> Demand {
    match engine {
        Engine::Redis => Demand::Sharded(plain::sharded(load * 1_500, load * 300, load * 40)),
        Engine::Elasticsearch => {
            Demand::Quorum(plain::search(load * 100, load / 10, load * 100, 1))
        }
        Engine::Nginx => Demand::Pool(plain::web(load * 400, 2_000, 20)),
        _ => Demand::GatewayPair(GatewayDemand {
            requests_per_s: PerSecond::new(load * 1_000),
            transactions_per_s: PerSecond::ZERO,
            response_bytes_per_s: load * 100_000,
            tls: false,
        }),
    }
}

const ENGINES: [Engine; 4] = [Engine::Redis, Engine::Elasticsearch, Engine::Nginx, Engine::Haproxy];

fn spec(hosts: Vec<Host>, policy: Policy, services: &[(Engine, u64)], machines: u32) -> Spec {
    let service = |(at, (engine, load)): (usize, &(Engine, u64))| {
        plain::service(&format!("s{at}"), *engine, demand(*engine, *load))
    };
    Spec {
        vms: vec![plain::machines("box", machines, 1, 512, 4)],
        ..plain::spec(hosts, policy, services.iter().enumerate().map(service).collect())
    }
}

/// The plan of a spec against a prior one, judged; `None` if there is none.
fn plan(spec: &Spec, prior: Option<&Plan>) -> Option<Plan> {
    let profiles = Profiles::builtin().unwrap();
    match make_with(spec, &profiles, &Limits::default(), prior) {
        Ok((plan, report)) => {
            assert!(!report.limit_hit);
            let mut faults = audit(&plan, &profiles);
            faults.retain(|one| one.kind != Kind::L3Straddled);
            assert_eq!(faults, [], "{spec:#?}");
            Some(plan)
        }
        Err(PlanError::Infeasible(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

fn tier(plan: &Plan, name: &str) -> Option<u64> {
    plan.tiers.iter().find(|tier| tier.name == name).map(|tier| tier.value)
}

prop_compose! {
    fn cases()(
        shapes in prop::collection::vec((1u32..3, 3u32..9, 6u64..24), 3..5),
        survive in prop::bool::ANY,
        services in prop::collection::vec((prop::sample::select(ENGINES.to_vec()), 1u64..60), 1..3),
        machines in 1u32..5,
    ) -> Spec {
        let hosts = shapes.into_iter().enumerate().map(|(at, shape)| host(at, shape)).collect();
        let policy = if survive { Policy::surviving(Level::Host) } else { Policy::nothing() };
        spec(hosts, policy, &services, machines)
    }
}

/// The same spec with more to do, another host, or a machine less.
fn changed(spec: &Spec, how: usize, new: (u32, u32, u64)) -> Spec {
    let mut spec = spec.clone();
    match how {
        0 => {
            for service in &mut spec.services {
                if let Demand::Pool(web) = &mut service.demand {
                    web.requests_per_s = PerSecond::new(web.requests_per_s.get() * 3 / 2);
                } else if let Demand::Sharded(cache) = &mut service.demand {
                    cache.reads_per_s = PerSecond::new(cache.reads_per_s.get() * 3 / 2);
                }
            }
        }
        1 => spec.topology.hosts.push(host(spec.topology.hosts.len(), new)),
        _ => spec.vms[0].count = (spec.vms[0].count - 1).max(1),
    }
    spec
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_can_stay_stays_at_the_same_cost(
        before in cases(),
        how in 0usize..3,
        new in (1u32..3, 3u32..9, 6u64..24),
    ) {
        let Some(first) = plan(&before, None) else { return Ok(()) };
        let same = plan(&before, Some(&first)).unwrap();
        prop_assert_eq!(&same.instances, &first.instances);
        prop_assert_eq!(&same.services, &first.services);

        let after = changed(&before, how, new);
        let (Some(free), Some(kept)) = (plan(&after, None), plan(&after, Some(&first))) else {
            return Ok(());
        };
        let cost = "cost of used hosts";
        prop_assert_eq!(tier(&free, cost), tier(&kept, cost));
        let stay = |plan| Moves::new(&first, plan).stay;
        prop_assert!(stay(&kept) >= stay(&free), "{} < {}", stay(&kept), stay(&free));
        // What the solver says is what the names say.
        let prior = u64::try_from(first.instances.len()).unwrap();
        if let Some(moves) = tier(&kept, "instances moved off their host") {
            prop_assert!(stay(&kept) + moves == prior, "{} + {moves} > {prior}", stay(&kept));
        }
        if let Some(new) = tier(&kept, "instances new on their host") {
            let moves = Moves::new(&first, &kept);
            prop_assert_eq!(moves.moved.len() + moves.new.len(), usize::try_from(new).unwrap());
        }
        side_by_side(&first, &kept)?;
        // Again with what was kept as the prior: nothing changes any more.
        let again = plan(&after, Some(&kept)).unwrap();
        prop_assert_eq!(&again.instances, &kept.instances);
        prop_assert_eq!(&again.services, &kept.services);
    }
}

/// What of a plan can exist beside a prior one, and what of the prior one stays.
fn side_by_side(prior: &Plan, plan: &Plan) -> Result<(), TestCaseError> {
    for instance in &plan.instances {
        let pool = |one: &Instance| one.volumes().next().map(|volume| volume.pool.clone());
        match prior.instance(&instance.name) {
            Some(old) if instance.role != Role::Fixed => {
                prop_assert_eq!((&old.host, pool(old)), (&instance.host, pool(instance)));
                prop_assert_eq!(old.address, instance.address);
            }
            Some(old) => prop_assert_eq!(old.address, instance.address),
            None => {
                let is_of_another = |old: &&Instance| {
                    old.address.is_some() && old.address == instance.address
                        || old.domain == instance.domain
                        || old.mac == instance.mac
                };
                prop_assert_eq!(prior.instances.iter().find(is_of_another), None);
            }
        }
    }
    for service in &plan.services {
        let Some(old) = prior.service(&service.name) else { continue };
        if old.groups.len() > service.groups.len() || service.engine != Engine::Redis {
            continue;
        }
        // Only what new groups get moves: nothing between two that stay.
        let pairs = old.groups.iter().zip(&service.groups);
        let slots = |group: &Group| Slots::planned(&group.slots);
        let kept: u32 = pairs.map(|(old, new)| slots(old).intersection(&slots(new)).count()).sum();
        let new: u32 = service.groups.iter().skip(old.groups.len()).map(Group::slot_count).sum();
        prop_assert_eq!(kept + new, u32::from(SLOTS));
    }
    Ok(())
}

#[test]
fn another_group_gets_a_part_of_each_and_all_others_stay() {
    let hosts: Vec<Host> = (0..4).map(|at| host(at, (1, 8, 32))).collect();
    let of =
        |load| spec(hosts.clone(), Policy::surviving(Level::Host), &[(Engine::Redis, load)], 1);
    let plans = |load, prior| plan(&of(load), prior).unwrap();
    let groups = |plan: &Plan| plan.services[0].groups.len();
    let small = plans(20, None);
    let large = plans(120, Some(&small));
    assert!(groups(&large) > groups(&small));
    side_by_side(&small, &large).unwrap();
    // Fewer again: each group that is left has all that it had, and a part of the others'.
    let again = plans(20, Some(&large));
    assert_eq!(groups(&again), groups(&small));
    let slots = |group: &Group| Slots::planned(&group.slots);
    for group in &again.services[0].groups {
        let mut prior = large.services[0].groups.iter();
        assert!(prior.any(|old| slots(old).minus(&slots(group)).is_empty()), "{group:?}");
    }
}

#[test]
fn what_grows_stays_on_its_host_and_is_powered_off_and_on_in_turn() {
    let bench = planned();
    bench.put("spec.yaml", &SPEC.replace("data: 1GiB", "data: 3GiB"));
    bench.run(&["plan", "spec.yaml", "--prior", "plan.json", "-o", "new.json"]);
    let screen = bench.run(&["diff", "plan.json", "new.json"]);
    insta::assert_snapshot!(screen, @"
    exit 0
    changes from the prior plan: 4 unchanged, 6 resized
      = cache-0  h1  896 MiB, 1 GiB data -> 2 GiB, 3 GiB data
      = cache-1  h3  896 MiB, 1 GiB data -> 2 GiB, 3 GiB data
      = cache-2  h2  896 MiB, 1 GiB data -> 2 GiB, 3 GiB data
      = cache-3  h2  896 MiB, 1 GiB data -> 2 GiB, 3 GiB data
      = cache-4  h1  896 MiB, 1 GiB data -> 2 GiB, 3 GiB data
      = cache-5  h3  896 MiB, 1 GiB data -> 2 GiB, 3 GiB data

    steps of the change, about 4 min:
      cache: memory 896 MiB -> 2 GiB, data volume 1 GiB -> 3 GiB; writes wait for up to 2 s at each of 3 hand-overs; up to 68 % used meanwhile
        1. switch off and on in turn, copying up to 2 GiB: cache-0, cache-1, cache-2, cache-3 and 2 more  4 min
    ---
    ");
    let json = bench.run(&["diff", "plan.json", "new.json", "--format", "json"]);
    let json = json.strip_prefix("exit 0\n").and_then(|json| json.strip_suffix("---\n")).unwrap();
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    assert_eq!(json["change"]["services"][0]["steps"][0]["work"], "power_cycle");
}

#[test]
fn more_groups_get_slots_after_their_instances_are_there() {
    let bench = planned();
    bench.put("spec.yaml", &SPEC.replace("60k/s", "120k/s"));
    bench.run(&["plan", "spec.yaml", "--prior", "plan.json", "-o", "new.json"]);
    insta::assert_snapshot!(bench.run(&["diff", "plan.json", "new.json"]), @"
    exit 0
    changes from the prior plan: 4 unchanged, 6 resized, 4 added
      = cache-0  h1  896 MiB, 1 GiB data -> 704 MiB, 1 GiB data
      = cache-1  h3  896 MiB, 1 GiB data -> 704 MiB, 1 GiB data
      = cache-2  h2  896 MiB, 1 GiB data -> 704 MiB, 1 GiB data
      = cache-3  h2  896 MiB, 1 GiB data -> 704 MiB, 1 GiB data
      = cache-4  h1  896 MiB, 1 GiB data -> 704 MiB, 1 GiB data
      = cache-5  h3  896 MiB, 1 GiB data -> 704 MiB, 1 GiB data
      + cache-6  h2
      + cache-7  h3
      + cache-8  h3
      + cache-9  h2

    steps of the change, about 6 min:
      cache: groups 3 -> 5, memory 896 MiB -> 704 MiB; writes wait for up to 2 s at each of 3 hand-overs; up to 68 % used meanwhile
        1. add cache-6, cache-7, cache-8, cache-9                                                         60 s
        2. move 6,553 slots, 409 MiB                                                                      84 s
        3. switch off and on in turn, copying up to 2 GiB: cache-0, cache-1, cache-2, cache-3 and 2 more  4 min
    ---
    ");
}

#[test]
fn addresses_of_instances_that_leave_are_taken_last() {
    let bench = planned();
    bench.put("hosts/h2.yaml", &format!("name: h9\n{HOST}"));
    let addresses = |name: &str| -> Vec<(String, String)> {
        let plan = Plan::from_text(&bench.read(name).unwrap()).unwrap();
        let shown = |one: &Instance| (one.name.to_string(), one.address.unwrap().to_string());
        plan.instances.iter().map(shown).collect()
    };
    let had = addresses("plan.json");
    bench.run(&["plan", "spec.yaml", "--prior", "plan.json", "-o", "wide.json"]);
    for (name, address) in addresses("wide.json") {
        let old = had.iter().find(|(_, other)| *other == address);
        assert!(old.is_none_or(|(old, _)| *old == name), "{name}: {address}");
    }
    // Ten instances in a range of ten: two have to leave before their successors come.
    bench.put("spec.yaml", &SPEC.replace("10.20.0.99", "10.20.0.59"));
    bench.run(&["plan", "spec.yaml", "--prior", "plan.json", "-o", "narrow.json"]);
    let screen = bench.run(&["diff", "plan.json", "narrow.json"]);
    let short =
        "  2 addresses short to keep old and new side by side: cache-2, cache-3 must leave first\n";
    assert!(screen.contains(short), "{screen}");
    let all: Vec<String> = addresses("narrow.json").into_iter().map(|(_, one)| one).collect();
    assert_eq!((all.len(), had.len()), (10, 10));
    assert!(had.iter().all(|(_, address)| all.contains(address)));
}

#[test]
fn whoever_does_not_mind_moves_has_no_objective_for_them() {
    let hosts: Vec<Host> = (0..3).map(|at| host(at, (1, 6, 16))).collect();
    let mut spec = spec(hosts, Policy::surviving(Level::Host), &[(Engine::Redis, 20)], 1);
    let profiles = Profiles::builtin().unwrap();
    let (first, _) = make(&spec, &profiles, &Limits::default()).unwrap();
    let moves = "instances moved off their host";
    assert_eq!(tier(&first, moves), None);
    assert_eq!(tier(&plan(&spec, Some(&first)).unwrap(), moves), Some(0));
    spec.policy.objective = vec![Objective::Unmet, Objective::Cost];
    assert_eq!(tier(&plan(&spec, Some(&first)).unwrap(), moves), None);
}

const HOST: &str = "\
cost: 10
hypervisor: kvm
bridges: [br0]
reserve: { cores: 1, memory: 1GiB }
pools: [{ name: default, capacity: 100GiB }]
numa: [{ id: 0, memory: 8GiB, l3: [{ cores: [[0], [1], [2], [3], [4], [5]] }] }]
";

const SPEC: &str = "\
name: shop
policy: { survive: host }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.99 }
hosts: [{ include: hosts/*.yaml }]
services:
  - { name: cache, engine: redis, demand: { reads: 60k/s, writes: 4k/s, data: 1GiB } }
vms:
  - { name: box, count: 3, vcpus: 1, memory: 1GiB, disk: 10GiB }
  - { name: old, count: 1, vcpus: 1, memory: 1GiB, disk: 10GiB }
";

/// Three equal hosts with a plan.
fn planned() -> Bench {
    let bench = Bench::new();
    for name in ["h1", "h2", "h3"] {
        bench.put(&format!("hosts/{name}.yaml"), &format!("name: {name}\n{HOST}"));
    }
    bench.put("spec.yaml", SPEC);
    let planned = bench.run(&["plan", "spec.yaml"]);
    assert!(planned.starts_with("exit 0\n"), "{planned}");
    bench
}

/// The screen from a word on.
fn tail<'a>(screen: &'a str, from: &str) -> &'a str {
    screen.find(from).map_or(screen, |at| &screen[at..])
}

/// A host is replaced by a new one, a machine goes, one comes, the boxes grow.
fn replace(bench: &Bench) {
    bench.put("hosts/h2.yaml", &format!("name: h9\n{HOST}"));
    let old = "  - { name: old, count: 1, vcpus: 1, memory: 1GiB, disk: 10GiB }\n";
    let new = "  - { name: new, count: 1, vcpus: 1, memory: 1GiB, disk: 10GiB }\n";
    bench.put("spec.yaml", &SPEC.replace(old, new).replace("10GiB }\n", "12GiB }\n"));
}

#[test]
fn a_host_that_is_replaced_takes_over_what_the_old_one_had() {
    let bench = planned();
    replace(&bench);
    let screen = bench.run(&["plan", "spec.yaml", "--prior", "plan.json", "-o", "new.json"]);
    insta::assert_snapshot!(tail(&screen, "objectives"), @"
    objectives, lexicographic:
      unmet demand                             0 operations/s  optimal
      cost of used hosts                       30              optimal
      instances moved off their host           4               optimal
      instances new on their host              3               optimal
      instances moved off their NUMA node      0               optimal
      services whose layout changes            0               optimal
      memory short for old beside new          0 MiB           optimal
      cores                                    10              optimal
      memory                                   9.2 GiB         optimal
      cores on the busiest host                4               optimal
      leading instances in one failure domain  1               optimal
      leading instances moved                  0               optimal

    changes from the prior plan: 4 unchanged, 3 moved, 2 resized, 1 added, 1 removed
      ~ cache-6  h2 -> h9, replaces cache-2
      ~ cache-7  h2 -> h9, replaces cache-3
      ~ box-2    h2 -> h9
      = box-0    h1  10 GiB root -> 12 GiB root
      = box-1    h1  10 GiB root -> 12 GiB root
      + new-0    h9
      - old-0    h3

    steps of the change, about 3 min:
      cache: writes wait for up to 2 s at a hand-over; up to 68 % used meanwhile
        1. add cache-6, cache-7              60 s
        2. copy 684 MiB to cache-6, cache-7  4 s
        3. remove cache-2, cache-3           10 s
      box: runs while it moves
        1. migrate box-2, 13 GiB  3 min
      new: no machine is stopped
        1. add new-0  60 s
      old: removed
        1. remove old-0  5 s
        needs --allow-downtime old: old-0 (not in the plan any more)

    10 instances on 3 hosts. audit: no findings. written to new.json
    ---
    ");
    let before = bench.read("plan.json");
    // The same from two files.
    let diff = bench.run(&["diff", "plan.json", "new.json"]);
    let diff = diff.strip_prefix("exit 0\n").and_then(|diff| diff.strip_suffix("---\n")).unwrap();
    assert!(diff.starts_with("changes from the prior plan: "), "{diff}");
    assert!(screen.contains(diff), "{diff}");
    assert_eq!(bench.read("plan.json"), before);
    let screen = bench.run(&["plan", "spec.yaml", "--prior", "new.json"]);
    insta::assert_snapshot!(tail(&screen, "changes from"), @"
    changes from the prior plan: 10 unchanged

    steps of the change: none

    10 instances on 3 hosts. audit: no findings. written to plan.json
    ---
    ");
}

#[test]
fn a_plan_of_another_deployment_is_no_prior() {
    let bench = planned();
    bench.put("spec.yaml", &SPEC.replace("name: shop", "name: other"));
    let before = bench.read("plan.json");
    let screen = bench.run(&["plan", "spec.yaml", "--prior", "plan.json"]);
    assert_eq!(bench.read("plan.json"), before);
    assert_eq!(bench.names(), ["hosts", "plan.json", "spec.yaml"]);
    insta::assert_snapshot!(screen, @"
    exit 1
    ---
    error: plan.json is a plan of deployment shop, but the spec defines other
    hint: --prior expects the last deployed plan of the same deployment
    ");
}

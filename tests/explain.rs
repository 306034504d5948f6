//! Whole screens of `explain`, on a small cluster and two spare hosts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/bench.rs"]
#[expect(dead_code, reason = "other tests list what was written")]
mod bench;

use crate::bench::Bench;

const HOST: &str = "\
hypervisor: kvm
bridges: [br0]
reserve: { cores: 1, memory: 1GiB }
pools: [{ name: default, capacity: 100GiB }]
";

/// Three hosts that carry a cluster, a dear one that is not needed and one that is
/// too small.
fn planned() -> Bench {
    let bench = Bench::new();
    let numa = |cores: u32, memory: &str| {
        let cores: Vec<String> = (0..cores).map(|cpu| format!("[{cpu}]")).collect();
        format!(
            "numa: [{{ id: 0, memory: {memory}, l3: [{{ cores: [{}] }}] }}]\n",
            cores.join(", ")
        )
    };
    for (name, cores, memory, cost) in [
        ("h1", 4, "8GiB", 10),
        ("h2", 4, "8GiB", 10),
        ("h3", 4, "8GiB", 10),
        ("h4", 8, "8GiB", 25),
        ("h5", 2, "1200MiB", 1),
    ] {
        let text = format!("name: {name}\ncost: {cost}\n{HOST}{}", numa(cores, memory));
        bench.put(&format!("hosts/{name}.yaml"), &text);
    }
    bench.put(
        "spec.yaml",
        "\
name: shop
policy: { survive: host }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.99 }
hosts: [{ include: hosts/*.yaml }]
services:
  - { name: cache, engine: redis, demand: { reads: 60k/s, writes: 4k/s, data: 1GiB } }
vms:
  - { name: box, count: 2, vcpus: 1, memory: 1GiB, disk: 10GiB, spread: host }
",
    );
    let planned = bench.run(&["plan", "spec.yaml"]);
    assert!(planned.starts_with("exit 0\n"), "{planned}");
    bench
}

#[test]
fn an_instance_is_explained_by_where_else_it_could_stand() {
    insta::assert_snapshot!(planned().run(&["explain", "plan.json", "cache-3"]), @"
    exit 0
    cache-3 is placed on h2: standby for cache-0 if h1 fails
      settings  maxmemory 352 MiB, appendonly on, save none, repl-backlog-size 32 MiB
    Moved alone to another host:
      h1 not enough cores: needs 1 cores on one NUMA node, at most 0 free
      h3 possible: same cost (30), equally good; ties are broken by the order of hosts
      h4 possible: cost 55 (+25)
      h5 not enough memory: needs 978 MiB on one NUMA node, at most 176 free
    ---
    ");
}

#[test]
fn a_service_is_explained_by_the_other_splits() {
    insta::assert_snapshot!(planned().run(&["explain", "plan.json", "cache"]), @"
    exit 0
    cache: 48 layouts evaluated jointly with all other services; totals are those of the best plan with that layout
      layout                         usable/instance  cost  hosts  cores  memory
      6 (3 × 2) of 1 vCPU, 896 MiB   32k reads/s      30    3      8      7.2 GiB  chosen
      10 (5 × 2) of 1 vCPU, 704 MiB  32k reads/s      45    3      12     8.8 GiB
      8 (4 × 2) of 1 vCPU, 768 MiB   32k reads/s      55    4      10     8 GiB
      12 (6 × 2) of 1 vCPU, 640 MiB  32k reads/s      55    4      14     9.5 GiB
      14 (7 × 2) of 1 vCPU, 576 MiB  32k reads/s      55    4      16     9.8 GiB
      6 (3 × 2) of 2 vCPU, 896 MiB   72k reads/s      -     -      -      -        does not fit
      6 (3 × 2) of 4 vCPU, 896 MiB   127k reads/s     -     -      -      -        does not fit
      8 (4 × 2) of 2 vCPU, 768 MiB   72k reads/s      -     -      -      -        does not fit
      10 (5 × 2) of 2 vCPU, 704 MiB  72k reads/s      -     -      -      -        does not fit
      12 (6 × 2) of 2 vCPU, 640 MiB  72k reads/s      -     -      -      -        does not fit
      14 (7 × 2) of 2 vCPU, 576 MiB  72k reads/s      -     -      -      -        does not fit
      16 (8 × 2) of 1 vCPU, 512 MiB  32k reads/s      -     -      -      -        does not fit
      16 (8 × 2) of 2 vCPU, 512 MiB  72k reads/s      -     -      -      -        does not fit
    ---
    ");
}

#[test]
fn rules_have_prices() {
    insta::assert_snapshot!(planned().run(&["explain", "plan.json", "--price"]), @"
    exit 0
                                                     cost  hosts  cores  memory
    plan                                             30    3      8      7.2 GiB
    without policy.survive: host                     20    2      5      4.6 GiB  saves 10 of cost, 1 host, 3 cores
    without policy.survive: host, quorum: automatic  30    3      8      7.2 GiB  saves nothing
    without spread: host of box                      30    3      8      7.2 GiB  saves nothing
    without reserve of the hosts                     21    3      8      7.2 GiB  saves 9 of cost
    ---
    ");
}

#[test]
fn a_wish_costs_more_or_breaks_a_rule() {
    let bench = planned();
    let wish = |wish: &str| bench.run(&["explain", "plan.json", "--why-not", wish]);
    insta::assert_snapshot!(wish("cache on h4"), @"
    exit 0
    cache has no instance on h4.
      One more is possible: cost 45 instead of 30.
    ---
    ");
    insta::assert_snapshot!(wish("cache-0 on h5"), @"
    exit 0
    cache has no instance on h5.
      One more is infeasible. memory: the smallest instance needs 593 MiB, h5 has at most 176 MiB in one
      place.
    ---
    ");
    insta::assert_snapshot!(wish("box on h1"), @"
    exit 0
    box has 1 instance on h1.
      One more is infeasible. At most one of box may be in one host.
    ---
    ");
    insta::assert_snapshot!(wish("cache at h4"), @r#"
    exit 2
    ---
    error: cannot parse "cache at h4": expected SERVICE on HOST, e.g. "cache on h3"
    "#);
    insta::assert_snapshot!(wish("cache on h9"), @"
    exit 1
    ---
    error: the plan has no service cache or no host h9
    hint: hosts are h1, h2, h3, h4, h5
    ");
}

#[test]
fn what_the_plan_does_not_have_is_said() {
    insta::assert_snapshot!(planned().run(&["explain", "plan.json", "queue"]), @r#"
    exit 1
    ---
    error: the plan has neither a service nor an instance "queue"
    hint: services are cache, instances are named like cache-0
    "#);
}

#[test]
fn programs_get_the_same_answers() {
    let bench = planned();
    for (args, key) in [
        (vec!["cache"], "service"),
        (vec!["cache-0"], "instance"),
        (vec!["--price"], "prices"),
        (vec!["--why-not", "cache on h4"], "why_not"),
    ] {
        let all = [vec!["explain", "plan.json"], args, vec!["--format", "json"]].concat();
        let said = bench.run(&all);
        let json = said.strip_prefix("exit 0\n").and_then(|said| said.strip_suffix("---\n"));
        let value: serde_json::Value = serde_json::from_str(json.unwrap()).unwrap();
        assert!(value.get(key).is_some(), "{said}");
    }
}

//! Whole screens of `hostsplit plan` where there is no plan: what was asked, what
//! is there, by how much, what would help. Exit code 4, and nothing is written.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/bench.rs"]
mod bench;

use crate::bench::Bench;

/// A plan that was there before, of a format that is no longer read.
const OLD_PLAN: &str = "{\"format\": 1, \"instances\": []}";

const SMALL: &str = "reads: 3k/s, writes: 1k/s, value: 512B, data: 150MiB, persistence: aof";

/// A spec: equal hosts of one NUMA node, of whose cores and memory the host keeps
/// one and 2 GiB, and a Redis Cluster.
#[derive(Clone, Copy)]
struct Asked<'a> {
    hosts: u32,
    cores: u32,
    memory: &'a str,
    disk: &'a str,
    last_address: u32,
    survive: &'a str,
    demand: &'a str,
    vms: &'a str,
}

const ASKED: Asked = Asked {
    hosts: 3,
    cores: 4,
    memory: "16GiB",
    disk: "100GiB",
    last_address: 99,
    survive: "host",
    demand: SMALL,
    vms: "",
};

impl Asked<'_> {
    fn spec(&self) -> String {
        let Self { memory, disk, last_address, survive, demand, vms, .. } = self;
        let cores: Vec<String> = (0..self.cores).map(|core| format!("[{core}]")).collect();
        let cores = cores.join(", ");
        let host = |at: u32| {
            format!(
                "  - name: h{at}\n    hypervisor: kvm\n    bridges: [br0]\n    \
                 numa: [{{ id: 0, memory: {memory}, l3: [{{ cores: [{cores}] }}] }}]\n    \
                 pools: [{{ name: default, capacity: {disk} }}]\n"
            )
        };
        let hosts: String = (1..=self.hosts).map(host).collect();
        format!(
            "name: shop\npolicy: {{ survive: {survive} }}\n\
             network: {{ bridge: br0, subnet: 10.30.0.0/24, \
             addresses: 10.30.0.50-10.30.0.{last_address} }}\n\
             hosts:\n{hosts}services:\n  \
             - {{ name: cache, engine: redis, demand: {{ {demand} }} }}\n{vms}"
        )
    }

    /// The screen; the old plan must stay and nothing else be there.
    fn screen(&self) -> String {
        let bench = Bench::new();
        bench.put("spec.yaml", &self.spec()).put("plan.json", OLD_PLAN);
        let screen = bench.run(&["plan", "spec.yaml"]);
        assert_eq!(bench.read("plan.json").unwrap(), OLD_PLAN);
        assert_eq!(bench.names(), ["plan.json", "spec.yaml"]);
        screen
    }
}

#[test]
fn too_few_cores() {
    let asked = Asked { demand: &SMALL.replace("3k/s", "900k/s"), ..ASKED };
    insta::assert_snapshot!(asked.screen(), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because the smallest layouts that serve the demand need more than there is:
        all hosts  cores  needs 56, allocatable 9, short by 47
      At least 10 % of the demand on cache could be served, data and load alike.
      Adding 27 hosts like h1 would make it feasible (cost 27).
    hint: add 27 hosts like h1; or reduce the demand
    ");
}

#[test]
fn too_little_memory() {
    let asked = Asked { cores: 8, demand: &SMALL.replace("150MiB", "30GiB"), ..ASKED };
    insta::assert_snapshot!(asked.screen(), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because the smallest layouts that serve the demand need more than there is:
        all hosts  memory  needs 106 GiB (of which 696 MiB for QEMU), allocatable 42 GiB, short by 64 GiB
      At least 35 % of the demand on cache could be served, data and load alike.
      Adding 5 hosts like h1 would make it feasible (cost 5).
    hint: add 5 hosts like h1; or reduce the demand
    ");
}

#[test]
fn memory_behind_pages_that_divide_nothing() {
    let memory = "16GiB, pages: { 1GiB: 12 }";
    let asked = Asked { cores: 8, memory, demand: &SMALL.replace("150MiB", "4GiB"), ..ASKED };
    insta::assert_snapshot!(asked.screen(), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because the smallest layouts that serve the demand need more than there is:
        all hosts  memory  needs 16.2 GiB (of which 516 MiB for QEMU), allocatable 6 GiB, short by 10.2 GiB
      36 GiB more is unusable: the pages of a NUMA node's instances have one size,
      which must divide the memory of each.
      At least 25 % of the demand on cache could be served, data and load alike.
      Adding 7 hosts like h1 would make it feasible (cost 7).
    hint: add 7 hosts like h1; or let the hosts have pages of 2MiB instead of 1GiB; or reduce the demand
    ");
}

/// A spec of machines on one host that keeps nothing: 128 GiB, of which some is in huge pages.
fn machines(count: u32, pages: u32) -> String {
    let cores: Vec<String> = (0..80).map(|core| format!("[{core}]")).collect();
    let pages = if pages > 0 { format!("pages: {{ 2MiB: {pages} }}, ") } else { String::new() };
    format!(
        "name: full\npolicy: {{ survive: none }}\nhosts:\n  - name: h\n    hypervisor: kvm\n    \
         reserve: none\n    numa: [{{ id: 0, memory: 128GiB, {pages}l3: [{{ cores: [{}] }}] }}]\n    \
         pools: [{{ name: default, capacity: 1TiB }}]\n\
         vms:\n  - {{ name: m, count: {count}, vcpus: 2, memory: 4GiB }}\n",
        cores.join(", ")
    )
}

/// QEMU takes 96 MiB for each of these machines: 31 of 4 GiB fit into 128 GiB, not 32.
#[test]
fn memory_of_qemu_is_counted() {
    let screen = |count, pages| {
        let bench = Bench::new();
        bench.put("spec.yaml", &machines(count, pages));
        bench.run(&["plan", "spec.yaml", "--format", "json"])
    };
    assert!(screen(31, 0).starts_with("exit 0\n"), "{}", screen(31, 0));
    // 120 GiB in huge pages hold 30, and 8 GiB are left for QEMU.
    assert!(screen(30, 61_440).starts_with("exit 0\n"), "{}", screen(30, 61_440));
    // 127 GiB in huge pages would hold 31, and 1 GiB is left for QEMU: enough for 10.
    let few = screen(10, 65_024);
    assert!(few.starts_with("exit 0\n") && few.contains("\"memory_overhead_mib\": 960"), "{few}");
    assert!(screen(11, 65_024).starts_with("exit 4\n"));
    let bench = Bench::new();
    bench.put("spec.yaml", &machines(32, 0));
    insta::assert_snapshot!(bench.run(&["plan", "spec.yaml"]), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because the smallest layouts that serve the demand need more than there is:
        all hosts  memory  needs 131 GiB (of which 3 GiB for QEMU), allocatable 128 GiB, short by 3 GiB
      Adding 1 host like h would make it feasible (cost 1).
    hint: add 1 host like h
    ");
}

#[test]
fn too_little_disk() {
    let asked = Asked { disk: "12GiB", ..ASKED };
    insta::assert_snapshot!(asked.screen(), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because the smallest layouts that serve the demand need more than there is:
        all pools  disk  needs 54 GiB, allocatable 36 GiB, short by 18 GiB
      None of the demand on cache could be served.
      Adding 3 hosts like h1 would make it feasible (cost 3).
    hint: add 3 hosts like h1
    ");
}

#[test]
fn too_few_addresses() {
    let asked = Asked { last_address: 53, ..ASKED };
    insta::assert_snapshot!(asked.screen(), @"
    exit 1
    ---
    error: spec.yaml:3:58: addresses: 10.30.0.50-10.30.0.53 are 4 addresses; the services need at least 6 and the vms 0
    hint: widen the range to 6 or more
    ");
}

#[test]
fn two_hosts_keep_no_quorum() {
    let asked = Asked { hosts: 2, ..ASKED };
    insta::assert_snapshot!(asked.screen(), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because cache needs 3 masters, no failure domain may hold half of them, and
      there are only 2 hosts: two hosts cannot keep a cluster that elects by
      majority writable after losing one.
      None of the demand on cache could be served.
      Adding 1 host like h1 would make it feasible (cost 1).
    hint: add 1 host like h1; or add 1 small host, of which 2 cores, 4GiB and a disk of 64GiB are enough; or accept manual failover: `survive: { level: host, quorum: manual }`; or `survive: none`
    ");
}

#[test]
fn one_host_keeps_no_quorum() {
    let asked = Asked { hosts: 1, cores: 8, ..ASKED };
    insta::assert_snapshot!(asked.screen(), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because cache needs 3 masters, no failure domain may hold half of them, and
      there is only 1 host: losing it stops the cluster.
      None of the demand on cache could be served.
      Adding 2 hosts like h1 would make it feasible (cost 2).
    hint: add 2 hosts like h1; or add 2 small hosts, of which 2 cores, 4GiB and a disk of 64GiB are enough; or `survive: none`
    ");
}

#[test]
fn no_hosts_at_all() {
    let asked = Asked { hosts: 0, ..ASKED };
    insta::assert_snapshot!(asked.screen(), @"
    exit 1
    ---
    error: spec.yaml:4:6: hosts: found nothing; expected a list such as [a, b]
    ");
}

#[test]
fn one_instance_larger_than_any_numa_node() {
    let asked = Asked {
        cores: 6,
        vms: "vms: [{ name: builder, count: 1, vcpus: 8, memory: 4GiB, disk: 20GiB }]",
        ..ASKED
    };
    insta::assert_snapshot!(asked.screen(), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because an instance takes its CPUs and memory from one NUMA node and its
      disks from one pool, and none is large enough for the smallest instance of
      builder, it cannot be placed.
      Too small for even one instance, when empty:
        h1  builder  cores  needs 8, allocatable 5
        h2  builder  cores  needs 8, allocatable 5
        h3  builder  cores  needs 8, allocatable 5
      Adding 1 host like h1 with 9 cores in one NUMA node would make it feasible
      (cost 1).
    hint: add 1 host like h1 with 9 cores in one NUMA node
    ");
}

#[test]
fn data_larger_than_everything() {
    let asked = Asked { demand: &SMALL.replace("150MiB", "100TiB"), ..ASKED };
    insta::assert_snapshot!(asked.screen(), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because cache needs 8,798 processes and the limit is 1,000 for processes of
      one cluster, no layout of it serves the demand.
      Because the smallest layouts that serve the demand need more than there is:
        all hosts    cores      needs 8,798, allocatable 9, short by 8,789
        all hosts    memory     needs 348.7 TiB (of which 1.3 TiB for QEMU), allocatable 42 GiB, short by 348.7 TiB
        all pools    disk       needs 669.1 TiB, allocatable 300 GiB, short by 668.8 TiB
        the network  addresses  needs 8,798, allocatable 50, short by 8,748
      None of the demand on cache could be served.
    ");
}

#[test]
fn more_machines_than_hosts_to_spread_them_over() {
    let asked = Asked {
        cores: 8,
        vms: "vms: [{ name: builder, count: 5, vcpus: 1, memory: 1GiB, disk: 20GiB, spread: host }]",
        ..ASKED
    };
    insta::assert_snapshot!(asked.screen(), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because builder consists of 5 machines, at most one per host, and there are
      only 3 hosts, 2 of them cannot be placed.
      Adding 2 hosts like h1 would make it feasible (cost 2).
    hint: add 2 hosts like h1; or `count: 3` of builder; or `spread: { per: host, at_most: 2 }` of builder; or omit `spread` of builder
    ");
}

#[test]
fn more_machines_than_hosts_may_hold_of_them() {
    let asked = Asked {
        cores: 8,
        vms: "vms: [{ name: builder, count: 7, vcpus: 1, memory: 1GiB, disk: 20GiB, spread: { per: host, at_most: 2 } }]",
        ..ASKED
    };
    insta::assert_snapshot!(asked.screen(), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because builder consists of 7 machines, at most 2 per host, and there are
      only 3 hosts, 1 of them cannot be placed.
      Adding 1 host like h1 would make it feasible (cost 1).
    hint: add 1 host like h1; or `count: 6` of builder; or `spread: { per: host, at_most: 3 }` of builder; or omit `spread` of builder
    ");
}

#[test]
fn enough_in_total_but_not_in_the_right_places() {
    let asked = Asked {
        cores: 5,
        vms: "vms: [{ name: builder, count: 2, vcpus: 3, memory: 1GiB, disk: 20GiB }]",
        ..ASKED
    };
    insta::assert_snapshot!(asked.screen(), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because an instance is never split across NUMA nodes and copies are in
      different failure domains, free capacity in one place does not help in
      another; 1 core more on NUMA nodes that can still take an instance would
      make it feasible.
      The reserve of h1, h2 and h3 takes 1 of 5 cores and 2 GiB of 16 GiB of each;
      it is the default where a host states no `reserve:`.
      None of the demand on cache could be served.
      Adding 1 host like h1 would make it feasible (cost 1).
    hint: add 1 host like h1
    ");
}

/// A reserve is named by what it takes, and is no default where it was stated.
#[test]
fn only_what_a_host_keeps_is_named() {
    let bench = Bench::new();
    let plan = |hosts: &str, vms: &str| {
        let spec = format!(
            "name: s\npolicy: {{ survive: none }}\nhosts:\n{hosts}vms:\n  - {{ name: a, {vms} }}\n"
        );
        bench.put("spec.yaml", &spec).run(&["plan", "spec.yaml"])
    };
    let hosts = "  - { name: large, cores: 8, memory: 64GiB, reserve: { cores: 4 } }\n  \
                 - { name: small, cores: 2, memory: 64GiB, reserve: none }\n";
    insta::assert_snapshot!(plan(hosts, "count: 2, vcpus: 4, memory: 1GiB"), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because the smallest layouts that serve the demand need more than there is:
        all hosts  cores  needs 8, allocatable 6, short by 2
      Too small for even one instance, when empty:
        small  a  cores  needs 4, allocatable 2
      The reserve of large takes 4 of 8 cores and 2 GiB of 64 GiB.
      Adding 1 host like large would make it feasible (cost 1).
    hint: add 1 host like large
    ");
    let host = "  - { name: small, cores: 2, memory: 4GiB, reserve: { memory: 1GiB } }\n";
    insta::assert_snapshot!(plan(host, "vcpus: 1, memory: 3500MiB"), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because an instance takes its CPUs and memory from one NUMA node and its
      disks from one pool, and none is large enough for the smallest instance of
      a, it cannot be placed.
      Because the smallest layouts that serve the demand need more than there is:
        all hosts  memory  needs 3.5 GiB (of which 87 MiB for QEMU), allocatable 3 GiB, short by 515 MiB
      Too small for even one instance, when empty:
        small  a  memory  needs 3.5 GiB (of which 87 MiB for QEMU), allocatable 3 GiB
      The reserve of small takes 1 GiB of 4 GiB.
      Adding 1 host like small with 5 GiB in one NUMA node would make it feasible
      (cost 1).
    hint: add 1 host like small with 5 GiB in one NUMA node; or make a smaller: `vcpus: 1, memory: 2985MiB`
    ");
}

/// What is said to be servable is: that share of the demand has a plan.
#[test]
fn the_share_that_could_be_served_has_a_plan() {
    let whole = Asked { demand: &SMALL.replace("3k/s", "900k/s"), cores: 8, ..ASKED };
    let screen = whole.screen();
    assert!(screen.contains("At least 35 % of the demand"), "{screen}");
    // 35 % of 900k/s and of 1k/s.
    let part = SMALL.replace("3k/s", "315k/s").replace("1k/s", "350/s");
    let bench = Bench::new();
    bench.put("spec.yaml", &Asked { demand: &part, ..whole }.spec());
    let screen = bench.run(&["plan", "spec.yaml"]);
    assert!(screen.starts_with("exit 0\n"), "{screen}");
}

#[test]
fn programs_get_the_same_numbers() {
    let bench = Bench::new();
    bench.put("spec.yaml", &Asked { hosts: 2, ..ASKED }.spec());
    insta::assert_snapshot!(bench.run(&["plan", "spec.yaml", "--format", "json"]), @r#"
    exit 4
    {
      "infeasible": {
        "assumed": [],
        "rejections": [],
        "remedies": [
          "add 1 host like h1",
          "add 1 small host, of which 2 cores, 4GiB and a disk of 64GiB are enough",
          "accept manual failover: `survive: { level: host, quorum: manual }`",
          "`survive: none`"
        ],
        "served": [
          {
            "demand_per_s": 4600,
            "served_per_s": 0,
            "service": "cache"
          }
        ],
        "shortages": [
          {
            "available": 2,
            "because": "Because cache needs 3 masters, no failure domain may hold half of them, and there are only 2 hosts: two hosts cannot keep a cluster that elects by majority writable after losing one.",
            "needed": 3,
            "of": null,
            "resource": "failure domains (host) for cache",
            "short_by": 1,
            "unit": "hosts"
          }
        ],
        "withheld": [],
        "would_fit": [
          {
            "cost": 1,
            "count": 1,
            "like": "h1"
          }
        ]
      }
    }
    ---
    error: no plan satisfies the spec
      Because cache needs 3 masters, no failure domain may hold half of them, and
      there are only 2 hosts: two hosts cannot keep a cluster that elects by
      majority writable after losing one.
      None of the demand on cache could be served.
      Adding 1 host like h1 would make it feasible (cost 1).
    hint: add 1 host like h1; or add 1 small host, of which 2 cores, 4GiB and a disk of 64GiB are enough; or accept manual failover: `survive: { level: host, quorum: manual }`; or `survive: none`
    "#);
}

/// A spec of a search service with one copy on eight hosts.
fn search(demand: &str) -> String {
    format!(
        "name: find\npolicy: {{ survive: none }}\n\
         network: {{ bridge: br0, subnet: 10.30.0.0/24, addresses: 10.30.0.50-10.30.0.99 }}\n\
         hosts:\n  - {{ name: n, count: 8, cores: 12, threads: 2, memory: 64GiB, disk: 2TiB }}\n\
         services:\n  - {{ name: items, engine: opensearch, demand: {{ {demand} }} }}\n"
    )
}

/// Instances that can hold no shard are promised nothing, so there are no more than shards.
#[test]
fn no_more_instances_than_shards() {
    let planned = |demand: &str| {
        let bench = Bench::new();
        bench.put("spec.yaml", &search(demand));
        let screen = bench.run(&["plan", "spec.yaml", "--format", "json"]);
        assert!(screen.starts_with("exit 0\n"), "{screen}");
        let plan = bench.read("plan.json").unwrap();
        let count = |name: &str| plan.matches(name).count();
        (count("\"role\": \"data\"") + count("\"role\": \"voter\""), plan)
    };
    let (instances, plan) =
        planned("index: 20 docs/s, queries: 500/s, data: 24GiB, copies: 1, shards_per_query: 4");
    assert!((1..=4).contains(&instances), "{instances}");
    assert!(plan.contains("\"index.number_of_shards\""));
    // One shard is worth one instance, and two copies of it are worth two.
    let (one, _) =
        planned("index: 20 docs/s, queries: 300/s, data: 24GiB, copies: 1, shards_per_query: 1");
    assert_eq!(one, 1);
}

#[test]
fn too_few_shards_for_the_searches() {
    let bench = Bench::new();
    let demand = "index: 90k docs/s, queries: 100/s, data: 24GiB, copies: 1, shards_per_query: 1";
    bench.put("spec.yaml", &search(demand));
    insta::assert_snapshot!(bench.run(&["plan", "spec.yaml"]), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because items needs 4 shards and the limit is 1 for primary shards of an
      index, no layout of it serves the demand.
      At least 30 % of the demand on items could be served, data and load alike.
    hint: set `shards_per_query: 4` of items; or reduce the demand
    ");
    // The hint is true.
    bench.put("spec.yaml", &search(&demand.replace("shards_per_query: 1", "shards_per_query: 4")));
    let screen = bench.run(&["plan", "spec.yaml"]);
    assert!(screen.starts_with("exit 0\n"), "{screen}");
}

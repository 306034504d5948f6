//! Plans with numbers of the user's own: as they are made, judged and shown.

use std::collections::{BTreeMap, BTreeSet};

use hostsplit::profile::{Decimal, Own, OwnProfiles};
use hostsplit::sizing::{SizingContext, SizingInput};
use hostsplit::spec::{
    Cluster, Demand, Engine, FailoverMode, GatewayDemand, Policy, RelationalDemand, Spec,
};
use hostsplit::topology::Level;
use hostsplit::units::{Mebibytes, PerSecond};
use serde_json::Value;

use super::{REDIS, bench, plain};

/// By hand: 7000 · 0.875 of a core · 0.95 virtualised · 0.85 on a shared cache = 4945
/// a second, less the headroom of 0.712 = 1424. 4600 are asked for, so three masters
/// of one virtual CPU are too few, four would leave half of them on one of three hosts.
#[test]
fn a_number_of_the_specs_own_changes_the_plan() {
    let bench = bench("{ set: { threads.one_thread: 7000 } }");
    let screen = bench.run(&["plan", "spec.yaml"]);
    insta::assert_snapshot!(screen.lines().take(8).collect::<Vec<_>>().join("\n"), @"
    exit 0
    cache  redis: 10 instances of 1 vCPU, 512 MiB memory, 1 GiB data
      layout    5 shards, 1 replica each; limited by throughput per instance
      demand    4,600 reads/s, from 3,000 reads/s + 1,000 writes/s × 1.6 (1 replica, append-only file)
      capacity  7,120 reads/s, 65 % used by the demand
      instance  1,424 of a ceiling of 4,945 reads/s usable; unit: plain reads per second
      settings  maxmemory 129 MiB, appendonly on, save none, repl-backlog-size 32 MiB
      clients   begin at 10.20.0.50:6379, 10.20.0.51:6379 or 10.20.0.52:6379: each names all others
    ");
    let plan: Value = serde_json::from_str(&bench.read("plan.json").unwrap()).unwrap();
    assert_eq!(plan["services"][0]["layout"]["groups"], 5);
    let capacity = &plan["services"][0]["capacity"];
    assert_eq!(
        (&capacity["ceiling_per_s"], &capacity["usable_per_s"]),
        (&4945.into(), &1424.into())
    );
    assert_eq!(
        (&capacity["total_per_s"], &capacity["extrapolated"]),
        (&7120.into(), &false.into())
    );
    insta::assert_snapshot!(plan["profiles"], @r#"{"redis":{"set":{"threads.one_thread":"7000"}}}"#);
    assert!(bench.run(&["check", "plan.json"]).starts_with("exit 0\n"));
    for args in [&["show"][..], &["show", "--format", "markdown"]] {
        let screen = bench.run(args);
        let line = "\nprofile of redis: threads.one_thread = 7000 (from the spec)\n";
        assert!(screen.contains(line), "{screen}");
    }
    let json = bench.run(&["show", "--format", "json"]);
    assert!(json.contains("\"threads.one_thread\": \"7000\""), "{json}");
    let price = bench.run(&["explain", "plan.json", "--price"]);
    assert!(price.starts_with("exit 0\n"), "{price}");
    let again = bench.run(&["plan", "spec.yaml", "-o", "again.json"]);
    assert!(again.starts_with("exit 0\n"), "{again}");
    assert_eq!(bench.read("again.json"), bench.read("plan.json"));
    assert_eq!(bench.names(), ["again.json", "plan.json", "spec.yaml"]);
}

#[test]
fn a_plan_without_its_numbers_fails_its_check() {
    let bench = bench("{ set: { threads.one_thread: 320000 } }");
    assert!(bench.run(&["plan", "spec.yaml"]).starts_with("exit 0\n"));
    let mut plan: Value = serde_json::from_str(&bench.read("plan.json").unwrap()).unwrap();
    plan.as_object_mut().unwrap().remove("profiles");
    let rest = plan.to_string();
    let edited = |profiles: Option<Value>| {
        // First, so that the place of a mistake does not depend on all the rest.
        let text = profiles.map_or_else(
            || rest.clone(),
            |profiles| format!("{{\"profiles\":{profiles},{}", rest.strip_prefix('{').unwrap()),
        );
        bench.put("plan.json", &text);
        bench.run(&["check", "plan.json"])
    };
    insta::assert_snapshot!(edited(None), @"
    exit 5
    error: cache-0: its cores give a ceiling of 113050 reads/s; the plan states 226100 reads/s (ceiling)
    error: cache-0: its cores give a usable rate of 32558 reads/s; the plan states 65116 reads/s (ceiling)
    error: cache-1: its cores give a ceiling of 113050 reads/s; the plan states 226100 reads/s (ceiling)
    error: cache-1: its cores give a usable rate of 32558 reads/s; the plan states 65116 reads/s (ceiling)
    error: cache-2: its cores give a ceiling of 113050 reads/s; the plan states 226100 reads/s (ceiling)
    error: cache-2: its cores give a usable rate of 32558 reads/s; the plan states 65116 reads/s (ceiling)
    error: cache-3: its cores give a ceiling of 113050 reads/s; the plan states 226100 reads/s (ceiling)
    error: cache-3: its cores give a usable rate of 32558 reads/s; the plan states 65116 reads/s (ceiling)
    error: cache-4: its cores give a ceiling of 113050 reads/s; the plan states 226100 reads/s (ceiling)
    error: cache-4: its cores give a usable rate of 32558 reads/s; the plan states 65116 reads/s (ceiling)
    error: cache-5: its cores give a ceiling of 113050 reads/s; the plan states 226100 reads/s (ceiling)
    error: cache-5: its cores give a usable rate of 32558 reads/s; the plan states 65116 reads/s (ceiling)
    6 instances on 3 hosts. audit: 12 findings.
    values of the objectives are derived again, their bounds are the plan's claim
    ---
    ");
    let set = |name: &str, value: &str| serde_json::json!({ "redis": { "set": { name: value } } });
    let mut screens = edited(Some(set("threads.one_thread", "many")));
    for profiles in [
        set("threads.one_threat", "7000"),
        set("cluster.slots", "3"),
        serde_json::json!({ "redis": { "file": { "name": "own.toml", "text": "engine = 1" } } }),
        serde_json::json!({ "oracle": {} }),
    ] {
        screens.push_str(&edited(Some(profiles)));
    }
    insta::assert_snapshot!(screens, @r#"
    exit 1
    ---
    error: plan.json: not a plan: "many" is not a number such as 95000 or 0.85 at line 1 column 57
    exit 1
    ---
    error: plan.json: profile of redis: unknown number "threads.one_threat"
    exit 1
    ---
    error: plan.json: profile of redis: sharded.cluster.slots: expected 16384, as Redis Cluster has
    exit 1
    ---
    error: plan.json: profile of redis: line 1, column 10: wanted string or table
    exit 1
    ---
    error: plan.json: not a plan: unknown variant `oracle`, expected one of `redis`, `valkey`, `mysql`, `mariadb`, `elasticsearch`, `opensearch`, `apache`, `nginx`, `haproxy` at line 1 column 21
    "#);
}

#[test]
fn a_profile_file_of_ones_own() {
    let measured = REDIS
        .replacen(
            "one_thread = { low = 72000, default = 160000, high = 180000, evidence = \"devhands-2024\" }",
            "one_thread = { low = 6500, default = 7000, high = 7200, evidence = \"rack-7\" }",
            1,
        )
        + "\n[[evidence]]\nid = \"rack-7\"\nsource = \"our lab\"\nsetup = \"h1, Redis 8\"\n\
           grade = \"own\"\nnote = \"an hour of real traffic\"\n";
    let bench = bench("{ file: profiles/redis-measured.toml, set: { guest.base_mib: 512 } }");
    bench.put("profiles/redis-measured.toml", &measured);
    let screen = bench.run(&["plan", "spec.yaml", "-o", "plans/../plan.json"]);
    assert!(screen.starts_with("exit 1"), "{screen}");
    let screen = bench.run(&["plan", "spec.yaml"]);
    insta::assert_snapshot!(screen.lines().take(8).collect::<Vec<_>>().join("\n"), @"
    exit 0
    cache  redis: 10 instances of 1 vCPU, 640 MiB memory, 1 GiB data
      layout    5 shards, 1 replica each; limited by throughput per instance
      demand    4,600 reads/s, from 3,000 reads/s + 1,000 writes/s × 1.6 (1 replica, append-only file)
      capacity  7,120 reads/s, 65 % used by the demand
      instance  1,424 of a ceiling of 4,945 reads/s usable; unit: plain reads per second
      settings  maxmemory 55 MiB, appendonly on, save none, repl-backlog-size 32 MiB
      clients   begin at 10.20.0.50:6379, 10.20.0.51:6379 or 10.20.0.52:6379: each names all others
    ");
    // The plan is judged alone, the file may be gone.
    bench.put("spec.yaml", "").put("profiles/redis-measured.toml", "");
    assert!(bench.run(&["check", "plan.json"]).starts_with("exit 0\n"));
    let explained = bench.run(&["explain", "plan.json", "cache"]);
    assert!(explained.starts_with("exit 0\n"), "{explained}");
    let wish = bench.run(&["explain", "plan.json", "--why-not", "cache on h-1"]);
    assert!(wish.starts_with("exit 0\n"), "{wish}");
}

#[test]
fn a_profile_is_shown_with_what_the_spec_says() {
    let bench = bench("{ set: { threads.one_thread: 7000, headroom.factor: 0.5 } }");
    let screen = bench.run(&["profile", "redis", "--spec", "spec.yaml"]);
    let own: Vec<&str> = screen
        .lines()
        .filter(|line| line.contains(" (own)") || line.contains("spec: grade"))
        .collect();
    insta::assert_snapshot!(own.join("\n"), @"
    threads.one_thread           7000   7000     7000                 spec (own)
    headroom.factor              0.5    0.5      0.5                  spec (own)
    redis-cluster-spec: grade A
    spec: grade own
    ");
    assert!(screen.contains("\n  1     1.0    5.8k/s "), "{screen}");
    let list = bench.run(&["profile", "--spec", "spec.yaml"]);
    insta::assert_snapshot!(list.lines().take(4).collect::<Vec<_>>().join("\n"), @"
    exit 0
    engine         version  kind             numbers: A  B  C  proposal  own
    redis          8        sharded          6           2  2  21        2
    valkey         8        sharded          7           3  2  21        0
    ");
}

/// A spec of one service on three hosts of four cores.
fn small(engine: Engine) -> Spec {
    let demand = match engine.cluster() {
        Cluster::Sharded => Demand::Sharded(plain::sharded(3_000, 1_000, 150)),
        Cluster::PrimaryReplica => Demand::PrimaryReplica(RelationalDemand {
            reads_per_s: PerSecond::new(60),
            writes_per_s: PerSecond::new(6),
            data_mib: Mebibytes::new(900),
            working_set_percent: 20,
            shards: 2,
            failover: FailoverMode::Manual,
        }),
        Cluster::Quorum => Demand::Quorum(plain::search(500, 10, 900, 2)),
        Cluster::Pool => Demand::Pool(plain::web(500, 10_240, 500)),
        Cluster::GatewayPair => Demand::GatewayPair(GatewayDemand {
            requests_per_s: PerSecond::new(500),
            transactions_per_s: PerSecond::ZERO,
            response_bytes_per_s: 5_120_000,
            tls: true,
        }),
    };
    let host = |name| plain::host(name, vec![plain::node(0, vec![plain::l3(0..=3)], 16)], 100);
    let hosts = ["h1", "h2", "h3"].map(host);
    plain::spec(
        hosts.into(),
        Policy::surviving(Level::Host),
        vec![plain::service("s", engine, demand)],
    )
}

/// Whatever number a user states, it is refused or counted with.
#[test]
fn no_number_breaks_the_arithmetic() {
    let builtin = OwnProfiles::default().resolve().unwrap();
    let mut refused: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    // One of each kind of cluster.
    let engines =
        [Engine::Redis, Engine::Mysql, Engine::Elasticsearch, Engine::Nginx, Engine::Haproxy];
    for engine in engines {
        let mut spec = small(engine);
        for (name, _) in builtin.of(engine).unwrap().numbers() {
            for value in ["0", "1e12"] {
                let set = BTreeMap::from([(name.clone(), Decimal::parse(value).unwrap())]);
                spec.profiles = OwnProfiles(BTreeMap::from([(engine, Own { file: None, set })]));
                let Ok(profiles) = spec.profiles.resolve() else {
                    refused.entry(name.clone()).or_default().insert(value);
                    continue;
                };
                let (policy, topology) = (&spec.policy, &spec.topology);
                let context = SizingContext::new(policy, topology);
                let input = SizingInput::new(&spec.services[0], &profiles, &context).unwrap();
                let answered =
                    [input.full(), input.unconstrained()].iter().any(|found| !found.is_empty());
                assert!(answered || input.exceeded_limit().is_some(), "{engine}: {name} = {value}");
            }
        }
    }
    let row = |(name, values): (&String, &BTreeSet<&str>)| {
        format!("{name}: {}\n", values.iter().copied().collect::<Vec<_>>().join(", "))
    };
    insta::assert_snapshot!(refused.iter().map(row).collect::<String>(), @"
    guest.rounding_mib: 0
    headroom.factor: 1e12
    placement.several_l3: 0, 1e12
    placement.shared_l3: 0, 1e12
    placement.smt_gain: 1e12
    placement.virtualisation: 0, 1e12
    pool.work.empty: 1e12
    primary-replica.cluster.copies_max: 0
    primary-replica.memory.pool_share: 0, 1e12
    primary-replica.work.apply: 1e12
    quorum.cluster.voters: 0, 1e12
    quorum.memory.least_mib: 0, 1e12
    quorum.memory.most_mib: 0
    sharded.cluster.slots: 0, 1e12
    threads.interrupt_share: 1e12
    threads.one_thread: 0
    usl.lambda: 0
    ");
}

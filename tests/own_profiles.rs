//! Numbers and profile files of the user's own: as they are written, refused, planned
//! with and judged.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/bench.rs"]
mod bench;
#[path = "support/plain.rs"]
mod plain;

use std::collections::{BTreeMap, BTreeSet};

use hostsplit::profile::{Decimal, Own, OwnProfiles};
use hostsplit::sizing::{Case, Terms};
use hostsplit::spec::{Cluster, Demand, Engine, GatewayDemand, Policy, RelationalDemand, Spec};
use hostsplit::topology::Level;
use hostsplit::units::{Mebibytes, PerSecond};
use serde_json::Value;

use crate::bench::Bench;

const REDIS: &str = include_str!("../profiles/redis.toml");

const SPEC: &str = "\
name: shop
policy: { survive: host }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.199 }
profiles:
  redis: OWN
hosts:
  - { name: h, count: 3, cores: 5, memory: 24GiB, disk: 70GiB }
services:
  - { name: cache, engine: redis, demand: { reads: 3k/s, writes: 1k/s, data: 150MiB } }
";

fn bench(own: &str) -> Bench {
    let bench = Bench::new();
    bench.put("spec.yaml", &SPEC.replace("OWN", own));
    bench
}

/// The screen of `check`.
fn said(own: &str) -> String {
    bench(own).run(&["check", "spec.yaml"])
}

#[test]
fn a_sound_one_is_summed_up() {
    insta::assert_snapshot!(said("{ set: { threads.one_thread: 7e3, work.write: 1.10, sharded.memory.backlog_mib: 64 } }"), @"
    exit 0
    spec.yaml: sound
      hosts     h-1, h-2, h-3: 12 cores and 66 GiB for instances
      service   cache: redis, 3k/s reads, 1k/s writes, 150 MiB data
      profile   redis: memory.backlog_mib = 64, threads.one_thread = 7000, work.write = 1.1
      survives  the loss of any one host
    ---
    ");
}

#[test]
fn slips_of_the_pen() {
    let own = "{ set: { thread.one_thread: 1, work.wirte: 1, usl.lambda: 900, shapes.vcpus: 4 }, fiel: x }\n  \
               rediss: { set: { a.b: 1 } }";
    insta::assert_snapshot!(said(own), @r#"
    exit 1
    ---
    error: 6 mistakes in spec.yaml
    spec.yaml:5:19: the profile of redis has no number "thread.one_thread"
    hint: did you mean "threads.one_thread"?
    spec.yaml:5:41: the profile of redis has no number "work.wirte"
    hint: did you mean "work.write"?
    spec.yaml:5:56: the profile of redis has no number "usl.lambda"
    hint: `hostsplit profile redis` shows them all
    spec.yaml:5:73: the profile of redis has no number "shapes.vcpus"
    hint: a list stands in a profile file: `file: PATH`
    spec.yaml:5:92: unknown field "fiel" in redis; expected file or set
    hint: did you mean "file"?
    spec.yaml:6:3: unknown field "rediss" in profiles; expected redis, valkey, mysql, mariadb, elasticsearch, opensearch, apache, nginx or haproxy
    hint: did you mean "redis"?
    "#);
}

#[test]
fn what_is_no_number() {
    let own = "{ set: { threads.one_thread: 1e400, work.write: .NaN, guest.base_mib: 512MiB, \
               headroom.factor: 5%, headroom.exponent: -1, work.write_rdb: 0x10, \
               work.write_aof: [1], placement.smt_gain: 2e12, placement.shared_l3: } }";
    insta::assert_snapshot!(said(own), @r#"
    exit 1
    ---
    error: 9 mistakes in spec.yaml
    spec.yaml:5:39: threads.one_thread: ".inf" is not a number such as 95000 or 0.85
    spec.yaml:5:58: work.write: ".nan" is not a number such as 95000 or 0.85
    spec.yaml:5:80: guest.base_mib: "512MiB" is not a number such as 95000 or 0.85
    hint: the unit stands in the number's name, as in guest.base_mib: 512
    spec.yaml:5:105: headroom.factor: "5%" is not a number such as 95000 or 0.85
    hint: a share is written as 0.05
    spec.yaml:5:128: headroom.exponent: -1 is negative; expected 0 or more
    spec.yaml:5:148: work.write_rdb: "0x10" is not a number such as 95000 or 0.85
    spec.yaml:5:170: work.write_aof: found a list; expected a number such as 95000 or 0.85
    spec.yaml:5:195: placement.smt_gain: 2e12 is absurd; expected at most 1000000000000
    spec.yaml:5:220: placement.shared_l3: found nothing; expected a number such as 95000 or 0.85
    "#);
}

#[test]
fn numbers_that_make_no_sense_together() {
    let own = "{ set: { sharded.cluster.slots: 16383, guest.rounding_mib: 0, threads.one_thread: 0, \
               threads.interrupt_share: 1, headroom.factor: 1, placement.virtualisation: 0 } }";
    insta::assert_snapshot!(said(own), @"
    exit 1
    ---
    error: 6 mistakes in spec.yaml
    spec.yaml:5:42: sharded.cluster.slots: expected 16384, as Redis Cluster has; found 16383
    spec.yaml:5:69: guest.rounding_mib: expected at least 1; found 0
    spec.yaml:5:92: threads.one_thread: expected at least 1 a second; found 0
    spec.yaml:5:120: threads.interrupt_share: expected a share below 1: an instance would do nothing; found 1
    spec.yaml:5:140: headroom.factor: expected a share below 1: an instance would do nothing; found 1
    spec.yaml:5:169: placement.virtualisation: expected a factor from 0.01 to 2; found 0
    ");
}

#[test]
fn a_number_that_does_not_go_with_the_others() {
    let spec = SPEC
        .replace("redis: OWN", "elasticsearch: { set: { memory.most_mib: 512 } }")
        .replace("engine: redis", "engine: elasticsearch")
        .replace("reads: 3k/s, writes: 1k/s", "index: 1k docs/s, queries: 10/s");
    let bench = Bench::new();
    bench.put("spec.yaml", &spec);
    insta::assert_snapshot!(bench.run(&["check", "spec.yaml"]), @"
    exit 1
    ---
    error: spec.yaml:5:25: with these numbers the profile of elasticsearch makes no sense: quorum.memory.least_mib: expected 1 up to most_mib
    ");
}

#[test]
fn one_number_by_two_names_and_twice() {
    insta::assert_snapshot!(
        said("{ set: { work.write: 1, sharded.work.write: 2, work.write_rdb: 1, work.write_rdb: 1 } }"),
        @r#"
    exit 1
    ---
    error: 2 mistakes in spec.yaml
    spec.yaml:5:34: the number "sharded.work.write" is set a second time
    spec.yaml:5:76: the number "work.write_rdb" is set a second time
    "#
    );
}

#[test]
fn what_says_nothing_and_what_nobody_asks_for() {
    insta::assert_snapshot!(said("{}\n  mysql: { set: { usl.lambda: 900 } }"), @"
    exit 1
    ---
    error: 2 mistakes in spec.yaml
    spec.yaml:5:10: profiles: redis has neither a file nor a number
    hint: write `file: PATH`, `set: { SECTION.NAME: NUMBER }` or both
    spec.yaml:6:10: profiles: no service is of the engine mysql
    hint: the services are of redis; remove it
    ");
    insta::assert_snapshot!(said("{ file: [a] }"), @"
    exit 1
    ---
    error: spec.yaml:5:18: file: found a list; expected a single value
    ");
    insta::assert_snapshot!(said(""), @"
    exit 1
    ---
    error: spec.yaml:5:8: redis: found nothing; expected a map such as { field: value }
    ");
}

#[test]
fn an_engine_and_a_field_that_stand_twice() {
    let own = "{ set: { work.write: 1 }, set: { work.write: 2 } }\n  redis: { file: none.toml }";
    insta::assert_snapshot!(said(own), @r#"
    exit 1
    ---
    error: 2 mistakes in spec.yaml
    spec.yaml:5:36: the field "set" stands here a second time
    spec.yaml:6:3: the field "redis" stands here a second time
    "#);
}

#[test]
fn numbers_that_only_the_own_file_has() {
    let bench = bench("{ file: own.toml, set: { usl.lambda: 7000, threads.one_thread: 1 } }");
    let (head, rest) = REDIS.split_once("[threads]").unwrap();
    let (_, rest) = rest.split_once("[placement]").unwrap();
    let number = |value: &str| {
        format!(
            "{{ low = {value}, default = {value}, high = {value}, evidence = \"devhands-2024\" }}"
        )
    };
    let law = format!(
        "[usl]\nlambda = {}\nsigma = {}\nkappa = {}\n",
        number("6000"),
        number("0.01"),
        number("0")
    );
    bench.put("own.toml", &format!("{head}{law}[placement]{rest}"));
    insta::assert_snapshot!(bench.run(&["check", "spec.yaml"]), @r#"
    exit 1
    ---
    error: spec.yaml:5:53: the profile of redis has no number "threads.one_thread"
    hint: `hostsplit profile redis` shows them all
    "#);
    let spec = bench.read("spec.yaml").unwrap();
    bench.put("spec.yaml", &spec.replace(", threads.one_thread: 1", ""));
    let screen = bench.run(&["profile", "redis", "--spec", "spec.yaml"]);
    let law: Vec<&str> = screen.lines().filter(|line| line.contains("usl.")).collect();
    insta::assert_snapshot!(law.join("\n"), @"
    usl.lambda                   7000   7000     7000                spec (own)
    usl.sigma                    0.01   0.01     0.01                devhands-2024 (B)
    usl.kappa                    0      0        0                   devhands-2024 (B)
    ");
}

#[test]
fn a_file_that_is_none() {
    let bench = bench("{ file: own.toml, set: { threads.one_thread: 5 } }");
    let mut screens = bench.run(&["check", "spec.yaml"]);
    bench.put("own.toml", "");
    screens.push_str(&bench.run(&["check", "spec.yaml"]));
    bench.put("own.toml", "engine = redis");
    screens.push_str(&bench.run(&["check", "spec.yaml"]));
    bench.put("own.toml", &"#".repeat((1 << 20) + 1));
    screens.push_str(&bench.run(&["check", "spec.yaml"]));
    bench.put("own.toml", include_str!("../profiles/nginx.toml"));
    screens.push_str(&bench.run(&["check", "spec.yaml"]));
    insta::assert_snapshot!(screens, @"
    exit 1
    ---
    error: spec.yaml:5:18: file: own.toml: cannot read it: No such file or directory (os error 2)
    exit 1
    ---
    error: own.toml:1:1: missing field `engine`
    exit 1
    ---
    error: own.toml:1:10: string values must be quoted, expected literal string
    exit 1
    ---
    error: spec.yaml:5:18: file: own.toml: is larger than 1 MiB
    exit 1
    ---
    error: own.toml:7:10: engine: is a profile of nginx; expected one of redis
    ");
    let spec = bench.read("spec.yaml").unwrap();
    bench.put("dir/x", "").put("spec.yaml", &spec.replace("own.toml", "dir"));
    insta::assert_snapshot!(bench.run(&["check", "spec.yaml"]), @"
    exit 1
    ---
    error: spec.yaml:5:18: file: dir: is a directory; expected a file
    ");
}

#[test]
fn a_file_with_all_its_mistakes() {
    let broken = REDIS
        .replacen("low = 72000, default = 160000", "low = 172000, default = 160000", 1)
        .replacen("evidence = \"proposal-network\"", "evidence = \"hearsay\"", 1)
        .replacen("fitted = [1, 8]", "fitted = [8, 1]", 1);
    let bench = bench("{ file: own/redis.toml }");
    bench.put("own/redis.toml", &broken);
    insta::assert_snapshot!(bench.run(&["check", "spec.yaml"]), @r#"
    exit 1
    ---
    error: 3 mistakes in spec.yaml
    own/redis.toml:13:14: threads.one_thread: expected 0 <= low <= default <= high <= 1000000000000
    own/redis.toml:15:22: threads.gain_per_io_thread: expected 0 <= low <= default <= high <= 1000000000000
    own/redis.toml:76:18: sharded.network.overhead_bytes: there is no evidence "hearsay"
    "#);
    let senseless = REDIS.replacen("vcpus = [1, 2, 4, 8]", "vcpus = [1, 4000000000]", 1);
    bench.put("own/redis.toml", &senseless);
    insta::assert_snapshot!(bench.run(&["check", "spec.yaml"]), @"
    exit 1
    ---
    error: own/redis.toml:86:9: shapes.vcpus: expected 1 to 64 counts from 1 to 4096, ascending
    ");
}

/// By hand: 7000 · 0.875 of a core · 0.95 virtualised · 0.85 on a shared cache = 4945
/// a second, less the headroom of 0.712 = 1424. 4600 are asked for, so three masters
/// of one virtual CPU are too few, four would leave half of them on one of three hosts.
#[test]
fn a_number_of_the_specs_own_changes_the_plan() {
    let bench = bench("{ set: { threads.one_thread: 7000 } }");
    let screen = bench.run(&["plan", "spec.yaml"]);
    insta::assert_snapshot!(screen.lines().take(6).collect::<Vec<_>>().join("\n"), @"
    exit 0
    cache  redis: 10 instances of 1 vCPU, 512 MiB, 1 GiB data
      split     5 groups, 2 copies each: throughput of one instance binds
      capacity  7120/s for 4600/s asked, 65 % used
      instance  1424/s usable of a ceiling of 4945/s
      unsplit   5583/s from one instance on all of h-1; 5696/s from it in such instances, 1.0 times
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
        let line = "\nprofile of redis: threads.one_thread = 7000 as the spec says\n";
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
    let mut edited = |profiles: Option<Value>| {
        let fields = plan.as_object_mut().unwrap();
        match profiles {
            Some(profiles) => fields.insert("profiles".to_owned(), profiles),
            None => fields.remove("profiles"),
        };
        bench.put("plan.json", &plan.to_string());
        bench.run(&["check", "plan.json"])
    };
    insta::assert_snapshot!(edited(None), @"
    exit 5
    error: cache-0: its cores give a ceiling of 113050/s, the plan says 226100/s (ceiling)
    error: cache-0: its cores give a usable rate of 32558/s, the plan says 65116/s (ceiling)
    error: cache-1: its cores give a ceiling of 113050/s, the plan says 226100/s (ceiling)
    error: cache-1: its cores give a usable rate of 32558/s, the plan says 65116/s (ceiling)
    error: cache-2: its cores give a ceiling of 113050/s, the plan says 226100/s (ceiling)
    error: cache-2: its cores give a usable rate of 32558/s, the plan says 65116/s (ceiling)
    error: cache-3: its cores give a ceiling of 113050/s, the plan says 226100/s (ceiling)
    error: cache-3: its cores give a usable rate of 32558/s, the plan says 65116/s (ceiling)
    error: cache-4: its cores give a ceiling of 113050/s, the plan says 226100/s (ceiling)
    error: cache-4: its cores give a usable rate of 32558/s, the plan says 65116/s (ceiling)
    error: cache-5: its cores give a ceiling of 113050/s, the plan says 226100/s (ceiling)
    error: cache-5: its cores give a usable rate of 32558/s, the plan says 65116/s (ceiling)
    6 instances on 3 hosts. audit: 12 findings.
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
    error: plan.json: not a plan: "many" is not a number such as 95000 or 0.85 at line 1 column 6236
    exit 1
    ---
    error: plan.json: profile of redis: has no number "threads.one_threat"
    exit 1
    ---
    error: plan.json: profile of redis: sharded.cluster.slots: expected 16384, as Redis Cluster has
    exit 1
    ---
    error: plan.json: profile of redis: line 1, column 10: wanted string or table
    exit 1
    ---
    error: plan.json: not a plan: unknown variant `oracle`, expected one of `redis`, `valkey`, `mysql`, `mariadb`, `elasticsearch`, `opensearch`, `apache`, `nginx`, `haproxy` at line 1 column 6200
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
    insta::assert_snapshot!(screen.lines().take(6).collect::<Vec<_>>().join("\n"), @"
    exit 0
    cache  redis: 10 instances of 1 vCPU, 640 MiB, 1 GiB data
      split     5 groups, 2 copies each: throughput of one instance binds
      capacity  7120/s for 4600/s asked, 65 % used
      instance  1424/s usable of a ceiling of 4945/s
      unsplit   5583/s from one instance on all of h-1; 5696/s from it in such instances, 1.0 times
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
    threads.one_thread           7000   7000     7000                spec (own)
    headroom.factor              0.5    0.5      0.5                 spec (own)
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
        }),
        Cluster::Quorum => Demand::Quorum(plain::search(500, 10, 900, 2)),
        Cluster::Pool => Demand::Pool(plain::web(500, 10_240, 500)),
        Cluster::GatewayPair => Demand::GatewayPair(GatewayDemand {
            requests_per_s: PerSecond::new(500),
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
                let terms = Terms { policy, topology, straddling: BTreeSet::new() };
                let case = Case::new(&spec.services[0], &profiles, &terms).unwrap();
                let answered = [case.whole(), case.beyond()].iter().any(|found| !found.is_empty());
                assert!(answered || case.exceeded().is_some(), "{engine}: {name} = {value}");
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

//! Numbers and files as they are written and refused.

use super::{REDIS, SPEC, bench, said};
use crate::bench::Bench;

#[test]
fn a_sound_one_is_summed_up() {
    insta::assert_snapshot!(said("{ set: { threads.one_thread: 7e3, work.write: 1.10, sharded.memory.backlog_mib: 64 } }"), @"
    exit 0
    spec.yaml: valid
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
    error: 6 errors in spec.yaml
    spec.yaml:5:19: the profile of redis has no number "thread.one_thread"
    hint: did you mean "threads.one_thread"?
    spec.yaml:5:41: the profile of redis has no number "work.wirte"
    hint: did you mean "work.write"?
    spec.yaml:5:56: the profile of redis has no number "usl.lambda"
    hint: `hostsplit profile redis` shows them all
    spec.yaml:5:73: the profile of redis has no number "shapes.vcpus"
    hint: lists are set in a profile file: `file: PATH`
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
    error: 9 errors in spec.yaml
    spec.yaml:5:39: threads.one_thread: ".inf" is not a number such as 95000 or 0.85
    spec.yaml:5:58: work.write: ".nan" is not a number such as 95000 or 0.85
    spec.yaml:5:80: guest.base_mib: "512MiB" is not a number such as 95000 or 0.85
    hint: the unit is part of the number's name, as in guest.base_mib: 512
    spec.yaml:5:105: headroom.factor: "5%" is not a number such as 95000 or 0.85
    hint: a share is written as 0.05
    spec.yaml:5:128: headroom.exponent: -1 is negative; expected 0 or more
    spec.yaml:5:148: work.write_rdb: "0x10" is not a number such as 95000 or 0.85
    spec.yaml:5:170: work.write_aof: found a list; expected a number such as 95000 or 0.85
    spec.yaml:5:195: placement.smt_gain: 2e12 is out of range: at most 1000000000000
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
    error: 6 errors in spec.yaml
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
    error: spec.yaml:5:25: these numbers make the profile of elasticsearch inconsistent: quorum.memory.least_mib: expected 1 to most_mib
    ");
}

#[test]
fn one_number_by_two_names_and_twice() {
    insta::assert_snapshot!(
        said("{ set: { work.write: 1, sharded.work.write: 2, work.write_rdb: 1, work.write_rdb: 1 } }"),
        @r#"
    exit 1
    ---
    error: 2 errors in spec.yaml
    spec.yaml:5:34: duplicate number "sharded.work.write"
    spec.yaml:5:76: duplicate number "work.write_rdb"
    "#
    );
}

#[test]
fn what_says_nothing_and_what_nobody_asks_for() {
    insta::assert_snapshot!(said("{}\n  mysql: { set: { usl.lambda: 900 } }"), @"
    exit 1
    ---
    error: 2 errors in spec.yaml
    spec.yaml:5:10: profiles: redis has neither a file nor a number
    hint: write `file: PATH`, `set: { SECTION.NAME: NUMBER }` or both
    spec.yaml:6:10: profiles: no service runs mysql
    hint: the services run redis; remove it
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
    error: 2 errors in spec.yaml
    spec.yaml:5:36: duplicate field "set"
    spec.yaml:6:3: duplicate field "redis"
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
    usl.lambda                   7000   7000     7000                 spec (own)
    usl.sigma                    0.01   0.01     0.01                 devhands-2024 (B)
    usl.kappa                    0      0        0                    devhands-2024 (B)
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
    bench.put("own.toml", include_str!("../../profiles/nginx.toml"));
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
    error: own.toml:7:10: engine: nginx; expected redis
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
    error: 3 errors in spec.yaml
    own/redis.toml:13:14: threads.one_thread: expected 0 <= low <= default <= high <= 1000000000000
    own/redis.toml:15:22: threads.gain_per_io_thread: expected 0 <= low <= default <= high <= 1000000000000
    own/redis.toml:76:18: sharded.network.overhead_bytes: unknown evidence "hearsay"
    "#);
    let senseless = REDIS.replacen("vcpus = [1, 2, 4, 8]", "vcpus = [1, 4000000000]", 1);
    bench.put("own/redis.toml", &senseless);
    insta::assert_snapshot!(bench.run(&["check", "spec.yaml"]), @"
    exit 1
    ---
    error: own/redis.toml:86:9: shapes.vcpus: expected 1 to 64 counts from 1 to 4096, ascending
    ");
}

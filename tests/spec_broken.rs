//! Ten broken specs as their author sees them: each says what to do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/bench.rs"]
mod bench;

use crate::bench::Bench;

const SPEC: &str = "\
name: shop
policy: { survive: host }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.199, gateway: 10.20.0.1, vip: 10.20.0.10 }
hosts:
  - { name: h, count: 3, cores: 96, memory: 512GiB, disk: 4TiB, iops: 200k/s }
services:
  - { name: cache, engine: redis, demand: { reads: 900k/s, writes: 100k/s, data: 96GiB } }
  - { name: orders, engine: mysql, demand: { reads: 6k/s, writes: 1k/s, data: 40GiB, working_set: 20% } }
  - { name: search, engine: elasticsearch, demand: { index: 8k docs/s, queries: 200/s, data: 200GiB } }
  - { name: web, engine: apache, demand: { requests: 40k/s, cpu: 5ms }, gateway: edge }
  - { name: edge, engine: haproxy }
vms:
  - { name: builder, count: 6, vcpus: 8, memory: 32GiB, disk: 200GiB, spread: host }
";

/// The screen of `check` when one text is written for another.
fn screen(changes: &[(&str, &str)]) -> String {
    let mut spec = SPEC.to_owned();
    for (from, to) in changes {
        assert!(spec.contains(from), "{from}");
        spec = spec.replacen(from, to, 1);
    }
    let bench = Bench::new();
    bench.put("spec.yaml", &spec);
    bench.run(&["check", "spec.yaml"])
}

#[test]
fn a_sound_one() {
    insta::assert_snapshot!(screen(&[]), @"");
}

#[test]
fn slips_of_the_pen() {
    insta::assert_snapshot!(
        screen(&[("policy:", "polcy:"), ("name: cache", "nmae: cache"), ("gateway: edge", "gateway: egde")]),
        @""
    );
}

#[test]
fn units() {
    insta::assert_snapshot!(
        screen(&[("memory: 512GiB", "memory: 512"), ("working_set: 20%", "working_set: 0.2"), ("cpu: 5ms", "cpu: 5")]),
        @""
    );
}

#[test]
fn a_demand_of_another_engine() {
    insta::assert_snapshot!(screen(&[("engine: apache", "engine: redis"), (", gateway: edge", "")]), @"");
}

#[test]
fn a_gateway_that_nobody_uses() {
    insta::assert_snapshot!(screen(&[(", gateway: edge", "")]), @"");
}

#[test]
fn addresses_in_each_others_way() {
    insta::assert_snapshot!(screen(&[("vip: 10.20.0.10", "vip: 10.20.0.60"), ("gateway: 10.20.0.1,", "gateway: 10.21.0.1,")]), @"");
}

#[test]
fn too_few_addresses() {
    insta::assert_snapshot!(screen(&[("10.20.0.50-10.20.0.199", "10.20.0.50-10.20.0.59")]), @"");
}

#[test]
fn racks_that_nobody_named() {
    insta::assert_snapshot!(screen(&[("survive: host", "survive: [host, rack]")]), @"");
}

#[test]
fn names_that_stand_twice() {
    insta::assert_snapshot!(screen(&[("name: builder", "name: cache"), ("name: orders", "name: web")]), @"");
}

#[test]
fn flat_and_numa_in_one() {
    insta::assert_snapshot!(screen(&[("cores: 96", "numa: [], cores: 96")]), @"");
}

#[test]
fn no_yaml() {
    insta::assert_snapshot!(screen(&[("hosts:\n  -", "hosts:\n\t-")]), @"");
}

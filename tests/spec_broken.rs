//! Ten broken specs as their author sees them: each says what to do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/bench.rs"]
#[expect(dead_code, reason = "other tests read what was written")]
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
    insta::assert_snapshot!(screen(&[]), @"
    exit 0
    spec.yaml: valid
      hosts     h-1, h-2, h-3: 285 cores and 1.4 TiB for instances
      service   cache: redis, 900k/s reads, 100k/s writes, 96 GiB data
      service   orders: mysql, 6k/s reads, 1k/s writes, 40 GiB data (20 % in use)
      service   search: elasticsearch, 8k/s documents indexed, 200/s searches, 200 GiB data, 2 copies
      service   web: apache, 40k/s requests of 10KiB and 5ms CPU, behind edge
      service   edge: haproxy, 40k/s requests
      vms       builder: 6 VMs of 8 vCPU, 32 GiB, 200 GiB disk, at most one per host
      survives  the loss of any one host, orders by manual failover, except fixed VMs
    ---
    ");
}

#[test]
fn slips_of_the_pen() {
    insta::assert_snapshot!(
        screen(&[("policy:", "polcy:"), ("name: cache", "nmae: cache"), ("gateway: edge", "gateway: egde")]),
        @r#"
    exit 1
    ---
    error: 2 errors in spec.yaml
    spec.yaml:2:1: unknown field "polcy"; expected name, include, policy, network, image, profiles, hosts, services or vms
    hint: did you mean "policy"?
    spec.yaml:7:7: unknown field "nmae" in services; expected name, engine, demand, gateway, password, tls, port, read_port, vip, serve, health, certificate, prefer or failover
    hint: did you mean "name"?
    "#
    );
}

#[test]
fn units() {
    insta::assert_snapshot!(
        screen(&[("memory: 512GiB", "memory: 512"), ("working_set: 20%", "working_set: 0.2"), ("cpu: 5ms", "cpu: 5")]),
        @r#"
    exit 1
    ---
    error: 3 errors in spec.yaml
    spec.yaml:5:45: memory: "512" has no unit; expected a size such as 64GiB or 512MiB
    spec.yaml:8:99: working_set: "0.2" has no unit; expected a percentage such as 20%
    spec.yaml:10:66: cpu: "5" has no unit; expected a span of time such as 5ms or 300us
    "#
    );
}

#[test]
fn a_demand_of_another_engine() {
    insta::assert_snapshot!(screen(&[("engine: apache", "engine: redis"), (", gateway: edge", "")]), @r#"
    exit 1
    ---
    error: 5 errors in spec.yaml
    spec.yaml:10:41: the field "data" is missing
    spec.yaml:10:41: the field "reads" is missing
    spec.yaml:10:41: the field "writes" is missing
    spec.yaml:10:43: unknown field "requests" in the demand of redis; expected reads, writes, value, data, persistence or copies
    hint: `requests` is a field of apache, nginx, haproxy
    spec.yaml:10:60: unknown field "cpu" in the demand of redis; expected reads, writes, value, data, persistence or copies
    hint: `cpu` is a field of apache, nginx
    "#);
}

#[test]
fn a_gateway_that_is_nowhere_beside_another_mistake() {
    insta::assert_snapshot!(screen(&[("engine: redis", "engine: reddis"), ("gateway: edge", "gateway: egde")]), @r#"
    exit 1
    ---
    error: 2 errors in spec.yaml
    spec.yaml:7:28: engine: "reddis" is not known; expected redis, valkey, mysql, mariadb, elasticsearch, opensearch, apache, nginx or haproxy
    hint: did you mean "redis"?
    spec.yaml:10:82: gateway: unknown service "egde"
    hint: did you mean "edge"?
    "#);
}

#[test]
fn a_gateway_that_nobody_uses() {
    insta::assert_snapshot!(screen(&[(", gateway: edge", "")]), @r#"
    exit 1
    ---
    error: spec.yaml:11:5: demand: the gateway "edge" has no demand: no service names it and it states no requests
    hint: write `gateway: edge` in the mysql, mariadb, elasticsearch, opensearch, apache or nginx service behind it, or `demand: { requests: 40k/s }`
    "#);
}

#[test]
fn addresses_in_each_others_way() {
    insta::assert_snapshot!(screen(&[("vip: 10.20.0.10", "vip: 10.20.0.60"), ("gateway: 10.20.0.1,", "gateway: 10.21.0.1,")]), @"
    exit 1
    ---
    error: 2 errors in spec.yaml
    spec.yaml:3:91: gateway: 10.21.0.1 is not an address in 10.20.0.0/24
    spec.yaml:3:107: vip: 10.20.0.60 lies in the instances' range 10.20.0.50-10.20.0.199
    hint: an instance would take the vip's address; shorten `addresses`
    ");
}

#[test]
fn too_few_addresses() {
    insta::assert_snapshot!(screen(&[("10.20.0.50-10.20.0.199", "10.20.0.50-10.20.0.59")]), @"
    exit 1
    ---
    error: spec.yaml:3:58: addresses: 10.20.0.50-10.20.0.59 are 10 addresses; the services need at least 15 and the vms 6
    hint: widen the range to 21 or more
    ");
}

#[test]
fn racks_that_nobody_named() {
    insta::assert_snapshot!(screen(&[("survive: host", "survive: [host, rack]")]), @"
    exit 1
    ---
    error: spec.yaml:2:27: policy.survive: 3 of 3 hosts have no label rack, such as h-1
    hint: add `labels: { rack: NAME }` to each of their host files
    ");
}

#[test]
fn names_that_stand_twice() {
    insta::assert_snapshot!(screen(&[("name: builder", "name: cache"), ("name: orders", "name: web")]), @r#"
    exit 1
    ---
    error: 2 errors in spec.yaml
    spec.yaml:10:13: duplicate name "web", first defined at spec.yaml:8:13
    spec.yaml:13:13: duplicate name "cache", first defined at spec.yaml:7:13
    "#);
}

#[test]
fn flat_and_numa_in_one() {
    insta::assert_snapshot!(screen(&[("cores: 96", "numa: [], cores: 96")]), @r#"
    exit 1
    ---
    error: 8 errors in spec.yaml
    spec.yaml:5:5: numa: the host has no cores
    spec.yaml:5:5: the field "hypervisor" is missing
    spec.yaml:5:5: the field "pools" is missing
    spec.yaml:5:23: count: cannot be combined with `numa`; remove one of them
    hint: only flat hosts are counted; give each of the others a file of its own
    spec.yaml:5:43: cores: cannot be combined with `numa`; remove one of them
    hint: `numa` says each core with its threads
    spec.yaml:5:55: memory: cannot be combined with `numa`; remove one of them
    hint: `numa` says the memory of each NUMA node
    spec.yaml:5:69: disk: cannot be combined with `numa`; remove one of them
    hint: write it as `pools: [{ name: default, capacity: 1TiB, iops: 100k/s }]`
    spec.yaml:5:81: iops: cannot be combined with `numa`; remove one of them
    hint: write it as `pools: [{ name: default, capacity: 1TiB, iops: 100k/s }]`
    "#);
}

#[test]
fn no_yaml() {
    insta::assert_snapshot!(screen(&[("hosts:\n  -", "hosts:\n\t-")]), @"
    exit 1
    ---
    error: spec.yaml:5:2: tabs disallowed within this context (block indentation)
    hint: YAML is indented with spaces only
    ");
}

const HOSTS: &str =
    "hosts:\n  - { name: h, count: 3, cores: 96, memory: 512GiB, disk: 4TiB, iops: 200k/s }\n";

#[test]
fn a_host_that_stands_twice_and_has_another_mistake() {
    let twice = "\
hosts:
  - { name: a, cores: 96, memory: 512GiB, disk: 4TiB }
  - { name: a, cores: 96, memory: 512Gb, disk: 4TiB }
  - { name: b, uri: qemu:///system, cores: 0, memory: 512GiB, disk: 4TiB }
  - { name: c, uri: qemu:///system, cores: 96, memory: 512GiB, disk: 4TiB }
";
    insta::assert_snapshot!(screen(&[(HOSTS, twice)]), @r#"
    exit 1
    ---
    error: 4 errors in spec.yaml
    spec.yaml:6:13: duplicate host name "a", first defined at spec.yaml:5:13
    spec.yaml:6:35: memory: "512Gb" has the unknown unit "Gb"; expected a size such as 64GiB or 512MiB
    spec.yaml:7:44: cores: 0 is out of range: at least 1
    spec.yaml:8:21: uri: "qemu:///system" is also the uri of the host "b" at spec.yaml:7:21
    hint: its cores and memory would be given out twice
    "#);
}

#[test]
fn numa_nodes_and_pools_that_stand_twice_and_have_another_mistake() {
    let twice = "\
hosts:
  - name: a
    hypervisor: kvm
    numa:
      - { id: 0, memory: 64Gb, l3: [{ cores: [[0], [1]] }] }
      - { id: 0, memory: 64GiB, l3: [{ cores: [[2], [3]] }] }
    pools:
      - { name: ssd, capacity: 4Tb }
      - { name: ssd, capacity: 4TiB }
";
    insta::assert_snapshot!(screen(&[(HOSTS, twice)]), @r#"
    exit 1
    ---
    error: 4 errors in spec.yaml
    spec.yaml:8:26: memory: "64Gb" has the unknown unit "Gb"; expected a size such as 64GiB or 512MiB
    spec.yaml:9:15: id: duplicate NUMA node 0
    spec.yaml:11:32: capacity: "4Tb" has the unknown unit "Tb"; expected a size such as 64GiB or 512MiB
    spec.yaml:12:17: name: duplicate pool "ssd"
    "#);
}

#[test]
fn services_and_vms_that_stand_twice_and_have_another_mistake() {
    insta::assert_snapshot!(
        screen(&[
            ("name: orders, engine: mysql", "name: cache, engine: mysq"),
            ("name: builder, count: 6, vcpus: 8", "name: web, count: 0, vcpus: x"),
        ]),
        @r#"
    exit 1
    ---
    error: 5 errors in spec.yaml
    spec.yaml:8:13: duplicate name "cache", first defined at spec.yaml:7:13
    spec.yaml:8:28: engine: "mysq" is not known; expected redis, valkey, mysql, mariadb, elasticsearch, opensearch, apache, nginx or haproxy
    hint: did you mean "mysql"?
    spec.yaml:13:13: duplicate name "web", first defined at spec.yaml:10:13
    spec.yaml:13:25: count: 0 is out of range: at least 1
    spec.yaml:13:35: vcpus: "x" is not a whole number such as 4
    "#
    );
}

#[test]
fn a_demand_of_an_unknown_engine() {
    insta::assert_snapshot!(
        screen(&[
            ("engine: redis, demand: { reads: 900k/s", "engine: kafka, demand: { raeds: 900k/s"),
            ("data: 96GiB", "data: 96Gb, brokers: 4, writes: 1/s"),
            ("engine: apache, demand: { requests: 40k/s", "engine: apach, tls: yes, demand: { requests: 40k"),
        ]),
        @r#"
    exit 1
    ---
    error: 8 errors in spec.yaml
    spec.yaml:7:28: engine: "kafka" is not known; expected redis, valkey, mysql, mariadb, elasticsearch, opensearch, apache, nginx or haproxy
    spec.yaml:7:45: unknown field "raeds" in the demand; all engines together take reads, writes, value, data, persistence, copies, working_set, shards, index, queries, retention, document, shards_per_query, requests, response, cpu or tls
    hint: did you mean "reads"?
    spec.yaml:7:82: data: "96Gb" has the unknown unit "Gb"; expected a size such as 64GiB or 512MiB
    spec.yaml:7:88: unknown field "brokers" in the demand; all engines together take reads, writes, value, data, persistence, copies, working_set, shards, index, queries, retention, document, shards_per_query, requests, response, cpu or tls
    spec.yaml:7:100: duplicate field "writes"
    spec.yaml:10:26: engine: "apach" is not known; expected redis, valkey, mysql, mariadb, elasticsearch, opensearch, apache, nginx or haproxy
    hint: did you mean "apache"?
    spec.yaml:10:38: tls: "yes" is not known; expected true, false or optional
    spec.yaml:10:63: requests: "40k" has the unknown unit "k"; expected a rate such as 900k/s or 500/s
    "#
    );
}

#[test]
fn a_service_without_an_engine() {
    insta::assert_snapshot!(screen(&[("engine: redis, demand: { reads: 900k/s", "demand: { reads: 0.5")]), @r#"
    exit 1
    ---
    error: 2 errors in spec.yaml
    spec.yaml:7:5: the field "engine" is missing
    spec.yaml:7:37: reads: "0.5" has no unit; expected a rate such as 900k/s or 500/s
    "#);
    insta::assert_snapshot!(
        screen(&[("engine: haproxy", "engine: haprox, demand: [a]")]),
        @r#"
    exit 1
    ---
    error: 2 errors in spec.yaml
    spec.yaml:11:27: engine: "haprox" is not known; expected redis, valkey, mysql, mariadb, elasticsearch, opensearch, apache, nginx or haproxy
    hint: did you mean "haproxy"?
    spec.yaml:11:43: demand: found a list; expected a map such as { field: value }
    "#
    );
}

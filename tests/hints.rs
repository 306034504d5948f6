//! A hint of `plan` is only given if it is true: with the spec edited as it says there is a
//! plan.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/bench.rs"]
#[expect(dead_code, reason = "other tests read what was written")]
mod bench;

use crate::bench::Bench;

const HEAD: &str = "name: shop\npolicy: { survive: none }\n\
    network: { bridge: br0, subnet: 10.30.0.0/24, addresses: 10.30.0.50-10.30.0.199 }\n";
const HOSTS: &str = "hosts:\n  - { name: h, count: 3, cores: 5, memory: 16GiB, disk: 1TiB }\n";
const CACHE: &str = "services:\n  - { name: cache, engine: redis, demand: { reads: 3k/s, \
    writes: 1k/s, data: 150MiB } }\n";
const LEDGER: &str = "services:\n  - { name: ledger, engine: mysql, demand: { reads: 50/s, \
    writes: 10/s, data: 40GiB } }\n";

/// A spec without a plan, and the one that its hint asks for, which has one.
fn hinted(spec: &str, hint: &str, edits: &[(&str, &str)]) {
    let bench = Bench::new();
    let screen = bench.put("spec.yaml", spec).run(&["plan", "spec.yaml"]);
    assert!(screen.starts_with("exit 4\n"), "{screen}");
    let line = screen.lines().find(|line| line.starts_with("hint: ")).unwrap_or_default();
    assert!(line.contains(hint), "{screen}");
    let mut edited = spec.to_owned();
    for (old, new) in edits {
        assert!(edited.contains(old), "{old:?} is not in\n{edited}");
        edited = edited.replace(old, new);
    }
    let screen = bench.put("spec.yaml", &edited).run(&["plan", "spec.yaml"]);
    assert!(screen.starts_with("exit 0\n"), "{hint}:\n{edited}\n{screen}");
}

fn survive(what: &str) -> String {
    HEAD.replace("survive: none", &format!("survive: {what}"))
}

#[test]
fn more_hosts() {
    let spec = format!("{HEAD}{HOSTS}{}", CACHE.replace("3k/s", "900k/s"));
    hinted(&spec, "add 4 hosts like h-1", &[("count: 3", "count: 7")]);
}

#[test]
fn a_third_host_which_may_be_small() {
    let spec = format!("{}{}{CACHE}", survive("host"), HOSTS.replace("count: 3", "count: 2"));
    let small = "\n  - { name: s, cores: 2, memory: 4GiB, disk: 64GiB }\nservices:";
    let hint = "add 1 small host, of which 2 cores, 4GiB and a disk of 64GiB are enough";
    hinted(&spec, hint, &[("\nservices:", small)]);
    let manual = "{ level: host, quorum: manual }";
    hinted(
        &spec,
        &format!("`survive: {manual}`"),
        &[("survive: host", &format!("survive: {manual}"))],
    );
    hinted(&spec, "`survive: none`", &[("survive: host", "survive: none")]);
}

#[test]
fn hosts_in_failure_domains_of_their_own() {
    let racks = "hosts:\n  - { name: a, count: 3, cores: 5, memory: 16GiB, disk: 1TiB, \
                 labels: { rack: a } }\n  - { name: b, count: 3, cores: 5, memory: 16GiB, \
                 disk: 1TiB, labels: { rack: b } }\n";
    let third = "\n  - { name: c, cores: 5, memory: 16GiB, disk: 1TiB, labels: { rack: c } }\n\
                 services:";
    let spec = format!("{}{racks}{CACHE}", survive("rack"));
    hinted(&spec, "add 1 host like a-1, in a rack of its own", &[("\nservices:", third)]);
}

#[test]
fn fixed_machines() {
    let vms = |vms: &str| format!("{HEAD}{HOSTS}vms:\n  - {{ name: m, {vms} }}\n");
    let spread = vms("count: 5, vcpus: 1, memory: 1GiB, spread: host");
    hinted(&spread, "`count: 3` of m", &[("count: 5", "count: 3")]);
    let two = "spread: { per: host, at_most: 2 }";
    hinted(&spread, &format!("`{two}` of m"), &[("spread: host", two)]);
    hinted(&spread, "omit `spread` of m", &[(", spread: host", "")]);
    let seven = spread.replace("count: 5", "count: 7").replace("spread: host", two);
    hinted(&seven, "`count: 6` of m", &[("count: 7", "count: 6")]);
    hinted(&seven, "`spread: { per: host, at_most: 3 }` of m", &[("at_most: 2", "at_most: 3")]);
    let large = vms("vcpus: 6, memory: 20GiB");
    let hint = "1 host like h-1 with 7 cores and 23 GiB in one NUMA node";
    let host = "\n  - { name: l, cores: 7, memory: 23GiB, disk: 1TiB }\nvms:";
    hinted(&large, hint, &[("\nvms:", host)]);
    let smaller = "make m smaller: `vcpus: 4, memory: 14176MiB`";
    hinted(&large, smaller, &[("vcpus: 6, memory: 20GiB", "vcpus: 4, memory: 14176MiB")]);
    let disk = vms("vcpus: 1, memory: 1GiB, disk: 2TiB");
    let host = "\n  - { name: l, cores: 5, memory: 16GiB, disk: 2049GiB }\nvms:";
    hinted(&disk, "add 1 host like h-1 with 2 TiB in one pool", &[("\nvms:", host)]);
}

#[test]
fn a_working_set_that_nobody_stated() {
    let spec = format!("{HEAD}{HOSTS}{LEDGER}");
    let hint = "state `working_set` of ledger, which is 100% unless stated: 20% is small enough";
    hinted(&spec, hint, &[("data: 40GiB", "data: 40GiB, working_set: 20%")]);
}

#[test]
fn limits_of_engines() {
    let hosts =
        HOSTS.replace("count: 3, cores: 5, memory: 16GiB", "count: 9, cores: 33, memory: 128GiB");
    let writes = LEDGER.replace("writes: 10/s", "writes: 30k/s");
    let spec = format!("{HEAD}{hosts}{writes}");
    let shards = "`shards: 3` of ledger, if the application can shard its data";
    hinted(&spec, shards, &[("data: 40GiB", "data: 40GiB, shards: 3")]);
}

#[test]
fn small_pages() {
    let host = |pages| {
        let cores = "cores: [[0], [1], [2], [3], [4], [5], [6], [7]]";
        format!(
            "hosts:\n  - {{ name: h, hypervisor: kvm, bridges: [br0], \
             numa: [{{ id: 0, memory: 32GiB, {pages}l3: [{{ {cores} }}] }}], \
             pools: [{{ name: default, capacity: 1TiB }}] }}\n"
        )
    };
    let vms = "vms:\n  - { name: m, count: 5, vcpus: 1, memory: 1536MiB }\n";
    let spec = format!("{HEAD}{}{vms}", host("pages: { 1GiB: 26 }, "));
    let pages = "let the hosts have pages of 2MiB instead of 1GiB";
    hinted(&spec, pages, &[("1GiB: 26", "2MiB: 13312")]);
}

/// Where nothing that was tried makes a plan possible, nothing is named.
#[test]
fn no_hint_is_better_than_a_wrong_one() {
    let spec = format!("{HEAD}{HOSTS}{}", CACHE.replace("150MiB", "100TiB"));
    let bench = Bench::new();
    let screen = bench.put("spec.yaml", &spec).run(&["plan", "spec.yaml"]);
    assert!(screen.starts_with("exit 4\n") && !screen.contains("hint:"), "{screen}");
}

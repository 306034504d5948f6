//! What was assumed is named as assumed where it decides, and what is not known is said.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/bench.rs"]
#[expect(dead_code, reason = "other tests read what was written")]
mod bench;

use crate::bench::Bench;

/// A database that writes a lot, on a host whose disk nobody measured.
fn database(writes: &str, assumed: &str) -> String {
    let cores: Vec<String> = (0..20).map(|core| format!("[{core}]")).collect();
    format!(
        "name: books\npolicy: {{ survive: none }}\n\
         network: {{ bridge: br0, subnet: 10.30.0.0/24, addresses: 10.30.0.50-10.30.0.99 }}\n\
         hosts:\n  - name: left\n    hypervisor: kvm\n    bridges: [br0]\n    network: 10Gbit/s\n    \
         numa: [{{ id: 0, memory: 192GiB, l3: [{{ cores: [{}] }}] }}]\n    \
         pools: [{{ name: ssd, capacity: 3TiB, iops: 15k/s }}]\n    assumed: [{assumed}]\n\
         services:\n  - {{ name: ledger, engine: mysql, demand: {{ reads: 50/s, writes: {writes}, \
         data: 80GiB, working_set: 20% }} }}\n",
        cores.join(", ")
    )
}

#[test]
fn assumed_operations_of_a_disk_are_named() {
    let screen = |command: &[&str], writes, assumed| {
        let bench = Bench::new();
        bench.put("spec.yaml", &database(writes, assumed));
        bench.run(command)
    };
    let plan = ["plan", "spec.yaml"];
    let named = screen(&plan, "3900/s", "pools.ssd.iops, cost");
    assert!(named.starts_with("exit 4\n"), "{named}");
    assert!(named.contains("allocatable 15,000/s (assumed; state `pools.ssd.iops`)\n"), "{named}");
    let sentence = "Assumed, not measured: the I/O operations of left; state `pools.ssd.iops`.";
    assert!(named.contains(sentence), "{named}");
    let stated = screen(&plan, "3900/s", "cost");
    assert!(stated.contains("allocatable 15,000/s\n") && !stated.contains("ssumed"), "{stated}");
    let json = screen(&["plan", "spec.yaml", "--format", "json"], "3900/s", "pools.ssd.iops");
    assert!(json.contains("\"field\": \"pools.ssd.iops\""), "{json}");
}

/// Where a plan is found, what was assumed is in it, and on its screens.
#[test]
fn a_plan_names_the_assumed_operations_that_limit_it() {
    let bench = Bench::new();
    let limited = |pool: &str, assumed: &str| {
        let host = format!(
            "  - {{ name: h, count: 6, cores: 20, memory: 256GiB, disk: 3TiB{pool}{assumed} }}\n"
        );
        let spec = format!(
            "name: books\n\
             network: {{ bridge: br0, subnet: 10.30.0.0/24, addresses: 10.30.0.50-10.30.0.99 }}\n\
             hosts:\n{host}services:\n  - {{ name: ledger, engine: mysql, demand: {{ \
             reads: 350/s, writes: 5/s, data: 400GiB }} }}\n"
        );
        bench.put("spec.yaml", &spec);
        let screens = [["plan", "spec.yaml"].as_slice(), &["show", "--format", "markdown"]];
        screens.map(|command| bench.run(command)).concat()
    };
    let sentence = "ledger is limited by the I/O operations of h-";
    let named = limited(", iops: 3k/s", ", assumed: [iops]");
    assert_eq!(named.matches(sentence).count(), 2, "{named}");
    assert_eq!(named.matches("state `iops`").count(), 2, "{named}");
    let stated = limited(", iops: 3k/s", "");
    assert!(stated.contains("disk IOPS") && !stated.contains("ledger is limited by"), "{stated}");
}

/// Cores that a host keeps because nobody stated how many.
#[test]
fn an_assumed_reserve_is_named() {
    let screen = |assumed| {
        let bench = Bench::new();
        let spec = format!(
            "name: s\npolicy: {{ survive: none }}\nhosts:\n  - {{ name: h, cores: 8, memory: 64GiB, \
             reserve: {{ cores: 2 }}, assumed: [{assumed}] }}\n\
             vms:\n  - {{ name: a, vcpus: 8, memory: 1GiB }}\n"
        );
        bench.put("spec.yaml", &spec).run(&["plan", "spec.yaml"])
    };
    let named = screen("reserve");
    assert!(named.contains("2 of 8 cores and 2 GiB of 64 GiB; it was assumed:"), "{named}");
    let stated = screen("");
    assert!(stated.contains("2 of 8 cores") && !stated.contains("ssumed"), "{stated}");
}

/// Values of 512 KiB on hosts of which no bandwidth is stated.
fn values(network: &str) -> String {
    format!(
        "name: blobs\n\
         network: {{ bridge: br0, subnet: 10.30.0.0/24, addresses: 10.30.0.50-10.30.0.199 }}\n\
         hosts:\n  - {{ name: n, count: 3, cores: 32, memory: 256GiB, disk: 2TiB{network} }}\n\
         services:\n  - {{ name: store, engine: redis, demand: {{ reads: 8k/s, writes: 50/s, \
         value: 512KiB, data: 60GiB }} }}\n"
    )
}

#[test]
fn bandwidth_that_is_not_stated_is_said() {
    let screen = |network| {
        let bench = Bench::new();
        bench.put("spec.yaml", &values(network));
        let screen = bench.run(&["plan", "spec.yaml"]);
        screen.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let unlimited = screen("");
    assert!(unlimited.starts_with("exit 0 "), "{unlimited}");
    assert!(unlimited.contains("Gbit/s on n-"), "{unlimited}");
    assert!(
        unlimited.contains("bandwidth unknown and not enforced: state `network`"),
        "{unlimited}"
    );
    let stated = screen(", network: 100 Gbit/s");
    assert!(stated.starts_with("exit 0 ") && !stated.contains(" network: "), "{stated}");
    let assumed = screen(", network: 100 Gbit/s, assumed: [network]");
    assert!(assumed.contains("Gbit/s of 100 Gbit/s on n-"), "{assumed}");
    assert!(assumed.contains("; assumed, not measured: state `network`"), "{assumed}");
}

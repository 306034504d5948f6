//! NICs, disks and the bandwidth of the bridge.

use crate::bench::Bench;
use crate::{MACHINE, NETWORK, fixture};

/// The lines of a host file that tell of devices.
fn lines(screen: &str) -> String {
    let of_devices = |line: &&str| {
        ["NIC", "etwork", "Disks", "nvme", "isk", "left out"].iter().any(|word| line.contains(word))
    };
    screen.lines().filter(of_devices).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_fastest_nic_is_taken_and_no_virtual_one() {
    let bench = Bench::new();
    bench.put("h1.xml", &fixture("groups-io.xml"));
    insta::assert_snapshot!(lines(&bench.run(&["import", "h1.xml"])), @"
    # Network interfaces below no PCI device, taken for virtual: left out (bond0, docker0, lo).
    # Block devices below no PCI device, taken for virtual: left out (dm-0).
    # NIC ens1f0: 25Gbit/s, NUMA node 0; same address as another NIC, as in a bond.
    # NIC ens1f1: speed unknown, NUMA node 0; same address as another NIC, as in a bond.
    network: 25Gbit/s                      # assumed: the bridge is on ens1f0, the fastest NIC of known speed
    # Disks (the file lists neither their pools nor their free space):
    #   nvme0n1, nvme1n1: 3576GiB each, NUMA node 0.
    assumed: [hypervisor, architecture, cost, reserve, bridges, network, numa.*.l3]
    ");
}

#[test]
fn the_users_word_on_the_network_wins() {
    let bench = Bench::new();
    bench.put("h1.xml", &fixture("groups-io.xml"));
    let seen = bench.run(&["import", "h1.xml", "--network", "10 Gbit/s"]);
    assert!(
        seen.contains("\nnetwork: 10Gbit/s                      # stated by the user\n"),
        "{seen}"
    );
    assert!(!seen.contains("bridges, network"), "{seen}");
    let none = bench.run(&["import", "h1.xml", "--network", "0bit/s"]);
    assert!(none.contains("exit 2") && none.contains("expected more than 0"), "{none}");
}

#[test]
fn a_speed_without_a_unit_is_not_told_and_a_dump_of_version_3_is_read_alike() {
    let bench = Bench::new();
    let text = fixture("groups-io.xml");
    bench.put("h1.xml", &text.replace("25000Mb/s", "25000"));
    let seen = bench.run(&["import", "h1.xml"]);
    assert!(seen.contains("# network: speed unknown"), "{seen}");
    let third = text
        .replace("<topology version=\"2.0\">", "<topology version=\"3.0\">")
        .replace("osdev_type=\"2\"", "osdev_type=\"16\"")
        .replace("osdev_type=\"3\"", "osdev_type=\"48\"")
        .replace("osdev_type=\"0\"", "osdev_type=\"1\"")
        .replace("value=\"3750738264\"", "value=\"3750738264KiB\"");
    bench.put("h1.xml", &text);
    let second = bench.run(&["import", "h1.xml"]);
    bench.put("h1.xml", &third);
    assert_eq!(bench.run(&["import", "h1.xml"]), second);
}

#[test]
fn a_plan_is_made_on_what_was_imported_and_keeps_off_memoryless_numa_nodes() {
    let bench = Bench::new();
    let files = ["groups-io.xml", "groups-hbm-memcache.xml", "capabilities-memoryless.xml"];
    for file in files {
        bench.put("h1.xml", &fixture(file));
        let flags = ["import", "h1.xml", "-o", "hosts", "--force", "--pool", "default=1TiB"];
        let more = ["--bridge", "br0", "--network", "10Gbit/s"];
        let seen = bench.run(&[&flags[..], &more[..]].concat());
        assert!(seen.starts_with("exit 0"), "{file}: {seen}");
        let spec = format!(
            "name: s\npolicy: {{ survive: none }}\n{NETWORK}hosts: [{{ include: hosts/*.yaml }}]\n{}",
            MACHINE.replace("count: 1", "count: 2")
        );
        bench.put("spec.yaml", &spec);
        let plan = bench.run(&["plan", "spec.yaml"]);
        assert!(
            plan.starts_with("exit 0") && plan.contains("audit: no findings"),
            "{file}: {plan}"
        );
    }
}

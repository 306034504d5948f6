//! Flat hosts, and specs that hold fixed machines alone.

use super::*;
use crate::spec::MigrationMethod;
use crate::topology::{Migration, Virtualization};

const PACK: &str = "\
name: pack
policy: { survive: none }
hosts:
  - { name: h1, cores: 24, memory: 96GiB, network: 16 Gbit/s, disk: 2TiB, iops: 100k/s, cost: 4800, reserve: none, labels: { rack: r1 } }
  - { name: big, count: 2, cores: 4, threads: 2, memory: 8GiB, reserve: { cores: 0, memory: 0GiB } }
vms:
  - { name: a, vcpus: 2, memory: 1GiB }
  - { name: b, count: 3, vcpus: 2, memory: 1GiB, disk: 20GiB, iops: 1k/s, network: 200 Mbit/s, spread: host }
";

fn pack(from: &str, to: &str) -> Files {
    assert!(PACK.contains(from), "{from}");
    let files = Files(tempfile::tempdir().unwrap());
    files.put("spec.yaml", PACK.replace(from, to));
    files
}

#[test]
fn a_flat_host_is_one_numa_node_and_one_l3_domain() {
    let spec = pack("", "").load().unwrap();
    assert_eq!(spec.network, None);
    let names: Vec<&str> = spec.topology.hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["big-1", "big-2", "h1"]);
    let h1 = &spec.topology.hosts[2];
    assert_eq!((h1.numa.len(), h1.numa[0].l3.len(), h1.threads_per_core()), (1, 1, 1));
    assert_eq!(h1.numa[0].allocatable_cores(), 24);
    assert_eq!(h1.numa[0].allocatable_memory(), Mebibytes::from_gib(96));
    assert_eq!((h1.hypervisor, h1.cost), (Virtualization::Kvm, 4_800));
    assert_eq!(h1.pools[0].iops_per_s, Some(PerSecond::new(100_000)));
    let big = &spec.topology.hosts[0];
    assert!(big.pools.is_empty() && big.bridges.is_empty());
    assert_eq!(big.numa[0].l3[0].cores[1].cpus, [1, 5]);
    assert_eq!(big.numa[0].allocatable_cores(), 4);
    let (a, b) = (&spec.vms[0], &spec.vms[1]);
    assert_eq!((a.count, a.disk_mib, a.spread), (1, Mebibytes::ZERO, None));
    assert!(!a.restart);
    assert_eq!(b.iops_per_s, PerSecond::new(1_000));
    assert_eq!(b.network_bits_per_s, BitsPerSecond::new(200_000_000));
}

#[test]
fn a_flat_host_keeps_a_core_and_2_gib_and_has_the_networks_bridge() {
    let files = pack(", reserve: none", "");
    let spec = files.load().unwrap();
    assert_eq!(spec.topology.hosts[2].numa[0].allocatable_cores(), 23);
    let network = "network: { bridge: br7, subnet: 10.0.0.0/24, addresses: 10.0.0.5-10.0.0.9 }\n";
    files.put("spec.yaml", format!("{PACK}{network}"));
    assert_eq!(files.load().unwrap().topology.hosts[2].bridges, ["br7"]);
}

#[test]
fn flat_fields_and_numa_nodes_do_not_mix() {
    let files = Files::good();
    files.put("hosts/h1.yaml", format!("{HOST}cores: 4\nmemory: 8GiB\ndisk: 1TiB\n"));
    insta::assert_snapshot!(files.errors(), @"
    hosts/h1.yaml:14:8: cores: cannot be combined with `numa`; remove one of them
    hint: `numa` says each core with its threads
    hosts/h1.yaml:15:9: memory: cannot be combined with `numa`; remove one of them
    hint: `numa` says the memory of each NUMA node
    hosts/h1.yaml:16:7: disk: cannot be combined with `numa`; remove one of them
    hint: write it as `pools: [{ name: default, capacity: 1TiB, iops: 100k/s }]`
    ");
    insta::assert_snapshot!(pack("disk: 2TiB,", "disk: 2TiB, pools: [{ name: p, capacity: 1TiB }],").errors(), @"
    spec.yaml:4:69: disk: cannot be combined with `pools`; remove one of them
    spec.yaml:4:119: iops: cannot be combined with `pools`; remove one of them
    ");
}

#[test]
fn a_fence_is_a_program_with_its_arguments() {
    let spec = pack("cost: 4800,", "cost: 4800, fence: { command: \"ipmi 'rack 1' off\" },");
    let hosts = spec.load().unwrap().topology.hosts;
    assert_eq!(hosts[2].fence.as_ref().unwrap().command, ["ipmi", "rack 1", "off"]);
    assert_eq!(hosts[0].fence, None);
    let broken = pack("cost: 4800,", "cost: 4800, fence: { command: \"ipmi 'a\" },").errors();
    let expected = "fence.command: \"ipmi 'a\" is not a program with its arguments, such as";
    assert!(broken.contains(expected), "{broken}");
}

#[test]
fn flat_hosts_are_checked() {
    insta::assert_snapshot!(pack("cores: 24, memory: 96GiB", "cores: 0").errors(), @r#"
    spec.yaml:4:5: the field "memory" is missing
    spec.yaml:4:24: cores: 0 is out of range: at least 1
    "#);
    insta::assert_snapshot!(pack("cores: 24, memory: 96GiB, network: 16 Gbit/s, disk: 2TiB, iops: 100k/s, ", "").errors(), @r#"
    spec.yaml:4:5: the field "hypervisor" is missing
    spec.yaml:4:5: the field "numa" is missing
    hint: list its NUMA nodes as `hostsplit discover` writes them, or flat: `cores: 24, memory: 96GiB`
    spec.yaml:4:5: the field "pools" is missing
    "#);
    insta::assert_snapshot!(pack("disk: 2TiB, ", "").errors(), @"
    spec.yaml:4:69: iops: needs a `disk` to go with it
    hint: set its size: `disk: 1TiB`
    ");
    insta::assert_snapshot!(pack("count: 2,", "count: 2, uri: qemu:///system,").errors(), @"
    spec.yaml:5:33: uri: one address for several hosts
    hint: hosts that exist have an entry each; `count` is for planning what to buy
    ");
    insta::assert_snapshot!(pack("count: 2,", "count: 999999999,").errors(), @"spec.yaml:5:25: count: 999999999 is out of range: at most 10000");
    insta::assert_snapshot!(pack("name: h1", "name: big-2").errors(), @r#"spec.yaml:5:13: duplicate host name "big-2", first defined at spec.yaml:4:13"#);
    insta::assert_snapshot!(pack("threads: 2", "threads: 9").errors(), @"spec.yaml:5:47: threads: 9 is out of range: at most 8");
    insta::assert_snapshot!(pack("iops: 1k/s, network: 200 Mbit/s", "iops: -1/s, network: 200Mbit").errors(), @r#"
    spec.yaml:8:69: iops: "-1/s" is not a rate such as 900k/s or 500/s
    spec.yaml:8:84: network: "200Mbit" has the unknown unit "Mbit"; expected a data rate such as 10 Gbit/s
    "#);
    insta::assert_snapshot!(pack("disk: 20GiB, ", "").errors(), @"
    spec.yaml:8:56: iops: needs a `disk` to go with it
    hint: set its size: `disk: 20GiB`
    ");
}

#[test]
fn what_a_move_needs_to_know() {
    let files = Files::good();
    let spec = files.load().unwrap();
    assert_eq!(spec.topology.hosts[0].migration, Migration::default());
    assert_eq!(spec.vms[0].migrate, MigrationMethod::AutoConverge);
    let migration = "migration: { address: 10.9.0.1, bandwidth: 1 Gbit/s, tls: true }";
    let (pool, pools) = ("iops: 20k/s }", "iops: 20k/s, shared: true }");
    files.put("hosts/h1.yaml", format!("{}{migration}\n", HOST.replace(pool, pools)));
    let host = files.load().unwrap().topology.hosts[0].clone();
    assert!(host.pools[0].shared);
    let bits_per_s = Some(BitsPerSecond::new(1_000_000_000));
    let address = Some("10.9.0.1".to_owned());
    assert_eq!(host.migration, Migration { address, bits_per_s, tls: true });

    let broken = "migration: { address: 'tcp://h1', bandwidth: 1 Mbit/s }";
    files.put("hosts/h1.yaml", format!("{HOST}{broken}\n"));
    insta::assert_snapshot!(files.errors(), @r#"
    hosts/h1.yaml:14:23: migration.address: "tcp://h1" is neither an address nor a host name
    hosts/h1.yaml:14:46: migration.bandwidth: 1Mbit/s is out of range: at least 10Mbit/s
    "#);
    let fast = pack("disk: 20GiB,", "disk: 20GiB, migrate: post-copy,");
    assert_eq!(fast.load().unwrap().vms[1].migrate, MigrationMethod::PostCopy);
    insta::assert_snapshot!(pack("disk: 20GiB,", "disk: 20GiB, migrate: cold,").errors(), @r#"spec.yaml:8:72: migrate: "cold" is not known; expected auto-converge or post-copy"#);
}

#[test]
fn two_hundred_hosts_and_a_hundred_services_are_read() {
    let mut spec = "name: large\npolicy: { survive: none }\nhosts:\n".to_owned();
    for host in 0..200 {
        spec.push_str(&format!("  - {{ name: h{host}, cores: 192, memory: 1TiB }}\n"));
    }
    spec.push_str(
        "network: { bridge: br0, subnet: 10.0.0.0/8, addresses: 10.0.0.1-10.255.0.0 }\nservices:\n",
    );
    for service in 0..100 {
        spec.push_str(&format!(
            "  - {{ name: s{service}, engine: valkey, demand: {{ reads: 1/s, writes: 1/s, data: 1GiB }} }}\n"
        ));
    }
    let files = Files(tempfile::tempdir().unwrap());
    let spec = files.put("spec.yaml", spec).load().unwrap();
    assert_eq!((spec.topology.hosts.len(), spec.services.len()), (200, 100));
}

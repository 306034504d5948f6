use super::*;
use crate::hypervisor::{
    Definition, DomainState, ORDINARY_PAGE_KIB, OwnerTag, ReportedCpu, ReportedNuma,
};

fn cpu(id: u32, siblings: &[u32], l3: Option<&[u32]>) -> ReportedCpu {
    let core = siblings.first().copied().unwrap_or(id);
    let l3 = l3.map(|cpus| (cpus.to_vec(), 32 << 10));
    ReportedCpu { id, socket: 0, die: 0, core, siblings: siblings.to_vec(), l3 }
}

fn node(id: u32, cpus: Vec<ReportedCpu>) -> ReportedNuma {
    let pages = vec![(4, 3_000_000), (2048, 10), (1 << 20, 48)];
    ReportedNuma { id, memory_kib: 65_932_712, pages, free_pages: Vec::new(), cpus }
}

fn report() -> HostReport {
    HostReport {
        hostname: "h1.example".to_owned(),
        libvirt_version: 9_000_000,
        qemu_version: 7_002_022,
        architecture: Architecture::X86,
        domain_types: vec!["kvm".to_owned(), "qemu".to_owned()],
        numa: vec![
            node(
                0,
                vec![
                    cpu(0, &[0, 4], Some(&[0, 4])),
                    cpu(1, &[1, 5], Some(&[1, 5])),
                    cpu(4, &[0, 4], Some(&[0, 4])),
                    cpu(5, &[1, 5], Some(&[1, 5])),
                ],
            ),
            node(1, vec![cpu(2, &[2, 6], None), cpu(6, &[2, 6], None), cpu(3, &[3], None)]),
            node(2, vec![]),
        ],
        pools: vec![ReportedPool {
            name: "default".to_owned(),
            path: "/images".to_owned(),
            capacity: 270_553_174_016,
            available: 253_131_005_952,
        }],
        bridges: vec!["br0".to_owned(), "on".to_owned()],
        cpu_model: Some("EPYC-Milan by AMD".to_owned()),
        nics: vec![
            ReportedNic {
                name: "eth0".to_owned(),
                bits_per_s: Some(25_000_000_000),
                numa: Some(1),
            },
            ReportedNic { name: "eth1".to_owned(), bits_per_s: None, numa: None },
        ],
    }
}

fn foreign() -> Domain {
    Domain {
        name: "old-db".to_owned(),
        uuid: uuid::Uuid::nil(),
        active: true,
        state: DomainState::Running,
        owner: None::<OwnerTag>,
        persistent: true,
        autostart: false,
        definition: Definition {
            memory_kib: 16 << 20,
            vcpu_pins: vec![vec![2], vec![6]],
            page_kib: ORDINARY_PAGE_KIB,
            ..Definition::default()
        },
        next: None,
    }
}

fn file(stated: Option<Virtualization>, report: &HostReport) -> HostFile {
    host_file(
        &HostName::new("h1").unwrap(),
        "qemu+unix:///system?socket=/run/h1",
        stated,
        report,
        &[foreign()],
    )
}

#[test]
fn a_host_with_smt_known_and_unknown_caches_and_a_node_of_memory_alone() {
    insta::assert_snapshot!(file(None, &report()).text, @r##"
    # Written by hostsplit discover from qemu+unix:///system?socket=/run/h1; edit as you like.
    # libvirt 9.0.0, QEMU 7.2.22. Measured unless a comment says otherwise.
    # CPUs: EPYC-Milan by AMD.
    # NIC eth0: 25Gbit/s, NUMA node 1.
    # NIC eth1: no link.
    # Existing domains; reserve what the running ones need:
    #   old-db: running, 2 vCPUs pinned to CPUs 2,6, 16GiB
    name: h1
    uri: qemu+unix:///system?socket=/run/h1
    hypervisor: kvm                        # kvm | qemu; assumed: offered, not verified by starting a guest
    architecture: x86_64
    cost: 1                                # assumed: all hosts cost the same
    reserve: { cores: 1, memory: 5GiB }    # assumed: for the host, emulator and I/O threads; a sixteenth of the cores, at least one
    bridges: [br0, "on"]
    network: 25Gbit/s                      # assumed: the bridge is on eth0, the fastest link
    numa:
      - id: 0
        memory: 64387MiB
        pages: { 2MiB: 10, 1GiB: 48 }
        l3:
          - { size: 32MiB, cores: [[0, 4]] }
          - { size: 32MiB, cores: [[1, 5]] }
      - id: 1
        memory: 64387MiB
        pages: { 2MiB: 10, 1GiB: 48 }
        l3:                                # assumed: one for each die; libvirt lists no such cache
          - { cores: [[2, 6], [3]] }
      - id: 2
        memory: 64387MiB
        pages: { 2MiB: 10, 1GiB: 48 }
        l3: []                             # no CPU is online here
    pools:                                 # capacity: free when discovered; iops: assumed
      - { name: default, capacity: 235GiB, iops: 20k/s }
    assumed: [hypervisor, cost, reserve, network, numa.1.l3, pools.default.iops]
    "##);
}

#[test]
fn a_small_host_of_which_little_is_known() {
    let mut small = report();
    small.numa = vec![node(0, vec![cpu(0, &[0], Some(&[0, 1])), cpu(1, &[1], Some(&[0, 1]))])];
    small.numa[0].memory_kib = 7_694_548;
    small.numa[0].pages = vec![(4, 1_923_637), (2048, 0)];
    small.domain_types = vec!["qemu".to_owned()];
    small.pools.clear();
    small.bridges.clear();
    insta::assert_snapshot!(file(None, &small).text, @r##"
    # Written by hostsplit discover from qemu+unix:///system?socket=/run/h1; edit as you like.
    # libvirt 9.0.0, QEMU 7.2.22. Measured unless a comment says otherwise.
    # CPUs: EPYC-Milan by AMD.
    # NIC eth0: 25Gbit/s, NUMA node 1.
    # NIC eth1: no link.
    # Existing domains; reserve what the running ones need:
    #   old-db: running, 2 vCPUs pinned to CPUs 2,6, 16GiB
    name: h1
    uri: qemu+unix:///system?socket=/run/h1
    hypervisor: qemu                       # kvm | qemu; kvm is not offered
    architecture: x86_64
    cost: 1                                # assumed: all hosts cost the same
    reserve: { cores: 0, memory: 939MiB }  # assumed: for the host, emulator and I/O threads; no core, since there are too few
    bridges: []                            # assumed: libvirt lists none; add those that exist
    network: 25Gbit/s                      # assumed: the bridge is on eth0, the fastest link
    numa:
      - id: 0
        memory: 7514MiB
        pages: { 2MiB: 0, 1GiB: 0 }
        l3:
          - { size: 32MiB, cores: [[0], [1]] }
    pools: []                              # libvirt lists no active pool with free space
    assumed: [cost, reserve, bridges, network]
    "##);
}

#[test]
fn the_users_word_on_the_hypervisor_is_no_assumption() {
    let stated = file(Some(Virtualization::Tcg), &report());
    assert_eq!(stated.hypervisor, Virtualization::Tcg);
    assert!(!stated.assumed.contains(&"hypervisor".to_owned()));
}

#[test]
fn names_are_made_of_host_names() {
    let name = |hostname: &str| name_of(hostname).map(|name| name.to_string());
    assert_eq!(name("h1.example.org").as_deref(), Some("h1"));
    assert_eq!(name("Big_Server--7").as_deref(), Some("big-server-7"));
    assert_eq!(name("10-0-0-1").as_deref(), Some("h10-0-0-1"));
    assert_eq!(name(&"a".repeat(80)).map(|name| name.len()), Some(MAX_NAME));
    assert_eq!(name("...").as_deref(), None);
    assert_eq!(name("ä").as_deref(), None);
}

#[test]
fn free_space_and_comments_are_fleeting_and_nothing_else_is() {
    let first = file(None, &report()).text;
    let mut later = report();
    later.pools[0].available -= 50 << 30;
    later.libvirt_version += 1;
    let later = file(None, &later).text;
    assert_ne!(first, later);
    assert_eq!(without_fleeting_values(&first), without_fleeting_values(&later));
    let mut grown = report();
    grown.numa[0].memory_kib *= 2;
    assert_ne!(without_fleeting_values(&first), without_fleeting_values(&file(None, &grown).text));
}

#[test]
fn values_that_yaml_would_take_for_something_else_are_quoted() {
    for plain in ["br0", "qemu+ssh://root@h1/system?socket=/a-b_c", "default"] {
        assert_eq!(scalar(plain), plain);
    }
    for odd in ["on", "NO", "", "a b", "1", "a: b", "a:", "[x]", "#", "a,b", "y", "~", "null"] {
        assert!(scalar(odd).starts_with('"'), "{odd}");
    }
}

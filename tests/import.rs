//! Files that describe machines, as other programs write them: each to the host
//! file beside it, which a spec takes and a plan can be made with.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "reads the files of this directory")]

#[path = "import/architecture.rs"]
mod architecture;
#[path = "support/bench.rs"]
mod bench;
#[path = "import/devices.rs"]
mod devices;
#[path = "import/memoryless.rs"]
mod memoryless;
#[path = "import/refused.rs"]
mod refused;
#[path = "import/reserve.rs"]
mod reserve;
#[path = "import/siblings.rs"]
mod siblings;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use hostsplit::ids::HostName;
use hostsplit::report::host;
use hostsplit::topology::import::{self, Machine, Provenance, Stated};
use hostsplit::units::Mebibytes;
use proptest::prelude::*;

use crate::bench::Bench;

const TEXTS: &[(&str, Stated)] = &[
    ("capabilities.xml", NOTHING),
    ("capabilities-memoryless.xml", NOTHING),
    ("cpuid-only.xml", Stated { memory: Some(Mebibytes::from_gib(768)), numa_per_socket: Some(4) }),
    ("dies-memcache.xml", NOTHING),
    ("groups-hbm-memcache.xml", NOTHING),
    ("groups-io.xml", NOTHING),
    ("hwloc-v1.xml", NOTHING),
    ("hwloc-v2.xml", NOTHING),
    ("lscpu-summary.json", MEMORY),
    ("lscpu-table.json", MEMORY),
    ("lscpu-table.txt", MEMORY),
    ("memory-only-no-l3.xml", NOTHING),
    ("numa24-smt-off.xml", NOTHING),
    ("offline.xml", NOTHING),
];
const NETWORK: &str = "network: { bridge: br0, subnet: 10.20.0.0/24, \
    addresses: 10.20.0.50-10.20.0.199, gateway: 10.20.0.1 }\n";
const MACHINE: &str = "vms: [{ name: a, count: 1, vcpus: 1, memory: 1GiB, disk: 1GiB }]\n";
const NOTHING: Stated = Stated { memory: None, numa_per_socket: None };
const MEMORY: Stated = Stated { memory: Some(Mebibytes::from_gib(64)), numa_per_socket: None };

fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import").join(name);
    fs::read_to_string(path).unwrap()
}

fn host_file(name: &str, machine: &Machine) -> String {
    let host = HostName::new("h1").unwrap();
    host::imported_file(&host, name, machine, &host::Stated::default()).text
}

#[test]
fn each_file_gives_the_host_file_beside_it() {
    let mut wrong = String::new();
    for (name, stated) in TEXTS {
        let machine = import::read(&fixture(name), stated).unwrap();
        let file = host_file(name, &machine);
        if file != fixture(&format!("{name}.yaml")) {
            let _ = writeln!(wrong, "{name} gives:\n{file}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn both_forms_of_hwloc_tell_the_same() {
    let [first, second] =
        ["hwloc-v1.xml", "hwloc-v2.xml"].map(|name| import::read(&fixture(name), &NOTHING));
    assert_eq!(first, second);
}

#[test]
fn each_host_file_is_taken_by_a_spec() {
    for (name, _) in TEXTS {
        let bench = Bench::new();
        let file = fixture(&format!("{name}.yaml"));
        bench.put("hosts/h1.yaml", &file.replace("bridges: []", "bridges: [br0]"));
        let spec = format!("name: s\n{NETWORK}hosts: [{{ include: hosts/*.yaml }}]\n{MACHINE}");
        bench.put("spec.yaml", &spec);
        let seen = bench.run(&["check", "spec.yaml"]);
        assert!(seen.starts_with("exit 0"), "{name}: {seen}");
    }
}

/// Two sockets, 24 L3 domains of 8 cores, siblings 192 apart.
fn big_table() -> String {
    let mut text = "# CPU,Core,Socket,Node,,L1d,L1i,L2,L3\n".to_owned();
    for cpu in 0..384 {
        let core = cpu % 192;
        let (socket, l3) = (core / 96, core / 8);
        let _ = writeln!(text, "{cpu},{core},{socket},{socket},,{core},{core},{core},{l3}");
    }
    text
}

#[test]
fn a_server_of_192_cores_is_imported_and_planned() {
    let bench = Bench::new();
    bench.put("big.txt", &big_table());
    insta::assert_snapshot!(
        bench.run(&["import", "big.txt", "-o", "hosts", "--name", "big", "--memory", "1536GiB",
            "--numa-per-socket", "4", "--pool", "default=3TiB", "--bridge", "br0"]), @"
    exit 0
    big  8 NUMA, 24 L3, 192 cores, 384 CPUs, 1536GiB from a table of lscpu: hosts/big.yaml written
        assumed: hypervisor, architecture, cost, reserve, numa, numa.*.memory, numa.*.pages, pools.default.iops
    ---
    ");
    let spec = "\
name: shop
policy: { survive: none }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.199, gateway: 10.20.0.1 }
hosts: [{ include: hosts/*.yaml }]
services:
  - { name: cache, engine: redis, demand: { reads: 500k/s, writes: 50k/s, value: 512B, data: 96GiB, persistence: aof } }
";
    bench.put("spec.yaml", spec);
    let seen = bench.run(&["plan", "spec.yaml"]);
    assert!(seen.starts_with("exit 0") && seen.contains("audit: no findings"), "{seen}");
}

#[test]
fn what_is_not_there_is_assumed_and_said() {
    let mut table = "# CPU,Core,Socket\n".to_owned();
    for cpu in 0..16 {
        let _ = writeln!(table, "{cpu},{},{}", cpu / 2, cpu / 8);
    }
    let machine = import::read(&table, &MEMORY).unwrap();
    let assumed = "one per socket; the file lists none".to_owned();
    assert_eq!(machine.numa.provenance, Provenance::Assumed(assumed));
    assert_eq!(machine.numa.value.len(), 2);
    assert!(machine.numa.value.iter().all(|node| node.l3.provenance.is_assumed()));
    assert!(machine.numa.value.iter().all(|node| node.memory.provenance.is_assumed()));
}

#[test]
fn one_l3_domain_that_lies_in_several_numa_nodes_is_cut() {
    let mut table = "# CPU,Core,Socket,Node,,L3\n".to_owned();
    for cpu in 0..8 {
        let _ = writeln!(table, "{cpu},{cpu},0,{},,0", cpu / 4);
    }
    let machine = import::read(&table, &MEMORY).unwrap();
    let counts: Vec<_> = machine.numa.value.iter().map(|node| node.l3.value.len()).collect();
    assert_eq!(counts, [1, 1]);
    assert!(import::read(&table, &Stated { numa_per_socket: Some(9), ..MEMORY }).is_err());
}

#[test]
fn the_command_reads_writes_and_keeps_what_was_edited() {
    let bench = Bench::new();
    bench.put("h7.xml", &fixture("hwloc-v2.xml"));
    let args = ["import", "h7.xml", "-o", "hosts", "--uri", "qemu:///system", "--pool", "ssd=1TiB"];
    insta::assert_snapshot!(bench.run(&args), @"
    exit 0
    h7  2 NUMA, 4 L3, 12 cores, 24 CPUs, 192GiB from hwloc XML: hosts/h7.yaml written
        assumed: hypervisor, architecture, cost, reserve, bridges, pools.ssd.iops
    ---
    ");
    let first = bench.read("hosts/h7.yaml").unwrap();
    assert!(first.contains("uri: qemu:///system\n"), "{first}");
    assert!(first.contains("  - { name: ssd, capacity: 1TiB, iops: 20k/s }\n"), "{first}");
    bench.put("hosts/h7.yaml", "name: h7\n");
    insta::assert_snapshot!(bench.run(&args), @"
    exit 1
    ---
    error: hosts/h7.yaml exists and differs; nothing was written
    hint: it may hold edits; pass --force to replace it
    ");
    assert_eq!(bench.read("hosts/h7.yaml").unwrap(), "name: h7\n");
    let forced: Vec<&str> = args.into_iter().chain(["--force"]).collect();
    assert!(bench.run(&forced).starts_with("exit 0"));
    assert_eq!(bench.read("hosts/h7.yaml").unwrap(), first);
    assert_eq!(bench.names(), ["h7.xml", "hosts"]);
}

/// Threads of each core, by socket, NUMA node and L3 domain.
fn shapes() -> impl Strategy<Value = Vec<Vec<Vec<Vec<usize>>>>> {
    let l3 = prop::collection::vec(1..=2_usize, 1..5);
    let numa = prop::collection::vec(l3, 1..4);
    let socket = prop::collection::vec(numa, 1..4);
    prop::collection::vec(socket, 1..4)
}

proptest! {
    #[test]
    fn a_table_of_lscpu_gives_back_the_machine_that_it_was_written_of(
        shape in shapes(),
        order in any::<prop::sample::Index>(),
    ) {
        let mut rows = Vec::new();
        let mut expected: Vec<Vec<Vec<Vec<u32>>>> = Vec::new();
        let (mut cpu, mut core, mut cache) = (0, 0, 0);
        for (socket, nodes) in shape.iter().enumerate() {
            for caches in nodes {
                let numa = expected.len();
                let mut domains = Vec::new();
                for cores in caches {
                    let mut domain = Vec::new();
                    for threads in cores {
                        let cpus: Vec<u32> = (cpu..).take(*threads).collect();
                        for id in &cpus {
                            rows.push(format!("{id},{core},{socket},{numa},,0,0,0,{cache}"));
                        }
                        cpu += u32::try_from(*threads).unwrap();
                        core += 1;
                        domain.push(cpus);
                    }
                    cache += 1;
                    domains.push(domain);
                }
                expected.push(domains);
            }
        }
        let middle = order.index(rows.len());
        rows.rotate_left(middle);
        let text = format!("# CPU,Core,Socket,Node,,L1d,L1i,L2,L3\n{}\n", rows.join("\n"));
        let machine = import::read(&text, &MEMORY).unwrap();
        let seen: Vec<Vec<Vec<Vec<u32>>>> = machine.numa.value.iter().map(|node| {
            node.l3.value.iter()
                .map(|domain| domain.cores.iter().map(|core| core.cpus.clone()).collect())
                .collect()
        }).collect();
        prop_assert_eq!(seen, expected);
        let memory: Mebibytes = machine.numa.value.iter().map(|node| node.memory.value).sum();
        prop_assert_eq!(memory, Mebibytes::from_gib(64));
    }

    #[test]
    fn no_text_makes_the_reader_panic(
        name in 0..TEXTS.len(),
        at in any::<prop::sample::Index>(),
        with in "[<>/\"'0-9a-z,{}\\[\\]: #-]{0,6}",
        length in 0..20_usize,
    ) {
        let (name, stated) = &TEXTS[name];
        let text = fixture(name);
        let from = at.index(text.len());
        let to = (from + length).min(text.len());
        let broken = format!("{}{with}{}", &text[..from], &text[to..]);
        let _ = import::read(&broken, stated);
    }
}

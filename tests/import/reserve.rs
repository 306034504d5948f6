//! What hosts keep for themselves, and NUMA nodes of kernels that know none.

use std::fmt::Write as _;

use hostsplit::topology::import::{self, Provenance};

use crate::bench::Bench;
use crate::{MEMORY, host_file};

fn reserve(file: &str) -> &str {
    file.lines().find(|line| line.starts_with("reserve:")).unwrap()
}

#[test]
fn a_numa_node_for_each_cache_does_not_cost_a_core_each() {
    let mut text = "# CPU,Core,Socket,Node,,L3\n".to_owned();
    for cpu in 0..64 {
        let _ = writeln!(text, "{cpu},{cpu},0,{},,{}", cpu / 4, cpu / 4);
    }
    let machine = import::read(&text, &MEMORY).unwrap();
    assert_eq!(machine.numa.value.len(), 16);
    insta::assert_snapshot!(reserve(&host_file("f", &machine)), @"reserve: { cores: 4, memory: 2GiB }    # assumed: for the host, emulator and I/O threads; a sixteenth of the cores, at least one");
}

#[test]
fn a_kernel_that_knows_no_numa_nodes_has_one() {
    let table = "# CPU,Core,Socket,Node\n0,0,0,\n1,1,1,\n2,2,2,\n3,3,3,\n";
    let machine = import::read(table, &MEMORY).unwrap();
    let nodes: Vec<_> = machine.numa.value.iter().map(|n| (n.id, n.memory.value)).collect();
    assert_eq!(nodes, [(0, MEMORY.memory.unwrap())]);
    assert_eq!(machine.numa.provenance, Provenance::Measured);
    insta::assert_snapshot!(reserve(&host_file("f", &machine)), @"reserve: { cores: 1, memory: 2GiB }    # assumed: for the host, emulator and I/O threads; one core per NUMA node");
    let summary = "{\"lscpu\": [{\"field\": \"CPU(s):\", \"data\": \"4\"}, \
                    {\"field\": \"Socket(s):\", \"data\": \"2\"}]}";
    assert_eq!(import::read(summary, &MEMORY).unwrap().numa.value.len(), 1);
}

#[test]
fn hosts_of_a_spec_keep_as_much_as_those_of_files() {
    let bench = Bench::new();
    let spec = |memory: &str| {
        format!(
            "name: s\npolicy: {{ survive: none }}\nhosts:\n  \
             - {{ name: small, count: 2, cores: 2, memory: 4GiB }}\n\
             vms: [{{ name: a, vcpus: 1, memory: {memory} }}]\n"
        )
    };
    bench.put("fits.yaml", &spec("3GiB")).put("large.yaml", &spec("3900MiB"));
    let fits = bench.run(&["plan", "fits.yaml"]);
    assert!(fits.starts_with("exit 0"), "{fits}");
    insta::assert_snapshot!(bench.run(&["plan", "large.yaml"]), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because an instance takes its CPUs and memory from one NUMA node and its
      disks from one pool, and none is large enough for the smallest instance of
      a, it cannot be placed.
      Too small for even one instance, when empty:
        small-1  a  memory  needs 3.8 GiB (of which 88 MiB for QEMU), allocatable 3.5 GiB
        small-2  a  memory  needs 3.8 GiB (of which 88 MiB for QEMU), allocatable 3.5 GiB
      The reserve of small-1 and small-2 takes 512 MiB of 4 GiB of each; it is the
      default where a host states no `reserve:`.
      Adding 1 host like small-1 with 5 GiB in one NUMA node would make it
      feasible (cost 1).
    hint: add 1 host like small-1 with 5 GiB in one NUMA node; or make a smaller: `vcpus: 1, memory: 3496MiB`
    ");
}

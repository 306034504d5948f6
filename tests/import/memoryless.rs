//! NUMA nodes that have CPUs and no memory, of which hwloc lists no object.

use hostsplit::topology::import;

use crate::bench::Bench;
use crate::{NETWORK, NOTHING};

/// Two NUMA nodes of two cores with 16 GiB, after each one without memory. `around` are
/// the words that say of which NUMA node what is around the CPUs is.
fn dump(around: impl Fn(u32) -> String) -> String {
    let mut text = "<topology version='2.0'><object type='Machine' cpuset='0xff'>".to_owned();
    for node in 0..4 {
        let cpus = 0x3 << (2 * node);
        text += &format!("<object type='Group' cpuset='{cpus:#x}' {}>", around(node));
        if node % 2 == 0 {
            let memory = 16_u64 << 30;
            text += &format!(
                "<object type='NUMANode' os_index='{node}' cpuset='{cpus:#x}' \
                 local_memory='{memory}'/>"
            );
        }
        for cpu in 2 * node..2 * node + 2 {
            text += &format!("<object type='Core'><object type='PU' os_index='{cpu}'/></object>");
        }
        text += "</object>";
    }
    text + "</object></topology>"
}

fn complete(node: u32) -> String {
    format!("complete_nodeset='{:#x}'", 1 << node)
}

#[test]
fn they_have_the_number_that_is_written_around_their_cpus() {
    let machine = import::read(&dump(complete), &NOTHING).unwrap();
    let nodes: Vec<_> = machine.numa.value.iter().map(|n| (n.id, n.memory.value.get())).collect();
    assert_eq!(nodes, [(0, 16 << 10), (1, 0), (2, 16 << 10), (3, 0)]);
    insta::assert_snapshot!(machine.notes.join("\n"), @"
    NUMA node 1 has CPUs and no memory: no VM fits there.
    NUMA node 3 has CPUs and no memory: no VM fits there.
    ");
}

#[test]
fn no_number_is_made_up() {
    let error = import::read(&dump(|_| String::new()), &NOTHING).unwrap_err();
    insta::assert_snapshot!(error.in_file("f"), @"f:1:361: CPU 2 belongs to no NUMA node that the file lists");
    insta::assert_snapshot!(error.hint.unwrap(), @"libvirt knows the NUMA node of every CPU; import the output of: virsh capabilities");
    let all = import::read(&dump(|_| "complete_nodeset='0xf'".to_owned()), &NOTHING);
    assert!(all.is_err(), "four NUMA nodes are around each CPU");
}

#[test]
fn they_give_the_reserve_and_are_named_where_cores_are_short() {
    let bench = Bench::new();
    bench.put("h.xml", &dump(complete));
    let import = bench.run(&["import", "h.xml", "--name", "h1", "--bridge", "br0", "-o", "."]);
    assert!(import.starts_with("exit 0"), "{import}");
    let spec = |count: u32| {
        format!(
            "name: s\npolicy: {{ survive: none }}\n{NETWORK}hosts: [{{ include: h1.yaml }}]\n\
             vms: [{{ name: a, count: {count}, vcpus: 1, memory: 1GiB }}]\n"
        )
    };
    bench.put("four.yaml", &spec(4)).put("five.yaml", &spec(5));
    let four = bench.run(&["plan", "four.yaml"]);
    assert!(four.starts_with("exit 0"), "{four}");
    insta::assert_snapshot!(bench.run(&["plan", "five.yaml"]), @"
    exit 4
    ---
    error: no plan satisfies the spec
      Because an instance is never split across NUMA nodes and copies are in
      different failure domains, free capacity in one place does not help in
      another; 1 core more on NUMA nodes that can still take an instance would
      make it feasible.
      NUMA nodes 1 and 3 of h1 have 4 cores and no memory: no instance fits there.
      Adding 1 host like h1 would make it feasible (cost 1).
    hint: add 1 host like h1
    ");
}

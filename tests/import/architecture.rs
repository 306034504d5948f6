//! Hosts whose CPUs are not those of guests.

use hostsplit::topology::Architecture;
use hostsplit::topology::import;

use crate::bench::Bench;
use crate::{MEMORY, NETWORK, NOTHING};

const CAPABILITIES: &str = "<capabilities><host><cpu><arch>aarch64</arch></cpu>
  <topology><cells num='1'><cell id='0'><memory unit='KiB'>33554432</memory><cpus num='2'>
    <cpu id='0' socket_id='0' core_id='0' siblings='0'/>
    <cpu id='1' socket_id='0' core_id='1' siblings='1'/>
  </cpus></cell></cells></topology></host>
  <guest><arch name='aarch64'><domain type='qemu'/><domain type='kvm'/></arch></guest>
</capabilities>";
const SUMMARY: &str = "{\"lscpu\": [{\"field\": \"Architecture:\", \"data\": \"aarch64\"}, \
    {\"field\": \"CPU(s):\", \"data\": \"2\"}]}";
const TOPOLOGY: &str = "<topology version='2.0'><object type='Machine' cpuset='0x1'>\
    <info name='Architecture' value='arm64'/>\
    <object type='NUMANode' os_index='0' cpuset='0x1' local_memory='1073741824'/>\
    <object type='Core'><object type='PU' os_index='0'/></object></object></topology>";

#[test]
fn files_that_say_it_say_the_same() {
    for text in [CAPABILITIES, SUMMARY, TOPOLOGY] {
        let machine = import::read(text, &MEMORY).unwrap();
        assert_eq!(machine.architecture, Some(Architecture::Aarch64));
    }
    let table = import::read("# CPU,Core\n0,0\n", &MEMORY).unwrap();
    assert_eq!(table.architecture, None);
}

#[test]
fn domain_types_are_those_for_guests_of_the_host() {
    let types = import::read(CAPABILITIES, &NOTHING).unwrap().domain_types;
    assert_eq!(types.unwrap(), ["kvm", "qemu"]);
}

fn spec(more: &str) -> String {
    format!(
        "name: s\npolicy: {{ survive: none }}\n{NETWORK}hosts:\n  - include: arm.yaml\n{more}\
         vms: [{{ name: a, vcpus: 1, memory: 1GiB }}]\n"
    )
}

#[test]
fn such_hosts_take_no_instance() {
    let bench = Bench::new();
    bench.put("arm.xml", CAPABILITIES);
    let file = bench.run(&["import", "arm.xml", "--name", "arm", "--bridge", "br0"]);
    let line = file.lines().find(|line| line.starts_with("architecture")).unwrap();
    insta::assert_snapshot!(line, @"architecture: aarch64                  # guests are x86_64, so the host takes no instance");
    bench.run(&["import", "arm.xml", "--name", "arm", "--bridge", "br0", "-o", "arm.yaml"]);
    bench.put("alone.yaml", &spec(""));
    insta::assert_snapshot!(bench.run(&["plan", "alone.yaml"]), @"
    exit 4
    ---
    note: arm takes no instance: it is aarch64, and guests are x86_64 (`architecture:` of the host)
    error: no plan satisfies the spec
      Because every host is of another architecture than guests, which are x86_64,
      nothing can be placed.
    hint: use x86_64 hosts of the same size
    ");
    bench.put("both.yaml", &spec("  - { name: x86, cores: 4, memory: 8GiB, bridges: [br0] }\n"));
    let both = bench.run(&["plan", "both.yaml", "-o", "plan.json"]);
    assert!(both.starts_with("exit 0"), "{both}");
    assert!(both.contains("note: arm takes no instance: it is aarch64"), "{both}");
    let plan = bench.read("plan.json").unwrap();
    assert!(plan.contains("\"architecture\": \"aarch64\""), "{plan}");
}

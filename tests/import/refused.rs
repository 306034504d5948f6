//! What is no machine, or only half of one, and what is said of it.

use hostsplit::topology::import;

use crate::bench::Bench;
use crate::{MEMORY, NOTHING, fixture};

fn refusal(text: &str) -> String {
    let error = import::read(text, &NOTHING).unwrap_err();
    let hint = error.hint.as_ref().map_or_else(String::new, |hint| format!("\n  {hint}"));
    error.in_file("f") + &hint
}

#[test]
fn what_is_no_machine_is_refused() {
    let cases = [
        "",
        " \n",
        "hello",
        "Architecture:  x86_64\nCPU(s): 4\n",
        "<domain type='kvm'/>",
        "\n<topology>\n  <object type='Machine'>\n</topology>",
        "<topology version='2.0'/>",
        "<topology><object type='Machine' cpuset='0x1'/></topology>",
        "<topology><object type='Machine'>\n<object type='Core'><object type='PU' os_index='3'/></object>\n<object type='Core'><object type='PU' os_index='3'/></object></object></topology>",
        "<topology><object type='Machine'><object type='NUMANode' os_index='0' cpuset='0-3'/></object></topology>",
        "{\"cpus\": [}",
        "{\"a\": 1}",
        "{\"cpus\": [{\"cpu\": 0, \"core\": 0}, {\"cpu\": 0, \"core\": 1}]}",
        "{\"cpus\": [{\"cpu\": 0, \"core\": \"x\"}]}",
        "{\"lscpu\": [{\"field\": \"Model name:\", \"data\": \"x\"}]}",
        "# CPU,Core\n",
        "# CPU,Core\n0,0\n1,0,0\n",
        "# CPU,Core\n0,0\n70000,1\n",
        "# CPU\n0\n1\n",
        "# CPU,Core,Socket,Node\n0,0,0,0\n1,0,0,1\n",
        "# CPU,Core\n0,0\n",
    ];
    let seen: Vec<String> = cases.into_iter().map(refusal).collect();
    insta::assert_snapshot!(seen.join("\n"), @r#"
    f: the file is empty
      expected the output of one of: virsh capabilities; lstopo --of xml; lscpu -p; lscpu -J; lscpu -J -e
    f: the file is empty
      expected the output of one of: virsh capabilities; lstopo --of xml; lscpu -p; lscpu -J; lscpu -J -e
    f: the file is neither XML, nor JSON, nor a table of lscpu
      expected the output of one of: virsh capabilities; lstopo --of xml; lscpu -p; lscpu -J; lscpu -J -e
    f: the file is neither XML, nor JSON, nor a table of lscpu
      this looks like lscpu for people; write the file with: lscpu -p
    f:1:1: XML of an unknown kind: <domain>
      expected the output of one of: virsh capabilities; lstopo --of xml; lscpu -p; lscpu -J; lscpu -J -e
    f:4:1: not XML: expected 'object' tag, not 'topology'
      the file may be damaged or cut short; write it again, with one of: virsh capabilities; lstopo --of xml; lscpu -p
    f:1:1: hwloc XML without an object
      the file may be damaged or cut short; write it again, with one of: virsh capabilities; lstopo --of xml; lscpu -p
    f: the file lists no online CPU
      the file may be damaged or cut short; write it again, with one of: virsh capabilities; lstopo --of xml; lscpu -p
    f:3:21: CPU 3 is in two cores, or twice in one
      the file may be damaged or cut short; write it again, with one of: virsh capabilities; lstopo --of xml; lscpu -p
    f:1:34: cpuset: "0-3" is not a set of CPUs
      the file may be damaged or cut short; write it again, with one of: virsh capabilities; lstopo --of xml; lscpu -p
    f:1:11: not JSON: expected value
      the file may be damaged or cut short; write it again, with one of: virsh capabilities; lstopo --of xml; lscpu -p
    f: JSON of an unknown kind: neither "cpus" nor "lscpu" in it
      expected the output of one of: virsh capabilities; lstopo --of xml; lscpu -p; lscpu -J; lscpu -J -e
    f: cpus[1]: CPU 0 is in two cores, or twice in one
      the file may be damaged or cut short; write it again, with one of: virsh capabilities; lstopo --of xml; lscpu -p
    f: cpus[0]: core: "x" is not a number
      write the file with: lscpu -p=CPU,CORE,SOCKET,NODE,CACHE
    f: the file lists no online CPU
      lscpu -J lists counts only; write the file with: lscpu -p=CPU,CORE,SOCKET,NODE,CACHE
    f: the file lists no online CPU
      the file may be damaged or cut short; write it again, with one of: virsh capabilities; lstopo --of xml; lscpu -p
    f:3:1: 3 values for 2 columns
      write the file with: lscpu -p=CPU,CORE,SOCKET,NODE,CACHE
    f:3:1: CPU 70000 is out of range: at most 65535
      the file may be damaged or cut short; write it again, with one of: virsh capabilities; lstopo --of xml; lscpu -p
    f:2:1: no core is given
      write the file with: lscpu -p=CPU,CORE,SOCKET,NODE,CACHE
    f:3:1: CPUs 0 and 1 are of one core, but not of one NUMA node
      numbers of cores must differ within a socket: lscpu without --physical
    f: the file does not state the amount of memory
      pass the total of the machine: --memory 768GiB
    "#);
}

#[test]
fn a_file_that_is_cut_short_is_refused_with_the_place() {
    let text = fixture("hwloc-v2.xml");
    let mut end = text.len() / 2;
    while !text[..end].ends_with("/>") {
        end -= 1;
    }
    insta::assert_snapshot!(refusal(&text[..end]), @"
    f:32:84: not XML: the root node was opened but never closed
      the file may be damaged or cut short; write it again, with one of: virsh capabilities; lstopo --of xml; lscpu -p
    ");
}

#[test]
fn entities_are_refused() {
    let nested =
        "<!DOCTYPE topology [\n<!ENTITY a 'x'><!ENTITY b '&a;&a;'>]><topology>&b;</topology>";
    insta::assert_snapshot!(refusal(nested), @"
    f:2:1: an entity is declared, which no description of a machine needs
      the file may be damaged or cut short; write it again, with one of: virsh capabilities; lstopo --of xml; lscpu -p
    ");
    let flat = format!(
        "<!DOCTYPE topology [<!ENTITY a '{}'>]><topology>{}</topology>",
        "x".repeat(7_000),
        "&a;".repeat(200_000)
    );
    assert!(refusal(&flat).contains("an entity is declared"));
}

#[test]
fn lscpu_with_cores_of_two_kinds_or_a_numa_node_without_cpus() {
    let summary = |cpus: u32, nodes: &str| {
        let mut fields = format!(
            "{{\"field\":\"CPU(s):\",\"data\":\"{cpus}\"}},\
             {{\"field\":\"On-line CPU(s) list:\",\"data\":\"0-{}\"}},\
             {{\"field\":\"Thread(s) per core:\",\"data\":\"2\"}},\
             {{\"field\":\"Core(s) per socket:\",\"data\":\"16\"}},\
             {{\"field\":\"Socket(s):\",\"data\":\"1\"}}",
            cpus - 1
        );
        fields += nodes;
        format!("{{\"lscpu\": [{fields}]}}")
    };
    insta::assert_snapshot!(refusal(&summary(24, "")), @"
    f: lscpu[3]: 1 sockets of 16 cores of 2 threads are not the 24 CPUs online: siblings cannot be determined
      lscpu -J lists counts only; write the file with: lscpu -p=CPU,CORE,SOCKET,NODE,CACHE
    ");
    let nodes = ",{\"field\":\"NUMA node0 CPU(s):\",\"data\":\"0-31\"},\
                 {\"field\":\"NUMA node1 CPU(s):\",\"data\":null}";
    let machine = import::read(&summary(32, nodes), &MEMORY).unwrap();
    assert_eq!(machine.numa.value.len(), 1);
    assert_eq!(machine.notes, ["NUMA node 1 has no CPUs of its own: left out."]);
}

#[test]
fn files_that_are_made_to_be_slow_are_refused() {
    let attributes: String = (0..200_000).map(|n| format!(" a{n}=''")).collect();
    assert!(refusal(&format!("<topology{attributes}/>")).contains("a tag of more than 8 KiB"));
    assert!(refusal(&"<a>".repeat(400_000)).contains("not XML"));
    let deep = "<object type='Group'>".repeat(100_000) + &"</object>".repeat(100_000);
    assert!(refusal(&format!("<topology>{deep}</topology>")).contains("no online CPU"));
    assert!(refusal(&"[".repeat(1 << 20)).contains("recursion limit"));
    assert!(refusal(&" ".repeat(9 << 20)).contains("larger than 8 MiB"));
}

#[test]
fn the_command_refuses_what_it_cannot_take() {
    let bench = Bench::new();
    bench.put("a.txt", "# CPU,Core\n0,0\n").put("b.txt", "# CPU,Core\n0,0\n");
    insta::assert_snapshot!(bench.run(&["import", "none"]), @"
    exit 1
    ---
    error: cannot read none: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(bench.run(&["import", "a.txt"]), @"
    exit 1
    ---
    error: a.txt: the file does not state the amount of memory
    hint: pass the total of the machine: --memory 768GiB
    ");
    insta::assert_snapshot!(bench.run(&["import", "a.txt", "b.txt", "--name", "h1"]), @"
    exit 2
    ---
    error: --name applies to one host, but 2 files were given
    hint: import one file at a time
    ");
    insta::assert_snapshot!(bench.run(&["import", "a.txt", "--pool", "x"]), @"
    exit 2
    ---
    error: invalid value 'x' for '--pool <NAME=SIZE>': expected NAME=SIZE, such as default=3TiB

    For more information, try '--help'.
    ");
    let json = bench.run(&["import", "a.txt", "b.txt", "--memory", "8GiB", "--format", "json"]);
    assert!(json.contains("\"name\": \"a\"") && json.contains("\"name\": \"b\""), "{json}");
}

//! The binary as its users run it: screens and exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/bench.rs"]
mod bench;
mod support;

use crate::bench::Bench;
use crate::support::good_plan;

const SPEC: &str = include_str!("../examples/quickstart/spec.yaml");
const HOST: &str = "\
name: h1
uri: qemu+ssh://root@h1/system
hypervisor: kvm
bridges: [br0]
numa:
  - id: 0
    memory: 24000MiB
    l3: [{ size: 32MiB, cores: [[0], [1], [2], [3]] }]
pools:
  - { name: default, capacity: 70GiB }
";

/// The quickstart's spec with one host.
fn one_host() -> Bench {
    let bench = Bench::new();
    let spec = SPEC.lines().filter(|line| !line.starts_with("image:"));
    bench.put("spec.yaml", &spec.collect::<Vec<_>>().join("\n")).put("hosts/h1.yaml", HOST);
    bench
}

#[test]
fn a_sound_spec_is_summed_up() {
    insta::assert_snapshot!(one_host().run(&["check", "spec.yaml"]), @"
    exit 0
    spec.yaml: sound
      hosts     h1: 3 cores and 21.4 GiB for instances
      service   cache: redis, 3k/s reads, 1k/s writes, 150 MiB data
      survives  the loss of any one host
    ---
    ");
}

#[test]
fn one_mistake_is_an_error_with_its_hint() {
    let bench = one_host();
    bench.put("hosts/h1.yaml", &HOST.replace("hypervisor: kvm", "hypervisor: kvn"));
    insta::assert_snapshot!(bench.run(&["check", "spec.yaml"]), @r#"
    exit 1
    ---
    error: hosts/h1.yaml:3:13: hypervisor: "kvn" is not known; expected kvm or qemu
    hint: did you mean "kvm"?
    "#);
}

#[test]
fn several_mistakes_stand_under_their_number() {
    let bench = one_host();
    bench.put("hosts/h1.yaml", &HOST.replace("24000MiB", "24000").replace("70GiB", "0GiB"));
    insta::assert_snapshot!(bench.run(&["check", "spec.yaml"]), @r#"
    exit 1
    ---
    error: 2 errors in spec.yaml
    hosts/h1.yaml:7:13: memory: "24000" has no unit; expected a size such as 64GiB or 512MiB
    hosts/h1.yaml:10:32: capacity: 0MiB is out of range: at least 1MiB
    "#);
    insta::assert_snapshot!(bench.run(&["check", "spec.yaml", "--format", "json"]), @r#"
    exit 1
    {
      "problems": [
        {
          "column": 13,
          "file": "hosts/h1.yaml",
          "hint": null,
          "line": 7,
          "message": "memory: \"24000\" has no unit; expected a size such as 64GiB or 512MiB"
        },
        {
          "column": 32,
          "file": "hosts/h1.yaml",
          "hint": null,
          "line": 10,
          "message": "capacity: 0MiB is out of range: at least 1MiB"
        }
      ]
    }
    ---
    "#);
}

#[test]
fn what_is_not_there_is_said() {
    let bench = one_host();
    insta::assert_snapshot!(bench.run(&["check", "none.yaml"]), @"
    exit 1
    ---
    error: none.yaml: cannot read it: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(bench.run(&["check", "hosts"]), @"
    exit 1
    ---
    error: hosts: is a directory; expected a file
    ");
    insta::assert_snapshot!(bench.run(&["show"]), @"
    exit 1
    ---
    error: plan.json: cannot read the plan: No such file or directory (os error 2)
    ");
    bench.put("plan.json", "{\"format\": 1,\n \"name\": 7}");
    insta::assert_snapshot!(bench.run(&["show"]), @"
    exit 1
    ---
    error: plan.json: the plan has format 1; this program reads format 2: make it again
    ");
}

#[test]
fn a_plan_is_shown() {
    let bench = one_host();
    bench.put("plan.json", &good_plan().to_text().unwrap());
    insta::assert_snapshot!(bench.run(&["show"]), @"
    exit 0
    cache  redis: 6 instances of 2 vCPU, 1 GiB, 2 GiB data
      split     3 groups, 2 copies each: the quorum binds
      capacity  132k/s for 124k/s asked, 94 % used
      instance  44k/s usable of a ceiling of 129k/s
      unsplit   242k/s from one instance on all of h1; 440k/s from it in such instances, 1.8 times
    builder  fixed: 2 machines of 4 vCPU, 1 GiB, 4 GiB disk, at most one per host

      + cache-0    h1 numa 0  cpus 2,14       1 GiB  master 0-5460       because a quorum needs 3 masters
      + cache-1    h2 numa 0  cpus 2,14       1 GiB  replica of cache-0  because cache-0 is lost with h1
      + cache-2    h2 numa 0  cpus 3,15       1 GiB  master 5461-10921   because a quorum needs 3 masters
      + cache-3    h3 numa 0  cpus 2,14       1 GiB  replica of cache-2  because cache-2 is lost with h2
      + cache-4    h3 numa 0  cpus 3,15       1 GiB  master 10922-16383  because a quorum needs 3 masters
      + cache-5    h1 numa 0  cpus 3,15       1 GiB  replica of cache-4  because cache-4 is lost with h3
      + builder-0  h1 numa 0  cpus 6,7,18,19  1 GiB  fixed               because the spec asks for it
      + builder-1  h2 numa 0  cpus 6,7,18,19  1 GiB  fixed               because the spec asks for it

    host          cores used          memory used                   disk used
    h1    numa 0  ####...... 4 of 10  #......... 3 GiB of 21.4 GiB  ##........ 19 GiB of 70 GiB in default
    h2    numa 0  ####...... 4 of 10  #......... 3 GiB of 21.4 GiB  ##........ 19 GiB of 70 GiB in default
    h3    numa 0  ##........ 2 of 10  #......... 2 GiB of 21.4 GiB  ##........ 15 GiB of 70 GiB in default

    survives the loss of any one host:
      h1  cache  1 of 3 masters lost  cache-1 takes over  132k/s left, 94 % used
      h2  cache  1 of 3 masters lost  cache-3 takes over  132k/s left, 94 % used
      h3  cache  1 of 3 masters lost  cache-5 takes over  132k/s left, 94 % used
    objectives, in this order:
      cost  3  the best there is, proved

    8 instances on 3 hosts. audit: no findings.
    ---
    ");
    insta::assert_snapshot!(bench.run(&["check", "plan.json"]), @"
    exit 0
    8 instances on 3 hosts. audit: no findings.
    ---
    ");
    let json = bench.run(&["show", "--format", "json"]);
    assert!(json.contains("\"leads_lost\": 1"), "{json}");
}

#[test]
fn a_plan_with_findings_fails_its_check() {
    let bench = one_host();
    let mut plan = good_plan();
    plan.instances[5].cpus = plan.instances[0].cpus.clone();
    bench.put("plan.json", &plan.to_text().unwrap());
    insta::assert_snapshot!(bench.run(&["check", "plan.json"]), @"
    exit 5
    error: cache-5: CPU 14 of h1 is also pinned by cache-0 (duplicate_cpu)
    error: cache-5: CPU 2 of h1 is also pinned by cache-0 (duplicate_cpu)
    8 instances on 3 hosts. audit: 2 findings.
    ---
    ");
}

/// The quickstart's spec on three hosts of the lab's size.
fn three_hosts() -> Bench {
    let bench = one_host();
    for host in ["h2", "h3"] {
        bench.put(&format!("hosts/{host}.yaml"), &HOST.replace("h1", host));
    }
    bench
}

#[test]
fn a_plan_is_made_shown_and_written() {
    let bench = three_hosts();
    insta::assert_snapshot!(bench.run(&["plan", "spec.yaml"]), @"
    exit 0
    cache  redis: 6 instances of 1 vCPU, 512 MiB, 1 GiB data
      split     3 groups, 2 copies each: the quorum binds
      capacity  97k/s for 4600/s asked, 5 % used
      instance  32k/s usable of a ceiling of 113k/s
      unsplit   101k/s from one instance on all of h1; 97k/s from it in such instances, 0.9 times

      + cache-0  h1 numa 0  cpus 1  512 MiB  master 0-5461       because a quorum needs 3 masters
      + cache-1  h3 numa 0  cpus 1  512 MiB  master 5462-10922   because a quorum needs 3 masters
      + cache-2  h2 numa 0  cpus 1  512 MiB  master 10923-16383  because a quorum needs 3 masters
      + cache-3  h2 numa 0  cpus 2  512 MiB  replica of cache-0  because cache-0 is lost with h1
      + cache-4  h1 numa 0  cpus 2  512 MiB  replica of cache-1  because cache-1 is lost with h3
      + cache-5  h3 numa 0  cpus 2  512 MiB  replica of cache-2  because cache-2 is lost with h2

    host          cores used         memory used                   disk used
    h1    numa 0  ######.... 2 of 3  #......... 1 GiB of 21.4 GiB  ##........ 18 GiB of 70 GiB in default
    h2    numa 0  ######.... 2 of 3  #......... 1 GiB of 21.4 GiB  ##........ 18 GiB of 70 GiB in default
    h3    numa 0  ######.... 2 of 3  #......... 1 GiB of 21.4 GiB  ##........ 18 GiB of 70 GiB in default

    survives the loss of any one host:
      h1  cache  1 of 3 masters lost  cache-3 takes over  97k/s left, 5 % used
      h2  cache  1 of 3 masters lost  cache-5 takes over  97k/s left, 5 % used
      h3  cache  1 of 3 masters lost  cache-4 takes over  97k/s left, 5 % used
    objectives, in this order:
      unmet demand                             0/s    the best there is, proved
      cost of used hosts                       3      the best there is, proved
      cores                                    6      the best there is, proved
      memory                                   3 GiB  the best there is, proved
      cores on the busiest host                2      the best there is, proved
      leading instances in one failure domain  1      the best there is, proved

    6 instances on 3 hosts. audit: no findings. written to plan.json
    ---
    ");
    let first = bench.read("plan.json").unwrap();
    let again = bench.run(&["plan", "spec.yaml", "-o", "again.json", "--format", "json"]);
    assert!(again.contains("\"findings\": []"), "{again}");
    assert_eq!(bench.read("again.json").unwrap(), first, "the same input gives the same bytes");
    assert!(bench.run(&["check", "plan.json"]).starts_with("exit 0\n"));
    assert_eq!(bench.names(), ["again.json", "hosts", "plan.json", "spec.yaml"]);
}

#[test]
fn where_there_is_no_plan_the_old_one_stays() {
    let bench = three_hosts();
    bench.put("plan.json", "the old plan");
    let spec = bench.read("spec.yaml").unwrap();
    bench.put("spec.yaml", &spec.replace("reads: 3k/s", "reads: 3M/s"));
    let said = bench.run(&["plan", "spec.yaml"]);
    assert!(said.starts_with("exit 4\n---\nerror: no plan satisfies the spec\n"), "{said}");
    assert!(said.contains("short by") && said.contains("\nhint: "), "{said}");
    let json = bench.run(&["plan", "spec.yaml", "--format", "json"]);
    assert!(json.starts_with("exit 4\n{\n  \"infeasible\""), "{json}");
    bench.put("spec.yaml", &spec.replace("reads: 3k/s", "reads: 3"));
    assert!(bench.run(&["plan", "spec.yaml"]).starts_with("exit 1\n"));
    assert_eq!(bench.read("plan.json").unwrap(), "the old plan");
    assert_eq!(bench.names(), ["hosts", "plan.json", "spec.yaml"]);
}

#[test]
fn a_plan_that_cannot_be_written_is_an_error() {
    let bench = three_hosts();
    insta::assert_snapshot!(bench.run(&["plan", "spec.yaml", "-o", "none/plan.json"]), @"
    exit 1
    ---
    error: none/plan.json: cannot write: No such file or directory (os error 2)
    ");
    insta::assert_snapshot!(bench.run(&["plan", "spec.yaml", "-o", "hosts"]), @"
    exit 1
    ---
    error: hosts: not a regular file, so it is not replaced
    ");
    let said = bench.run(&["plan", "spec.yaml", "--time-limit", "60"]);
    assert!(said.starts_with("exit 2\n") && said.contains("not a time such as 60s"), "{said}");
}

/// Where a checkout lies changes no plan, unless the spec names a path of its own.
#[test]
fn a_plan_does_not_depend_on_where_the_spec_lies() {
    let plan = |output: &str| {
        let bench = three_hosts();
        let image = format!(
            "name: debian\nengines: {{ redis: \"7.0\" }}\ndisk: {{ file: root.qcow2, \
             format: qcow2, sha256: {}, virtual_size: 3GiB }}\n",
            "0".repeat(64)
        );
        bench.put("image/image.yaml", &image).put("other/README", "");
        let spec = bench.read("spec.yaml").unwrap();
        bench.put("spec.yaml", &format!("{spec}\nimage: {{ include: image/image.yaml }}\n"));
        let said = bench.run(&["plan", "spec.yaml", "-o", output]);
        assert!(said.starts_with("exit 0\n"), "{said}");
        (bench.read(output).unwrap(), said.contains("deploy it with --images ."))
    };
    let ((one, beside), (other, elsewhere)) = (plan("plan.json"), plan("other/plan.json"));
    assert_eq!(one, other);
    assert!(one.contains("\"image/root.qcow2\""), "{one}");
    assert_eq!((beside, elsewhere), (false, true));
}

//! The binary as its users run it: screens and exit codes.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "runs the binary on files that it makes"
)]

mod support;

use std::fs;
use std::process::Command;

use hostsplit::plan::store;

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

/// A directory that the binary runs in.
struct Bench(tempfile::TempDir);

impl Bench {
    fn new() -> Self {
        let bench = Self(tempfile::tempdir().unwrap());
        let spec = SPEC.lines().filter(|line| !line.starts_with("image:"));
        bench.put("spec.yaml", &spec.collect::<Vec<_>>().join("\n")).put("hosts/h1.yaml", HOST);
        bench
    }

    fn put(&self, name: &str, text: &str) -> &Self {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    /// Exit code, stdout and stderr of one run.
    fn run(&self, args: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_hostsplit"))
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .output()
            .unwrap();
        let stdout = String::from_utf8(output.stdout).unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        format!("exit {}\n{stdout}---\n{stderr}", output.status.code().unwrap())
    }
}

#[test]
fn a_sound_spec_is_summed_up() {
    insta::assert_snapshot!(Bench::new().run(&["check", "spec.yaml"]), @"
    exit 0
    spec.yaml: sound
      hosts     h1: 3 cores and 21952 MiB for instances
      service   cache: redis, 3k/s reads, 1k/s writes, 150MiB data
      survives  the loss of any one host
    ---
    ");
}

#[test]
fn one_mistake_is_an_error_with_its_hint() {
    let bench = Bench::new();
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
    let bench = Bench::new();
    bench.put("hosts/h1.yaml", &HOST.replace("24000MiB", "24000").replace("70GiB", "0GiB"));
    insta::assert_snapshot!(bench.run(&["check", "spec.yaml"]), @r#"
    exit 1
    ---
    error: 2 mistakes in spec.yaml
    hosts/h1.yaml:7:13: memory: "24000" has the unit ""; expected a size such as 64GiB or 512MiB
    hosts/h1.yaml:10:32: capacity: 0MiB is too little; expected at least 1MiB
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
          "message": "memory: \"24000\" has the unit \"\"; expected a size such as 64GiB or 512MiB"
        },
        {
          "column": 32,
          "file": "hosts/h1.yaml",
          "hint": null,
          "line": 10,
          "message": "capacity: 0MiB is too little; expected at least 1MiB"
        }
      ]
    }
    ---
    "#);
}

#[test]
fn what_is_not_there_is_said() {
    let bench = Bench::new();
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
    error: plan.json: not a plan: invalid type: integer `7`, expected a string at line 2 column 10
    ");
}

#[test]
fn a_plan_is_shown() {
    let bench = Bench::new();
    bench.put("plan.json", &store::text(&good_plan()).unwrap());
    insta::assert_snapshot!(bench.run(&["show"]), @"
    exit 0
    cache  redis: 6 instances of 2 vCPU, 1 GiB, 2 GiB data
      split     3 groups, 2 copies each: the quorum binds
      capacity  156k/s for 144k/s asked, 92 % used
      instance  52k/s usable of a ceiling of 152k/s
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
    h1    numa 0  ####...... 4 of 10  #......... 3 GiB of 21.4 GiB  ##........ 16 GiB of 70 GiB in default
    h2    numa 0  ####...... 4 of 10  #......... 3 GiB of 21.4 GiB  ##........ 16 GiB of 70 GiB in default
    h3    numa 0  ##........ 2 of 10  #......... 2 GiB of 21.4 GiB  #......... 12 GiB of 70 GiB in default

    survives the loss of any one host:
      h1  cache  1 of 3 masters lost  cache-1 takes over  156k/s left, 92 % used
      h2  cache  1 of 3 masters lost  cache-3 takes over  156k/s left, 92 % used
      h3  cache  1 of 3 masters lost  cache-5 takes over  156k/s left, 92 % used
    cost  3 cost  (optimal, proved)
    audit: no findings
    8 instances on 3 hosts
    ---
    ");
    insta::assert_snapshot!(bench.run(&["check", "plan.json"]), @"
    exit 0
    plan.json: 8 instances on 3 hosts
    audit: no findings
    ---
    ");
    let json = bench.run(&["show", "--format", "json"]);
    assert!(json.contains("\"masters_lost\": 1"), "{json}");
}

#[test]
fn a_plan_with_findings_fails_its_check() {
    let bench = Bench::new();
    let mut plan = good_plan();
    plan.instances[5].cpus = plan.instances[0].cpus.clone();
    bench.put("plan.json", &store::text(&plan).unwrap());
    insta::assert_snapshot!(bench.run(&["check", "plan.json"]), @"
    exit 5
    plan.json: 8 instances on 3 hosts
    audit: 2 findings
      error: cache-5: CPU 14 of h1 is pinned by cache-0 too (cpu_twice)
      error: cache-5: CPU 2 of h1 is pinned by cache-0 too (cpu_twice)
    ---
    ");
}

#[test]
fn the_examples_are_sound() {
    let root = env!("CARGO_MANIFEST_DIR");
    for example in ["one-server", "infeasible"] {
        let spec = format!("{root}/examples/{example}/spec.yaml");
        let said = Bench::new().run(&["check", &spec]);
        assert!(said.starts_with("exit 0\n"), "{said}");
    }
}

//! The binary as its users run it: screens and exit codes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/bench.rs"]
mod bench;
mod support;

use crate::bench::Bench;
use crate::support::good_plan;

/// A plan that was there before, of a format that is no longer read.
const OLD_PLAN: &str = "{\"format\": 1, \"instances\": []}";

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
    spec.yaml: valid
      hosts     h1: 3 cores and 21.4 GiB for instances
      service   cache: redis, 3k/s reads, 1k/s writes, 150 MiB data
      survives  the loss of any one host
    ---
    ");
}

#[test]
fn a_host_without_the_bridge_is_named() {
    let bench = one_host();
    bench.put("hosts/h2.yaml", &HOST.replace("h1", "h2").replace("[br0]", "[]"));
    let checked = bench.run(&["check", "spec.yaml"]);
    let expected = "note: h2 takes no instance: it has no bridge br0 (`bridges:` of the host)";
    assert!(checked.contains(expected), "{checked}");
    let planned = bench.run(&["plan", "spec.yaml"]);
    assert!(planned.contains(expected), "{planned}");
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
    error: plan.json: the plan has format 1; the oldest that can be read is 2: make it again
    ");
}

#[test]
fn a_file_of_another_kind_is_named_with_the_command_that_takes_it() {
    let bench = one_host();
    bench.put("plan.json", &good_plan().to_text().unwrap());
    let said: String = [
        &["deploy", "spec.yaml", "--yes"][..],
        &["show", "spec.yaml"],
        &["plan", "plan.json"],
        &["check", "hosts/h1.yaml"],
    ]
    .map(|args| bench.run(args))
    .concat();
    insta::assert_snapshot!(said, @"
    exit 1
    ---
    error: spec.yaml is a spec, not a plan
    hint: make a plan of it with: hostsplit plan spec.yaml
    exit 1
    ---
    error: spec.yaml is a spec, not a plan
    hint: make a plan of it with: hostsplit plan spec.yaml
    exit 1
    ---
    error: plan.json is a plan, not a spec
    hint: look at it with: hostsplit show plan.json; apply it with: hostsplit deploy plan.json
    exit 1
    ---
    error: hosts/h1.yaml is a file of hosts, not a spec
    hint: include it in a spec, hosts: [{ include: hosts/h1.yaml }], and check that
    ");
}

#[test]
fn a_plan_is_shown() {
    let bench = one_host();
    bench.put("plan.json", &good_plan().to_text().unwrap());
    insta::assert_snapshot!(bench.run(&["show"]), @"
    exit 0
    cache  redis: 6 instances of 2 vCPU, 1 GiB memory, 1.1 GiB data
      layout    3 shards, 1 replica each; limited by quorum size
      demand    124k reads/s, from 60k reads/s + 40k writes/s × 1.6 (1 replica, append-only file)
      capacity  133k reads/s, 93 % used by the demand
      instance  44k of a ceiling of 129k reads/s usable; unit: plain reads per second
      settings  maxmemory 426 MiB, appendonly on, save none, repl-backlog-size 32 MiB
      clients   begin at 10.20.0.50:6379, 10.20.0.52:6379 or 10.20.0.54:6379: each names all others
      unsplit   a single instance on the whole of h1 serves 244k reads/s;
                h1 filled with instances of this size serves 444k reads/s (1.8×)
    builder  fixed: 2 VMs of 4 vCPU, 1 GiB memory, 4 GiB disk, at most one per host

      instance   host  NUMA  CPUs       memory  role                reason
      cache-0    h1    0     2,14       1 GiB   master 0-5460       a quorum needs 3 masters
      cache-1    h2    0     2,14       1 GiB   replica of cache-0  standby for cache-0 if h1 fails
      cache-2    h2    0     3,15       1 GiB   master 5461-10921   a quorum needs 3 masters
      cache-3    h3    0     2,14       1 GiB   replica of cache-2  standby for cache-2 if h2 fails
      cache-4    h3    0     3,15       1 GiB   master 10922-16383  a quorum needs 3 masters
      cache-5    h1    0     3,15       1 GiB   replica of cache-4  standby for cache-4 if h3 fails
      builder-0  h1    0     6-7,18-19  1 GiB   fixed               requested by the spec
      builder-1  h2    0     6-7,18-19  1 GiB   fixed               requested by the spec

    host  NUMA  cores used          memory used                     of which for QEMU  disk used
    h1    0     ####...... 4 of 10  #......... 3.2 GiB of 21.4 GiB  286 MiB            ##........ 15.3 GiB of 70 GiB in default
    h2    0     ####...... 4 of 10  #......... 3.2 GiB of 21.4 GiB  286 MiB            ##........ 15.3 GiB of 70 GiB in default
    h3    0     ##........ 2 of 10  #......... 2.1 GiB of 21.4 GiB  180 MiB            #......... 11.3 GiB of 70 GiB in default

    survives the loss of any one host, except fixed VMs:
      h1  cache  1 of 3 masters lost  cache-1 takes over  133k reads/s remaining, 93 % used
      h2  cache  1 of 3 masters lost  cache-3 takes over  133k reads/s remaining, 93 % used
      h3  cache  1 of 3 masters lost  cache-5 takes over  133k reads/s remaining, 93 % used
      cache: no writes to a lost master's slots for 16 to 25 s (node timeout 15 s, then election)
      h1  builder-0 is lost until the host is back, or until a person restores it elsewhere from a backup
      h2  builder-1 is lost until the host is back, or until a person restores it elsewhere from a backup
    objectives, lexicographic:
      unmet demand                             0 operations/s  optimal
      cost of used hosts                       3               optimal
      cores                                    10              optimal
      memory                                   8 GiB           optimal
      cores on the busiest host                4               optimal
      leading instances in one failure domain  1               optimal

    8 instances on 3 hosts. audit: no findings.
    ---
    ");
    insta::assert_snapshot!(bench.run(&["check", "plan.json"]), @"
    exit 0
    8 instances on 3 hosts. audit: no findings.
    values of the objectives are derived again, their bounds are the plan's claim
    ---
    ");
    let json = bench.run(&["show", "--format", "json"]);
    assert!(json.contains("\"leads_lost\": 1"), "{json}");
}

#[test]
fn the_log_is_json_on_request() {
    let bench = one_host();
    let screen = bench.run(&["-v", "--log-format", "json", "check", "spec.yaml"]);
    let (_, log) = screen.split_once("---\n").unwrap();
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.len() > 1, "{screen}");
    assert!(lines.iter().all(|line| line["span"]["command"] == "check"), "{screen}");
}

#[test]
fn the_long_help_documents_the_exit_codes() {
    let bench = Bench::new();
    let help = bench.run(&["--help"]);
    for code in 0..=6 {
        assert!(help.contains(&format!("\n  {code}  ")), "{help}");
    }
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
    values of the objectives are derived again, their bounds are the plan's claim
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
    cache  redis: 6 instances of 1 vCPU, 512 MiB memory, 1 GiB data
      layout    3 shards, 1 replica each; limited by quorum size
      demand    4,600 reads/s, from 3,000 reads/s + 1,000 writes/s × 1.6 (1 replica, append-only file)
      capacity  97k reads/s, 5 % used by the demand
      instance  32k of a ceiling of 113k reads/s usable; unit: plain reads per second
      settings  maxmemory 129 MiB, appendonly on, save none, repl-backlog-size 32 MiB
      clients   begin at 10.77.0.50:6379, 10.77.0.51:6379 or 10.77.0.52:6379: each names all others
      unsplit   a single instance on the whole of h1 serves 101k reads/s;
                6 instances of 1 core each serve the demand, after a loss as well (policy.survive)

      instance  host  NUMA  CPUs  memory   role                reason
      cache-0   h1    0     1     512 MiB  master 0-5461       a quorum needs 3 masters
      cache-1   h3    0     1     512 MiB  master 5462-10922   a quorum needs 3 masters
      cache-2   h2    0     1     512 MiB  master 10923-16383  a quorum needs 3 masters
      cache-3   h2    0     2     512 MiB  replica of cache-0  standby for cache-0 if h1 fails
      cache-4   h1    0     2     512 MiB  replica of cache-1  standby for cache-1 if h3 fails
      cache-5   h3    0     2     512 MiB  replica of cache-2  standby for cache-2 if h2 fails

    host  NUMA  cores used         memory used                     of which for QEMU  disk used
    h1    0     ######.... 2 of 3  #......... 1.1 GiB of 21.4 GiB  162 MiB            ##........ 18 GiB of 70 GiB in default
    h2    0     ######.... 2 of 3  #......... 1.1 GiB of 21.4 GiB  162 MiB            ##........ 18 GiB of 70 GiB in default
    h3    0     ######.... 2 of 3  #......... 1.1 GiB of 21.4 GiB  162 MiB            ##........ 18 GiB of 70 GiB in default
    network: 15 Mbit/s on h1, h2 and h3; bandwidth unknown and not enforced: state `network`

    survives the loss of any one host:
      h1  cache  1 of 3 masters lost  cache-3 takes over  97k reads/s remaining, 5 % used
      h2  cache  1 of 3 masters lost  cache-5 takes over  97k reads/s remaining, 5 % used
      h3  cache  1 of 3 masters lost  cache-4 takes over  97k reads/s remaining, 5 % used
      cache: no writes to a lost master's slots for 16 to 25 s (node timeout 15 s, then election)
    objectives, lexicographic:
      unmet demand                             0 operations/s  optimal
      cost of used hosts                       3               optimal
      cores                                    6               optimal
      memory                                   3 GiB           optimal
      cores on the busiest host                2               optimal
      leading instances in one failure domain  1               optimal

    6 instances on 3 hosts. audit: no findings. written to plan.json
    ---
    ");
    let first = bench.read("plan.json").unwrap();
    let again = bench.run(&["plan", "spec.yaml", "-o", "again.json", "--format", "json"]);
    assert!(again.contains("\"findings\": []"), "{again}");
    assert_eq!(bench.read("again.json").unwrap(), first, "the same input gives the same bytes");
    assert!(bench.run(&["check", "plan.json"]).starts_with("exit 0\n"));
    let of_spec = ["check", "plan.json", "--spec", "spec.yaml"];
    let said = bench.run(&of_spec);
    assert!(said.contains("the plan's claim\na plan of spec.yaml\n"), "{said}");
    let spec = bench.read("spec.yaml").unwrap();
    let said =
        bench.put("spec.yaml", &spec.replace("survive: host", "survive: none")).run(&of_spec);
    assert!(said.contains("its policy differs from what the spec says (spec)"), "{said}");
    bench.put("spec.yaml", &spec);
    assert_eq!(bench.names(), ["again.json", "hosts", "plan.json", "spec.yaml"]);
}

#[test]
fn where_there_is_no_plan_the_old_one_stays() {
    let bench = three_hosts();
    bench.put("plan.json", OLD_PLAN);
    let spec = bench.read("spec.yaml").unwrap();
    bench.put("spec.yaml", &spec.replace("reads: 3k/s", "reads: 3M/s"));
    let said = bench.run(&["plan", "spec.yaml"]);
    assert!(said.starts_with("exit 4\n---\nerror: no plan satisfies the spec\n"), "{said}");
    assert!(said.contains("short by") && said.contains("\nhint: "), "{said}");
    let json = bench.run(&["plan", "spec.yaml", "--format", "json"]);
    assert!(json.starts_with("exit 4\n{\n  \"infeasible\""), "{json}");
    bench.put("spec.yaml", &spec.replace("reads: 3k/s", "reads: 3"));
    assert!(bench.run(&["plan", "spec.yaml"]).starts_with("exit 1\n"));
    assert_eq!(bench.read("plan.json").unwrap(), OLD_PLAN);
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
    let said = bench.run(&["plan", "spec.yaml", "--time-limit", "5 parsecs"]);
    assert!(
        said.starts_with("exit 2\n") && said.contains("is not a duration such as 90s"),
        "{said}"
    );
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

#[test]
fn a_plan_never_replaces_its_spec() {
    let bench = Bench::new();
    let spec = "name: shop\nhosts: [{ name: h1, cores: 8, memory: 16GiB, disk: 100GiB }]\n\
                vms: [{ name: builder, count: 1, vcpus: 2, memory: 2GiB, disk: 10GiB }]\n";
    bench.put("spec.yaml", spec);
    let refused = bench.run(&["plan", "spec.yaml", "-o", "spec.yaml"]);
    assert!(refused.starts_with("exit 1\n"), "{refused}");
    assert!(refused.contains("spec.yaml: exists and is not a plan"), "{refused}");
    assert_eq!(bench.read("spec.yaml").as_deref(), Some(spec));
    for _ in 0..2 {
        let planned = bench.run(&["plan", "spec.yaml", "-o", "plan.json"]);
        assert!(planned.starts_with("exit 0\n"), "{planned}");
    }
}

//! What a plan says that it survives, on all its screens: nobody takes over from fixed
//! machines.

#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::{Value, json};

#[path = "support/bench.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod bench;

use bench::Bench;

const FIXED: &str = "\
name: office
policy: { survive: host }
hosts:
  - { name: box, count: 2, cores: 8, memory: 24GiB, disk: 300GiB }
vms:
  - { name: mail, count: 3, vcpus: 3, memory: 6GiB, disk: 50GiB }
  - { name: scratch, vcpus: 1, memory: 1GiB }
";

const MIXED: &str = "\
name: office
policy: { survive: host }
network: { bridge: br0, subnet: 10.5.0.0/24, addresses: 10.5.0.20-10.5.0.80 }
hosts:
  - { name: box, count: 3, cores: 12, memory: 48GiB, disk: 600GiB }
services:
  - { name: sessions, engine: valkey, demand: { reads: 20k/s, writes: 2k/s, data: 2GiB } }
vms:
  - { name: mail, count: 3, vcpus: 4, memory: 16GiB, disk: 90GiB, spread: host }
";

/// What a screen says from its line on survival to the objectives.
fn survival(screen: &str) -> String {
    let lines = screen.lines().skip_while(|line| {
        let line = line.trim_start();
        !(line.starts_with("survives") || line.starts_with("lost with"))
    });
    lines.take_while(|line| !line.starts_with("objectives")).collect::<Vec<_>>().join("\n")
}

fn planned(spec: &str) -> Bench {
    let bench = Bench::new();
    bench.put("spec.yaml", spec);
    let said = bench.run(&["plan", "spec.yaml"]);
    assert!(said.starts_with("exit 0\n"), "{said}");
    bench
}

fn json(bench: &Bench, args: &[&str]) -> Value {
    let said = bench.run(args);
    let (_, text) = said.split_once('\n').unwrap();
    let (value, _) = text.split_once("\n---").unwrap();
    serde_json::from_str(value).unwrap()
}

#[test]
fn fixed_machines_alone_survive_nothing() {
    let bench = planned(FIXED);
    insta::assert_snapshot!(survival(&bench.run(&["show", "plan.json"])), @"
    lost with any one host, as fixed VMs have no copies:
      box-1  scratch-0 is lost until the host is back, or until a person starts it elsewhere
      box-1  mail-0 is lost until the host is back, or until a person restores it elsewhere from a backup
      box-2  mail-1, mail-2 are lost until the host is back, or until a person restores them elsewhere from a backup
    ");
    let checked = bench.run(&["check", "spec.yaml"]);
    assert!(checked.contains("survives  nothing: fixed VMs have no copies"), "{checked}");
    let markdown = bench.run(&["show", "plan.json", "--format", "markdown"]);
    assert!(
        markdown.contains("Lost with any one host, as fixed VMs have no copies:"),
        "{markdown}"
    );
    assert!(!markdown.contains("| failure | service |"), "{markdown}");
}

#[test]
fn beside_services_they_are_named_with_each_host() {
    let bench = planned(MIXED);
    insta::assert_snapshot!(survival(&bench.run(&["show", "plan.json"])), @"
    survives the loss of any one host, except fixed VMs:
      box-1  sessions  1 of 3 masters lost  sessions-3 takes over  97k/s remaining, 24 % used
      box-2  sessions  1 of 3 masters lost  sessions-5 takes over  97k/s remaining, 24 % used
      box-3  sessions  1 of 3 masters lost  sessions-4 takes over  97k/s remaining, 24 % used
      sessions: no writes to a lost master's slots for 16 to 25 s (node timeout 15 s, then election)
      box-1  mail-0 is lost until the host is back, or until a person restores it elsewhere from a backup
      box-2  mail-1 is lost until the host is back, or until a person restores it elsewhere from a backup
      box-3  mail-2 is lost until the host is back, or until a person restores it elsewhere from a backup
    ");
    let shown = json(&bench, &["show", "plan.json", "--format", "json"]);
    let lost = &shown["machine_losses"];
    assert_eq!(lost[1]["domain"], "box-2");
    assert_eq!(lost[1]["machines"][0]["recovery"], json!("restore"));
    let explained = bench.run(&["explain", "plan.json", "mail-0"]);
    assert!(explained.contains("fails: mail-0 is lost until the host is back"), "{explained}");
}

#[test]
fn where_nothing_is_promised_nothing_is_listed() {
    let bench = planned(&MIXED.replace("survive: host", "survive: none"));
    let shown = survival(&bench.run(&["show", "plan.json"]));
    assert_eq!(shown, "survives: no guarantee (policy.survive: none)");
}

#[test]
fn one_on_shared_disks_can_be_started_elsewhere() {
    let host = |name: &str, shared: bool| {
        format!(
            "  - name: {name}\n    hypervisor: kvm\n    bridges: [br0]\n    numa: [{{ id: 0, memory: 32GiB, l3: [{{ cores: \
             [[0], [1], [2], [3], [4], [5], [6], [7]] }}] }}]\n    pools: [{{ name: san, \
             capacity: 500GiB, shared: {shared} }}]\n"
        )
    };
    let spec = |first: bool, second: bool| {
        format!(
            "name: office\npolicy: {{ survive: host }}\nhosts:\n{}{}vms:\n  - {{ name: mail, count: 2, \
             vcpus: 4, memory: 16GiB, disk: 50GiB, spread: host }}\n",
            host("left", first),
            host("right", second)
        )
    };
    let both = survival(&planned(&spec(true, true)).run(&["show", "plan.json"]));
    assert_eq!(both.matches("until a person starts it elsewhere").count(), 2, "{both}");
    // A pool that no other host sees is lost with its host.
    let one = survival(&planned(&spec(true, false)).run(&["show", "plan.json"]));
    assert_eq!(one.matches("restores it elsewhere from a backup").count(), 2, "{one}");
}

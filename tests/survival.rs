//! What a plan says that it survives, on all its screens: nobody takes over from fixed
//! machines, and a pair cannot decide who leads.

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
      box-1  sessions  1 of 3 masters lost  sessions-3 takes over  97k reads/s remaining, 24 % used
      box-2  sessions  1 of 3 masters lost  sessions-5 takes over  97k reads/s remaining, 24 % used
      box-3  sessions  1 of 3 masters lost  sessions-4 takes over  97k reads/s remaining, 24 % used
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

/// Two sites with a pair of each kind across them, or one site of so many hosts.
fn pairs(policy: &str, hosts: &str) -> String {
    format!(
        "name: books\npolicy: {{ survive: {policy} }}\nnetwork: {{ bridge: br0, subnet: 10.6.0.0/24, \
         addresses: 10.6.0.30-10.6.0.90, vip: 10.6.0.9 }}\nhosts:\n{hosts}services:\n  - {{ name: \
         books, engine: mariadb, demand: {{ reads: 300/s, writes: 40/s, data: 12GiB }} }}\n  - {{ \
         name: shop, engine: nginx, demand: {{ requests: 900/s }}, gateway: door }}\n  - {{ name: \
         door, engine: haproxy }}\n"
    )
}

const SITES: &str = "
  - { name: n, count: 2, cores: 12, memory: 48GiB, disk: 500GiB, labels: { site: north } }
  - { name: s, count: 2, cores: 12, memory: 48GiB, disk: 500GiB, labels: { site: south } }
";

#[test]
fn no_pair_across_two_sites_decides_by_itself() {
    for policy in ["site", "{ level: site, quorum: manual }"] {
        let bench = planned(&pairs(policy, SITES));
        let shown = survival(&bench.run(&["show", "plan.json"]));
        assert!(!shown.contains("takes over"), "{shown}");
        insta::allow_duplicates! {
            insta::assert_snapshot!(shown, @"
            survives the loss of any one site, with manual failover where stated:
              north  books  primary lost           manual failover required: books-1       903 read transactions/s remaining, 43 % used
              north  shop   1 of 2 instances lost  remaining instances take over the load  12k requests/s remaining, 7 % used
              north  door   active instance lost   manual failover required: door-1        29k requests/s remaining, 6 % used
              south  books  1 of 2 instances lost  no primary lost                         903 read transactions/s remaining, 43 % used
              south  shop   1 of 2 instances lost  remaining instances take over the load  12k requests/s remaining, 7 % used
              south  door   1 of 2 instances lost  no active instance lost                 29k requests/s remaining, 6 % used
            manual intervention required:
              books without north: replicas elect nobody: make sure that books-0 is off (fence the host: cut off, it may still take writes); then `hostsplit failover PLAN books --force` lets books-1 apply what was received and take writes; what books-0 took without an acknowledgement is lost, and the next deploy takes books-0 back as a replica
              door without north: the address does not move between sites by itself: make sure that door-0 is off (fence its host: cut off, it may still serve clients); then add the address on door-1 (`ip address add`), announce it (`arping -U`), and take it out of door-0 before that returns
              hint: books: two copies are two votes; where it must go on without a person, a third vote on a third site decides: with `failover: automatic` mysql has a third copy and elects by itself (Group Replication); for mariadb that is not built yet
              hint: door: two instances are two votes; in one site they move the address by themselves, and between sites a third one has to decide, such as routing or DNS with health checks from a third site
            ");
        }
        let markdown = bench.run(&["show", "plan.json", "--format", "markdown"]);
        assert!(markdown.contains("hostsplit failover PLAN books --force"), "{markdown}");
        assert!(markdown.contains("Hint: books: two copies are two votes"), "{markdown}");
        let plan = json(&bench, &["show", "plan.json", "--format", "json"]);
        let losses = plan["losses"].as_array().unwrap();
        let orders: Vec<_> = losses.iter().map(|loss| &loss["intervention"]).collect();
        assert_eq!(orders.iter().filter(|one| one.get("promote").is_some()).count(), 1);
        assert_eq!(orders.iter().filter(|one| one.get("move_address").is_some()).count(), 1);
    }
}

#[test]
fn the_address_that_nobody_moves_is_on_the_active_gateway_alone() {
    let bench = planned(&pairs("site", SITES));
    let plan: Value = serde_json::from_str(&bench.read("plan.json").unwrap()).unwrap();
    let settings = |name: &str| {
        let mut all = plan["instances"].as_array().unwrap().iter();
        all.find(|one| one["name"] == name).unwrap()["settings"].clone()
    };
    let (active, standby) = (settings("door-0"), settings("door-1"));
    assert_eq!(active["virtual_ipaddress"], json!({ "address": "10.6.0.9" }));
    let is_vrrp = |name: &String| name.starts_with("vrrp.") || name == "virtual_ipaddress";
    assert_eq!(standby.as_object().unwrap().keys().find(|name| is_vrrp(name)), None);
}

/// A third host has no vote: nothing that is planned would use it.
#[test]
fn a_gateway_moves_in_one_site_and_a_database_waits_for_a_person() {
    for count in [2, 3] {
        let hosts =
            format!("  - {{ name: n, count: {count}, cores: 12, memory: 48GiB, disk: 500GiB }}\n");
        let shown = survival(&planned(&pairs("host", &hosts)).run(&["show", "plan.json"]));
        let rows = |service: &str| shown.lines().filter(|row| row.contains(service)).count();
        assert!(rows("manual failover required: books-1") == 1, "{shown}");
        assert!(rows("door-1 takes over") == 1, "{shown}");
        assert!(shown.contains("door: its address moves 4 s after"), "{shown}");
        assert!(shown.contains("make sure that books-0 is off"), "{shown}");
        let third = if count == 2 { "a third vote on a third host" } else { "on another host" };
        assert!(shown.contains(third), "{shown}");
    }
}

const EMULATED: &str = "\
name: lab
policy: { survive: host }
network: { bridge: br0, subnet: 10.7.0.0/24, addresses: 10.7.0.30-10.7.0.90 }
hosts:
  - { name: t, count: 3, cores: 10, memory: 40GiB, disk: 400GiB, hypervisor: qemu }
services:
  - { name: tally, engine: redis, demand: { reads: 25k/s, writes: 2k/s, data: 3GiB } }
";

/// What was measured with hardware virtualisation promises nothing of emulated guests.
#[test]
fn no_speed_is_promised_of_software_emulation() {
    let bench = Bench::new();
    bench.put("spec.yaml", EMULATED);
    let planned = bench.run(&["plan", "spec.yaml", "--max-load"]);
    assert!(planned.starts_with("exit 0\n"), "{planned}");
    let note = "note: tally: no promise: software emulation (hypervisor: qemu) on t-1, t-2, t-3";
    assert!(planned.contains(note), "{planned}");
    assert!(planned.contains("counted as with KVM"), "{planned}");
    for format in ["text", "markdown"] {
        let shown = bench.run(&["show", "plan.json", "--format", format]);
        assert!(shown.contains("no promise: software emulation (hypervisor: qemu)"), "{shown}");
        for promise in ["usable", "ceiling", "% used", "remaining, ", "97k/s"] {
            assert!(!shown.contains(promise), "{promise}: {shown}");
        }
    }
    let explained = bench.run(&["explain", "plan.json", "tally"]);
    assert!(explained.contains(note), "{explained}");
    let shown = json(&bench, &["show", "plan.json", "--format", "json"]);
    assert_eq!(shown["services"][0]["emulated_on"], json!(["t-1", "t-2", "t-3"]));
    assert_eq!(shown["services"][0]["unsplit"], Value::Null);
}

/// It is planned as with hardware virtualisation: the same sizes in the same places.
#[test]
fn emulated_guests_have_the_size_and_place_that_others_have() {
    let instances = |spec: &str| {
        let text = planned(spec).read("plan.json").unwrap();
        serde_json::from_str::<Value>(&text).unwrap()["instances"].clone()
    };
    assert_eq!(instances(EMULATED), instances(&EMULATED.replace("qemu", "kvm")));
}

/// One emulated instance is enough: its group is as slow as it is.
#[test]
fn one_emulated_host_takes_the_promise_from_the_service() {
    let hosts = "  - { name: k, count: 2, cores: 10, memory: 40GiB, disk: 400GiB }\n  - { name: t, cores: \
                 10, memory: 40GiB, disk: 400GiB, hypervisor: qemu }\nservices";
    let (before, after) = EMULATED.split_once("  - { name: t").unwrap();
    let (_, after) = after.split_once("services").unwrap();
    let shown = planned(&format!("{before}{hosts}{after}")).run(&["show", "plan.json"]);
    assert!(shown.contains("no promise: software emulation (hypervisor: qemu) on t;"), "{shown}");
}

#[test]
fn three_copies_of_each_group_are_on_three_hosts() {
    let spec = MIXED.replace("data: 2GiB }", "data: 2GiB, copies: 3 }");
    let bench = planned(&spec);
    let plan: Value = serde_json::from_str(&bench.read("plan.json").unwrap()).unwrap();
    let host = |name: &Value| {
        let instances = plan["instances"].as_array().unwrap();
        instances.iter().find(|one| one["name"] == *name).unwrap()["host"].to_string()
    };
    for group in plan["services"][0]["groups"].as_array().unwrap() {
        let replicas = group["replicas"].as_array().unwrap();
        let mut hosts: Vec<String> = replicas.iter().chain([&group["lead"]]).map(host).collect();
        hosts.sort();
        hosts.dedup();
        assert_eq!((replicas.len(), hosts.len()), (2, 3), "{group}");
    }
    let checked = bench.run(&["check", "plan.json", "--spec", "spec.yaml"]);
    assert!(checked.contains("audit: no findings"), "{checked}");
    // As few as the policy needs is no choice of less.
    let fewer = bench.put("spec.yaml", &spec.replace("copies: 3", "copies: 1"));
    let said = fewer.run(&["plan", "spec.yaml"]);
    assert!(said.contains("3 shards, 1 replica each"), "{said}");
}

#[test]
fn a_change_of_emulated_guests_states_no_share_of_a_capacity() {
    let change = |spec: &str| {
        let bench = planned(spec);
        bench.put("spec.yaml", &spec.replace("data: 3GiB", "data: 8GiB"));
        let said = bench.run(&["plan", "spec.yaml", "--prior", "plan.json", "-o", "next.json"]);
        assert!(said.starts_with("exit 0\n"), "{said}");
        said.contains("used meanwhile")
    };
    assert!(!change(EMULATED));
    assert!(change(&EMULATED.replace("qemu", "kvm")));
}

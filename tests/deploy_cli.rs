//! What a user sees of a deploy without any host: gaps of a plan, offline dry
//! runs with diffs, the graph with actions, and the lock.
#![expect(clippy::unwrap_used, reason = "a test")]

#[path = "support/bench.rs"]
mod bench;
mod support;

use std::path::Path;

use bench::Bench;
use hostsplit::deploy::{DiffContext, assume, text_changes};
use hostsplit::graph::decide;
use hostsplit::plan::{Plan, Setting};
use hostsplit::report::changes::{Shown, changes_text};
use hostsplit::spec::Password;
use hostsplit::state::store::Store;
use hostsplit::units::Mebibytes;
use support::good_plan;

fn bench(plan: &Plan) -> Bench {
    let bench = Bench::new();
    bench.put("plan.json", &plan.to_text().unwrap());
    bench
}

fn dry(bench: &Bench, more: &[&str]) -> String {
    let mut args = vec!["deploy", "plan.json", "--dry-run", "--offline"];
    args.extend(more);
    bench.run(&args)
}

/// Keeps a plan as the one that was deployed last.
fn deployed(bench: &Bench, plan: &Plan) {
    bench.put(".hostsplit/shop/plan.json", &plan.to_text().unwrap());
}

#[test]
fn a_plan_that_cannot_be_deployed_is_refused_with_all_its_gaps() {
    let mut plan = good_plan();
    plan.network = None;
    plan.image = None;
    plan.topology.hosts[1].uri = None;
    for instance in &mut plan.instances {
        instance.root = None;
        instance.seed = None;
    }
    let bench = bench(&plan);
    insta::assert_snapshot!(bench.run(&["deploy", "plan.json", "--yes"]), @"
    exit 1
    ---
    error: 5 missing inputs; the plan cannot be deployed:
      the plan names no image, so its instances have nothing to boot from
        add `image:` to the spec and plan again
      the plan has no network, so its instances have no bridge and no address
        add `network:` to the spec and plan again
      no libvirt URI for h2
        add `uri:` to the host's file and plan again
      no root volume for cache-0, cache-1, cache-2 and 5 more
        give their hosts a pool (`pools:` in the host's file) and plan again
      no seed volume for cache-0, cache-1, cache-2 and 5 more
        give their hosts a pool (`pools:` in the host's file) and plan again
    ");
    assert_eq!(bench.names(), ["plan.json"]);
}

#[test]
fn a_plan_that_was_tampered_with_is_refused_by_what_is_wrong() {
    let mut plan = good_plan();
    plan.instances[0].data.as_mut().unwrap().name = "shop-cache-1-data.raw".to_owned();
    plan.instances[1].settings.insert("save".to_owned(), Setting::Text("x\ny".to_owned()));
    plan.image.as_mut().unwrap().disk.sha256 = "../../x".to_owned();
    let bench = bench(&plan);
    let refused = bench.run(&["deploy", "plan.json", "--dry-run", "--offline"]);
    insta::assert_snapshot!(refused, @r#"
    exit 5
    ---
    error: 4 audit findings; the plan is refused:
      error: cache-0: its data volume is shop-cache-1-data.raw; expected shop-cache-0-data.raw, derived from its name (derivation)
      error: cache-1: save is x\ny; expected none (configuration)
      error: shop: the SHA-256 of "/images/root.qcow2" is "../../x"; expected 64 lower-case hexadecimal digits (image_digest)
      error: cache-1: "x\ny" has control characters and is not a valid value of save (text)
    hint: make the plan again with: hostsplit plan SPEC
    "#);
    for args in [&["deploy", "plan.json", "--yes"][..], &["deploy", "plan.json", "--simulate"]] {
        assert_eq!(bench.run(args), refused, "{args:?}");
    }
    let hosts = ["h1"].as_slice();
    for command in ["verify", "status", "drill", "rollback", "drain"] {
        let more = if command == "drain" { hosts } else { &[] };
        assert_eq!(bench.run(&[&[command, "plan.json"], more].concat()), refused, "{command}");
    }
    let actions = ["graph", "plan.json", "--actions", "--offline"];
    assert!(bench.run(&actions).starts_with("exit 5\n"));
    let shown = bench.run(&["graph", "plan.json"]);
    assert!(shown.starts_with("exit 0\n"), "{shown}");
    assert!(
        shown.contains("warning: plan.json: 4 audit findings; all that looks at hosts refuses it:")
    );
    assert_eq!(bench.names(), ["plan.json"]);
}

/// A plan from anywhere can be looked at: nothing of it runs here without a word.
#[test]
fn a_plan_that_is_looked_at_runs_nothing() {
    let mut plan = good_plan();
    plan.services[0].access.password = Some(Password::Command("touch ran; echo secret".into()));
    support::configure(&mut plan);
    plan.topology.hosts[1].uri = Some("qemu+ext:///system?command=./ran".to_owned());
    plan.topology.hosts[2].uri = Some("test:///home/me/.netrc".to_owned());
    let bench = bench(&plan);
    for args in [
        &["check", "plan.json"][..],
        &["show", "plan.json"],
        &["graph", "plan.json", "--actions", "--offline"],
        &["deploy", "plan.json", "--dry-run", "--offline"],
        &["deploy", "plan.json", "--simulate"],
    ] {
        let said = bench.run(args);
        assert!(said.starts_with("exit 0\n") || said.starts_with("exit 3\n"), "{args:?}: {said}");
        assert_eq!(bench.names(), ["plan.json"], "{args:?}");
    }
    for command in ["status", "verify", "destroy"] {
        let said = bench.run(&[command, "plan.json", "--state", "state"]);
        assert!(said.starts_with("exit 1\n"), "{command}: {said}");
        let expected = "  h2: \"qemu+ext:///system?command=./ran\" (ext, command=)\n\
                        \x20 h3: \"test:///home/me/.netrc\" (a file for the test driver)\n\
                        hint: if they are yours, pass --allow-uri-programs\n";
        assert!(said.ends_with(expected), "{command}: {said}");
        assert!(!bench.names().contains(&"ran".to_owned()));
    }
    // A deploy shows the commands before it runs them, and asks.
    let said = bench.run(&["deploy", "plan.json", "--state", "state"]);
    assert!(said.contains("\n  cache: touch ran; echo secret\n"), "{said}");
    assert!(said.contains("cannot ask for confirmation"), "{said}");
    assert!(!bench.names().contains(&"ran".to_owned()));
}

/// Runs the binary in a directory; its streams take nothing where they are full.
#[expect(clippy::disallowed_methods, reason = "runs the binary on files that it makes")]
fn bare(directory: &Path, args: &[&str], is_full: (bool, bool)) -> Option<i32> {
    let stream = |is_full: bool| match is_full {
        true => std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap().into(),
        false => std::process::Stdio::null(),
    };
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hostsplit"));
    command.args(args).current_dir(directory).env_clear();
    command.stdout(stream(is_full.0)).stderr(stream(is_full.1)).status().unwrap().code()
}

/// A directory with a plan in it.
#[expect(clippy::disallowed_methods, reason = "makes the file that the test is about")]
fn with_plan(plan: &Plan) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("plan.json"), plan.to_text().unwrap()).unwrap();
    directory
}

/// What is not read is not worth a panic, and a deploy goes on.
#[test]
fn full_streams_end_nothing() {
    let directory = with_plan(&good_plan());
    // A build without libvirt reaches no host, and says so.
    let unreachable = if cfg!(feature = "libvirt") { 5 } else { 1 };
    for (args, code) in [
        (&["check", "plan.json"][..], 0),
        (&["check", "none.json"], 1),
        (&["show", "plan.json", "--format", "json"], 0),
        (&["graph", "plan.json", "--actions", "--offline"], 0),
        (&["-vv", "deploy", "plan.json", "--dry-run", "--offline"], 3),
        (&["-vv", "deploy", "plan.json", "--simulate"], 0),
        (&["deploy", "plan.json", "--simulate", "--format", "json"], 0),
        (&["status", "plan.json", "--state", "state"], unreachable),
    ] {
        let code = Some(code);
        assert_eq!(bare(directory.path(), args, (false, true)), code, "{args:?}, stderr");
        // Data that is lost is an error, once all is done.
        let found = bare(directory.path(), args, (true, true));
        assert!(found == Some(1) || found == code, "{args:?}, both: {found:?}");
    }
}

/// A state directory comes along with a plan from anywhere.
#[test]
fn a_state_directory_that_others_could_have_filled_is_refused() {
    let directory = with_plan(&good_plan());
    let dry = || {
        let args = ["deploy", "plan.json", "--dry-run", "--offline"];
        bare(directory.path(), &args, (false, false))
    };
    let state = directory.path().join(".hostsplit/shop");
    std::fs::create_dir_all(&state).unwrap();
    assert_eq!(dry(), Some(3));
    std::os::unix::fs::symlink("/etc/hostname", state.join("former-hosts.json")).unwrap();
    assert_eq!(dry(), Some(1));
    let simulated = ["deploy", "plan.json", "--simulate"];
    assert_eq!(bare(directory.path(), &simulated, (false, false)), Some(0));
}

/// It says which hosts may run something: without it one could be made a second time.
#[test]
#[expect(clippy::disallowed_methods, reason = "a file that is damaged")]
fn a_deployed_plan_that_cannot_be_read_is_not_taken_for_none() {
    let directory = with_plan(&good_plan());
    let state = directory.path().join(".hostsplit/shop");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(state.join("plan.json"), "{\"format\":").unwrap();
    for args in [&["deploy", "plan.json", "--dry-run", "--offline"][..], &["status", "plan.json"]] {
        assert_eq!(bare(directory.path(), args, (false, false)), Some(1), "{args:?}");
    }
}

#[test]
fn without_a_plan_before_everything_is_new() {
    let bench = bench(&good_plan());
    let shown = dry(&bench, &[]);
    assert!(shown.starts_with("exit 3\n"), "{shown}");
    assert!(shown.contains("+   domain cache-0"), "{shown}");
    assert!(shown.contains("comparing with empty hosts"), "{shown}");
    assert!(shown.contains("new texts, shown with --diff all"), "{shown}");
    let all = dry(&bench, &["--diff", "all"]);
    assert!(all.contains("+  <name>shop-cache-0</name>"), "{all}");
    assert!(all.contains("+maxmemory 447392426"), "{all}");
    assert_eq!(bench.names(), ["plan.json"]);
}

#[test]
fn the_same_plan_changes_nothing() {
    let bench = bench(&good_plan());
    deployed(&bench, &good_plan());
    insta::assert_snapshot!(dry(&bench, &[]), @r"
    exit 0
    Plan: 0 to create, 0 to update, 0 to replace, 0 to delete.
    ---
    offline: no host is contacted; comparing with the last deployed plan, .hostsplit/shop/plan.json
    ");
}

#[test]
fn a_changed_plan_shows_the_lines_that_change_and_no_secret() {
    let new = good_plan();
    let mut old = new.clone();
    old.instances[0].memory_mib = Mebibytes::new(1_536);
    old.instances[0].settings.insert("maxmemory".to_owned(), Setting::Bytes(800 << 20));
    old.instances[0].settings.insert("requirepass".to_owned(), "hunter2".into());
    let bench = bench(&new);
    deployed(&bench, &old);
    let shown = dry(&bench, &[]);
    assert!(!shown.contains("hunter"), "{shown}");
    let is_lasting = |line: &&str| !line.contains("digest=") && !line.contains("# Digest");
    let shown: Vec<&str> = shown.lines().filter(is_lasting).collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    exit 3
    steps of the change, about 66 s:
      cache: writes wait for up to 2 s at a hand-over; up to 93 % used meanwhile
        1. switch off and on in turn, copying up to 400 MiB: cache-0  66 s

    --- domain shop-cache-0 on h1
    +++ domain shop-cache-0 on h1 (planned)
    @@ -3,10 +3,10 @@
       <uuid>5ba0ac2d-7bcc-50fc-8d63-47899bfa7fc1</uuid>
       <title>cache-0 of shop</title>
       <metadata>
       </metadata>
    -  <memory unit="KiB">1572864</memory>
    -  <currentMemory unit="KiB">1572864</currentMemory>
    +  <memory unit="KiB">1048576</memory>
    +  <currentMemory unit="KiB">1048576</currentMemory>
       <memoryBacking>
         <nosharepages/>
         <allocation mode="immediate"/>

    --- /etc/redis/redis.conf of cache-0 on h1
    +++ /etc/redis/redis.conf of cache-0 on h1 (planned)
    @@ -1,5 +1,5 @@
     # Written by hostsplit for cache-0; do not edit.
     appendfsync everysec
     appendonly yes
     bind 0.0.0.0
    @@ -9,12 +9,11 @@
     cluster-enabled yes
     cluster-node-timeout 15000
     dir /var/lib/redis
    -maxmemory 838860800
    +maxmemory 447392426
     maxmemory-policy noeviction
     port 6379
     protected-mode no
     repl-backlog-size 33554432
     repl-diskless-sync yes
     repl-diskless-sync-max-replicas 1
    -requirepass (secret)
     save ""
    /etc/redis/redis.conf of cache-0 on h1: a secret differs

    h1
      ~   domain cache-0      CPUs, memory or devices differ from the plan, power cycle on its disks
      ~   running cache-0     a dependency changes
      ~   ready cache-0       a dependency changes
      ~   configured cache-0  a dependency changes
      ~   rejoined cache-0    back in its cluster before the next is replaced
    clusters
      ~   balanced cache      data moves before instances get less memory
      ~   cluster cache       a dependency changes

    Plan: 0 to create, 7 to update, 0 to replace, 0 to delete.
    ---
    offline: no host is contacted; comparing with the last deployed plan, .hostsplit/shop/plan.json
    "#);
    let json = dry(&bench, &["--format", "json"]);
    assert!(json.contains("\"diffs\"") && !json.contains("hunter"), "{json}");
    // Nothing was changed by looking.
    assert_eq!(bench.read(".hostsplit/shop/plan.json"), old.to_text().ok());
}

/// Settings of another make may hold a password.
#[test]
fn a_secret_among_the_settings_is_not_shown() {
    let with = |password: &str| {
        let mut plan = good_plan();
        plan.instances[0].settings.insert("requirepass".to_owned(), password.into());
        plan
    };
    let (old, new) = (with("hunter2"), with("hunter3"));
    let world = assume(&new, Some(&old));
    let actions = decide(&new, &world);
    let diff = DiffContext {
        plan: &new,
        world: &world,
        actions: &actions,
        prior: Some(&old),
        context: None,
    };
    let shown = changes_text(&text_changes(&diff), Shown::Changed);
    assert!(!shown.contains("hunter"), "{shown}");
    assert!(shown.contains("/etc/redis/redis.conf of cache-0 on h1: a secret differs"), "{shown}");
}

#[test]
fn the_graph_shows_actions_and_reasons() {
    let mut new = good_plan();
    new.instances.pop();
    new.vms[0].count = 1;
    for (tier, value) in [(2, 8), (3, 7_168)] {
        (new.tiers[tier].value, new.tiers[tier].bound) = (value, value);
    }
    let bench = bench(&new);
    deployed(&bench, &good_plan());
    let graph = |more: &[&str]| {
        let mut args = vec!["graph", "plan.json", "--actions", "--offline"];
        args.extend(more);
        bench.run(&args)
    };
    let text = graph(&[]);
    assert!(text.contains("-   domain shop-builder-1 @h2 (not in the plan)"), "{text}");
    assert!(text.contains("=   cluster cache <- configured cache-0"), "{text}");
    let json = graph(&["--format", "json"]);
    assert!(json.contains("\"action\": \"delete\""), "{json}");
    assert!(json.contains("\"reason\": \"not in the plan\""), "{json}");
    let dot = graph(&["--format", "dot"]);
    assert!(
        dot.contains(r#"[label="- domain shop-builder-1\nnot in the plan" color=red]"#),
        "{dot}"
    );
}

#[test]
fn the_second_deploy_is_told_who_holds_the_lock() {
    let bench = bench(&good_plan());
    let state = tempfile::tempdir().unwrap();
    let _held = Store::new(state.path().to_owned()).lock("deploy by ann@desk, pid 7").unwrap();
    let directory = state.path().to_str().unwrap();
    let refused = bench.run(&["deploy", "plan.json", "--yes", "--state", directory]);
    assert!(refused.starts_with("exit 1\n"), "{refused}");
    assert!(refused.contains("locked by deploy by ann@desk, pid 7, since 2"), "{refused}");
}

/// A plan of a cluster without image and libvirt URIs, with its spec beside it.
fn planned() -> Bench {
    let bench = Bench::new();
    bench.put(
        "spec.yaml",
        "name: demo
policy: { survive: host }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.50-10.20.0.99 }
hosts:
  - { name: h1, cores: 8, memory: 32GiB, disk: 1TiB }
  - { name: h2, cores: 8, memory: 32GiB, disk: 1TiB }
  - { name: h3, cores: 8, memory: 32GiB, disk: 1TiB }
services:
  - { name: cache, engine: redis, tls: true, password: { env: NOT_SET }, demand: { reads: 20k/s, writes: 2k/s, value: 512B, data: 1GiB, persistence: aof } }
vms:
  - { name: builder, count: 1, vcpus: 1, memory: 1GiB, disk: 10GiB }
",
    );
    let planned = bench.run(&["plan", "spec.yaml"]);
    assert!(planned.starts_with("exit 0\n"), "{planned}");
    bench
}

#[test]
fn a_simulated_deploy_needs_no_host_no_image_and_no_secret_and_leaves_nothing() {
    let bench = planned();
    let before = bench.names();
    let told = bench.run(&["deploy", "plan.json", "--simulate"]);
    assert!(told.starts_with("exit 0\nDone: "), "{told}");
    assert!(told.contains("0 faults. Read/write probe: 3 of 3 groups passed."), "{told}");
    assert!(told.contains("Simulated on 3 hosts in memory; nothing real was changed."), "{told}");
    assert!(told.contains("cluster: cluster cache: done"), "{told}");
    assert_eq!(bench.names(), before, "the state directory is a throw-away one");
}

#[test]
fn a_simulated_deploy_for_programs_is_lines_of_json() {
    let bench = planned();
    let told = bench.run(&["deploy", "plan.json", "--simulate", "--format", "json"]);
    let stdout = told.strip_prefix("exit 0\n").unwrap().split("---\n").next().unwrap();
    let lines: Vec<serde_json::Value> =
        stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let events = |word: &str| lines.iter().filter(|line| line["event"] == word).count();
    assert!(events("done") > 30, "{told}");
    assert_eq!((events("failed"), events("summary")), (0, 1));
    let last = lines.last().unwrap();
    assert_eq!(last["event"], "simulated");
    assert_eq!(last["hosts"].as_array().unwrap().len(), 3);
}

#[test]
fn a_simulated_drill_shows_what_was_found_beside_what_is_promised() {
    let bench = planned();
    let before = bench.names();
    let shown = bench.run(&["drill", "plan.json", "--simulate", "--host", "h1", "--cut", "hang"]);
    assert!(shown.starts_with("exit 0\nhost  cut   takes over"), "{shown}");
    assert!(shown.contains("Drill passed: 1 failure, no acknowledged write lost."), "{shown}");
    assert!(shown.contains("on h1 will fail, one host after the other (hang)"), "{shown}");
    assert!(shown.contains("h1: brought back; waiting until all is as planned"), "{shown}");
    let json = ["drill", "plan.json", "--simulate", "--host", "h2", "--format", "json"];
    let shown = bench.run(&json);
    let line = shown.lines().find(|line| line.contains("\"event\":\"drill\"")).unwrap();
    let found: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!((&found["ok"], &found["failures"][0]["lost"]), (&true.into(), &0.into()));
    assert_eq!(bench.names(), before);
}

#[test]
fn a_drill_fails_only_hosts_whose_loss_is_survived() {
    let bench = planned();
    let unknown = bench.run(&["drill", "plan.json", "--simulate", "--host", "h9"]);
    assert!(unknown.contains("--host h9: the plan has no such host"), "{unknown}");
    let spec = bench.read("spec.yaml").unwrap().replace("survive: host", "survive: none");
    bench.put("spec.yaml", &spec).run(&["plan", "spec.yaml"]);
    let refused = bench.run(&["drill", "plan.json", "--simulate"]);
    assert!(refused.starts_with("exit 1\n"), "{refused}");
    assert!(refused.contains("its loss is not survived: cache: every copy of"), "{refused}");
    assert!(refused.contains("does not survive the loss of any host"), "{refused}");
}

#[test]
fn a_simulated_deploy_refuses_what_a_deploy_refuses() {
    let mut plan = good_plan();
    plan.network = None;
    let bench = bench(&plan);
    let refused = bench.run(&["deploy", "plan.json", "--simulate"]);
    assert!(refused.starts_with("exit 1\n"), "{refused}");
    assert!(refused.contains("the plan has no network"), "{refused}");
    for real in [&["--state", "state"][..], &["--offline"], &["--diff", "all"], &["--dry-run"]] {
        let args = [&["deploy", "plan.json", "--simulate"], real].concat();
        let refused = bench.run(&args);
        assert!(refused.starts_with("exit 2\n"), "{real:?}: {refused}");
    }
}

#[test]
fn a_dry_run_of_destroy_says_whom_it_could_not_ask_and_writes_nothing() {
    let mut plan = good_plan();
    for host in &mut plan.topology.hosts {
        host.uri = Some("qemu+unix:///system?socket=/nowhere".to_owned());
    }
    let bench = bench(&plan);
    let found = bench.run(&["destroy", "plan.json", "--dry-run"]);
    let built_without_libvirt = cfg!(not(feature = "libvirt"));
    if built_without_libvirt {
        assert!(found.starts_with("exit 1"), "{found}");
    } else {
        assert!(found.starts_with("exit 6"), "{found}");
        assert!(found.contains("a removal would be incomplete: hosts did not answer"), "{found}");
    }
    assert_eq!(bench.names(), ["plan.json"], "a look leaves nothing");
    let both = bench.run(&["destroy", "plan.json", "--dry-run", "--yes"]);
    assert!(both.contains("cannot be used with"), "{both}");
}

//! One spec goes all the way on three real libvirt hosts: planned, deployed
//! through a few `kill -9`, used, hit by the loss of a host, repaired, removed.
//!
//! Needs root and what `tests/setup` installs; `tests/run` sees to both.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test that runs programs and tells where it is"
)]

mod client;
mod desk;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use hostsplit::plan::{Plan, Role};

use crate::client::{Writer, client, read_keys, redis};
use crate::desk::Desk;

const LAB: &str = "/var/tmp/hostsplit-lab";
const HOSTS: [&str; 3] = ["h1", "h2", "h3"];
/// Writes that a replica has confirmed before a host is switched off.
const KEYS: usize = 200;
/// More than enough for a failover: the cluster's node timeout and an election,
/// in guests that software emulation slows down.
const FAILOVER_SECONDS: &str = "300";

/// The lab; taken down when the test ends, however it ends.
struct Lab;

impl Lab {
    fn up() -> Self {
        script("down", &[]);
        script("up", &["3"]);
        Self
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let down = Command::new(path("tests/lab/down")).status();
        eprintln!("lab down: {down:?}");
    }
}

fn path(inside: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(inside)
}

/// Runs a script of the lab and returns what it printed.
fn script(name: &str, args: &[&str]) -> String {
    let mut command = Command::new(path("tests/lab").join(name));
    succeed(command.args(args).stderr(Stdio::inherit()))
}

fn succeed(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?} ended with {}: {}", output.status, text(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// Says what comes next, and how many seconds have gone.
fn step(what: &str) {
    static START: OnceLock<Instant> = OnceLock::new();
    let gone = START.get_or_init(Instant::now).elapsed().as_secs();
    eprintln!("--- {gone} s: {what}");
}

/// The password that the deploy made for clients.
fn password(desk: &Desk) -> String {
    let path = desk.path().join(".hostsplit/quickstart/secrets/cache");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "{}", path.display());
    fs::read_to_string(path).unwrap().trim().to_owned()
}

/// Waits until every shard of the cluster takes writes again.
fn wait_for_all_shards(plan: &Plan, password: &str) {
    let from = plan.instances.iter().find(|i| i.host.as_str() == "h2").unwrap().address.unwrap();
    let exec = path("tests/lab/exec");
    // Slots 1058, 9312 and 13509: one in each of the three groups.
    for key in ["c", "a", "d"] {
        // One that is sent on to a master without power would wait for minutes.
        let client = format!("timeout 10 redis-cli -c -h {from} set probe:{key} 1");
        let command = format!("{} {client} | grep -qx OK", exec.display());
        let mut wait = Command::new(path("tests/lab/wait-for"));
        wait.args([FAILOVER_SECONDS, "bash", "-c", &command]).env("REDISCLI_AUTH", password);
        succeed(wait.stderr(Stdio::inherit()));
    }
}

fn virsh(host: &str, args: &[&str]) -> String {
    let uri = format!("qemu+unix:///system?socket={LAB}/{host}/sock/libvirt-sock");
    succeed(Command::new("virsh").args(["-q", "-c", &uri]).args(args))
}

fn left_on(host: &str) -> String {
    virsh(host, &["list", "--all", "--name"]).trim().to_owned()
        + virsh(host, &["vol-list", "default"]).trim()
}

#[test]
fn a_spec_becomes_a_cluster_that_survives_a_host_and_goes_without_a_trace() {
    step("the lab");
    let _lab = Lab::up();
    let desk = Desk::new();
    fs::copy(path("examples/quickstart/spec.yaml"), desk.path().join("spec.yaml")).unwrap();

    step("discover and plan");
    let hypervisor = fs::read_to_string(format!("{LAB}/hypervisor")).unwrap();
    let uris = fs::read_to_string(format!("{LAB}/hosts")).unwrap().replace(' ', "=");
    let mut discover = vec!["discover", "--hypervisor", hypervisor.trim()];
    discover.extend(uris.lines());
    desk.hostsplit(&discover, 0);
    desk.hostsplit(&["plan", "spec.yaml"], 0);
    let plan: Plan =
        serde_json::from_slice(&fs::read(desk.path().join("plan.json")).unwrap()).unwrap();
    assert_eq!(plan.instances.len(), 6);

    step("a dry run changes nothing and says that there are changes");
    desk.hostsplit(&["deploy", "plan.json", "--dry-run"], 3);
    assert!(HOSTS.iter().all(|host| left_on(host).is_empty()));

    step("a deploy that is killed again and again resumes");
    desk.kill_deploy_at_random_moments();
    desk.hostsplit(&["deploy", "plan.json", "--yes"], 0);
    let verified = desk.hostsplit(&["verify", "plan.json"], 0);
    assert_eq!(verified.matches("reads/s").count(), 3, "a load went through each group");

    step("a second deploy changes nothing");
    let again = desk.hostsplit(&["deploy", "plan.json", "--yes"], 0);
    assert!(again.contains("no changes"), "{again}");
    desk.hostsplit(&["deploy", "plan.json", "--dry-run"], 0);

    step("without its state a deploy finds the passwords in the guests, and changes nothing");
    let before = password(&desk);
    for file in ["plan.json", ".hostsplit/quickstart/journal.jsonl"] {
        assert!(!fs::read_to_string(desk.path().join(file)).unwrap().contains(&before));
    }
    fs::remove_dir_all(desk.path().join(".hostsplit")).unwrap();
    desk.hostsplit(&["deploy", "plan.json", "--dry-run"], 0);
    let recovered = desk.hostsplit(&["deploy", "plan.json", "--yes"], 0);
    assert!(recovered.contains("recovered the passwords of cache"), "{recovered}");
    assert!(recovered.contains("no changes"), "{recovered}");

    step("nobody gets in without the password, and nobody sees it");
    let password = password(&desk);
    assert!(password == before, "clients keep their password");
    let refused = redis(&mut client(&plan, "h2"), "get key:0\n".to_owned());
    assert_eq!(refused, ["NOAUTH Authentication required."]);
    let client = |host: &str| {
        let mut client = client(&plan, host);
        client.env("REDISCLI_AUTH", &password);
        client
    };

    step("an ordinary client writes");
    let writer = Writer::start(client("h2"));
    let mut keys = writer.confirm(KEYS);

    step("a host is switched off while it writes; the cluster answers again");
    let masters = |host: &str| {
        plan.instances.iter().filter(|i| i.host.as_str() == host && i.role == Role::Master).count()
    };
    assert!(masters("h1") > 0, "h1 must carry a master for this test to mean anything");
    script("power-cut", &["h1"]);
    keys.extend(writer.stop());
    wait_for_all_shards(&plan, &password);
    read_keys(&mut client("h2"), &keys);
    desk.hostsplit(&["verify", "plan.json"], 5);

    step("the host is back; a deploy repairs what its loss left");
    script("power-on", &["h1"]);
    desk.hostsplit(&["deploy", "plan.json", "--yes"], 0);
    desk.hostsplit(&["verify", "plan.json"], 0);
    read_keys(&mut client("h2"), &keys);

    step("another password reaches all of them while they run");
    let state = desk.path().join(".hostsplit/quickstart/secrets/cache");
    fs::write(state, "another-password-1234\n").unwrap();
    desk.hostsplit(&["deploy", "plan.json", "--dry-run"], 3);
    let renewed = desk.hostsplit(&["deploy", "plan.json", "--yes"], 0);
    assert!(renewed.contains("renewed passwords"), "{renewed}");
    desk.hostsplit(&["verify", "plan.json", "--no-load"], 0);

    step("a dry run of destroy removes nothing");
    let shown = desk.hostsplit(&["destroy", "plan.json", "--data", "--dry-run"], 3);
    assert!(shown.contains("domain quickstart-cache-0"), "{shown}");
    assert!(shown.contains("default/quickstart-cache-0-data.raw"), "{shown}");
    desk.hostsplit(&["verify", "plan.json", "--no-load"], 0);

    step("destroy leaves nothing");
    desk.hostsplit(&["destroy", "plan.json", "--data", "--yes"], 0);
    for host in HOSTS {
        assert_eq!(left_on(host), "", "{host} is not empty");
    }
}

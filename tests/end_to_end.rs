//! One spec goes all the way on three real libvirt hosts: planned, deployed
//! through a `kill -9`, used, hit by the loss of a host, repaired, removed.
//!
//! Needs root and what `tests/setup` installs; `tests/run` sees to both.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test that runs programs and tells where it is"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use hostsplit::plan::{Plan, Role};

const LAB: &str = "/var/tmp/hostsplit-lab";
const HOSTS: [&str; 3] = ["h1", "h2", "h3"];
const KEYS: usize = 1_000;
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

fn step(what: &str) {
    eprintln!("--- {what}");
}

/// A directory that `hostsplit` is run in.
struct Desk(tempfile::TempDir);

impl Desk {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hostsplit"));
        command.args(args).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs a command that must end with `code`; returns both streams.
    fn hostsplit(&self, args: &[&str], code: i32) -> String {
        let output = self.command(args).output().unwrap();
        let text = text(&output);
        assert_eq!(output.status.code(), Some(code), "hostsplit {args:?}:\n{text}");
        eprintln!("$ hostsplit {}\n{text}", args.join(" "));
        text
    }

    /// Starts a deploy and kills it with SIGKILL when `done` actions are done.
    fn kill_deploy_after(&self, done: usize) {
        let args = ["deploy", "plan.json", "--yes", "--format", "json"];
        let mut child = self.command(&args).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let finished = lines
            .map(|line| line.unwrap())
            .filter(|line| line.contains("\"event\":\"done\""))
            .take(done)
            .count();
        assert_eq!(finished, done, "the deploy ended before it could be killed");
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// Feeds commands to an ordinary client and returns its answers, one a line.
fn redis(plan: &Plan, host: &str, commands: &str) -> Vec<String> {
    let address = plan.instances.iter().find(|i| i.host.as_str() == host).unwrap().address;
    let mut client = Command::new(path("tests/lab/exec"))
        .args(["redis-cli", "-c", "-h", &address.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = client.stdin.take().unwrap();
    let commands = commands.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(commands.as_bytes()));
    let output = client.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    let answers = String::from_utf8(output.stdout).unwrap();
    answers.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn write_keys(plan: &Plan) {
    let commands: String = (0..KEYS).map(|n| format!("set key:{n} value:{n}\n")).collect();
    let written = redis(plan, "h2", &commands).into_iter().filter(|line| line == "OK").count();
    assert_eq!(written, KEYS);
}

fn read_keys(plan: &Plan) {
    let commands: String = (0..KEYS).map(|n| format!("get key:{n}\n")).collect();
    let answers = redis(plan, "h2", &commands);
    let values: Vec<_> = answers.iter().filter(|line| line.starts_with("value:")).collect();
    let expected: Vec<String> = (0..KEYS).map(|n| format!("value:{n}")).collect();
    assert_eq!(values.len(), KEYS);
    assert!(values.into_iter().eq(&expected));
}

/// Waits until every shard of the cluster takes writes again.
fn wait_for_all_shards(plan: &Plan) {
    let from = plan.instances.iter().find(|i| i.host.as_str() == "h2").unwrap().address;
    let exec = path("tests/lab/exec");
    // Slots 1058, 9312 and 13509: one in each of the three groups.
    for key in ["c", "a", "d"] {
        let command =
            format!("{} redis-cli -c -h {from} set probe:{key} 1 | grep -qx OK", exec.display());
        script("wait-for", &[FAILOVER_SECONDS, "bash", "-c", &command]);
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
    let _lab = Lab::up();
    let desk = Desk(tempfile::tempdir().unwrap());
    fs::copy(path("examples/quickstart/spec.yaml"), desk.0.path().join("spec.yaml")).unwrap();

    step("discover and plan");
    let hypervisor = fs::read_to_string(format!("{LAB}/hypervisor")).unwrap();
    let uris = fs::read_to_string(format!("{LAB}/hosts")).unwrap().replace(' ', "=");
    let mut discover = vec!["discover", "--hypervisor", hypervisor.trim()];
    discover.extend(uris.lines());
    desk.hostsplit(&discover, 0);
    desk.hostsplit(&["plan", "spec.yaml"], 0);
    let plan: Plan =
        serde_json::from_slice(&fs::read(desk.0.path().join("plan.json")).unwrap()).unwrap();
    assert_eq!(plan.instances.len(), 6);

    step("a dry run changes nothing and says that there are changes");
    desk.hostsplit(&["deploy", "plan.json", "--dry-run"], 3);
    assert!(HOSTS.iter().all(|host| left_on(host).is_empty()));

    step("a deploy that is killed half-way resumes");
    desk.kill_deploy_after(20);
    desk.hostsplit(&["deploy", "plan.json", "--yes"], 0);
    desk.hostsplit(&["verify", "plan.json"], 0);

    step("a second deploy has nothing to do");
    let again = desk.hostsplit(&["deploy", "plan.json", "--yes"], 0);
    assert!(again.contains("nothing to do"), "{again}");
    desk.hostsplit(&["deploy", "plan.json", "--dry-run"], 0);

    step("an ordinary client writes and reads 1,000 keys");
    write_keys(&plan);
    read_keys(&plan);

    step("a host is switched off; the cluster answers again");
    let masters = |host: &str| {
        plan.instances.iter().filter(|i| i.host.as_str() == host && i.role == Role::Master).count()
    };
    assert!(masters("h1") > 0, "h1 must carry a master for this test to mean anything");
    script("power-cut", &["h1"]);
    wait_for_all_shards(&plan);
    read_keys(&plan);
    desk.hostsplit(&["verify", "plan.json"], 5);

    step("the host is back; a deploy repairs what its loss left");
    script("power-on", &["h1"]);
    desk.hostsplit(&["deploy", "plan.json", "--yes"], 0);
    desk.hostsplit(&["verify", "plan.json"], 0);
    read_keys(&plan);

    step("destroy leaves nothing");
    desk.hostsplit(&["destroy", "plan.json", "--data", "--yes"], 0);
    for host in HOSTS {
        assert_eq!(left_on(host), "", "{host} is not empty");
    }
}

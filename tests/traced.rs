//! What may come from a stranger is looked at under a tracer: no program is started, nothing
//! is connected to, and no file outside is opened.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "runs the binary under strace")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use hostsplit::spec::Password;
use support::good_plan;

/// Where a program that has been linked finds its libraries and what the system says of
/// itself.
const SYSTEM: [&str; 8] =
    ["/dev/", "/etc/ld.so", "/lib/", "/lib64/", "/proc/", "/sys/", "/usr/lib/", "/usr/share/"];
/// Files that libraries read when they are loaded: crypto policies, the user's name.
const SETTINGS: [&str; 5] =
    ["/etc/gnutls/", "/etc/libvirt/", "/etc/nsswitch.conf", "/etc/passwd", "/etc/ssl/"];

const SPEC: &str = "
name: shop
policy: { survive: host }
network: { bridge: br0, subnet: 10.20.0.0/24, addresses: 10.20.0.10-10.20.0.99 }
hosts:
  - { name: h, count: 3, cores: 8, memory: 32GiB, disk: 1TiB }
services:
  - name: cache
    engine: redis
    password: { command: touch ran }
    demand: { reads: 10k/s, writes: 1k/s, data: 1GiB }
";

/// A directory with a spec and a plan of which everything that could run something would.
fn directory() -> tempfile::TempDir {
    let mut plan = good_plan();
    plan.services[0].access.password = Some(Password::Command("touch ran".into()));
    support::configure(&mut plan);
    for host in &mut plan.topology.hosts {
        host.uri = Some(format!("qemu+ext://{}/system?command=./program", host.name));
    }
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("plan.json"), plan.to_text().unwrap()).unwrap();
    let program = directory.path().join("program");
    fs::write(&program, "#!/bin/sh\ntouch ran\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(directory.path().join("spec.yaml"), SPEC).unwrap();
    let outside = SPEC.replace("policy:", "include: [/etc/*.conf, ../*]\npolicy:");
    fs::write(directory.path().join("outside.yaml"), outside).unwrap();
    directory
}

/// What a command did that a tracer sees: the lines of programs, connections and files.
fn traced(directory: &Path, args: &[&str]) -> (Option<i32>, Vec<String>) {
    let log = directory.join("trace");
    let calls = "trace=execve,execveat,open,openat,openat2,creat,connect";
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-e", calls, "-o"]).arg(&log);
    command.arg(env!("CARGO_BIN_EXE_hostsplit")).args(args).current_dir(directory);
    // `tests/setup` installs strace.
    let output = command.env_clear().env("PATH", env!("PATH")).output().unwrap();
    let lines = fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
    fs::remove_file(log).unwrap();
    (output.status.code(), lines)
}

/// The path that a line is about.
fn path(line: &str) -> &str {
    line.split('"').nth(1).unwrap_or_default()
}

/// Whether a file may be opened: it lies beside the plan, or is the system's.
fn is_known(directory: &Path, path: &str) -> bool {
    let here = directory.to_str().unwrap();
    let inside = if path.starts_with('/') { path.starts_with(here) } else { !path.contains("..") };
    // What is simulated has a state directory of its own.
    let simulated = std::env::temp_dir().join("hostsplit-simulated-");
    let own = [SYSTEM.as_slice(), &SETTINGS].concat();
    inside
        || path.starts_with(simulated.to_str().unwrap())
        || own.iter().any(|known| path.starts_with(known))
}

#[test]
fn commands_that_only_look_start_connect_and_open_nothing() {
    let directory = directory();
    let here = directory.path();
    let commands: [&[&str]; 14] = [
        &["check", "spec.yaml"],
        &["check", "outside.yaml"],
        &["check", "plan.json"],
        &["check", "plan.json", "--spec", "spec.yaml"],
        &["plan", "spec.yaml", "-o", "new.json", "--time-limit", "20s"],
        &["show", "plan.json"],
        &["explain", "plan.json", "cache-0"],
        &["diff", "plan.json", "plan.json"],
        &["graph", "plan.json", "--actions", "--offline"],
        &["deploy", "plan.json", "--dry-run", "--offline"],
        &["deploy", "plan.json", "--simulate"],
        &["status", "plan.json", "--state", "state"],
        &["verify", "plan.json", "--state", "state"],
        &["deploy", "plan.json", "--dry-run", "--state", "state"],
    ];
    for args in commands {
        let (code, lines) = traced(here, args);
        assert!(matches!(code, Some(0..=6)), "{args:?} ended with {code:?}");
        let started = lines.iter().filter(|line| line.contains("exec") && line.contains("(\""));
        assert_eq!(started.count(), 1, "{args:?} started something: {lines:#?}");
        let opened = lines.iter().filter(|line| line.contains("open") || line.contains("creat("));
        let foreign: Vec<&str> =
            opened.map(|line| path(line)).filter(|path| !is_known(here, path)).collect();
        assert_eq!(foreign, [""; 0], "{args:?} opened files outside");
        let connected = lines.iter().find(|line| line.contains("connect("));
        assert_eq!(connected, None, "{args:?}");
        assert!(!here.join("ran").exists(), "{args:?}");
    }
    // It is the tracer that sees nothing, if it does not see what a word allows.
    let allowed = ["--allow-uri-programs", "status", "plan.json", "--state", "state"];
    let (_, lines) = traced(here, &allowed);
    if cfg!(feature = "libvirt") {
        assert!(
            lines.iter().any(|line| line.contains("exec") && line.contains("ran")),
            "{lines:#?}"
        );
    }
}

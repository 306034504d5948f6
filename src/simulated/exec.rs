//! The few commands that our code runs in guests.

use super::guest::{Inside, endpoint};
use super::host::File;
use super::redis::Login;
use crate::software::Software;

/// How a command ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) status: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// Whether it waits for something that never comes.
    pub(super) endless: bool,
}

impl Outcome {
    pub(super) fn ok(stdout: impl Into<String>) -> Self {
        Self { stdout: stdout.into(), ..Self::default() }
    }

    /// It does not end.
    pub(super) fn endless() -> Self {
        Self { endless: true, ..Self::default() }
    }

    pub(super) fn failed(status: i32, stderr: impl Into<String>) -> Self {
        Self { status, stderr: stderr.into(), ..Self::default() }
    }
}

/// Runs a command; `None` if there is no such program.
pub(super) fn run(
    guest: &mut Inside<'_>,
    program: &str,
    args: &[&str],
    input: &str,
    password: Option<&str>,
) -> Option<Outcome> {
    Some(match (program, args) {
        ("true", _) => Outcome::ok(""),
        ("kill", ["-KILL", pid]) => {
            guest.kill(pid.parse().unwrap_or_default());
            Outcome::ok("")
        }
        ("timeout", ["-k", _, _, program, args @ ..]) if is_benchmark(program) => {
            benchmark(guest, args)
        }
        ("install", ["-m", mode, "-o", user, "-g", group, "/dev/null", path]) => {
            install(guest, mode, &format!("{user}:{group}"), path)
        }
        ("chmod", [mode, path]) => on_file(guest, path, |file| file.mode = octal(mode)),
        ("sh", ["-c", script, "sh", new @ ..]) if script.contains("mv -f") => take(guest, new),
        ("cat", [path]) => look(guest, path, |file| String::from_utf8_lossy(&file.bytes).into()),
        ("stat", ["-c", "%a %U:%G %n", paths @ ..]) => stat(guest, paths),
        ("env", ["SYSTEMCTL_SKIP_SYSV=1", "systemctl", verb @ .., unit])
        | ("systemctl", [verb @ .., unit]) => match software(unit) {
            Some(software) => systemctl(guest, verb, software),
            None => Outcome::failed(5, format!("Unit {unit} could not be found.")),
        },
        ("redis-cli" | "valkey-cli", args) => redis_cli(guest, args, input, password),
        ("chmod" | "sh" | "install" | "stat" | "cat" | "systemctl", _) => {
            Outcome::failed(64, format!("not simulated: {program} {}", args.join(" ")))
        }
        _ => return None,
    })
}

/// The engine of a unit.
fn software(unit: &str) -> Option<&'static Software> {
    let unit = unit.strip_suffix(".service").unwrap_or(unit);
    Software::ALL.into_iter().find(|software| software.unit == unit)
}

fn is_benchmark(program: &str) -> bool {
    Software::ALL.into_iter().any(|software| software.benchmark == program)
}

fn octal(mode: &str) -> u32 {
    u32::from_str_radix(mode, 8).unwrap_or_default()
}

fn missing(path: &str) -> Outcome {
    Outcome::failed(1, format!("{path}: No such file or directory"))
}

fn install(guest: &mut Inside<'_>, mode: &str, owner: &str, path: &str) -> Outcome {
    let file = File { bytes: Vec::new(), mode: octal(mode), owner: owner.to_owned() };
    match guest.root() {
        Some(root) => {
            root.files.insert(path.to_owned(), file);
            Outcome::ok("")
        }
        None => missing(path),
    }
}

/// Files `*.new` in the place of those without that ending.
fn take(guest: &mut Inside<'_>, new: &[&str]) -> Outcome {
    for from in new {
        let Some(root) = guest.root() else { return missing(from) };
        let Some(file) = root.files.remove(*from) else { return missing(from) };
        root.files.insert(from.trim_end_matches(".new").to_owned(), file);
    }
    Outcome::ok("")
}

fn on_file(guest: &mut Inside<'_>, path: &str, change: impl FnOnce(&mut File)) -> Outcome {
    match guest.root().and_then(|root| root.files.get_mut(path)) {
        Some(file) => {
            change(file);
            Outcome::ok("")
        }
        None => missing(path),
    }
}

fn look(guest: &mut Inside<'_>, path: &str, show: impl FnOnce(&File) -> String) -> Outcome {
    let file = guest.root().and_then(|root| root.files.get(path));
    file.map_or_else(|| missing(path), |file| Outcome::ok(show(file)))
}

/// Rights of files; it goes on after one that is not there.
fn stat(guest: &mut Inside<'_>, paths: &[&str]) -> Outcome {
    let mut all = Outcome::ok("");
    for path in paths {
        let show = |file: &File| format!("{:o} {} {path}\n", file.mode, file.owner);
        let one = look(guest, path, show);
        all.status = all.status.max(one.status);
        all.stdout += &one.stdout;
        all.stderr += &one.stderr;
    }
    all
}

fn systemctl(guest: &mut Inside<'_>, verb: &[&str], software: &'static Software) -> Outcome {
    let active = guest.redis().is_some();
    let Some(root) = guest.root() else { return Outcome::failed(1, "no root volume") };
    match verb {
        ["show", "--property=UnitFileState,ActiveState"] => {
            let enabled = if root.enabled == Some(software) { "enabled" } else { "disabled" };
            let active = if active { "active" } else { "inactive" };
            Outcome::ok(format!("ActiveState={active}\nUnitFileState={enabled}\n"))
        }
        ["enable"] => {
            root.enabled = Some(software);
            Outcome::ok("")
        }
        ["start"] if active => Outcome::ok(""),
        ["stop"] => {
            guest.stop_redis();
            Outcome::ok("")
        }
        ["start" | "restart"] => start(guest, software),
        other => Outcome::failed(64, format!("not simulated: systemctl {}", other.join(" "))),
    }
}

fn start(guest: &mut Inside<'_>, software: &'static Software) -> Outcome {
    match guest.start_redis(software) {
        Ok(()) => Outcome::ok(""),
        Err(error) => Outcome::failed(1, format!("Job for {} failed: {error}", software.unit)),
    }
}

/// What a client of Redis is told on its command line.
#[derive(Default)]
struct Options<'a> {
    host: &'a str,
    port: &'a str,
    user: &'a str,
    password: Option<&'a str>,
    follow: bool,
    rest: &'a [&'a str],
}

fn options<'a>(args: &'a [&'a str], password: Option<&'a str>) -> Options<'a> {
    let mut found = Options {
        host: "127.0.0.1",
        port: "6379",
        user: "default",
        password,
        ..Options::default()
    };
    found.rest = args;
    loop {
        match found.rest {
            ["-h", value, tail @ ..] => (found.host, found.rest) = (value, tail),
            ["-p", value, tail @ ..] => (found.port, found.rest) = (value, tail),
            ["--user", value, tail @ ..] => (found.user, found.rest) = (value, tail),
            ["-a", value, tail @ ..] => (found.password, found.rest) = (Some(*value), tail),
            ["--cacert" | "--threads" | "-n" | "-r", _, tail @ ..] => found.rest = tail,
            ["-c", count, tail @ ..] if count.parse::<u32>().is_ok() => found.rest = tail,
            ["-c", tail @ ..] => (found.follow, found.rest) = (true, tail),
            ["-e" | "--raw" | "--no-auth-warning" | "--tls" | "--csv", tail @ ..] => {
                found.rest = tail;
            }
            _ => return found,
        }
    }
}

/// Sends one request for all that it was told to, and says how fast that was:
/// time in guests is virtual.
fn benchmark(guest: &mut Inside<'_>, args: &[&str]) -> Outcome {
    let rate = guest.state.rate;
    let sent = redis_cli(guest, args, "", None);
    if sent.status != 0 || sent.endless {
        return sent;
    }
    let verb = options(args, None).rest.first().copied().unwrap_or_default();
    Outcome::ok(format!(
        "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\",\
         \"p95_latency_ms\",\"p99_latency_ms\",\"max_latency_ms\"\n\
         \"{verb}\",\"{rate}.00\",\"0.2\",\"0.1\",\"0.2\",\"0.3\",\"0.5\",\"0.9\"\n"
    ))
}

fn redis_cli(
    guest: &mut Inside<'_>,
    args: &[&str],
    input: &str,
    password: Option<&str>,
) -> Outcome {
    let Options { host, port, user, password, follow, rest } = options(args, password);
    let now = guest.now;
    // The service may have been started a moment ago.
    guest.state.refresh(now);
    let own = guest.redis();
    let address = guest.running().and_then(|running| running.address);
    let network = &mut guest.state.redis;
    let server = match host {
        "127.0.0.1" => own,
        _ if address.is_some_and(|own| host.parse() == Ok(own)) => own,
        _ => endpoint(host, port).and_then(|endpoint| network.at(endpoint)),
    };
    let login = Login { user, password };
    match server {
        Some(server) if rest.is_empty() => network.session(server, input, &login, follow, now),
        Some(server) => network.command(server, rest, &login, follow, now),
        // Without a command it tries again for each line, and ends well.
        None if rest.is_empty() => Outcome {
            stderr: format!("Could not connect to Redis at {host}:{port}: Connection refused\n"),
            ..Outcome::default()
        },
        None => Outcome::failed(
            1,
            format!("Could not connect to Redis at {host}:{port}: Connection refused"),
        ),
    }
}

//! The few commands that a deploy runs in guests.

use std::time::Duration;

use super::daemon::{Invocation, VolumeId};
use super::guest::Inside;
use super::host::File;
use super::unit::systemctl;
use crate::digest::sha256;

/// How a command ended.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    pub(super) status: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
    /// Whether it waits for something that never comes.
    pub(super) endless: bool,
    /// How long it takes, in a guest that is not slow.
    pub(super) takes: Duration,
}

impl Outcome {
    pub(super) fn ok(stdout: impl Into<String>) -> Self {
        Self { stdout: stdout.into(), ..Self::default() }
    }

    /// Never ends.
    pub(super) fn endless() -> Self {
        Self { endless: true, ..Self::default() }
    }

    pub(super) fn failed(status: i32, stderr: impl Into<String>) -> Self {
        Self { status, stderr: stderr.into(), ..Self::default() }
    }
}

/// A command as the agent was given it.
#[derive(Clone, Copy)]
pub(super) struct Command<'a> {
    pub(super) program: &'a str,
    pub(super) args: &'a [&'a str],
    /// What it reads from its standard input.
    pub(super) input: &'a str,
    /// `NAME=value` each.
    pub(super) environment: &'a [&'a str],
}

/// Runs a command; `None` if there is no such program.
pub(super) fn run(guest: &mut Inside<'_>, command: &Command<'_>) -> Option<Outcome> {
    let Command { program, args, .. } = *command;
    Some(match (program, args) {
        ("true", _) => Outcome::ok(""),
        ("kill", ["-KILL", pid]) => {
            guest.kill(pid.parse().unwrap_or_default());
            Outcome::ok("")
        }
        ("timeout", ["-k", _, _, program, args @ ..]) => {
            let inner = run(guest, &Command { program, args, ..*command });
            inner.unwrap_or_else(|| {
                Outcome::failed(127, format!("timeout: failed to run command {program:?}"))
            })
        }
        ("install", ["-m", mode, "-o", user, "-g", group, "/dev/null", path]) => {
            install(guest, mode, &format!("{user}:{group}"), path)
        }
        ("chmod", [mode, path]) => on_file(guest, path, |file| file.mode = octal(mode)),
        ("sh", ["-c", script, "sh", new @ ..]) if script.contains("mv -f") => take(guest, new),
        ("sh", ["-c", script, "sh", data, root]) if script.contains("resize2fs") => {
            grow(guest, !data.is_empty(), *root == "root")
        }
        ("sh", ["-c", script, "sh", archive, digest, directory]) if script.contains("tar --") => {
            unpack(guest, archive, digest, directory)
        }
        ("sh", ["-c", script, "sh", _, archive]) if script.contains("tail -n +2") => {
            guest.root().map(|root| root.files.remove(*archive));
            Outcome::ok("")
        }
        ("sh", ["-c", script, "sh", path, program, args @ ..]) if script.contains("trap 'rm") => {
            judge(guest, command, path, program, args)
        }
        ("touch", ["--", path]) => look(guest, path, |_| String::new()),
        ("test", ["-d", path]) => look(guest, path, |_| String::new()),
        ("rm", ["-f", paths @ ..]) => {
            if let Some(root) = guest.root() {
                root.files.retain(|path, _| !paths.contains(&path.as_str()));
            }
            Outcome::ok("")
        }
        ("cat", [path]) => look(guest, path, |file| String::from_utf8_lossy(&file.bytes).into()),
        ("stat", ["-c", "%a %U:%G %n", paths @ ..]) => stat(guest, paths),
        ("systemctl", ["daemon-reload"]) => Outcome::ok(""),
        ("env", ["SYSTEMCTL_SKIP_SYSV=1", "systemctl", verb @ .., unit])
        | ("systemctl", [verb @ .., unit]) => systemctl(guest, verb, unit),
        ("systemd-run", ["--quiet", "--collect", unit, program, args @ ..]) => {
            start_transient(guest, command, unit, (program, args))
        }
        ("du", ["-sb", path]) => Outcome::ok(format!("1048576\t{path}\n")),
        ("xargs", ["-P", "0", "-I", "{}", program, args @ ..]) => {
            each(guest, command, program, args)
        }
        (
            "chmod" | "sh" | "rm" | "test" | "touch" | "install" | "stat" | "cat" | "systemctl",
            _,
        ) => Outcome::failed(64, format!("not simulated: {program} {}", args.join(" "))),
        _ => return of_engine(guest, command),
    })
}

/// Runs a program of an engine, if it is one.
fn of_engine(guest: &mut Inside<'_>, command: &Command<'_>) -> Option<Outcome> {
    let &Command { program, args, input, environment } = command;
    let number = guest.state.daemons.of_program(program, args)?;
    let (now, rate) = (guest.now, guest.state.rate);
    // A server may have been started or stopped a moment ago.
    guest.state.refresh(now);
    let running = guest.running()?;
    let units = running.units.values();
    let ready = units.filter(|unit| unit.daemon == number && unit.ready <= now);
    let local: Vec<VolumeId> = ready.map(|unit| unit.volume).collect();
    let (address, local) = (running.address, local.as_slice());
    let volume = guest.data().map(|volume| volume.id);
    let super::State { hosts, daemons, .. } = &mut *guest.state;
    let files = &hosts.get(&guest.host)?.root_of(&guest.domain)?.files;
    let invocation =
        Invocation { program, args, input, environment, local, volume, address, files, rate, now };
    let outcome = daemons.get(number)?.run(&invocation);
    guest.state.collect_files();
    Some(outcome)
}

/// Starts a program of an engine in a unit of its own and comes back.
fn start_transient(
    guest: &mut Inside<'_>,
    command: &Command<'_>,
    unit: &str,
    (program, args): (&str, &[&str]),
) -> Outcome {
    let unit = unit.trim_start_matches("--unit=");
    if guest.works(unit) {
        return Outcome::failed(
            1,
            format!(
                "Failed to start transient service unit: Unit {unit}.service was already loaded."
            ),
        );
    }
    let is_there = guest.root().is_some_and(|root| root.files.contains_key(program));
    let started = is_there.then(|| of_engine(guest, &Command { program, args, ..*command }));
    let missing = || Outcome::failed(1, format!("Failed to find executable {program}"));
    started.flatten().unwrap_or_else(missing)
}

/// Runs a program on the input as a file that is gone afterwards.
fn judge(
    guest: &mut Inside<'_>,
    command: &Command<'_>,
    path: &str,
    program: &str,
    args: &[&str],
) -> Outcome {
    let made = install(guest, "600", "root:root", path);
    if let Some(file) = guest.root().and_then(|root| root.files.get_mut(path)) {
        file.bytes = command.input.as_bytes().to_vec();
    }
    let args = [args, &[path]].concat();
    let verdict = run(guest, &Command { program, args: &args, input: "", ..*command });
    guest.root().map(|root| root.files.remove(path));
    if made.status == 0 { verdict.unwrap_or_else(|| Outcome::failed(127, program)) } else { made }
}

/// Runs a program for each line of the input, in the place of `{}`.
fn each(guest: &mut Inside<'_>, command: &Command<'_>, program: &str, args: &[&str]) -> Outcome {
    let mut all = Outcome::default();
    for line in command.input.lines() {
        let args: Vec<&str> =
            args.iter().map(|arg| if *arg == "{}" { line } else { arg }).collect();
        let one = run(guest, &Command { program, args: &args, input: "", ..*command });
        let one = one.unwrap_or_else(|| Outcome::failed(127, format!("xargs: {program}")));
        all.stdout += &one.stdout;
        all.stderr += &one.stderr;
        all.endless |= one.endless;
        all.takes = all.takes.max(one.takes);
        all.status = if one.status == 0 { all.status } else { 123 };
    }
    all
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

/// Makes file systems as large as their volumes.
fn grow(guest: &mut Inside<'_>, data: bool, root: bool) -> Outcome {
    for volume in [root.then_some(0), data.then_some(1)].into_iter().flatten() {
        let Some(volume) = guest.volume(volume) else {
            return Outcome::failed(1, "open: No such file or directory while opening the device");
        };
        volume.file_system = volume.request.capacity;
    }
    Outcome::ok("")
}

/// Puts the content of an archive where a directory is to be.
fn unpack(guest: &mut Inside<'_>, archive: &str, digest: &str, directory: &str) -> Outcome {
    let Some(root) = guest.root() else { return missing(archive) };
    let Some(file) = root.files.remove(archive) else { return missing(archive) };
    if sha256(&file.bytes) != digest {
        return Outcome::failed(1, format!("{archive}: FAILED"));
    }
    root.files.insert(directory.to_owned(), file);
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

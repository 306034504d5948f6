//! A simulated guest: boots after a while, answers its agent, keeps files on
//! its root.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::State;
use super::exec::{self, Command, Outcome};
use super::files::Open;
use super::host::{SimulatedHost, Volume};
use super::unit::Unit;
use super::xml::Disk;
use crate::hypervisor::{ErrorKind, Pause};
use crate::ids::HostName;
use crate::recipe::{self, Setup};
use crate::spec::Engine;

/// How many times as long as the smallest program a client of an engine takes.
const CLIENT: u32 = 3;

/// A domain that was started.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) since: Duration,
    pub(super) booted: bool,
    /// Why its virtual CPUs do not run, where they do not.
    pub(super) paused: Option<Pause>,
    /// Its address, once it is up and has one.
    pub(super) address: Option<Ipv4Addr>,
    /// Units that were started, by name.
    pub(super) units: BTreeMap<String, Unit>,
    /// Open files by handle.
    pub(super) files: BTreeMap<i64, Open>,
    processes: BTreeMap<i64, Process>,
}

/// A process that was started and not asked for since it ended.
#[derive(Clone, Debug)]
struct Process {
    /// When it ends; never where it waits for ever.
    ends: Option<Duration>,
    outcome: Outcome,
}

impl Running {
    pub(super) const fn starting(now: Duration) -> Self {
        Self {
            since: now,
            booted: false,
            paused: None,
            address: None,
            units: BTreeMap::new(),
            files: BTreeMap::new(),
            processes: BTreeMap::new(),
        }
    }
}

/// Why an agent does not answer.
pub(super) struct Refusal {
    pub(super) kind: ErrorKind,
    pub(super) message: String,
}

pub(super) fn refuse<T>(message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { kind: ErrorKind::Other, message: message.into() })
}

/// A guest that is up, with what it can reach.
pub(super) struct Inside<'a> {
    pub(super) state: &'a mut State,
    pub(super) host: HostName,
    pub(super) domain: String,
    pub(super) now: Duration,
}

/// Answers one agent request.
pub(super) fn answer(
    state: &mut State,
    host: &HostName,
    domain: &str,
    request: &Value,
    now: Duration,
) -> Result<Value, Refusal> {
    let silent =
        |message: &str| Err(Refusal { kind: ErrorKind::AgentSilent, message: message.to_owned() });
    if let Some(left) = state.silent.get_mut(domain).filter(|left| **left > 0) {
        *left -= 1;
        return silent("Guest agent is not responding: scripted silence");
    }
    let mut inside = Inside { state, host: host.clone(), domain: domain.to_owned(), now };
    if !inside.running().is_some_and(|running| running.booted && running.paused.is_none()) {
        return silent("Guest agent is not responding: QEMU guest agent is not connected");
    }
    let command = request.get("execute").and_then(Value::as_str).unwrap_or_default();
    let argument = |name: &str| request.get("arguments").and_then(|all| all.get(name));
    let text = |name: &str| argument(name).and_then(Value::as_str).unwrap_or_default();
    let number = |name: &str| argument(name).and_then(Value::as_i64).unwrap_or(-1);
    match command {
        "guest-ping" => Ok(json!({})),
        "guest-exec" => {
            let words = argument("arg").and_then(Value::as_array);
            let words = words.into_iter().flatten().filter_map(Value::as_str);
            let Ok(input) = BASE64.decode(text("input-data")) else {
                return refuse("invalid base64 in 'input-data'");
            };
            let input = String::from_utf8_lossy(&input);
            let set = argument("env").and_then(Value::as_array).into_iter().flatten();
            let environment: Vec<&str> = set.filter_map(Value::as_str).collect();
            let args: Vec<&str> = words.collect();
            let (input, environment) = (input.as_ref(), environment.as_slice());
            inside.exec(&Command { program: text("path"), args: &args, input, environment })
        }
        "guest-network-get-interfaces" => Ok(inside.interfaces()),
        "guest-get-fsinfo" => Ok(inside.file_systems()),
        "guest-exec-status" => inside.exec_status(number("pid")),
        "guest-file-open" => inside.open(text("path"), text("mode")),
        "guest-file-read" => inside.read(number("handle"), number("count")),
        "guest-file-write" => inside.write(number("handle"), text("buf-b64")),
        "guest-file-close" => inside.close(number("handle")),
        other => refuse(format!("The command {other} has not been found")),
    }
}

impl Inside<'_> {
    pub(super) fn running(&mut self) -> Option<&mut Running> {
        let host = self.state.hosts.get_mut(&self.host)?;
        host.domains.get_mut(&self.domain)?.running.as_mut()
    }

    /// The volume of the `index`-th writable disk: 0 for the root, 1 for data.
    pub(super) fn volume(&mut self, index: usize) -> Option<&mut Volume> {
        let host = self.state.hosts.get_mut(&self.host)?;
        let disk = writable(host, &self.domain, index)?;
        host.pools.get_mut(&disk.pool)?.get_mut(&disk.volume)
    }

    /// The root, with the files.
    pub(super) fn root(&mut self) -> Option<&mut Volume> {
        self.volume(0)
    }

    /// Where engines keep their directories: the data volume, or the root without
    /// one.
    pub(super) fn data(&mut self) -> Option<&mut Volume> {
        let index = usize::from(self.volume(1).is_some());
        self.volume(index)
    }

    fn interfaces(&mut self) -> Value {
        let own = self.running().and_then(|running| running.address);
        let volume = self.data().map(|volume| volume.id);
        let daemons = self.state.daemons.iter();
        let others = daemons.flat_map(|daemon| volume.map(|id| daemon.addresses(id)));
        let of = |ip| json!({ "ip-address-type": "ipv4", "ip-address": ip, "prefix": 24 });
        let addresses: Vec<Value> = own.into_iter().chain(others.flatten()).map(of).collect();
        json!([
            { "name": "lo", "ip-addresses":
                [{ "ip-address-type": "ipv4", "ip-address": "127.0.0.1", "prefix": 8 }] },
            { "name": "eth0", "ip-addresses": addresses },
        ])
    }

    /// The data disk, wherever its engine wants it.
    fn file_systems(&self) -> Value {
        let used = if self.state.full.contains(&self.domain) { 100 } else { 10 };
        let of = |setup: &Setup| json!({ "name": "vdb", "mountpoint": setup.data, "used-bytes": used, "total-bytes": 100 });
        Engine::ALL.iter().filter_map(|engine| recipe::of(*engine).setup).map(of).collect()
    }

    fn exec(&mut self, command: &Command<'_>) -> Result<Value, Refusal> {
        let Some(outcome) = exec::run(self, command) else {
            return refuse(format!(
                "Guest agent command failed, error was 'Failed to execute child process \
                 \"{}\" (No such file or directory)'",
                command.program
            ));
        };
        self.state.next_process += 1;
        let pid = self.state.next_process;
        let slow = self.state.slow.get(&self.domain).copied().unwrap_or_default();
        // A client loads more than the smallest of programs.
        let is_client = self.state.daemons.of_program(command.program, command.args).is_some();
        let takes = slow * if is_client { CLIENT } else { 1 } + outcome.takes;
        let ends = (!outcome.endless).then_some(self.now + takes);
        if let Some(running) = self.running() {
            running.processes.insert(pid, Process { ends, outcome });
        }
        Ok(json!({ "pid": pid }))
    }

    /// Ends a process that did not end by itself.
    pub(super) fn kill(&mut self, pid: i64) {
        if let Some(running) = self.running() {
            running.processes.remove(&pid);
        }
    }

    fn exec_status(&mut self, pid: i64) -> Result<Value, Refusal> {
        let now = self.now;
        let mut running = self.running();
        let processes = running.as_mut().map(|running| &mut running.processes);
        let ends = processes.as_ref().and_then(|all| Some(all.get(&pid)?.ends));
        if ends.is_some_and(|ends| ends.is_none_or(|ends| ends > now)) {
            return Ok(json!({ "exited": false }));
        }
        // As the real agent: the answer can be fetched once.
        let Some(Process { outcome: done, .. }) = processes.and_then(|all| all.remove(&pid)) else {
            return refuse(format!("Invalid parameter 'pid': {pid}"));
        };
        Ok(json!({
            "exited": true,
            "exitcode": done.status,
            "out-data": BASE64.encode(done.stdout),
            "err-data": BASE64.encode(done.stderr),
        }))
    }
}

fn writable(host: &SimulatedHost, domain: &str, index: usize) -> Option<Disk> {
    let disks = &host.domains.get(domain)?.definition.disks;
    disks.iter().filter(|disk| !disk.readonly).nth(index).cloned()
}

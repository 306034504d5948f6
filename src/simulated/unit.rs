//! systemd in a simulated guest: which units are enabled, which run, and the
//! `systemctl` verbs that a deploy needs.

use std::time::Duration;

use super::daemon::{Start, VolumeId};
use super::exec::Outcome;
use super::guest::Inside;

/// Virtual time from the start of a unit until it says that it is ready
/// (`Type=notify`): it serves nobody before.
const START: Duration = Duration::from_secs(1);

/// A unit that was started.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unit {
    /// Number of its engine.
    pub(super) daemon: usize,
    /// The volume with its directory.
    pub(super) volume: VolumeId,
    /// When it is ready.
    pub(super) ready: Duration,
}

/// Runs `systemctl`.
pub(super) fn systemctl(guest: &mut Inside<'_>, verb: &[&str], unit: &str) -> Outcome {
    let unit = unit.strip_suffix(".service").unwrap_or(unit);
    if verb == ["is-active"] && guest.works(unit) {
        return Outcome::ok("active\n");
    }
    let Some(number) = guest.state.daemons.of_unit(unit) else {
        if verb == ["is-active"] {
            return Outcome { status: 4, ..Outcome::ok("inactive\n") };
        }
        return Outcome::failed(5, format!("Unit {unit}.service could not be found."));
    };
    let running = guest.unit(unit).filter(|unit| !guest.is_off(number, unit.volume));
    match (verb, running) {
        (["show", "--property=UnitFileState,ActiveState"], running) => {
            let enabled = guest.root().is_some_and(|root| root.enabled.contains(unit));
            let enabled = if enabled { "enabled" } else { "disabled" };
            let active = match running {
                Some(running) if running.ready > guest.now => "activating",
                Some(_) => "active",
                None => "inactive",
            };
            Outcome::ok(format!("ActiveState={active}\nUnitFileState={enabled}\n"))
        }
        (["is-active"], Some(running)) if running.ready <= guest.now => Outcome::ok("active\n"),
        (["is-active"], _) => Outcome { status: 3, ..Outcome::ok("inactive\n") },
        (["enable"], _) => match guest.root() {
            Some(root) => {
                root.enabled.insert(unit.to_owned());
                Outcome::ok("")
            }
            None => Outcome::failed(1, "no root volume"),
        },
        (["stop"], _) => {
            guest.stop_unit(unit);
            Outcome::ok("")
        }
        // One that is starting is waited for.
        (["start"], Some(running)) => {
            Outcome { takes: running.ready.saturating_sub(guest.now), ..Outcome::ok("") }
        }
        (["start" | "restart" | "reload-or-restart"], None) | (["restart"], Some(_)) => {
            start(guest, unit)
        }
        (["reload"], None) => {
            Outcome::failed(1, format!("{unit}.service is not active, cannot reload."))
        }
        (["reload" | "reload-or-restart"], Some(running)) => {
            match (guest.reload_unit(unit, running), verb) {
                (Some(done), _) => outcome(unit, done),
                (None, ["reload"]) => Outcome::failed(
                    1,
                    format!(
                        "Failed to reload {unit}.service: Job type reload is not applicable for \
                         unit {unit}.service."
                    ),
                ),
                (None, _) => start(guest, unit),
            }
        }
        _ => Outcome::failed(64, format!("not simulated: systemctl {}", verb.join(" "))),
    }
}

fn start(guest: &mut Inside<'_>, unit: &str) -> Outcome {
    guest.stop_unit(unit);
    let started = guest.start_unit(unit, START);
    *guest.state.starts.entry(guest.domain.clone()).or_default() += u32::from(started.is_ok());
    let takes = if started.is_ok() { START } else { Duration::ZERO };
    Outcome { takes, ..outcome(unit, started) }
}

fn outcome(unit: &str, done: Result<(), String>) -> Outcome {
    match done {
        Ok(()) => Outcome::ok(""),
        Err(error) => Outcome::failed(1, format!("Job for {unit}.service failed: {error}")),
    }
}

impl Inside<'_> {
    /// A unit that was started, ready or not.
    pub(super) fn unit(&mut self, unit: &str) -> Option<Unit> {
        self.running()?.units.get(unit).copied()
    }

    /// Whether a program has stopped a server whose unit was started.
    fn is_off(&mut self, engine: usize, volume: VolumeId) -> bool {
        self.state.daemons.get(engine).is_some_and(|daemon| daemon.is_off(volume))
    }

    /// Whether a unit runs that was made for one program.
    pub(super) fn works(&mut self, unit: &str) -> bool {
        let Some(volume) = self.data().map(|volume| volume.id) else { return false };
        self.state.daemons.iter().any(|daemon| daemon.works(volume, unit))
    }

    /// Ends a unit's processes.
    fn stop_unit(&mut self, unit: &str) {
        if let Some(running) = self.running() {
            running.units.remove(unit);
        }
    }

    /// Starts a unit with the files of the root and what its volume remembers.
    pub(super) fn start_unit(&mut self, unit: &str, takes: Duration) -> Result<(), String> {
        let now = self.now;
        let number = self.state.daemons.of_unit(unit).ok_or("no such unit")?;
        let (volume, started) =
            self.with_files(number, unit, |daemon, start| (start.volume, daemon.start(start)))?;
        started?;
        if let Some(running) = self.running() {
            let started = Unit { daemon: number, volume, ready: now + takes };
            running.units.insert(unit.to_owned(), started);
        }
        Ok(())
    }

    /// Lets a unit read its configuration again; `None` where it cannot.
    fn reload_unit(&mut self, unit: &str, running: Unit) -> Option<Result<(), String>> {
        let reloaded = self.with_files(running.daemon, unit, |daemon, start| daemon.reload(start));
        reloaded.unwrap_or_else(|error| Some(Err(error)))
    }

    /// Hands the files of the guest to an engine.
    fn with_files<T>(
        &mut self,
        number: usize,
        unit: &str,
        call: impl FnOnce(&mut dyn super::daemon::Daemon, &Start<'_>) -> T,
    ) -> Result<T, String> {
        let data = self.data().ok_or("no volume")?;
        let (volume, content) = (data.id, data.head().to_vec());
        let content = content.as_slice();
        let now = self.now;
        let super::State { hosts, daemons, .. } = &mut *self.state;
        let root = hosts.get(&self.host).and_then(|host| host.root_of(&self.domain));
        let files = &root.ok_or("no root volume")?.files;
        let daemon = daemons.get(number).ok_or("no such engine")?;
        Ok(call(daemon, &Start { volume, unit, files, content, now }))
    }
}

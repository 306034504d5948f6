//! Configuration and service of one instance: files to a Redis that answers.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::batch::Session;
use super::door::Door;
use super::target::{address, port};
use super::users;
use crate::engine::{Change, EngineError, Guests};
use crate::guest::GuestError;
use crate::guest::{Guest, GuestFile};
use crate::hypervisor::clock::{Pauses, Poll};
use crate::plan::Instance;

/// How long systemd may take to start or stop it: a stop writes a snapshot.
const SYSTEMD: Duration = Duration::from_secs(300);
/// How long it may load its data before it answers.
const LOADING: Duration = Duration::from_secs(900);
/// Without this, `systemctl enable` sees to the SysV script of the same name, which
/// starts nothing where there is a unit: 6.5 s of CPU of an emulated Debian 13.
/// See `ENVIRONMENT.md` of systemd.
const SKIP_SYSV: [&str; 2] = ["env", "SYSTEMCTL_SKIP_SYSV=1"];
/// States of a unit file that `systemctl is-enabled` calls enabled for good.
const ENABLED: [&str; 5] = ["enabled", "static", "alias", "indirect", "generated"];
/// What Redis says of a password that it does not know, and of none.
const STRANGERS: [&str; 2] = ["WRONGPASS", "NOAUTH"];

/// Brings an instance to its configuration.
///
/// Where a file differs, the service is stopped before the file is replaced: a
/// run that was cut off in between leaves a service that is off, which the next
/// run starts, and never one that runs with a configuration it has not read.
/// Passwords alone are given to it while it runs; one that was cut off in between
/// does not know us then, and is restarted.
pub(super) fn configure(
    guests: &dyn Guests,
    door: &Door,
    instance: &Instance,
    files: &[GuestFile],
) -> Result<Change, EngineError> {
    let guest = guests.guest(&instance.name)?;
    let at = (address(instance)?, port(instance)?);
    let work = Work { guest: &guest, door, instance, at };
    let unit = work.unit()?;
    let (mut made, runs) = work.write(files, unit.active)?;
    if !unit.enabled {
        // The seed did, but anybody may have undone it.
        work.run(&[&SKIP_SYSV[..], &["systemctl", "enable"]].concat())?;
        made.push(format!("enabled {}", door.software.unit()));
    }
    if !runs {
        work.run(&["systemctl", "start"])?;
        made.push(format!("started {}", door.software.unit()));
    }
    if let Some(done) = work.wait_until_serving()? {
        made.push(done);
    }
    Ok(if made.is_empty() { Change::NotNeeded } else { Change::Made(made.join(", ")) })
}

struct Work<'a> {
    guest: &'a Guest<'a>,
    door: &'a Door,
    instance: &'a Instance,
    at: (Ipv4Addr, u16),
}

/// A service as systemd has it.
struct Unit {
    enabled: bool,
    active: bool,
}

impl Work<'_> {
    /// Writes the files that differ; says what was done, and whether the service
    /// still runs.
    fn write(&self, files: &[GuestFile], active: bool) -> Result<(Vec<String>, bool), EngineError> {
        let stale = self.guest.stale_files(files)?;
        let secrets = self.door.software.secrets;
        let only_secrets = stale.iter().all(|file| file.path == secrets);
        if stale.is_empty() {
            return Ok((Vec::new(), active));
        }
        let known = if only_secrets { self.guest.read_file(secrets)? } else { None };
        let old = known.as_deref().and_then(users::internal_of);
        let live = active && old.is_some();
        if active && !live {
            self.run(&["systemctl", "stop"])?;
        }
        let mut made = self.guest.replace_files(&stale)?;
        if let (true, Some(old)) = (live, old) {
            match users::renew(self.guest, self.door, self.at, old) {
                Ok(()) => made.push("renewed passwords".to_owned()),
                // It does not know us by the old one either: it is restarted
                // below.
                Err(EngineError::Guest(GuestError::Command { .. })) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((made, live))
    }

    /// What systemd makes of the service.
    fn unit(&self) -> Result<Unit, EngineError> {
        let properties = "--property=UnitFileState,ActiveState";
        let show = ["systemctl", "show", properties, self.door.software.unit()];
        let shown = self.guest.run_ok(&show, SYSTEMD)?;
        let value = |name: &str| {
            let mut lines = shown.lines().filter_map(|line| line.split_once('='));
            lines.find(|(key, _)| *key == name).map_or("", |(_, value)| value)
        };
        let enabled = ENABLED.contains(&value("UnitFileState"));
        Ok(Unit { enabled, active: value("ActiveState") == "active" })
    }

    /// Runs a command on the service.
    fn run(&self, command: &[&str]) -> Result<(), EngineError> {
        let command = [command, &[self.door.software.unit()]].concat();
        self.guest.run_ok(&command, SYSTEMD)?;
        Ok(())
    }

    /// Waits until it answers us. One that runs with other passwords than those
    /// in its file is restarted, once.
    fn wait_until_serving(&self) -> Result<Option<String>, EngineError> {
        let pauses = Pauses::growing(Duration::from_millis(250), Duration::from_secs(2));
        let mut poll = Poll::new(self.guest.clock, LOADING, pauses);
        let mut restarted = None;
        loop {
            let session = Session::new(self.guest, self.door, self.at);
            let [answer] = session.ask(["PING"])?;
            let last = match answer {
                Ok(answer) if answer.trim() == "PONG" => return Ok(restarted),
                Ok(answer) => answer,
                Err(EngineError::Guest(GuestError::Command { output, .. })) => output,
                Err(error) => return Err(error),
            };
            let stranger = STRANGERS.iter().any(|word| last.contains(word));
            if stranger && restarted.is_none() {
                self.run(&["systemctl", "restart"])?;
                restarted = Some(format!("restarted {}", self.door.software.unit()));
                continue;
            }
            if !poll.pause() {
                return Err(EngineError::NotServing {
                    instance: self.instance.name.clone(),
                    service: self.door.software.unit(),
                    waited_s: poll.waited().as_secs(),
                    last,
                });
            }
        }
    }
}

//! Configuration and service of one instance: files to a Redis that answers.

use std::time::Duration;

use super::cli::redis_cli;
use super::target::{address, port};
use crate::engine::guest::Pauses;
use crate::engine::{Change, ConfigFile, EngineError, Guest};
use crate::plan::Instance;

/// Debian's name of the service.
const UNIT: &str = "redis-server";
/// How long systemd may take to start or stop it: a stop writes a snapshot.
const SYSTEMD: Duration = Duration::from_secs(300);
/// How long it may load its data before it answers.
const LOADING: Duration = Duration::from_secs(900);

/// Brings an instance to its configuration.
///
/// Where a file differs, the service is stopped before the file is replaced: a
/// run that was cut off in between leaves a service that is off, which the next
/// run starts, and never one that runs with a configuration it has not read.
pub(super) fn configure(
    guest: &Guest<'_>,
    instance: &Instance,
    files: &[ConfigFile],
) -> Result<Change, EngineError> {
    let mut made = Vec::new();
    let mut stale = Vec::new();
    for file in files {
        if !guest.has_file(file)? {
            stale.push(file);
        }
    }
    if !stale.is_empty() && is(guest, "is-active")? {
        guest.run_ok(&["systemctl", "stop", UNIT], SYSTEMD)?;
    }
    for file in stale {
        if let Change::Made(what) = guest.write_file(file)? {
            made.push(what);
        }
    }
    if !is(guest, "is-enabled")? {
        guest.run_ok(&["systemctl", "enable", UNIT], SYSTEMD)?;
        made.push(format!("enabled {UNIT}"));
    }
    if !is(guest, "is-active")? {
        guest.run_ok(&["systemctl", "start", UNIT], SYSTEMD)?;
        made.push(format!("started {UNIT}"));
    }
    wait_until_serving(guest, instance)?;
    Ok(if made.is_empty() { Change::NotNeeded } else { Change::Made(made.join(", ")) })
}

fn is(guest: &Guest<'_>, state: &str) -> Result<bool, EngineError> {
    Ok(guest.run(&["systemctl", state, UNIT], SYSTEMD)?.is_ok())
}

fn wait_until_serving(guest: &Guest<'_>, instance: &Instance) -> Result<(), EngineError> {
    let (address, port) = (address(instance)?, port(instance)?);
    let start = guest.clock.elapsed();
    let mut pauses = Pauses::new(Duration::from_millis(250), Duration::from_secs(2));
    loop {
        let last = match redis_cli(guest, address, port, &["PING"]) {
            Ok(answer) if answer.trim() == "PONG" => return Ok(()),
            Ok(answer) => answer,
            Err(EngineError::Command { output, .. }) => output,
            Err(error) => return Err(error),
        };
        let waited = guest.clock.elapsed().saturating_sub(start);
        let Some(left) = LOADING.checked_sub(waited).filter(|left| !left.is_zero()) else {
            return Err(EngineError::NotServing {
                instance: instance.name.clone(),
                service: UNIT,
                waited_s: waited.as_secs(),
                last,
            });
        };
        pauses.wait(guest.clock, left);
    }
}

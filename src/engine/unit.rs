//! Configuration and service of one instance: files to an engine that answers.

use std::time::Duration;

use super::cluster::{Cluster, Complaints, FileChange, Serving, Uptake};
use super::operator::running;
use super::rolling::{Disturbed, Outage, make_room, wait_until_whole};
use super::{Admission, Change, Crew, Disruption, EngineError};
use crate::guest::{Guest, GuestError};
use crate::guest_file::GuestFile;
use crate::hypervisor::clock::{Pauses, Poll};
use crate::ids::InstanceName;
use crate::plan::Instance;

/// How long systemd may take to start or stop it: a stop may write all data.
const SYSTEMD: Duration = Duration::from_secs(300);
/// Without this, `systemctl enable` sees to the SysV script of the same name, which
/// starts nothing where there is a unit: 6.5 s of CPU of an emulated Debian 13.
/// See `ENVIRONMENT.md` of systemd.
const SKIP_SYSV: [&str; 2] = ["env", "SYSTEMCTL_SKIP_SYSV=1"];
/// Where systemd reads what units are to do, and does not notice changes by itself.
const UNITS: &str = "/etc/systemd/system/";
/// States of a unit file that `systemctl is-enabled` calls enabled for good.
const ENABLED: [&str; 5] = ["enabled", "static", "alias", "indirect", "generated"];

/// Brings an instance to its configuration.
///
/// What its engine takes up while it runs is given to it. For everything else the
/// service is stopped before a file is replaced, once no other instance needs it: a run
/// that was cut off in between leaves a service that is off, which the next run starts,
/// and never one that runs with a configuration it has not read.
pub(super) fn configure<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    instance: &Instance,
    disruption: Disruption,
) -> Result<Change, EngineError> {
    let guest = crew.guest(&instance.name)?;
    let (before, made) = (None, Vec::new());
    let mut work = Work { cluster, crew, instance, guest: &guest, disruption, before, made };
    let files = crew.files(instance)?;
    let mut state = work.state()?;
    if state.active.is_partial() && disruption != Disruption::Any {
        // Those that are off are started as a boot would: one of several that are not at
        // the same configuration can be brought to another only as a whole.
        work.run(&["systemctl", "start"])?;
        work.did("started");
        state.active = Active::All;
    }
    let stale = guest.stale_files(&files)?;
    if state.active == Active::All {
        work.before = work.complaints_before(!stale.is_empty());
    }
    let supplied = cluster.supply(crew, instance)?;
    work.made.extend(supplied);
    if !stale.is_empty() {
        cluster.judge(crew, instance, &changes(crew, instance, stale.iter().copied())?)?;
    }
    let mut room = Disturbed::Nobody;
    let mut runs = state.active == Active::All;
    if runs {
        match work.uptake(&stale)? {
            Uptake::Nothing => work.write(&stale)?,
            Uptake::Live(changes) => {
                cluster.may_take_up(crew, instance, &changes)?;
                if work.moves_door(&stale)? {
                    room = work.make_way()?;
                    // Its file says where it listens, until it listens elsewhere.
                    let done = cluster.take_up(crew, instance, &changes)?;
                    work.made.extend(done);
                    work.write(&stale)?;
                } else if work.takes_up_first(&stale)? {
                    work.take_up(&changes)?;
                    work.write(&stale)?;
                } else {
                    work.write(&stale)?;
                    work.take_up(&changes)?;
                }
            }
            Uptake::Restart => {
                room = work.make_room()?;
                work.stop()?;
                runs = false;
                work.write(&stale)?;
            }
        }
    } else {
        work.write(&stale)?;
    }
    if !state.enabled {
        // The seed did, but anybody may have undone it.
        work.run(&[&SKIP_SYSV[..], &["systemctl", "enable"]].concat())?;
        work.did("enabled");
    }
    if !runs {
        work.run(&["systemctl", "start"])?;
        work.did("started");
    }
    room = room.max(work.wait_until_serving()?);
    if room == Disturbed::Group {
        wait_until_whole(cluster, crew, instance)?;
    }
    Ok(if work.made.is_empty() { Change::NotNeeded } else { Change::Made(work.made.join(", ")) })
}

/// Lets an instance that runs let the others in by its former rule and by the planned one.
pub(super) fn prepare<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    instance: &Instance,
) -> Result<Change, EngineError> {
    // One that is off reads its new files when it starts.
    if !runs(cluster, crew, &instance.name)? {
        return Ok(Change::NotNeeded);
    }
    let changes = changes(crew, instance, &crew.files(instance)?)?;
    if !cluster.admission(&changes).is_some_and(Admission::is_prepared) {
        return Ok(Change::NotNeeded);
    }
    let made = cluster.prepare(crew, instance)?;
    Ok(if made.is_empty() { Change::NotNeeded } else { Change::Made(made.join(", ")) })
}

/// Lets an instance take up what it can while it runs, and leaves everything else; for
/// one that is not known by its secrets until it has the new ones.
pub(super) fn take_up_live<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    instance: &Instance,
) -> Result<(), EngineError> {
    let guest = crew.guest(&instance.name)?;
    for file in crew.files(instance)? {
        let changes = changes(crew, instance, std::slice::from_ref(&file))?;
        if let Uptake::Live(live) = cluster.uptake(&changes, None) {
            if !cluster.takes_up_first(&changes) {
                guest.replace_files(&[&file])?;
            }
            cluster.take_up(crew, instance, &live)?;
            guest.replace_files(&[&file])?;
        }
    }
    Ok(())
}

/// The files of an instance that do not hold what they should.
pub(super) fn changes<'f>(
    crew: &Crew<'_>,
    instance: &Instance,
    files: impl IntoIterator<Item = &'f GuestFile>,
) -> Result<Vec<FileChange>, EngineError> {
    let guest = crew.guest(&instance.name)?;
    let mut changes = Vec::new();
    for file in files {
        let before = guest.read_file(&file.path)?;
        if before.as_ref() != Some(&file.text) {
            changes.push(FileChange { file: file.clone(), before });
        }
    }
    Ok(changes)
}

/// Whether the engine of an instance runs.
pub(super) fn runs<C: Cluster>(
    cluster: &C,
    crew: &Crew<'_>,
    name: &InstanceName,
) -> Result<bool, EngineError> {
    Ok(state(&crew.guest(name)?, cluster.units())?.active == Active::All)
}

/// What systemd makes of the units of a service.
fn state(guest: &Guest<'_>, units: &[&str]) -> Result<State, EngineError> {
    let states = units.iter().map(|unit| state_of(guest, unit));
    let states = states.collect::<Result<Vec<_>, _>>()?;
    let enabled = states.iter().all(|(enabled, _)| *enabled);
    let active = match states.iter().filter(|(_, active)| *active).count() {
        0 => Active::None,
        count if count == states.len() => Active::All,
        _ => Active::Some,
    };
    Ok(State { enabled, active })
}

/// Whether a unit is enabled, and whether it runs.
fn state_of(guest: &Guest<'_>, unit: &str) -> Result<(bool, bool), EngineError> {
    let show = ["systemctl", "show", "--property=UnitFileState,ActiveState", unit];
    let shown = guest.run_ok(&show, SYSTEMD)?;
    let value = |name: &str| {
        let mut lines = shown.lines().filter_map(|line| line.split_once('='));
        lines.find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    };
    let enabled = ENABLED.contains(&value("UnitFileState"));
    Ok((enabled, value("ActiveState") == "active"))
}

struct Work<'a, C> {
    cluster: &'a C,
    crew: &'a Crew<'a>,
    instance: &'a Instance,
    guest: &'a Guest<'a>,
    disruption: Disruption,
    /// What its clients could do nothing with before the change, if it answered then.
    before: Option<Complaints>,
    /// What was done, in words.
    made: Vec<String>,
}

/// A service as systemd has it.
struct State {
    /// Whether all of its units are.
    enabled: bool,
    active: Active,
}

/// Which units of a service run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Active {
    None,
    Some,
    All,
}

impl Active {
    const fn is_partial(self) -> bool {
        matches!(self, Self::Some)
    }
}

impl<C: Cluster> Work<'_, C> {
    fn did(&mut self, verb: &str) {
        self.made.push(format!("{verb} {}", self.cluster.units().join(" and ")));
    }

    /// What systemd makes of the service.
    fn state(&self) -> Result<State, EngineError> {
        state(self.guest, self.cluster.units())
    }

    /// Runs a command on the units of the service, in the order of their start. systemd waits
    /// for those that say when they serve, however long they load their data.
    fn run(&self, command: &[&str]) -> Result<(), EngineError> {
        let limit = SYSTEMD.max(C::PATIENCE.loading);
        for unit in self.cluster.units() {
            self.guest.run_ok(&[command, &[unit]].concat(), limit)?;
        }
        Ok(())
    }

    /// Stops the units of the service, the one that was started last first.
    fn stop(&self) -> Result<(), EngineError> {
        for unit in self.cluster.units().iter().rev() {
            self.guest.run_ok(&["systemctl", "stop", unit], SYSTEMD)?;
        }
        Ok(())
    }

    fn write(&mut self, stale: &[&GuestFile]) -> Result<(), EngineError> {
        self.made.extend(self.guest.replace_files(stale)?);
        if stale.iter().any(|file| file.path.starts_with(UNITS)) {
            self.guest.run_ok(&["systemctl", "daemon-reload"], SYSTEMD)?;
        }
        Ok(())
    }

    /// How the service, which runs, takes up what is not as planned.
    fn uptake(&self, stale: &[&GuestFile]) -> Result<Uptake<C::Live>, EngineError> {
        let changes = changes(self.crew, self.instance, stale.iter().copied())?;
        let running = match self.disruption {
            // Nothing of it was planned yet, so it is not worth a question.
            Disruption::Any => None,
            Disruption::Covered | Disruption::Outage | Disruption::None => {
                let alone = self.crew.only(|one| one.name == self.instance.name);
                let target = self.cluster.target(&alone)?;
                let observed = self.cluster.observe(&alone, &target);
                running(&self.cluster.differences(&target, &observed))
            }
        };
        Ok(self.cluster.uptake(&changes, running.as_deref()))
    }

    /// Lets another copy lead, where clients are to find the instance elsewhere: until all
    /// others know where, they would be sent to a closed port. An instance without copies is
    /// found again by who tries again.
    fn make_way(&mut self) -> Result<Disturbed, EngineError> {
        let has_copies = self.crew.copies_of(self.instance).count() > 1;
        if has_copies { self.make_room() } else { Ok(Disturbed::Nobody) }
    }

    /// Whether clients are to find the instance elsewhere.
    fn moves_door(&self, stale: &[&GuestFile]) -> Result<bool, EngineError> {
        let changes = changes(self.crew, self.instance, stale.iter().copied())?;
        Ok(self.cluster.moves_door(&changes))
    }

    /// Whether the service takes changes up before its files are replaced.
    fn takes_up_first(&self, stale: &[&GuestFile]) -> Result<bool, EngineError> {
        let changes = changes(self.crew, self.instance, stale.iter().copied())?;
        Ok(self.cluster.takes_up_first(&changes))
    }

    fn take_up(&mut self, changes: &C::Live) -> Result<(), EngineError> {
        match self.cluster.take_up(self.crew, self.instance, changes) {
            Ok(done) => self.made.extend(done),
            // It does not know us by its former secrets: seen when it is asked whether
            // it serves.
            Err(EngineError::Guest(GuestError::Command { .. })) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Lets others serve what the instance serves, before it is restarted.
    fn make_room(&mut self) -> Result<Disturbed, EngineError> {
        match self.disruption {
            Disruption::Any => Ok(Disturbed::Nobody),
            Disruption::Covered => self.vacate(Outage::Refused),
            Disruption::Outage => self.vacate(Outage::Allowed),
            Disruption::None => Err(EngineError::Refused {
                service: self.crew.service.name.clone(),
                reason: format!(
                    "{} needs a restart now, which it did not need when it was looked at; \
                     deploy again",
                    self.instance.name
                ),
            }),
        }
    }

    fn vacate(&mut self, outage: Outage) -> Result<Disturbed, EngineError> {
        make_room(self.cluster, self.crew, &self.instance.name, outage, &mut self.made)
    }

    /// What its clients can do nothing with before the change; `None` where it does not answer,
    /// or has taken the change up already, in a run that was cut off.
    fn complaints_before(&self, changes: bool) -> Option<Complaints> {
        // One that does not answer is asked again once it should.
        let found = self.cluster.complaints(self.crew, self.instance).ok()?;
        let runs_as_planned =
            || matches!(self.cluster.serving(self.crew, self.instance), Ok(Serving::Badly(_)));
        if found.is_empty() || changes || !runs_as_planned() { Some(found) } else { None }
    }

    /// Whether what its clients can do nothing with is no reason to stop a change: they could
    /// not before it either. Where nothing is known of before, it is to do as well as others.
    fn is_no_worse(&self, now: &Complaints) -> bool {
        if let Some(before) = &self.before {
            return now.keys().all(|place| before.contains_key(place));
        }
        let others = self.crew.members().iter().filter(|one| one.name != self.instance.name);
        let others: Vec<Complaints> =
            others.filter_map(|one| self.cluster.complaints(self.crew, one).ok()).collect();
        let are_alike = |place| others.iter().all(|other| other.contains_key(place));
        !others.is_empty() && now.keys().all(are_alike)
    }

    /// Waits until it answers. One that runs with other secrets than those in its files
    /// is restarted, once.
    fn wait_until_serving(&mut self) -> Result<Disturbed, EngineError> {
        let pauses = Pauses::growing(Duration::from_millis(250), Duration::from_secs(2));
        let mut poll = Poll::new(self.guest.clock, C::PATIENCE.loading, pauses);
        let mut room = None;
        loop {
            let last = match self.cluster.serving(self.crew, self.instance)? {
                Serving::Yes => return Ok(room.unwrap_or(Disturbed::Nobody)),
                Serving::Estranged(_) if room.is_none() => {
                    room = Some(self.make_room()?);
                    self.run(&["systemctl", "restart"])?;
                    self.did("restarted");
                    continue;
                }
                Serving::Badly(now) if self.is_no_worse(&now) => {
                    self.made.push(format!("it answers as before: {}", words(&now)));
                    return Ok(room.unwrap_or(Disturbed::Nobody));
                }
                Serving::Badly(now) => words(&now),
                Serving::Estranged(last) | Serving::NotYet(last) => last,
            };
            if !poll.pause() {
                return Err(EngineError::NotServing {
                    instance: self.instance.name.clone(),
                    service: self.cluster.units().first().copied().unwrap_or_default(),
                    waited_s: poll.waited().as_secs(),
                    last,
                });
            }
        }
    }
}

/// What clients can do nothing with, in words.
fn words(complaints: &Complaints) -> String {
    let each = complaints.iter().map(|(place, what)| format!("{what} at {place}"));
    each.collect::<Vec<_>>().join(", ")
}

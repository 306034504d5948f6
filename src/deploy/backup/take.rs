//! Takes a backup: from a server to a directory on the operator's machine. Every step may be
//! repeated: a run that was killed is continued by the next one, wherever that finds it.

use std::time::Duration;

use serde::Deserialize;

use super::{Say, shown};
use crate::deploy::volumes::raw;
use crate::deploy::{Context, Failover, Leadership, StepError, volumes};
use crate::engine::{EngineError, Guests as _};
use crate::guest::{Guest, GuestError};
use crate::hypervisor::clock::{Pauses, Poll};
use crate::hypervisor::{AttachedDisk, Hypervisor};
use crate::ids::{InstanceName, ServiceName};
use crate::plan::{Instance, ServicePlan, Volume};
use crate::recipe::backup::{DEVICE, LOG, RESULT, SERIAL, UNIT};
use crate::recipe::{self, Setup};
use crate::spec::Engine;
use crate::state::backup::{BackupDirectory, BackupError, GroupBackup, Manifest};
use crate::units::Mebibytes;

/// How long a small command may take in an emulated guest.
const SMALL: Duration = Duration::from_secs(60);
/// How long a copy may take.
const COPY: Duration = Duration::from_secs(24 * 3600);
/// How long a guest may take to let go of a disk.
const DETACH: Duration = Duration::from_secs(60);
/// Between two looks at a copy that is being made, and two lines about it.
const LOOK: Duration = Duration::from_secs(2);
const LINE: Duration = Duration::from_secs(30);
/// Room for a file system and what is written while the copy is made, beside a sixteenth.
const ROOM: u64 = 256 << 20;
const MIB: u64 = 1 << 20;
/// Streams break; a host that breaks them so often has a reason.
const TRIES: u32 = 4;

/// Why a backup is not complete.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// A host, or a guest.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The operator's disk.
    #[error(transparent)]
    Files(#[from] BackupError),
    /// An engine whose data cannot be copied.
    #[error("{service}: data of {engine} cannot be copied yet")]
    Unsupported {
        /// The service.
        service: ServiceName,
        /// Its engine.
        engine: Engine,
    },
    /// No copy of a group could be taken as a source.
    #[error("{service}: group {group} has no copy that is whole: {why}")]
    NoCopy {
        /// The service.
        service: ServiceName,
        /// The group.
        group: u32,
        /// What is wrong with each.
        why: String,
    },
    /// A pool that is too full.
    #[error(
        "pool {pool} has {free} left, and the copy of {instance} needs up to {needed} for as long as it \
         is being made"
    )]
    NoSpace {
        /// The pool.
        pool: String,
        /// The instance.
        instance: InstanceName,
        /// What is left.
        free: Mebibytes,
        /// What it takes.
        needed: Mebibytes,
    },
    /// The program in the guest ended badly.
    #[error("the copy of {instance} ended: {said}")]
    Ended {
        /// The instance.
        instance: InstanceName,
        /// Its last words.
        said: String,
    },
    /// A guest that keeps the disk of a copy.
    #[error("the guest of {instance} does not let go of the disk with its copy within {} s", DETACH.as_secs())]
    Kept {
        /// The instance.
        instance: InstanceName,
    },
    /// The copy takes too long.
    #[error("the copy of {instance} was not made within {} h", COPY.as_secs() / 3600)]
    Endless {
        /// The instance.
        instance: InstanceName,
    },
}

impl From<EngineError> for TakeError {
    fn from(error: EngineError) -> Self {
        Self::Step(error.into())
    }
}

impl From<GuestError> for TakeError {
    fn from(error: GuestError) -> Self {
        Self::Step(error.into())
    }
}

impl From<crate::hypervisor::HypervisorError> for TakeError {
    fn from(error: crate::hypervisor::HypervisorError) -> Self {
        Self::Step(error.into())
    }
}

/// A copy as the program in the guest describes it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Copied {
    version: String,
    position: String,
    binlog: String,
    bytes: u64,
    sha256: String,
}

/// How far a copy is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// There is none, with the last words of one that ended badly.
    None(Option<String>),
    /// It is being made.
    Copying,
    /// It is on its disk.
    Copied(Copied),
}

/// A backup of a service.
pub struct Backup<'a> {
    context: &'a Context<'a>,
    service: &'a ServicePlan,
    setup: &'static Setup,
    program: &'static str,
}

impl<'a> Backup<'a> {
    /// Of a service.
    ///
    /// # Errors
    /// [`TakeError::Unsupported`].
    pub fn of(context: &'a Context<'a>, service: &'a ServicePlan) -> Result<Self, TakeError> {
        let setup = recipe::of(service.engine).setup;
        match setup.and_then(|setup| Some((setup, setup.backup?))) {
            Some((setup, program)) => Ok(Self { context, service, setup, program }),
            None => Err(TakeError::Unsupported {
                service: service.name.clone(),
                engine: service.engine,
            }),
        }
    }

    /// Takes it, group by group, and makes it complete.
    ///
    /// # Errors
    /// What is there already stays, and the next run goes on with it.
    pub fn take(&self, directory: &BackupDirectory, say: Say<'_>) -> Result<Manifest, TakeError> {
        let mut groups = Vec::new();
        for group in &self.service.groups {
            groups.push(self.group(group.index, directory, say)?);
        }
        let engine = self.service.engine.to_string();
        let of = (&self.context.plan.name, &self.service.name, engine.as_str());
        Ok(directory.complete(of, groups)?)
    }

    fn group(
        &self,
        group: u32,
        directory: &BackupDirectory,
        say: Say<'_>,
    ) -> Result<GroupBackup, TakeError> {
        if let Some(noted) = directory.noted(group) {
            self.tidy(group, None);
            say(format!("group {group} is here already: of {}", noted.instance));
            return Ok(noted);
        }
        let source = self.source(group)?;
        self.tidy(group, Some(&source.name));
        let copied = self.copied(source, say)?;
        self.fetch(source, group, &copied, directory, say)?;
        let Copied { version, position, binlog, bytes, sha256 } = copied;
        let instance = source.name.clone();
        let backup = GroupBackup { instance, version, position, binlog, bytes, sha256 };
        directory.note(group, &backup)?;
        self.tidy(group, None);
        Ok(backup)
    }

    fn members(&self, group: u32) -> impl Iterator<Item = &'a Instance> {
        let members = self.context.plan.members(&self.service.name);
        members.filter(move |one| one.group == Some(group))
    }

    /// Whose data is copied: where a copy is there or is being made, else that of a replica,
    /// else that of the primary.
    fn source(&self, group: u32) -> Result<&'a Instance, TakeError> {
        let failover = Failover::of(self.context, self.service, group)?;
        let Leadership { leader, healthy, ailing, silent } = failover.leadership()?;
        let mut whole: Vec<&Instance> =
            self.members(group).filter(|one| healthy.contains(&one.name)).collect();
        whole.sort_by_key(|one| leader.as_ref() == Some(&one.name));
        let is_begun = |one: &&&Instance| {
            let guest = self.context.guest(&one.name);
            let stage = guest.map_err(TakeError::from).and_then(|guest| stage(&guest));
            matches!(stage, Ok(Stage::Copying | Stage::Copied(_)))
        };
        if let Some(one) = whole.iter().find(is_begun).or_else(|| whole.first()) {
            return Ok(one);
        }
        let ailing = ailing.iter().map(|(name, why)| format!("{name}: {why}"));
        let silent = silent.iter().map(|one| format!("{} does not answer", one.name));
        Err(TakeError::NoCopy {
            service: self.service.name.clone(),
            group,
            why: ailing.chain(silent).collect::<Vec<_>>().join("; "),
        })
    }

    fn host(&self, instance: &Instance) -> Result<&dyn Hypervisor, TakeError> {
        Ok(self.context.host(&instance.host)?)
    }

    /// The volume that the copy of an instance is made on.
    fn volume(instance: &Instance) -> Option<Volume> {
        let of = instance.data.as_ref().or(instance.root.as_ref())?;
        Some(Volume { name: format!("{}-backup.raw", instance.domain), ..of.clone() })
    }

    fn planned_volume(instance: &Instance) -> Result<Volume, TakeError> {
        let missing = || StepError::NotInPlan(format!("a volume of {}", instance.name));
        Self::volume(instance).ok_or_else(|| missing().into())
    }

    /// Takes the disk of a copy away from a domain; one that is off has none.
    fn detach(&self, host: &dyn Hypervisor, instance: &Instance) -> Result<(), TakeError> {
        let has_disk = || -> Result<bool, TakeError> {
            let domains = host.domains()?;
            let own = domains.iter().find(|one| one.active && one.name == instance.domain);
            let mut disks = own.into_iter().flat_map(|one| &one.definition.devices.disks);
            Ok(disks.any(|disk| disk.target.as_deref() == Some(AttachedDisk::TARGET)))
        };
        if !has_disk()? {
            return Ok(());
        }
        host.detach_disk(&instance.domain)?;
        let mut poll = Poll::new(self.context.clock, DETACH, Pauses::every(LOOK));
        while has_disk()? {
            if !poll.pause() {
                return Err(TakeError::Kept { instance: instance.name.clone() });
            }
        }
        Ok(())
    }

    /// Removes what copies of a group have left on hosts, but for that of `kept`. What cannot be
    /// removed now is removed by the next backup.
    fn tidy(&self, group: u32, kept: Option<&InstanceName>) {
        for one in self.members(group).filter(|one| Some(&one.name) != kept) {
            let (Ok(host), Some(volume)) = (self.host(one), Self::volume(one)) else { continue };
            if host.volume(&volume.pool, &volume.name).is_err() {
                continue;
            }
            if let Ok(guest) = self.context.guest(&one.name) {
                let _ = guest.run(&["rm", "-f", RESULT], SMALL);
            }
            let gone = self
                .detach(host, one)
                .and_then(|()| Ok(volumes::delete(host, &volume.pool, &volume.name)?));
            if let Err(error) = gone {
                tracing::warn!(instance = %one.name, %error, "the copy's volume is left");
            }
        }
    }

    /// The copy of an instance, on its disk: what is there, or one that is made now.
    fn copied(&self, instance: &Instance, say: Say<'_>) -> Result<Copied, TakeError> {
        let guest = self.context.guest(&instance.name)?;
        let volume = Self::planned_volume(instance)?;
        let host = self.host(instance)?;
        match stage(&guest)? {
            Stage::Copied(copied) => {
                let found = host.volume(&volume.pool, &volume.name);
                if found.is_ok_and(|found| found.capacity == copied.bytes) {
                    return Ok(copied);
                }
            }
            Stage::Copying => return self.wait(instance, &guest, say),
            Stage::None(_) => {}
        }
        self.begin(instance, &guest, &volume)?;
        say(format!("{}: its data is being copied, to pool {}", instance.name, volume.pool));
        self.wait(instance, &guest, say)
    }

    /// Gives the guest an empty disk and starts the program.
    fn begin(
        &self,
        instance: &Instance,
        guest: &Guest<'_>,
        volume: &Volume,
    ) -> Result<(), TakeError> {
        let host = self.host(instance)?;
        guest.run_ok(&["rm", "-f", RESULT, LOG], SMALL)?;
        self.detach(host, instance)?;
        volumes::delete(host, &volume.pool, &volume.name)?;
        let used = guest.run(&["du", "-sb", self.setup.data], SMALL)?;
        let used =
            used.stdout.split_whitespace().next().and_then(|bytes| bytes.parse::<u64>().ok());
        let used = used.ok_or_else(|| guest.unreadable("du", &"no number"))?;
        let capacity = used.saturating_add(used / 16).saturating_add(ROOM).next_multiple_of(MIB);
        let pools = host.describe()?.pools;
        let free = pools.iter().find(|pool| pool.name == volume.pool).map(|pool| pool.available);
        if let Some(free) = free.filter(|free| *free < capacity) {
            return Err(TakeError::NoSpace {
                pool: volume.pool.clone(),
                instance: instance.name.clone(),
                free: shown(free),
                needed: shown(capacity),
            });
        }
        host.create_volume(&raw(&volume.pool, &volume.name, capacity))?;
        let disk = AttachedDisk {
            pool: volume.pool.clone(),
            volume: volume.name.clone(),
            serial: SERIAL.to_owned(),
        };
        host.attach_disk(&instance.domain, &disk)?;
        let unit = format!("--unit={UNIT}");
        guest
            .run_ok(&["systemd-run", "--quiet", "--collect", &unit, self.program, DEVICE], SMALL)?;
        Ok(())
    }

    /// Waits until the copy of an instance is made.
    fn wait(
        &self,
        instance: &Instance,
        guest: &Guest<'_>,
        say: Say<'_>,
    ) -> Result<Copied, TakeError> {
        let mut poll = Poll::new(self.context.clock, COPY, Pauses::every(LOOK));
        let mut next = LINE;
        loop {
            match stage(guest)? {
                Stage::Copied(copied) => return Ok(copied),
                Stage::Copying => {}
                Stage::None(said) => {
                    let said = said.unwrap_or_else(|| format!("{UNIT} in its guest has gone"));
                    return Err(TakeError::Ended { instance: instance.name.clone(), said });
                }
            }
            if poll.waited() >= next {
                next += LINE;
                say(format!("{}: copying for {} s", instance.name, poll.waited().as_secs()));
            }
            if !poll.pause() {
                return Err(TakeError::Endless { instance: instance.name.clone() });
            }
        }
    }

    /// Brings a copy to the operator's machine.
    fn fetch(
        &self,
        instance: &Instance,
        group: u32,
        copied: &Copied,
        directory: &BackupDirectory,
        say: Say<'_>,
    ) -> Result<(), TakeError> {
        let host = self.host(instance)?;
        let volume = Self::planned_volume(instance)?;
        self.detach(host, instance)?;
        let mut arriving = directory.arriving(group, &copied.sha256)?;
        say(format!(
            "{}: {} to be fetched{}",
            instance.name,
            shown(copied.bytes.saturating_sub(arriving.done())),
            if arriving.done() > 0 { ", the rest is here already" } else { "" }
        ));
        let mut left = TRIES;
        while arriving.done() < copied.bytes {
            left -= 1;
            let from = arriving.done();
            match host.download(&volume.pool, &volume.name, from, &mut arriving) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) if left == 0 || arriving.fault().is_some() => return Err(error.into()),
                Err(error) => say(format!("{error}; going on from there")),
            }
        }
        Ok(directory.arrived(group, arriving, &copied.sha256)?)
    }
}

/// How far the copy in a guest is.
fn stage(guest: &Guest<'_>) -> Result<Stage, TakeError> {
    // In this order: it ends after it has said what it copied.
    let state = guest.run(&["systemctl", "is-active", UNIT], SMALL)?;
    let runs = matches!(state.stdout.trim(), "active" | "activating" | "deactivating");
    if let Some(text) = guest.read_file(RESULT)? {
        let copied = serde_json::from_str(&text);
        return copied.map(Stage::Copied).map_err(|error| guest.unreadable(RESULT, &error).into());
    }
    if runs {
        return Ok(Stage::Copying);
    }
    let said = guest.read_file(LOG)?.unwrap_or_default();
    let last: Vec<&str> = said.lines().rev().take(3).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    Ok(Stage::None((!last.is_empty()).then(|| last.join(" / "))))
}

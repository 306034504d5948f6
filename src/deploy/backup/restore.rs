//! Brings a backup back: the service's machines and all that they hold are removed, and the data
//! volume of each planned primary is made from the backup. The next deploy makes the machines
//! anew, finds data at the primaries alone, and fills the others.

use std::io::{self, Read};

use super::{Say, shown};
use crate::deploy::execute::{found, power_off, undefine};
use crate::deploy::volumes::{self, delete_marked, raw};
use crate::deploy::{Context, StepError};
use crate::graph::VolumeRole;
use crate::hypervisor::ErrorKind;
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::plan::{Instance, ServicePlan, Volume};
use crate::state::backup::{BackupDirectory, BackupError, GroupBackup, Manifest};
use crate::units::Mebibytes;

/// Bytes between two lines about an upload.
const LINE: u64 = 1 << 30;

/// Why a backup is not brought back.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A host.
    #[error(transparent)]
    Step(#[from] StepError),
    /// The operator's disk.
    #[error(transparent)]
    Files(#[from] BackupError),
    /// It is of another engine.
    #[error("{service} is planned as {planned}, and the backup is one of {found}")]
    Engine {
        /// The service.
        service: ServiceName,
        /// Its engine.
        planned: String,
        /// That of the backup.
        found: String,
    },
    /// It has other groups.
    #[error("{service} is planned with {planned} groups, and the backup has {found}")]
    Groups {
        /// The service.
        service: ServiceName,
        /// As planned.
        planned: usize,
        /// As backed up.
        found: usize,
    },
    /// It does not fit.
    #[error("the data volume of {instance} is planned with {planned}, and the backup has {found}")]
    Size {
        /// The instance.
        instance: InstanceName,
        /// As planned.
        planned: Mebibytes,
        /// As backed up.
        found: Mebibytes,
    },
    /// Its server is newer than that of the image.
    #[error(
        "the backup is of {engine} {found}, and the image has {planned}, which cannot read its data"
    )]
    Version {
        /// The engine.
        engine: String,
        /// As the image's manifest says.
        planned: String,
        /// As backed up.
        found: String,
    },
    /// A host that may run a machine of the service.
    #[error("host {host} does not answer, and may run {instance}, with the data that is replaced")]
    Away {
        /// The host.
        host: HostName,
        /// The instance.
        instance: InstanceName,
    },
}

/// A backup that is to be brought back to a service.
pub struct Restore<'a> {
    context: &'a Context<'a>,
    service: &'a ServicePlan,
    directory: &'a BackupDirectory,
    /// Where the data of each group goes.
    leads: Vec<(u32, &'a Instance, &'a Volume, &'a GroupBackup)>,
}

impl<'a> Restore<'a> {
    /// Holds the backup against the plan and the hosts, and reads it whole.
    ///
    /// # Errors
    /// It does not fit the plan; it is damaged; a host does not answer.
    pub fn of(
        context: &'a Context<'a>,
        service: &'a ServicePlan,
        (directory, manifest): (&'a BackupDirectory, &'a Manifest),
    ) -> Result<Self, RestoreError> {
        let name = || service.name.clone();
        let planned = service.engine.to_string();
        if planned != manifest.engine {
            let found = manifest.engine.clone();
            return Err(RestoreError::Engine { service: name(), planned, found });
        }
        if service.groups.len() != manifest.groups.len() {
            let (planned, found) = (service.groups.len(), manifest.groups.len());
            return Err(RestoreError::Groups { service: name(), planned, found });
        }
        let mut leads = Vec::new();
        for (group, backup) in service.groups.iter().zip(&manifest.groups) {
            let lead = context.instance(&group.lead)?;
            let missing = || StepError::NotInPlan(format!("a data volume of {}", lead.name));
            let volume = lead.data.as_ref().ok_or_else(missing)?;
            if volume.size_mib.bytes() < backup.bytes {
                return Err(RestoreError::Size {
                    instance: lead.name.clone(),
                    planned: volume.size_mib,
                    found: shown(backup.bytes),
                });
            }
            let image = context.plan.image.as_ref();
            let has = image.and_then(|image| image.engines.get(&planned));
            if let Some(has) = has.filter(|has| is_older(has, &backup.version)) {
                let (planned, found) = (has.clone(), backup.version.clone());
                return Err(RestoreError::Version {
                    engine: manifest.engine.clone(),
                    planned,
                    found,
                });
            }
            leads.push((group.index, lead, volume, backup));
        }
        for one in context.plan.members(&service.name) {
            if !context.hosts.connected.contains_key(&one.host) {
                let (host, instance) = (one.host.clone(), one.name.clone());
                return Err(RestoreError::Away { host, instance });
            }
        }
        for (group, _, _, backup) in &leads {
            directory.check(*group, backup)?;
        }
        Ok(Self { context, service, directory, leads })
    }

    fn members(&self) -> impl Iterator<Item = &'a Instance> {
        self.context.plan.members(&self.service.name)
    }

    /// The instances that hold data now.
    ///
    /// # Errors
    /// A host.
    pub fn holding(&self) -> Result<Vec<&'a Instance>, RestoreError> {
        let mut holding = Vec::new();
        for one in self.members() {
            let Some(data) = &one.data else { continue };
            match self.context.host(&one.host)?.volume(&data.pool, &data.name) {
                Ok(_) => holding.push(one),
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(StepError::from(error).into()),
            }
        }
        Ok(holding)
    }

    /// Removes the machines of the service with all that they hold, and brings the data of the
    /// backup to the hosts of the planned primaries.
    ///
    /// # Errors
    /// A host. The service has no data, or part of it, until this is repeated.
    pub fn bring_back(&self, say: Say<'_>) -> Result<(), RestoreError> {
        // All are off before the first loses its data: none serves beside the backup.
        for one in self.members() {
            if let Some(domain) = found(self.context, one)? {
                power_off(self.context, self.context.host(&one.host)?, &domain.name)?;
            }
        }
        for one in self.members() {
            let host = self.context.host(&one.host)?;
            if let Some(domain) = found(self.context, one)? {
                undefine(host, &domain.name)?;
            }
            let volumes = [
                (VolumeRole::Root, &one.root),
                (VolumeRole::Seed, &one.seed),
                (VolumeRole::Data, &one.data),
            ];
            for (role, volume) in volumes {
                let Some(volume) = volume else { continue };
                delete_marked(host, role, (&volume.pool, &volume.name), say)?;
            }
            say(format!("{}: removed with its data", one.name));
        }
        for (group, lead, volume, backup) in &self.leads {
            self.place(*group, (lead, volume), backup, say)?;
        }
        Ok(())
    }

    fn place(
        &self,
        group: u32,
        (lead, volume): (&Instance, &Volume),
        backup: &GroupBackup,
        say: Say<'_>,
    ) -> Result<(), RestoreError> {
        let host = self.context.host(&lead.host)?;
        let request = raw(&volume.pool, &volume.name, volume.size_mib.bytes());
        host.create_volume(&request).map_err(StepError::from)?;
        say(format!("{}: {} of data to its host", lead.name, shown(backup.bytes)));
        let source = self.directory.read(group)?;
        let mut source = Reported { source, done: 0, next: LINE, name: &lead.name, say };
        let sent = host.upload(&volume.pool, &volume.name, &mut source, backup.bytes);
        if let Err(error) = sent {
            // Half of the data must not look like all of it.
            let _ = volumes::delete(host, &volume.pool, &volume.name);
            return Err(StepError::from(error).into());
        }
        Ok(())
    }
}

/// The first two numbers of a version. Data of an older series is read by a newer one, and not the
/// other way round.
/// <https://dev.mysql.com/doc/refman/8.4/en/downgrading.html>
/// <https://mariadb.com/kb/en/downgrading-between-major-versions-of-mariadb/>
fn series(version: &str) -> Vec<u64> {
    let numbers = version.split(|c: char| !c.is_ascii_digit());
    // Packages put an epoch before a colon.
    let numbers = numbers.skip(usize::from(version.contains(':')));
    numbers.map_while(|number| number.parse().ok()).take(2).collect()
}

/// Whether a version is of an older series than another one, where both say.
fn is_older(one: &str, than: &str) -> bool {
    let (one, than) = (series(one), series(than));
    one.len() == 2 && than.len() == 2 && one < than
}

/// Says now and then how much was sent.
struct Reported<'a, R> {
    source: R,
    done: u64,
    next: u64,
    name: &'a InstanceName,
    say: Say<'a>,
}

impl<R: Read> Read for Reported<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.done = self.done.saturating_add(count as u64);
        if self.done >= self.next {
            self.next = self.done.saturating_add(LINE);
            (self.say)(format!("{}: {} sent", self.name, shown(self.done)));
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::{is_older, series};

    #[test]
    fn versions_are_compared_by_their_series() {
        assert_eq!(series("9.7.4-2"), [9, 7]);
        assert_eq!(series("11.8.9-MariaDB-0+deb13u1 from Debian-log"), [11, 8]);
        assert_eq!(series("1:11.8.3-0+deb13u1"), [11, 8]);
        assert!(is_older("10.11.6", "11.4.2") && !is_older("11.4.2", "10.11.6"));
        assert!(!is_older("9.7.0", "9.7.4"));
        assert!(!is_older("unknown", "9.7.4") && !is_older("9.7.4", "unknown"));
    }
}

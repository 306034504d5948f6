//! Live migration between simulated hosts, in the phases that libvirt has: the source
//! sends, the destination takes over, the source ends. A process that dies in between
//! leaves what libvirt leaves: a source that is paused, with or without a guest that runs
//! at the destination.

use std::ops::ControlFlow;

use super::connection::{Arrived, Connection};
use super::guest::Running;
use super::host::{SimulatedDomain, SimulatedHost};
use super::xml::{self, Defined, Disk};
use crate::hypervisor::{
    Definition, ErrorKind, Migrated, MigrationProgress, MigrationRequest, Pause, Result,
};
use crate::ids::HostName;

/// Moves a running domain from one connection's host to that of another.
pub(super) fn migrate(
    source: &Connection,
    destination: &Connection,
    request: &MigrationRequest,
    watch: &mut dyn FnMut(&MigrationProgress) -> ControlFlow<()>,
) -> Result<Migrated> {
    let domain = request.domain.as_str();
    let total =
        source.call("migrate", domain, true, |at| perform(at, &destination.host, request))?;
    for done in [0, total] {
        if watch(&MigrationProgress { done, total }).is_break() {
            return source.call("abort migration", domain, true, |at| {
                resume(at)?;
                at.fail(
                    ErrorKind::Other,
                    "operation aborted: migration out job: canceled by client",
                )
            });
        }
    }
    let taken = destination
        .call("finish migration", domain, true, |at| take_over(at, &source.host, request));
    if let Err(error) = taken {
        // The first error is the one to report.
        let _ = source.call("cancel migration", domain, true, resume);
        return Err(error);
    }
    source.call("confirm migration", domain, true, |at| {
        at.host()?.stop(domain);
        Ok(())
    })?;
    Ok(Migrated { downtime: None, sent: Some(total) })
}

/// Sends everything: afterwards the source is paused. Returns the bytes.
fn perform(at: &mut Arrived<'_>, to: &HostName, request: &MigrationRequest) -> Result<u64> {
    let SimulatedDomain { definition: sent, running, .. } = at.domain()?.clone();
    if running.is_none() {
        return at.fail(ErrorKind::Other, "domain is not running");
    }
    let arriving = match xml::read(&request.xml) {
        Ok(definition) => definition,
        Err(message) => return at.fail(ErrorKind::Other, message),
    };
    if let Some(difference) = difference(&sent, &arriving) {
        return at.fail(ErrorKind::Other, format!("unsupported configuration: {difference}"));
    }
    let there = at.state.hosts.get(to).filter(|host| host.answers());
    let Some(there) = there else {
        return at.fail(ErrorKind::Other, "unable to connect to server: No route to host");
    };
    if there.domains.get(&request.domain).is_some_and(|domain| domain.running.is_some()) {
        return at.fail(ErrorKind::Exists, "domain is already active at the destination");
    }
    if let Some(obstacle) = there.obstacle(&arriving) {
        return at.fail(ErrorKind::Other, obstacle);
    }
    let disks: u64 = copies(&sent, &arriving, request).map(|(_, to)| size(there, to)).sum();
    if let Some(running) = &mut at.domain()?.running {
        running.paused.get_or_insert(Pause::Job);
    }
    Ok(disks + (sent.domain.definition.memory_kib << 10))
}

/// Lets the guest run at the destination.
fn take_over(at: &mut Arrived<'_>, from: &HostName, request: &MigrationRequest) -> Result<()> {
    let (arriving, kept) = match (xml::read(&request.xml), xml::read(&request.persistent_xml)) {
        (Ok(arriving), Ok(kept)) => (arriving, kept),
        (Err(message), _) | (_, Err(message)) => return at.fail(ErrorKind::Other, message),
    };
    let source = at.state.hosts.get(from);
    let sent = source.and_then(|host| Some((host, host.domains.get(&request.domain)?)));
    let Some((source, SimulatedDomain { definition, running: Some(running), .. })) = sent else {
        return at.fail(ErrorKind::Other, "the source is gone");
    };
    let mut running: Running = running.clone();
    running.paused = running.paused.filter(|why| *why != Pause::Job);
    let copied = copies(definition, &arriving, request)
        .filter_map(|(from, to)| {
            Some((to.clone(), source.pools.get(&from.pool)?.get(&from.volume)?.clone()))
        })
        .collect::<Vec<_>>();
    let host = at.host()?;
    for (to, sent) in copied {
        if let Some(volume) = host.pools.get_mut(&to.pool).and_then(|all| all.get_mut(&to.volume)) {
            let request = volume.request.clone();
            *volume = sent;
            volume.request = request;
        }
    }
    let arrived = SimulatedDomain {
        running: Some(running),
        next: Some(kept),
        ..SimulatedDomain::new(arriving)
    };
    host.domains.insert(request.domain.clone(), arrived);
    Ok(())
}

/// Lets a paused source run again.
fn resume(at: &mut Arrived<'_>) -> Result<()> {
    if let Some(running) = &mut at.domain()?.running {
        running.paused = running.paused.filter(|why| *why != Pause::Job);
    }
    Ok(())
}

/// Disks whose bytes are copied, here and there.
fn copies<'a>(
    sent: &'a Defined,
    arriving: &'a Defined,
    request: &'a MigrationRequest,
) -> impl Iterator<Item = (&'a Disk, &'a Disk)> {
    let copied = |disk: &Disk| {
        disk.target.as_ref().is_some_and(|target| request.copied_disks.contains(target))
    };
    sent.disks.iter().zip(&arriving.disks).filter(move |(disk, _)| copied(disk))
}

fn size(host: &SimulatedHost, disk: &Disk) -> u64 {
    let volume = host.pools.get(&disk.pool).and_then(|pool| pool.get(&disk.volume));
    volume.map_or(0, |volume| volume.request.capacity)
}

/// What the guest would see, in libvirt's words.
fn difference(sent: &Defined, arriving: &Defined) -> Option<String> {
    let (old, new) = (&sent.domain.definition, &arriving.domain.definition);
    let count = |domain: &Definition| domain.vcpu_pins.len();
    let targets = |definition: &Defined| -> Vec<Option<String>> {
        definition.disks.iter().map(|disk| disk.target.clone()).collect()
    };
    let pairs = [
        ("domain uuid", sent.domain.uuid == arriving.domain.uuid),
        ("domain memory", old.memory_kib == new.memory_kib),
        ("domain vCPU count", count(old) == count(new)),
        ("domain network card mac", old.devices.macs == new.devices.macs),
        ("disk target", targets(sent) == targets(arriving)),
    ];
    let (what, _) = pairs.into_iter().find(|(_, same)| !same)?;
    Some(format!("Target {what} does not match source"))
}

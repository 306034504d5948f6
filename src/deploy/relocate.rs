//! Moves a fixed machine to the host that the plan has for it.
//!
//! The order keeps one copy that is whole: its volumes are made at the destination, its
//! disks and its memory are sent while it runs, and only then it is defined and goes on
//! there. What it leaves behind, a domain that is off with its volumes, is removed as
//! everything else that the plan does not hold, once its guest has answered at the new
//! host. A run that is killed leaves the machine on one of the two, and the next run sees
//! on which: libvirt ends the half that its client abandoned.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::execute::{boot_paths, define, is_active, power_down};
use super::volumes::{raw, renew};
use super::{Context, EventKind, StepError};
use crate::graph::{ImagePart, Move, Way, planned_volume};
use crate::hypervisor::clock::Clock;
use crate::hypervisor::{
    Domain, DomainState, Hypervisor, MigrationProgress, MigrationRequest, StorageSource,
    VolumeFormat, VolumeInfo, VolumeRequest,
};
use crate::plan::{Instance, Volume};
use crate::render;
use crate::spec::MigrationMethod;
use crate::topology::{Host, Virtualization};
use crate::units::BitsPerSecond;

/// One machine moves at a time: two would share the network and each take longer.
static ONE: Mutex<()> = Mutex::new(());

/// NICs from this speed on are filled by several connections only.
const FAST: BitsPerSecond = BitsPerSecond::new(10_000_000_000);
/// Connections over such a NIC.
const CONNECTIONS: i32 = 4;

/// Makes the volume at the destination that a disk is sent to: of the same size as it is.
pub(super) fn make_target(
    context: &Context<'_>,
    instance: &Instance,
    volume: &Volume,
    moving: &Move,
) -> Result<(), StepError> {
    let there = context.host(&instance.host)?;
    if is_active(there, &instance.domain)? {
        return Ok(());
    }
    let (_, found) = source_of(context, instance, volume, moving)?;
    let image = context.plan.image.as_ref().map(|image| ImagePart::Disk.volume(&image.disk));
    let request = match found.backing {
        None => raw(&volume.pool, &volume.name, found.capacity),
        Some(_) => VolumeRequest {
            pool: volume.pool.clone(),
            name: volume.name.clone(),
            capacity: found.capacity,
            format: VolumeFormat::Qcow2,
            backing: image,
        },
    };
    renew(there, &request)
}

/// Copies the seed. A new one would make the guest set itself up again at its next boot.
pub(super) fn copy_seed(
    context: &Context<'_>,
    instance: &Instance,
    seed: &Volume,
    moving: &Move,
) -> Result<(), StepError> {
    let (here, there) = (context.host(&moving.from)?, context.host(&instance.host)?);
    if is_active(there, &instance.domain)? {
        return Ok(());
    }
    let (pool, found) = source_of(context, instance, seed, moving)?;
    let mut bytes = Vec::new();
    let length = here.download(&pool, &found.name, 0, &mut bytes)?;
    renew(there, &raw(&seed.pool, &seed.name, length))?;
    Ok(there.upload(&seed.pool, &seed.name, &mut bytes.as_slice(), length)?)
}

/// Moves the machine. Afterwards it is defined at its planned host, and runs there unless it
/// was off and its storage is shared.
pub(super) fn relocate(
    context: &Context<'_>,
    instance: &Instance,
    moving: &Move,
    emit: &dyn Fn(EventKind),
) -> Result<(), StepError> {
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let (here, there) = (context.host(&moving.from)?, context.host(&instance.host)?);
    let name = instance.domain.as_str();
    // An answer that was lost: it runs there, so the half that is left here is dead.
    if is_active(there, name)? {
        return Ok(());
    }
    match moving.way {
        Way::Cold => {
            power_down(context, here, name)?;
            return define(context, instance);
        }
        Way::Live => {
            check_cpu(context, instance, moving)?;
            let left_paused = find(here, instance)?
                .is_some_and(|domain| matches!(domain.state, DomainState::Paused(_)));
            if left_paused {
                here.resume(name)?;
            }
        }
        Way::Paused => {
            check_cpu(context, instance, moving)?;
            if !is_active(here, name)? {
                here.start_paused(name)?;
            }
        }
    }
    migrate(context, instance, moving, emit)?;
    if moving.way == Way::Paused {
        there.resume(name)?;
    }
    check_placement(there, instance, emit)
}

/// Refuses a guest whose CPUs are those of its host where they differ.
fn check_cpu(context: &Context<'_>, instance: &Instance, moving: &Move) -> Result<(), StepError> {
    let (here, there) = (context.host(&moving.from)?, context.host(&instance.host)?);
    let planned = context.plan.topology.host(&instance.host);
    if planned.is_none_or(|host| host.hypervisor != Virtualization::Kvm) {
        return Ok(());
    }
    let Some(cpu) = here.cpu()? else { return Ok(()) };
    if there.covers_cpu(&cpu)? {
        return Ok(());
    }
    let (instance, host) = (instance.name.clone(), instance.host.clone());
    Err(StepError::OtherCpu { instance, host, from: moving.from.clone() })
}

fn migrate(
    context: &Context<'_>,
    instance: &Instance,
    moving: &Move,
    emit: &dyn Fn(EventKind),
) -> Result<(), StepError> {
    let (here, there) = (context.host(&moving.from)?, context.host(&instance.host)?);
    let request = request(context, instance, moving)?;
    let mut headway = Headway::new(context.clock, context.patience.migration);
    let moved = here.migrate(there, &request, &mut |progress| {
        emit(EventKind::Progress { done: progress.done, total: progress.total });
        headway.after(progress)
    });
    match moved {
        Ok(moved) => {
            if let Some(downtime) = moved.downtime {
                let ms = downtime.as_millis();
                emit(EventKind::Note(format!("moved from {}, paused for {ms} ms", moving.from)));
            }
            Ok(())
        }
        // An answer that is lost at the very end lets both run: libvirt's client resumes the
        // source, as it cannot know better. What has just begun there is ended.
        Err(error) if is_active(there, &instance.domain).unwrap_or(false) => {
            let state = find(here, instance)?.map(|domain| domain.state);
            if state != Some(DomainState::Running) {
                return Ok(());
            }
            there.power_off(&instance.domain)?;
            Err(error.into())
        }
        Err(_) if headway.is_over => Err(StepError::NoHeadway {
            instance: instance.name.clone(),
            from: moving.from.clone(),
            left_mib: headway.least_left >> 20,
            waited: context.patience.migration,
        }),
        Err(error) => Err(error.into()),
    }
}

fn request(
    context: &Context<'_>,
    instance: &Instance,
    moving: &Move,
) -> Result<MigrationRequest, StepError> {
    let (here, there) = (context.host(&moving.from)?, context.host(&instance.host)?);
    let paths = boot_paths(context, there, instance)?;
    let running = here.migratable_xml(&instance.domain)?;
    let copied = copied_disks(context, instance, moving)?;
    let host = |name| context.plan.topology.host(name);
    let (from, to) = (host(&moving.from), host(&instance.host));
    let vm = context.plan.vms.iter().find(|vm| vm.name == instance.service);
    let post_copy = vm.is_some_and(|vm| vm.migrate == MigrationMethod::PostCopy);
    let ends = || [from, to].into_iter().flatten();
    let is_fast = |host: &Host| host.network_bits_per_s.is_some_and(|speed| speed >= FAST);
    let bandwidth = ends().filter_map(|host| host.migration.bits_per_s).min();
    Ok(MigrationRequest {
        domain: instance.domain.clone(),
        xml: render::destination_xml(context.plan, instance, &running, &paths, &copied)?,
        persistent_xml: render::domain_xml(context.plan, instance, &paths)?,
        uri: to.and_then(uri),
        bandwidth_mib_s: bandwidth.map(|speed| (speed.get() / 8) >> 20),
        copied_disks: copied.into_keys().collect(),
        post_copy,
        tls: to.is_some_and(|host| host.migration.tls),
        // QEMU cannot do both.
        connections: (!post_copy && ends().all(is_fast)).then_some(CONNECTIONS),
    })
}

/// Where the destination takes memory and disks: at the address that its host file says,
/// or at that of its URI.
fn uri(host: &Host) -> Option<String> {
    let address = host.migration.address.as_deref().or_else(|| {
        let (_, rest) = host.uri.as_deref()?.split_once("://")?;
        let authority = rest.split(['/', '?']).next()?;
        let place = authority.rsplit('@').next()?;
        let name = match place.strip_prefix('[') {
            Some(rest) => rest.split(']').next()?,
            None => place.split(':').next()?,
        };
        (!name.is_empty()).then_some(name)
    })?;
    Some(if address.contains(':') {
        format!("tcp://[{address}]")
    } else {
        format!("tcp://{address}")
    })
}

/// Disks that the guest may write to, by target, with the path of their volumes at the
/// destination; none where both hosts see the same volumes.
fn copied_disks(
    context: &Context<'_>,
    instance: &Instance,
    moving: &Move,
) -> Result<BTreeMap<String, String>, StepError> {
    let there = context.host(&instance.host)?;
    if moving.shared {
        // The destination has to look for what the other host made.
        for volume in instance.volumes() {
            there.volumes(&volume.pool)?;
        }
        return Ok(BTreeMap::new());
    }
    let mut copied = BTreeMap::new();
    for disk in moving_domain(context, instance, moving)?.definition.devices.disks {
        let planned = planned_volume(instance, &disk).filter(|_| !disk.readonly);
        if let (Some(volume), Some(target)) = (planned, disk.target) {
            copied.insert(target, there.volume(&volume.pool, &volume.name)?.path);
        }
    }
    Ok(copied)
}

/// Says where the machine is not placed as planned.
fn check_placement(
    there: &dyn Hypervisor,
    instance: &Instance,
    emit: &dyn Fn(EventKind),
) -> Result<(), StepError> {
    let Some(domain) = find(there, instance)? else { return Ok(()) };
    let pinned =
        instance.cpus.iter().map(|cpu| vec![*cpu]).eq(domain.definition.vcpu_pins.iter().cloned());
    if !pinned || domain.definition.memory_nodes != [instance.numa] {
        emit(EventKind::Note("its pins are not as planned after the move".to_owned()));
    }
    Ok(())
}

fn find(host: &dyn Hypervisor, instance: &Instance) -> Result<Option<Domain>, StepError> {
    Ok(host.domains()?.into_iter().find(|domain| domain.uuid == instance.uuid))
}

fn moving_domain(
    context: &Context<'_>,
    instance: &Instance,
    moving: &Move,
) -> Result<Domain, StepError> {
    let domain = find(context.host(&moving.from)?, instance)?;
    domain.ok_or_else(|| {
        let (instance, host) = (instance.name.clone(), moving.from.clone());
        StepError::Gone { instance, host }
    })
}

/// Finds what is a planned volume at the destination where the machine is: its pool, and
/// what is known of it.
fn source_of(
    context: &Context<'_>,
    instance: &Instance,
    volume: &Volume,
    moving: &Move,
) -> Result<(String, VolumeInfo), StepError> {
    let here = context.host(&moving.from)?;
    let domain = moving_domain(context, instance, moving)?;
    let mut disk = domain.definition.devices.disks.iter();
    let disk = disk.find(|disk| planned_volume(instance, disk) == Some(volume));
    let vanished = || StepError::Vanished {
        host: moving.from.clone(),
        pool: volume.pool.clone(),
        name: volume.name.clone(),
    };
    match disk.and_then(|disk| disk.sources.first()).ok_or_else(vanished)? {
        StorageSource::Volume { pool, name } => Ok((pool.clone(), here.volume(pool, name)?)),
        StorageSource::Path(path) => {
            for pool in here.describe()?.pools {
                let all = here.volumes(&pool.name)?;
                if let Some(found) = all.into_iter().find(|volume| volume.path == *path) {
                    return Ok((pool.name, found));
                }
            }
            Err(vanished())
        }
    }
}

/// Whether a migration gets anywhere: what is left to send must become less than ever
/// within a while. A guest that writes faster than the network takes makes it grow again.
struct Headway<'a> {
    clock: &'a dyn Clock,
    limit: Duration,
    least_left: u64,
    since: Duration,
    is_over: bool,
}

impl<'a> Headway<'a> {
    fn new(clock: &'a dyn Clock, limit: Duration) -> Self {
        let since = clock.elapsed();
        Self { clock, limit, least_left: u64::MAX, since, is_over: false }
    }

    fn after(&mut self, progress: &MigrationProgress) -> ControlFlow<()> {
        let left = progress.total.saturating_sub(progress.done);
        let now = self.clock.elapsed();
        if left < self.least_left {
            self.least_left = left;
            self.since = now;
        }
        self.is_over = now.saturating_sub(self.since) > self.limit;
        if self.is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use crate::simulated::SimulatedClock;

    #[test]
    fn memory_goes_to_the_stated_address_or_to_that_of_the_uri() {
        let mut host = sample::plan().topology.hosts.remove(0);
        let mut of = |text: Option<&str>| {
            host.uri = text.map(str::to_owned);
            uri(&host)
        };
        assert_eq!(of(Some("qemu+ssh://root@h1:22/system")).as_deref(), Some("tcp://h1"));
        assert_eq!(of(Some("qemu+tls://[fd00::1]/system")).as_deref(), Some("tcp://[fd00::1]"));
        assert_eq!(of(Some("qemu+unix:///system?socket=/run/h1")), None);
        assert_eq!(of(None), None);
        host.migration.address = Some("10.9.0.1".to_owned());
        assert_eq!(uri(&host).as_deref(), Some("tcp://10.9.0.1"));
    }

    #[test]
    fn a_migration_that_gets_nowhere_is_given_up() {
        let clock = SimulatedClock::default();
        let mut headway = Headway::new(&clock, Duration::from_secs(60));
        let mut after = |done, total| {
            clock.wait(Duration::from_secs(40));
            headway.after(&MigrationProgress { done, total }).is_continue()
        };
        assert!(after(10, 100) && after(50, 100));
        // It grows again, and is less than ever for once.
        assert!(after(60, 200) && after(190, 220));
        assert!(after(200, 240));
        assert!(!after(210, 250));
    }
}

//! Disks that are planned larger: the volume grows at once, its file system as soon as the
//! guest can be asked. In between the domain's tag says that something has still to grow,
//! so that a run that is killed is seen from the host.

use super::{Context, StepError};
use crate::engine::Guests;
use crate::graph::planned_volume;
use crate::hypervisor::{Domain, Hypervisor, OwnerTag};
use crate::plan::{Instance, Plan, Volume};
use crate::render;
use crate::state::world::is_ours;

/// Makes a volume as large as planned.
pub(super) fn grow_volume(
    context: &Context<'_>,
    instance: &Instance,
    volume: &Volume,
) -> Result<(), StepError> {
    let host = context.host(&instance.host)?;
    let domain = own_domain(context.plan, host, instance)?;
    if let Some((domain, tag)) = &domain {
        host.set_tag(&domain.name, &OwnerTag { grows: true, ..tag.clone() })?;
    }
    let bytes = volume.size_mib.bytes();
    if host.volume(&volume.pool, &volume.name)?.capacity >= bytes {
        return Ok(());
    }
    let running = domain.filter(|(domain, _)| domain.active).map(|(domain, _)| domain);
    let mut disks = running.iter().flat_map(|domain| &domain.definition.devices.disks);
    let disk = disks.find(|disk| planned_volume(instance, disk) == Some(volume));
    match running.as_ref().zip(disk.and_then(|disk| disk.target.as_ref())) {
        Some((domain, target)) => Ok(host.resize_disk(&domain.name, target, bytes)?),
        None => Ok(host.resize_volume(&volume.pool, &volume.name, bytes)?),
    }
}

/// Lets the file systems of a guest follow its disks, where the tag says that they have to.
pub(super) fn grow_file_systems(
    context: &Context<'_>,
    instance: &Instance,
) -> Result<(), StepError> {
    let host = context.host(&instance.host)?;
    let domain = own_domain(context.plan, host, instance)?;
    let Some((domain, tag)) = domain.filter(|(_, tag)| tag.grows) else { return Ok(()) };
    let data = instance.data.as_ref().map(|_| render::DATA_DEVICE);
    let image = context.plan.image.as_ref().map(|image| image.virtual_size_mib);
    let root = instance.root.as_ref().is_some_and(|root| Some(root.size_mib) > image);
    context.guest(&instance.name)?.grow_file_systems(data, root)?;
    Ok(host.set_tag(&domain.name, &OwnerTag { grows: false, ..tag })?)
}

fn own_domain(
    plan: &Plan,
    host: &dyn Hypervisor,
    instance: &Instance,
) -> Result<Option<(Domain, OwnerTag)>, StepError> {
    let mut domains = host.domains()?.into_iter();
    let own = domains.find(|domain| domain.uuid == instance.uuid && is_ours(domain, &plan.name));
    Ok(own.and_then(|domain| domain.owner.clone().map(|tag| (domain, tag))))
}

//! Volumes that are smaller than planned. A machine is not made anew for its disks: they
//! grow while it runs.

use crate::hypervisor::Domain;
use crate::plan::{Instance, Volume};
use crate::state::world::HostView;
use crate::units::Mebibytes;

/// Whether a disk of a domain that is as planned is to grow, or its file system has still to
/// follow.
pub(super) fn grows(instance: &Instance, view: &HostView, domain: &Domain) -> bool {
    domain.owner.as_ref().is_some_and(|tag| tag.grows)
        || instance.root.iter().chain(&instance.data).any(|one| grows_from(view, one).is_some())
}

/// Returns how large a volume is that is to grow.
pub(super) fn grows_from(view: &HostView, volume: &Volume) -> Option<Mebibytes> {
    let found = mib(view.volume(&volume.pool, &volume.name)?.capacity);
    (found < volume.size_mib).then_some(found)
}

const fn mib(bytes: u64) -> Mebibytes {
    Mebibytes::new(bytes >> 20)
}

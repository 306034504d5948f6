//! Volumes: root, data and seed of each instance in their sizes, or none at all.

use crate::audit::index::Index;
use crate::audit::{Findings, Kind};
use crate::plan::{Instance, Plan, Volume};
use crate::units::Mebibytes;

/// The seed's file system: the least that holds its texts, with room.
const SEED: Mebibytes = Mebibytes::new(4);
/// A root disk without an image.
const ROOT: Mebibytes = Mebibytes::from_gib(8);

pub(super) fn check(plan: &Plan, index: &Index<'_>, findings: &mut Findings) {
    for instance in &plan.instances {
        let Some(host) = index.host(&instance.host) else { continue };
        let [root, data] = sizes(plan, instance);
        let has_disks =
            !host.pools.is_empty() && (root, data) != (Mebibytes::ZERO, Mebibytes::ZERO);
        let size = |size| Some(size).filter(|size| has_disks && *size > Mebibytes::ZERO);
        for (what, volume, expected) in [
            ("root volume", &instance.root, size(root)),
            ("data volume", &instance.data, size(data)),
            ("seed", &instance.seed, size(SEED)),
        ] {
            let found = volume.as_ref().map(|volume: &Volume| volume.size_mib);
            if found != expected {
                let (found, expected) = (shown(found), shown(expected));
                let message = format!("its {what} is {found}; expected {expected}");
                findings.add(Kind::Volumes, &instance.name, message);
            }
        }
    }
}

/// Root and data volume that an instance has where disks are planned.
fn sizes(plan: &Plan, instance: &Instance) -> [Mebibytes; 2] {
    let image = plan.image.as_ref().map_or(ROOT, |image| image.virtual_size_mib);
    let Some(service) = plan.service_of(instance) else {
        let vm = plan.vms.iter().find(|vm| vm.name == instance.service);
        return [vm.map_or(image, |vm| vm.disk_mib), Mebibytes::ZERO];
    };
    let witness = service.layout.witness.as_ref();
    let data = match witness.filter(|_| instance.role == crate::plan::Role::Witness) {
        Some(witness) => witness.data_mib,
        None => service.layout.data_mib,
    };
    [image, data]
}

fn shown(size: Option<Mebibytes>) -> String {
    size.map_or_else(|| "missing".to_owned(), |size| size.to_string())
}

//! Hosts that hold exactly what a plan says, without any host: what an offline
//! look compares with.

use std::collections::BTreeMap;

use crate::engine::{Admission, Pending};
use crate::graph::ImagePart;
use crate::graph::image::marker;
use crate::hypervisor::{Domain, DomainState, HostReport, OwnerTag, VolumeInfo, domain_xml};
use crate::ids::HostName;
use crate::plan::{Instance, Plan, Volume};
use crate::recipe::doors;
use crate::render::{self, DiskPaths};
use crate::spec::Cluster;
use crate::state::world::{GuestView, HostView, Seen, World};

/// Returns the hosts of `plan`, which hold what `prior` says and nothing else; nothing
/// at all without it.
#[must_use]
pub fn assume(plan: &Plan, prior: Option<&Plan>) -> World {
    let mut world = World::default();
    let names = |plan: &Plan| -> Vec<HostName> {
        plan.topology.hosts.iter().map(|host| host.name.clone()).collect()
    };
    for host in names(plan).into_iter().chain(prior.map(names).unwrap_or_default()) {
        let view = view(&host, prior);
        world.hosts.insert(host, Seen::Reached(Box::new(view)));
    }
    let Some(prior) = prior else { return world };
    for instance in &prior.instances {
        let configured = is_configured(plan, prior, instance);
        if divides(plan, prior, instance) {
            world.pending.insert(instance.name.clone(), Pending::Together);
        } else {
            let admission = admission(plan, prior, instance);
            world.admissions.extend(admission.map(|one| (instance.name.clone(), one)));
        }
        let guest = GuestView { ready: true, checked: true, configured, ..GuestView::default() };
        world.guests.insert(instance.name.clone(), guest);
    }
    for service in &prior.services {
        // What a cluster of other groups comes to only shows on the hosts.
        if plan.service(&service.name).is_none_or(|planned| planned.groups == service.groups) {
            world.clusters.insert(service.name.clone(), Vec::new());
        }
    }
    world
}

/// Whether an instance that runs as `prior` says has the configuration of `plan`.
fn is_configured(plan: &Plan, prior: &Plan, instance: &Instance) -> bool {
    let planned = plan.instance(&instance.name);
    let access = |plan: &Plan| plan.service_of(instance).map(|service| service.access.clone());
    let serve = |plan: &Plan| plan.service_of(instance).map(|service| service.serve.clone());
    planned.is_none_or(|planned| {
        planned.settings == instance.settings
            && access(plan) == access(prior)
            && serve(plan) == serve(prior)
    })
}

/// Whether an instance that runs as `prior` says and one that runs as `plan` says do not
/// understand each other: those of a search engine encrypt what they send each other where clients
/// need a password.
fn divides(plan: &Plan, prior: &Plan, instance: &Instance) -> bool {
    let entry = |plan: &Plan| {
        let service = plan.service_of(instance)?;
        let is_search = service.engine.cluster() == Cluster::Quorum;
        is_search.then(|| service.access.entry())
    };
    plan.instance(&instance.name).is_some()
        && entry(prior).zip(entry(plan)).is_some_and(|(before, after)| before != after)
}

/// How the plan alters whom an instance lets in that runs as `prior` says.
fn admission<'a>(plan: &'a Plan, prior: &'a Plan, instance: &Instance) -> Option<Admission> {
    let access = |plan: &'a Plan| plan.service_of(instance).map(|service| &service.access);
    plan.instance(&instance.name)?;
    if let Some((before, after)) = doors(prior, instance).zip(doors(plan, instance)) {
        return (!before.is_subset(&after)).then_some(Admission::Moves);
    }
    let (before, after) = (access(prior)?, access(plan)?);
    let by_password = Admission::between(before.entry(), after.entry());
    by_password.or_else(|| Admission::between_tls(before.tls, after.tls))
}

fn view(host: &HostName, prior: Option<&Plan>) -> HostView {
    let mut view = HostView {
        report: HostReport::unknown(host.as_str()),
        domains: Vec::new(),
        volumes: BTreeMap::new(),
        addresses: BTreeMap::new(),
    };
    let Some(prior) = prior else { return view };
    for instance in prior.on_host(host) {
        view.domains.push(domain(prior, instance));
        for volume in instance.volumes() {
            add(&mut view, prior, instance, volume);
        }
    }
    view
}

/// Returns where a volume lies: nobody knows, so its pool is taken for the directory.
pub(super) fn path(pool: &str, volume: &str) -> String {
    format!("{pool}/{volume}")
}

fn add(view: &mut HostView, prior: &Plan, instance: &Instance, volume: &Volume) {
    let info = |name: String, capacity, backing| VolumeInfo {
        path: path(&volume.pool, &name),
        name,
        capacity,
        backing,
    };
    let image = prior.image.as_ref();
    let is_root = instance.root.as_ref().is_some_and(|root| root.name == volume.name);
    let disk = image.filter(|_| is_root).map(|image| ImagePart::Disk.volume(&image.disk));
    let backing = disk.map(|disk| path(&volume.pool, &disk));
    let pool = view.volumes.entry(volume.pool.clone()).or_default();
    pool.push(info(volume.name.clone(), volume.size_mib.bytes(), backing));
    let parts = ImagePart::ALL.iter().filter_map(|part| Some(part.volume(part.file(image?)?)));
    for name in parts.filter(|_| is_root) {
        if !pool.iter().any(|known| known.name == name) {
            pool.push(info(marker(&name), 0, None));
            pool.push(info(name, 0, None));
        }
    }
}

fn domain(prior: &Plan, instance: &Instance) -> Domain {
    let xml = render::domain_xml(prior, instance, &boot_paths(prior, instance));
    // A plan that was deployed once can be rendered, unless the program has changed.
    let xml = xml.unwrap_or_default();
    let definition = domain_xml::definition(&xml).unwrap_or_default();
    Domain {
        name: instance.domain.clone(),
        uuid: instance.uuid,
        active: true,
        state: DomainState::Running,
        owner: Some(OwnerTag {
            deployment: prior.name.to_string(),
            instance: instance.name.to_string(),
            digest: render::machine_digest(prior, instance),
            system: Some(render::system_digest(prior, instance)),
            grows: false,
        }),
        persistent: true,
        autostart: false,
        next: Some(definition.clone()),
        definition,
    }
}

/// Returns where kernel and initial RAM disk of an instance are assumed to lie.
pub(super) fn boot_paths(plan: &Plan, instance: &Instance) -> DiskPaths {
    let path = |part: ImagePart| {
        let name = part.volume(part.file(plan.image.as_ref()?)?);
        Some(path(&instance.root.as_ref()?.pool, &name))
    };
    DiskPaths { kernel: path(ImagePart::Kernel), initrd: path(ImagePart::Initrd) }
}

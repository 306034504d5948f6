//! The texts that a deploy would change: domain XML, the seed's files, the
//! engines' configuration. Shown before anything is done.

use super::assumed;
use super::redact::{Mask, redact};
use super::{Context, assumed::boot_paths};
use crate::engine::Guests;
use crate::graph::{Action, Actions, ImagePart, Step, Vertex, is_as_planned, owned_domain};
use crate::guest::GuestFile;
use crate::hypervisor::outline::comparable;
use crate::ids::HostName;
use crate::plan::{Instance, Plan};
use crate::recipe;
use crate::render::{self, DiskPaths};
use crate::state::world::World;

/// A text that would be made or changed; secrets are hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextChange {
    /// Where.
    pub host: HostName,
    /// What: `domain shop-cache-0`, `/etc/redis/redis.conf of cache-0`.
    pub name: String,
    /// As it is; `None` where there is none, or nobody can read it.
    pub before: Option<String>,
    /// As it shall be.
    pub after: String,
    /// Whether a secret differs.
    pub secret: bool,
}

/// What a look at the texts can go by.
#[derive(Clone, Copy)]
pub struct DiffContext<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The hosts as they were seen, or assumed.
    pub world: &'a World,
    /// What was decided.
    pub actions: &'a Actions,
    /// The plan that was deployed last, if it is known.
    pub prior: Option<&'a Plan>,
    /// The hosts, where guests may be asked for their files.
    pub context: Option<&'a Context<'a>>,
}

/// Returns all texts that would change, instance by instance in the plan's order. Texts
/// that nobody can render are left out: they are gaps of the plan.
#[must_use]
pub fn text_changes(diff: &DiffContext<'_>) -> Vec<TextChange> {
    let instances = diff.plan.instances.iter();
    instances.flat_map(|instance| of_instance(diff, instance)).collect()
}

fn of_instance(diff: &DiffContext<'_>, instance: &Instance) -> Vec<TextChange> {
    let step = |vertex: Vertex| diff.actions.step(&vertex).filter(|step| changes(step));
    let mut found = Vec::new();
    if step(Vertex::Domain(instance.name.clone())).is_some() {
        found.extend(domain(diff, instance));
    }
    if step(Vertex::Seed(instance.name.clone())).is_some() {
        found.extend(seed(diff, instance));
    }
    if step(Vertex::Configured(instance.name.clone())).is_some() {
        found.extend(configuration(diff, instance));
    }
    found
}

const fn changes(step: &Step) -> bool {
    matches!(step.action, Action::Create | Action::Update | Action::Replace)
}

fn domain(diff: &DiffContext<'_>, instance: &Instance) -> Option<TextChange> {
    let planned = render::domain_xml(diff.plan, instance, &paths(diff, instance)).ok()?;
    let view = diff.world.view(&instance.host);
    let found = view.and_then(|view| owned_domain(diff.plan, view, instance));
    let known = found.map(|domain| [Some(&domain.definition), domain.next.as_ref()]);
    let known = known.into_iter().flatten().flatten().map(|one| one.xml.as_str());
    let known: Vec<&str> = known.filter(|xml| !xml.is_empty()).collect();
    // Where it runs as planned, what its next boot would have is what differs.
    let differs = |(after, before): &(String, Option<String>)| before.as_ref() != Some(after);
    let (after, before) = match known.as_slice() {
        [] => comparable(&planned, None),
        known => known.iter().map(|xml| comparable(&planned, Some(xml))).find(differs)?,
    };
    change(diff, instance, format!("domain {}", instance.domain), before, after)
}

/// Returns where kernel and initial RAM disk lie, or will.
fn paths(diff: &DiffContext<'_>, instance: &Instance) -> DiskPaths {
    let assumed = boot_paths(diff.plan, instance);
    let path = |part: ImagePart, assumed: Option<String>| {
        let pool = &instance.root.as_ref()?.pool;
        let name = part.volume(part.file(diff.plan.image.as_ref()?)?);
        let view = diff.world.view(&instance.host)?;
        let there = view.volume(pool, &name).map(|seen| seen.path.clone());
        let known = view.report.pools.iter().find(|one| one.name == *pool);
        there.or_else(|| Some(assumed::path(&known?.path, &name))).or(assumed)
    };
    let DiskPaths { kernel, initrd } = assumed;
    DiskPaths { kernel: path(ImagePart::Kernel, kernel), initrd: path(ImagePart::Initrd, initrd) }
}

/// Returns the instance as it was planned when its domain was made, if that is known.
fn made_from<'a>(diff: &DiffContext<'a>, instance: &Instance) -> Option<(&'a Plan, &'a Instance)> {
    let (prior, view) = (diff.prior?, diff.world.view(&instance.host)?);
    let old = prior.instance(&instance.name)?;
    let domain = owned_domain(diff.plan, view, instance)?;
    is_as_planned(prior, old, domain).then_some((prior, old))
}

fn seed(diff: &DiffContext<'_>, instance: &Instance) -> Vec<TextChange> {
    let Ok(after) = render::seed_files(diff.plan, instance) else { return Vec::new() };
    let before =
        made_from(diff, instance).and_then(|(prior, old)| render::seed_files(prior, old).ok());
    let files = [
        ("user-data", before.as_ref().map(|seed| &seed.user_data), after.user_data),
        ("network-config", before.as_ref().map(|seed| &seed.network_config), after.network_config),
    ];
    let name = |file: &str| format!("{file} of {}", instance.name);
    let changes = files.into_iter().filter_map(|(file, before, after)| {
        change(diff, instance, name(file), before.cloned(), after)
    });
    changes.collect()
}

fn configuration(diff: &DiffContext<'_>, instance: &Instance) -> Vec<TextChange> {
    let old = made_from(diff, instance).and_then(|(prior, old)| rendered(prior, old));
    let after = rendered(diff.plan, instance).unwrap_or_default();
    let changes = after.into_iter().filter_map(|file| {
        let known = old.iter().flatten().find(|known| known.path == file.path);
        let before = read(diff, instance, &file.path).or_else(|| Some(known?.text.clone()));
        change(diff, instance, format!("{} of {}", file.path, instance.name), before, file.text)
    });
    changes.collect()
}

/// Returns the files that hold no secret.
fn rendered(plan: &Plan, instance: &Instance) -> Option<Vec<GuestFile>> {
    let service = plan.service_of(instance)?;
    let setup = recipe::of(service.engine).setup?;
    (setup.plain)(service, instance).ok()
}

/// Reads a file in the guest; only guests that are ready are asked.
fn read(diff: &DiffContext<'_>, instance: &Instance, path: &str) -> Option<String> {
    let is_ready = diff.world.guests.get(&instance.name).is_some_and(|guest| guest.ready);
    let context = diff.context.filter(|_| is_ready)?;
    context.guest(&instance.name).ok()?.read_file(path).ok()?
}

/// Makes a change, unless nothing changes.
fn change(
    diff: &DiffContext<'_>,
    instance: &Instance,
    name: String,
    before: Option<String>,
    after: String,
) -> Option<TextChange> {
    if before.as_ref() == Some(&after) {
        return None;
    }
    let host = instance.host.clone();
    let service = diff.plan.service_of(instance);
    let setup = service.and_then(|service| recipe::of(service.engine).setup);
    let mask: Mask = setup.map_or(|_, _| None, |setup| setup.mask);
    let (old, new) = (before.map(|text| redact(&text, mask)), redact(&after, mask));
    let secret = old.as_ref().is_some_and(|old| old.secrets != new.secrets);
    let before = old.map(|old| old.text);
    Some(TextChange { host, name, before, after: new.text, secret })
}

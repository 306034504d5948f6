//! Everything that would keep a deploy from ending well, on all hosts, found
//! before anything is touched and reported at once.

mod foreign;
mod inventory;
mod obstacle;
mod space;
mod twice;

pub use self::obstacle::{Obstacle, ObstacleKind};

use std::collections::BTreeSet;

use super::images;
use super::{Allowed, ImageStore};
use crate::graph::{Action, Actions, ImagePart, Impact, Vertex};
use crate::ids::{HostName, ServiceName};
use crate::plan::Plan;
use crate::state::world::{HostView, Seen, World, is_ours};
use crate::topology::Host;

/// A host of the plan with what was seen on it.
struct Visit<'a> {
    plan: &'a Plan,
    host: &'a Host,
    view: &'a HostView,
    actions: &'a Actions,
}

impl Visit<'_> {
    fn obstacle(&self, kind: ObstacleKind) -> Obstacle {
        Obstacle { host: Some(self.host.name.clone()), kind }
    }
}

/// Finds all obstacles, host by host in the plan's order, then those of the
/// image's files here. An empty list means: go.
#[must_use]
pub fn preflight(
    plan: &Plan,
    world: &World,
    actions: &Actions,
    images: &dyn ImageStore,
) -> Vec<Obstacle> {
    let mut obstacles = Vec::new();
    // A cluster is founded by all of its instances.
    let is_first = !world
        .hosts
        .keys()
        .filter_map(|host| world.view(host))
        .any(|view| view.domains.iter().any(|domain| is_ours(domain, &plan.name)));
    for host in &plan.topology.hosts {
        let _span = tracing::info_span!("preflight", host = %host.name).entered();
        match world.hosts.get(&host.name) {
            Some(Seen::Reached(view)) => {
                let visit = Visit { plan, host, view, actions };
                if plan.on_host(&host.name).next().is_some() {
                    inventory::compare(&visit, &mut obstacles);
                    space::measure(&visit, images, &mut obstacles);
                }
                foreign::find(&visit, &mut obstacles);
            }
            Some(Seen::Unreachable(error))
                if is_first && plan.on_host(&host.name).next().is_some() =>
            {
                let kind = ObstacleKind::Unreachable { message: error.message.clone() };
                obstacles.push(Obstacle { host: Some(host.name.clone()), kind });
            }
            // The others go on without it, or the plan needs nothing of it.
            Some(Seen::Unreachable(_)) | None => {}
        }
    }
    twice::find(plan, world, &mut obstacles);
    check_images(plan, actions, images, &mut obstacles);
    check_content(plan, actions, images, &mut obstacles);
    obstacles
}

/// Finds what the steps stop or lose and the operator has not allowed.
#[must_use]
pub fn refused_impacts(actions: &Actions, allowed: &Allowed) -> Vec<Obstacle> {
    let refused = actions.impacts().iter().filter(|impact| !allowed.covers(impact));
    let obstacle =
        |impact: &Impact| Obstacle { host: None, kind: ObstacleKind::Impact(impact.clone()) };
    refused.map(obstacle).collect()
}

/// Reads the files that are to be uploaded; others need not even be here.
fn check_images(
    plan: &Plan,
    actions: &Actions,
    store: &dyn ImageStore,
    obstacles: &mut Vec<Obstacle>,
) {
    let Some(image) = &plan.image else { return };
    for part in ImagePart::ALL {
        let Some(file) = part.file(image) else { continue };
        let wanted = uploads(actions).any(|(_, _, one)| one == part);
        if !wanted {
            continue;
        }
        if let Err(error) = images::check(store, file) {
            let kind = ObstacleKind::Image { message: error.to_string() };
            obstacles.push(Obstacle { host: None, kind });
        }
    }
}

/// Reads what pools are to serve whose members are configured; for others it need not even be
/// here.
fn check_content(
    plan: &Plan,
    actions: &Actions,
    store: &dyn ImageStore,
    obstacles: &mut Vec<Obstacle>,
) {
    let configured = actions.steps().filter_map(|(vertex, step)| match vertex {
        Vertex::Configured(name) if step.action != Action::NoOp => plan.instance(name),
        _ => None,
    });
    let services: BTreeSet<&ServiceName> = configured.map(|one| &one.service).collect();
    for service in plan.services.iter().filter(|one| services.contains(&one.name)) {
        let Some(serve) = &service.serve else { continue };
        if let Err(message) = images::content_of(store, serve) {
            let kind = ObstacleKind::Content { service: service.name.clone(), message };
            obstacles.push(Obstacle { host: None, kind });
        }
    }
}

/// Returns the uploads that are about to happen.
fn uploads(actions: &Actions) -> impl Iterator<Item = (&HostName, &str, ImagePart)> {
    actions.steps().filter_map(|(vertex, step)| match vertex {
        Vertex::ImageFile { host, pool, part }
            if matches!(step.action, Action::Create | Action::Replace) =>
        {
            Some((host, pool.as_str(), *part))
        }
        _ => None,
    })
}

//! Everything that would keep a deploy from ending well, on all hosts, found
//! before anything is touched and told at once.

mod foreign;
mod inventory;
mod problem;
mod space;

pub use self::problem::{Obstacle, Problem};

use super::ImageStore;
use super::images;
use crate::graph::{Action, Actions, ImagePart, Vertex};
use crate::ids::HostName;
use crate::plan::Plan;
use crate::state::world::{HostView, Seen, World};
use crate::topology::Host;

/// A host of the plan with what was seen on it.
struct Visit<'a> {
    plan: &'a Plan,
    host: &'a Host,
    view: &'a HostView,
    actions: &'a Actions,
}

impl Visit<'_> {
    fn problem(&self, obstacle: Obstacle) -> Problem {
        Problem { host: Some(self.host.name.clone()), obstacle }
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
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for host in &plan.topology.hosts {
        match world.hosts.get(&host.name) {
            Some(Seen::Reached(view)) => {
                let visit = Visit { plan, host, view, actions };
                if plan.on_host(&host.name).next().is_some() {
                    inventory::compare(&visit, &mut problems);
                    space::measure(&visit, images, &mut problems);
                }
                foreign::find(&visit, &mut problems);
            }
            Some(Seen::Unreachable(error)) if plan.on_host(&host.name).next().is_some() => {
                let obstacle = Obstacle::Unreachable { message: error.message.clone() };
                problems.push(Problem { host: Some(host.name.clone()), obstacle });
            }
            // The plan needs nothing of it.
            Some(Seen::Unreachable(_)) | None => {}
        }
    }
    check_images(plan, actions, images, &mut problems);
    problems
}

/// Reads the files that are to be uploaded; others need not even be here.
fn check_images(
    plan: &Plan,
    actions: &Actions,
    store: &dyn ImageStore,
    problems: &mut Vec<Problem>,
) {
    let Some(image) = &plan.image else { return };
    for part in ImagePart::ALL {
        let Some(file) = part.file(image) else { continue };
        let wanted = uploads(actions).any(|(_, _, one)| one == part);
        if !wanted {
            continue;
        }
        if let Err(error) = images::check(store, file) {
            let obstacle = Obstacle::Image { message: error.to_string() };
            problems.push(Problem { host: None, obstacle });
        }
    }
}

/// The uploads that are about to happen.
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

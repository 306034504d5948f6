//! Room for what is about to be made: pools and huge pages.

use std::collections::BTreeMap;

use super::{Obstacle, ObstacleKind, Visit, uploads};
use crate::deploy::ImageStore;
use crate::graph::{Action, Reason, Step, Vertex, owned_domain};
use crate::units::Mebibytes;

pub(super) fn measure(visit: &Visit<'_>, images: &dyn ImageStore, obstacles: &mut Vec<Obstacle>) {
    pools(visit, images, obstacles);
    pages(visit, obstacles);
}

fn pools(visit: &Visit<'_>, images: &dyn ImageStore, obstacles: &mut Vec<Obstacle>) {
    let mut needed: BTreeMap<&str, u64> = BTreeMap::new();
    for instance in visit.plan.on_host(&visit.host.name) {
        let name = &instance.name;
        let volumes = [
            instance.root.as_ref().map(|root| (Vertex::Root(name.clone()), root)),
            instance.data.as_ref().map(|data| (Vertex::Data(name.clone()), data)),
            instance.seed.as_ref().map(|seed| (Vertex::Seed(name.clone()), seed)),
        ];
        for (vertex, volume) in volumes.into_iter().flatten() {
            let bytes = match visit.actions.step(&vertex) {
                Some(Step { action: Action::Create, .. }) => volume.size_mib.bytes(),
                Some(Step { reason: Reason::Grows { from, to }, .. }) => {
                    to.saturating_sub(*from).bytes()
                }
                _ => 0,
            };
            let sum = needed.entry(&volume.pool).or_default();
            *sum = sum.saturating_add(bytes);
        }
    }
    for (_, pool, part) in uploads(visit.actions).filter(|(host, ..)| **host == visit.host.name) {
        let file = visit.plan.image.as_ref().and_then(|image| part.file(image));
        // A file that cannot be opened is reported elsewhere.
        let length = file.and_then(|file| images.open(file).ok()).map_or(0, |(_, length)| length);
        let sum = needed.entry(pool).or_default();
        *sum = sum.saturating_add(length);
    }
    for (pool, needed) in needed {
        match visit.view.report.pools.iter().find(|seen| seen.name == pool) {
            None => obstacles.push(visit.obstacle(ObstacleKind::Pool { pool: pool.to_owned() })),
            Some(seen) if seen.available < needed => {
                obstacles.push(visit.obstacle(ObstacleKind::Space {
                    pool: pool.to_owned(),
                    needed: Mebibytes::new(needed.div_ceil(1 << 20)),
                    available: Mebibytes::new(seen.available >> 20),
                }));
            }
            Some(_) => {}
        }
    }
}

/// Pages for domains that do not run yet; those that run hold theirs.
fn pages(visit: &Visit<'_>, obstacles: &mut Vec<Obstacle>) {
    let mut needed: BTreeMap<(u32, u64), u64> = BTreeMap::new();
    for instance in visit.plan.on_host(&visit.host.name).filter(|one| one.page_kib > 4) {
        let runs = owned_domain(visit.plan, visit.view, instance).is_some_and(|one| one.active);
        if !runs {
            let pages = instance.memory_mib.kib().div_ceil(instance.page_kib);
            *needed.entry((instance.numa, instance.page_kib)).or_default() += pages;
        }
    }
    for ((numa, page_kib), needed) in needed {
        let node = visit.view.report.numa.iter().find(|node| node.id == numa);
        let pool = node.and_then(|node| node.free_pages.iter().find(|(size, _)| *size == page_kib));
        let free = pool.map_or(0, |(_, free)| *free);
        // Pages that are not there at all are reported as a difference.
        let count = |(size, count): &(u64, u64)| (*size == page_kib).then_some(*count);
        let all = node.and_then(|node| node.pages.iter().find_map(count)).unwrap_or(0);
        if free < needed && needed <= all {
            obstacles.push(visit.obstacle(ObstacleKind::Pages { numa, page_kib, needed, free }));
        }
    }
}

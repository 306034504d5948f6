//! Fixed machines that run on two hosts: their disks differ by now, and nobody but the
//! operator can say which is the right one.

use super::{Obstacle, ObstacleKind};
use crate::graph::owned_domain;
use crate::hypervisor::DomainState;
use crate::ids::HostName;
use crate::plan::{Plan, Role};
use crate::state::world::World;

pub(super) fn find(plan: &Plan, world: &World, obstacles: &mut Vec<Obstacle>) {
    for instance in plan.instances.iter().filter(|one| one.role == Role::Fixed) {
        let runs = |host: &&HostName| {
            let view = world.view(host);
            let domain = view.and_then(|view| owned_domain(plan, view, instance));
            domain.is_some_and(|domain| domain.state == DomainState::Running)
        };
        let hosts: Vec<&str> = world.hosts.keys().filter(runs).map(HostName::as_str).collect();
        if hosts.len() > 1 {
            let (instance, hosts) = (instance.name.clone(), hosts.join(" and "));
            let kind = ObstacleKind::RunsTwice { instance, hosts };
            obstacles.push(Obstacle { host: None, kind });
        }
    }
}

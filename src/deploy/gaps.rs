//! What a plan lacks to be deployed at all, found without any host and reported at
//! once: a plan may be made of hosts and services that cannot be deployed yet.

use std::collections::BTreeSet;

use super::{Obstacle, ObstacleKind, StepError};
use crate::engine::operator_of;
use crate::plan::{Instance, Plan, Role};
use crate::recipe;
use crate::render::{self, DiskPaths};
use crate::units::first_few;

/// Names that a gap lists before it only counts.
const SHOWN: usize = 3;

/// Something that a plan lacks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Gap {
    /// What, and of which services, hosts or instances.
    pub what: String,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Returns everything that a plan lacks; an empty list means that it can be deployed.
#[must_use]
pub fn gaps(plan: &Plan) -> Vec<Obstacle> {
    let obstacle = |gap| Obstacle { host: None, kind: ObstacleKind::Gap(gap) };
    of_plan(plan).into_iter().map(obstacle).collect()
}

fn of_plan(plan: &Plan) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let mut add = |what: String, remedy| gaps.push(Gap { what, remedy });
    if plan.image.is_none() {
        let what = "the plan names no image, so its instances have nothing to boot from";
        add(what.to_owned(), "add `image:` to the spec and plan again");
    }
    if plan.network.is_none() {
        let what = "the plan has no network, so its instances have no bridge and no address";
        add(what.to_owned(), "add `network:` to the spec and plan again");
    }
    for service in &plan.services {
        if let Err(error) = operator_of(service) {
            add(error.to_string(), "take the service out of the spec, or deploy it by other means");
        }
    }
    for (what, names, remedy) in missing(plan) {
        add(format!("no {what} for {}", first_few(&names, SHOWN)), remedy);
    }
    // What only shows when everything else is there.
    if gaps.is_empty() {
        gaps = unrenderable(plan);
    }
    gaps
}

type Missing = (&'static str, Vec<String>, &'static str);

/// Values that hosts and instances lack, with who lacks them.
fn missing(plan: &Plan) -> Vec<Missing> {
    let hosts = plan
        .topology
        .hosts
        .iter()
        .filter(|host| host.uri.is_none() && plan.on_host(&host.name).next().is_some());
    let hosts = hosts.map(|host| host.name.to_string()).collect();
    let lacking = |lacks: &dyn Fn(&Instance) -> bool| -> Vec<String> {
        plan.instances.iter().filter(|one| lacks(one)).map(|one| one.name.to_string()).collect()
    };
    let pool = "give their hosts a pool (`pools:` in the host's file) and plan again";
    let has_service = |one: &Instance| one.role != Role::Fixed;
    let address =
        lacking(&|one| has_service(one) && one.address.is_none() && plan.network.is_some());
    let all: [Missing; 5] = [
        ("libvirt URI", hosts, "add `uri:` to the host's file and plan again"),
        ("root volume", lacking(&|one| one.root.is_none()), pool),
        ("seed volume", lacking(&|one| one.seed.is_none()), pool),
        ("address", address, "widen `network: addresses:` in the spec and plan again"),
        ("CPU", lacking(&|one| one.cpus.is_empty()), "plan again: such a plan is a mistake"),
    ];
    all.into_iter().filter(|(_, names, _)| !names.is_empty()).collect()
}

/// Returns instances whose files cannot be made, by the reason.
fn unrenderable(plan: &Plan) -> Vec<Gap> {
    let anywhere = |path: &str| Some(path.to_owned());
    let paths = DiskPaths { kernel: anywhere("kernel"), initrd: anywhere("initrd") };
    let render = |instance: &Instance| -> Result<(), StepError> {
        render::domain_xml(plan, instance, &paths)?;
        render::seed_files(plan, instance)?;
        let Some(service) = plan.service_of(instance) else { return Ok(()) };
        let Some(setup) = recipe::of(service.engine).setup else { return Ok(()) };
        (setup.plain)(service, instance)?;
        Ok(())
    };
    let failures = plan.instances.iter().filter_map(|instance| render(instance).err());
    let reasons: BTreeSet<String> = failures.map(|error| error.to_string()).collect();
    let gap = |what| Gap { what, remedy: "correct the spec and plan again" };
    reasons.into_iter().map(gap).collect()
}

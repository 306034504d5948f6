//! The loss of each failure domain, replayed for fixed machines: nobody takes over from
//! them, so each one there is lost, and how it comes back depends on where its disks are.

use std::collections::BTreeMap;

use serde::Serialize;

use super::loss::domains;
use crate::ids::InstanceName;
use crate::plan::{Instance, Plan, RestartPlace, Role};
use crate::topology::{Host, Level};

/// The fixed machines that go with one failure domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MachineLoss {
    /// The kind of failure domain that is lost.
    pub level: Level,
    /// Its name.
    pub domain: String,
    /// The machines, in the order of the plan.
    pub machines: Vec<LostMachine>,
}

/// A fixed machine that is lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LostMachine {
    /// The machine.
    pub name: InstanceName,
    /// What brings it back before its failure domain is back.
    pub recovery: Recovery,
    /// Where room is kept for it; `None` where none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<RestartPlace>,
}

/// What a person can do for a machine whose host is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// Start it elsewhere: its disks are in shared pools, or are not planned.
    Start,
    /// Restore it elsewhere from a backup: its disks are on its host.
    Restore,
}

/// Replays the loss of each failure domain of `level` that holds fixed machines, in the
/// order of their names.
#[must_use]
pub fn machine_losses(plan: &Plan, level: Level) -> Vec<MachineLoss> {
    let domains = domains(plan, level);
    let mut lost: BTreeMap<&String, Vec<LostMachine>> = BTreeMap::new();
    for machine in plan.instances.iter().filter(|one| one.role == Role::Fixed) {
        let Some(domain) = domains.get(&machine.host) else { continue };
        let recovery = recovery(plan, machine, (level, domain));
        let (name, place) = (machine.name.clone(), machine.restart.clone());
        lost.entry(domain).or_default().push(LostMachine { name, recovery, place });
    }
    let loss =
        |(domain, machines): (&String, _)| MachineLoss { level, domain: domain.clone(), machines };
    lost.into_iter().map(loss).collect()
}

fn recovery(plan: &Plan, machine: &Instance, (level, domain): (Level, &str)) -> Recovery {
    let host = plan.topology.host(&machine.host);
    let others = || plan.topology.hosts.iter().filter(|one| one.failure_domain(level) != domain);
    let is_shared = |host: &Host, pool: &str| host.pool(pool).is_some_and(|one| one.shared);
    let disks = || machine.root.iter().chain(&machine.data);
    let has_all = |host: &Host| disks().all(|volume| is_shared(host, &volume.pool));
    let is_there = disks().next().is_none() || host.is_some_and(has_all) && others().any(has_all);
    if is_there { Recovery::Start } else { Recovery::Restore }
}

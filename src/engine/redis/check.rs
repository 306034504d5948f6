//! Whether the running cluster is the planned one: membership, roles, slots,
//! replication, configuration.

use super::differences::differences;
use super::observe::observe;
use super::picture::Picture;
use super::settings;
use super::target::{Seat, Target};
use crate::engine::{Difference, Fact, Guests};
use crate::plan::Plan;

/// All differences between plan and world, in the order of the plan.
pub(super) fn check(guests: &dyn Guests, target: &Target, plan: &Plan) -> Vec<Difference> {
    let observed = observe(guests, target);
    let mut found = differences(&Picture::new(target, &observed));
    found.extend(shared_hosts(target, plan));
    found.extend(settings::differences(target, &observed.settings));
    let access = observed.access.into_iter().flat_map(|(instance, all)| {
        all.into_iter().map(move |(fact, found)| {
            let planned = "as the deployment keeps it".to_owned();
            Difference { instance: instance.clone(), fact, planned, found }
        })
    });
    found.extend(access);
    found
}

/// Copies of a group that stand on the same host.
fn shared_hosts(target: &Target, plan: &Plan) -> Vec<Difference> {
    let host = |seat: &Seat| plan.instance(&seat.name).map(|instance| &instance.host);
    let pairs = target.masters().flat_map(|master| {
        let replicas = target.group(master.group).filter(|seat| !seat.master);
        replicas.map(move |replica| (master, replica))
    });
    pairs
        .filter(|(master, replica)| host(master) == host(replica))
        .map(|(master, replica)| Difference {
            instance: replica.name.clone(),
            fact: Fact::SharedHost,
            planned: format!("another than {}'s", master.name),
            found: host(replica).map(ToString::to_string).unwrap_or_default(),
        })
        .collect()
}

//! Fixed machines and what they are beside: on no host with an instance of what they are to be
//! apart from, on hosts only with one of each that they are to be near; the same after the loss
//! of a failure domain, once machines are restarted.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, Kind};
use crate::ids::{HostName, ServiceName};
use crate::plan::{Instance, Plan};

/// The services and entries that each host has instances of.
type Present<'a> = BTreeMap<&'a HostName, BTreeSet<&'a ServiceName>>;

pub(super) fn check(plan: &Plan, findings: &mut Findings) {
    if !is_asked(plan) {
        return;
    }
    let present = present(plan.instances.iter().map(|one| (one, &one.host)));
    for machine in &plan.instances {
        for (is_apart, other) in broken(plan, machine, &machine.host, &present) {
            let (kind, message) = match is_apart {
                true => (Kind::FixedApart, format!("is on {} with {other}", machine.host)),
                false => (Kind::FixedNear, format!("is on {} without {other}", machine.host)),
            };
            findings.add(kind, &machine.name, message);
        }
    }
}

/// Checks the hosts that are left after the loss of those of a failure domain; `lost` is how
/// that is called.
pub(super) fn after_loss<'a>(
    plan: &'a Plan,
    is_lost: impl Fn(&HostName) -> bool,
    lost: &str,
    findings: &mut Findings,
) {
    if !is_asked(plan) {
        return;
    }
    let then = |one: &'a Instance| {
        let place = one.restart.as_ref().map(|place| &place.host);
        Some((one, if is_lost(&one.host) { place? } else { &one.host }))
    };
    let all: Vec<(&Instance, &HostName)> = plan.instances.iter().filter_map(then).collect();
    let present = present(all.iter().copied());
    let come: BTreeSet<&HostName> =
        all.iter().filter(|(one, host)| one.host != **host).map(|(_, host)| *host).collect();
    for (machine, host) in all.iter().filter(|(_, host)| come.contains(host)) {
        for (is_apart, other) in broken(plan, machine, host, &present) {
            let with = if is_apart { "with" } else { "without" };
            let message = format!("is on {host} {with} {other} after the loss of {lost}");
            findings.add(Kind::Restart, &machine.name, message);
        }
    }
}

fn is_asked(plan: &Plan) -> bool {
    plan.vms.iter().any(|vm| !vm.apart.is_empty() || !vm.near.is_empty())
}

fn present<'a>(all: impl Iterator<Item = (&'a Instance, &'a HostName)>) -> Present<'a> {
    let mut found = Present::new();
    for (one, host) in all {
        found.entry(host).or_default().insert(&one.service);
    }
    found
}

/// Returns what a machine is to be apart from and is there (true), or to be near and is not.
fn broken<'a>(
    plan: &'a Plan,
    machine: &'a Instance,
    host: &HostName,
    present: &'a Present<'a>,
) -> impl Iterator<Item = (bool, &'a ServiceName)> {
    let own = plan.vms.iter().find(|vm| vm.name == machine.service);
    let here = present.get(host);
    let is_here = move |name: &&ServiceName| here.is_some_and(|here| here.contains(*name));
    let apart = own.into_iter().flat_map(|vm| &vm.apart).filter(is_here);
    let near = own.into_iter().flat_map(|vm| &vm.near).filter(move |name| !is_here(name));
    apart.map(|name| (true, name)).chain(near.map(|name| (false, name)))
}

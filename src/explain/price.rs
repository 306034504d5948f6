//! What each rule costs: the plan is made again without it.

use serde::Serialize;

use super::{Totals, spec_of};
use crate::plan::Plan;
use crate::planner::make;
use crate::profile::Profiles;
use crate::solve::Limits;
use crate::spec::{Policy, Quorum, Spec};
use crate::topology::Level;
use crate::units::Mebibytes;

/// What a plan would be without one rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Price {
    /// The rule, as the spec has it: `policy.survive: host`.
    pub rule: String,
    /// Totals with all rules.
    pub with: Totals,
    /// Totals without this one; `None` if the solver gave no answer.
    pub without: Option<Totals>,
}

/// Returns the price of every rule of a plan that a spec can leave out.
#[must_use]
pub fn prices(plan: &Plan, profiles: &Profiles, limits: &Limits) -> Vec<Price> {
    let spec = spec_of(plan);
    let with = Totals::of(plan);
    let price = |(rule, spec): (String, Spec)| {
        let without = match make(&spec, profiles, limits) {
            Ok((plan, _)) => Some(Totals::of(&plan)),
            Err(_) => None,
        };
        Price { rule, with, without }
    };
    relaxed(&spec).into_iter().map(price).collect()
}

/// Returns the spec without one rule at a time.
fn relaxed(spec: &Spec) -> Vec<(String, Spec)> {
    let mut found = Vec::new();
    for survive in &spec.policy.survive {
        let level = survive.level;
        let mut without = spec.clone();
        without.policy.survive.retain(|one| one.level != level);
        found.push((format!("policy.survive: {level}"), without));
        if survive.quorum == Quorum::Automatic && !spec.services.is_empty() {
            found.push((
                format!("policy.survive: {level}, quorum: automatic"),
                with_policy(spec, level),
            ));
        }
    }
    for (at, vm) in spec.vms.iter().enumerate() {
        if let Some(spread) = vm.spread {
            let mut without = spec.clone();
            if let Some(vm) = without.vms.get_mut(at) {
                vm.spread = None;
            }
            found.push((format!("spread: {spread} of {}", vm.name), without));
        }
        if vm.has_host_rules() {
            let mut without = spec.clone();
            if let Some(vm) = without.vms.get_mut(at) {
                (vm.on, vm.not_on) = (Vec::new(), Vec::new());
            }
            found.push((format!("hosts of {}", vm.name), without));
        }
        for (rule, names) in [("apart", &vm.apart), ("near", &vm.near)] {
            let mut without = spec.clone();
            if let Some(vm) = without.vms.get_mut(at).filter(|_| !names.is_empty()) {
                let own = if rule == "apart" { &mut vm.apart } else { &mut vm.near };
                own.clear();
                found.push((format!("{rule} of {}", vm.name), without));
            }
        }
        if vm.restart {
            let mut without = spec.clone();
            if let Some(vm) = without.vms.get_mut(at) {
                vm.restart = false;
            }
            found.push((format!("restart of {}", vm.name), without));
        }
    }
    let reserves = spec
        .topology
        .hosts
        .iter()
        .flat_map(|host| &host.numa)
        .any(|node| node.reserved_cores > 0 || node.reserved_memory_mib > Mebibytes::ZERO);
    if reserves {
        found.push(("reserve of the hosts".to_owned(), without_reserve(spec)));
    }
    found
}

fn with_policy(spec: &Spec, level: Level) -> Spec {
    let mut without = spec.clone();
    let mut policy: Policy = spec.policy.clone();
    for survive in policy.survive.iter_mut().filter(|one| one.level == level) {
        survive.quorum = Quorum::Manual;
    }
    without.policy = policy;
    without
}

fn without_reserve(spec: &Spec) -> Spec {
    let mut without = spec.clone();
    for node in without.topology.hosts.iter_mut().flat_map(|host| &mut host.numa) {
        node.reserved_cores = 0;
        node.reserved_memory_mib = Mebibytes::ZERO;
    }
    without
}

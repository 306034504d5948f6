//! Settings: exactly those of the engine's recipe, no more, no fewer, no other values.

use std::collections::BTreeSet;

use crate::audit::{Findings, Kind};
use crate::plan::Plan;
use crate::profile::Profiles;
use crate::recipe;

pub(super) fn check(plan: &Plan, profiles: &Profiles, findings: &mut Findings) {
    for instance in &plan.instances {
        let expected = recipe::settings(plan, instance, profiles);
        let found = &instance.settings;
        let names: BTreeSet<&String> = found.keys().chain(expected.keys()).collect();
        for name in names {
            let message = match (found.get(name), expected.get(name)) {
                (found, expected) if found == expected => continue,
                (Some(found), Some(expected)) => {
                    format!("{name} is {found}; expected {expected}")
                }
                (None, Some(expected)) => format!("{name} is missing; expected {expected}"),
                (_, None) => format!("{name:?} is no setting of such an instance"),
            };
            findings.add(Kind::Configuration, &instance.name, message);
        }
    }
}

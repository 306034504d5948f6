//! All totals would do, but not as hosts and NUMA nodes divide them: the same
//! program with one family of rules made elastic at a time (one slack per place);
//! the first family that alone makes a plan possible is what falls short. If none
//! does alone, all are made elastic, and the least excess of each is found in the
//! order of [`FAMILIES`].

use super::super::highs::{MipLimits, MipOutcome, minimise};
use super::super::{Deadline, Limits};
use super::{Resource, Shortage, Why};
use crate::model::{Elastic, Model, Problem, Slack, Sum, Var, bound_row};

/// Families of rules, in the order in which a shortage is looked for.
const FAMILIES: [(Elastic, Resource); 6] = [
    (Elastic { cores: true, ..NONE }, Resource::Cores),
    (Elastic { memory: true, ..NONE }, Resource::Memory),
    (Elastic { addresses: true, ..NONE }, Resource::Addresses),
    (Elastic { disk: true, ..NONE }, Resource::Disk),
    (Elastic { iops: true, ..NONE }, Resource::Iops),
    (Elastic { bandwidth: true, ..NONE }, Resource::Bandwidth),
];

const NONE: Elastic = Elastic {
    cores: false,
    memory: false,
    disk: false,
    iops: false,
    bandwidth: false,
    addresses: false,
    restarts: false,
};

const ALL: Elastic = Elastic {
    cores: true,
    memory: true,
    disk: true,
    iops: true,
    bandwidth: true,
    addresses: true,
    restarts: false,
};

/// Returns what falls short; `None` if the solver has no answer in time.
pub(super) fn short(problem: &Problem, limits: &Limits) -> Option<Vec<Shortage>> {
    let deadline = Deadline::new(limits);
    for elastic in FAMILIES.map(|(family, _)| family).into_iter().chain([ALL]) {
        let found = least(problem, elastic, &deadline)?;
        if !found.is_empty() {
            return Some(found);
        }
    }
    Some(Vec::new())
}

/// Returns the least excess under which the whole demand has a plan, if there is one.
fn least(problem: &Problem, elastic: Elastic, deadline: &Deadline) -> Option<Vec<Shortage>> {
    let mut model = Model::new(problem, elastic);
    for layouts in &model.variables.layouts {
        model.program.equal(layouts.iter().map(|var| (1, *var)).collect(), 1);
    }
    let mut found = Vec::new();
    for (family, resource) in FAMILIES {
        let of_family = |(short, _): &&(Slack, Var)| belongs(short, family);
        let slacks = model.variables.slacks.iter().filter(of_family);
        let sum: Sum = slacks.map(|(_, var)| (1, *var)).collect();
        if sum.is_empty() {
            continue;
        }
        let effort = MipLimits::new(deadline.left(), None);
        match minimise(&model.program, &sum, &effort, None) {
            Ok(MipOutcome::Feasible { values, .. }) => {
                let value = sum.value(&values);
                model.program.rows.push(bound_row(sum, value));
                let by = u64::try_from(value).ok().filter(|by| *by > 0);
                found.extend(by.map(|by| shortage(resource, by)));
            }
            Ok(MipOutcome::Infeasible) => return Some(Vec::new()),
            Ok(MipOutcome::Unknown) | Err(_) => return None,
        }
    }
    Some(found)
}

const fn belongs(short: &Slack, family: Elastic) -> bool {
    match short {
        Slack::Cores(_) => family.cores,
        Slack::Memory(_) => family.memory,
        Slack::Disk(..) => family.disk,
        Slack::Iops(..) => family.iops,
        Slack::Bandwidth(_) => family.bandwidth,
        Slack::Addresses => family.addresses,
        Slack::Restart(..) => family.restarts,
    }
}

/// That much more of a resource would do, where an instance can still be placed.
const fn shortage(resource: Resource, by: u64) -> Shortage {
    Shortage { resource, needed: by, available: 0, why: Why::Fragmentation }
}

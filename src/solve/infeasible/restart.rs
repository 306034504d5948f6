//! Machines for which no room is left to restart them: a plan with them would be possible
//! if they need not be restarted, and this many lack room at the least.

use std::collections::BTreeMap;

use super::super::highs::{MipLimits, MipOutcome, minimise};
use super::super::{Deadline, Limits};
use super::{Resource, Shortage, Why};
use crate::model::{Elastic, Model, Problem, Slack, Sum, Var};

/// Returns the machines without room by failure domain, where that alone makes a plan
/// impossible; `None` if the solver has no answer in time, or something else is short.
pub(super) fn short(problem: &Problem, limits: &Limits) -> Option<Vec<Shortage>> {
    if !problem.restarts() {
        return None;
    }
    let deadline = Deadline::new(limits);
    let mut model = Model::new(problem, Elastic { restarts: true, ..Elastic::default() });
    for layouts in &model.variables.layouts {
        model.program.equal(layouts.iter().map(|var| (1, *var)).collect(), 1);
    }
    let sum: Sum = model.variables.slacks.iter().map(|(_, var)| (1, *var)).collect();
    let effort = MipLimits::new(deadline.left(), None);
    let Ok(MipOutcome::Feasible { values, .. }) = minimise(&model.program, &sum, &effort, None)
    else {
        return None;
    };
    let value = |var: Var| values.get(var.index()).copied().and_then(|one| u64::try_from(one).ok());
    let level = problem.restart_level();
    let domains = problem.domains(level);
    let mut counts: BTreeMap<(usize, usize), u64> = BTreeMap::new();
    for (slack, var) in &model.variables.slacks {
        if let Slack::Restart(domain, part) = slack {
            *counts.entry((*part, *domain)).or_default() += value(*var).unwrap_or(0);
        }
    }
    let mut found: Vec<Shortage> = Vec::new();
    for ((part, domain), missing) in counts.into_iter().filter(|(_, missing)| *missing > 0) {
        let (Some((name, hosts)), Some(entry)) = (domains.get(domain), problem.parts.get(part))
        else {
            continue;
        };
        let lost = model.variables.on(part, hosts, false).value(&values);
        let needed = u64::try_from(lost).unwrap_or(0);
        let available = needed.saturating_sub(missing);
        let is_like = |other: &&mut Shortage| {
            let same = matches!(&other.why, Why::Restart { service, .. } if *service == entry.name);
            same && (other.needed, other.available) == (needed, available)
        };
        if let Some(Shortage { why: Why::Restart { domains, .. }, .. }) =
            found.iter_mut().find(is_like)
        {
            domains.push(name.clone());
            continue;
        }
        let (service, domains) = (entry.name.clone(), vec![name.clone()]);
        let why = Why::Restart { service, level, domains };
        found.push(Shortage { resource: Resource::Machines, needed, available, why });
    }
    Some(found)
}

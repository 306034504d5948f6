//! Solutions as values of the variables of the program per host, and back.

use std::collections::BTreeMap;

use super::tiers::{Placed, Solution, TierResult};
use crate::model::{InstanceCount, Model, Var, Variables};

/// Returns the values of a solution in the program per host.
pub(super) fn assignment(model: &Model, solution: &Solution) -> Vec<i64> {
    let mut values = vec![0; model.program.variables.len()];
    let mut set = |var: Var, value: u64| {
        if let Some(place) = values.get_mut(var.index()) {
            *place = i64::try_from(value).unwrap_or(i64::MAX);
        }
    };
    for (layouts, chosen) in model.variables.layouts.iter().zip(&solution.chosen) {
        if let Some(var) = chosen.and_then(|chosen| layouts.get(chosen)) {
            set(*var, 1);
        }
    }
    let counts = |all: &[InstanceCount], placed: &[Placed], set: &mut dyn FnMut(Var, u64)| {
        let key = |c: &InstanceCount| (c.part, c.shape, c.host, c.at);
        let vars: BTreeMap<_, Var> = all.iter().map(|count| (key(count), count.var)).collect();
        for one in placed {
            if let Some(var) = vars.get(&(one.part, one.shape, one.host, one.at)) {
                set(*var, one.count);
            }
        }
    };
    counts(&model.variables.counts, &solution.numa, &mut set);
    counts(&model.variables.pools, &solution.pools, &mut set);
    for placed in &solution.numa {
        if let Some(var) = model.variables.used.get(placed.host) {
            set(*var, 1);
        }
    }
    for (part, domain, count) in &solution.leaders {
        let own = |(p, d, _): &&(usize, usize, Var)| (*p, *d) == (*part, *domain);
        if let Some((_, _, var)) = model.variables.leaders.iter().find(own) {
            set(*var, *count);
        }
    }
    values
}

/// Reads the solution from an assignment.
pub(super) fn read(variables: &Variables, values: &[i64], tiers: Vec<TierResult>) -> Solution {
    let value = |var: Var| natural(values.get(var.index()).copied().unwrap_or(0));
    let placed = |counts: &[InstanceCount]| -> Vec<Placed> {
        let all = counts.iter().map(|c| Placed {
            part: c.part,
            shape: c.shape,
            host: c.host,
            at: c.at,
            count: value(c.var),
        });
        all.filter(|placed| placed.count > 0).collect()
    };
    Solution {
        chosen: variables
            .layouts
            .iter()
            .map(|layouts| layouts.iter().position(|var| value(*var) > 0))
            .collect(),
        numa: placed(&variables.counts),
        pools: placed(&variables.pools),
        leaders: variables.leaders.iter().map(|(p, d, var)| (*p, *d, value(*var))).collect(),
        tiers,
    }
}

/// Converts a value that is never below 0.
pub(super) fn natural(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

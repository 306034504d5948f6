//! Solutions as values of the variables of the program per host, and back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::tiers::{Placed, Restarted, Solution, TierResult};
use crate::model::{InstanceCount, Model, RestartCount, Var, Variables};

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
    for one in &solution.restarts {
        if let Some(var) = model.variables.used.get(one.host) {
            set(*var, 1);
        }
    }
    let hosts: BTreeSet<(usize, usize)> =
        solution.numa.iter().map(|one| (one.part, one.host)).collect();
    let after = |domain: usize, key: (usize, usize)| {
        hosts.contains(&key)
            || solution
                .restarts
                .iter()
                .any(|one| (one.domain, one.part, one.host) == (domain, key.0, key.1))
    };
    for one in &model.variables.present {
        let key = (one.part, one.host);
        if one.domain.map_or_else(|| hosts.contains(&key), |domain| after(domain, key)) {
            set(one.var, 1);
        }
    }
    for (part, domain, count) in &solution.leaders {
        let own = |(p, d, _): &&(usize, usize, Var)| (*p, *d) == (*part, *domain);
        if let Some((_, _, var)) = model.variables.leaders.iter().find(own) {
            set(*var, *count);
        }
    }
    for one in &solution.restarts {
        let Restarted { domain, part, shared, host, numa, pool } = *one;
        let is_like = |other: &&RestartCount| {
            (other.domain, other.part, other.shared, other.host) == (domain, part, shared, host)
        };
        let restarts = model.variables.restarts.iter().filter(is_like);
        let pools = model.variables.restart_pools.iter().filter(is_like);
        let numa = restarts.filter(|one| one.at == numa);
        for one in numa.chain(pools.filter(|one| Some(one.at) == pool)) {
            if let Some(value) = values.get_mut(one.var.index()) {
                *value = value.saturating_add(1);
            }
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
        restarts: restarts(variables, value),
        tiers,
    }
}

/// Returns the machines that are restarted after each loss, one by one.
fn restarts(variables: &Variables, value: impl Fn(Var) -> u64) -> Vec<Restarted> {
    let key = |one: &RestartCount| (one.domain, one.part, one.host);
    let mut pools: BTreeMap<_, VecDeque<usize>> = BTreeMap::new();
    for one in &variables.restart_pools {
        pools.entry(key(one)).or_default().extend((0..value(one.var)).map(|_| one.at));
    }
    let mut found = Vec::new();
    for one in &variables.restarts {
        let RestartCount { domain, part, shared, host, at: numa, var } = *one;
        for _ in 0..value(var) {
            let restored = pools.get_mut(&key(one)).filter(|_| shared.is_none());
            let pool = restored.and_then(VecDeque::pop_front);
            found.push(Restarted { domain, part, shared, host, numa, pool });
        }
    }
    found
}

/// Converts a value that is never below 0.
pub(super) fn natural(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

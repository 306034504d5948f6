//! Fixed machines that are on no host with an instance of another part (`apart`), or on hosts
//! only that have one (`near`). Whether host `h` has any instance of part `p` is one variable
//! per part that such a rule names:
//!
//! ```text
//! b[p,h]  1 if host h has instances of part p
//!
//! Σ_{s, r of h} n[p,s,r] <= most(p,h) · b[p,h]
//! b[p,h] <= Σ_{s, r of h} n[p,s,r]
//! b[p,h] + b[q,h] <= 1           p apart from q
//! b[p,h] <= b[q,h]               p near q
//! ```
//!
//! Which machine of an entry is beside which instance makes no difference to these rules, so
//! counts are enough. After the loss of a failure domain `d` the same holds on the hosts that
//! are left, where machines of `p` that are restarted (`restart.rs`) come to those that are
//! there:
//!
//! ```text
//! b[d,p,h]  the same after the loss; b[p,h] where no machine of p is restarted
//!
//! Σ_{s, r of h} n[p,s,r] + Σ_{o, r of h} r[d,p,o,r] <= most(p) · b[d,p,h]
//! b[d,p,h] <= Σ_{s, r of h} n[p,s,r] + Σ_{o, r of h} r[d,p,o,r]
//! ```

use std::collections::{BTreeMap, BTreeSet};

use super::problem::{FixedRules, Part, PartKind, Problem};
use super::program::{Program, Sum, Var, int};
use super::variables::{Presence, Variables};
use crate::ids::ServiceName;
use crate::sizing::Candidate;
use crate::spec::{FixedVm, Spec};

impl Problem<'_> {
    /// Whether the machines of a part are like those of any other part of their size: fixed
    /// machines without a rule that counts those of their entry.
    #[must_use]
    pub fn is_interchangeable(&self, part: usize) -> bool {
        let kind = self.parts.get(part).map(|part| part.kind);
        matches!(kind, Some(PartKind::Fixed(FixedRules { spread: None, .. })))
            && !self.has_neighbour_rules(part)
    }

    /// Whether a rule on neighbours names a part, on either side.
    #[must_use]
    pub fn has_neighbour_rules(&self, part: usize) -> bool {
        self.apart.iter().chain(&self.near).any(|(one, other)| *one == part || *other == part)
    }

    /// Returns the parts of which no host has an instance beside one of `part`.
    pub fn apart_from(&self, part: usize) -> impl Iterator<Item = usize> {
        self.apart.iter().filter_map(move |(one, other)| match part {
            _ if part == *one => Some(*other),
            _ if part == *other => Some(*one),
            _ => None,
        })
    }

    /// Returns the parts of which each host with an instance of `part` has one.
    pub fn near_to(&self, part: usize) -> impl Iterator<Item = usize> {
        self.near.iter().filter(move |(one, _)| *one == part).map(|(_, other)| *other)
    }

    /// Returns the parts that are to be near `part`.
    pub fn nearby(&self, part: usize) -> impl Iterator<Item = usize> {
        self.near.iter().filter(move |(_, other)| *other == part).map(|(one, _)| *one)
    }

    /// Returns the parts that a rule on neighbours names.
    fn neighbours(&self) -> BTreeSet<usize> {
        self.apart.iter().chain(&self.near).flat_map(|(one, other)| [*one, *other]).collect()
    }
}

/// Returns pairs of an entry of fixed machines and a part that it names.
pub(super) fn pairs(
    spec: &Spec,
    parts: &[Part],
    names: impl Fn(&FixedVm) -> &[ServiceName],
) -> Vec<(usize, usize)> {
    let at = |name: &ServiceName| parts.iter().position(|part| part.name == name.as_str());
    let of = |vm: &FixedVm| {
        let others = names(vm).iter().filter_map(&at);
        others.filter_map(|other| Some((at(&vm.name)?, other))).collect::<Vec<_>>()
    };
    spec.vms.iter().flat_map(of).collect()
}

/// Whether each host has instances of each part that a rule names, by host and part.
type Present = BTreeMap<(usize, usize), Var>;

pub(super) fn add(problem: &Problem, variables: &mut Variables, program: &mut Program) {
    let mut present = Present::new();
    for part in problem.neighbours() {
        for host in 0..problem.hosts.len() {
            let here = all_on(variables, part, host);
            let var = presence(problem, program, (part, host), &here);
            present.insert((host, part), var);
            variables.present.push(Presence { domain: None, part, host, var });
        }
    }
    for host in 0..problem.hosts.len() {
        rules(problem, program, |part| present.get(&(host, part)).copied());
    }
}

/// Adds what holds after the loss of a failure domain, once its restarts are variables.
pub(super) fn after_loss(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    domain: usize,
) {
    let mut present: Present = variables
        .present
        .iter()
        .filter(|one| one.domain.is_none())
        .map(|one| ((one.host, one.part), one.var))
        .collect();
    let named = problem.neighbours();
    let mut come: BTreeMap<(usize, usize), Sum> = BTreeMap::new();
    for one in variables.restarts.iter().filter(|one| one.domain == domain) {
        if named.contains(&one.part) {
            come.entry((one.host, one.part)).or_default().add(1, one.var);
        }
    }
    let hosts: BTreeSet<usize> = come.keys().map(|(host, _)| *host).collect();
    for ((host, part), come) in come {
        let mut here = all_on(variables, part, host);
        here.add_sum(1, &come);
        let var = presence(problem, program, (part, host), &here);
        present.insert((host, part), var);
        variables.present.push(Presence { domain: Some(domain), part, host, var });
    }
    for host in hosts {
        rules(problem, program, |part| present.get(&(host, part)).copied());
    }
}

/// Returns the instances of a part on a host, witnesses among them.
fn all_on(variables: &Variables, part: usize, host: usize) -> Sum {
    let mut all = variables.on(part, &[host], false);
    all.add_sum(1, &variables.on(part, &[host], true));
    all
}

/// Adds a variable that is 1 if there are instances of a part on a host, else 0.
fn presence(
    problem: &Problem,
    program: &mut Program,
    (part, host): (usize, usize),
    here: &Sum,
) -> Var {
    let entry = problem.parts.get(part);
    let count = |one: &Candidate| {
        u64::from(one.layout.instances).saturating_add(one.layout.witness.is_some().into())
    };
    let all = entry.into_iter().flat_map(|part| &part.candidates).map(count).max().unwrap_or(0);
    let variable = |(var, _): (Var, i64)| program.variables.get(var.index())?.upper;
    let fit = here.terms().map(variable).try_fold(0i64, |sum, upper| sum.checked_add(upper?));
    let most = fit.unwrap_or(i64::MAX).min(int(all));
    if here.is_empty() {
        return program.variable(format!("b {part} {host}"), Some(0));
    }
    let var = program.variable(format!("b {part} {host}"), Some(1));
    let mut upper = here.clone();
    upper.add(-most, var);
    program.at_most(upper, 0);
    let mut lower = Sum::default();
    lower.add(1, var);
    lower.add_sum(-1, here);
    program.at_most(lower, 0);
    var
}

/// Adds the rules of one host.
fn rules(problem: &Problem, program: &mut Program, present: impl Fn(usize) -> Option<Var>) {
    let pair = |(one, other): &(usize, usize)| present(*one).zip(present(*other));
    for (one, other) in problem.apart.iter().filter_map(pair) {
        program.at_most([(1, one), (1, other)].into_iter().collect(), 1);
    }
    for (one, other) in problem.near.iter().filter_map(pair) {
        program.at_most([(1, one), (-1, other)].into_iter().collect(), 0);
    }
}

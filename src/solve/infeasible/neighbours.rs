//! Rules on neighbours that exclude each other, or what else is asked: without one of them
//! there would be a plan, or without all of them.

use super::super::{Deadline, Limits, fits};
use super::{NeighbourRule, Shortage, Why, no_placement};
use crate::model::Problem;

/// Returns the rules without any one of which a plan is possible, or all of them where only that
/// makes one so; `None` where it is something else, or the solver has no answer in time.
pub(super) fn short(problem: &Problem, limits: &Limits) -> Option<Shortage> {
    let deadline = Deadline::new(limits);
    let is_possible = |apart: &dyn Fn(usize) -> bool, near: &dyn Fn(usize) -> bool| {
        let mut less = problem.clone();
        less.apart.retain(|(part, _)| apart(*part));
        less.near.retain(|(part, _)| near(*part));
        fits(&less, &deadline.rest(limits.seconds)) == Ok(true)
    };
    let rules = rules(problem);
    if rules.is_empty() || !is_possible(&|_| false, &|_| false) {
        return None;
    }
    let alone = rules.iter().filter(|(part, is_near)| {
        let kept = |near: bool| move |other: usize| (other, near) != (*part, *is_near);
        is_possible(&kept(false), &kept(true))
    });
    let alone: Vec<_> = alone.copied().collect();
    let named = if alone.is_empty() { rules } else { alone };
    let rules = named.into_iter().filter_map(|rule| described(problem, rule)).collect();
    Some(no_placement(Why::Neighbours { rules }))
}

/// The entries that have rules: index of the part, and whether the rule is `near`.
fn rules(problem: &Problem) -> Vec<(usize, bool)> {
    let apart = problem.apart.iter().map(|(part, _)| (*part, false));
    let near = problem.near.iter().map(|(part, _)| (*part, true));
    let mut found: Vec<_> = apart.chain(near).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn described(problem: &Problem, (part, is_near): (usize, bool)) -> Option<NeighbourRule> {
    let name = |part: usize| problem.parts.get(part).map(|part| part.name.clone());
    let pairs = if is_near { &problem.near } else { &problem.apart };
    let others = pairs.iter().filter(|(one, _)| *one == part);
    let others = others.filter_map(|(_, other)| name(*other)).collect();
    Some(NeighbourRule { service: name(part)?, is_near, others })
}

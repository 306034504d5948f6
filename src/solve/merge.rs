//! Fixed machines of one size are one part, whatever entries they come from: a
//! thousand machines of forty sizes are forty counts, not a thousand.

use std::collections::BTreeMap;

use super::tiers::{Placed, Restarted, Solution};
use crate::model::{Part, Problem};

/// A problem with equal fixed machines merged.
pub(super) struct Merged<'p> {
    problem: Problem<'p>,
    /// For each part of the whole problem: its part here, and how many machines of
    /// that one are its own; `None` for all.
    parts: Vec<(usize, Option<u64>)>,
}

impl<'p> Merged<'p> {
    pub(super) fn new(whole: &Problem<'p>) -> Self {
        let mut first: BTreeMap<(bool, Vec<crate::model::Shape>), usize> = BTreeMap::new();
        let mut found: Vec<Part> = Vec::new();
        let mut parts = Vec::new();
        for (number, part) in whole.parts.iter().enumerate() {
            let only = match part.candidates.as_slice() {
                [only] if whole.is_interchangeable(number) => only,
                _ => {
                    parts.push((found.len(), None));
                    found.push(part.clone());
                    continue;
                }
            };
            let at = *first.entry((part.restarts(), part.shapes.clone())).or_insert(found.len());
            parts.push((at, Some(only.layout.instances.into())));
            match found.get_mut(at).and_then(|same| same.candidates.first_mut()) {
                Some(same) => {
                    let all = same.layout.instances.saturating_add(only.layout.instances);
                    same.layout.instances = all;
                }
                None => found.push(part.clone()),
            }
        }
        // What rules on neighbours name is not merged.
        let pairs = |whole: &[(usize, usize)]| {
            let at = |part: &usize| parts.get(*part).map(|(at, _)| *at);
            whole.iter().filter_map(|(one, other)| at(one).zip(at(other))).collect()
        };
        let (apart, near) = (pairs(&whole.apart), pairs(&whole.near));
        let preferred = whole.preferred.iter();
        let preferred = preferred.filter_map(|(part, hosts)| {
            let (at, _) = parts.get(*part)?;
            Some((*at, hosts.clone()))
        });
        let preferred = preferred.collect();
        let problem = Problem { parts: found, apart, near, preferred, ..whole.clone() };
        Self { problem, parts }
    }

    pub(super) const fn problem(&self) -> &Problem<'p> {
        &self.problem
    }

    /// Returns the solution in terms of the whole problem: machines of one size go to the
    /// entries in their order.
    pub(super) fn split(&self, solution: Solution) -> Solution {
        let chosen = self.parts.iter().map(|(at, _)| solution.chosen.get(*at).copied().flatten());
        let leaders = self.parts.iter().enumerate().flat_map(|(part, (at, _))| {
            let own = solution.leaders.iter().filter(move |(other, _, _)| other == at);
            own.map(move |(_, domain, count)| (part, *domain, *count))
        });
        // Machines of merged entries are interchangeable: the first entry has them all.
        let restarts = solution.restarts.iter().map(|one| {
            let first = self.parts.iter().position(|(at, _)| *at == one.part);
            Restarted { part: first.unwrap_or(one.part), ..*one }
        });
        Solution {
            chosen: chosen.collect(),
            leaders: leaders.collect(),
            restarts: restarts.collect(),
            numa: self.dealt(solution.numa),
            pools: self.dealt(solution.pools),
            tiers: solution.tiers,
        }
    }

    fn dealt(&self, placed: Vec<Placed>) -> Vec<Placed> {
        let mut by_part: BTreeMap<usize, std::collections::VecDeque<Placed>> = BTreeMap::new();
        for one in placed {
            by_part.entry(one.part).or_default().push_back(one);
        }
        let mut found = Vec::new();
        for (part, (at, share)) in self.parts.iter().enumerate() {
            let Some(queue) = by_part.get_mut(at) else { continue };
            let mut wanted = share.unwrap_or(u64::MAX);
            while wanted > 0 {
                let Some(next) = queue.front_mut() else { break };
                let count = next.count.min(wanted);
                found.push(Placed { part, count, ..*next });
                wanted -= count;
                next.count -= count;
                if next.count == 0 {
                    queue.pop_front();
                }
            }
        }
        found
    }
}

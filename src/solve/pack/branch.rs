//! Branching by a logic-based Benders decomposition: the relaxation over classes and layouts is
//! the master problem, which chooses, and another program judges the choice.
//!
//! - *Hosts*, where a plan has few of them: the program per host says whether the chosen hosts
//!   hold everything. If not, no choice of as many or fewer in each class does, which is a row of
//!   the master; so the search ends with a proof.
//! - *Layouts* else: column generation prices every item for the chosen layouts, which is a
//!   valid inequality, and a dive makes a plan of them.
//!
//! J. Hooker, G. Ottosson, "Logic-based Benders decomposition", Mathematical Programming 96
//! (2003), <https://doi.org/10.1007/s10107-003-0375-9>.

use std::collections::BTreeSet;

use super::super::Deadline;
use super::column_generation::ColumnGeneration;
use super::host_choice::{self, Filled};
use super::knapsack::real;
use super::lower_bound::{Cheapest, Without, cheapest};
use super::master_rows::only_layout;
use super::relaxation::Cut;
use super::search::Search;
use crate::model::Part;

/// Part of the time that is left for trying other layouts.
const LAYOUT_SHARE: f64 = 0.5;
/// Choices of layouts that are tried at most.
const LAYOUT_ROUNDS: usize = 400;
/// Part of the time that is left for trying which hosts hold everything.
const HOSTS_SHARE: f64 = 0.85;
/// Choices of hosts that are tried at most.
const HOST_ROUNDS: usize = 400;
/// Thousandths that chosen hosts hold more than is asked, at most.
const SURPLUS: i64 = 200;
/// A cost above that of any plan.
const UNKNOWN: i64 = i64::MAX / 4;
/// Gap of the master problem: it is solved often, and its bound holds all the same.
const CLOSE: f64 = 0.01;
/// Part of a choice that its layouts leave to the others.
const ASIDE: f64 = 0.02;

impl<'g> Search<'g> {
    /// Branches on layouts. Returns a bound for those that take part.
    ///
    /// Layouts that were chosen twice are left out, so that others are tried as long as they
    /// could gain; the bound is that of before.
    pub(super) fn search_layouts(
        &mut self,
        generation: &mut ColumnGeneration<'g, 'g>,
        cuts: &mut Vec<Cut>,
    ) -> Result<i64, String> {
        let parts = &self.packing.problem.parts;
        let deadline = self.deadline.share(LAYOUT_SHARE);
        let (mut bound, mut seen, mut without) = (0, BTreeSet::new(), Vec::new());
        if (0..parts.len()).all(|part| only_layout(parts, part).is_some()) {
            return Ok(bound);
        }
        for _ in 0..LAYOUT_ROUNDS {
            if deadline.left() <= 0.0 || self.is_proved(self.deadline.enough(bound)) {
                break;
            }
            let most = self.cost().unwrap_or(UNKNOWN);
            let next = cheapest(self.packing, cuts, (&without, most, 0, CLOSE), &deadline);
            let (chosen, cost) = match next {
                Cheapest::Some { chosen, cost, .. } => (chosen, cost),
                Cheapest::Nothing if without.is_empty() => return Ok(most),
                Cheapest::Nothing | Cheapest::Unknown => break,
            };
            if without.is_empty() {
                bound = bound.max(cost);
            }
            if !seen.insert(chosen.clone()) {
                without.push(Without::Layouts(chosen));
                continue;
            }
            let tight = generation.run(&deadline, false, Some(&around(parts, &chosen)))?;
            cuts.extend(tight.into_iter().take(1));
            self.dive_with(generation, &chosen, self.deadline.enough(bound))?;
        }
        Ok(bound)
    }

    /// Branches on how many hosts of each class are in use. Returns a bound for the layouts that
    /// take part.
    pub(super) fn search_hosts(&mut self, cuts: &[Cut]) -> i64 {
        let deadline = self.deadline.share(HOSTS_SHARE);
        self.search_surplus(cuts, &deadline);
        // What was not found out may cost so much.
        let (mut without, mut open, mut bound) = (Vec::new(), i64::MAX, 0);
        for _ in 0..HOST_ROUNDS {
            if deadline.left() <= 0.0 || self.is_proved(self.deadline.enough(bound)) {
                break;
            }
            let most = self.cost().unwrap_or(UNKNOWN);
            let next = cheapest(self.packing, cuts, (&without, most, 0, CLOSE), &deadline);
            let (hosts, cost) = match next {
                Cheapest::Some { hosts, cost, .. } => (hosts, cost),
                Cheapest::Nothing => return most.min(open),
                Cheapest::Unknown => break,
            };
            bound = bound.max(cost.min(open));
            match self.fill_hosts(&hosts, &deadline) {
                Some(false) => {
                    // With more hosts that could still gain, it may be as impossible: that says
                    // more.
                    let more = host_choice::extend(self.packing, &hosts, self.cost());
                    if more != hosts && self.fill_hosts(&more, &deadline) == Some(false) {
                        without.push(Without::Hosts(more));
                    } else {
                        without.push(Without::Hosts(hosts));
                    }
                }
                // What is to come costs less than these.
                Some(true) => {}
                None => {
                    open = open.min(cost);
                    without.push(Without::Hosts(hosts));
                }
            }
        }
        bound
    }

    /// Looks for the least surplus with which chosen hosts hold everything, by bisection.
    fn search_surplus(&mut self, cuts: &[Cut], deadline: &Deadline) {
        let (mut low, mut high) = (0, SURPLUS);
        while low < high && deadline.left() > 0.0 {
            let middle = low + (high - low) / 2;
            let most = self.cost().unwrap_or(UNKNOWN);
            let next = cheapest(self.packing, cuts, (&[], most, middle, CLOSE), deadline);
            let is_enough = match next {
                Cheapest::Some { hosts, .. } => self.fill_hosts(&hosts, deadline) == Some(true),
                Cheapest::Nothing | Cheapest::Unknown => true,
            };
            if is_enough {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
    }

    /// Fills so many hosts of each class. Returns whether they hold everything, if that was
    /// found out, and keeps them if they are the cheapest so far.
    fn fill_hosts(&mut self, count: &[i64], deadline: &Deadline) -> Option<bool> {
        if let Some(known) = self.filled.get(count) {
            return *known;
        }
        let found = match host_choice::fill(self.packing, count, deadline) {
            Filled::Impossible => Some(false),
            Filled::Unknown => None,
            Filled::Hosts(chosen, hosts) => self.has_leaders(&chosen, &hosts).then(|| {
                if self.cost().is_none_or(|cost| hosts.cost() < cost) {
                    self.best = Some((chosen, *hosts));
                }
                true
            }),
        };
        self.filled.insert(count.to_vec(), found);
        found
    }
}

/// Returns shares of layouts close to a choice: a little of each other one, so that items of
/// these have prices as well (T. Magnanti, R. Wong, "Accelerating Benders Decomposition",
/// Operations Research 29, 1981).
fn around(parts: &[Part], layouts: &[Option<usize>]) -> Vec<Vec<f64>> {
    let of = |(part, own): (&Part, &Option<usize>)| {
        let all = part.candidates.len();
        let others = real(i64::try_from(all).unwrap_or(1) - 1).max(1.0);
        let aside = if all > 1 { ASIDE } else { 0.0 };
        let share = |at| if Some(at) == *own { 1.0 - aside } else { aside / others };
        (0..all).map(share).collect()
    };
    parts.iter().zip(layouts).map(of).collect()
}

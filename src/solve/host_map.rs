//! Solutions on other hosts: of an equal class, or of a problem with fewer of them.
//!
//! Hosts of a class are alike in all but name, so which of them is which changes no rule.

use std::collections::BTreeSet;

use super::tiers::{Placed, Restarted, Solution};
use crate::model::Problem;
use crate::topology::Level;

/// New indices of hosts and of failure domains, by index.
pub(super) struct HostMap {
    hosts: Vec<usize>,
    leads: Vec<usize>,
    lost: Vec<usize>,
}

impl HostMap {
    /// `hosts` are the indices in `to` of the hosts of `from`.
    pub(super) fn new(from: &Problem, to: &Problem, hosts: Vec<usize>) -> Self {
        let leads = from.leader_level().map(|level| domains((from, to), &hosts, level));
        let lost = domains((from, to), &hosts, from.restart_level());
        Self { leads: leads.unwrap_or_default(), lost, hosts }
    }

    /// Returns the map after which the hosts in use come first in each class, else as they
    /// were.
    ///
    /// What is packed empties hosts in the middle of a class. The program per host orders equal
    /// hosts (`model/symmetry.rs`), so there such a solution breaks a row and is no start,
    /// however good it is.
    pub(super) fn used_first(problem: &Problem, solution: &Solution) -> Self {
        let kept = solution.restarts.iter().map(|one| one.host);
        let used: BTreeSet<usize> = solution.numa.iter().map(|one| one.host).chain(kept).collect();
        let mut hosts = vec![0; problem.hosts.len()];
        let mut first = 0;
        for class in problem.hosts.chunk_by(|one, next| one.class == next.class) {
            let own = first..first + class.len();
            let (used, unused): (Vec<usize>, Vec<usize>) =
                own.clone().partition(|host| used.contains(host));
            for (host, to) in used.into_iter().chain(unused).zip(own) {
                if let Some(new) = hosts.get_mut(host) {
                    *new = to;
                }
            }
            first += class.len();
        }
        Self::new(problem, problem, hosts)
    }

    /// Returns the solution on the other hosts.
    pub(super) fn apply(&self, solution: Solution) -> Solution {
        let at = |of: &[usize], index: usize| of.get(index).copied().unwrap_or(index);
        let placed = |all: Vec<Placed>| -> Vec<Placed> {
            let to = |one: Placed| Placed { host: at(&self.hosts, one.host), ..one };
            let mut all: Vec<Placed> = all.into_iter().map(to).collect();
            all.sort_unstable_by_key(|one| (one.part, one.shape, one.host, one.at));
            all
        };
        let leaders = solution.leaders.into_iter();
        let leaders = leaders.map(|(part, domain, count)| (part, at(&self.leads, domain), count));
        let mut leaders: Vec<(usize, usize, u64)> = leaders.collect();
        leaders.sort_unstable();
        let restarts = solution.restarts.into_iter().map(|one| Restarted {
            domain: at(&self.lost, one.domain),
            host: at(&self.hosts, one.host),
            ..one
        });
        let mut restarts: Vec<Restarted> = restarts.collect();
        restarts.sort_unstable();
        Solution {
            chosen: solution.chosen,
            numa: placed(solution.numa),
            pools: placed(solution.pools),
            leaders,
            restarts,
            tiers: solution.tiers,
        }
    }
}

/// Returns the new indices of failure domains: above the host, all hosts of a class are in one.
fn domains((from, to): (&Problem, &Problem), new: &[usize], level: Level) -> Vec<usize> {
    let mut of = vec![0; to.hosts.len()];
    for (domain, (_, hosts)) in to.domains(level).iter().enumerate() {
        for host in hosts {
            if let Some(of) = of.get_mut(*host) {
                *of = domain;
            }
        }
    }
    let to = |(_, hosts): &(String, Vec<usize>)| {
        let first = hosts.first().and_then(|host| new.get(*host));
        first.and_then(|host| of.get(*host).copied()).unwrap_or(usize::MAX)
    };
    from.domains(level).iter().map(to).collect()
}

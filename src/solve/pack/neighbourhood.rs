//! Large neighbourhood search: a few hosts are emptied, and what they held is packed again by a
//! dive, on them and on hosts that are not used.
//!
//! The hosts are those that waste most, and some others; there are more of them the longer
//! nothing was gained. A dive ends as soon as its relaxation shows that nothing is gained.
//!
//! - P. Shaw, "Using Constraint Programming and Local Search Methods to Solve Vehicle Routing
//!   Problems", CP 1998, <https://doi.org/10.1007/3-540-49481-2_30>.
//! - D. Pisinger, S. Ropke, "Large Neighborhood Search", Handbook of Metaheuristics, Springer
//!   (2010), <https://doi.org/10.1007/978-1-4419-1665-5_13>.

use super::super::Deadline;
use super::best_fit::{FitRule, UnusedHosts, Weights, best_fit, queue};
use super::build::fill;
use super::dive::dive;
use super::improve::Lcg;
use super::knapsack::real;
use super::loaded_hosts::{ItemPlacement, LoadedHosts};
use super::master_rows::{MasterRows, Pattern};
use super::remainder::Remainder;

/// Hosts that are emptied at first, and at most.
const HOSTS: (usize, usize) = (6, 40);
/// Rounds without a gain after which one host more is emptied.
const IDLE: usize = 12;

/// A search over the hosts of one choice of layouts.
pub(super) struct Neighbourhoods<'a, 'g> {
    pub rows: &'a MasterRows<'g, 'g>,
    /// All that is packed.
    pub whole: &'a Remainder,
    /// Patterns that dives begin with.
    pub known: &'a [Pattern],
    pub guide: (&'a Weights, &'a UnusedHosts),
    pub deadline: &'a Deadline,
}

impl<'g> Neighbourhoods<'_, 'g> {
    /// Makes hosts cheaper until their cost is at most `target`, the time is over, or nothing
    /// was gained in so many rounds.
    pub(super) fn search(
        &self,
        hosts: &mut LoadedHosts<'g>,
        target: i64,
        rounds: usize,
    ) -> Result<(), String> {
        let mut random = Lcg::new();
        let mut idle = 0;
        while hosts.cost() > target && idle < rounds && self.deadline.left() > 0.0 {
            let count = (HOSTS.0 + idle / IDLE).min(HOSTS.1);
            let freed = self.pick(hosts, count, &mut random);
            idle = if self.repack(hosts, &freed)? { 0 } else { idle + 1 };
        }
        Ok(())
    }

    /// Returns hosts in use, half of them among those that waste most.
    fn pick(&self, hosts: &LoadedHosts, count: usize, random: &mut Lcg) -> Vec<usize> {
        let packing = self.rows.packing;
        let waste = |host: usize| {
            let class = packing.class_of.get(host).and_then(|class| packing.classes.get(*class));
            class.map_or(0.0, |class| {
                let free = self.guide.0.weigh(&hosts.left(host));
                real(class.cost) * free / self.guide.0.weigh(&class.capacity).max(1e-12)
            })
        };
        let used = (0..hosts.count()).filter(|host| hosts.is_used(*host));
        let mut used: Vec<(f64, usize)> = used.map(|host| (waste(host), host)).collect();
        used.sort_by(|(a, x), (b, y)| b.total_cmp(a).then(x.cmp(y)));
        let all = used.len();
        let mut picked: Vec<usize> = Vec::new();
        for at in 0..count.min(all) {
            let most = if at % 2 == 0 { random.below(all).max(1) } else { all };
            picked.extend(used.get(random.below(most)).map(|(_, host)| *host));
        }
        picked.sort_unstable();
        picked.dedup();
        picked
    }

    /// Empties hosts and packs what they held again. Returns whether that is cheaper; else
    /// everything is as before.
    fn repack(&self, hosts: &mut LoadedHosts<'g>, freed: &[usize]) -> Result<bool, String> {
        let packing = self.rows.packing;
        let before = hosts.cost();
        let held: Vec<ItemPlacement> = freed.iter().flat_map(|host| hosts.empty(*host)).collect();
        let most = before - hosts.cost();
        hosts.checkpoint();
        let unused = packing.classes.iter().map(|class| {
            let unused = class.hosts.iter().copied().filter(|host| !hosts.is_used(*host));
            let mut unused: Vec<usize> = unused.collect();
            unused.sort_by_key(|host| !freed.contains(host));
            unused
        });
        let unused: Vec<Vec<usize>> = unused.collect();
        let what = self.what(hosts, &unused, &held);
        let known = self.known.iter().filter(|one| what.times(self.rows, one) > 0);
        let known: Vec<Pattern> = known.cloned().collect();
        let is_cheaper = match dive(self.rows, &what, &known, most, self.deadline)? {
            Some(patterns) => {
                let mut left = what.demand.clone();
                fill(hosts, self.rows, &unused, &patterns, &mut left);
                self.place(hosts, &left, before) && hosts.cost() < before
            }
            None => false,
        };
        if !is_cheaper {
            hosts.rollback();
            held.into_iter().for_each(|one| hosts.place(one));
        }
        Ok(is_cheaper)
    }

    /// Returns what is to be packed on unused hosts.
    fn what(
        &self,
        hosts: &LoadedHosts,
        unused: &[Vec<usize>],
        held: &[ItemPlacement],
    ) -> Remainder {
        let packing = self.rows.packing;
        let mut demand = vec![0; packing.items.len()];
        for one in held {
            if let Some(count) = demand.get_mut(packing.index(one.part, one.shape)) {
                *count += 1;
            }
        }
        let count = |hosts: &Vec<usize>| i64::try_from(hosts.len()).unwrap_or(i64::MAX);
        let domains = self.rows.domains.iter().zip(&self.whole.domains).map(|(domain, most)| {
            let within = domain.classes.iter().filter_map(|class| packing.classes.get(*class));
            let within = within.flat_map(|class| &class.hosts);
            let held = within.map(|host| hosts.count_of(domain.part, *host)).sum::<i64>();
            (most - held).max(0)
        });
        Remainder { demand, hosts: unused.iter().map(count).collect(), domains: domains.collect() }
    }

    /// Places what is left where it fits, on more hosts as long as all costs less than before.
    /// Returns whether it could.
    fn place(&self, hosts: &mut LoadedHosts<'g>, left: &[i64], before: i64) -> bool {
        if left.iter().all(|count| *count <= 0) {
            return true;
        }
        let packing = self.rows.packing;
        let (weights, unused) = self.guide;
        let queue = queue(packing, left, weights, None);
        let mut used: Vec<usize> = (0..hosts.count()).filter(|host| hosts.is_used(*host)).collect();
        let rule = (weights, FitRule::LeastResidual);
        let unplaced = best_fit(hosts, &queue, &mut used, rule, |hosts, one| {
            unused.next(packing, hosts, one, before - hosts.cost() - 1)
        });
        unplaced.is_empty()
    }
}

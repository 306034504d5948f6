//! Improvement: ruin and recreate (G. Schrimpf et al., "Record Breaking Optimization
//! Results Using the Ruin and Recreate Principle", 2000). A few hosts are emptied and
//! their items placed again by best fit.

use super::best_fit::{FitRule, Queue, UnusedHosts, Weights, best_fit};
use super::bins::BinPacking;
use super::knapsack::real;
use super::loaded_hosts::{ItemPlacement, LoadedHosts};

/// A linear congruential generator with Knuth's MMIX constants and a fixed seed, so that
/// runs are repeatable.
pub(super) struct Lcg(u64);

impl Lcg {
    pub(super) const fn new() -> Self {
        Self(1)
    }

    /// Returns a number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let high = usize::try_from(self.0 >> 33).unwrap_or(0);
        high.checked_rem(end).unwrap_or(0)
    }

    /// Returns two to four of these hosts, in order.
    pub(super) fn pick(&mut self, hosts: &[usize]) -> Vec<usize> {
        let count = 2 + self.below(3);
        let mut picked: Vec<usize> =
            (0..count).filter_map(|_| hosts.get(self.below(hosts.len())).copied()).collect();
        picked.sort_unstable();
        picked.dedup();
        picked
    }
}

/// Makes hosts cheaper until their cost is `target` or `go_on` says no.
///
/// First each host alone is ruined, the least filled first: its items go to the others or
/// to cheaper ones. Then a few hosts at a time. A change is kept if the cost falls, or
/// stays and the free capacity is more concentrated.
pub(super) fn improve(
    packing: &BinPacking,
    hosts: &mut LoadedHosts,
    guide: (&Weights, &UnusedHosts),
    target: i64,
    mut go_on: impl FnMut() -> bool,
) {
    let weights = guide.0;
    let mut random = Lcg::new();
    let mut round = 0usize;
    let mut order = by_fill(hosts, weights);
    while hosts.cost() > target && go_on() {
        let used: Vec<usize> = used(hosts);
        let ruined = match order.pop() {
            Some(host) => vec![host],
            None => random.pick(&used),
        };
        round += 1;
        let before = hosts.cost();
        if recreate(packing, hosts, guide, &used, &ruined, round) && hosts.cost() < before {
            order = by_fill(hosts, weights);
        }
    }
}

/// Ruins some of the hosts in use and places their items again. Returns whether the result
/// was kept.
fn recreate(
    packing: &BinPacking,
    hosts: &mut LoadedHosts,
    (weights, unused): (&Weights, &UnusedHosts),
    used: &[usize],
    ruined: &[usize],
    round: usize,
) -> bool {
    let before = (hosts.cost(), concentration(hosts, weights));
    let removed: Vec<ItemPlacement> = ruined.iter().flat_map(|host| hosts.empty(*host)).collect();
    let mut sorted = removed.clone();
    sort(packing, &mut sorted, weights, round);
    let queue: Queue = sorted.iter().map(|one| (one.part, one.shape)).collect();
    hosts.checkpoint();
    let mut left: Vec<usize> = used.iter().copied().filter(|host| !ruined.contains(host)).collect();
    let several = ruined.len() > 1;
    let rule =
        if round.is_multiple_of(3) { FitRule::CosineSimilarity } else { FitRule::LeastResidual };
    let unplaced = best_fit(hosts, &queue, &mut left, (weights, rule), |hosts, one| {
        let most = before.0.saturating_sub(hosts.cost());
        let own = ruined.iter().copied().filter(|_| several && round.is_multiple_of(2));
        let own = own
            .into_iter()
            .find(|host| !hosts.is_used(*host) && hosts.fits(one, *host, None).is_some());
        let most = if several { most } else { most.saturating_sub(1) };
        own.or_else(|| unused.next(packing, hosts, one, most))
    });
    let is_cheaper = hosts.cost() < before.0;
    let is_tidier = || hosts.cost() == before.0 && concentration(hosts, weights) > before.1;
    if unplaced.is_empty() && (is_cheaper || is_tidier()) {
        return true;
    }
    hosts.rollback();
    for one in removed {
        hosts.place(one);
    }
    false
}

fn used(hosts: &LoadedHosts) -> Vec<usize> {
    (0..hosts.count()).filter(|host| hosts.is_used(*host)).collect()
}

/// Returns the hosts in use, the least filled last.
fn by_fill(hosts: &LoadedHosts, weights: &Weights) -> Vec<usize> {
    let free = |host: &usize| weights.weigh(&hosts.left(*host));
    let mut found: Vec<(f64, usize)> = used(hosts).iter().map(|host| (free(host), *host)).collect();
    found.sort_by(|(a, x), (b, y)| a.total_cmp(b).then(x.cmp(y)));
    found.into_iter().map(|(_, host)| host).collect()
}

/// Returns how concentrated the free capacity is: the sum of the squares of what is left
/// of each host.
pub(super) fn concentration(hosts: &LoadedHosts, weights: &Weights) -> f64 {
    used(hosts).iter().map(|host| weights.weigh(&hosts.left(*host)).powi(2)).sum()
}

/// Sorts by falling size, what is to be near others after them; each round perturbs the sizes a little differently.
pub(super) fn sort(
    packing: &BinPacking,
    all: &mut [ItemPlacement],
    weights: &Weights,
    round: usize,
) {
    let mut random = Lcg(u64::try_from(round).unwrap_or(1));
    let key = |one: &ItemPlacement, random: &mut Lcg| {
        let noise = real(i64::try_from(random.below(1000)).unwrap_or(0)) / 1000.0;
        weights.weigh(&packing.least(packing.index(one.part, one.shape))) * (0.7 + 0.6 * noise)
    };
    let mut keyed: Vec<(f64, ItemPlacement)> =
        all.iter().map(|one| (key(one, &mut random), *one)).collect();
    keyed.sort_by(|(a, x), (b, y)| {
        let by_rank = packing.rank(x.part).cmp(&packing.rank(y.part));
        by_rank.then(b.total_cmp(a)).then(x.cmp(y))
    });
    for (place, (_, one)) in all.iter_mut().zip(keyed) {
        *place = one;
    }
}

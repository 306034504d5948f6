//! Instances into hosts by best fit, and better by taking hosts apart again.

use super::goods::Goods;
use super::hosts::{Hosts, Spot};
use super::knapsack::{Amounts, DIMENSIONS, UNLIMITED, real};

/// How much each resource matters: its scarcity over what a host has of it.
pub(super) struct Scale([f64; DIMENSIONS]);

impl Scale {
    /// By what these instances need of what all hosts have.
    pub(super) fn new(goods: &Goods, demand: &[i64]) -> Self {
        let mut found = [0.0; DIMENSIONS];
        for (dimension, found) in found.iter_mut().enumerate() {
            let amount = |amounts: &Amounts| amounts.get(dimension).copied().unwrap_or(0);
            let items = goods.items.iter().enumerate().zip(demand);
            let needed: f64 =
                items.map(|((at, _), count)| real(amount(&goods.least(at))) * real(*count)).sum();
            let limited = goods.classes.iter().filter(|c| amount(&c.capacity) < UNLIMITED);
            let (mut has, mut hosts) = (0.0, 0.0);
            for class in limited {
                let count = real(i64::try_from(class.hosts.len()).unwrap_or(i64::MAX));
                has += real(amount(&class.capacity)) * count;
                hosts += count;
            }
            if has > 0.0 {
                *found = (needed / has) / (has / hosts);
            }
        }
        Self(found)
    }

    pub(super) fn weigh(&self, amounts: &Amounts) -> f64 {
        let pairs = amounts.iter().zip(&self.0).filter(|(a, _)| **a < UNLIMITED);
        pairs.map(|(amount, scale)| real(*amount) * scale).sum()
    }
}

impl Scale {
    /// The cosine of the angle between two amounts.
    fn likeness(&self, a: &Amounts, b: &Amounts) -> f64 {
        let (mut both, mut one, mut other) = (0.0, 0.0, 1e-12);
        for ((a, b), scale) in a.iter().zip(b).zip(&self.0) {
            if *b < UNLIMITED {
                let (a, b) = (real(*a) * scale, real(*b) * scale);
                both += a * b;
                one += a * a;
                other += b * b;
            }
        }
        both / (one * other).sqrt().max(1e-12)
    }
}

/// What is to be placed, in an order: part, shape.
pub(super) type Queue = Vec<(usize, usize)>;

/// All instances by falling size. `by` is the resource that alone decides.
pub(super) fn queue(goods: &Goods, demand: &[i64], scale: &Scale, by: Option<usize>) -> Queue {
    let size = |at: usize| {
        let least = goods.least(at);
        match by {
            Some(dimension) => real(least.get(dimension).copied().unwrap_or(0)),
            None => scale.weigh(&least),
        }
    };
    let mut order: Vec<(f64, usize)> = (0..goods.items.len()).map(|at| (size(at), at)).collect();
    order.sort_by(|(a, first), (b, second)| b.total_cmp(a).then(first.cmp(second)));
    let mut found = Vec::new();
    for (_, at) in order {
        let Some(item) = goods.items.get(at) else { continue };
        let count = demand.get(at).copied().unwrap_or(0);
        found.extend((0..count).map(|_| (item.part, item.shape)));
    }
    found
}

/// Which of the hosts that an instance fits on it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taste {
    /// The one with the least left.
    Fullest,
    /// The one whose rest has the most similar proportions.
    Alike,
}

/// Places instances on the hosts in use; `open` may give one more host where none
/// has room. Returns those without a place.
pub(super) fn best_fit(
    hosts: &mut Hosts,
    queue: &[(usize, usize)],
    used: &mut Vec<usize>,
    (scale, taste): (&Scale, Taste),
    mut open: impl FnMut(&Hosts, (usize, usize)) -> Option<usize>,
) -> Queue {
    let mut homeless = Vec::new();
    for one in queue {
        let fitting = used.iter().filter_map(|host| hosts.fits(*one, *host, None));
        let rate = |spot: Spot| match taste {
            Taste::Fullest => scale.weigh(&hosts.left(spot.host)),
            Taste::Alike => -scale.likeness(&hosts.need(*one, spot.host), &hosts.left(spot.host)),
        };
        let rated = fitting.map(|spot| (rate(spot), spot));
        let best = rated.min_by(|(a, x), (b, y)| a.total_cmp(b).then(x.cmp(y)));
        let spot = best.map(|(_, spot)| spot).or_else(|| {
            let host = open(hosts, *one)?;
            used.push(host);
            hosts.fits(*one, host, None)
        });
        match spot {
            Some(spot) => hosts.put(spot),
            None => homeless.push(*one),
        }
    }
    homeless
}

/// Unused hosts, the cheapest for what they hold first.
pub(super) struct Reserve {
    /// Index of the class, best first.
    order: Vec<usize>,
}

impl Reserve {
    pub(super) fn new(goods: &Goods, scale: &Scale) -> Self {
        let rate = |class: usize| {
            goods.classes.get(class).map_or(f64::INFINITY, |class| {
                real(class.cost) / scale.weigh(&class.capacity).max(1e-12)
            })
        };
        let mut order: Vec<usize> = (0..goods.classes.len()).collect();
        order.sort_by(|a, b| rate(*a).total_cmp(&rate(*b)).then(a.cmp(b)));
        Self { order }
    }

    /// The first unused host that an instance fits on, if one costs at most that.
    pub(super) fn next(
        &self,
        goods: &Goods,
        hosts: &Hosts,
        one: (usize, usize),
        most: i64,
    ) -> Option<usize> {
        self.order.iter().find_map(|class| {
            let class = goods.classes.get(*class).filter(|class| class.cost <= most)?;
            let mut free = class.hosts.iter().copied().filter(|host| !hosts.is_used(*host));
            // Hosts of a class differ in failure domain only: the host itself.
            free.next().filter(|host| hosts.fits(one, *host, None).is_some())
        })
    }
}

/// Numbers that look random and are always the same (Knuth's MMIX generator).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn new() -> Self {
        Self(1)
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let high = usize::try_from(self.0 >> 33).unwrap_or(0);
        high.checked_rem(end).unwrap_or(0)
    }
}

/// Makes hosts cheaper by taking some apart and filling them again, at most
/// `rounds` times or until `goal` is reached.
///
/// First each host alone, the least filled first: its instances go to the others
/// or to cheaper ones. Then a few hosts at a time. A change is kept if the cost falls,
/// or stays and what is free lies together more (the sum of the squares grows).
pub(super) fn improve(
    goods: &Goods,
    hosts: &mut Hosts,
    (scale, reserve): (&Scale, &Reserve),
    goal: i64,
    mut go_on: impl FnMut() -> bool,
) {
    let mut dice = Dice::new();
    let mut round = 0usize;
    let mut order = by_filling(hosts, scale);
    while hosts.cost() > goal && go_on() {
        let used: Vec<usize> = used(hosts);
        let victims: Vec<usize> = match order.pop() {
            Some(host) => vec![host],
            None => {
                let count = 2 + dice.below(3);
                let mut picked: Vec<usize> =
                    (0..count).filter_map(|_| used.get(dice.below(used.len())).copied()).collect();
                picked.sort_unstable();
                picked.dedup();
                picked
            }
        };
        round += 1;
        let before = hosts.cost();
        let old = worth(hosts, scale);
        let moved: Vec<Spot> = victims.iter().flat_map(|host| hosts.clear(*host)).collect();
        let mut sorted = moved.clone();
        sort(goods, &mut sorted, scale, round);
        let queue: Queue = sorted.iter().map(|spot| (spot.part, spot.shape)).collect();
        hosts.begin();
        let mut left: Vec<usize> =
            used.iter().copied().filter(|host| !victims.contains(host)).collect();
        let again = victims.len() > 1;
        let taste = if round.is_multiple_of(3) { Taste::Alike } else { Taste::Fullest };
        let homeless = best_fit(hosts, &queue, &mut left, (scale, taste), |hosts, one| {
            let most = before.saturating_sub(hosts.cost());
            let own = victims.iter().copied().filter(|_| again && round.is_multiple_of(2));
            let own = own
                .into_iter()
                .find(|host| !hosts.is_used(*host) && hosts.fits(one, *host, None).is_some());
            let most = if again { most } else { most.saturating_sub(1) };
            own.or_else(|| reserve.next(goods, hosts, one, most))
        });
        let is_cheaper = hosts.cost() < before;
        let is_tidier = hosts.cost() == before && worth(hosts, scale) > old;
        if homeless.is_empty() && (is_cheaper || is_tidier) {
            if is_cheaper {
                order = by_filling(hosts, scale);
            }
        } else {
            hosts.undo();
            for spot in moved {
                hosts.put(spot);
            }
        }
    }
}

fn used(hosts: &Hosts) -> Vec<usize> {
    (0..hosts.count()).filter(|host| hosts.is_used(*host)).collect()
}

/// Hosts in use, the least filled last.
fn by_filling(hosts: &Hosts, scale: &Scale) -> Vec<usize> {
    let free = |host: &usize| scale.weigh(&hosts.left(*host));
    let mut found: Vec<(f64, usize)> = used(hosts).iter().map(|host| (free(host), *host)).collect();
    found.sort_by(|(a, x), (b, y)| a.total_cmp(b).then(x.cmp(y)));
    found.into_iter().map(|(_, host)| host).collect()
}

/// How much of what is free lies together.
pub(super) fn worth(hosts: &Hosts, scale: &Scale) -> f64 {
    used(hosts).iter().map(|host| scale.weigh(&hosts.left(*host)).powi(2)).sum()
}

/// By falling size; each round stretches the sizes a little differently.
pub(super) fn sort(goods: &Goods, moved: &mut [Spot], scale: &Scale, round: usize) {
    let mut dice = Dice(u64::try_from(round).unwrap_or(1));
    let key = |spot: &Spot, dice: &mut Dice| {
        let at = goods.items.partition_point(|i| (i.part, i.shape) < (spot.part, spot.shape));
        let noise = real(i64::try_from(dice.below(1000)).unwrap_or(0)) / 1000.0;
        scale.weigh(&goods.least(at)) * (0.7 + 0.6 * noise)
    };
    let mut keyed: Vec<(f64, Spot)> =
        moved.iter().map(|spot| (key(spot, &mut dice), *spot)).collect();
    keyed.sort_by(|(a, x), (b, y)| b.total_cmp(a).then(x.cmp(y)));
    for (place, (_, spot)) in moved.iter_mut().zip(keyed) {
        *place = spot;
    }
}

//! Hosts made of patterns, where every rule is checked again; items that find no place there
//! go where they fit.

use std::cmp::Reverse;

use super::best_fit::{FitRule, Queue, UnusedHosts, Weights, best_fit, queue};
use super::bins::{BinPacking, HostClass};
use super::loaded_hosts::{ItemPlacement, LoadedHosts};
use super::master_rows::{MasterRows, Pattern};

/// Makes hosts of patterns, each used so often; `None` if an item remains unplaced.
pub(super) fn build<'g>(
    rows: &MasterRows<'g, 'g>,
    (layouts, patterns): (&[Option<usize>], &[(Pattern, i64)]),
    demand: &[i64],
    (weights, unused): (&Weights, &UnusedHosts),
) -> Option<LoadedHosts<'g>> {
    let packing = rows.packing;
    let mut hosts = LoadedHosts::new(packing, layouts);
    let mut left = demand.to_vec();
    let all: Vec<Vec<usize>> = packing.classes.iter().map(|class| class.hosts.clone()).collect();
    fill(&mut hosts, rows, &all, patterns, &mut left);
    let mut used: Vec<usize> = (0..hosts.count()).filter(|host| hosts.is_used(*host)).collect();
    let rest: Queue = queue(packing, &left, weights, None);
    let rule = (weights, FitRule::LeastResidual);
    let unplaced = best_fit(&mut hosts, &rest, &mut used, rule, |hosts, one| {
        unused.next(packing, hosts, one, i64::MAX)
    });
    unplaced.is_empty().then_some(hosts)
}

/// Fills hosts, by class in their order, with patterns, each used so often, and takes what it
/// places from `left`.
pub(super) fn fill(
    hosts: &mut LoadedHosts,
    rows: &MasterRows,
    on: &[Vec<usize>],
    patterns: &[(Pattern, i64)],
    left: &mut [i64],
) {
    let packing = rows.packing;
    let mut patterns: Vec<(Pattern, i64)> = patterns.to_vec();
    // The fullest first, so that a surplus is taken from those that hold little.
    patterns.sort_by_cached_key(|(pattern, _)| {
        let class = rows.class_of(pattern);
        let cores = packing.takes(class, &pattern.counts, 0);
        (class, Reverse(cores), pattern.clone())
    });
    for (class, own) in on.iter().enumerate() {
        for host in own {
            fill_host(hosts, packing, (class, *host), &mut patterns, left);
        }
    }
}

/// Moves all that a host holds to one of a cheaper class, as long as any is unused that holds
/// it, the dearest hosts first.
pub(super) fn cheapen(packing: &BinPacking, hosts: &mut LoadedHosts) {
    let mut by_price: Vec<&HostClass> = packing.classes.iter().collect();
    by_price.sort_by_key(|class| class.cost);
    let mut used: Vec<usize> = (0..hosts.count()).filter(|host| hosts.is_used(*host)).collect();
    let cost = |host: usize| {
        let class = packing.class_of.get(host).and_then(|class| packing.classes.get(*class));
        class.map_or(0, |class| class.cost)
    };
    used.sort_by_key(|host| (Reverse(cost(*host)), *host));
    for from in used {
        for class in by_price.iter().take_while(|class| class.cost < cost(from)) {
            let to = class.hosts.iter().copied().find(|host| !hosts.is_used(*host));
            if to.is_some_and(|to| move_all(hosts, from, to)) {
                break;
            }
        }
    }
}

/// Moves all that a host holds to another, or nothing. Returns whether it did.
fn move_all(hosts: &mut LoadedHosts, from: usize, to: usize) -> bool {
    let held: Vec<ItemPlacement> = hosts.empty(from);
    hosts.checkpoint();
    for one in &held {
        match hosts.fits((one.part, one.shape), to, None) {
            Some(placement) => hosts.place(placement),
            None => {
                hosts.rollback();
                held.iter().for_each(|one| hosts.place(*one));
                return false;
            }
        }
    }
    true
}

/// Fills each bin of a host by the next pattern for it.
fn fill_host(
    hosts: &mut LoadedHosts,
    packing: &BinPacking,
    (class, host): (usize, usize),
    patterns: &mut [(Pattern, i64)],
    left: &mut [i64],
) {
    let bins = packing.problem.hosts.get(host).map_or(0, |host| host.numa.len());
    for numa in 0..bins {
        let Some(bin_type) = packing.bin_type_of(class, host, numa) else { continue };
        let next = patterns.iter_mut().find(|(p, times)| p.bin_type == bin_type && *times > 0);
        let Some((pattern, times)) = next else { continue };
        *times -= 1;
        for (item, count) in &pattern.counts {
            fill_bin(hosts, packing, (host, numa), (*item, *count), left);
        }
    }
}

/// Places up to `count` of an item in a bin, as many as are left and fit.
fn fill_bin(
    hosts: &mut LoadedHosts,
    packing: &BinPacking,
    (host, numa): (usize, usize),
    (item, count): (usize, i64),
    left: &mut [i64],
) {
    let (Some(own), Some(left)) = (packing.items.get(item), left.get_mut(item)) else { return };
    for _ in 0..count {
        if *left <= 0 {
            return;
        }
        if let Some(placement) = hosts.fits((own.part, own.shape), host, Some(numa)) {
            hosts.place(placement);
            *left -= 1;
        }
    }
}

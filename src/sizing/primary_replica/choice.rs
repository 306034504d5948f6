//! Drops layouts that are no better in anything.
//!
//! `a` makes `b` needless if it has no more instances and no more copies of each
//! group, and its instances ask for no more of anything. Then, wherever `b` can
//! stand, so can `a`: let a failure domain hold `N <= groups(b)` instances of
//! `b`. If `groups(a) <= groups(b)`, leave the surplus groups out, then surplus
//! copies of the others; if not, `N <= groups(a)` already, and any
//! `instances(a)` of the places will do.
//!
//! Instances that stand differently (see [`Footing`]) are compared only where
//! all hosts offer the same to each of both sizes.
//!
//! [`Footing`]: crate::plan::Footing

use std::collections::{BTreeMap, BTreeSet};

use super::Candidate;
use crate::plan::Footing;

/// Those that no other makes needless, in their order; of equal ones the first.
pub(super) fn undominated(all: Vec<Candidate>) -> Vec<Candidate> {
    let mut footings: BTreeMap<u32, BTreeSet<Footing>> = BTreeMap::new();
    for one in &all {
        footings.entry(one.layout.vcpus).or_default().extend(footing(one));
    }
    let is_alike = |one: &Candidate| footings.get(&one.layout.vcpus).is_some_and(|f| f.len() == 1);
    let needless = |at: usize, b: &Candidate| {
        all.iter().enumerate().any(|(other, a)| {
            let comparable = footing(a) == footing(b) || (is_alike(a) && is_alike(b));
            other != at && comparable && no_worse(a, b) && (other < at || !no_worse(b, a))
        })
    };
    let keep: Vec<bool> = all.iter().enumerate().map(|(at, one)| !needless(at, one)).collect();
    all.into_iter().zip(keep).filter_map(|(one, keep)| keep.then_some(one)).collect()
}

fn footing(one: &Candidate) -> Option<Footing> {
    one.capacity.as_ref().map(|capacity| capacity.footing)
}

fn no_worse(a: &Candidate, b: &Candidate) -> bool {
    let (x, y) = (&a.layout, &b.layout);
    x.instances <= y.instances
        && x.copies <= y.copies
        && x.vcpus <= y.vcpus
        && x.memory_mib <= y.memory_mib
        && x.data_mib <= y.data_mib
        && a.iops <= b.iops
        && a.network <= b.network
        && cores(a) <= cores(b)
}

fn cores(one: &Candidate) -> u32 {
    footing(one).map_or(0, |footing| footing.cores)
}

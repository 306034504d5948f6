//! Drops layouts that are no better in anything.
//!
//! `a` makes `b` needless if it has no more instances and no more copies of each
//! group, and its instances ask for no more of anything. Then, wherever `b` can
//! be placed, so can `a`: let a failure domain hold `N <= groups(b)` instances of
//! `b`. If `groups(a) <= groups(b)`, leave the surplus groups out, then surplus
//! copies of the others; if not, `N <= groups(a)` already, and any
//! `instances(a)` of the places will do.
//!
//! Only where `a` can be placed wherever `b` can; see [`Coverage`].

use crate::sizing::dominance::Coverage;
use crate::sizing::{Candidate, SizingInput};

/// Those that no other makes needless, in their order; of equal ones the first.
pub(super) fn undominated(input: &SizingInput<'_>, all: Vec<Candidate>) -> Vec<Candidate> {
    let coverage = Coverage::of(input, &all);
    let needless = |at: usize, b: &Candidate| {
        all.iter().enumerate().any(|(other, a)| {
            let equal = no_worse(b, a) && coverage.covers(b, a);
            other != at && coverage.covers(a, b) && no_worse(a, b) && (other < at || !equal)
        })
    };
    let keep: Vec<bool> = all.iter().enumerate().map(|(at, one)| !needless(at, one)).collect();
    all.into_iter().zip(keep).filter_map(|(one, keep)| keep.then_some(one)).collect()
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
}

//! How many equal instances a cluster should have whose survivors carry the whole
//! demand after the loss of any one failure domain.
//!
//! ```text
//! max_per_domain(N) = min(floor(N / copies), N - need)    most in one failure domain
//! N spreads over d domains if ceil(N / d) <= max_per_domain(N)
//! ```
//!
//! With more domains fewer instances are spare: `N >= need · d / (d - 1)`. So the
//! candidates are, for each number of domains that there are, the fewest that
//! spread over it; and the next few above the very fewest, since domains are
//! unequal.

use std::collections::BTreeSet;

use super::SizingInput;

/// Instances above the fewest of which each number is a candidate.
const EXACT: u64 = 6;

/// What the number of instances follows from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread {
    /// Instances that carry the demand.
    pub need: u64,
    /// Instances that there must be for other reasons.
    pub floor: u64,
    /// Copies that are in different failure domains; 1 where there are none.
    pub copies: u64,
}

impl Spread {
    /// Most instances in one failure domain.
    pub fn max_per_domain(self, instances: u64) -> u64 {
        (instances / self.copies.max(1)).min(instances.saturating_sub(self.need))
    }

    /// The fewest instances that spread evenly over that many domains.
    pub fn over(self, domains: u64) -> Option<u64> {
        if domains < 2 || domains < self.copies {
            return None;
        }
        let spare = self.need.div_ceil(domains - 1);
        let first = self.need.saturating_add(spare).max(self.floor).max(1);
        // Where both divide, it does.
        let last = first.saturating_add(domains.saturating_mul(self.copies.max(1)));
        (first..=last)
            .find(|instances| instances.div_ceil(domains) <= self.max_per_domain(*instances))
    }

    /// The numbers of instances to weigh, at most `most`, ascending; those above
    /// `room` only if there is no other.
    pub fn counts(self, domains: u64, room: u64, most: usize) -> Vec<u64> {
        // Where there are too few domains, the model shall say so.
        let least = self.copies.max(2);
        let domains = domains.max(least);
        let fewest = (least..=domains.min(self.need.saturating_add(least)))
            .filter_map(|domains| self.over(domains));
        let fewest: BTreeSet<u64> = fewest.collect();
        let Some(first) = fewest.first().copied() else { return Vec::new() };
        let last = self.over(least).unwrap_or(first).max(first);
        let dense = (first..=first.saturating_add(EXACT)).filter(|count| {
            // With twice the need any split will do; copies may want more of them.
            (*count <= last || self.copies > 1) && self.max_per_domain(*count) > 0
        });
        let wanted = [first, last].into_iter().chain(dense).chain(fewest.iter().copied());
        let mut found = BTreeSet::new();
        for count in wanted.filter(|count| *count <= room.max(first)) {
            if found.len() < most {
                found.insert(count);
            }
        }
        found.into_iter().collect()
    }
}

/// Failure domains of the promised level that has the fewest; 1 where nothing is
/// promised.
pub(super) fn domains(input: &SizingInput<'_>) -> u64 {
    let hosts = &input.context.topology.hosts;
    let of = |level| {
        let names: BTreeSet<String> = hosts.iter().map(|host| host.failure_domain(level)).collect();
        u64::try_from(names.len()).unwrap_or(u64::MAX)
    };
    input.context.policy.levels().map(of).min().unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_domains_need_fewer_spare_instances() {
        let pool = Spread { need: 6, floor: 0, copies: 1 };
        let over = [2, 3, 4, 7, 100].map(|domains| pool.over(domains).unwrap());
        assert_eq!(over, [12, 9, 8, 7, 7]);
        assert_eq!(pool.counts(4, 1_000, 16), [8, 9, 10, 11, 12]);
        assert_eq!(pool.counts(4, 9, 16), [8, 9]);
        assert_eq!(pool.counts(4, 1, 16), [8]);
    }

    #[test]
    fn copies_are_in_different_domains() {
        let search = Spread { need: 2, floor: 3, copies: 2 };
        assert_eq!((search.over(1), search.over(2), search.over(3)), (None, Some(4), Some(3)));
        assert_eq!(search.max_per_domain(5), 2);
        let three = Spread { need: 1, floor: 3, copies: 3 };
        assert_eq!((three.over(2), three.over(3)), (None, Some(3)));
    }

    proptest::proptest! {
        #[test]
        fn the_survivors_of_any_domain_carry_the_demand(
            need in 1u64..300, floor in 0u64..40, copies in 1u64..4, domains in 1u64..40,
        ) {
            let spread = Spread { need, floor, copies };
            let counts = spread.counts(domains, 1_000, 16);
            proptest::prop_assert!(!counts.is_empty() && counts.len() <= 16);
            for count in counts {
                let max_per_domain = spread.max_per_domain(count);
                proptest::prop_assert!(max_per_domain > 0 && count >= floor && count - max_per_domain >= need);
                proptest::prop_assert!(max_per_domain * copies <= count);
            }
            if domains >= copies.max(2) {
                let fewest = spread.over(domains).unwrap();
                let fits = |count: u64| count.div_ceil(domains) <= spread.max_per_domain(count);
                proptest::prop_assert!(fits(fewest));
                let first = floor.max(1);
                proptest::prop_assert!((first..fewest).all(|count| !fits(count)));
            }
        }
    }
}

//! How load and data are dealt out to groups: by slots, which are whole, so that
//! where they do not divide some groups have one more.

/// The slots of a cluster, and the most groups that it may have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts {
    pub slots: u64,
    pub most_groups: u64,
}

impl Parts {
    /// The fewest groups of which the largest has at most `each` of `whole`:
    ///
    /// ```text
    /// groups = ceil(slots / floor(each · slots / whole))
    /// ```
    ///
    /// What is too much for one cluster would be split over several, so there
    /// slots do not count.
    pub(super) fn groups_for(self, whole: u64, each: u64) -> u64 {
        let fewest = match each {
            0 => u64::MAX,
            each => whole.div_ceil(each),
        };
        match proportion(self.slots, each, whole) {
            most if most > 0 && fewest <= self.most_groups => self.slots.div_ceil(most),
            _ => fewest,
        }
    }

    /// The part of `whole` that the largest of `groups` has, rounded up.
    pub(super) fn largest(self, whole: u64, groups: u64) -> u64 {
        let groups = groups.max(1);
        if groups > self.most_groups {
            return whole.div_ceil(groups);
        }
        let others = self.slots.saturating_sub(self.slots.div_ceil(groups));
        whole.saturating_sub(proportion(whole, others, self.slots))
    }
}

/// Returns `whole · part / of`, rounded down, without overflow.
fn proportion(whole: u64, part: u64, of: u64) -> u64 {
    let product = u128::from(whole) * u128::from(part) / u128::from(of.max(1));
    u64::try_from(product).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTS: Parts = Parts { slots: 16_384, most_groups: 1_000 };

    #[test]
    fn the_largest_has_one_slot_more() {
        assert_eq!(PARTS.largest(16_384, 3), 5_462);
        assert_eq!(PARTS.largest(16_384, 1_000), 17);
        assert_eq!(PARTS.largest(u64::MAX, 1), u64::MAX);
        assert_eq!(PARTS.groups_for(7, 0), u64::MAX);
    }

    proptest::proptest! {
        #[test]
        fn no_fewer_groups_would_do(each in 1u64..1_000_000, times in 0u64..1_000, more in 0u64..99) {
            let whole = each * times + more % each;
            let groups = PARTS.groups_for(whole, each);
            if groups <= PARTS.most_groups {
                proptest::prop_assert!(PARTS.largest(whole, groups) <= each);
                let is_least = groups < 2 || PARTS.largest(whole, groups - 1) > each;
                proptest::prop_assert!(is_least);
            }
        }
    }
}

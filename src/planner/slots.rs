//! The hash slots of each group, in equal parts: the fewest slots move from one prior
//! group to another.
//!
//! Each group keeps as many of the slots that it had as its part allows, the lowest ones;
//! what is left over goes to those that lack some, in order of slots and of groups. So
//! only the excess of a group over its part moves, which no other equal division can go
//! below: three groups become four by a quarter of all slots, and four become three by
//! those of the one that goes. Where the slots cannot be divided evenly, the groups that
//! had most (of equals the first) have one more.

use std::cmp::Reverse;

use crate::plan::SlotRange;
use crate::recipe::slots::Slots;

/// Returns the slots of each group, `all` in total; `had` is what each had in a prior
/// plan, nothing where it is new. Without prior slots they are one range each, ascending.
pub(super) fn divided(all: u16, had: &[Vec<SlotRange>]) -> Vec<Vec<SlotRange>> {
    let every = all.checked_sub(1).map_or(Slots::EMPTY, |last| Slots::range(0, last));
    let mut free = every;
    let mut found: Vec<Slots> = Vec::new();
    let had: Vec<Slots> = had.iter().map(|ranges| Slots::planned(ranges)).collect();
    for (slots, part) in had.iter().zip(parts(all, &had)) {
        let kept = slots.intersection(&free).lowest(part);
        free = free.minus(&kept);
        found.push(kept);
    }
    for (slots, part) in found.iter_mut().zip(parts(all, &had)) {
        let more = free.lowest(part.saturating_sub(slots.count()));
        free = free.minus(&more);
        *slots = slots.union(&more);
    }
    found.iter().map(Slots::to_planned).collect()
}

/// Returns how many slots each group has.
fn parts(all: u16, had: &[Slots]) -> Vec<u32> {
    let groups = u32::try_from(had.len()).unwrap_or(u32::MAX).max(1);
    let (each, more) = (u32::from(all) / groups, u32::from(all) % groups);
    let mut order: Vec<usize> = (0..had.len()).collect();
    order.sort_by_key(|at| (Reverse(had.get(*at).map_or(0, Slots::count)), *at));
    let mut parts = vec![each; had.len()];
    for at in order.into_iter().take(usize::try_from(more).unwrap_or(usize::MAX)) {
        if let Some(part) = parts.get_mut(at) {
            *part += 1;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ALL: u16 = 16384;

    fn counts(groups: &[Vec<SlotRange>]) -> Vec<u32> {
        groups.iter().map(|ranges| ranges.iter().map(|range| range.count()).sum()).collect()
    }

    /// Slots that are in another group than before; new groups come last.
    fn moved(before: &[Vec<SlotRange>], after: &[Vec<SlotRange>]) -> u32 {
        let none = Vec::new();
        let kept = before.iter().enumerate().map(|(at, old)| {
            let new = after.get(at).unwrap_or(&none);
            Slots::planned(old).intersection(&Slots::planned(new)).count()
        });
        u32::from(ALL) - kept.sum::<u32>()
    }

    /// What groups had, as many as `count` of them.
    fn among(before: &[Vec<SlotRange>], count: usize) -> Vec<Vec<SlotRange>> {
        let mut had = before.to_vec();
        had.resize(count, Vec::new());
        had
    }

    #[test]
    fn without_prior_slots_each_group_has_one_range() {
        let ends = |groups: usize| {
            let all = divided(ALL, &vec![Vec::new(); groups]);
            assert!(all.iter().all(|ranges| ranges.len() == 1));
            all.iter().map(|ranges| (ranges[0].first, ranges[0].last)).collect::<Vec<_>>()
        };
        assert_eq!(ends(3), [(0, 5461), (5462, 10922), (10923, 16383)]);
        for groups in [1, 4, 7, 500, 1000] {
            let all = ends(groups);
            assert_eq!(all.len(), groups);
            assert_eq!((all[0].0, all[groups - 1].1), (0, 16383));
            assert!(all.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
        }
    }

    #[test]
    fn a_fourth_group_takes_a_quarter_and_gives_it_back() {
        let three = divided(ALL, &[const { Vec::new() }; 3]);
        let four = divided(ALL, &among(&three, 4));
        assert_eq!(moved(&three, &four), 4096);
        let shown = four.iter().map(|ranges| Slots::planned(ranges).to_string());
        assert_eq!(
            shown.collect::<Vec<_>>(),
            ["0-4095", "5462-9557", "10923-15018", "4096-5461,9558-10922,15019-16383"]
        );
        assert_eq!(divided(ALL, &among(&four, 3)), three);
    }

    proptest! {
        #[test]
        fn parts_are_equal_and_no_slot_moves_without_need(
            sizes in prop::collection::vec(1usize..12, 2..6),
        ) {
            let mut before: Vec<Vec<SlotRange>> = Vec::new();
            for groups in sizes {
                let after = divided(ALL, &among(&before, groups));
                let all = after.iter().fold(Slots::EMPTY, |all, ranges| {
                    all.union(&Slots::planned(ranges))
                });
                prop_assert_eq!(all, Slots::range(0, ALL - 1));
                let counts = counts(&after);
                prop_assert_eq!(counts.iter().sum::<u32>(), u32::from(ALL));
                let (least, most) = (counts.iter().min(), counts.iter().max());
                prop_assert!(most.unwrap() - least.unwrap() <= 1);
                // What a group has beyond its part has to move, and nothing else does.
                let excess: u32 = self::counts(&before)
                    .iter()
                    .enumerate()
                    .map(|(at, had)| had.saturating_sub(counts.get(at).copied().unwrap_or(0)))
                    .sum();
                if !before.is_empty() {
                    prop_assert_eq!(moved(&before, &after), excess);
                }
                prop_assert_eq!(divided(ALL, &after), after.clone());
                before = after;
            }
        }
    }
}

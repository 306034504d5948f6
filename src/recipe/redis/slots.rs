//! Hash slots: which key belongs to which slot, and sets of slots as ranges.

use std::fmt;

use crate::plan::SlotRange;

/// Number of hash slots of a Redis Cluster.
pub const SLOTS: u16 = 16384;

/// The slot of a key: CRC16 (XMODEM) of the key, or of what stands between its
/// first `{` and the next `}` if that is not empty, modulo [`SLOTS`]; as the
/// Redis Cluster specification has it.
#[must_use]
pub fn slot_of(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map(|(tag, _)| tag)
        .filter(|tag| !tag.is_empty());
    crc16(tag.unwrap_or(key).as_bytes()) % SLOTS
}

/// CRC-16/XMODEM: polynomial 0x1021, initial value 0, not reflected.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc: u16, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

/// A set of slots: inclusive ranges, ascending, neither touching nor
/// overlapping.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slots(Vec<(u16, u16)>);

impl Slots {
    /// No slot.
    pub const EMPTY: Self = Self(Vec::new());

    /// The slots from `first` to `last`, inclusive; empty if `last` is less.
    #[must_use]
    pub fn range(first: u16, last: u16) -> Self {
        Self::of(&[(first, last)])
    }

    /// The union of inclusive ranges in any order.
    #[must_use]
    pub fn of(ranges: &[(u16, u16)]) -> Self {
        let mut sorted: Vec<(u16, u16)> =
            ranges.iter().copied().filter(|(first, last)| first <= last).collect();
        sorted.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::new();
        for (first, last) in sorted {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => {
                    before.1 = before.1.max(last);
                }
                _ => merged.push((first, last)),
            }
        }
        Self(merged)
    }

    /// Returns the slots that a plan gives to a group.
    #[must_use]
    pub fn planned(ranges: &[SlotRange]) -> Self {
        Self::of(&ranges.iter().map(|range| (range.first, range.last)).collect::<Vec<_>>())
    }

    /// Returns the slots as a plan has them.
    #[must_use]
    pub fn to_planned(&self) -> Vec<SlotRange> {
        self.0.iter().map(|&(first, last)| SlotRange { first, last }).collect()
    }

    /// The ranges, ascending.
    #[must_use]
    pub fn ranges(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// Whether no slot is in it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Number of slots.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.0.iter().map(|(first, last)| u32::from(last - first) + 1).sum()
    }

    /// Whether the slot is in it.
    #[must_use]
    pub fn contains(&self, slot: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&slot))
    }

    /// Returns the lowest slots of it, so many or all.
    #[must_use]
    pub fn lowest(&self, count: u32) -> Self {
        let mut left = count;
        let mut found = Vec::new();
        for &(first, last) in &self.0 {
            let Some(more) = left.min(u32::from(last - first) + 1).checked_sub(1) else { break };
            left -= more + 1;
            found.push((first, first.saturating_add(u16::try_from(more).unwrap_or(u16::MAX))));
        }
        Self(found)
    }

    /// The slots, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }

    /// Slots of either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::of(&[self.ranges(), other.ranges()].concat())
    }

    /// Slots of both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let pairs = self.0.iter().flat_map(|a| other.0.iter().map(move |b| (a, b)));
        let common: Vec<(u16, u16)> = pairs.map(|(a, b)| (a.0.max(b.0), a.1.min(b.1))).collect();
        Self::of(&common)
    }

    /// Slots of this one that are not in the other.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut left = Vec::new();
        for &(first, last) in &self.0 {
            let mut from = u32::from(first);
            for &(cut, end) in other.0.iter().filter(|cut| cut.0 <= last && cut.1 >= first) {
                if from < u32::from(cut) {
                    left.push((from, u32::from(cut) - 1));
                }
                from = from.max(u32::from(end) + 1);
            }
            if from <= u32::from(last) {
                left.push((from, u32::from(last)));
            }
        }
        let narrow = |slot: u32| u16::try_from(slot).unwrap_or(u16::MAX);
        Self::of(&left.into_iter().map(|(a, b)| (narrow(a), narrow(b))).collect::<Vec<_>>())
    }
}

impl fmt::Display for Slots {
    /// `0-99,200`, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self
            .0
            .iter()
            .map(|(a, b)| if a == b { a.to_string() } else { format!("{a}-{b}") })
            .collect();
        f.pad(&if shown.is_empty() { "none".to_owned() } else { shown.join(",") })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_hash_as_the_specification_says() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        assert_eq!(slot_of("foo"), 12182);
        assert_eq!(slot_of("{foo}.bar"), slot_of("foo"));
        assert_eq!(slot_of("a{foo}{bar}"), slot_of("foo"));
        assert_eq!(slot_of("{}foo"), crc16(b"{}foo") % SLOTS, "an empty tag is no tag");
    }

    fn slots() -> impl Strategy<Value = Slots> {
        prop::collection::vec((0..SLOTS, 0..SLOTS), 0..6).prop_map(|ranges| Slots::of(&ranges))
    }

    proptest! {
        #[test]
        fn sets_of_ranges_are_sets(a in slots(), b in slots(), slot in 0..SLOTS) {
            let (in_a, in_b) = (a.contains(slot), b.contains(slot));
            prop_assert_eq!(a.union(&b).contains(slot), in_a || in_b);
            prop_assert_eq!(a.intersection(&b).contains(slot), in_a && in_b);
            prop_assert_eq!(a.minus(&b).contains(slot), in_a && !in_b);
            prop_assert_eq!(a.minus(&b).count() + a.intersection(&b).count(), a.count());
        }

        #[test]
        fn the_lowest_come_before_all_others(all in slots(), count in 0u32..20_000) {
            let lowest = all.lowest(count);
            prop_assert_eq!(lowest.count(), count.min(all.count()));
            let rest = all.minus(&lowest);
            prop_assert_eq!(lowest.union(&rest), all);
            if let (Some((_, last)), Some((first, _))) =
                (lowest.ranges().last(), rest.ranges().first())
            {
                prop_assert!(last < first);
            }
        }
    }
}

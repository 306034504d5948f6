//! libvirt's notation for sets of numbers: `0-3,^2,8`.

use std::collections::BTreeSet;

/// Most numbers in one range: no host has more CPUs, and a malformed text must
/// not fill the memory.
const LONGEST: u32 = 1 << 16;

/// Reads a set of CPU or NUMA node numbers, ascending. What is not understood
/// is left out: the text comes from libvirt, which has checked it.
#[must_use]
pub fn parse(text: &str) -> Vec<u32> {
    let mut numbers = BTreeSet::new();
    for part in text.split(',').map(str::trim) {
        if let Some(number) = part.strip_prefix('^') {
            if let Ok(number) = number.parse() {
                numbers.remove(&number);
            }
        } else if let Some((first, last)) = part.split_once('-') {
            if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) {
                numbers.extend(first..=last.min(first.saturating_add(LONGEST)));
            }
        } else if let Ok(number) = part.parse() {
            numbers.insert(number);
        }
    }
    numbers.into_iter().collect()
}

/// Writes a set in that notation: `0-3,8`; nothing for an empty one.
#[must_use]
pub fn show<'a>(numbers: impl IntoIterator<Item = &'a u32>) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers.into_iter().collect::<BTreeSet<_>>() {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    let texts = ranges.iter().map(|(first, last)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    });
    texts.collect::<Vec<_>>().join(",")
}

/// Writes a set for people: the same, or `none`.
#[must_use]
pub fn show_or_none<'a>(numbers: impl IntoIterator<Item = &'a u32>) -> String {
    let text = show(numbers);
    if text.is_empty() { "none".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_as_ranges() {
        assert_eq!(show(&[10, 0, 1, 2, 8, 10, 11]), "0-2,8,10-11");
        assert_eq!(show(&[6, 18, 7, 19, 8]), "6-8,18-19");
        assert_eq!(show(&[u32::MAX, u32::MAX]), u32::MAX.to_string());
        assert_eq!(show(&[]), "");
        assert_eq!(show_or_none(&[]), "none");
    }

    #[test]
    fn ranges_lists_and_exceptions() {
        assert_eq!(parse("0-3,^2,8"), [0, 1, 3, 8]);
        assert_eq!(parse("5"), [5]);
        assert_eq!(parse(""), [0; 0]);
        assert_eq!(parse("nonsense"), [0; 0]);
        assert_eq!(parse("0-4294967295").len(), (1 << 16) + 1);
    }
}

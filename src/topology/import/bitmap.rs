//! hwloc's notation for sets of CPUs and NUMA nodes: `0x0000ffff,0xffffffff`.

/// A set of numbers, possibly with all numbers from some on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bitmap {
    /// Four bits each, the lowest numbers first.
    nibbles: Vec<u8>,
    /// Whether all higher numbers are in it.
    is_endless: bool,
}

impl Bitmap {
    /// Reads words of 32 bits, the highest first, an empty one for zero; or one
    /// word of any length. `0xf...f` in front means all higher numbers.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (words, is_endless) = match text.strip_prefix("0xf...f") {
            Some(rest) => (rest.strip_prefix(',').unwrap_or(rest), true),
            None => (text, false),
        };
        let mut nibbles = Vec::new();
        let is_one = !words.contains(',');
        if !(is_endless && words.is_empty()) {
            for word in words.rsplit(',') {
                let word = word.trim();
                let digits = word.strip_prefix("0x").unwrap_or(word);
                if !is_one && digits.len() > 8 {
                    return None;
                }
                let start = nibbles.len();
                for digit in digits.chars().rev() {
                    nibbles.push(u8::try_from(digit.to_digit(16)?).ok()?);
                }
                if !(is_one && digits.len() > 8) {
                    nibbles.resize(start + 8, 0);
                }
            }
        }
        Some(Self { nibbles, is_endless })
    }

    /// Whether a number is in it.
    pub(super) fn contains(&self, number: u32) -> bool {
        let nibble = self.nibbles.get(number as usize / 4);
        nibble.map_or(self.is_endless, |nibble| nibble >> (number % 4) & 1 == 1)
    }

    /// Whether nothing is in it.
    pub(super) fn is_empty(&self) -> bool {
        self.count() == 0
    }

    /// How many numbers are in it.
    pub(super) fn count(&self) -> u64 {
        let endless = if self.is_endless { u64::from(u32::MAX) } else { 0 };
        endless + self.nibbles.iter().map(|nibble| u64::from(nibble.count_ones())).sum::<u64>()
    }

    /// The numbers written out, ascending.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        let most = u32::try_from(self.nibbles.len() * 4).unwrap_or(u32::MAX);
        (0..most).filter(|number| self.contains(*number))
    }
}

#[cfg(test)]
mod tests {
    use super::Bitmap;

    fn set(text: &str) -> Vec<u32> {
        Bitmap::parse(text).unwrap().numbers().collect()
    }

    #[test]
    fn words_stand_highest_first_and_may_be_empty() {
        assert_eq!(set("0x0"), [0; 0]);
        assert_eq!(set(""), [0; 0]);
        assert_eq!(set("0x00000005"), [0, 2]);
        assert_eq!(set("0x1,0x80000001"), [0, 31, 32]);
        assert_eq!(set("0x1,,0x0"), [64]);
        assert_eq!(set("0x100000000"), [32], "one word of any length, as taskset writes it");
    }

    #[test]
    fn sets_without_end_hold_everything_higher() {
        let set = Bitmap::parse("0xf...f,0xfffffffe").unwrap();
        assert!(!set.contains(0) && set.contains(1) && set.contains(31) && set.contains(4_000));
        assert!(Bitmap::parse("0xf...f").unwrap().contains(0));
    }

    #[test]
    fn what_is_no_set_is_none() {
        for bad in ["x", "0-3", "0xfg", "0x123456789,0x0"] {
            assert_eq!(Bitmap::parse(bad), None, "{bad}");
        }
    }
}

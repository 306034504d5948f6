//! Quantities: how people write them, and arithmetic that cannot overflow in
//! silence.
//!
//! Every quantity is an integer in one base unit. Inside the plan file they are
//! plain integers in fields that carry the unit (`memory_mib`); in the files
//! that people write they are text (`64GiB`), read through [`Quantity`].

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use serde::de::{Deserializer, Visitor};
use serde::{Deserialize, Serialize};

/// Why a text is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// No digits, or more than a number and a unit.
    #[error("{text:?} is not {expected}")]
    Malformed {
        /// What was written.
        text: String,
        /// What would have been right, with an example.
        expected: &'static str,
    },
    /// The unit is not one of this quantity's.
    #[error("{text:?} has {}; expected {expected}", found(unit))]
    Unit {
        /// What was written.
        text: String,
        /// The part after the number.
        unit: String,
        /// What would have been right, with an example.
        expected: &'static str,
    },
    /// Not a whole number of base units.
    #[error("{text:?} is not a whole number of {base}")]
    Fraction {
        /// What was written.
        text: String,
        /// The base unit.
        base: &'static str,
    },
    /// Too large for this quantity.
    #[error("{text:?} is too large")]
    TooLarge {
        /// What was written.
        text: String,
    },
}

/// What a text has in place of a unit.
fn found(unit: &str) -> String {
    if unit.is_empty() { "no unit".to_owned() } else { format!("the unknown unit {unit:?}") }
}

/// A quantity that people write as text with a unit.
pub trait HumanUnit: Sized + Copy {
    /// What was expected, with an example, for errors.
    const EXPECTED: &'static str;
    /// Name of the base unit, for errors.
    const BASE: &'static str;
    /// Accepted units as `(spelling, numerator, denominator)`: a value times
    /// `numerator / denominator` is a number of base units. The first spelling
    /// that divides a value is the one printed, so the largest comes first. A value in a
    /// unit with both above 1 is rounded down.
    const UNITS: &'static [(&'static str, u64, u64)];

    /// Makes the quantity from a number of base units.
    fn from_base(base: u64) -> Self;
    /// The number of base units.
    fn base(self) -> u64;

    /// Reads a text such as `64GiB`, `1.5 GiB` or `900k/s`.
    ///
    /// # Errors
    /// Says what was written and what would have been right.
    fn parse(text: &str) -> Result<Self, QuantityError> {
        let trimmed = text.trim();
        let split = trimmed.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'));
        let (number, unit) = trimmed.split_at(split.unwrap_or(trimmed.len()));
        let unit = unit.trim();
        let (digits, scale) = decimal(number).ok_or_else(|| QuantityError::Malformed {
            text: text.to_owned(),
            expected: Self::EXPECTED,
        })?;
        let (_, num, den) =
            Self::UNITS.iter().find(|(name, _, _)| *name == unit).ok_or_else(|| {
                QuantityError::Unit {
                    text: text.to_owned(),
                    unit: unit.to_owned(),
                    expected: Self::EXPECTED,
                }
            })?;
        let product = digits
            .checked_mul(u128::from(*num))
            .ok_or_else(|| QuantityError::TooLarge { text: text.to_owned() })?;
        let divisor = scale * u128::from(*den);
        // A decimal unit of a binary quantity is hardly ever a whole number of it.
        let is_rounded = *num > 1 && *den > 1;
        if !is_rounded && !product.is_multiple_of(divisor) {
            return Err(QuantityError::Fraction { text: text.to_owned(), base: Self::BASE });
        }
        u64::try_from(product / divisor)
            .map(Self::from_base)
            .map_err(|_| QuantityError::TooLarge { text: text.to_owned() })
    }

    /// Writes the quantity in the largest unit that divides it.
    fn print(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base = self.base();
        let exact = Self::UNITS.iter().find_map(|(name, num, den)| {
            let value = base.checked_mul(*den)?;
            (value.is_multiple_of(*num) && (value > 0 || *num == 1)).then(|| (value / num, name))
        });
        match exact {
            Some((value, name)) => f.pad(&format!("{value}{name}")),
            None => f.pad(&format!("{base}{}", Self::BASE)),
        }
    }
}

/// Digits of a decimal number and the power of ten they are divided by.
fn decimal(text: &str) -> Option<(u128, u128)> {
    let clean = text.replace('_', "");
    let (whole, fraction) = clean.split_once('.').unwrap_or((&clean, ""));
    if whole.is_empty() || whole.len() + fraction.len() > 24 {
        return None;
    }
    if clean.contains('.') && fraction.is_empty() {
        return None;
    }
    let digits = format!("{whole}{fraction}").parse().ok()?;
    let power = u32::try_from(fraction.len()).ok()?;
    Some((digits, 10u128.checked_pow(power)?))
}

/// A quantity read from text only: a bare number has no unit and is refused.
///
/// This is the wire form; take the value out with `.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity<T>(pub T);

impl<'de, T: HumanUnit> Deserialize<'de> for Quantity<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(PhantomData<T>);
        impl<T: HumanUnit> Visitor<'_> for Text<T> {
            type Value = Quantity<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(T::EXPECTED)
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::parse(text).map(Quantity).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text(PhantomData))
    }
}

impl<T: HumanUnit> Serialize for Quantity<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct Shown<T>(T);
        impl<T: HumanUnit> fmt::Display for Shown<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.print(f)
            }
        }
        serializer.collect_str(&Shown(self.0))
    }
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $base:literal, $expected:literal, [$($unit:expr),* $(,)?]) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// None of it.
            pub const ZERO: Self = Self(0);
            /// From a number of base units.
            #[must_use]
            pub const fn new(base: u64) -> Self {
                Self(base)
            }
            /// The number of base units.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }
            /// Sum, unless it overflows.
            #[must_use]
            pub const fn checked_add(self, other: Self) -> Option<Self> {
                match self.0.checked_add(other.0) {
                    Some(sum) => Some(Self(sum)),
                    None => None,
                }
            }
            /// Product with a count, unless it overflows.
            #[must_use]
            pub const fn checked_mul(self, count: u64) -> Option<Self> {
                match self.0.checked_mul(count) {
                    Some(product) => Some(Self(product)),
                    None => None,
                }
            }
            /// Difference, never below zero.
            #[must_use]
            pub const fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
            /// Sum, never above the largest value.
            #[must_use]
            pub const fn saturating_add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }

        impl HumanUnit for $name {
            const EXPECTED: &'static str = $expected;
            const BASE: &'static str = $base;
            const UNITS: &'static [(&'static str, u64, u64)] = &[$($unit),*];
            fn from_base(base: u64) -> Self {
                Self(base)
            }
            fn base(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.print(f)
            }
        }

        impl FromStr for $name {
            type Err = QuantityError;
            fn from_str(text: &str) -> Result<Self, QuantityError> {
                Self::parse(text)
            }
        }

        impl std::iter::Sum for $name {
            fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
                iter.fold(Self::ZERO, Self::saturating_add)
            }
        }
    };
}

const KI: u64 = 1 << 10;
const MI: u64 = 1 << 20;
const GI: u64 = 1 << 30;
const TI: u64 = 1 << 40;

quantity!(
    /// Memory, disk and data sizes that a host hands out, in MiB. Decimal units, in which
    /// disks are sold, are accepted and rounded down to whole MiB.
    Mebibytes,
    "MiB",
    "a size such as 64GiB or 512MiB",
    [
        ("TiB", MI, 1),
        ("GiB", KI, 1),
        ("MiB", 1, 1),
        ("KiB", 1, KI),
        ("B", 1, MI),
        ("TB", 1_000_000_000_000, MI),
        ("GB", 1_000_000_000, MI),
        ("MB", 1_000_000, MI),
    ]
);

impl Mebibytes {
    /// From whole GiB; saturates.
    #[must_use]
    pub const fn from_gib(gib: u64) -> Self {
        Self(gib.saturating_mul(KI))
    }
    /// The same size in bytes; saturates.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.0.saturating_mul(MI)
    }
    /// The same size in KiB, as libvirt counts; saturates.
    #[must_use]
    pub const fn kib(self) -> u64 {
        self.0.saturating_mul(KI)
    }
}

quantity!(
    /// Sizes of values and messages, in bytes.
    Bytes,
    "B",
    "a size such as 512B, 10KiB or 64GiB",
    [
        ("TiB", TI, 1),
        ("GiB", GI, 1),
        ("MiB", MI, 1),
        ("KiB", KI, 1),
        ("TB", 1_000_000_000_000, 1),
        ("GB", 1_000_000_000, 1),
        ("MB", 1_000_000, 1),
        ("kB", 1_000, 1),
        ("B", 1, 1),
    ]
);

quantity!(
    /// Operations per second: requests, reads, writes, IOPS.
    PerSecond,
    "/s",
    "a rate such as 900k/s or 500/s",
    [
        ("G/s", 1_000_000_000, 1),
        ("M/s", 1_000_000, 1),
        ("k/s", 1_000, 1),
        ("/s", 1, 1),
    ]
);

quantity!(
    /// Data rates of networks, in bit/s.
    BitsPerSecond,
    "bit/s",
    "a data rate such as 10 Gbit/s",
    [
        ("Tbit/s", 1_000_000_000_000, 1),
        ("Gbit/s", 1_000_000_000, 1),
        ("Mbit/s", 1_000_000, 1),
        ("kbit/s", 1_000, 1),
        ("bit/s", 1, 1),
    ]
);

quantity!(
    /// Parts of a whole, in percent.
    Percent,
    "%",
    "a percentage such as 20%",
    [("%", 1, 1)]
);

quantity!(
    /// Spans of time, in microseconds.
    Microseconds,
    "us",
    "a span of time such as 5ms or 300us",
    [
        ("s", 1_000_000, 1),
        ("ms", 1_000, 1),
        ("us", 1, 1),
        // The micro sign and the Greek letter look the same.
        ("\u{b5}s", 1, 1),
        ("\u{3bc}s", 1, 1),
    ]
);

quantity!(
    /// Spans of time, in days.
    Days,
    "d",
    "a number of days such as 30d, or of weeks such as 4w",
    [("d", 1, 1), ("w", 7, 1)]
);

/// Why a text is no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration such as 90s, \"1m 30s\" or 1.5h")]
pub struct DurationError {
    /// What was written.
    pub text: String,
}

/// Reads a duration above zero: `90s`, `1m 30s`, `1.5h`; a bare number is in seconds.
///
/// # Errors
/// The text is something else, or the duration is too long to count.
pub fn duration(text: &str) -> Result<Duration, DurationError> {
    let wrong = || DurationError { text: text.to_owned() };
    let trimmed = text.trim();
    let is_bare = trimmed.chars().all(|c| c.is_ascii_digit() || c == '.');
    let with_unit = if is_bare { format!("{trimmed}s") } else { trimmed.to_owned() };
    let signed: jiff::SignedDuration = with_unit.parse().map_err(|_| wrong())?;
    let duration = Duration::try_from(signed).map_err(|_| wrong())?;
    if duration.is_zero() { Err(wrong()) } else { Ok(duration) }
}

/// Joins the first few of many, with the number of the rest: `a, b and 3 more`.
#[must_use]
pub fn first_few<T: fmt::Display>(items: impl IntoIterator<Item = T>, most: usize) -> String {
    let mut items = items.into_iter();
    let shown: Vec<String> = items.by_ref().take(most).map(|item| item.to_string()).collect();
    let shown = shown.join(", ");
    match items.count() {
        0 => shown,
        rest => format!("{shown} and {rest} more"),
    }
}

/// Takes `part` in `whole` as a share in percent, for people; 0 of nothing is 0.
#[must_use]
pub fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    #[expect(clippy::cast_precision_loss, reason = "shown to people with one decimal")]
    let share = part as f64 / whole as f64;
    share * 100.0
}

/// Writes a number with a comma between groups of three digits: `8,174`.
#[must_use]
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Takes a count with its noun: `1 host`, `2 hosts`.
#[must_use]
pub fn counted(count: u64, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{} {noun}s", grouped(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        assert_eq!(Mebibytes::parse("64GiB"), Ok(Mebibytes::new(65536)));
        assert_eq!(Mebibytes::parse("1.5 GiB"), Ok(Mebibytes::new(1536)));
        assert_eq!(Mebibytes::parse("1TB"), Ok(Mebibytes::new(953_674)));
        assert_eq!(Mebibytes::parse("1.5 GB"), Ok(Mebibytes::new(1430)));
        assert_eq!(Mebibytes::parse("64GB").unwrap().to_string(), "61035MiB");
        assert_eq!(Bytes::parse("10KiB"), Ok(Bytes::new(10240)));
        assert_eq!(PerSecond::parse("900k/s"), Ok(PerSecond::new(900_000)));
        assert_eq!(BitsPerSecond::parse("10 Gbit/s").map(BitsPerSecond::get), Ok(10_000_000_000));
    }

    #[test]
    fn long_numbers_have_separators() {
        let all = [0, 999, 1_000, 12_345, 1_000_000].map(grouped);
        assert_eq!(all, ["0", "999", "1,000", "12,345", "1,000,000"]);
    }

    #[test]
    fn percentages_and_spans_of_time_are_quantities_too() {
        assert_eq!(Percent::parse("20 %"), Ok(Percent::new(20)));
        assert_eq!(Microseconds::parse("5ms"), Ok(Microseconds::new(5_000)));
        assert_eq!(Microseconds::parse("0.3 ms"), Ok(Microseconds::new(300)));
        assert_eq!(Microseconds::parse("7\u{b5}s"), Ok(Microseconds::new(7)));
        let bare = Percent::parse("0.2").unwrap_err().to_string();
        assert_eq!(bare, "\"0.2\" has no unit; expected a percentage such as 20%");
        let nanos = Microseconds::parse("10ns").unwrap_err().to_string();
        let expected = "expected a span of time such as 5ms or 300us";
        assert_eq!(nanos, format!("\"10ns\" has the unknown unit \"ns\"; {expected}"));
        assert_eq!(Microseconds::new(5_000).to_string(), "5ms");
    }

    #[test]
    fn wrong_quantities_say_what_was_expected() {
        let unit = Mebibytes::parse("64Gb").unwrap_err().to_string();
        assert_eq!(
            unit,
            "\"64Gb\" has the unknown unit \"Gb\"; expected a size such as 64GiB or 512MiB"
        );
        let bare = Mebibytes::parse("64").unwrap_err().to_string();
        assert!(bare.contains("has no unit"), "{bare}");
        let fraction = Mebibytes::parse("1.3MiB").unwrap_err().to_string();
        assert_eq!(fraction, "\"1.3MiB\" is not a whole number of MiB");
        assert!(matches!(Mebibytes::parse("-1GiB"), Err(QuantityError::Malformed { .. })));
        assert!(matches!(
            PerSecond::parse("99999999999999999999G/s"),
            Err(QuantityError::TooLarge { .. })
        ));
    }

    #[test]
    fn quantities_print_in_the_largest_unit_that_divides_them() {
        assert_eq!(Mebibytes::new(65536).to_string(), "64GiB");
        assert_eq!(Mebibytes::new(1536).to_string(), "1536MiB");
        assert_eq!(Mebibytes::ZERO.to_string(), "0MiB");
        assert_eq!(PerSecond::new(900_000).to_string(), "900k/s");
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, millis) in [
            ("90s", 90_000),
            ("15m", 900_000),
            ("1m 30s", 90_000),
            ("1.5h", 5_400_000),
            (" 60 ", 60_000),
            ("0.5", 500),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for wrong in [
            "",
            " ",
            ".",
            "1.2.3",
            "-1s",
            "0s",
            "0",
            "5 parsecs",
            "99999999999999999999s",
            "5184000000000000000h",
        ] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_rest_of_a_long_list_is_counted() {
        assert_eq!(first_few(["a", "b"], 2), "a, b");
        assert_eq!(first_few(["a", "b", "c", "d"], 2), "a, b and 2 more");
        assert_eq!(first_few([0; 0], 2), "");
    }

    proptest::proptest! {
        #[test]
        fn printing_and_reading_are_inverse(base in 0u64..1 << 50) {
            let printed = Mebibytes::new(base).to_string();
            proptest::prop_assert_eq!(Mebibytes::parse(&printed), Ok(Mebibytes::new(base)));
            let printed = PerSecond::new(base).to_string();
            proptest::prop_assert_eq!(PerSecond::parse(&printed), Ok(PerSecond::new(base)));
        }
    }
}

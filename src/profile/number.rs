//! A number of a profile: an interval, the range it holds for, its evidence.

use serde::Deserialize;

/// An estimate with its uncertainty and where it comes from.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    /// Lowest plausible value.
    pub low: f64,
    /// The value that plans use.
    pub default: f64,
    /// Highest plausible value.
    pub high: f64,
    /// Range of the quantity it was fitted over, where it has one.
    pub fitted: Option<(f64, f64)>,
    /// Id of the evidence.
    pub evidence: String,
}

impl Number {
    /// The default as a whole number, rounded up; 0 below zero.
    #[must_use]
    pub fn whole(&self) -> u64 {
        ceil(self.default)
    }

    /// Whether `at` lies in the range that the number was fitted over.
    #[must_use]
    pub fn holds_at(&self, at: f64) -> bool {
        self.fitted.is_none_or(|(low, high)| low <= at && at <= high)
    }
}

/// The least integer that is not below `value`; 0 below zero, saturating above.
///
/// With [`floor`] the only way from a profile's numbers to a plan's integers.
/// What is a whisker above an integer is that integer, so that the last bit of a
/// platform's arithmetic does not decide.
#[must_use]
pub fn ceil(value: f64) -> u64 {
    to_integer((value - WHISKER).ceil())
}

/// The greatest integer that is not above `value`; see [`ceil`].
#[must_use]
pub fn floor(value: f64) -> u64 {
    to_integer((value + WHISKER).floor())
}

const WHISKER: f64 = 1e-6;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates; negatives and NaN become 0"
)]
const fn to_integer(value: f64) -> u64 {
    value as u64
}

/// An integer as the floating-point number nearest to it.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53; no quantity here comes near")]
pub const fn real(value: u64) -> f64 {
    value as f64
}

/// Declares a section of a profile: a struct of [`Number`]s that can be listed.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_doc])* pub $field: Number,)*
        }

        impl $name {
            /// The numbers with their names, in the order of the declaration.
            #[must_use]
            pub fn numbers(&self) -> Vec<(&'static str, &Number)> {
                vec![$((stringify!($field), &self.$field)),*]
            }
        }
    };
}
pub(super) use section;

/// The numbers of a kind's sections as `kind.section.name`, in their order.
pub(super) fn listed<'a, const N: usize>(
    kind: &str,
    sections: [(&str, Vec<(&'static str, &'a Number)>); N],
) -> Vec<(String, &'a Number)> {
    let named = |(section, numbers): (&str, Vec<(&'static str, &'a Number)>)| {
        let full = |(name, number)| (format!("{kind}.{section}.{name}"), number);
        numbers.into_iter().map(full).collect::<Vec<_>>()
    };
    sections.into_iter().flat_map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_made_at_one_place_and_a_whisker_does_not_decide() {
        assert_eq!((floor(2.999_999_999_9), ceil(3.000_000_000_1)), (3, 3));
        assert_eq!((floor(2.9), ceil(2.1)), (2, 3));
        assert_eq!((floor(-1.0), ceil(f64::NAN)), (0, 0));
    }
}

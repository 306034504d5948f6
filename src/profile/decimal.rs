//! A number as a spec states it: kept as text, so that a plan holds what was
//! written and no arithmetic of this program.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A number from 0 to [`Decimal::MOST`], as short as it can be read back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Decimal(String);

/// Why a text is not such a number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Something else.
    #[error("{0:?} is not a number such as 95000 or 0.85")]
    NotANumber(String),
    /// Below zero.
    #[error("{0} is negative; expected 0 or more")]
    Negative(String),
    /// Less than any quantity of a profile can be.
    #[error("{0} is out of range: 0, or at least 0.000000001")]
    TooSmall(String),
    /// More than any quantity of a profile can be.
    #[error("{text} is out of range: at most {}", Decimal::MOST)]
    TooLarge {
        /// The text.
        text: String,
    },
}

impl Decimal {
    /// The largest: no quantity of a profile comes near.
    pub const MOST: u64 = 1_000_000_000_000;

    /// Reads digits with a point and an exponent, if need be: `95000`, `0.85`,
    /// `2.1e-4`.
    ///
    /// # Errors
    /// The text is not a number, or out of range.
    pub fn parse(text: &str) -> Result<Self, DecimalError> {
        let text = text.trim();
        let shown = || text.chars().take(40).collect::<String>();
        let (digits, is_negative) = match text.strip_prefix('-') {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        // Neither `inf`, `nan` nor a sign twice, which the standard parser takes.
        let plain = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
        let value = plain.then(|| digits.parse::<f64>().ok()).flatten();
        match value {
            None => Err(DecimalError::NotANumber(shown())),
            Some(_) if is_negative => Err(DecimalError::Negative(shown())),
            Some(value) if value > super::real(Self::MOST) => {
                Err(DecimalError::TooLarge { text: shown() })
            }
            Some(value) if value != 0.0 && value < 1e-9 => Err(DecimalError::TooSmall(shown())),
            Some(value) if value != 0.0 && value < 1e-6 => Ok(Self(format!("{value:e}"))),
            Some(value) => Ok(Self(format!("{value}"))),
        }
    }

    /// The number nearest to it.
    pub(super) fn value(&self) -> f64 {
        // It was made from such a number.
        self.0.parse().unwrap_or(0.0)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl TryFrom<String> for Decimal {
    type Error = DecimalError;

    fn try_from(text: String) -> Result<Self, DecimalError> {
        Self::parse(&text)
    }
}

impl From<Decimal> for String {
    fn from(Decimal(text): Decimal) -> Self {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_text() {
        for (text, same) in [
            ("95000", "95000"),
            (" 9.50e4 ", "95000"),
            ("0.850", "0.85"),
            (".5", "0.5"),
            ("2.11e-7", "2.11e-7"),
            ("1e-400", "0"),
            ("1e12", "1000000000000"),
        ] {
            let read = Decimal::parse(text).unwrap();
            assert_eq!(read.to_string(), same);
            assert_eq!(Decimal::parse(same).unwrap(), read);
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let refused = |text: &str| Decimal::parse(text).unwrap_err().to_string();
        for text in
            ["", "x", "NaN", "inf", ".inf", "0x10", "5%", "1_000", "+5", "--5", "1e", ".", "5 MiB"]
        {
            assert!(refused(text).ends_with("is not a number such as 95000 or 0.85"), "{text}");
        }
        assert_eq!(refused("1e-10"), "1e-10 is out of range: 0, or at least 0.000000001");
        assert_eq!(refused("-3"), "-3 is negative; expected 0 or more");
        for text in ["1e400", "1000000000001"] {
            assert_eq!(refused(text), format!("{text} is out of range: at most 1000000000000"));
        }
    }
}

//! How many machines of an entry one failure domain holds.

use std::fmt;
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::topology::Level;

/// The most machines of an entry that each failure domain of a level holds.
///
/// A plan has it as the spec has it: `"host"` for one per host, else both fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Form", into = "Form")]
pub struct Spread {
    /// The level.
    pub per: Level,
    /// The most machines.
    pub at_most: NonZeroU32,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Short(Level),
    Full(Full),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Full {
    per: Level,
    at_most: NonZeroU32,
}

impl From<Level> for Spread {
    /// One machine per failure domain.
    fn from(per: Level) -> Self {
        Self { per, at_most: NonZeroU32::MIN }
    }
}

impl From<Form> for Spread {
    fn from(form: Form) -> Self {
        match form {
            Form::Short(per) => per.into(),
            Form::Full(Full { per, at_most }) => Self { per, at_most },
        }
    }
}

impl From<Spread> for Form {
    fn from(spread: Spread) -> Self {
        let Spread { per, at_most } = spread;
        if spread.is_short() { Self::Short(per) } else { Self::Full(Full { per, at_most }) }
    }
}

impl Spread {
    /// Returns the most machines that one failure domain holds.
    #[must_use]
    pub fn most(self) -> u64 {
        self.at_most.get().into()
    }

    /// Returns how many failure domains so many machines need at least.
    #[must_use]
    pub fn domains(self, machines: u64) -> u64 {
        machines.div_ceil(self.most())
    }

    fn is_short(self) -> bool {
        self.at_most == NonZeroU32::MIN
    }
}

/// As the spec has it.
impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { per, at_most } = self;
        if self.is_short() {
            write!(f, "{per}")
        } else {
            write!(f, "{{ per: {per}, at_most: {at_most} }}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_per_domain_is_a_word() {
        let two = Spread { per: Level::Rack, at_most: NonZeroU32::new(2).unwrap() };
        for (spread, text) in
            [(Level::Host.into(), r#""host""#), (two, r#"{"per":"rack","at_most":2}"#)]
        {
            assert_eq!(serde_json::to_string(&spread).unwrap(), text);
            assert_eq!(serde_json::from_str::<Spread>(text).unwrap(), spread);
        }
        assert_eq!(
            serde_json::from_str::<Spread>(r#"{"per":"host","at_most":1}"#).unwrap(),
            Level::Host.into()
        );
        for wrong in [r#"{"per":"host","at_most":0}"#, r#"{"per":"host"}"#, r#""room""#] {
            assert!(serde_json::from_str::<Spread>(wrong).is_err(), "{wrong}");
        }
        assert_eq!((two.domains(0), two.domains(5)), (0, 3));
        assert_eq!(two.to_string(), "{ per: rack, at_most: 2 }");
    }
}

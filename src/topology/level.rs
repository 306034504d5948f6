//! Kinds of failure domain.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Kinds of failure domain, smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A host.
    Host,
    /// The hosts of one rack.
    Rack,
    /// The hosts of one site.
    Site,
}

impl Level {
    /// The word that the spec uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Rack => "rack",
            Self::Site => "site",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

//! Values of an engine's configuration, typed: a plan that is read can be computed
//! with, and nothing parses numbers out of texts again.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::units::Mebibytes;

/// The configuration of one instance, by the engine's own names.
pub type Settings = BTreeMap<String, Setting>;

/// One value. In a plan file its type is named: `{"bytes": 536870912}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Setting {
    /// A word or a text.
    Text(String),
    /// On or off.
    Switch(bool),
    /// A number without unit.
    Count(u64),
    /// A size in bytes.
    Bytes(u64),
    /// A time in milliseconds.
    Millis(u64),
    /// An IPv4 address.
    Address(Ipv4Addr),
    /// Several words in their order; none where the setting is to be empty.
    Words(Vec<String>),
}

impl Setting {
    /// Several words.
    pub fn words<T: ToString>(words: impl IntoIterator<Item = T>) -> Self {
        Self::Words(words.into_iter().map(|word| word.to_string()).collect())
    }

    /// The number of a count, of bytes or of milliseconds; `None` for all others.
    #[must_use]
    pub const fn number(&self) -> Option<u64> {
        match self {
            Self::Count(number) | Self::Bytes(number) | Self::Millis(number) => Some(*number),
            _ => None,
        }
    }
}

impl From<&str> for Setting {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<bool> for Setting {
    fn from(on: bool) -> Self {
        Self::Switch(on)
    }
}

impl From<u64> for Setting {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<Mebibytes> for Setting {
    fn from(size: Mebibytes) -> Self {
        Self::Bytes(size.bytes())
    }
}

impl From<Ipv4Addr> for Setting {
    fn from(address: Ipv4Addr) -> Self {
        Self::Address(address)
    }
}

impl fmt::Display for Setting {
    /// For people; engines have notations of their own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Switch(on) => f.write_str(if *on { "on" } else { "off" }),
            Self::Count(count) => write!(f, "{count}"),
            Self::Bytes(bytes) if bytes % (1 << 20) == 0 => Mebibytes::new(bytes >> 20).fmt(f),
            Self::Bytes(bytes) => write!(f, "{bytes} B"),
            Self::Millis(millis) => write!(f, "{millis} ms"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Words(words) if words.is_empty() => f.write_str("none"),
            Self::Words(words) => f.write_str(&words.join(" ")),
        }
    }
}

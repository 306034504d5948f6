//! Names of things: validated once, then carried as types that do not mix.
//!
//! All names share one grammar, that of a DNS label of at most 40 characters:
//! a lower-case letter, then lower-case letters, digits and single hyphens.
//! So each can be part of a domain name, a host name and a volume name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name, in characters; leaves room for the suffixes of volumes within
/// the 63 that a DNS label may have.
pub const MAX_NAME: usize = 40;

/// Why a text is no name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a name: expected a lower-case letter, then lower-case letters, \
     digits and single hyphens, at most {MAX_NAME} characters"
)]
pub struct NameError {
    /// What was written.
    pub text: String,
}

fn check(text: &str) -> Result<(), NameError> {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = text.len() <= MAX_NAME
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && !text.contains("--")
        && text.chars().all(inner);
    if good { Ok(()) } else { Err(NameError { text: text.to_owned() }) }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks and takes a name.
            ///
            /// # Errors
            /// The text does not follow the grammar of this module.
            pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
                let text = text.into();
                check(&text)?;
                Ok(Self(text))
            }
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(text: String) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name!(
    /// One deployment: the `name` of a spec, first part of every name it makes.
    DeploymentName
);
name!(
    /// A physical server.
    HostName
);
name!(
    /// A service, or an entry of `vms:`.
    ServiceName
);
name!(
    /// One VM of a service: the service's name and an ordinal, `cache-3`.
    InstanceName
);
impl InstanceName {
    /// The instance `ordinal` of `service`.
    ///
    /// # Errors
    /// The two together are longer than [`MAX_NAME`].
    pub fn of(service: &ServiceName, ordinal: u32) -> Result<Self, NameError> {
        Self::new(format!("{service}-{ordinal}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in ["a", "cache", "cache-3", "h1"] {
            assert!(HostName::new(good).is_ok(), "{good}");
        }
        let long = "a".repeat(MAX_NAME + 1);
        for bad in ["", "-a", "a-", "a--b", "A", "3a", "a_b", "a.b", "ä", long.as_str()] {
            assert!(HostName::new(bad).is_err(), "{bad}");
        }
    }
}

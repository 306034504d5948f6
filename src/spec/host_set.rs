//! Hosts that machines are to be on, or not.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::ids::HostName;
use crate::topology::{Host, Level};

/// A host, or all hosts with a label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HostSet {
    /// One host.
    Host(HostName),
    /// The hosts of a rack.
    Rack(String),
    /// The hosts of a site.
    Site(String),
}

impl HostSet {
    /// Whether a host is one of them.
    #[must_use]
    pub fn contains(&self, host: &Host) -> bool {
        match self {
            Self::Host(name) => host.name == *name,
            Self::Rack(name) => host.labels.get(&Level::Rack) == Some(name),
            Self::Site(name) => host.labels.get(&Level::Site) == Some(name),
        }
    }
}

impl fmt::Display for HostSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => write!(f, "{name}"),
            Self::Rack(name) => write!(f, "rack {name}"),
            Self::Site(name) => write!(f, "site {name}"),
        }
    }
}

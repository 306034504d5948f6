//! How a change alters who is let in, and what that takes.

use std::fmt;

use crate::spec::{Entry, Tls};

/// How a change alters who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admission {
    /// Clients with a password are let in beside those without one.
    Accepts,
    /// Clients without a password, who were let in beside others, are not any more.
    Requires,
    /// Clients without a password are not let in any more, and there was none before.
    RequiresAtOnce,
    /// Clients without the password are let in as well.
    Relaxes,
    /// There is no password any more.
    Opens,
    /// Encrypted connections are accepted beside others.
    Encrypts,
    /// Connections without encryption, which were accepted beside others, are not any more.
    RequiresEncryption,
    /// Connections without encryption are accepted beside others.
    AllowsPlain,
    /// Encrypted connections, which were accepted beside others, are not any more.
    DropsEncryption,
    /// Encrypted connections are accepted in the place of others, or others in their place.
    ReplacesEncryption,
    /// Clients are served at another address or port, or by another kind of connections, and
    /// no more as they were.
    Moves,
}

impl Admission {
    /// Returns how one rule becomes another; `None` where it stays as it is.
    #[must_use]
    pub const fn between(before: Entry, after: Entry) -> Option<Self> {
        match (before, after) {
            (Entry::Open, Entry::Both) => Some(Self::Accepts),
            (Entry::Open, Entry::Closed) => Some(Self::RequiresAtOnce),
            (Entry::Both, Entry::Closed) => Some(Self::Requires),
            (Entry::Closed, Entry::Both) => Some(Self::Relaxes),
            (Entry::Both | Entry::Closed, Entry::Open) => Some(Self::Opens),
            (Entry::Open, Entry::Open)
            | (Entry::Both, Entry::Both)
            | (Entry::Closed, Entry::Closed) => None,
        }
    }

    /// Returns how one rule of encryption becomes another; `None` where it stays as it is.
    #[must_use]
    pub const fn between_tls(before: Tls, after: Tls) -> Option<Self> {
        match (before, after) {
            (Tls::Off, Tls::Optional) => Some(Self::Encrypts),
            (Tls::Optional, Tls::On) => Some(Self::RequiresEncryption),
            (Tls::On, Tls::Optional) => Some(Self::AllowsPlain),
            (Tls::Optional, Tls::Off) => Some(Self::DropsEncryption),
            (Tls::Off, Tls::On) | (Tls::On, Tls::Off) => Some(Self::ReplacesEncryption),
            (Tls::Off, Tls::Off) | (Tls::On, Tls::On) | (Tls::Optional, Tls::Optional) => None,
        }
    }

    /// Whether all instances have to let each other in by the former rule and by the new
    /// one before any changes over.
    #[must_use]
    pub const fn is_prepared(self) -> bool {
        matches!(self, Self::Accepts | Self::RequiresAtOnce | Self::Opens | Self::AllowsPlain)
    }
}

impl fmt::Display for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepts => "a password is accepted beside none",
            Self::Requires => "a password is required, clients without one are refused",
            Self::RequiresAtOnce => {
                "a password is required at once, where none was accepted before"
            }
            Self::Relaxes => "clients without the password are let in beside others",
            Self::Opens => "no password is needed any more",
            Self::Encrypts => "encrypted connections are accepted beside others",
            Self::RequiresEncryption => "encryption is required, other connections are refused",
            Self::AllowsPlain => "connections without encryption are accepted beside others",
            Self::DropsEncryption => "encrypted connections are not accepted any more",
            Self::ReplacesEncryption => "clients need another kind of connections at once",
            Self::Moves => "clients need another address, port or kind of connections at once",
        })
    }
}

//! A certificate of the user's own, which clients know who signed.

use serde::{Deserialize, Serialize};

/// A certificate that somebody else signed than the deployment's authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnCertificate {
    /// The file of its chain: absolute if the spec says so, else relative to the directory of
    /// the spec. A deploy reads it again.
    pub chain: String,
    /// SHA-256 of its certificates ([`crate::certificate::Chain::digest`]).
    pub sha256: String,
    /// The names and addresses that it is for.
    pub names: Vec<String>,
    /// When it ends.
    pub ends: String,
    /// The name by which hostsplit asks, as clients do: one that it covers.
    pub name: String,
    /// Where its key comes from.
    pub key: KeySource,
}

impl OwnCertificate {
    /// Most bytes of a file of certificates.
    pub const MOST: u64 = 64 << 10;

    /// Whether a name can be asked for: one of a server, without `*`.
    #[must_use]
    pub fn is_name(text: &str) -> bool {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        !text.is_empty() && text.len() <= 253 && text.chars().all(plain) && !text.starts_with('-')
    }
}

/// Where a key comes from. It is a reference: the key itself never gets into a spec or a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeySource {
    /// A file.
    File(String),
    /// An environment variable.
    #[serde(rename = "env")]
    Environment(String),
    /// What a command of the shell prints.
    Command(String),
}

//! Passwords and keys: made, kept, found; never shown.
//!
//! A [`Secret`] cannot be printed, compared with what is shown or turned into
//! JSON, so none gets into a plan, a journal, a log or an error by accident. Its
//! memory is overwritten when it is dropped.
//! What a deploy makes lies in its state directory, in files that only their
//! owner can read (`keep`).

mod authority;
mod error;
mod folder;
mod hash;
mod own;
mod search;
mod store;

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use zeroize::Zeroizing;

pub use self::authority::{Authority, Identity};
pub use self::error::SecretError;
pub use self::folder::Forgotten;
pub use self::store::{Lacking, Make, Missing, Recovered, SecretStore, Sources};
use crate::digest::hex;
use crate::engines::Engine;
use crate::ids::{InstanceName, ServiceName};
use crate::plan::ServicePlan;

/// Bytes of chance in a password that we make.
const ENTROPY: usize = 24;
/// Fewest characters of a password that others made: what a dictionary tries
/// first is shorter.
const SHORTEST: usize = 12;
/// Most characters; Redis's own limit is far above.
const LONGEST: usize = 512;

/// A text that must not be seen, nor left behind in memory.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl From<String> for Secret {
    /// Takes a text that was never anywhere else, such as a key that was just made.
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// Makes a new one: 192 bits from the operating system, as 48 hexadecimal digits.
    ///
    /// # Errors
    /// The operating system gives none.
    pub fn generate() -> io::Result<Self> {
        let mut bytes = Zeroizing::new([0; ENTROPY]);
        getrandom::fill(bytes.as_mut()).map_err(io::Error::other)?;
        Ok(hex(bytes.as_ref()).into())
    }

    /// Reads a password that others made. One line end is taken off.
    ///
    /// # Errors
    /// What is wrong with it, without showing it: it has to pass as one word
    /// through configuration files, environments and clients.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\');
        if let Some(at) = text.chars().position(|c| !plain(c)) {
            return Err(format!(
                "its character {} is none of ASCII's letters, digits and signs without quotes and \
                 backslash",
                at + 1
            ));
        }
        if !(SHORTEST..=LONGEST).contains(&text.len()) {
            return Err(format!(
                "it has {} characters; expected {SHORTEST} to {LONGEST}",
                text.len()
            ));
        }
        Ok(text.to_owned().into())
    }

    /// Returns the text itself, to hand it on.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// A secret that an engine asks for: recipes list what they need by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SecretNeed {
    /// Its name, unique within the engine.
    pub name: &'static str,
    /// Whether clients know it: then the spec may say where it comes from, and losing it
    /// locks them out. At most one of an engine's.
    pub for_clients: bool,
}

/// Returns the secrets that a service of an engine shares.
pub type Needs = fn(Engine) -> &'static [SecretNeed];

/// The secrets that a service has. Where an engine's clients know one of them, all come with
/// the password of clients; those of an engine whose clients know none are always there.
fn needs_of(needs: Needs, service: &ServicePlan) -> &'static [SecretNeed] {
    let all = needs(service.engine);
    let is_open = service.access.password.is_none();
    if is_open && all.iter().any(|need| need.for_clients) { &[] } else { all }
}

/// Secrets that the instances of a service share, by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceSecrets(BTreeMap<&'static str, Secret>);

impl ServiceSecrets {
    /// Returns a secret by its name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Secret> {
        self.0.get(name)
    }

    /// Returns all of them, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &Secret)> {
        self.0.iter().map(|(name, secret)| (*name, secret))
    }
}

impl FromIterator<(&'static str, Secret)> for ServiceSecrets {
    fn from_iter<T: IntoIterator<Item = (&'static str, Secret)>>(secrets: T) -> Self {
        Self(secrets.into_iter().collect())
    }
}

/// Secrets of a deployment, found or made.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// Those of each service that has some.
    pub services: BTreeMap<ServiceName, ServiceSecrets>,
    /// Certificates and keys, of instances that speak TLS.
    pub identities: BTreeMap<InstanceName, Identity>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::parse("correct-horse-battery").unwrap();
        let held = ServiceSecrets::from_iter([("client", secret.clone()), ("internal", secret)]);
        assert!(!format!("{held:?}").contains("horse"), "{held:?}");
    }

    #[test]
    fn two_generated_ones_differ_and_can_be_read_again() {
        let (one, other) = (Secret::generate().unwrap(), Secret::generate().unwrap());
        assert!(one != other);
        assert_eq!(one.expose().len(), 2 * ENTROPY);
        assert!(Secret::parse(one.expose()).unwrap() == one);
    }

    #[test]
    fn what_would_break_a_file_or_a_guess_would_find_is_refused_and_not_repeated() {
        for bad in [
            "",
            "short",
            "with a space in it",
            "quote\"quote\"quote",
            "line\nline\nline",
            "ümläut-ümläut",
        ] {
            let why = Secret::parse(bad).unwrap_err();
            assert!(bad.is_empty() || !why.contains(bad), "{why}");
        }
        assert_eq!(Secret::parse("twelve-chars\r\n").unwrap().expose(), "twelve-chars");
    }
}

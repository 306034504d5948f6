//! How a client reaches the instances of a service: program, password, encryption.

use crate::engine::Crew;
use crate::recipe::Credentials;
use crate::recipe::redis::{Doors, Package};
use crate::secret::Secret;

/// The user of hostsplit itself; clients use `default`.
pub(super) const USER: &str = "hostsplit";
/// Both names of the variable: `redis-cli` knows the first, `valkey-cli` prefers
/// the second.
const PASSWORD: [&str; 2] = ["REDISCLI_AUTH", "VALKEYCLI_AUTH"];

/// Program, password and encryption that a service wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAccess {
    /// The engine in the guest.
    pub package: &'static Package,
    /// The passwords, where the service asks for one and it is known.
    pub credentials: Option<Credentials>,
    /// Whether clients are let in without it as well.
    pub optional: bool,
    /// Whether hostsplit's connections are encrypted.
    pub tls: bool,
}

/// As whom a session comes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// As anybody, without a password.
    Anybody,
    /// As hostsplit's own user, by its password.
    Own(Secret),
}

impl Login {
    /// The password, where there is one.
    pub(super) fn password(&self) -> Option<&str> {
        match self {
            Self::Anybody => None,
            Self::Own(password) => Some(password.expose()),
        }
    }
}

impl ClientAccess {
    /// Returns how a client reaches a service.
    #[must_use]
    pub fn of(package: &'static Package, crew: &Crew<'_>) -> Self {
        let credentials = crew.secrets().and_then(Credentials::of);
        let access = &crew.service.access;
        let tls = Doors::of(access).own().is_some_and(|(_, is_encrypted)| is_encrypted);
        Self { package, credentials, optional: access.optional, tls }
    }

    /// The password of hostsplit's own user.
    pub(super) fn password(&self) -> Option<&str> {
        self.credentials.as_ref().map(|known| known.internal.expose())
    }

    /// As whom hostsplit is to come in.
    pub(super) fn login(&self) -> Login {
        let own = self.credentials.as_ref().map(|known| Login::Own(known.internal.clone()));
        own.unwrap_or(Login::Anybody)
    }

    /// The client's line up to its commands. It carries no secret.
    pub(super) fn line<'a>(&self, address: &'a str, port: &'a str, login: &Login) -> Vec<&'a str> {
        let mut line = vec![self.package.client, "-h", address, "-p", port];
        line.extend(self.encryption());
        if matches!(login, Login::Own(_)) {
            line.extend(["--user", USER]);
        }
        line
    }

    /// Options of clients for an encrypted connection.
    pub(super) fn encryption<'a>(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let options: Option<[&'a str; 3]> =
            self.tls.then_some(["--tls", "--cacert", self.package.tls.authority]);
        options.into_iter().flatten()
    }

    /// The environment that carries a password.
    pub(super) fn environment(password: Option<&str>) -> Vec<(&'static str, &str)> {
        password.into_iter().flat_map(|word| PASSWORD.map(|name| (name, word))).collect()
    }
}

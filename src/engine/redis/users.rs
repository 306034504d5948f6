//! Users and their passwords: what runs against what was made, and how a changed
//! password gets into an instance that runs.

use super::access::{ClientAccess, USER};
use super::session::Session;
use crate::digest::sha256;
use crate::engine::{EngineError, Fact};
use crate::recipe::redis::{Credentials, quote};

/// The command that asks for all users.
pub(super) const QUESTION: &str = "ACL LIST";

/// A user and which password is his.
type User = (&'static str, fn(&Credentials) -> &str);

/// Users of `secrets.conf` and whose password each has.
const USERS: [User; 3] = [
    ("default", |known| known.client.expose()),
    (USER, |known| known.internal.expose()),
    ("replica", |known| known.internal.expose()),
];

/// Compares the users that an instance reports; empty if all are as they should be.
/// Redis reports the SHA-256 of passwords.
pub(super) fn differences(access: &ClientAccess, reported: &str) -> Vec<(Fact, String)> {
    let Some(known) = &access.credentials else { return Vec::new() };
    let mut found = Vec::new();
    for (user, password) in USERS {
        let line = reported.lines().find_map(|line| line.strip_prefix(&format!("user {user} ")));
        let state = match line {
            None => "no such user",
            Some(line) => {
                let mut words = line.split_whitespace();
                let on = words.clone().any(|word| word == "on");
                let open = words.clone().any(|word| word == "nopass");
                let hashes: Vec<&str> =
                    words.by_ref().filter_map(|w| w.strip_prefix('#')).collect();
                match hashes.as_slice() {
                    _ if open => "none",
                    _ if !on => "off",
                    [hash] if *hash == sha256(password(known)) => continue,
                    [_] => "another",
                    _ => "several",
                }
            }
        };
        found.push((Fact::Password(user.to_owned()), state.to_owned()));
    }
    found
}

/// Gives a running instance its new passwords, through a session that it accepts.
/// Clients that are connected stay so.
///
/// # Errors
/// The agent; a refusal, for example because it has another password.
pub(super) fn renew(session: &Session<'_>, known: &Credentials) -> Result<(), EngineError> {
    let [default, own, replica] = USERS.map(|(user, password)| {
        let rule = quote(&format!(">{}", password(known)));
        format!("ACL SETUSER {user} resetpass {rule}")
    });
    let master = format!("CONFIG SET masterauth {}", quote(known.internal.expose()));
    // The own one last: until then the old one is accepted.
    let answers = session.ask([&default, &replica, &master, &own])?;
    answers.into_iter().try_for_each(|answer| answer.map(|_| ()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::redis::REDIS;
    use crate::secret::Secret;

    fn access() -> ClientAccess {
        let secret = |text| Secret::parse(text).unwrap();
        let (client, internal) = (secret("for-all-clients"), secret("for-ourselves"));
        let credentials = Some(Credentials { client, internal });
        ClientAccess { package: &REDIS, credentials, tls: false }
    }

    #[test]
    fn passwords_are_compared_by_their_digest() {
        let line = |user: &str, password: &str| {
            format!("user {user} on sanitize-payload #{} ~* &* +@all\n", sha256(password))
        };
        let [client, internal] = ["for-all-clients", "for-ourselves"];
        let good =
            line("default", client) + &line("hostsplit", internal) + &line("replica", internal);
        assert_eq!(differences(&access(), &good), []);
        let reported = line("default", "another-password") + "user hostsplit on nopass ~* +@all\n";
        let found: Vec<_> =
            differences(&access(), &reported).into_iter().map(|(_, is)| is).collect();
        assert_eq!(found, ["another", "none", "no such user"]);
    }
}

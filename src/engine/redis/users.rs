//! Users and their passwords: what runs against what was made, and how a changed
//! password gets into an instance that runs.

use super::access::{ClientAccess, USER};
use super::settings::Running;
use crate::digest::sha256;
use crate::engine::{EngineError, Fact};
use crate::recipe::Credentials;
use crate::recipe::redis::{self as recipe, quote};

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
/// Redis reports the SHA-256 of passwords. Where there is no password, users that are left
/// of one are of no account: everybody may do everything.
pub(super) fn differences(access: &ClientAccess, reported: &str) -> Vec<(Fact, String)> {
    let Some(known) = &access.credentials else {
        let default = reported.lines().find_map(|line| line.strip_prefix("user default "));
        let words = || default.into_iter().flat_map(str::split_whitespace);
        let state = match () {
            () if !words().any(|word| word == "nopass") => "required",
            () if words().any(|word| word.starts_with("-@")) => "none, for some commands",
            () => return Vec::new(),
        };
        return vec![(Fact::Password("default".to_owned()), state.to_owned())];
    };
    let mut found = Vec::new();
    for (user, password) in USERS {
        let line = reported.lines().find_map(|line| line.strip_prefix(&format!("user {user} ")));
        let is_optional = access.optional && user == "default";
        let state = match line {
            None => "no such user",
            Some(line) => {
                let words = || line.split_whitespace();
                let has = |rule: &str| words().any(|word| word == rule);
                let hashes: Vec<&str> = words().filter_map(|w| w.strip_prefix('#')).collect();
                match hashes.as_slice() {
                    _ if !has("on") => "off",
                    _ if is_optional && has("nopass") && words().any(|w| w.starts_with("-@")) => {
                        continue;
                    }
                    _ if is_optional && has("nopass") => "none, for all commands",
                    _ if is_optional => "required",
                    _ if has("nopass") => "none",
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

/// Compares as whom a replica goes to its master with nobody in particular, where there is
/// no password: a run may have been cut off before it came so far, or gone on without it.
pub(super) fn at_others(access: &ClientAccess, running: &Running) -> Option<(Fact, String)> {
    let user = running.get("masteruser").filter(|user| !user.is_empty())?;
    let is_open = access.credentials.is_none();
    is_open.then(|| (Fact::Password(user.clone()), "given to masters".to_owned()))
}

/// The commands that let others in as planned beside those that an instance lets in now,
/// and let it in at others: what it lets in already, and whom its clients are, stays.
pub(super) fn preparation(access: &ClientAccess) -> Result<Vec<String>, EngineError> {
    let Some(known) = &access.credentials else { return Ok(opened()) };
    let others = users(access, known)?.into_iter().filter(|(user, _)| user != "default");
    // A former password of theirs is accepted as well.
    let add = |(user, rules)| format!("ACL SETUSER {user} {rules}");
    let mut commands: Vec<String> = others.map(add).collect();
    commands.push(at_master(known));
    Ok(commands)
}

/// The commands that give a running instance its users, and its way in at its master.
/// Clients that are connected stay so.
pub(super) fn renewal(access: &ClientAccess) -> Result<Vec<String>, EngineError> {
    let Some(known) = &access.credentials else {
        let mut commands = opened();
        commands.push("CONFIG SET masteruser \"\" masterauth \"\"".to_owned());
        return Ok(commands);
    };
    // Before anybody is let in without a password, who would be refused by it.
    let mut commands: Vec<String> =
        access.optional.then(|| UNPROTECTED.to_owned()).into_iter().collect();
    let (default, others): (Vec<_>, Vec<_>) =
        users(access, known)?.into_iter().partition(|(user, _)| user == "default");
    commands.extend(others.into_iter().map(set));
    commands.push(at_master(known));
    // Replicas that came in when everybody did are about to be nobody who may copy, which
    // would put a refusal into their stream. They come back as the user for replicas, and go
    // on where they were.
    commands.push("CLIENT KILL TYPE replica USER default".to_owned());
    commands.extend(default.into_iter().map(set));
    Ok(commands)
}

const UNPROTECTED: &str = "CONFIG SET protected-mode no";

/// The commands that let everybody in.
fn opened() -> Vec<String> {
    [UNPROTECTED, "ACL SETUSER default reset on nopass ~* &* +@all"].map(str::to_owned).into()
}

/// The users of the file, with their rules.
fn users(access: &ClientAccess, known: &Credentials) -> Result<Vec<(String, String)>, EngineError> {
    let text = recipe::users(known, access.optional);
    let text = text.map_err(|error| EngineError::Files(error.to_string()))?;
    Ok(recipe::rules(&text).map(|(user, rules)| (user.to_owned(), rules.to_owned())).collect())
}

/// One command, so that there is no moment in which a user is let in and may do nothing.
fn set((user, rules): (String, String)) -> String {
    format!("ACL SETUSER {user} reset {rules}")
}

fn at_master(known: &Credentials) -> String {
    format!("CONFIG SET masteruser replica masterauth {}", quote(known.internal.expose()))
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
        ClientAccess { package: &REDIS, credentials, optional: false, tls: false }
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

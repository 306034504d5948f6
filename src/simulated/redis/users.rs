//! Users and passwords of a server, as far as our own commands need them.

use std::collections::{BTreeMap, BTreeSet};

use crate::digest::sha256;

/// The user of a client that names none.
const DEFAULT: &str = "default";

/// The users of a server by name. Without further rules everybody is `default`.
#[derive(Clone, Debug)]
pub(super) struct Users(BTreeMap<String, User>);

/// What is modelled of a user: all of the passwords that let him in, and whether any
/// commands are kept from him.
#[derive(Clone, Debug, Default)]
struct User {
    on: bool,
    /// Whether he needs no password.
    open: bool,
    passwords: BTreeSet<String>,
    limited: bool,
}

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) user: &'a str,
    pub(super) password: Option<&'a str>,
}

impl Default for Users {
    fn default() -> Self {
        let everybody = User { on: true, open: true, ..User::default() };
        Self(BTreeMap::from([(DEFAULT.to_owned(), everybody)]))
    }
}

impl User {
    fn apply(&mut self, rule: &str) {
        let rule = rule.trim_matches('"');
        match rule {
            "on" => self.on = true,
            "off" => self.on = false,
            "nopass" => (self.open, self.passwords) = (true, BTreeSet::new()),
            "resetpass" => (self.open, self.passwords) = (false, BTreeSet::new()),
            "reset" => *self = Self::default(),
            "+@all" | "allcommands" => self.limited = false,
            _ if rule.starts_with('-') => self.limited = true,
            _ => {}
        }
        if let Some(password) = rule.strip_prefix('>') {
            self.open = false;
            self.passwords.insert(password.to_owned());
        } else if let Some(password) = rule.strip_prefix('<') {
            self.passwords.remove(password);
        }
    }
}

impl Users {
    /// The users in a configuration file.
    pub(super) fn read(config: &str) -> Self {
        let mut users = Self::default();
        for line in config.lines().filter_map(|line| line.strip_prefix("user ")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let [user, rules @ ..] = words.as_slice() {
                users.set(user, rules);
            }
        }
        users
    }

    /// Applies rules to a user, a new one if there is none of that name.
    pub(super) fn set(&mut self, user: &str, rules: &[&str]) {
        let user = self.0.entry(user.to_owned()).or_default();
        rules.iter().for_each(|rule| user.apply(rule));
    }

    pub(super) fn delete(&mut self, user: &str) -> Result<(), String> {
        if user == DEFAULT {
            return Err("ERR The 'default' user cannot be removed".to_owned());
        }
        self.0.remove(user);
        Ok(())
    }

    /// Whether somebody is let in, and may do what he asks for.
    pub(super) fn admit(&self, login: &Login<'_>, words: &[&str]) -> Result<(), String> {
        let (name, is_let_in) = match login.password {
            None => (DEFAULT, self.0.get(DEFAULT).is_some_and(|user| user.on && user.open)),
            Some(given) => {
                let user = self.0.get(login.user).filter(|user| user.on);
                let known = user.is_some_and(|user| user.open || user.passwords.contains(given));
                (login.user, known)
            }
        };
        match login.password {
            _ if is_let_in => self.permit(name, words),
            None => Err("NOAUTH Authentication required.".to_owned()),
            Some(_) => {
                Err("WRONGPASS invalid username-password pair or user is disabled.".to_owned())
            }
        }
    }

    /// Whether clients that name no user need no password.
    pub(super) fn is_open(&self) -> bool {
        self.0.get(DEFAULT).is_some_and(|user| user.open)
    }

    /// Whether a user who is in may do what he asks for.
    pub(super) fn permit(&self, user: &str, words: &[&str]) -> Result<(), String> {
        let verb = words.first().copied().unwrap_or_default().to_ascii_lowercase();
        let ordinary = ["asking", "del", "echo", "exists", "get", "mget", "ping", "set"];
        let limited = self.0.get(user).is_none_or(|user| user.limited);
        if limited && !ordinary.contains(&verb.as_str()) {
            return Err(format!(
                "NOPERM User {user} has no permissions to run the '{verb}' command"
            ));
        }
        Ok(())
    }

    /// What `ACL LIST` answers.
    pub(super) fn list(&self) -> Vec<String> {
        let line = |(name, user): (&String, &User)| {
            let on = if user.on { "on" } else { "off" };
            let open = if user.open { " nopass" } else { "" };
            let hashes = user.passwords.iter().map(|password| format!(" #{}", sha256(password)));
            let hashes: String = hashes.collect();
            let rights = if user.limited { "+@all -@admin -@dangerous" } else { "+@all" };
            format!("user {name} {on}{open} sanitize-payload{hashes} ~* &* {rights}")
        };
        self.0.iter().map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_added_and_taken_away_one_by_one() {
        let mut users = Users::default();
        let with = |password| Login { user: "default", password };
        let may = |users: &Users, password, word| users.admit(&with(password), &[word]).is_ok();
        assert!(may(&users, None, "CLUSTER") && may(&users, Some("any"), "GET"));
        users.set("default", &[">one", ">two", "-@admin"]);
        assert!(!may(&users, None, "GET") && !may(&users, Some("three"), "GET"));
        assert!(may(&users, Some("one"), "GET") && may(&users, Some("two"), "GET"));
        assert!(!may(&users, Some("one"), "CLUSTER"));
        users.set("default", &["<one"]);
        assert!(!may(&users, Some("one"), "GET") && may(&users, Some("two"), "GET"));
        users.set("default", &["nopass", "+@all"]);
        assert!(may(&users, None, "CLUSTER"));
        assert!(users.list()[0].starts_with("user default on nopass "));
        assert!(users.delete("default").is_err());
    }
}

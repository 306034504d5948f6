//! The file with the users of an instance and their passwords: written, read again, and
//! masked where it is shown.

use serde::Serialize;

use super::quote;
use crate::recipe::{Credentials, RecipeError};
use crate::secret::Secret;
use crate::spec::Entry;
use crate::template::{Template, template};

static USERS: Template = template!("redis/secrets.conf.hbs");

#[derive(Serialize)]
struct Passwords {
    client: String,
    internal: String,
    master: String,
    optional: bool,
}

/// Returns whom an instance with that text for the file of its users lets in; without the
/// user of clients that is everybody.
#[must_use]
pub fn entry_of(secrets: &str) -> Entry {
    match secrets.lines().find_map(|line| line.strip_prefix("user default ")) {
        None => Entry::Open,
        Some(rules) if rules.split(' ').any(|rule| rule == "nopass") => Entry::Both,
        Some(_) => Entry::Closed,
    }
}

/// The file with the users of an instance that lets everybody in. It is there all the
/// same, since the unit does not start without it: so turning a password on or off makes no
/// other machine.
pub(super) const NO_USERS: &str = "# Written by hostsplit; do not edit. No password is needed.\n";

/// The text of the file with the users of an instance and their passwords, which only
/// the engine may read. Where it is optional, the password of clients is in it before the rule
/// that clears it: so it is found again if it is lost elsewhere.
///
/// # Errors
/// [`RecipeError::Template`].
pub fn users(credentials: &Credentials, optional: bool) -> Result<String, RecipeError> {
    let rule = |password: &str| quote(&format!(">{password}"));
    Ok(USERS.render(&Passwords {
        client: rule(credentials.client.expose()),
        internal: rule(credentials.internal.expose()),
        master: quote(credentials.internal.expose()),
        optional,
    })?)
}

/// The users in that text, each with its rules.
pub fn rules(secrets: &str) -> impl Iterator<Item = (&str, &str)> {
    secrets.lines().filter_map(|line| line.strip_prefix("user ")?.split_once(' '))
}

/// Returns the internal password in that text.
#[must_use]
pub fn internal_of(secrets: &str) -> Option<&str> {
    secrets.lines().find_map(|line| line.strip_prefix("masterauth ")).map(bare)
}

/// Both passwords out of that text; `None` where hostsplit did not write it.
#[must_use]
pub fn read(secrets: &str) -> Option<Credentials> {
    let clients = secrets.lines().find_map(|line| line.strip_prefix("user default on "));
    let client = bare(clients?.split(' ').next()?).strip_prefix('>')?;
    let parse = |text| Secret::parse(text).ok();
    Some(Credentials { client: parse(client)?, internal: parse(internal_of(secrets)?)? })
}

/// A word without its quotes: passwords hold no others, and no escapes.
fn bare(word: &str) -> &str {
    let word = word.trim();
    word.strip_prefix('"').and_then(|word| word.strip_suffix('"')).unwrap_or(word)
}

/// Replaces the passwords of a user's line by a mark: `>password`, `#hash` and their
/// removals. `None` for any other line.
pub(super) fn mask(line: &str, mark: &str) -> Option<String> {
    let masked = |word: &str| match word.trim_matches('"').chars().next() {
        Some(sign @ ('>' | '<' | '#' | '!')) => format!("{sign}{mark}"),
        _ => word.to_owned(),
    };
    let is_user = line.trim_start().starts_with("user ");
    is_user.then(|| line.split(' ').map(masked).collect::<Vec<_>>().join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_what_it_needs_and_no_more() {
        let secret = |text| Secret::parse(text).unwrap();
        let (client, internal) = (secret("for-all-#clients"), secret("for-ourselves"));
        let text = users(&Credentials { client, internal }, false).unwrap();
        insta::assert_snapshot!(text, @r##"
        # Written by hostsplit; do not edit. Holds passwords.
        # Clients: all keys, no administration.
        user default on ">for-all-#clients" ~* &* +@all -@admin -@dangerous +info +keys +sort +role
        # hostsplit, which runs the cluster.
        user hostsplit on >for-ourselves ~* &* +@all
        # What a replica needs of its master.
        user replica on >for-ourselves +psync +replconf +ping
        masterauth for-ourselves
        "##);
    }

    #[test]
    fn the_password_of_a_file_is_found_in_it() {
        assert_eq!(internal_of("# a\nuser x on >y\nmasterauth secret\n"), Some("secret"));
        assert_eq!(internal_of("user x on >y\n"), None);
    }

    #[test]
    fn what_was_written_is_read_again() {
        let secret = |text| Secret::parse(text).unwrap();
        for (client, internal, optional) in [
            ("for-all-clients", "for-ourselves", false),
            ("for-all-clients", "for-ourselves", true),
            ("for-#all>clients", "#for-ourselves", false),
        ] {
            let known = Credentials { client: secret(client), internal: secret(internal) };
            let text = users(&known, optional).unwrap();
            assert!(read(&text) == Some(known));
            assert_eq!(internal_of(&text), Some(internal));
            assert_eq!(entry_of(&text), if optional { Entry::Both } else { Entry::Closed });
        }
        assert_eq!(entry_of(NO_USERS), Entry::Open);
        assert!(read("user default on nopass ~* +@all\nmasterauth for-ourselves\n").is_none());
        assert!(read("").is_none());
    }

    #[test]
    fn passwords_of_users_are_masked() {
        let line = "user app on >hunter2 \">#b\" #ab12 ~* +@all";
        let shown = mask(line, "(secret)").unwrap();
        assert!(!shown.contains("hunter2") && !shown.contains("ab12"), "{shown}");
        assert!(shown.starts_with("user app on >(secret) >(secret)"), "{shown}");
        assert_eq!(mask("masteruser replica", "(secret)"), None);
    }
}

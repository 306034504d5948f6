//! The file with the passwords of a service: written, read again, and masked where it is
//! shown.

use serde::Serialize;

use super::{APP, Dialect, OWN, Package, REPLICA};
use crate::recipe::{Credentials, RecipeError};
use crate::secret::Secret;
use crate::template::{Template, template};

static TEMPLATE: Template = template!("mysql/hostsplit.cnf.hbs");

#[derive(Serialize)]
struct Values<'a> {
    own: &'static str,
    app: &'static str,
    replica: &'static str,
    client: &'a str,
    internal: &'a str,
    of_replicas: &'a str,
    authority: Option<&'static str>,
    mariadb: bool,
}

/// The text of the file. Quotes and backslashes, which its reader takes for others, are in no
/// password.
pub(super) fn text(
    credentials: &Credentials,
    package: &Package,
    tls: bool,
) -> Result<String, RecipeError> {
    Ok(TEMPLATE.render(&Values {
        own: OWN,
        app: APP,
        replica: REPLICA,
        client: credentials.client.expose(),
        internal: credentials.internal.expose(),
        of_replicas: credentials.of_replicas().expose(),
        authority: tls.then_some(package.tls.authority),
        mariadb: package.dialect == Dialect::Mariadb,
    })?)
}

/// The passwords in that text; `None` where hostsplit did not write it.
#[must_use]
pub fn read(text: &str) -> Option<Credentials> {
    let of = |group: &str| {
        let mut lines = text.lines().skip_while(|line| *line != format!("[{group}]"));
        let line = lines.find_map(|line| line.strip_prefix("password = "))?;
        Secret::parse(line.trim_matches('"')).ok()
    };
    Some(Credentials { client: of(APP)?, internal: of("client")? })
}

/// Replaces the password of a line by a mark; `None` for any other line.
pub(super) fn mask(line: &str, mark: &str) -> Option<String> {
    line.starts_with("password = ").then(|| format!("password = {mark}"))
}

#[cfg(test)]
mod tests {
    use super::super::MYSQL_PACKAGE;
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let secret = |text| Secret::parse(text).unwrap();
        let known =
            Credentials { client: secret("for-#all;clients"), internal: secret("for-ourselves") };
        for tls in [false, true] {
            let written = text(&known, &MYSQL_PACKAGE, tls).unwrap();
            assert!(read(&written) == Some(known.clone()), "{written}");
            let shown: Vec<String> = written
                .lines()
                .map(|line| mask(line, "(secret)").unwrap_or_else(|| line.to_owned()))
                .collect();
            let shown = shown.join("\n");
            assert!(!shown.contains("for-#all") && !shown.contains("ourselves"), "{shown}");
        }
        assert_eq!(read(""), None);
    }
}

//! Sessions of clients: who comes in, and which statement does what.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::cells::{Row, vertical};
use super::data::Change;
use super::server::Server;
use super::words::statements;
use super::{Network, Refusal};
use crate::recipe::mysql::Dialect;
use crate::simulated::daemon::VolumeId;
use crate::simulated::exec::Outcome;
use crate::simulated::host::File;

/// Longer than anybody waits.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

/// The user that comes in by the socket, and may do everything.
pub(super) const ROOT: &str = "root";

/// A session at a server.
#[derive(Clone, Copy)]
pub(super) struct Session<'a> {
    pub(super) at: VolumeId,
    pub(super) user: &'a str,
    /// The database of tables that are named without one.
    pub(super) database: &'a str,
    /// The files that the server can read, where they matter.
    pub(super) files: Option<&'a BTreeMap<String, File>>,
}

/// What a statement was answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    /// How long it took.
    pub(super) takes: Duration,
}

impl Answer {
    pub(super) fn rows(rows: Vec<Row>) -> Self {
        Self { rows, takes: Duration::ZERO }
    }

    pub(super) fn after(takes: Duration) -> Self {
        Self { rows: Vec::new(), takes }
    }
}

impl Server {
    /// Whether somebody comes in from an address.
    pub(super) fn admits(
        &self,
        user: &str,
        password: Option<&str>,
        certificate: bool,
        from: Ipv4Addr,
    ) -> Result<(), Refusal> {
        let fits = |known: &super::data::User| {
            let fits = password.is_some_and(|one| known.passwords.iter().any(|known| known == one));
            fits && (certificate || !known.needs_certificate)
        };
        if self.user(user).is_some_and(fits) {
            return Ok(());
        }
        let with = if password.is_some() { "YES" } else { "NO" };
        let text = format!("Access denied for user '{user}'@'{from}' (using password: {with})");
        Err(Refusal::new(1045, "28000", text))
    }
}

/// A statement that the server does not understand.
pub(super) fn syntax(words: &[&str]) -> Refusal {
    let near: Vec<&str> = words.iter().take(6).copied().collect();
    let near = near.join(" ");
    let text =
        format!("You have an error in your SQL syntax, or it is not simulated, near '{near}'");
    Refusal::new(1064, "42000", text)
}

impl Network {
    /// Runs the statements of a script up to the first that is refused.
    pub(super) fn script(&mut self, session: &Session<'_>, script: &str) -> Outcome {
        let mut outcome = Outcome::ok("");
        for statement in statements(script) {
            let words: Vec<&str> = statement.words.iter().map(String::as_str).collect();
            match self.execute(session, &words) {
                Ok(answer) => {
                    outcome.stdout += &vertical(&answer.rows);
                    outcome.takes += answer.takes;
                }
                Err(refusal) => {
                    outcome.status = 1;
                    outcome.stderr = refusal.line(Some(statement.line)) + "\n";
                    return outcome;
                }
            }
        }
        outcome
    }

    pub(super) fn server(&self, volume: VolumeId) -> Result<&Server, Refusal> {
        let gone = || Refusal::general(2013, "Lost connection to server during query");
        self.servers.get(&volume).ok_or_else(gone)
    }

    pub(super) fn server_mut(&mut self, volume: VolumeId) -> Result<&mut Server, Refusal> {
        let gone = || Refusal::general(2013, "Lost connection to server during query");
        self.servers.get_mut(&volume).ok_or_else(gone)
    }

    fn execute(&mut self, session: &Session<'_>, words: &[&str]) -> Result<Answer, Refusal> {
        match words {
            ["BEGIN" | "COMMIT"] => Ok(Answer::default()),
            ["SELECT", what @ ..] => self.select(session, what),
            ["SHOW", what @ ..] => self.show(session, what),
            ["INSERT" | "REPLACE" | "DELETE", ..] => self.change_rows(session, words),
            _ if session.user != ROOT => Err(Refusal::new(
                1227,
                "42000",
                "Access denied; you need (at least one of) the SUPER privilege(s) for this operation",
            )),
            ["START" | "STOP", "GROUP_REPLICATION"] | ["CHANGE", .., "CHANNEL", _] => {
                self.group_statement(session, words)
            }
            ["CREATE" | "ALTER" | "GRANT", ..] => self.define(session, words),
            _ => self.administer(session, words),
        }
    }

    /// Commits a transaction of somebody, where the server takes writes.
    pub(super) fn write(
        &mut self,
        session: &Session<'_>,
        changes: Vec<Change>,
    ) -> Result<Answer, Refusal> {
        let server = self.server(session.at)?;
        if let Some(option) = server.closed_by(session.user == ROOT) {
            let name = match server.dialect {
                Dialect::Mysql => "MySQL",
                Dialect::Mariadb => "MariaDB",
            };
            let text = format!(
                "The {name} server is running with the {option} option so it cannot execute this \
                 statement"
            );
            return Err(Refusal::general(1290, text));
        }
        // The server waits until somebody frees some.
        if self.links.get(&session.at).is_some_and(|link| link.full) {
            return Ok(Answer::after(FOREVER));
        }
        self.may_commit(session.at)?;
        Ok(Answer::after(self.commit(session.at, changes)))
    }
}

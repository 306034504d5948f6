//! Statements of an administrator: users and databases, options, replication.

use super::data::{Change, Table, User};
use super::history::Id;
use super::replication::{Io, Source};
use super::server::{Applying, Server};
use super::session::{Answer, Session, syntax};
use super::words::{parts, text};
use super::{Network, Refusal};
use crate::recipe::mysql::Dialect;

impl Network {
    /// Makes users, databases and tables.
    pub(super) fn define(
        &mut self,
        session: &Session<'_>,
        words: &[&str],
    ) -> Result<Answer, Refusal> {
        let server = self.server(session.at)?;
        let change = match words {
            ["ALTER", "INSTANCE", "RELOAD", "TLS"] if server.dialect == Dialect::Mysql => {
                return Ok(Answer::default());
            }
            [
                "CREATE",
                "USER",
                "IF",
                "NOT",
                "EXISTS",
                name,
                "@",
                _,
                "IDENTIFIED",
                "BY",
                rest @ ..,
            ] => match server.user(text(name)) {
                Some(_) => None,
                None => Some(user(text(name), &User::default(), rest, server.dialect)?),
            },
            ["ALTER", "USER", name, "@", _, "IDENTIFIED", "BY", rest @ ..] => {
                let known = server.user(text(name)).ok_or_else(|| {
                    let what = format!("Operation ALTER USER failed for {name}'@'%'");
                    Refusal::general(1396, what)
                })?;
                Some(user(text(name), known, rest, server.dialect)?)
            }
            ["GRANT", what @ .., "TO", name, "@", _] => {
                let known = server.user(text(name)).ok_or_else(|| {
                    Refusal::new(1410, "42000", "You are not allowed to create a user with GRANT")
                })?;
                Some(grant(text(name), known, what)?)
            }
            ["CREATE", "DATABASE", "IF", "NOT", "EXISTS", name] => {
                Some(Change::Database((*name).to_owned()))
            }
            ["CREATE", "TABLE", "IF", "NOT", "EXISTS", name, "(", rest @ ..] => {
                let database = name.split_once('.').map_or(session.database, |(one, _)| one);
                if !server.data.databases.contains(database) {
                    let text = format!("Unknown database '{database}'");
                    return Err(Refusal::new(1049, "42000", text));
                }
                Some(Change::Table((*name).to_owned(), table(rest)))
            }
            ["ALTER", "TABLE", name, "COMMENT", "=", comment] => {
                self.table(session, name)?;
                Some(Change::Comment((*name).to_owned(), text(comment).to_owned()))
            }
            _ => return Err(syntax(words)),
        };
        self.write(session, change.into_iter().collect())
    }

    /// Sets options and replication.
    pub(super) fn administer(
        &mut self,
        session: &Session<'_>,
        words: &[&str],
    ) -> Result<Answer, Refusal> {
        let server = self.server_mut(session.at)?;
        let (dialect, replica) = (server.dialect, server.of("REPLICA", "SLAVE"));
        let is_replica = |word: &str| word == replica;
        match words {
            ["SET", "GLOBAL", name, "=", value @ ..] => set(server, name, &value.concat())?,
            ["SET", "SESSION", _, "=", _] => {}
            ["FLUSH", "SSL"] if dialect == Dialect::Mariadb => {}
            ["STOP", word] if is_replica(word) => {
                (server.io, server.applying) = (Io::Off, Applying::Off);
            }
            ["STOP", word, "IO_THREAD"] if is_replica(word) => server.io = Io::Off,
            ["START", word] if is_replica(word) => {
                if server.source.is_none() {
                    return Err(Refusal::general(
                        1200,
                        "The server is not configured as replica; fix in config file or with \
                         CHANGE REPLICATION SOURCE TO",
                    ));
                }
                (server.io, server.applying) = (Io::waiting(), Applying::On);
            }
            ["RESET", word, "ALL"] if is_replica(word) => {
                refuse_while_it_runs(server)?;
                server.source = None;
            }
            ["CHANGE", "REPLICATION", "SOURCE", "TO", options @ ..]
                if dialect == Dialect::Mysql =>
            {
                refuse_while_it_runs(server)?;
                let source = source("SOURCE_", options).ok_or_else(|| syntax(words))?;
                refuse_longer(Some(&source.password))?;
                server.source = Some(source);
            }
            ["CHANGE", "MASTER", "TO", options @ ..] if dialect == Dialect::Mariadb => {
                refuse_while_it_runs(server)?;
                server.source = Some(source("MASTER_", options).ok_or_else(|| syntax(words))?);
            }
            _ => return Err(syntax(words)),
        }
        self.replicate();
        Ok(Answer::default())
    }
}

/// Refuses a password that is too long for who comes in at another server.
pub(super) fn refuse_longer(password: Option<&str>) -> Result<(), Refusal> {
    let text = "The password provided for the replication user exceeds the maximum length of 32 \
                characters";
    let is_longer = password.is_some_and(|password| password.len() > 32);
    if is_longer { Err(Refusal::general(3056, text)) } else { Ok(()) }
}

fn refuse_while_it_runs(server: &Server) -> Result<(), Refusal> {
    let runs = server.applying == Applying::On || !matches!(server.io, Io::Off | Io::Failed(..));
    let (code, text) = match server.dialect {
        Dialect::Mysql => (
            3081,
            "This operation cannot be performed with running replication threads; run STOP REPLICA \
             FOR CHANNEL '' first",
        ),
        Dialect::Mariadb => (
            1198,
            "This operation cannot be performed as you have a running slave ''; run STOP SLAVE '' \
             first",
        ),
    };
    if runs { Err(Refusal::general(code, text)) } else { Ok(()) }
}

fn set(server: &mut Server, name: &str, value: &str) -> Result<(), Refusal> {
    let value = text(value);
    if name == "gtid_slave_pos" && server.dialect == Dialect::Mariadb {
        refuse_while_it_runs(server)?;
        let current = server.history.current(server.origin());
        let is_current = value == "@@GLOBAL.gtid_current_pos";
        server.history.set_applied(if is_current { current } else { Id::read(value) });
        return Ok(());
    }
    let is_to_wait = server.is_to_wait();
    server.options.set(name, value)?;
    if server.is_to_wait() != is_to_wait {
        server.semi_sync.waits = server.begins_to_wait();
    }
    Ok(())
}

/// A user with what follows `IDENTIFIED BY`.
fn user(name: &str, known: &User, rest: &[&str], dialect: Dialect) -> Result<Change, Refusal> {
    let [password, rest @ ..] = rest else { return Err(syntax(rest)) };
    let password = text(password).to_owned();
    let mut changed = known.clone();
    let former = known.passwords.first().cloned();
    match rest {
        ["RETAIN", "CURRENT", "PASSWORD"] if dialect == Dialect::Mysql => {
            changed.passwords = std::iter::once(password).chain(former).collect();
        }
        // A second password stays.
        ["REQUIRE", "X509"] | [] => {
            let second = known.passwords.get(1).cloned();
            changed.passwords = std::iter::once(password).chain(second).collect();
            changed.needs_certificate |= !rest.is_empty();
        }
        _ => return Err(syntax(rest)),
    }
    Ok(Change::User(name.to_owned(), changed))
}

/// A user with further privileges: `PRIVILEGES ON DATABASE.*`.
fn grant(name: &str, known: &User, words: &[&str]) -> Result<Change, Refusal> {
    let mut halves = words.split(|word| *word == "ON");
    let (Some(privileges), Some(place)) = (halves.next(), halves.next()) else {
        return Err(syntax(words));
    };
    let place = place.concat();
    let mut changed = known.clone();
    let all = parts(privileges).into_iter().map(|words| format!("{} ON {place}", words.join(" ")));
    changed.grants.extend(all);
    Ok(Change::User(name.to_owned(), changed))
}

/// A table, by what follows its opening bracket.
fn table(words: &[&str]) -> Table {
    let mut table = Table::default();
    for part in parts(words) {
        match part {
            ["PRIMARY", "KEY", "(", key @ ..] => {
                let end = key.iter().position(|word| *word == ")").unwrap_or(key.len());
                let key = key.iter().take(end).filter(|word| **word != ",");
                table.key = key.map(|word| (*word).to_owned()).collect();
            }
            [column, rest @ ..] => {
                if rest.contains(&"PRIMARY") {
                    table.key = vec![(*column).to_owned()];
                }
                table.columns.push((*column).to_owned());
            }
            [] => {}
        }
    }
    table
}

/// Whom a server is to copy.
fn source(prefix: &str, words: &[&str]) -> Option<Source> {
    let option = |name: &str| {
        parts(words).into_iter().find_map(|part| match part {
            [known, "=", value] if known.strip_prefix(prefix) == Some(name) => Some(text(value)),
            _ => None,
        })
    };
    Some(Source {
        host: option("HOST")?.parse().ok()?,
        user: option("USER")?.to_owned(),
        password: option("PASSWORD")?.to_owned(),
        certificate: option("SSL_CERT").is_some(),
        encrypted: option("SSL") == Some("1"),
    })
}

//! What a server says of itself.

use std::time::Duration;

use super::cells::Row;
use super::history::Id;
use super::replication::Io;
use super::server::{Applying, Server};
use super::session::{Answer, Session, syntax};
use super::words::{parts, text};
use super::{Network, Refusal};
use crate::recipe::mysql::{Dialect, PORT};

/// A global variable of an expression.
const GLOBAL: &str = "@@GLOBAL.";

fn pairs(all: Vec<(&str, String)>) -> Row {
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn switch(on: bool) -> String {
    if on { "ON" } else { "OFF" }.to_owned()
}

impl Network {
    /// Computes expressions, or reads rows.
    pub(super) fn select(
        &mut self,
        session: &Session<'_>,
        words: &[&str],
    ) -> Result<Answer, Refusal> {
        if let ["group_replication_set_as_primary", "(", id, ",", _, ")", "AS", name] = words {
            let said = self.set_primary(session.at, text(id))?;
            return Ok(Answer::rows(vec![vec![((*name).to_owned(), said)]]));
        }
        let mut halves = words.splitn(2, |word| *word == "FROM");
        let what = halves.next().unwrap_or_default();
        if let Some(from) = halves.next() {
            return Ok(Answer::rows(self.rows(session, what, from)?));
        }
        let mut answer = Answer::default();
        let mut row = Row::new();
        for part in parts(what) {
            let (expression, name) = match part {
                [expression @ .., "AS", name] => (expression, (*name).to_owned()),
                _ => (part, part.concat()),
            };
            let (value, takes) = self.value_of(session, expression)?;
            row.push((name, value));
            answer.takes += takes;
        }
        answer.rows.push(row);
        Ok(answer)
    }

    /// The value of an expression, and how long it takes.
    fn value_of(
        &self,
        session: &Session<'_>,
        words: &[&str],
    ) -> Result<(String, Duration), Refusal> {
        let server = self.server(session.at)?;
        let at_once = |value: String| Ok((value, Duration::ZERO));
        let is_on = |name: &str| Ok(u8::from(self.variable(server, name)? == "1"));
        let wait = |is_there: bool, else_: &str, seconds: &str| {
            let seconds = seconds.parse().unwrap_or_default();
            Ok(match is_there {
                true => ("0".to_owned(), Duration::ZERO),
                false => (else_.to_owned(), Duration::from_secs(seconds)),
            })
        };
        match words {
            [name] => at_once(self.variable(server, name)?),
            [one, "OR", other] => at_once((is_on(one)? | is_on(other)?).to_string()),
            ["REPLACE", "(", name, ",", _, ",", _, ")"] => {
                at_once(self.variable(server, name)?.replace('\n', ""))
            }
            ["LOAD_FILE", "(", path, ")", "IS", "NOT", "NULL"] => {
                let is_there = session.files.is_some_and(|files| files.contains_key(text(path)));
                at_once(u8::from(is_there).to_string())
            }
            // A subquery of two rows is an error where it is evaluated.
            [
                "IF",
                "(",
                inner @ ..,
                "=",
                "0",
                ",",
                "0",
                ",",
                "(",
                "SELECT",
                "1",
                "UNION",
                "SELECT",
                "2",
                ")",
                ")",
            ] => match self.value_of(session, inner)? {
                (value, takes) if value == "0" => Ok((value, takes)),
                _ => Err(Refusal::new(1242, "21000", "Subquery returns more than 1 row")),
            },
            ["WAIT_FOR_EXECUTED_GTID_SET", "(", set, ",", seconds, ")"]
                if server.dialect == Dialect::Mysql =>
            {
                wait(server.history.has_set(text(set)), "1", seconds)
            }
            ["MASTER_GTID_WAIT", "(", position, ",", seconds, ")"]
                if server.dialect == Dialect::Mariadb =>
            {
                wait(server.history.has_applied(text(position)), "-1", seconds)
            }
            _ => Err(syntax(words)),
        }
    }

    /// A global variable, as an expression has it: switches are numbers.
    fn variable(&self, server: &Server, name: &str) -> Result<String, Refusal> {
        let name = name.strip_prefix(GLOBAL).ok_or_else(|| syntax(&[name]))?;
        let position = |id: Option<&Id>| Ok(id.map(Id::position).unwrap_or_default());
        match (server.dialect, name) {
            (Dialect::Mysql, "gtid_executed") => return Ok(server.history.set(false)),
            (Dialect::Mysql, "server_uuid") => return Ok(server.origin().to_owned()),
            (Dialect::Mysql, "gtid_purged") => return Ok(server.history.set(true)),
            (Dialect::Mariadb, "gtid_current_pos") => {
                return position(server.history.current(server.origin()).as_ref());
            }
            (Dialect::Mariadb, "gtid_slave_pos") => return position(server.history.applied()),
            (Dialect::Mariadb, "gtid_binlog_pos") => return position(server.history.logged()),
            (Dialect::Mariadb, "gtid_binlog_state") => return Ok(server.history.state()),
            _ => {}
        }
        let unknown = || Refusal::general(1193, format!("Unknown system variable '{name}'"));
        Ok(match server.options.get(name).ok_or_else(unknown)? {
            "ON" => "1".to_owned(),
            "OFF" => "0".to_owned(),
            other => other.to_owned(),
        })
    }

    /// Shows status, options, or the state of a replica.
    pub(super) fn show(&self, session: &Session<'_>, words: &[&str]) -> Result<Answer, Refusal> {
        let server = self.server(session.at)?;
        let rows = match words {
            ["REPLICA", "STATUS"] if server.dialect == Dialect::Mysql => self.replica(server),
            ["SLAVE", "STATUS"] if server.dialect == Dialect::Mariadb => self.replica(server),
            [
                "GLOBAL",
                kind @ ("STATUS" | "VARIABLES"),
                "WHERE",
                "Variable_name",
                "IN",
                "(",
                names @ ..,
                ")",
            ] => {
                let names = parts(names).into_iter().filter_map(|part| part.first());
                let mut names: Vec<&str> = names.map(|name| text(name)).collect();
                names.sort_unstable();
                let value = |name: &str| match *kind {
                    "STATUS" => self.status(session, server, name),
                    _ => server.options.get(name).map(str::to_owned),
                };
                let named = names.into_iter().filter_map(|name| {
                    Some(pairs(vec![("Variable_name", name.to_owned()), ("Value", value(name)?)]))
                });
                named.collect()
            }
            _ => return Err(syntax(words)),
        };
        Ok(Answer::rows(rows))
    }

    fn status(&self, session: &Session<'_>, server: &Server, name: &str) -> Option<String> {
        let word = server.of("Rpl_semi_sync_source_", "Rpl_semi_sync_master_");
        let of_replica = server.of("Rpl_semi_sync_replica_status", "Rpl_semi_sync_slave_status");
        Some(match (name, name.strip_prefix(word)) {
            ("Uptime", _) => self.now.saturating_sub(server.started).as_secs().to_string(),
            (name, _) if name == of_replica => switch(matches!(server.io, Io::Linked(_, true))),
            (_, Some("status")) => switch(server.is_to_wait() && server.semi_sync.waits),
            (_, Some("clients")) => self.acknowledging(session.at).to_string(),
            (_, Some("yes_tx")) => server.semi_sync.yes.to_string(),
            (_, Some("no_tx")) => server.semi_sync.no.to_string(),
            _ => return None,
        })
    }

    /// The state of a replica; nothing of a server that copies nobody.
    fn replica(&self, server: &Server) -> Vec<Row> {
        let Some(source) = &server.source else { return Vec::new() };
        let connected = match server.io {
            Io::Off | Io::Failed(..) => "No",
            Io::Trying(..) => "Connecting",
            Io::Linked(..) => "Yes",
        };
        let (io_code, io_error) = match &server.io {
            Io::Trying(code, why) | Io::Failed(code, why) => (*code, why.clone()),
            Io::Off | Io::Linked(..) => (0, String::new()),
        };
        let (code, error) = match &server.applying {
            Applying::Failed(code, why) => (*code, why.clone()),
            Applying::Off | Applying::On => (0, String::new()),
        };
        let applies = server.applying == Applying::On;
        let is_in_step = applies && connected == "Yes";
        let behind = if is_in_step { "0" } else { "NULL" }.to_owned();
        let applied = server.history.applied().map(Id::position).unwrap_or_default();
        let running = if applies { "Yes" } else { "No" }.to_owned();
        vec![match server.dialect {
            Dialect::Mysql => pairs(vec![
                ("Source_Host", source.host.to_string()),
                ("Source_User", source.user.clone()),
                ("Source_Port", PORT.to_string()),
                ("Replica_IO_Running", connected.to_owned()),
                ("Replica_SQL_Running", running),
                ("Seconds_Behind_Source", behind),
                ("Last_IO_Errno", io_code.to_string()),
                ("Last_IO_Error", io_error),
                ("Last_SQL_Errno", code.to_string()),
                ("Last_SQL_Error", error),
                ("Retrieved_Gtid_Set", String::new()),
                ("Executed_Gtid_Set", server.history.set(false)),
                ("Auto_Position", "1".to_owned()),
            ]),
            Dialect::Mariadb => pairs(vec![
                ("Master_Host", source.host.to_string()),
                ("Master_User", source.user.clone()),
                ("Master_Port", PORT.to_string()),
                ("Slave_IO_Running", connected.to_owned()),
                ("Slave_SQL_Running", running),
                ("Seconds_Behind_Master", behind),
                ("Last_IO_Errno", io_code.to_string()),
                ("Last_IO_Error", io_error),
                ("Last_SQL_Errno", code.to_string()),
                ("Last_SQL_Error", error),
                ("Using_Gtid", "Slave_Pos".to_owned()),
                ("Gtid_IO_Pos", applied),
            ]),
        }]
    }
}

//! Statements to a server through its client, on its stdin: so no password is in a list of
//! processes.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::engine::EngineError;
use crate::guest::{Call, Guest, Limit};
use crate::recipe::mysql::{OWN, Package, SECRETS};

/// How long answers to questions may take in a guest that is not slow.
const PROMPT: Duration = Duration::from_secs(10);
/// How long statements may take that change something, or questions in a slow guest: longer
/// than a write waits for its acknowledgement, twice.
const ANSWERS: Duration = Duration::from_secs(45);
/// Options of every client: rows with the names of their columns, and how long it waits for a
/// connection, in seconds.
const OPTIONS: [&str; 2] = ["--vertical", "--connect-timeout=5"];

/// A row, with the names of its columns.
pub(super) type Row = Vec<(String, String)>;

/// The rows of all answers, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rows(Vec<Row>);

impl Rows {
    /// The first value of a column.
    pub(super) fn first<'a>(&'a self, column: &'a str) -> Option<&'a str> {
        self.all(column).next()
    }

    /// All values of a column.
    pub(super) fn all<'a>(&'a self, column: &'a str) -> impl Iterator<Item = &'a str> {
        let columns = self.0.iter().flatten().filter(move |(name, _)| name == column);
        columns.map(|(_, value)| value.as_str())
    }

    /// The row that has a column.
    pub(super) fn with(&self, column: &str) -> Option<&Row> {
        self.0.iter().find(|row| row.iter().any(|(name, _)| name == column))
    }

    /// The values of a variable, of options or of the status; one for each time it was asked.
    pub(super) fn variable<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.variables().filter(move |(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    /// All variables.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter_map(|row| match row.as_slice() {
            [(name, variable), (_, value)] if name == "Variable_name" => {
                Some((variable.as_str(), value.as_str()))
            }
            _ => None,
        })
    }
}

/// The value of a column of a row.
pub(super) fn column<'a>(row: &'a Row, name: &str) -> Option<&'a str> {
    row.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Reads what the client writes vertically: a line of stars before each row, then names and
/// values. A value may go on in further lines.
fn parse(text: &str) -> Rows {
    let mut rows: Vec<Row> = Vec::new();
    for line in text.lines() {
        if line.starts_with("****") {
            rows.push(Row::new());
            continue;
        }
        let Some(row) = rows.last_mut() else { continue };
        let is_name = |name: &str| !name.is_empty() && !name.contains([' ', '\'', '@', '(']);
        let pair = line.trim_start().split_once(": ").or_else(|| {
            let name = line.trim_start().strip_suffix(':')?;
            Some((name, ""))
        });
        match (pair, row.last_mut()) {
            (Some((name, value)), _) if is_name(name) => {
                row.push((name.to_owned(), value.to_owned()));
            }
            (_, Some((_, value))) => *value = format!("{value}\n{line}"),
            (_, None) => {}
        }
    }
    Rows(rows)
}

/// How long the answers to questions may take.
pub(super) fn asking() -> Limit {
    Limit::adapting(PROMPT, ANSWERS)
}

/// How long commands may take.
pub(super) fn commanding() -> Limit {
    ANSWERS.into()
}

/// Sends statements to the server in a guest, as its root.
///
/// # Errors
/// The agent; the first error of the server, after which the rest is not done.
pub(super) fn send(
    guest: &Guest<'_>,
    package: &Package,
    statements: &str,
    limit: Limit,
) -> Result<Rows, EngineError> {
    let command =
        [&[package.client, "--no-defaults"], package.quietly, &OPTIONS, &["-uroot"]].concat();
    run(guest, &command, statements, limit)
}

/// Sends statements to a server at an address and a port, from a guest, as clients do: by the network and
/// with the password of hostsplit's own user.
///
/// # Errors
/// As [`send`].
pub(super) fn send_to(
    guest: &Guest<'_>,
    package: &Package,
    (address, port): (Ipv4Addr, u16),
    statements: &str,
    limit: Limit,
) -> Result<Rows, EngineError> {
    let file = format!("--defaults-file={SECRETS}");
    let (address, port) = (address.to_string(), port.to_string());
    let to = ["-h", &address, "-P", &port, OWN];
    let command = [&[package.client, &file], package.quietly, &OPTIONS, &to].concat();
    run(guest, &command, statements, limit)
}

fn run(
    guest: &Guest<'_>,
    command: &[&str],
    statements: &str,
    limit: Limit,
) -> Result<Rows, EngineError> {
    let output = guest.call(&Call { command, input: statements, environment: &[] }, limit)?;
    if !output.is_ok() {
        return Err(guest.failed(command, &output).into());
    }
    Ok(parse(&output.stdout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_as_the_client_writes_them() {
        let rows = parse(
            "*************************** 1. row ***************************\n\
             \u{20}     read_only: 1\n\
             super_read_only: 1\n\
             \u{20}      executed: \n\
             *************************** 1. row ***************************\n\
             Variable_name: Uptime\n\
             \u{20}       Value: 12\n\
             *************************** 1. row ***************************\n\
             Last_IO_Error: Error connecting to source 'replica@10.20.0.50:3306'. Message: gone\n\
             Retrieved_Gtid_Set: 3e11:1-5,\n\
             4e11:1-3\n",
        );
        assert_eq!(rows.first("read_only"), Some("1"));
        assert_eq!(rows.first("executed"), Some(""));
        assert_eq!(rows.variable("uptime").next(), Some("12"));
        let row = rows.with("Last_IO_Error").unwrap();
        assert!(column(row, "Last_IO_Error").unwrap().ends_with("Message: gone"));
        assert_eq!(column(row, "Retrieved_Gtid_Set"), Some("3e11:1-5,\n4e11:1-3"));
        assert_eq!(parse("").first("x"), None);
    }
}

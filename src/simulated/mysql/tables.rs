//! Statements about rows.

use super::cells::{Cell, Row};
use super::data::{Change, Table};
use super::session::{Answer, ROOT, Session, syntax};
use super::words::{parts, text};
use super::{Network, Refusal};

impl Network {
    /// A table that a session may use, with its whole name.
    pub(super) fn table(
        &self,
        session: &Session<'_>,
        name: &str,
    ) -> Result<(String, &Table), Refusal> {
        let server = self.server(session.at)?;
        let (database, table) = name.split_once('.').unwrap_or((session.database, name));
        let owns = |user: &super::data::User| user.owns(database);
        if session.user != ROOT && !server.user(session.user).is_some_and(owns) {
            let user = session.user;
            let text = format!("Access denied for user '{user}'@'%' to database '{database}'");
            return Err(Refusal::new(1044, "42000", text));
        }
        let name = format!("{database}.{table}");
        let missing = || {
            let text = format!("Table '{name}' doesn't exist");
            Refusal::new(1146, "42S02", text)
        };
        let found = server.data.tables.get(&name).ok_or_else(missing)?;
        Ok((name, found))
    }

    /// Adds, replaces or removes rows.
    pub(super) fn change_rows(
        &mut self,
        session: &Session<'_>,
        words: &[&str],
    ) -> Result<Answer, Refusal> {
        let change = match words {
            [verb @ ("INSERT" | "REPLACE"), "INTO", name, "VALUES", "(", values @ .., ")"] => {
                let (name, table) = self.table(session, name)?;
                let values = parts(values).into_iter().filter_map(|part| part.first().copied());
                let row: Vec<Cell> = values.map(Cell::read).collect();
                if row.len() != table.columns.len() {
                    let text = "Column count doesn't match value count at row 1";
                    return Err(Refusal::new(1136, "21S01", text));
                }
                let key = table.key_of(&row);
                if *verb == "INSERT" && table.rows.contains_key(&key) {
                    let key: Vec<String> = key.iter().map(Cell::to_string).collect();
                    let entry = format!("Duplicate entry '{}' for key 'PRIMARY'", key.join("-"));
                    return Err(Refusal::new(1062, "23000", entry));
                }
                Change::Put(name, row)
            }
            ["DELETE", "FROM", name, "WHERE", conditions @ ..] => {
                let (name, table) = self.table(session, name)?;
                let found = matching(table, conditions).ok_or_else(|| syntax(words))?;
                Change::Remove(name, found.map(|row| table.key_of(row)).collect())
            }
            _ => return Err(syntax(words)),
        };
        self.write(session, vec![change])
    }

    /// Reads rows of a table.
    pub(super) fn rows(
        &self,
        session: &Session<'_>,
        what: &[&str],
        from: &[&str],
    ) -> Result<Vec<Row>, Refusal> {
        let (name, conditions) = match from {
            [name, "WHERE", conditions @ ..] => (name, conditions),
            [name] => (name, &[][..]),
            _ => return Err(syntax(from)),
        };
        if *name == "information_schema.tables" {
            let found = self.known(session, conditions)?;
            let cell = |column: &str, value: String| vec![(column.to_owned(), value)];
            return match what {
                ["COUNT", "(", "*", ")", "AS", column] => {
                    Ok(vec![cell(column, usize::from(found.is_some()).to_string())])
                }
                ["table_comment", "AS", column] => {
                    Ok(found.map(|table| cell(column, table.comment.clone())).into_iter().collect())
                }
                _ => Err(syntax(what)),
            };
        }
        match (what, *name) {
            (_, "performance_schema.replication_group_members") => {
                return self.group_rows(session.at);
            }
            (["SUM", "(", "data", ")", "AS", column], "performance_schema.clone_progress") => {
                return Ok(vec![vec![((*column).to_owned(), "NULL".to_owned())]]);
            }
            _ => {}
        }
        let (_, table) = self.table(session, name)?;
        let found = matching(table, conditions).ok_or_else(|| syntax(from))?;
        match what {
            [column] => {
                let unknown = || {
                    let text = format!("Unknown column '{column}' in 'field list'");
                    Refusal::new(1054, "42S22", text)
                };
                let place = table.place(column).ok_or_else(unknown)?;
                let cells = found.filter_map(|row| row.get(place));
                Ok(cells.map(|cell| vec![((*column).to_owned(), cell.to_string())]).collect())
            }
            ["SUM", "(", column, ")"] => {
                let place = table.place(column).ok_or_else(|| syntax(what))?;
                let sum: u64 = found
                    .filter_map(|row| match row.get(place) {
                        Some(Cell::Number(number)) => Some(*number),
                        _ => None,
                    })
                    .sum();
                Ok(vec![vec![(format!("SUM({column})"), sum.to_string())]])
            }
            _ => Err(syntax(what)),
        }
    }

    /// The table that conditions name, if there is one.
    fn known(&self, session: &Session<'_>, conditions: &[&str]) -> Result<Option<&Table>, Refusal> {
        match conditions {
            ["table_schema", "=", database, "AND", "table_name", "=", table] => {
                let name = format!("{}.{}", text(database), text(table));
                Ok(self.server(session.at)?.data.tables.get(&name))
            }
            _ => Err(syntax(conditions)),
        }
    }
}

/// The rows of a table that fulfil all conditions; `None` where these are not understood.
fn matching<'t>(
    table: &'t Table,
    words: &[&str],
) -> Option<impl Iterator<Item = &'t Vec<Cell>> + use<'t>> {
    let mut tests: Vec<(usize, Cell, Option<Cell>)> = Vec::new();
    let mut left = words;
    while !left.is_empty() {
        let (column, first, last, rest) = match left {
            [column, "=", value, rest @ ..] => (column, value, None, rest),
            [column, "BETWEEN", first, "AND", last, rest @ ..] => (column, first, Some(last), rest),
            _ => return None,
        };
        tests.push((table.place(column)?, Cell::read(first), last.map(|last| Cell::read(last))));
        left = match rest {
            ["AND", rest @ ..] => rest,
            [] => rest,
            _ => return None,
        };
    }
    Some(table.rows.values().filter(move |row| {
        tests.iter().all(|(place, first, last)| {
            row.get(*place).is_some_and(|cell| match last {
                None => cell == first,
                Some(last) => (first..=last).contains(&cell),
            })
        })
    }))
}

//! What a server holds: users, databases and tables, and what a transaction changes of them.

use std::collections::{BTreeMap, BTreeSet};

use super::cells::Cell;

/// Somebody who may come in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct User {
    /// The password, and one that is retained beside it.
    pub(super) passwords: Vec<String>,
    /// Whether only a certificate of the deployment's authority lets it in.
    pub(super) needs_certificate: bool,
    /// What it may do: `PRIVILEGE ON DATABASE.*` each.
    pub(super) grants: BTreeSet<String>,
}

impl User {
    /// Whether it may do anything in a database.
    pub(super) fn owns(&self, database: &str) -> bool {
        self.grants.contains(&format!("ALL ON {database}.*"))
    }

    /// Whether it has a privilege everywhere.
    pub(super) fn may(&self, privilege: &str) -> bool {
        self.grants.contains(&format!("{privilege} ON *.*"))
    }
}

/// A table with its rows by their primary key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) columns: Vec<String>,
    /// The columns of its primary key.
    pub(super) key: Vec<String>,
    pub(super) rows: BTreeMap<Vec<Cell>, Vec<Cell>>,
    pub(super) comment: String,
}

impl Table {
    pub(super) fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|known| known == column)
    }

    /// The key of a row.
    pub(super) fn key_of(&self, row: &[Cell]) -> Vec<Cell> {
        let places = self.key.iter().filter_map(|column| self.place(column));
        places.filter_map(|place| row.get(place).cloned()).collect()
    }
}

/// What a transaction does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A user is as given from now on.
    User(String, User),
    /// There is a database.
    Database(String),
    /// There is a table.
    Table(String, Table),
    /// A table has a comment.
    Comment(String, String),
    /// A row is in a table, in the place of one with its key.
    Put(String, Vec<Cell>),
    /// Rows with these keys are in a table no more.
    Remove(String, Vec<Vec<Cell>>),
}

/// All that a server holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Data {
    pub(super) users: BTreeMap<String, User>,
    pub(super) databases: BTreeSet<String>,
    /// Tables by `database.table`.
    pub(super) tables: BTreeMap<String, Table>,
}

impl Data {
    /// Makes a change; whether anything is other than before.
    pub(super) fn apply(&mut self, change: &Change) -> bool {
        match change {
            Change::User(name, user) => {
                self.users.insert(name.clone(), user.clone()).as_ref() != Some(user)
            }
            Change::Database(name) => self.databases.insert(name.clone()),
            Change::Table(name, table) => {
                let is_new = !self.tables.contains_key(name);
                self.tables.entry(name.clone()).or_insert_with(|| table.clone());
                is_new
            }
            Change::Comment(name, comment) => self.tables.get_mut(name).is_some_and(|table| {
                std::mem::replace(&mut table.comment, comment.clone()) != *comment
            }),
            Change::Put(name, row) => self.tables.get_mut(name).is_some_and(|table| {
                let key = table.key_of(row);
                table.rows.insert(key, row.clone()).as_ref() != Some(row)
            }),
            Change::Remove(name, keys) => self.tables.get_mut(name).is_some_and(|table| {
                let removed = keys.iter().filter(|key| table.rows.remove(*key).is_some());
                removed.count() > 0
            }),
        }
    }
}

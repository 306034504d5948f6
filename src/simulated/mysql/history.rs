//! The transactions of a server: which it has, which are in its binary log, and which of
//! another one's it lacks.
//!
//! MySQL knows the set of all that it has. MariaDB numbers those of all servers in one row, and
//! a replica goes on from the last that it has applied.
//! <https://dev.mysql.com/doc/refman/8.4/en/replication-gtids-auto-positioning.html>
//! <https://mariadb.com/kb/en/gtid/>

use std::collections::BTreeMap;

use super::data::Change;
use crate::recipe::mysql::Dialect;

/// The domain of all transactions of MariaDB here.
const DOMAIN: &str = "0";

/// A transaction: who committed it first, and its number there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Id {
    /// The server's UUID, or its `server_id` for MariaDB.
    pub(super) origin: String,
    pub(super) number: u64,
}

impl Id {
    /// As MariaDB writes it.
    pub(super) fn position(&self) -> String {
        format!("{DOMAIN}-{}-{}", self.origin, self.number)
    }

    /// Reads the first position of a list.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(',').next()?.trim().splitn(3, '-').skip(1);
        Some(Self { origin: parts.next()?.to_owned(), number: parts.next()?.parse().ok()? })
    }
}

/// A transaction in a binary log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Transaction {
    pub(super) id: Id,
    pub(super) changes: Vec<Change>,
}

/// Why a source has not what a replica asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// It is not in its binary log any more.
    Purged,
    /// The replica is further.
    Ahead(String),
}

/// The last number of each origin.
pub(super) type Numbers = BTreeMap<String, u64>;

/// All transactions of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct History {
    /// What it has; for MariaDB, what was ever in its binary log.
    held: Numbers,
    /// What came with the data that it was filled with, and never was in its binary log.
    purged: Numbers,
    /// The last that it got as a replica, or was set to.
    applied: Option<Id>,
    log: Vec<Transaction>,
}

fn of(numbers: &Numbers, origin: &str) -> u64 {
    numbers.get(origin).copied().unwrap_or_default()
}

impl History {
    /// Adds a transaction of this server's own.
    pub(super) fn commit(&mut self, dialect: Dialect, origin: &str, changes: Vec<Change>) {
        let last = match dialect {
            Dialect::Mysql => of(&self.held, origin),
            Dialect::Mariadb => self.newest(),
        };
        let id = Id { origin: origin.to_owned(), number: last + 1 };
        self.log(Transaction { id, changes });
    }

    /// Adds a transaction of another server.
    pub(super) fn receive(&mut self, transaction: Transaction) {
        self.applied = Some(transaction.id.clone());
        self.log(transaction);
    }

    fn log(&mut self, transaction: Transaction) {
        let Id { origin, number } = transaction.id.clone();
        self.held.insert(origin, number);
        self.log.push(transaction);
    }

    /// The highest number of any server, in the one row of MariaDB.
    fn newest(&self) -> u64 {
        let applied = self.applied.as_ref().map(|id| id.number);
        self.held.values().copied().chain(applied).max().unwrap_or_default()
    }

    /// Whether MariaDB's binary log would have numbers out of their order with it.
    pub(super) fn is_out_of_order(&self, id: &Id) -> bool {
        self.held.values().any(|held| *held >= id.number)
    }

    /// What a replica lacks of this source, in its order.
    pub(super) fn lacking(
        &self,
        dialect: Dialect,
        own: &str,
        replica: &Self,
    ) -> Result<Vec<Transaction>, Gap> {
        match dialect {
            Dialect::Mysql => {
                // Only of its own transactions does a source know that there are no others.
                if of(&replica.held, own) > of(&self.held, own) {
                    return Err(Gap::Ahead(own.to_owned()));
                }
                let has = |(origin, number): (&String, &u64)| of(&replica.held, origin) >= *number;
                if !self.purged.iter().all(has) {
                    return Err(Gap::Purged);
                }
                if replica.held == self.held {
                    return Ok(Vec::new());
                }
                let lacks = |one: &&Transaction| one.id.number > of(&replica.held, &one.id.origin);
                Ok(self.log.iter().filter(lacks).cloned().collect())
            }
            Dialect::Mariadb => {
                let Some(asked) = &replica.applied else {
                    let is_whole = self.purged.is_empty();
                    return if is_whole { Ok(self.log.clone()) } else { Err(Gap::Purged) };
                };
                let found = self.log.iter().rposition(|one| one.id == *asked);
                let rest = match found {
                    Some(at) => self.log.get(at + 1..),
                    None if of(&self.purged, &asked.origin) == asked.number => Some(&self.log[..]),
                    None if self.newest() > asked.number && !self.purged.is_empty() => {
                        return Err(Gap::Purged);
                    }
                    None => return Err(Gap::Ahead(asked.position())),
                };
                Ok(rest.unwrap_or_default().to_vec())
            }
        }
    }

    /// The history of a server that is filled with the data of this one.
    pub(super) fn copied(&self, dialect: Dialect, own: &str) -> Self {
        match dialect {
            Dialect::Mysql => {
                Self { held: self.held.clone(), purged: self.held.clone(), ..Self::default() }
            }
            Dialect::Mariadb => {
                let applied = self.current(own);
                let purged = applied.iter().map(|id| (id.origin.clone(), id.number)).collect();
                Self { purged, applied, ..Self::default() }
            }
        }
    }

    /// Whether it has all that another one has.
    pub(super) fn has_all_of(&self, other: &Self) -> bool {
        other.held.iter().all(|(origin, last)| of(&self.held, origin) >= *last)
    }

    /// The last transaction in its binary log.
    pub(super) fn last(&self) -> Option<&Transaction> {
        self.log.last()
    }

    /// MySQL's `gtid_executed`, or `gtid_purged`.
    pub(super) fn set(&self, purged: bool) -> String {
        let numbers = if purged { &self.purged } else { &self.held };
        let one = |(origin, last): (&String, &u64)| match last {
            1 => format!("{origin}:1"),
            last => format!("{origin}:1-{last}"),
        };
        numbers.iter().map(one).collect::<Vec<_>>().join(",\n")
    }

    /// Whether it has all of a set that is spelt as MySQL does.
    pub(super) fn has_set(&self, set: &str) -> bool {
        let parts = set.split(',').map(str::trim).filter(|part| !part.is_empty());
        let mut wanted = parts.filter_map(|part| {
            let (origin, range) = part.split_once(':')?;
            let last = range.rsplit(['-', ':']).next()?.parse().ok()?;
            Some((origin, last))
        });
        wanted.all(|(origin, last): (&str, u64)| of(&self.held, origin) >= last)
    }

    /// Whether MariaDB has replicated up to a position.
    pub(super) fn has_applied(&self, position: &str) -> bool {
        Id::read(position).is_none_or(|wanted| {
            self.applied.as_ref().is_some_and(|applied| applied.number >= wanted.number)
        })
    }

    /// MariaDB's `gtid_slave_pos`.
    pub(super) fn applied(&self) -> Option<&Id> {
        self.applied.as_ref()
    }

    /// Sets `gtid_slave_pos`.
    pub(super) fn set_applied(&mut self, applied: Option<Id>) {
        self.applied = applied;
    }

    /// MariaDB's `gtid_binlog_pos`.
    pub(super) fn logged(&self) -> Option<&Id> {
        self.log.last().map(|one| &one.id)
    }

    /// MariaDB's `gtid_current_pos`: what it applied last, or a later one of its own.
    pub(super) fn current(&self, own: &str) -> Option<Id> {
        let applied = self.applied.as_ref().map_or(0, |id| id.number);
        let own = self.log.last().map(|one| &one.id).filter(|id| id.origin == own);
        own.filter(|id| id.number > applied).or(self.applied.as_ref()).cloned()
    }

    /// MariaDB's `gtid_binlog_state`: the last of each server, the newest at the end.
    pub(super) fn state(&self) -> String {
        let mut all: Vec<Id> = self
            .held
            .iter()
            .map(|(origin, number)| Id { origin: origin.clone(), number: *number })
            .collect();
        all.sort_by_key(|id| id.number);
        all.iter().map(Id::position).collect::<Vec<_>>().join(",")
    }

    /// A number that changes with it.
    pub(super) fn fingerprint(&self) -> u64 {
        let held = self.held.values().chain(self.purged.values());
        let applied = self.applied.as_ref().map_or(0, |id| id.number);
        held.fold(applied, |all, number| all.rotate_left(9) ^ number)
    }
}

//! Which transactions a server has, as its global identifiers say: so it is known whether one
//! server has all that another has.
//! <https://dev.mysql.com/doc/refman/8.4/en/replication-gtids-concepts.html>
//! <https://mariadb.com/kb/en/gtid/>

use std::collections::BTreeMap;
use std::fmt;

use crate::units::counted;

/// Numbers from the first to the last, both among them, in order and apart from each other.
type Ranges = Vec<(u64, u64)>;

/// Transactions of a server by those that they were first committed at.
///
/// MySQL lists all of them. MariaDB numbers those of all servers in one row and knows the last
/// of each: what it has is everything up to these, and what another one must have is the very
/// last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transactions {
    held: BTreeMap<String, Ranges>,
    last: BTreeMap<String, Ranges>,
}

impl Transactions {
    /// Reads a set of MySQL's: `uuid:1-5:7,uuid:1`; `None` for another text.
    pub(super) fn of_mysql(set: &str) -> Option<Self> {
        let mut held: BTreeMap<String, Ranges> = BTreeMap::new();
        for part in set.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (server, ranges) = part.split_once(':')?;
            // Numbers may carry a tag before them, which counts apart.
            let (mut key, all) = (server.to_ascii_lowercase(), ranges.split(':'));
            for range in all {
                let is_tag = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let is_number = range.starts_with(|c: char| c.is_ascii_digit());
                if !is_number && !range.is_empty() && range.chars().all(is_tag) {
                    key = format!("{}:{range}", server.to_ascii_lowercase());
                    continue;
                }
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let range = (first.trim().parse().ok()?, last.trim().parse().ok()?);
                held.entry(key.clone()).or_default().push(range);
            }
        }
        held.values_mut().for_each(merge);
        Some(Self { last: held.clone(), held })
    }

    /// Reads positions of MariaDB's, of one domain: what it was at last, and the last of each
    /// server in its log; `None` for other texts.
    pub(super) fn of_mariadb(current: &str, applied: &str, logged: &str) -> Option<Self> {
        let mut found = Self::default();
        for (text, is_last) in [(current, true), (applied, false), (logged, false)] {
            for id in text.split(',').map(str::trim).filter(|id| !id.is_empty()) {
                let mut parts = id.splitn(3, '-');
                let (domain, server) = (parts.next()?, parts.next()?);
                let number: u64 = parts.next()?.parse().ok()?;
                let key = format!("{domain}-{server}");
                found.held.entry(key.clone()).or_default().push((1, number));
                if is_last {
                    found.last.insert(key, vec![(number, number)]);
                }
            }
        }
        found.held.values_mut().for_each(merge);
        Some(found)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether all that another server has is here.
    #[must_use]
    pub fn contain(&self, other: &Self) -> bool {
        self.lacking(other).next().is_none()
    }

    /// What another server has and this one lacks.
    fn lacking<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (&'a str, u64)> {
        other.last.iter().filter_map(|(server, ranges)| {
            let held = self.held.get(server).map(Vec::as_slice).unwrap_or_default();
            let count = ranges.iter().map(|range| range.1 - range.0 + 1 - covered(held, *range));
            let count = count.sum();
            (count > 0).then_some((server.as_str(), count))
        })
    }

    /// What another server has and this one lacks, in words.
    pub(super) fn lacks<'a>(&'a self, other: &'a Self) -> impl fmt::Display {
        let all: Vec<String> = self
            .lacking(other)
            .map(|(server, count)| format!("{} of {server}", counted(count, "transaction")))
            .collect();
        if all.is_empty() { "nothing".to_owned() } else { all.join(" and ") }
    }
}

/// Sorts ranges and joins those that touch.
fn merge(ranges: &mut Ranges) {
    ranges.retain(|(first, last)| (1..=*last).contains(first));
    ranges.sort_unstable();
    let mut merged: Ranges = Vec::new();
    for (first, last) in ranges.drain(..) {
        match merged.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    *ranges = merged;
}

/// How many numbers of a range are in ranges.
fn covered(held: &[(u64, u64)], (first, last): (u64, u64)) -> u64 {
    let overlap = |(from, to): &(u64, u64)| {
        let (from, to) = (first.max(*from), last.min(*to));
        if from <= to { to - from + 1 } else { 0 }
    };
    held.iter().map(overlap).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mysql(text: &str) -> Transactions {
        Transactions::of_mysql(text).unwrap()
    }

    #[test]
    fn sets_of_mysql_are_compared_as_sets() {
        let (a, b) =
            ("3e11fa47-71ca-11e1-9e33-c80aa9429562", "4e11fa47-71ca-11e1-9e33-c80aa9429562");
        let all = mysql(&format!("{a}:1-5:7-9, {b}:1"));
        for less in
            [format!("{a}:2-5"), format!("{a}:8,{b}:1"), String::new(), format!("{a}:1-3:4-5")]
        {
            assert!(all.contain(&mysql(&less)), "{less}");
        }
        for (more, lacks) in [
            (format!("{a}:1-9"), format!("1 transaction of {a}")),
            (format!("{b}:1-4"), format!("3 transactions of {b}")),
        ] {
            assert!(!all.contain(&mysql(&more)), "{more}");
            assert_eq!(all.lacks(&mysql(&more)).to_string(), lacks);
        }
        assert!(mysql("").is_empty() && !all.is_empty());
        assert!(!all.contain(&mysql(&format!("{a}:tag:1-2"))), "tags count apart");
        for wrong in ["x", "a:b-c", "a:1-"] {
            assert_eq!(Transactions::of_mysql(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn positions_of_mariadb_are_compared_by_the_last_transaction() {
        let of = |current: &str, applied: &str, logged: &str| {
            Transactions::of_mariadb(current, applied, logged).unwrap()
        };
        let primary = of("0-2-120", "0-1-100", "0-1-100,0-2-120");
        // A copy that was filled knows the position at which it was filled, and no more.
        let filled = of("0-2-120", "0-2-120", "");
        assert!(primary.contain(&filled) && filled.contain(&primary));
        let behind = of("0-1-90", "0-1-90", "");
        assert!(primary.contain(&behind) && !behind.contain(&primary));
        // One that came back with a transaction that nobody else has.
        let returned = of("0-1-101", "", "0-1-101");
        assert!(!primary.contain(&returned) && !returned.contain(&primary));
        assert_eq!(primary.lacks(&returned).to_string(), "1 transaction of 0-1");
        assert!(of("", "", "").is_empty());
        assert_eq!(Transactions::of_mariadb("0-1", "", ""), None);
    }
}

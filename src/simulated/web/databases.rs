//! Databases behind a simulated gateway: it passes clients on by what servers say of themselves,
//! at once. A connection that would wait for a decision is refused.

use std::collections::BTreeMap;

use super::{Endpoint, Network, endpoint};
use crate::recipe::haproxy;
use crate::simulated::daemon::Role;

/// How a section of a database ends its first line.
const MARK: &str = " from _database";
const READS: &str = ".reads";

/// A group as a configuration has it.
#[derive(Debug, Default)]
struct Group<'a> {
    writes: Option<Endpoint>,
    reads: Option<Endpoint>,
    servers: Vec<(&'a str, Endpoint)>,
}

/// The lines of a configuration, each with the first line of its section.
fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut section = "";
    text.lines().map(move |line| {
        if !line.starts_with(' ') {
            section = line;
        }
        (section, line.trim())
    })
}

/// The lines of a configuration without those of databases.
pub(super) fn without(text: &str) -> impl Iterator<Item = &str> {
    lines(text).filter(|(section, _)| !section.ends_with(MARK)).map(|(_, line)| line)
}

/// The groups of a configuration by name.
fn groups(text: &str) -> BTreeMap<&str, Group<'_>> {
    let mut found: BTreeMap<&str, Group<'_>> = BTreeMap::new();
    for (section, line) in lines(text) {
        let Some((kind, name)) = section.strip_suffix(MARK).and_then(|one| one.split_once(' '))
        else {
            continue;
        };
        let group = found.entry(name.strip_suffix(READS).unwrap_or(name)).or_default();
        let mut words = line.split_whitespace();
        match (kind, words.next(), name.ends_with(READS)) {
            ("frontend", Some("bind"), false) => group.writes = words.next().and_then(endpoint),
            ("frontend", Some("bind"), true) => group.reads = words.next().and_then(endpoint),
            ("backend", Some("server"), false) => {
                let server = words.next().zip(words.next().and_then(endpoint));
                group.servers.extend(server);
            }
            _ => {}
        }
    }
    found
}

impl Network {
    fn in_role(&self, group: &Group<'_>, role: Role) -> Vec<Endpoint> {
        let all = group.servers.iter().map(|(_, at)| *at);
        all.filter(|at| self.roles.get(&at.address) == Some(&role)).collect()
    }

    /// What a gateway says of the databases behind it.
    pub(super) fn words_of_databases(&self, text: &str) -> Vec<String> {
        let mut words = Vec::new();
        for (name, group) in groups(text) {
            let down = group.servers.iter().filter(|(_, at)| !self.roles.contains_key(&at.address));
            words.extend(down.map(|(server, _)| (*server).to_owned()));
            match self.in_role(&group, Role::Primary).len() {
                0 => words.push(format!("{name}:nobody")),
                1 => {}
                _ => words.push(format!("{name}:several")),
            }
        }
        words
    }

    /// Where gateways that have the address of clients pass them on to.
    pub(super) fn passages_to_databases(&self) -> BTreeMap<Endpoint, Endpoint> {
        let mut found = BTreeMap::new();
        for volume in self.loaded.keys().copied() {
            let Some((units, link)) = self.units_on(volume) else { continue };
            let runs = link.units.contains(haproxy::UNIT) && !link.stopped;
            let Some(loaded) = units.get(haproxy::UNIT).filter(|_| runs) else { continue };
            let is_own = |at: &Endpoint| {
                let is_believed = self.believed.get(&at.address).is_none_or(|one| one.at == volume);
                at.address == link.address || (self.holds(volume, at.address) && is_believed)
            };
            for group in groups(&loaded.text).values() {
                let primary = match self.in_role(group, Role::Primary).as_slice() {
                    [one] => Some(*one),
                    _ => None,
                };
                let reader = self.in_role(group, Role::Replica).first().copied().or(primary);
                let ways = [group.writes.zip(primary), group.reads.zip(reader)];
                found.extend(ways.into_iter().flatten().filter(|(at, _)| is_own(at)));
            }
        }
        found
    }
}

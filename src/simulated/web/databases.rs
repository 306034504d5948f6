//! Databases behind a simulated gateway: it passes clients on by what servers say of themselves,
//! at once. A connection that would wait for a decision is refused.

use std::collections::BTreeMap;

use super::{Endpoint, Network, endpoint};
use crate::recipe::haproxy;
use crate::simulated::daemon::Role;
use crate::spec::SEARCH_PORT;

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

/// Whether a gateway passes on what comes in somewhere as it is: who is behind it ends TLS.
pub(super) fn passes_on(text: &str, at: Endpoint) -> bool {
    let mut binds = lines(text).filter(|(section, _)| section.ends_with(" from _tcp"));
    binds.any(|(_, line)| {
        let bound = line.strip_prefix("bind ").and_then(|rest| rest.split(' ').next());
        bound.and_then(endpoint) == Some(at)
    })
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

    /// Whether a search engine is there that has a master.
    pub(super) fn is_searched(&self, at: Endpoint) -> bool {
        at.port == SEARCH_PORT && self.roles.get(&at.address) == Some(&Role::Primary)
    }

    /// Where a gateway passes on the clients of search engines: to the first that has a master.
    fn searches(&self, text: &str) -> Vec<(Endpoint, Endpoint)> {
        let mut binds: BTreeMap<&str, Endpoint> = BTreeMap::new();
        let mut found = Vec::new();
        for (section, line) in lines(text) {
            let mut words = section.split_whitespace();
            let (kind, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let mut words = line.split_whitespace();
            match (kind, words.next()) {
                ("frontend", Some("bind")) => {
                    let at = words.next().and_then(endpoint);
                    at.map(|at| binds.entry(name).or_insert(at));
                }
                ("backend", Some("server")) => {
                    let at = words.nth(1).and_then(endpoint).filter(|at| self.is_searched(*at));
                    if let Some((from, at)) = binds.get(name).copied().zip(at) {
                        binds.remove(name);
                        found.push((from, at));
                    }
                }
                _ => {}
            }
        }
        found
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
            found.extend(self.searches(&loaded.text).into_iter().filter(|(at, _)| is_own(at)));
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

//! What is to be done next: who takes writes, who copies whom, and what a person has to decide.
//!
//! Every server boots read-only. One is opened for writes where nobody else can have been, and
//! it has all transactions that any of its group has. So all of them have to answer: one that
//! does not may have been made the primary meanwhile.

use std::fmt;
use std::net::Ipv4Addr;

use super::observe::{Observed, Seen, Server, Source};
use super::target::{Group, Target};
use crate::engine::Goal;
use crate::ids::InstanceName;

/// The errors of a replica whose source has no more what it lacks:
/// `ER_SOURCE_FATAL_ERROR_READING_BINLOG`, and `ER_SERVER_SOURCE_FATAL_ERROR_READING_BINLOG` of
/// MySQL since 8.0.
const PURGED: [u32; 2] = [1236, 13114];

/// The errors of a replica that its source does not let in: `ER_ACCESS_DENIED_ERROR`,
/// `CR_SSL_CONNECTION_ERROR`, `CR_AUTH_PLUGIN_ERR`.
const DENIED: [u32; 3] = [1045, 2026, 2061];

/// One command to one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The instance.
    pub at: InstanceName,
    /// What it is to do.
    pub order: Order,
}

/// What an instance is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// Make users and databases, and take writes: nobody of its group has anything.
    Bootstrap,
    /// Give users their passwords, and replicas the one by which they come in.
    Users,
    /// Take writes.
    Open,
    /// Take no writes: it copies another one.
    Close,
    /// Be filled from another one, whatever it holds.
    Fill(InstanceName),
    /// Copy another one.
    Follow(InstanceName),
    /// Connect again to whom it copies.
    Reconnect,
    /// Wait for acknowledgements of writes.
    Wait,
    /// Acknowledge writes.
    Acknowledge,
    /// Write something that a replica has to acknowledge.
    Prove,
    /// Let another one be the primary.
    HandOver(InstanceName),
}

impl Order {
    /// The kind, as a noun that can be counted.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Bootstrap => "first primary",
            Self::Users => "change of passwords",
            Self::Open => "primary that takes writes",
            Self::Close => "replica that takes no writes",
            Self::Fill(_) => "filled replica",
            Self::Follow(_) => "attached replica",
            Self::Reconnect => "connected replica",
            Self::Wait => "primary that waits for acknowledgements",
            Self::Acknowledge => "replica that acknowledges",
            Self::Prove => "acknowledged write",
            Self::HandOver(_) => "hand-over",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = &self.at;
        match &self.order {
            Order::Bootstrap => write!(f, "{at} becomes the first primary"),
            Order::Users => write!(f, "{at} gives users other passwords"),
            Order::Open => write!(f, "{at} takes writes"),
            Order::Close => write!(f, "{at} takes no writes"),
            Order::Fill(from) => write!(f, "{at} is filled from {from}"),
            Order::Follow(source) => write!(f, "{at} replicates {source}"),
            Order::Reconnect => write!(f, "{at} connects to its primary again"),
            Order::Wait => write!(f, "{at} waits for acknowledgements"),
            Order::Acknowledge => write!(f, "{at} acknowledges writes"),
            Order::Prove => write!(f, "{at} has a write acknowledged"),
            Order::HandOver(to) => write!(f, "{at} hands over to {to}"),
        }
    }
}

fn step(at: &InstanceName, order: Order) -> Step {
    Step { at: at.clone(), order }
}

/// A group as planned and as seen.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    pub(super) target: &'a Target,
    pub(super) group: &'a Group,
    pub(super) observed: &'a Observed,
}

/// Who takes writes.
pub(super) enum Primary<'a> {
    /// One.
    One(&'a InstanceName, &'a Server),
    /// Nobody.
    Nobody,
    /// Several, which is never right.
    Several(Vec<&'a InstanceName>),
    /// One that copies another one: its writes, and those of the other, are nobody else's.
    Copy(&'a InstanceName),
}

impl<'a> View<'a> {
    /// All groups.
    pub(super) fn all(target: &'a Target, observed: &'a Observed) -> impl Iterator<Item = Self> {
        target.groups.values().map(move |group| Self { target, group, observed })
    }

    /// Those that answer: the planned ones, then those that leave and belong to it.
    pub(super) fn servers(self) -> impl Iterator<Item = (&'a InstanceName, &'a Server)> {
        let planned = self.group.members.iter();
        let planned = planned.filter_map(move |name| self.observed.seen.get_key_value(name));
        let leaving = self.observed.seen.iter().filter(move |(name, seen)| {
            self.target.group_of(name).is_none() && self.belongs(name, seen)
        });
        planned.chain(leaving).filter_map(|(name, seen)| Some((name, seen.server()?)))
    }

    /// Whether one that leaves is of this group: there is no other, it copies one of it, or one of
    /// it copies it.
    fn belongs(self, name: &InstanceName, seen: &Seen) -> bool {
        if self.target.groups.len() == 1 {
            return true;
        }
        let address = |name: &InstanceName| self.target.addresses.get(name).copied();
        let source = |seen: &Seen| seen.server()?.source.as_ref()?.address;
        let members = || self.group.members.iter();
        source(seen).is_some_and(|at| members().any(|one| address(one) == Some(at)))
            || members().any(|one| {
                let followed = self.observed.seen.get(one).and_then(source);
                followed.is_some() && followed == address(name)
            })
    }

    /// Whether an instance is planned, and does not leave.
    pub(super) fn stays(self, name: &InstanceName) -> bool {
        self.group.members.contains(name)
    }

    pub(super) fn server(self, name: &InstanceName) -> Option<&'a Server> {
        self.observed.seen.get(name).and_then(Seen::server)
    }

    /// Who takes writes. One that copies another one is none of them.
    pub(super) fn primary(self) -> Primary<'a> {
        let open = self.servers().filter(|(_, server)| server.writable);
        let all: Vec<(&InstanceName, &Server)> = open.collect();
        let alone: Vec<_> = all.iter().filter(|(_, server)| server.source.is_none()).collect();
        match (alone.as_slice(), all.as_slice()) {
            ([(name, server)], _) => Primary::One(name, server),
            ([], [(name, _)]) => Primary::Copy(name),
            ([], []) => Primary::Nobody,
            _ => Primary::Several(all.iter().map(|(name, _)| *name).collect()),
        }
    }

    /// Whom a server copies.
    pub(super) fn source_of(self, server: &Server) -> Option<&'a InstanceName> {
        self.target.at(server.source.as_ref()?.address?)
    }

    /// Whether a server is a copy of the primary that could take over at once.
    pub(super) fn is_in_step(self, server: &Server, primary: &InstanceName) -> bool {
        let is_up = server.source.as_ref().is_some_and(Source::is_up);
        server.formed && is_up && self.source_of(server) == Some(primary)
    }

    /// One of the group that is not asked, does not answer, or is being filled.
    fn unanswered(self) -> Option<&'a InstanceName> {
        self.group.members.iter().find(|name| self.server(name).is_none())
    }

    fn is_being_filled(self) -> bool {
        let mut seen = self.group.members.iter().filter_map(|name| self.observed.seen.get(name));
        seen.any(|seen| matches!(seen, Seen::Filling { .. }))
    }

    fn steps(self, goal: Goal) -> Result<Vec<Step>, String> {
        match self.primary() {
            Primary::Several(names) => {
                let names: Vec<&str> = names.into_iter().map(InstanceName::as_str).collect();
                Err(format!(
                    "{} all take writes: each may have transactions that the others lack; switch \
                     off all but the one whose data is to stay, then deploy again",
                    names.join(" and ")
                ))
            }
            Primary::Copy(name) => Err(format!(
                "{name} takes writes and copies another server, which hostsplit never brings about: \
                 in its guest either `SET GLOBAL read_only = ON`, or make it the primary by `STOP \
                 REPLICA; RESET REPLICA ALL`, once the other one is off; then deploy again"
            )),
            Primary::Nobody => self.without_primary(),
            Primary::One(name, server) => Ok(self.with_primary(name, server, goal)),
        }
    }

    /// Nobody takes writes: after the first boot, a whole outage, or a hand-over that was cut
    /// off.
    fn without_primary(self) -> Result<Vec<Step>, String> {
        if let Some(name) = self.unanswered() {
            if !self.group.absent.contains(name) {
                // It may answer soon.
                return Ok(Vec::new());
            }
            return Err(format!(
                "nobody takes writes, and {name} is not asked: it may be the primary; bring its host \
                 back and deploy again, or let a replica take over with `hostsplit failover`"
            ));
        }
        let answers = |name: &InstanceName| self.observed.seen.contains_key(name);
        if let Some(name) = self.target.leaving.iter().find(|name| !answers(name)) {
            return Err(format!(
                "nobody takes writes, and {name}, which leaves, does not answer: it may be the \
                 primary; bring it back and deploy again, or let a replica take over with `hostsplit \
                 failover`"
            ));
        }
        let servers: Vec<_> = self.servers().collect();
        if let Some((name, address)) = self.follows_silence(&servers) {
            return Err(format!(
                "nobody takes writes, and the server at {address}, which {name} copies, is not there: \
                 it may still take writes; let a replica take over with `hostsplit failover --force`"
            ));
        }
        if let Some(name) = self.stranger() {
            return Err(format!(
                "{name}, which leaves, holds data that no group of the plan has: move it by hand, or \
                 plan its group again"
            ));
        }
        let holding: Vec<_> =
            servers.iter().filter(|(_, server)| !server.transactions.is_empty()).collect();
        let formed: Vec<_> = holding.iter().filter(|(_, server)| server.formed).collect();
        if formed.is_empty() {
            return match (holding.as_slice(), &self.group.lead) {
                ([(name, _)], _) => Ok(vec![step(name, Order::Bootstrap)]),
                ([], Some(lead)) => Ok(vec![step(lead, Order::Bootstrap)]),
                ([], None) => Ok(Vec::new()),
                _ => Err("several have transactions, and hostsplit formed none of them".to_owned()),
            };
        }
        let has_all = |server: &Server| {
            holding.iter().all(|(_, other)| server.transactions.contain(&other.transactions))
        };
        let mut complete: Vec<_> = formed.iter().filter(|(_, server)| has_all(server)).collect();
        // Whom the others copy was the primary; then the planned one.
        let is_followed = |name: &InstanceName| {
            servers.iter().any(|(_, server)| self.source_of(server) == Some(name))
        };
        let is_lead = |name: &InstanceName| self.group.lead.as_ref() == Some(name);
        complete.sort_by_key(|(name, _)| (!is_followed(name), !is_lead(name)));
        let Some((name, server)) = complete.first() else {
            let lines: Vec<String> = formed.iter().map(|one| self.lacking(one, &holding)).collect();
            return Err(format!(
                "nobody takes writes, and none has all transactions: {}; switch off the one whose \
                 data is given up, or allow that with --allow-data-loss",
                lines.join(", ")
            ));
        };
        // What it has received was acknowledged, and is gone once it copies nobody.
        match server.source.as_ref().filter(|source| !source.drained) {
            Some(source) if source.applies => return Ok(Vec::new()),
            Some(source) => {
                let why =
                    source.error.clone().unwrap_or_else(|| "replication is stopped".to_owned());
                return Err(format!(
                    "nobody takes writes, and {name} does not apply what it has received: {why}; see \
                     to that in its guest (`START REPLICA SQL_THREAD`), then deploy again"
                ));
            }
            None => {}
        }
        Ok(vec![step(name, Order::Open)])
    }

    /// One that copies a server which did not answer.
    fn follows_silence(
        self,
        servers: &[(&'a InstanceName, &'a Server)],
    ) -> Option<(&'a InstanceName, Ipv4Addr)> {
        servers.iter().find_map(|(name, server)| {
            let address = server.source.as_ref()?.address?;
            let known = self.target.at(address);
            let is_there = known.is_some_and(|one| self.observed.seen.contains_key(one));
            (!is_there).then_some((*name, address))
        })
    }

    /// One that leaves, holds data, and is of no group.
    fn stranger(self) -> Option<&'a InstanceName> {
        let is_formed = |name: &InstanceName| self.server(name).is_some_and(|one| one.formed);
        let is_known = |name: &InstanceName| {
            Self::all(self.target, self.observed)
                .any(|view| view.servers().any(|one| one.0 == name))
        };
        self.target.leaving.iter().find(|name| is_formed(name) && !is_known(name))
    }

    /// What one lacks of the others, in words.
    fn lacking(
        self,
        (name, server): &(&InstanceName, &Server),
        holding: &[&(&InstanceName, &Server)],
    ) -> String {
        let others = holding.iter().filter(|(other, _)| other != name);
        let lacks: Vec<String> = others
            .map(|(_, other)| server.transactions.lacks(&other.transactions).to_string())
            .collect();
        format!("{name} lacks {}", lacks.join(" and "))
    }

    fn with_primary(self, primary: &InstanceName, server: &Server, goal: Goal) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut filling = self.is_being_filled();
        if !server.formed {
            return vec![step(primary, Order::Bootstrap)];
        }
        if self.target.users().is_some_and(|users| users != server.users) {
            return vec![step(primary, Order::Users)];
        }
        for (name, copy) in self.servers().filter(|(name, _)| *name != primary) {
            // Those that leave are left alone.
            if !self.stays(name) {
                continue;
            }
            if copy.writable {
                steps.push(step(name, Order::Close));
                continue;
            }
            let order = self.order_of_copy(copy, primary);
            // One at a time: each reads all of the primary's data.
            let is_filling = matches!(order, Some(Order::Fill(_)));
            if is_filling && filling {
                continue;
            }
            filling |= is_filling;
            steps.extend(order.map(|order| step(name, order)));
        }
        if !steps.is_empty() {
            return steps;
        }
        let has_copies = self.group.members.len() > 1;
        if has_copies && !server.waits {
            return vec![step(primary, Order::Wait)];
        }
        // One that went on alone waits again only once something was acknowledged.
        let is_unproved = has_copies && (!server.waiting || server.acknowledged == 0);
        if is_unproved && self.servers().any(|(_, copy)| self.is_in_step(copy, primary)) {
            return vec![step(primary, Order::Prove)];
        }
        let lead = self.group.lead.as_ref().filter(|lead| *lead != primary);
        let heir = lead.and_then(|lead| Some((lead, self.server(lead)?)));
        match heir {
            Some((lead, copy))
                if goal == Goal::Planned
                    && self.is_in_step(copy, primary)
                    && copy.source.as_ref().is_some_and(Source::is_close) =>
            {
                vec![step(primary, Order::HandOver(lead.clone()))]
            }
            _ => Vec::new(),
        }
    }

    fn order_of_copy(self, copy: &Server, primary: &InstanceName) -> Option<Order> {
        let fill = || Some(Order::Fill(primary.clone()));
        if copy.transactions.is_empty() {
            return fill();
        }
        // Whether it has transactions of its own is asked when it is attached: what was seen of
        // both was not seen at the same moment.
        let Some(source) = copy.source.as_ref().filter(|_| self.source_of(copy) == Some(primary))
        else {
            return Some(Order::Follow(primary.clone()));
        };
        if PURGED.contains(&source.error_number) && !source.connected {
            return fill();
        }
        // It was away while the password or the certificates changed.
        if DENIED.contains(&source.error_number) && !source.connected {
            return Some(Order::Follow(primary.clone()));
        }
        if !source.started || (!source.applies && source.error.is_none()) {
            return Some(Order::Reconnect);
        }
        if !copy.acknowledges {
            return Some(Order::Acknowledge);
        }
        if source.connected && !copy.sends_acknowledgements {
            return Some(Order::Reconnect);
        }
        None
    }
}

/// The commands that bring all groups nearer to a goal now.
pub(super) fn steps(target: &Target, observed: &Observed, goal: Goal) -> Result<Vec<Step>, String> {
    let mut all = Vec::new();
    for view in View::all(target, observed) {
        all.extend(view.steps(goal)?);
    }
    Ok(all)
}

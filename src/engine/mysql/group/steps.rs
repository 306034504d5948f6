//! What is to be done next: who joins, who leads, and whether there is a group at all.
//!
//! A group decides by majority who leads. What it does not decide is whether there is one: after
//! a whole outage nobody starts it, since a member that hears of no other cannot know whether
//! these go on without it. So it is started once, by a member that has all transactions that any
//! of them has, and only where every one of them answers and is in no group.

use std::collections::BTreeSet;
use std::fmt;

use super::observe::{Member, Observed, State};
use crate::engine::Goal;
use crate::engine::mysql::target::{Group, Target};
use crate::ids::InstanceName;

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
    /// Start the group: nobody is in one.
    Found,
    /// Start no other group when it is started next.
    Disarm,
    /// Make users and databases.
    Make,
    /// Give users their passwords, and members the one by which they come in.
    Users,
    /// Join the group of another one.
    Join(InstanceName),
    /// Let clients in.
    Admit,
    /// Let another one be the primary.
    HandOver(InstanceName),
}

impl Order {
    /// The kind, as a noun that can be counted.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Found => "started group",
            Self::Disarm => "member that starts no group",
            Self::Make => "first primary",
            Self::Users => "change of passwords",
            Self::Join(_) => "joined member",
            Self::Admit => "member that lets clients in",
            Self::HandOver(_) => "hand-over",
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = &self.at;
        match &self.order {
            Order::Found => write!(f, "{at} starts the group"),
            Order::Disarm => write!(f, "{at} starts no other group"),
            Order::Make => write!(f, "{at} makes users and databases"),
            Order::Users => write!(f, "{at} gives users other passwords"),
            Order::Join(primary) => write!(f, "{at} joins the group of {primary}"),
            Order::Admit => write!(f, "{at} lets clients in"),
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

/// Whether there is a group, and who leads it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Existence<'a> {
    /// There is one, which has a primary.
    Led(&'a InstanceName),
    /// There is one, and it is about to elect.
    Electing,
    /// There are several, apart from each other, which is never right.
    Several(Vec<&'a InstanceName>),
    /// Members are there that do not reach a majority.
    Blocked(Vec<&'a InstanceName>),
    /// None of those that answer is in one.
    None,
}

impl<'a> View<'a> {
    /// All groups.
    pub(super) fn all(target: &'a Target, observed: &'a Observed) -> impl Iterator<Item = Self> {
        target.groups.values().map(move |group| Self { target, group, observed })
    }

    /// Those that answer: the planned ones, then those that leave and belong to it.
    pub(super) fn members(self) -> impl Iterator<Item = (&'a InstanceName, &'a Member)> {
        let planned = self.group.members.iter();
        let planned = planned.filter_map(move |name| self.observed.seen.get_key_value(name));
        let leaving = self.observed.seen.iter().filter(move |(name, member)| {
            self.target.group_of(name).is_none() && self.belongs(member)
        });
        planned.chain(leaving)
    }

    /// Whether one that leaves is of this group: there is no other, or one of it is among those
    /// that it sees.
    fn belongs(self, leaving: &Member) -> bool {
        let is_known = |one: &InstanceName| {
            let member = self.observed.seen.get(one);
            member.is_some_and(|member| leaving.sees.contains_key(&member.id))
        };
        self.target.groups.len() == 1 || self.group.members.iter().any(is_known)
    }

    /// Whether an instance is planned, and does not leave.
    pub(super) fn stays(self, name: &InstanceName) -> bool {
        self.group.members.contains(name)
    }

    pub(super) fn member(self, name: &InstanceName) -> Option<&'a Member> {
        self.observed.seen.get(name)
    }

    /// Whether there is a group, as those say that reach a majority of it.
    pub(super) fn existence(self) -> Existence<'a> {
        let all: Vec<_> = self.members().collect();
        let in_one = || all.iter().filter(|(_, member)| member.has_majority());
        let leads = |member: &Member| member.sees.get(&member.id).is_some_and(|own| own.is_primary);
        let primaries: Vec<_> =
            in_one().filter(|(_, one)| one.state() == State::Online && leads(one)).collect();
        match primaries.as_slice() {
            [(name, member)] => {
                // One of the others may have heard of an election that it has not.
                let agrees =
                    |other: &Member| other.sees.get(&member.id).is_some_and(|one| one.is_primary);
                match in_one().all(|(_, other)| agrees(other)) {
                    true => Existence::Led(name),
                    false => Existence::Electing,
                }
            }
            [] if in_one().next().is_some() => Existence::Electing,
            [] => {
                let blocked = all.iter().filter(|(_, member)| member.is_in_a_group());
                let blocked: Vec<_> = blocked.map(|(name, _)| *name).collect();
                if blocked.is_empty() { Existence::None } else { Existence::Blocked(blocked) }
            }
            several => {
                let apart = |one: &Member, other: &Member| {
                    !one.sees.contains_key(&other.id) && !other.sees.contains_key(&one.id)
                };
                let is_apart = |(name, one): &(&InstanceName, &Member)| {
                    several.iter().any(|(other, two)| other != name && apart(one, two))
                };
                // Otherwise one of them is about to hear that it is none any more.
                match several.iter().any(|one| is_apart(one)) {
                    true => Existence::Several(several.iter().map(|(name, _)| *name).collect()),
                    false => Existence::Electing,
                }
            }
        }
    }

    fn steps(self, goal: Goal) -> Result<Vec<Step>, String> {
        let armed = self.members().filter(|(_, member)| member.founds);
        let armed: Vec<Step> = armed.map(|(name, _)| step(name, Order::Disarm)).collect();
        if !armed.is_empty() {
            return Ok(armed);
        }
        match self.existence() {
            Existence::Led(primary) => Ok(self.with_primary(primary, goal)),
            Existence::Electing => Ok(Vec::new()),
            Existence::Several(names) => Err(format!(
                "{} lead groups that do not know each other: each may have transactions that the \
                 other lacks; switch off all but the one whose data is to stay, then deploy again",
                listed(&names)
            )),
            Existence::Blocked(names) => match self.unasked() {
                // They go on alone no longer than they wait for the others to come back.
                None => Ok(Vec::new()),
                Some(absent) => Err(format!(
                    "{} reach no majority of their group, and {absent} is not asked: bring its host \
                     back and deploy again, or form the group anew of those that are left with \
                     `hostsplit failover --force`",
                    listed(&names)
                )),
            },
            Existence::None => self.without_group(),
        }
    }

    /// One that is planned, or leaves, and is not asked.
    fn unasked(self) -> Option<&'a InstanceName> {
        self.group.absent.first()
    }

    /// Nobody is in a group: after the first boot, or a whole outage.
    fn without_group(self) -> Result<Vec<Step>, String> {
        if let Some(absent) = self.unasked() {
            return Err(format!(
                "there is no group, and {absent} is not asked, which may have transactions that the \
                 others lack: bring its host back and deploy again, or form the group anew of those \
                 that are left with `hostsplit failover --force`"
            ));
        }
        // They may answer soon.
        if self.group.members.iter().any(|name| self.member(name).is_none()) {
            return Ok(Vec::new());
        }
        let answers = |name: &&InstanceName| self.observed.seen.contains_key(*name);
        if let Some(name) = self.target.leaving.iter().find(|name| !answers(name)) {
            return Err(format!(
                "there is no group, and {name}, which leaves, does not answer: it may have \
                 transactions that the others lack; bring it back and deploy again, or form the \
                 group anew with `hostsplit failover --force`"
            ));
        }
        Ok(self.founder()?.map(|name| step(name, Order::Found)).into_iter().collect())
    }

    /// Who starts the group, of those that answer: one that has all transactions that any of them
    /// has, the planned primary before others.
    pub(super) fn founder(self) -> Result<Option<&'a InstanceName>, String> {
        let holding: Vec<_> =
            self.members().filter(|(_, member)| !member.transactions.is_empty()).collect();
        let formed: Vec<_> = holding.iter().filter(|(_, member)| member.formed).collect();
        if formed.is_empty() {
            return match holding.as_slice() {
                [] => Ok(self.group.lead.as_ref()),
                [(name, _)] => Ok(Some(name)),
                _ => Err("several have transactions, and hostsplit formed none of them".to_owned()),
            };
        }
        let has_all = |member: &Member| {
            holding.iter().all(|(_, other)| member.transactions.contain(&other.transactions))
        };
        let mut complete: Vec<_> = formed.iter().filter(|(_, member)| has_all(member)).collect();
        complete.sort_by_key(|(name, _)| self.group.lead.as_ref() != Some(name));
        match complete.first() {
            Some((name, _)) => Ok(Some(name)),
            None => {
                let lines: Vec<String> = formed
                    .iter()
                    .map(|(name, member)| {
                        let others = holding.iter().filter(|(other, _)| other != name);
                        let lacks: BTreeSet<String> = others
                            .filter(|(_, other)| !member.transactions.contain(&other.transactions))
                            .map(|(other, one)| {
                                let lacks = member.transactions.lacks(&one.transactions);
                                format!("{lacks} that {other} has")
                            })
                            .collect();
                        let lacks: Vec<String> = lacks.into_iter().collect();
                        format!("{name} lacks {}", lacks.join(" and "))
                    })
                    .collect();
                Err(format!(
                    "there is no group, and none has all transactions: {}; say whose are to stay \
                     with `hostsplit failover --force --to INSTANCE --allow-data-loss`",
                    lines.join(", ")
                ))
            }
        }
    }

    fn with_primary(self, primary: &InstanceName, goal: Goal) -> Vec<Step> {
        let Some(leader) = self.member(primary) else { return Vec::new() };
        if !leader.formed {
            return vec![step(primary, Order::Make)];
        }
        if self.target.users().is_some_and(|users| users != leader.users) {
            return vec![step(primary, Order::Users)];
        }
        let mut steps = Vec::new();
        let is_recovering = self.members().any(|(_, member)| member.state() == State::Recovering);
        let mut copies = is_recovering;
        for (name, member) in self.members().filter(|(name, _)| self.stays(name)) {
            match member.state() {
                State::Online if member.closed => steps.push(step(name, Order::Admit)),
                State::Online | State::Recovering | State::Unreachable => {}
                State::Offline | State::Error => {
                    // One at a time: each reads all data of another one.
                    let is_empty = member.transactions.is_empty();
                    if is_empty && copies {
                        continue;
                    }
                    copies |= is_empty;
                    steps.push(step(name, Order::Join(primary.clone())));
                }
            }
        }
        if !steps.is_empty() {
            return steps;
        }
        let heir = self.group.lead.as_ref().filter(|lead| *lead != primary);
        match heir.filter(|lead| self.is_online(leader, lead)) {
            Some(lead) if goal == Goal::Planned => {
                vec![step(primary, Order::HandOver(lead.clone()))]
            }
            _ => Vec::new(),
        }
    }

    /// Whether a member is in step, as it says itself and its primary does.
    pub(super) fn is_online(self, leader: &Member, name: &InstanceName) -> bool {
        self.member(name).is_some_and(|member| {
            let seen = leader.sees.get(&member.id).map(|one| one.state);
            member.state() == State::Online && seen == Some(State::Online)
        })
    }
}

fn listed(names: &[&InstanceName]) -> String {
    names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" and ")
}

/// The commands that bring all groups nearer to a goal now.
pub(super) fn steps(target: &Target, observed: &Observed, goal: Goal) -> Result<Vec<Step>, String> {
    let mut all = Vec::new();
    for view in View::all(target, observed) {
        all.extend(view.steps(goal)?);
    }
    Ok(all)
}

//! Whether a group is started, and by whom, decided over random histories: servers that are
//! switched off and on, that do not answer, that are cut off from the others, writes that a
//! majority has got and not yet written down, and deploys that end anywhere.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::observe::{Member, Observed, Sight, State};
use super::steps::{Existence, Order, Step, View, steps};
use crate::engine::mysql::target::{Group as Planned, Target};
use crate::engine::mysql::transactions::Transactions;
use crate::engine::{EngineError, Goal};
use crate::guest::GuestError;
use crate::ids::InstanceName;
use crate::recipe::mysql::MYSQL_PACKAGE;

/// A server of the model. Transactions are numbers of the group.
#[derive(Clone, Debug, Default)]
struct Node {
    is_off: bool,
    /// It does not answer the deploy.
    is_silent: bool,
    /// It reaches none of the others.
    is_cut: bool,
    formed: bool,
    founds: bool,
    held: BTreeSet<u64>,
    /// What it has got and not written down.
    received: BTreeSet<u64>,
}

#[derive(Clone, Debug)]
struct Group {
    members: BTreeSet<usize>,
    primary: usize,
}

#[derive(Clone, Debug)]
struct World {
    nodes: Vec<Node>,
    groups: Vec<Group>,
    next: u64,
    /// Writes that were acknowledged.
    promised: BTreeSet<u64>,
}

#[derive(Clone, Debug)]
enum Event {
    Write,
    /// Members write down what they have got.
    Apply,
    /// So long that silent members are put out, and those without a majority give up.
    Wait,
    Off(usize),
    On(usize),
    Silence(usize),
    Answer(usize),
    Cut(usize),
    Heal(usize),
    /// One round of a deploy, which ends after so many statements of what it does first.
    Deploy(usize),
}

fn name(at: usize) -> InstanceName {
    InstanceName::new(format!("orders-{at}")).unwrap()
}

fn index(name: &InstanceName) -> usize {
    name.as_str().rsplit('-').next().unwrap().parse().unwrap()
}

fn target() -> Target {
    let members: Vec<InstanceName> = (0..3).map(name).collect();
    let group = Planned { lead: members.first().cloned(), members, absent: Vec::new() };
    Target {
        package: &MYSQL_PACKAGE,
        groups: [(0, group)].into(),
        addresses: BTreeMap::new(),
        leaving: Vec::new(),
        settings: BTreeMap::new(),
        credentials: None,
        tls: false,
        elects: true,
        may_lose_data: false,
    }
}

impl World {
    fn new() -> Self {
        let nodes = vec![Node::default(); 3];
        Self { nodes, groups: Vec::new(), next: 1, promised: BTreeSet::new() }
    }

    fn group_of(&self, at: usize) -> Option<usize> {
        self.groups.iter().position(|group| group.members.contains(&at))
    }

    /// Whom a member of a group reaches, itself among them.
    fn reached(&self, group: &Group, from: usize) -> BTreeSet<usize> {
        let is_up = |at: &usize| !self.nodes[*at].is_off;
        let reaches =
            |at: &usize| *at == from || (!self.nodes[*at].is_cut && !self.nodes[from].is_cut);
        group.members.iter().copied().filter(|at| is_up(at) && reaches(at)).collect()
    }

    /// Whether a group has a primary that reaches a majority.
    fn lives(&self, group: &Group) -> bool {
        !self.nodes[group.primary].is_off
            && self.reached(group, group.primary).len() * 2 > group.members.len()
    }

    fn observed(&self) -> Observed {
        let mut observed = Observed { seen: BTreeMap::new(), silent: BTreeMap::new() };
        for (at, node) in self.nodes.iter().enumerate() {
            if node.is_off || node.is_silent {
                let error = GuestError::Unfinished {
                    domain: "d".to_owned(),
                    command: "mysql".to_owned(),
                    waited_s: 5,
                };
                observed.silent.insert(name(at), EngineError::Guest(error));
                continue;
            }
            let sight = |state, is_primary| Sight { address: None, state, is_primary };
            let mut sees = BTreeMap::from([(at.to_string(), sight(State::Offline, false))]);
            if let Some(group) = self.group_of(at).map(|group| &self.groups[group]) {
                let reached = self.reached(group, at);
                for member in &group.members {
                    let is_there = reached.contains(member);
                    let state = if is_there { State::Online } else { State::Unreachable };
                    sees.insert(member.to_string(), sight(state, group.primary == *member));
                }
            }
            let held: Vec<String> = node.held.iter().map(ToString::to_string).collect();
            let set = if held.is_empty() { String::new() } else { format!("a:{}", held.join(":")) };
            let member = Member {
                id: at.to_string(),
                founds: node.founds,
                formed: node.formed,
                transactions: Transactions::of_mysql(&set).unwrap(),
                sees,
                ..Member::default()
            };
            observed.seen.insert(name(at), member);
        }
        observed
    }

    fn apply_all(&mut self) {
        for node in self.nodes.iter_mut().filter(|node| !node.is_off) {
            let received = std::mem::take(&mut node.received);
            node.held.extend(received);
        }
    }

    /// A primary writes down what it has got before it takes a write.
    fn lead(&mut self, at: usize) {
        let received = std::mem::take(&mut self.nodes[at].received);
        self.nodes[at].held.extend(received);
    }

    /// Gives members that reach each other what any of them has got: messages come to all of a
    /// view in the same order, and those that one has missed are in the caches of the others.
    fn share(&mut self, members: &BTreeSet<usize>) {
        let of = |at: &usize| self.nodes[*at].held.union(&self.nodes[*at].received).copied();
        let all: BTreeSet<u64> = members.iter().flat_map(of).collect();
        for at in members {
            let node = &mut self.nodes[*at];
            node.received.extend(all.difference(&node.held));
        }
    }

    fn commit(&mut self, group: usize) {
        let group = self.groups[group].clone();
        if !self.lives(&group) {
            return;
        }
        self.share(&self.reached(&group, group.primary));
        self.lead(group.primary);
        for at in self.reached(&group, group.primary) {
            let node = &mut self.nodes[at];
            let has = if at == group.primary { &mut node.held } else { &mut node.received };
            has.insert(self.next);
        }
        self.promised.insert(self.next);
        self.next += 1;
    }

    fn leave(&mut self, at: usize) {
        let Some(group) = self.group_of(at) else { return };
        let mut left = self.groups.remove(group);
        left.members.remove(&at);
        let Some(next) = left.members.first().copied() else { return };
        if left.primary == at {
            left.primary = next;
        }
        self.groups.push(left);
    }

    fn wait(&mut self) {
        for mut group in std::mem::take(&mut self.groups) {
            let parts: Vec<BTreeSet<usize>> =
                group.members.iter().map(|at| self.reached(&group, *at)).collect();
            let most = parts.into_iter().max_by_key(BTreeSet::len).unwrap_or_default();
            if most.len() * 2 <= group.members.len() {
                continue;
            }
            self.share(&most);
            group.members = most;
            if !group.members.contains(&group.primary) {
                group.primary = *group.members.first().unwrap();
            }
            self.lead(group.primary);
            self.groups.push(group);
        }
        // Those that look for a group find one that is there.
        for at in 0..self.nodes.len() {
            self.join(at);
        }
    }

    fn join(&mut self, at: usize) {
        let is_able = |node: &Node| !node.is_off && !node.is_cut;
        if self.group_of(at).is_some() || !is_able(&self.nodes[at]) {
            return;
        }
        let lives = |group: &Group| self.lives(group) && is_able(&self.nodes[group.primary]);
        let Some(group) = self.groups.iter().position(lives) else { return };
        let primary = self.groups[group].primary;
        self.lead(primary);
        let donor = self.nodes[primary].clone();
        // What it has got of a former life is applied before it joins.
        self.lead(at);
        if !donor.formed || !self.nodes[at].held.is_subset(&donor.held) {
            return;
        }
        let node = &mut self.nodes[at];
        (node.held, node.formed) = (donor.held, true);
        self.groups[group].members.insert(at);
    }

    /// Takes a step, up to its so manieth statement.
    fn take(&mut self, step: &Step, statements: usize) {
        let at = index(&step.at);
        match &step.order {
            Order::Found => self.found(at, statements),
            Order::Disarm => self.nodes[at].founds = false,
            Order::Make => {
                if let Some(group) = self.group_of(at) {
                    self.commit(group);
                    self.nodes[at].formed = statements > 1;
                }
            }
            Order::Join(_) => {
                self.nodes[at].founds = false;
                self.join(at);
            }
            Order::HandOver(to) => {
                if let Some(group) = self.group_of(at) {
                    self.lead(index(to));
                    self.groups[group].primary = index(to);
                }
            }
            Order::Admit | Order::Users => {}
        }
    }

    fn found(&mut self, at: usize, statements: usize) {
        let mut left = statements;
        let mut goes_on = || {
            left = left.saturating_sub(1);
            left > 0
        };
        for other in (0..3).filter(|other| *other != at) {
            if !goes_on() {
                return;
            }
            self.leave(other);
        }
        let (target, observed) = (target(), self.observed());
        let view = View::all(&target, &observed).next().unwrap();
        let is_whole = observed.silent.is_empty() && view.existence() == Existence::None;
        if !is_whole || view.founder() != Ok(Some(&name(at))) || !goes_on() {
            return;
        }
        self.nodes[at].founds = true;
        if !goes_on() {
            return;
        }
        self.lead(at);
        self.groups.push(Group { members: BTreeSet::from([at]), primary: at });
        if goes_on() {
            self.nodes[at].founds = false;
        }
    }

    fn happen(&mut self, event: &Event) {
        match *event {
            Event::Write => (0..self.groups.len()).for_each(|group| self.commit(group)),
            Event::Apply => self.apply_all(),
            Event::Wait => self.wait(),
            Event::Off(at) => {
                let node = &mut self.nodes[at];
                (node.is_off, node.founds) = (true, false);
                node.received.clear();
            }
            Event::On(at) if self.nodes[at].is_off => {
                // It is in its group no more, and the others take it for silent until then.
                self.wait();
                self.leave(at);
                self.nodes[at].is_off = false;
            }
            Event::On(_) => {}
            Event::Silence(at) => self.nodes[at].is_silent = true,
            Event::Answer(at) => self.nodes[at].is_silent = false,
            Event::Cut(at) => self.nodes[at].is_cut = true,
            Event::Heal(at) => self.nodes[at].is_cut = false,
            Event::Deploy(statements) => self.deploy(statements),
        }
    }

    fn deploy(&mut self, statements: usize) {
        let target = target();
        let Ok(steps) = steps(&target, &self.observed(), Goal::Planned) else { return };
        let mut left = statements;
        for step in &steps {
            if left == 0 {
                return;
            }
            self.take(step, left);
            left = left.saturating_sub(if step.order == Order::Found { 6 } else { 1 });
        }
    }

    fn assert_kept(&self) -> Result<(), TestCaseError> {
        let living: Vec<&Group> = self.groups.iter().filter(|one| self.lives(one)).collect();
        prop_assert!(living.len() <= 1, "two groups take writes: {self:?}");
        for group in living {
            let node = &self.nodes[group.primary];
            let has: BTreeSet<u64> = node.held.union(&node.received).copied().collect();
            prop_assert!(self.promised.is_subset(&has), "an acknowledged write is lost: {self:?}");
        }
        Ok(())
    }
}

fn event() -> impl Strategy<Value = Event> {
    let at = 0..3_usize;
    prop_oneof![
        4 => Just(Event::Write),
        2 => Just(Event::Apply),
        4 => Just(Event::Wait),
        2 => at.clone().prop_map(Event::Off),
        3 => at.clone().prop_map(Event::On),
        1 => at.clone().prop_map(Event::Silence),
        2 => at.clone().prop_map(Event::Answer),
        1 => at.clone().prop_map(Event::Cut),
        2 => at.prop_map(Event::Heal),
        5 => (1..8_usize).prop_map(Event::Deploy),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever happens, one group at most takes writes, and it has all that was acknowledged.
    /// Once all answer and reach each other, deploys form the group as planned.
    #[test]
    fn no_acknowledged_write_is_lost_and_no_second_group_is_started(
        events in prop::collection::vec(event(), 1..40)
    ) {
        let mut world = World::new();
        for event in &events {
            world.happen(event);
            world.assert_kept()?;
        }
        for at in 0..3 {
            for event in [Event::Heal(at), Event::Answer(at), Event::On(at)] {
                world.happen(&event);
            }
        }
        for _ in 0..12 {
            world.happen(&Event::Wait);
            world.happen(&Event::Deploy(9));
            world.assert_kept()?;
        }
        prop_assert_eq!(world.groups.len(), 1);
        prop_assert_eq!((world.groups[0].members.len(), world.groups[0].primary), (3, 0));
        prop_assert!(world.nodes.iter().all(|node| node.formed && !node.founds));
    }
}

#[test]
fn a_group_is_not_started_where_one_does_not_answer_or_none_has_everything() {
    let (mut world, target) = (World::new(), target());
    world.nodes[0].held = BTreeSet::from([1, 2]);
    world.nodes[1].held = BTreeSet::from([1, 2, 3]);
    world.nodes[2].held = BTreeSet::from([1]);
    world.nodes.iter_mut().for_each(|node| node.formed = true);
    let next = |world: &World| steps(&target, &world.observed(), Goal::Planned);
    let found = |at| Ok(vec![Step { at: name(at), order: Order::Found }]);
    assert_eq!(next(&world), found(1), "the most advanced one, not the planned one");
    world.nodes[2].is_silent = true;
    assert_eq!(next(&world), Ok(Vec::new()), "it may have more");
    world.nodes[2].is_silent = false;
    world.nodes[2].held = BTreeSet::from([1, 4]);
    let refused = next(&world).unwrap_err();
    for part in ["orders-1 lacks 1 transaction of a that orders-2 has", "failover --force"] {
        assert!(refused.contains(part), "{refused}");
    }
    world.nodes[1].founds = true;
    let disarm = Step { at: name(1), order: Order::Disarm };
    assert_eq!(next(&world), Ok(vec![disarm]), "before anything else");
}

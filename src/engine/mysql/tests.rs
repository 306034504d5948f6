//! Who takes writes, decided over random histories of a group: servers that are switched off
//! and on, that do not answer, that are cut off from each other, that lose their disk, and
//! hand-overs that end anywhere.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::observe::{Observed, Seen, Server, Source};
use super::steps::{Order, Step, steps};
use super::target::{Group, Target};
use super::transactions::Transactions;
use crate::engine::{EngineError, Goal};
use crate::guest::GuestError;
use crate::ids::InstanceName;
use crate::recipe::mysql::MYSQL_PACKAGE;

/// A server of the model. Transactions are numbers; each is named by who took it first.
#[derive(Clone, Debug, Default)]
struct Node {
    is_off: bool,
    is_silent: bool,
    is_cut: bool,
    writable: bool,
    formed: bool,
    held: BTreeSet<(usize, u64)>,
    source: Option<usize>,
    connected: bool,
    waits: bool,
    acknowledged: u64,
}

#[derive(Clone, Debug)]
struct World {
    nodes: Vec<Node>,
    next: u64,
    /// Writes that a replica acknowledged.
    promised: BTreeSet<(usize, u64)>,
}

#[derive(Clone, Debug)]
enum Event {
    Write,
    Off(usize),
    On(usize),
    Silence(usize),
    Answer(usize),
    Cut(usize),
    Heal(usize),
    /// So many parts of a hand-over to one.
    HandOver(usize, usize),
    /// A disk that is lost with what is on it.
    Wipe(usize),
    /// One round of a deploy.
    Deploy,
}

fn name(at: usize) -> InstanceName {
    InstanceName::new(format!("orders-{at}")).unwrap()
}

fn index(name: &InstanceName) -> usize {
    name.as_str().rsplit('-').next().unwrap().parse().unwrap()
}

fn address(at: usize) -> std::net::Ipv4Addr {
    [10, 20, 0, 50 + u8::try_from(at).unwrap()].into()
}

fn target(count: usize) -> Target {
    let members: Vec<InstanceName> = (0..count).map(name).collect();
    let group = Group { lead: members.first().cloned(), members, absent: Vec::new() };
    Target {
        package: &MYSQL_PACKAGE,
        groups: [(0, group)].into(),
        addresses: (0..count).map(|at| (name(at), address(at))).collect(),
        leaving: Vec::new(),
        settings: BTreeMap::new(),
        credentials: None,
        tls: false,
        elects: false,
        may_lose_data: false,
    }
}

fn set(held: &BTreeSet<(usize, u64)>) -> String {
    let one = |(node, number): &(usize, u64)| format!("{node}0000000-0000:{number}");
    held.iter().map(one).collect::<Vec<_>>().join(",")
}

impl World {
    fn new(count: usize) -> Self {
        Self { nodes: vec![Node::default(); count], next: 1, promised: BTreeSet::new() }
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
            let transactions = Transactions::of_mysql(&set(&node.held)).unwrap();
            let source = node.source.map(|source| Source {
                address: Some(address(source)),
                connected: node.connected,
                started: true,
                applies: true,
                drained: true,
                error_number: 0,
                error: None,
                behind_s: node.connected.then_some(0),
            });
            let copies = self.copies_of(at).count() as u64;
            let server = Server {
                writable: node.writable,
                formed: node.formed,
                transactions,
                source,
                waits: node.waits,
                acknowledges: true,
                sends_acknowledgements: true,
                waiting: node.waits && copies > 0,
                acknowledging: copies,
                acknowledged: node.acknowledged,
                ..Server::default()
            };
            observed.seen.insert(name(at), Seen::Server(Box::new(server)));
        }
        observed
    }

    fn copies_of(&self, at: usize) -> impl Iterator<Item = usize> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(move |(_, node)| node.source == Some(at) && node.connected).map(|(at, _)| at)
    }

    /// Lets replicas receive what their sources have.
    fn replicate(&mut self) {
        for _ in 0..self.nodes.len() {
            for at in 0..self.nodes.len() {
                let node = &self.nodes[at];
                let source = node.source.filter(|source| {
                    let other = &self.nodes[*source];
                    let is_there = !node.is_off && !other.is_off && !node.is_cut && !other.is_cut;
                    // One with transactions of its own is not let in.
                    is_there && node.held.is_subset(&other.held)
                });
                self.nodes[at].connected = source.is_some();
                if let Some(source) = source {
                    self.nodes[at].held = self.nodes[source].held.clone();
                    self.nodes[at].formed |= self.nodes[source].formed;
                }
            }
        }
    }

    fn commit(&mut self, at: usize) {
        let transaction = (at, self.next);
        self.next += 1;
        self.nodes[at].held.insert(transaction);
        self.replicate();
        if self.nodes[at].waits && self.copies_of(at).next().is_some() {
            self.nodes[at].acknowledged += 1;
            self.promised.insert(transaction);
        }
    }

    fn writable(&self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|at| self.nodes[*at].writable && !self.nodes[*at].is_off)
            .collect()
    }

    fn open(&mut self, at: usize) {
        let count = self.nodes.len();
        let node = &mut self.nodes[at];
        (node.source, node.connected, node.waits, node.writable) = (None, false, count > 1, true);
    }

    fn take(&mut self, step: &Step) -> Result<(), String> {
        let at = index(&step.at);
        if let Order::Fill(from) | Order::Follow(from) = &step.order
            && !self.nodes[at].held.is_subset(&self.nodes[index(from)].held)
        {
            return Err("it has transactions of its own".to_owned());
        }
        match &step.order {
            Order::Bootstrap => {
                self.nodes[at].writable = true;
                self.commit(at);
                self.nodes[at].formed = true;
            }
            Order::Open => self.open(at),
            Order::Close => self.nodes[at].writable = false,
            Order::Fill(from) => {
                let from = self.nodes[index(from)].clone();
                let node = &mut self.nodes[at];
                (node.held, node.formed) = (from.held, from.formed);
                (node.writable, node.source) = (false, None);
            }
            Order::Follow(source) => {
                let node = &mut self.nodes[at];
                (node.writable, node.source, node.waits) = (false, Some(index(source)), false);
            }
            Order::Wait => self.nodes[at].waits = true,
            Order::Prove => self.commit(at),
            Order::HandOver(to) => self.hand_over(index(to), 9),
            Order::Reconnect | Order::Acknowledge | Order::Users => {}
        }
        self.replicate();
        Ok(())
    }

    /// The parts of a hand-over, up to one.
    fn hand_over(&mut self, to: usize, parts: usize) {
        let [from] = self.writable()[..] else { return };
        let is_in_step = self.nodes[to].source == Some(from) && self.nodes[to].connected;
        if from == to || !is_in_step || self.nodes[from].is_silent || self.nodes[to].is_silent {
            return;
        }
        for part in 0..parts.min(4) {
            match part {
                0 => self.nodes[from].writable = false,
                1 => {
                    self.replicate();
                    assert!(self.nodes[from].held.is_subset(&self.nodes[to].held));
                    (self.nodes[to].source, self.nodes[to].connected) = (None, false);
                }
                2 => self.open(to),
                _ => (self.nodes[from].source, self.nodes[from].waits) = (Some(to), false),
            }
        }
        self.replicate();
    }

    fn apply(&mut self, event: &Event) {
        match *event {
            Event::Write => {
                if let [at] = self.writable()[..] {
                    self.commit(at);
                }
            }
            Event::Off(at) => self.nodes[at].is_off = true,
            Event::On(at) => {
                if self.nodes[at].is_off {
                    let node = &mut self.nodes[at];
                    (node.is_off, node.writable, node.waits) = (false, false, false);
                    node.acknowledged = 0;
                }
            }
            Event::Silence(at) => self.nodes[at].is_silent = true,
            Event::Answer(at) => self.nodes[at].is_silent = false,
            Event::Cut(at) => self.nodes[at].is_cut = true,
            Event::Heal(at) => self.nodes[at].is_cut = false,
            Event::HandOver(to, parts) => self.hand_over(to, parts),
            Event::Wipe(at) => {
                // What was promised is at another one, or nobody could keep the promise.
                let others = (0..self.nodes.len()).filter(|other| *other != at);
                let mut others = others.map(|other| &self.nodes[other].held);
                let node = &self.nodes[at];
                if node.is_off && others.any(|held| node.held.is_subset(held)) {
                    let is_silent = node.is_silent;
                    self.nodes[at] = Node { is_off: true, is_silent, ..Node::default() };
                }
            }
            Event::Deploy => drop(self.deploy()),
        }
        self.replicate();
        assert!(self.writable().len() < 2, "{event:?}: several take writes: {self:?}");
    }

    fn deploy(&mut self) -> Result<bool, String> {
        let steps = steps(&target(self.nodes.len()), &self.observed(), Goal::Planned)?;
        for step in &steps {
            self.take(step)?;
            assert!(self.writable().len() < 2, "{step}: several take writes: {self:?}");
        }
        Ok(!steps.is_empty())
    }
}

fn event(count: usize) -> impl Strategy<Value = Event> {
    let at = 0..count;
    prop_oneof![
        4 => Just(Event::Write),
        1 => at.clone().prop_map(Event::Off),
        2 => at.clone().prop_map(Event::On),
        1 => at.clone().prop_map(Event::Silence),
        2 => at.clone().prop_map(Event::Answer),
        1 => at.clone().prop_map(Event::Cut),
        2 => at.clone().prop_map(Event::Heal),
        1 => (at.clone(), 0..5_usize).prop_map(|(to, parts)| Event::HandOver(to, parts)),
        1 => at.prop_map(Event::Wipe),
        4 => Just(Event::Deploy),
    ]
}

fn history() -> impl Strategy<Value = (usize, Vec<Event>)> {
    (1..4_usize).prop_flat_map(|count| (Just(count), prop::collection::vec(event(count), 0..60)))
}

/// Somebody opens a replica by hand while its primary does not answer: nobody is attached to it,
/// and nothing is opened beside it.
#[test]
fn a_copy_that_takes_writes_is_no_primary() {
    let mut world = World::new(3);
    while world.deploy() == Ok(true) {}
    assert_eq!(world.writable(), [0]);
    world.nodes[0].is_silent = true;
    world.nodes[1].writable = true;
    let refused = steps(&target(3), &world.observed(), Goal::Joined).unwrap_err();
    assert!(refused.starts_with("orders-1 takes writes and copies another server"), "{refused}");
    world.nodes[0].is_silent = false;
    let closed = steps(&target(3), &world.observed(), Goal::Joined).unwrap();
    assert_eq!(closed, [Step { at: name(1), order: Order::Close }]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Whatever happened: two never take writes, what a replica acknowledged is there in the
    /// end, and once all are there and answer a deploy comes to its plan or says why a person
    /// has to decide.
    #[test]
    fn nothing_acknowledged_is_lost_and_two_never_take_writes((count, events) in history()) {
        let mut world = World::new(count);
        for event in &events {
            world.apply(event);
        }
        for at in 0..count {
            for event in [Event::On(at), Event::Answer(at), Event::Heal(at)] {
                world.apply(&event);
            }
        }
        let mut rounds = 0;
        let end = loop {
            match world.deploy() {
                Ok(true) if rounds < 50 => rounds += 1,
                other => break other,
            }
        };
        let primary = world.writable();
        match end {
            Ok(goes_on) => {
                prop_assert!(!goes_on, "no end: {world:?}");
                prop_assert_eq!(&primary, &[0], "the planned one takes writes");
                for node in &world.nodes {
                    prop_assert!(world.promised.is_subset(&node.held), "{:?}", world);
                }
            }
            Err(_) => {
                // Some have what others lack, and only a person knows which of them counts.
                let all = |node: &Node| world.nodes.iter().all(|one| one.held.is_subset(&node.held));
                let is_divided = !world.nodes.iter().any(all) || !primary.is_empty();
                prop_assert!(is_divided, "{world:?}");
            }
        }
    }
}

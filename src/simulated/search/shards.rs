//! Indices: shards, and the copies of each.

use std::collections::BTreeMap;
use std::time::Duration;

use super::node::Node;
use crate::simulated::daemon::VolumeId;

/// How long a copy takes to be made, and how long one that went away is waited for.
const COPYING: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(60);

/// An index.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) replicas: usize,
    pub(super) shards: Vec<Shard>,
}

/// A shard with all that ever held it.
#[derive(Debug, Default)]
pub(super) struct Shard {
    pub(super) primary: Option<VolumeId>,
    pub(super) copies: Vec<Copy>,
}

/// A copy of a shard on a node.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    pub(super) node: VolumeId,
    pub(super) state: State,
    /// Whether it has all that was acknowledged.
    in_sync: bool,
    documents: BTreeMap<String, String>,
}

/// What a copy is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Started,
    /// It is made until then.
    Initializing(Duration),
    /// It goes to another node until then.
    Relocating(VolumeId, Duration),
    /// Its node is away since then, or it was not taken up again.
    Away(Duration),
}

impl Copy {
    pub(super) const fn serves(&self) -> bool {
        matches!(self.state, State::Started | State::Relocating(..))
    }

    const fn is_there(&self) -> bool {
        !matches!(self.state, State::Away(_))
    }
}

/// Where copies may go.
pub(super) struct Room<'a> {
    pub(super) nodes: &'a BTreeMap<VolumeId, Node>,
    /// Nodes with data that are in the cluster.
    pub(super) up: &'a [VolumeId],
    /// Those of them that are not to be emptied.
    pub(super) open: &'a [VolumeId],
    /// Whether further copies are placed.
    pub(super) places: bool,
    pub(super) now: Duration,
}

impl Index {
    pub(super) fn new(shards: usize, replicas: usize) -> Self {
        Self { replicas, shards: (0..shards.max(1)).map(|_| Shard::default()).collect() }
    }

    fn shard_of(&self, key: &str) -> usize {
        key.bytes().map(usize::from).sum::<usize>() % self.shards.len().max(1)
    }

    /// Those that hold copies.
    pub(super) fn holders(&self) -> impl Iterator<Item = VolumeId> {
        let copies = self.shards.iter().flat_map(|shard| &shard.copies);
        copies.filter(|copy| copy.is_there()).map(|copy| copy.node)
    }

    /// A document, as its shard has it.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        let shard = self.shards.get(self.shard_of(key))?;
        let serving = shard.copies.iter().find(|copy| copy.serves() && copy.in_sync)?;
        serving.documents.get(key).map(String::as_str)
    }

    /// Writes or removes a document: to all copies that are there; those that are not lack it.
    pub(super) fn write(
        &mut self,
        key: &str,
        value: Option<&str>,
        up: &[VolumeId],
    ) -> Result<(), String> {
        let number = self.shard_of(key);
        let shard = self.shards.get_mut(number).ok_or("no such shard")?;
        let primary = shard.primary.filter(|one| up.contains(one));
        if primary.is_none() {
            return Err("primary shard is not active".to_owned());
        }
        for copy in &mut shard.copies {
            if !copy.serves() || !up.contains(&copy.node) {
                copy.in_sync = false;
                continue;
            }
            match value {
                Some(value) => drop(copy.documents.insert(key.to_owned(), value.to_owned())),
                None => drop(copy.documents.remove(key)),
            }
        }
        Ok(())
    }

    /// Lets copies come, go and move.
    pub(super) fn settle(&mut self, room: &Room<'_>, load: &mut BTreeMap<VolumeId, usize>) {
        let wanted = self.replicas + 1;
        for shard in &mut self.shards {
            shard.settle(wanted, room, load);
        }
    }
}

impl Shard {
    fn settle(&mut self, wanted: usize, room: &Room<'_>, load: &mut BTreeMap<VolumeId, usize>) {
        let now = room.now;
        for copy in &mut self.copies {
            if copy.is_there() && !room.up.contains(&copy.node) {
                copy.in_sync &= copy.serves();
                copy.state = State::Away(now);
            }
        }
        self.lead(room);
        self.finish(now);
        if self.primary.is_none() {
            if self.copies.is_empty() {
                self.add(wanted, room, load, State::Started);
                self.primary = self.copies.first().map(|copy| copy.node);
            }
            return;
        }
        if room.places {
            self.make(wanted, room, load);
        }
        self.leave(wanted, room, load);
    }

    /// Another copy leads where the one that did is away; one that comes back and has
    /// everything leads where nobody does.
    fn lead(&mut self, room: &Room<'_>) {
        let serves = |copy: &&Copy| copy.serves() && copy.in_sync;
        let leads = |copy: &Copy| Some(copy.node) == self.primary && copy.serves();
        if self.copies.iter().any(leads) {
            return;
        }
        self.primary = self.copies.iter().find(serves).map(|copy| copy.node);
        if self.primary.is_none() {
            let back = |copy: &&mut Copy| copy.in_sync && room.up.contains(&copy.node);
            if let Some(copy) = self.copies.iter_mut().find(back) {
                copy.state = State::Started;
                self.primary = Some(copy.node);
            }
        }
    }

    /// Ends what takes a while.
    fn finish(&mut self, now: Duration) {
        let Some(primary) = self.primary else { return };
        let documents = |copies: &[Copy]| {
            let copy = copies.iter().find(|copy| copy.node == primary);
            copy.map(|copy| copy.documents.clone()).unwrap_or_default()
        };
        let documents = documents(&self.copies);
        for copy in &mut self.copies {
            match copy.state {
                State::Initializing(until) if until <= now => {
                    (copy.state, copy.in_sync) = (State::Started, true);
                    copy.documents.clone_from(&documents);
                }
                State::Relocating(to, until) if until <= now => {
                    if self.primary == Some(copy.node) {
                        self.primary = Some(to);
                    }
                    (copy.node, copy.state) = (to, State::Started);
                }
                _ => {}
            }
        }
    }

    /// Makes copies that are missing: on nodes that had one and came back, else, after a while,
    /// elsewhere.
    fn make(&mut self, wanted: usize, room: &Room<'_>, load: &mut BTreeMap<VolumeId, usize>) {
        for at in 0..self.copies.len() {
            let there = self.copies.iter().filter(|copy| copy.is_there()).count();
            let Some(copy) = self.copies.get_mut(at) else { continue };
            if there < wanted && !copy.is_there() && room.open.contains(&copy.node) {
                copy.state = State::Initializing(room.now + COPYING);
            }
        }
        let waits = self.copies.iter().any(|copy| {
            matches!(copy.state, State::Away(since) if room.now.saturating_sub(since) < PATIENCE)
        });
        while !waits && self.copies.iter().filter(|copy| copy.is_there()).count() < wanted {
            if !self.add(wanted, room, load, State::Initializing(room.now + COPYING)) {
                return;
            }
        }
        if self.copies.iter().filter(|copy| copy.serves()).count() >= wanted {
            self.copies.retain(Copy::is_there);
        }
    }

    /// Moves copies away from nodes that are to be emptied.
    fn leave(&mut self, wanted: usize, room: &Room<'_>, load: &mut BTreeMap<VolumeId, usize>) {
        for at in 0..self.copies.len() {
            let Some(copy) = self.copies.get(at).filter(|copy| copy.state == State::Started) else {
                continue;
            };
            if room.open.contains(&copy.node) {
                continue;
            }
            let target = self.target(wanted, room, load, Some(copy.node));
            if let (Some(target), Some(copy)) = (target, self.copies.get_mut(at)) {
                copy.state = State::Relocating(target, room.now + COPYING);
                *load.entry(target).or_default() += 1;
            }
        }
    }

    fn add(
        &mut self,
        wanted: usize,
        room: &Room<'_>,
        load: &mut BTreeMap<VolumeId, usize>,
        state: State,
    ) -> bool {
        let Some(node) = self.target(wanted, room, load, None) else { return false };
        *load.entry(node).or_default() += 1;
        let in_sync = state == State::Started;
        self.copies.push(Copy { node, state, in_sync, documents: BTreeMap::new() });
        true
    }

    /// Where a copy may go: a node that has none, of a failure domain that has not its part.
    fn target(
        &self,
        wanted: usize,
        room: &Room<'_>,
        load: &BTreeMap<VolumeId, usize>,
        instead_of: Option<VolumeId>,
    ) -> Option<VolumeId> {
        let held = |node: VolumeId| {
            self.copies.iter().any(|copy| {
                copy.node == node || matches!(copy.state, State::Relocating(to, _) if to == node)
            })
        };
        let has_part = |volume: VolumeId| {
            let Some(node) = room.nodes.get(&volume) else { return true };
            node.spread.iter().enumerate().any(|(at, (value, all))| {
                let others = self
                    .copies
                    .iter()
                    .filter(|copy| copy.is_there() && Some(copy.node) != instead_of);
                let alike = others.filter(|copy| {
                    let other = room.nodes.get(&copy.node).and_then(|one| one.spread.get(at));
                    other.is_some_and(|(other, _)| other == value)
                });
                alike.count() >= wanted.div_ceil(*all)
            })
        };
        let free = room.open.iter().copied().filter(|one| !held(*one) && !has_part(*one));
        free.min_by_key(|one| (load.get(one).copied().unwrap_or_default(), *one))
    }
}

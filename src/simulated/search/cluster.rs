//! A cluster: its votes, its settings, its indices.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::node::Node;
use super::shards::{Index, Room};
use crate::simulated::daemon::VolumeId;

/// The setting that keeps copies from being placed, and the one that keeps nodes empty.
const ENABLE: &str = "cluster.routing.allocation.enable";
const EXCLUDE: &str = "cluster.routing.allocation.exclude._ip";
/// Voters that are kept where there were as many.
const KEPT: usize = 3;

/// A cluster.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    pub(super) voters: BTreeSet<VolumeId>,
    /// Names whose votes were taken away.
    pub(super) voteless: BTreeSet<String>,
    pub(super) master: Option<VolumeId>,
    /// Everybody in it, as its master knows.
    pub(super) nodes: Vec<VolumeId>,
    pub(super) settings: BTreeMap<String, String>,
    pub(super) indices: BTreeMap<String, Index>,
    /// Shards of new indices, and further copies of each.
    pub(super) template: Option<(usize, usize)>,
    /// The policy for indices that are kept for a time.
    pub(super) policy: Option<serde_json::Value>,
}

impl Cluster {
    pub(super) fn founded_by(node: VolumeId) -> Self {
        Self { voters: [node].into(), ..Self::default() }
    }

    /// Finds a master where a majority of the voters is there.
    pub(super) fn elect(&mut self, up: &[VolumeId]) {
        let there: Vec<VolumeId> =
            self.voters.iter().copied().filter(|one| up.contains(one)).collect();
        if 2 * there.len() <= self.voters.len() {
            self.master = None;
            return;
        }
        if self.master.is_none_or(|master| !there.contains(&master)) {
            self.master = there.first().copied();
        }
    }

    /// Adapts the votes to who is there: an odd number, and those that are away count while
    /// there would be fewer than three.
    pub(super) fn vote(&mut self, nodes: &BTreeMap<VolumeId, Node>, inside: &[VolumeId]) {
        self.nodes = inside.to_vec();
        let may = |one: &VolumeId| {
            nodes.get(one).is_some_and(|node| node.votes && !self.voteless.contains(&node.name))
        };
        let mut config: Vec<VolumeId> = inside.iter().copied().filter(may).collect();
        let away = self.voters.iter().copied().filter(|one| !inside.contains(one)).filter(may);
        let away: Vec<VolumeId> = away.collect();
        let missing = KEPT.min(self.voters.len()).saturating_sub(config.len());
        config.extend(away.into_iter().take(missing));
        if config.len().is_multiple_of(2) && !config.is_empty() {
            let spare = config.iter().rposition(|one| Some(*one) != self.master);
            spare.map(|at| config.remove(at));
        }
        if !config.is_empty() {
            self.voters = config.into_iter().collect();
        }
        if self.master.is_some_and(|master| !self.voters.contains(&master)) {
            self.master = self.voters.iter().copied().find(|one| inside.contains(one));
        }
    }

    /// Makes an index: as asked for, or as the template has it.
    pub(super) fn make(&mut self, name: &str, division: Option<(usize, usize)>) {
        let (shards, replicas) = division.or(self.template).unwrap_or((1, 1));
        self.indices.insert(name.to_owned(), Index::new(shards, replicas));
    }

    /// Whether copies are placed, and not primaries alone.
    fn places(&self) -> bool {
        self.settings.get(ENABLE).is_none_or(|value| value == "all")
    }

    /// Places, moves and makes copies.
    pub(super) fn place(
        &mut self,
        nodes: &BTreeMap<VolumeId, Node>,
        inside: &[VolumeId],
        now: Duration,
    ) {
        let excluded = self.settings.get(EXCLUDE).cloned().unwrap_or_default();
        let excluded: Vec<&str> = excluded.split(',').collect();
        let of = |volume: &VolumeId| nodes.get(volume);
        let is_empty = |node: &Node| excluded.contains(&node.address.to_string().as_str());
        let data = inside.iter().copied().filter(|one| of(one).is_some_and(|n| n.holds_data));
        let data: Vec<VolumeId> = data.collect();
        let open = data.iter().copied().filter(|one| of(one).is_some_and(|n| !is_empty(n)));
        let open: Vec<VolumeId> = open.collect();
        let mut load: BTreeMap<VolumeId, usize> = open.iter().map(|one| (*one, 0)).collect();
        for node in self.indices.values().flat_map(Index::holders) {
            *load.entry(node).or_default() += 1;
        }
        let places = self.places();
        for index in self.indices.values_mut() {
            let room = Room { nodes, up: &data, open: &open, places, now };
            index.settle(&room, &mut load);
        }
    }
}

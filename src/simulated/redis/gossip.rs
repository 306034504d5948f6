//! Gossip: who hears what from whom, and what it changes in the mind of the
//! hearer.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use super::{Endpoint, Login, Network, Peer, Server, Uid, users};

/// Virtual time between two rounds.
const ROUND: Duration = Duration::from_millis(500);
/// Rounds after which nothing new can happen, however long the wait was.
const MOST_ROUNDS: u32 = 120;

impl Network {
    /// Lets the servers talk until `now`.
    pub(super) fn gossip_until(&mut self, now: Duration) {
        let skipped = now.saturating_sub(ROUND * MOST_ROUNDS);
        self.gossiped = self.gossiped.max(skipped);
        while self.gossiped + ROUND <= now {
            self.gossiped += ROUND;
            self.round(self.gossiped);
        }
    }

    fn round(&mut self, now: Duration) {
        let online = self.online();
        let places = self.places();
        for &uid in &online {
            self.meet(uid, now);
            self.miss(uid, &places);
        }
        for &from in &online {
            let mut last = None;
            // What it learns on the way counts.
            while let Some(to) = self.next_peer(from, last) {
                last = Some(to);
                if from != to && online.binary_search(&to).is_ok() {
                    self.exchange(from, to, now);
                }
            }
        }
        self.judge(&online, now);
        self.elect(&online, now);
        for &uid in &online {
            self.replicate(uid);
        }
    }

    /// The peer behind `last` that `from` knows.
    fn next_peer(&self, from: Uid, last: Option<Uid>) -> Option<Uid> {
        let begin = last.map_or(Bound::Unbounded, Bound::Excluded);
        let view = &self.servers.get(&from)?.view;
        view.range((begin, Bound::Unbounded)).next().map(|(uid, _)| *uid)
    }

    /// Who answers where.
    fn places(&self) -> BTreeMap<Endpoint, Uid> {
        let mut places = BTreeMap::new();
        for (uid, server) in &self.servers {
            if let Some(endpoint) = server.online {
                places.entry(endpoint).or_insert(*uid);
            }
        }
        places
    }

    /// Tries what `uid` was told to meet: both sides learn of each other.
    fn meet(&mut self, uid: Uid, now: Duration) {
        let Some(server) = self.servers.get_mut(&uid) else { return };
        let here = server.online;
        for (endpoint, until) in std::mem::take(&mut server.meets) {
            match self.at(endpoint) {
                Some(found) if found != uid => {
                    self.learn(uid, found, now);
                    if let Some(known) = self.peer(uid, found) {
                        known.endpoint = Some(endpoint);
                    }
                    self.learn(found, uid, now);
                    if let Some(known) = self.peer(found, uid) {
                        known.endpoint = here;
                    }
                }
                None if now < until => {
                    if let Some(server) = self.servers.get_mut(&uid) {
                        server.meets.push((endpoint, until));
                    }
                }
                _ => {}
            }
        }
    }

    /// Takes the address off whoever it is no longer the address of: the one who
    /// answers there says that it is another.
    fn miss(&mut self, uid: Uid, places: &BTreeMap<Endpoint, Uid>) {
        let Some(server) = self.servers.get(&uid) else { return };
        let others = server.view.iter().filter(|(peer, _)| **peer != uid);
        let moved: Vec<Uid> = others
            .filter(|(peer, known)| {
                let there = known.endpoint.and_then(|endpoint| places.get(&endpoint));
                there.is_some_and(|found| found != *peer)
            })
            .map(|(peer, _)| *peer)
            .collect();
        for peer in moved {
            if let Some(known) = self.peer(uid, peer) {
                known.endpoint = None;
            }
        }
    }

    fn peer(&mut self, at: Uid, of: Uid) -> Option<&mut Peer> {
        self.servers.get_mut(&at)?.view.get_mut(&of)
    }

    fn learn(&mut self, at: Uid, of: Uid, now: Duration) {
        let endpoint = self.servers.get(&of).and_then(|server| server.online);
        if let Some(server) = self.servers.get_mut(&at) {
            server.view.entry(of).or_insert_with(|| Peer::new(endpoint, now));
        }
    }

    /// A ping from `from` to `to` and its answer, if `from` knows where `to` is.
    fn exchange(&mut self, from: Uid, to: Uid, now: Duration) {
        let Some(known) = self.servers.get(&from).and_then(|server| server.view.get(&to)) else {
            return;
        };
        let actual = self.servers.get(&to).and_then(|server| server.online);
        if known.endpoint != actual {
            return;
        }
        self.hear(to, from, now);
        self.hear(from, to, now);
    }

    /// `at` hears what `of` says of itself and of others.
    pub(super) fn hear(&mut self, at: Uid, of: Uid, now: Duration) {
        let Some(speaker) = self.servers.get(&of) else { return };
        let (epoch, endpoint) = (speaker.epoch, speaker.online);
        let Some(claim) = speaker.me().cloned() else { return };
        let Some(hearer) = self.servers.get(&at) else { return };
        // Those who know the same members, which is the rule, have none to tell of.
        let same = speaker.view.keys().eq(hearer.view.keys());
        let told = if same { None } else { Some(speaker.view.iter()) };
        let rumours: Vec<(Uid, Peer)> = told
            .into_iter()
            .flatten()
            .filter(|(uid, peer)| **uid != of && !peer.failed && peer.endpoint.is_some())
            .filter(|(uid, _)| !hearer.view.contains_key(uid))
            .map(|(uid, peer)| (*uid, Peer::new(peer.endpoint, now)))
            .collect();
        let Some(hearer) = self.servers.get_mut(&at) else { return };
        if !hearer.view.contains_key(&of) {
            return;
        }
        hearer.epoch = hearer.epoch.max(epoch).max(claim.epoch);
        hearer.banned.retain(|_, until| *until > now);
        for (uid, peer) in rumours {
            if !hearer.banned.contains_key(&uid) {
                hearer.view.entry(uid).or_insert(peer);
            }
        }
        hearer.believe(of, &Peer { endpoint, heard: now, failed: false, ..claim });
    }

    /// A replica whose master runs has its data at the end of the round.
    pub(super) fn replicate(&mut self, uid: Uid) {
        let Some(master) = self.servers.get(&uid).and_then(Server::follows) else { return };
        let Some(source) = self.servers.get(&master) else { return };
        if source.online.is_none() || source.follows().is_some() {
            return;
        }
        let wanted = self.servers.get(&uid).map(|server| &server.config);
        let set = |name: &str| wanted.and_then(|config| config.get(name)).map(String::as_str);
        let login =
            Login { user: set("masteruser").unwrap_or("default"), password: set("masterauth") };
        if users::admit(&source.users, &login, &["ping"]).is_err() {
            return;
        }
        let in_step =
            |server: &Server| server.synced == Some(master) && server.offset == source.offset;
        if self.servers.get(&uid).is_some_and(in_step) {
            return;
        }
        let (keys, offset) = (source.keys.clone(), source.offset);
        if let Some(server) = self.servers.get_mut(&uid) {
            (server.keys, server.offset, server.synced) = (keys, offset, Some(master));
        }
    }
}

impl Server {
    /// Takes in what `of` says of itself: the higher epoch wins a slot, and who
    /// lost all slots follows the winner.
    fn believe(&mut self, of: Uid, claim: &Peer) {
        let losers = if self.knows(of, claim) { Vec::new() } else { self.grant(of, claim) };
        if let Some(peer) = self.view.get_mut(&of) {
            (peer.endpoint, peer.heard, peer.failed) = (claim.endpoint, claim.heard, claim.failed);
        }
        let my_master = self.follows();
        let lost = losers.contains(&self.uid)
            || my_master.is_some_and(|master| losers.contains(&master) && of != self.uid);
        let collision = claim.follows.is_none() && of > self.uid;
        let uid = self.uid;
        if lost {
            self.synced = None;
        }
        if let Some(me) = self.view.get_mut(&uid) {
            if lost {
                me.follows = Some(of);
            } else if collision && me.follows.is_none() && me.epoch == claim.epoch {
                self.epoch += 1;
                me.epoch = self.epoch;
            }
        }
    }

    /// Whether `of` said the same before; slots that were granted belong to nobody
    /// else.
    fn knows(&self, of: Uid, claim: &Peer) -> bool {
        self.view.get(&of).is_some_and(|known| {
            (known.epoch, known.follows) == (claim.epoch, claim.follows)
                && known.slots == claim.slots
        })
    }

    /// Grants `of` the slots that it wins; who lost its last one.
    fn grant(&mut self, of: Uid, claim: &Peer) -> Vec<Uid> {
        let mut granted = claim.slots.clone();
        let mut losers = Vec::new();
        for (uid, peer) in self.view.iter_mut().filter(|(uid, _)| **uid != of) {
            let contested = peer.slots.intersection(&claim.slots);
            if contested.is_empty() {
                continue;
            }
            if peer.epoch < claim.epoch {
                peer.slots = peer.slots.minus(&contested);
                if peer.slots.is_empty() {
                    losers.push(*uid);
                }
            } else {
                granted = granted.minus(&contested);
            }
        }
        self.view.insert(of, Peer { slots: granted, ..claim.clone() });
        losers
    }
}

//! Gossip: who hears what from whom, and what it changes in the mind of the
//! hearer.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use super::{Endpoint, Login, Network, Peer, Server, TLS_CLUSTER, TLS_REPLICATION, Uid};
use crate::recipe::redis::slots::Slots;

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
        let before = self.beliefs();
        if self.steady == Some(before) {
            self.repeat(&online, now);
        } else {
            self.exchange_all(&online, now);
        }
        self.judge(&online, now);
        self.elect(&online, now);
        for &uid in &online {
            self.replicate(uid);
        }
        // Who waits for something may hear another thing the next time.
        let waits = |server: &Server| {
            !server.meets.is_empty() || !server.banned.is_empty() || server.copying.is_some()
        };
        let is_steady = before == self.beliefs()
            && !self.servers.values().any(waits)
            && !self.servers.values().any(|server| self.is_behind(server));
        self.steady = is_steady.then_some(before);
    }

    /// Whether a server has not heard yet that another listens elsewhere.
    fn is_behind(&self, server: &Server) -> bool {
        let listens = |uid: &Uid| self.servers.get(uid).and_then(|one| one.online);
        let moved = |(uid, known): (&Uid, &Peer)| {
            let ends = known.endpoint.zip(listens(uid));
            ends.is_some_and(|(known, at)| known != at && known.address == at.address)
        };
        server.online.is_some() && server.view.iter().any(moved)
    }

    /// A round in which everybody says what he said before: all that changes is when
    /// each was last heard.
    fn repeat(&mut self, online: &[Uid], now: Duration) {
        let place = |server: &Server| server.online.map(|at| (at, server.encrypts(TLS_CLUSTER)));
        let places: BTreeMap<Uid, Option<(Endpoint, bool)>> =
            self.servers.iter().map(|(uid, server)| (*uid, place(server))).collect();
        for uid in online {
            let Some(server) = self.servers.get_mut(uid) else { continue };
            let encrypts = server.encrypts(TLS_CLUSTER);
            for (peer, known) in &mut server.view {
                let place = places.get(peer).copied().flatten();
                if place.is_some() && place == known.endpoint.map(|at| (at, encrypts)) {
                    known.heard = now;
                }
            }
        }
    }

    fn exchange_all(&mut self, online: &[Uid], now: Duration) {
        let places = self.places();
        for &uid in online {
            self.meet(uid, now);
            self.miss(uid, &places);
        }
        for &from in online {
            let mut last = None;
            // What it learns on the way counts.
            while let Some(to) = self.next_peer(from, last) {
                last = Some(to);
                if from != to && online.binary_search(&to).is_ok() {
                    self.exchange(from, to, now);
                }
            }
        }
    }

    /// Hears of what has changed before it serves again: a master waits for that after
    /// its start (`CLUSTER_WRITABLE_DELAY`), lest it take writes for slots that it lost.
    pub(super) fn come_back(&mut self, uid: Uid, online: &[Uid], now: Duration) {
        for &peer in online.iter().filter(|peer| **peer != uid) {
            // It connects to all that it knows, wherever they listen for clients now.
            let there = self.servers.get(&peer).and_then(|one| one.online);
            if let Some(known) = self.peer(uid, peer)
                && known.endpoint.map(|at| at.address) == there.map(|at| at.address)
            {
                known.endpoint = there;
            }
            self.exchange(uid, peer, now);
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
                Some(found) if found != uid && self.connects(uid, found) => {
                    self.learn(uid, found, now);
                    let there = self.servers.get(&found).and_then(|server| server.online);
                    if let Some(known) = self.peer(uid, found) {
                        known.endpoint = there;
                    }
                    self.learn(found, uid, now);
                    if let Some(known) = self.peer(found, uid) {
                        known.endpoint = here;
                    }
                }
                Some(found) if found == uid => {}
                _ if now < until => {
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
        let is_there = match (known.endpoint, self.servers.get(&to).and_then(|one| one.online)) {
            (known, actual) if known == actual => true,
            // The port for clients is another, and not the one where servers reach each other:
            // it is heard of when nothing else was for half the node time-out.
            (Some(before), Some(now_at)) => {
                let timeout = self.servers.get(&from).map_or(Duration::MAX, |one| one.timeout);
                before.address == now_at.address && now.saturating_sub(known.heard) > timeout / 2
            }
            _ => false,
        };
        if !is_there || !self.connects(from, to) {
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
            // Who does not answer a first ping is not taken in.
            .filter(|(uid, _)| self.servers.get(uid).is_some_and(|one| one.online.is_some()))
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

    /// Brings a replica in step with its master, if that runs: what is new of its
    /// stream at the end of a round, and everything during the next one.
    fn replicate(&mut self, uid: Uid) {
        let Some(master) = self.source(uid) else {
            if let Some(server) = self.servers.get_mut(&uid) {
                server.copying = None;
            }
            return;
        };
        let Some(server) = self.servers.get_mut(&uid) else { return };
        if server.synced == Some(master) || server.copying == Some(master) {
            self.take_over(uid, master);
        } else {
            server.copying = Some(master);
        }
    }

    /// Brings a replica up to date that has the data of its master already.
    pub(super) fn follow_stream(&mut self, uid: Uid) {
        let Some(master) = self.source(uid) else { return };
        if self.servers.get(&uid).is_some_and(|server| server.synced == Some(master)) {
            self.take_over(uid, master);
        }
    }

    /// The master that a replica follows, where it runs and is connected to, or lets it in.
    /// One whose user may copy no more gets a refusal in its stream, and needs a copy.
    fn source(&mut self, uid: Uid) -> Option<Uid> {
        let is_shut = self.is_shut(uid);
        let (link, is_broken) = self.link(uid);
        let server = self.servers.get_mut(&uid)?;
        server.astray |= is_shut;
        if is_broken {
            server.synced = None;
        }
        server.link = link;
        server.link.as_ref().map(|(master, _)| *master)
    }

    /// Whether the master of a replica, which runs, listens at no port that the replica uses.
    fn is_shut(&self, uid: Uid) -> bool {
        let shut = || {
            let server = self.servers.get(&uid)?;
            let source = self.servers.get(&server.follows()?)?;
            let port = source.port(server.encrypts(TLS_REPLICATION));
            Some(source.online.is_some() && port.is_none())
        };
        shut().unwrap_or(false)
    }

    /// The connection of a replica to its master, and whether the one that it had broke.
    fn link(&self, uid: Uid) -> (Option<(Uid, String)>, bool) {
        const COPY: [&str; 1] = ["psync"];
        let found = || {
            let server = self.servers.get(&uid)?;
            let source = self.servers.get(&server.follows()?)?;
            let is_reached = source.online.is_some() && !server.astray && !self.is_shut(uid);
            (is_reached && source.follows().is_none()).then_some((server, source))
        };
        let Some((server, source)) = found() else { return (None, false) };
        let known = server.link.as_ref().filter(|(master, _)| *master == source.uid);
        if let Some((_, user)) = known {
            let may = source.users.permit(user, &COPY).is_ok();
            return (known.filter(|_| may).cloned(), !may);
        }
        let set = |name: &str| server.config.get(name).filter(|value| !value.is_empty());
        let password = set("masterauth").map(String::as_str);
        let user = set("masteruser").filter(|_| password.is_some());
        let user = user.map_or("default", String::as_str);
        let is_let_in = source.users.admit(&Login { user, password }, &COPY).is_ok();
        (is_let_in.then(|| (source.uid, user.to_owned())), false)
    }

    fn take_over(&mut self, uid: Uid, master: Uid) {
        let Some(source) = self.servers.get(&master) else { return };
        let in_step =
            |server: &Server| server.synced == Some(master) && server.offset == source.offset;
        if self.servers.get(&uid).is_some_and(in_step) {
            return;
        }
        let (keys, offset) = (source.keys.clone(), source.offset);
        if let Some(server) = self.servers.get_mut(&uid) {
            (server.keys, server.offset, server.synced) = (keys, offset, Some(master));
            server.copying = None;
        }
    }
}

impl Server {
    /// Takes in what `of` says of itself: the higher epoch wins a slot, and who
    /// lost all slots follows the winner.
    fn believe(&mut self, of: Uid, claim: &Peer) {
        let uid = self.uid;
        let source = self.follows().unwrap_or(uid);
        let taken =
            if self.knows(of, claim) { Slots::EMPTY } else { self.grant(of, claim, source) };
        if let Some(peer) = self.view.get_mut(&of) {
            (peer.endpoint, peer.heard, peer.failed) = (claim.endpoint, claim.heard, claim.failed);
            peer.encrypted = claim.encrypted;
        }
        let has_lost_all =
            !taken.is_empty() && self.view.get(&source).is_some_and(|peer| peer.slots.is_empty());
        // Where it took nothing else, it took over the whole group.
        if has_lost_all && (self.migrates() || taken == claim.slots) {
            self.follow(of);
        } else if let Some(master) = self.sub_master() {
            self.follow(master);
        } else if source == uid {
            self.drop_keys(&taken);
        }
        let collision = claim.follows.is_none() && of > uid;
        if let Some(me) = self.view.get_mut(&uid)
            && collision
            && me.follows.is_none()
            && me.epoch == claim.epoch
        {
            self.epoch += 1;
            me.epoch = self.epoch;
        }
    }

    /// The master of the replica that it follows: nobody follows a replica for long.
    fn sub_master(&self) -> Option<Uid> {
        let master = self.view.get(&self.follows()?)?.follows?;
        (master != self.uid && self.view.contains_key(&master)).then_some(master)
    }

    /// Deletes the keys of slots that were taken from it: they are the new owner's,
    /// who was to fetch them before.
    fn drop_keys(&mut self, taken: &Slots) {
        let with_keys = self.keys.slots().filter(|slot| taken.contains(*slot));
        let dirty: Vec<u16> = with_keys.collect();
        for slot in &dirty {
            self.keys.remove_slot(*slot);
        }
        // Its replicas delete them too.
        self.offset += dirty.len() as u64;
    }

    /// Whether `of` said the same before; slots that were granted belong to nobody
    /// else.
    fn knows(&self, of: Uid, claim: &Peer) -> bool {
        self.view.get(&of).is_some_and(|known| {
            (known.epoch, known.follows) == (claim.epoch, claim.follows)
                && known.slots == claim.slots
                && known.unclaimed.is_empty()
        })
    }

    /// Grants `of` the slots that it wins, and returns those that `from` lost. Slots
    /// that `of` no longer claims remain its own until another claims them, and one
    /// that is being imported changes hands by order only.
    fn grant(&mut self, of: Uid, claim: &Peer, from: Uid) -> Slots {
        let before = self.view.get(&of).map(|peer| peer.slots.clone()).unwrap_or_default();
        let imported: Vec<(u16, u16)> = self.importing.keys().map(|slot| (*slot, *slot)).collect();
        let mut wanted = claim.slots.minus(&before).minus(&Slots::of(&imported));
        let mut taken = Slots::EMPTY;
        for (uid, peer) in &mut self.view {
            if *uid == of || peer.slots.is_empty() || wanted.is_empty() {
                continue;
            }
            let contested = peer.slots.intersection(&wanted);
            let won = if peer.epoch < claim.epoch {
                contested.clone()
            } else {
                contested.intersection(&peer.unclaimed)
            };
            wanted = wanted.minus(&contested.minus(&won));
            if won.is_empty() {
                continue;
            }
            peer.slots = peer.slots.minus(&won);
            peer.unclaimed = peer.unclaimed.minus(&won);
            if *uid == from {
                taken = won;
            }
        }
        let (slots, unclaimed) = match claim.follows {
            None => (before.union(&wanted), before.minus(&claim.slots)),
            Some(_) => (Slots::EMPTY, Slots::EMPTY),
        };
        self.view.insert(of, Peer { slots, unclaimed, ..claim.clone() });
        taken
    }
}

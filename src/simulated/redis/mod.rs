//! A model of Redis Cluster: what each server believes, what they tell each
//! other, who is elected. Enough of it to fail as the real one does.
//!
//! After the Redis Cluster specification and `cluster.c` of Redis 7: beliefs
//! spread by gossip, the higher configuration epoch wins a slot, a majority of
//! the masters declares failures and elects. Not modelled: partitions between
//! hosts that are up, partial resynchronisation, slot migration.

mod cli;
mod election;
mod gossip;
mod users;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

pub(super) use self::users::Login;
use crate::slots::Slots;

/// A server's identity; lives as long as its volume.
pub(super) type Uid = u32;
/// What a volume keeps of Redis: the key of everything that its server knows.
pub(super) type Store = Uid;

/// Where a server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Endpoint {
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
}

/// All servers that ever were.
#[derive(Debug, Default)]
pub(super) struct Network {
    servers: BTreeMap<Uid, Server>,
    /// When the last round of gossip was.
    gossiped: Duration,
    /// Who was said to run, and who to be stopped, since the last one started.
    said: Option<(BTreeMap<Uid, Ipv4Addr>, BTreeSet<Uid>)>,
}

/// One server with its memory and its files.
#[derive(Debug)]
struct Server {
    uid: Uid,
    config: BTreeMap<String, String>,
    /// Its `cluster-node-timeout`.
    timeout: Duration,
    /// Passwords by user.
    users: users::Users,
    /// Where it listens now, if it runs.
    online: Option<Endpoint>,
    /// Where its process is stopped: connections are taken there and nobody ever
    /// answers.
    stopped: Option<Endpoint>,
    /// What it believes of everybody, itself included.
    view: BTreeMap<Uid, Peer>,
    /// Highest epoch that it heard of.
    epoch: u64,
    keys: BTreeMap<String, String>,
    /// Whom it was told to forget, and until when.
    banned: BTreeMap<Uid, Duration>,
    /// Whom it was told to meet, and until when it tries.
    meets: Vec<(Endpoint, Duration)>,
    /// The master whose data it has.
    synced: Option<Uid>,
}

/// What a server believes of one.
#[derive(Clone, Debug)]
struct Peer {
    /// `None` once somebody else answered there.
    endpoint: Option<Endpoint>,
    follows: Option<Uid>,
    epoch: u64,
    slots: Slots,
    heard: Duration,
    failed: bool,
}

impl Peer {
    const fn new(endpoint: Option<Endpoint>, now: Duration) -> Self {
        Self { endpoint, follows: None, epoch: 0, slots: Slots::EMPTY, heard: now, failed: false }
    }
}

/// The `cluster-node-timeout` of a configuration; Redis' own without one.
fn timeout(config: &BTreeMap<String, String>) -> Duration {
    let set = config.get("cluster-node-timeout").and_then(|value| value.parse().ok());
    Duration::from_millis(set.unwrap_or(15_000))
}

impl Server {
    fn me(&self) -> Option<&Peer> {
        self.view.get(&self.uid)
    }

    fn follows(&self) -> Option<Uid> {
        self.me().and_then(|me| me.follows)
    }

    /// Whether it holds a peer for perhaps failed. One without an address is
    /// never pinged, and so never suspected.
    fn suspects(&self, peer: Uid, now: Duration) -> bool {
        let silent = |known: &Peer| {
            known.endpoint.is_some() && now.saturating_sub(known.heard) > self.timeout
        };
        peer != self.uid && self.view.get(&peer).is_some_and(silent)
    }

    /// Masters with slots: who votes, as this server believes.
    fn voters(&self) -> impl Iterator<Item = Uid> {
        self.view.iter().filter(|(_, peer)| !peer.slots.is_empty()).map(|(uid, _)| *uid)
    }
}

impl Network {
    /// Starts a server with what its volume remembers, or a new one.
    pub(super) fn start(&mut self, known: Option<Store>, config: &str, now: Duration) -> Uid {
        let next = self.servers.keys().last().map_or(1, |last| last + 1);
        let uid = known.unwrap_or(next);
        let server = self.servers.entry(uid).or_insert_with(|| Server {
            uid,
            config: BTreeMap::new(),
            timeout: Duration::ZERO,
            users: users::Users::new(),
            online: None,
            stopped: None,
            view: BTreeMap::from([(uid, Peer::new(None, now))]),
            epoch: 0,
            keys: BTreeMap::new(),
            banned: BTreeMap::new(),
            meets: Vec::new(),
            synced: None,
        });
        server.config = directives(config);
        server.timeout = timeout(&server.config);
        self.said = None;
        server.users = users::read(config);
        for peer in server.view.values_mut() {
            peer.heard = now;
        }
        uid
    }

    /// Says which servers run and at which address, and which of them are stopped.
    pub(super) fn set_online(&mut self, online: &BTreeMap<Uid, Ipv4Addr>, stopped: &BTreeSet<Uid>) {
        if self.said.as_ref().is_some_and(|(on, off)| (on, off) == (online, stopped)) {
            return;
        }
        self.said = Some((online.clone(), stopped.clone()));
        for (uid, server) in &mut self.servers {
            let set = |name: &str| server.config.get(name).filter(|port| *port != "0");
            let port = set("port").or_else(|| set("tls-port")).and_then(|port| port.parse().ok());
            let at =
                |address: &Ipv4Addr| Endpoint { address: *address, port: port.unwrap_or(6379) };
            let there = online.get(uid).map(at);
            let is_stopped = stopped.contains(uid);
            server.stopped = there.filter(|_| is_stopped);
            server.online = there.filter(|_| !is_stopped);
            let me = server.view.get_mut(uid);
            if let (Some(endpoint), Some(me)) = (server.online, me) {
                me.endpoint = Some(endpoint);
            }
        }
    }

    /// The server that listens there.
    pub(super) fn at(&self, endpoint: Endpoint) -> Option<Uid> {
        let mut all = self.servers.iter();
        let listens = |server: &Server| server.online.or(server.stopped) == Some(endpoint);
        all.find(|(_, server)| listens(server)).map(|(uid, _)| *uid)
    }

    fn online(&self) -> Vec<Uid> {
        let online = self.servers.values().filter(|server| server.online.is_some());
        online.map(|server| server.uid).collect()
    }
}

/// Reads `redis.conf`: a directive and its value a line, quotes taken off.
fn directives(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(' '));
    pairs.map(|(name, value)| (name.to_owned(), value.trim().replace('"', ""))).collect()
}

/// The 40 digits that stand for a server.
fn id(uid: Uid) -> String {
    format!("{uid:08x}").repeat(5)
}

//! A model of Redis Cluster: what each server believes, what servers learn from
//! each other, who is elected. Enough of it to fail as the real one does.
//!
//! After the Redis Cluster specification and `cluster.c` of Redis 7 and 8: beliefs
//! spread by gossip, the higher configuration epoch wins a slot, a majority of
//! the masters declares failures and elects, a manual failover waits for the
//! master's offset. Slots move key by key, and clients are redirected meanwhile.
//! Not modelled: partitions between hosts that are up, partial resynchronisation,
//! memory that runs out.

mod cli;
mod cluster;
mod config;
mod daemon;
mod data;
mod election;
mod gossip;
mod keys;
mod program;
mod reply;
mod resharding;
#[cfg(test)]
mod tests;
mod users;

use std::collections::BTreeMap;
use std::time::Duration;

use self::config::Config;
use self::keys::Keys;
use self::users::{Login, Users};
use super::daemon::{Endpoint, Link, VolumeId};
use crate::recipe::redis::slots::Slots;

/// Whether servers encrypt what they tell each other, and what replicas are sent.
const TLS_CLUSTER: &str = "tls-cluster";
const TLS_REPLICATION: &str = "tls-replication";

/// A server's identity; lives as long as its volume.
type Uid = u32;

/// All servers that ever were.
#[derive(Debug, Default)]
pub(super) struct Network {
    servers: BTreeMap<Uid, Server>,
    /// The server of each volume that one was started from.
    stores: BTreeMap<VolumeId, Uid>,
    /// The servers that run.
    links: BTreeMap<VolumeId, Link>,
    /// The newest identity.
    last_uid: Uid,
    /// When the last round of gossip was.
    gossiped: Duration,
    /// The beliefs to which a round of gossip adds nothing.
    steady: Option<u64>,
}

/// One server with its memory and its files.
#[derive(Debug)]
struct Server {
    uid: Uid,
    config: Config,
    /// Its `cluster-node-timeout`.
    timeout: Duration,
    /// Who is let in.
    users: Users,
    /// Where it listens now, if it runs.
    online: Option<Endpoint>,
    /// Where its process is stopped: connections are taken there and nobody ever
    /// answers.
    stopped: Option<Endpoint>,
    /// What it believes of everybody, itself included.
    view: BTreeMap<Uid, Peer>,
    /// Highest epoch that it heard of.
    epoch: u64,
    keys: Keys,
    /// Slots that it moves to another master.
    migrating: BTreeMap<u16, Uid>,
    /// Slots that it gets from another master.
    importing: BTreeMap<u16, Uid>,
    /// How far its stream of changes is, in bytes.
    offset: u64,
    /// Nodes that it was ordered to forget, and until when.
    banned: BTreeMap<Uid, Duration>,
    /// Endpoints that it was ordered to meet, and until when it tries.
    meets: Vec<(Endpoint, Duration)>,
    /// When it last asked for votes in vain: for four node time-outs it does not ask again.
    denied: Option<Duration>,
    /// The master whose data it has, since it was started.
    synced: Option<Uid>,
    /// The master whose data it is being sent.
    copying: Option<Uid>,
    /// Whether it knows no port of its master: the one that it used was closed.
    astray: bool,
    /// The master that it is connected to, and as which user: who was let in stays in,
    /// whatever becomes of the password.
    link: Option<(Uid, String)>,
}

/// What a server believes of one.
#[derive(Clone, Debug)]
struct Peer {
    /// `None` once somebody else answered there.
    endpoint: Option<Endpoint>,
    /// Its port for encrypted connections.
    encrypted: Option<u16>,
    follows: Option<Uid>,
    epoch: u64,
    slots: Slots,
    /// Those of its slots that it no longer claims and nobody else claims yet.
    unclaimed: Slots,
    heard: Duration,
    failed: bool,
}

impl Peer {
    const fn new(endpoint: Option<Endpoint>, now: Duration) -> Self {
        Self {
            endpoint,
            encrypted: None,
            follows: None,
            epoch: 0,
            slots: Slots::EMPTY,
            unclaimed: Slots::EMPTY,
            heard: now,
            failed: false,
        }
    }
}

impl Server {
    fn me(&self) -> Option<&Peer> {
        self.view.get(&self.uid)
    }

    fn follows(&self) -> Option<Uid> {
        self.me().and_then(|me| me.follows)
    }

    /// Where it takes connections that are encrypted, or others.
    fn port(&self, encrypted: bool) -> Option<u16> {
        let set = |name: &str| self.config.get(name).and_then(|port| port.parse().ok());
        let port = if encrypted { set("tls-port") } else { set("port").or(Some(6379)) };
        port.filter(|port| *port != 0)
    }

    /// Whether it encrypts what it sends to others, by one of these.
    fn encrypts(&self, directive: &str) -> bool {
        self.config.get(directive).is_some_and(|set| set == "yes")
    }

    /// Whether it holds a peer for perhaps failed. One without an address is
    /// never pinged, and so never suspected.
    fn suspects(&self, peer: Uid, now: Duration) -> bool {
        let silent = |known: &Peer| {
            known.endpoint.is_some() && now.saturating_sub(known.heard) > self.timeout
        };
        peer != self.uid && self.view.get(&peer).is_some_and(silent)
    }

    /// Starts without the data that it had.
    fn forget_data(&mut self) {
        if !self.keys.is_empty() {
            self.keys = Keys::default();
            // Those who follow it see that its stream is another.
            self.offset += 1;
        }
    }

    /// Begins, at its start, to import the slots that it has keys of and another
    /// master serves, and serves those that nobody does.
    fn adopt_slots(&mut self) {
        if self.follows().is_some() {
            return;
        }
        let with_keys: Vec<u16> = self.keys.slots().collect();
        for slot in with_keys {
            match self.owner(slot) {
                Some(owner) if owner == self.uid => {}
                Some(owner) => drop(self.importing.entry(slot).or_insert(owner)),
                None => {
                    let uid = self.uid;
                    if let Some(me) = self.view.get_mut(&uid) {
                        me.slots = me.slots.union(&Slots::range(slot, slot));
                    }
                }
            }
        }
    }

    /// Masters with slots: who votes, as this server believes.
    fn voters(&self) -> impl Iterator<Item = Uid> {
        self.view.iter().filter(|(_, peer)| !peer.slots.is_empty()).map(|(uid, _)| *uid)
    }
}

impl Network {
    /// Starts a server with what its volume remembers, or a new one.
    fn boot(&mut self, known: Option<Uid>, config: &str, now: Duration) -> Uid {
        let uid = known.unwrap_or_else(|| self.next_uid());
        let server = self.servers.entry(uid).or_insert_with(|| Server {
            uid,
            config: Config::new(),
            timeout: Duration::ZERO,
            users: Users::default(),
            online: None,
            stopped: None,
            view: BTreeMap::from([(uid, Peer::new(None, now))]),
            epoch: 0,
            keys: Keys::default(),
            migrating: BTreeMap::new(),
            importing: BTreeMap::new(),
            offset: 0,
            banned: BTreeMap::new(),
            meets: Vec::new(),
            denied: None,
            synced: None,
            copying: None,
            astray: false,
            link: None,
        });
        server.config = config::directives(config);
        server.timeout = config::node_timeout(&server.config);
        server.users = Users::read(config);
        (server.link, server.astray) = (None, false);
        // It does not know any more how recent its data is.
        server.synced = None;
        if !config::persists(&server.config) {
            server.forget_data();
        }
        server.adopt_slots();
        for peer in server.view.values_mut() {
            peer.heard = now;
        }
        uid
    }

    /// An identity that no server has or had.
    fn next_uid(&mut self) -> Uid {
        self.last_uid += 1;
        self.last_uid
    }

    /// Gives each server the endpoint that it listens at, if it runs.
    fn place(&mut self) {
        let running = self.links.iter();
        let running =
            running.filter_map(|(volume, link)| Some((*self.stores.get(volume)?, link.clone())));
        let running: BTreeMap<Uid, Link> = running.collect();
        for (uid, server) in &mut self.servers {
            let port = server.port(false).or_else(|| server.port(true));
            let at = |link: &Link| Endpoint { address: link.address, port: port.unwrap_or(6379) };
            let link = running.get(uid);
            server.stopped = link.filter(|link| link.stopped).map(at);
            server.online = link.filter(|link| !link.stopped).map(at);
            let encrypted = server.port(true);
            let me = server.view.get_mut(uid);
            if let (Some(endpoint), Some(me)) = (server.online, me) {
                (me.endpoint, me.encrypted) = (Some(endpoint), encrypted);
            }
        }
    }

    /// The server that listens there.
    fn at(&self, endpoint: Endpoint) -> Option<Uid> {
        let mut all = self.servers.iter();
        let listens = |server: &Server| {
            let ports = [server.port(false), server.port(true)];
            server.online.or(server.stopped).is_some_and(|at| {
                at.address == endpoint.address
                    && (at.port == endpoint.port || ports.contains(&Some(endpoint.port)))
            })
        };
        all.find(|(_, server)| listens(server)).map(|(uid, _)| *uid)
    }

    /// Whether a server takes connections of a kind at a port.
    fn takes(&self, uid: Uid, port: u16, encrypted: bool) -> bool {
        self.servers.get(&uid).and_then(|server| server.port(encrypted)) == Some(port)
    }

    /// Whether two servers can connect to each other: both encrypt or none does.
    fn connects(&self, one: Uid, other: Uid) -> bool {
        let encrypts = |uid| self.servers.get(&uid).map(|server| server.encrypts(TLS_CLUSTER));
        encrypts(one) == encrypts(other)
    }

    fn online(&self) -> Vec<Uid> {
        let online = self.servers.values().filter(|server| server.online.is_some());
        online.map(|server| server.uid).collect()
    }
}

/// The 40 digits that stand for a server.
fn id(uid: Uid) -> String {
    format!("{uid:08x}").repeat(5)
}

/// Where a peer answers, as clients are sent there.
fn place(peer: &Peer) -> String {
    peer.endpoint.map_or_else(|| ":0".to_owned(), |at| format!("{}:{}", at.address, at.port))
}

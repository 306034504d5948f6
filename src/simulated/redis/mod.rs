//! A model of Redis Cluster: what each server believes, what servers learn from
//! each other, who is elected. Enough of it to fail as the real one does.
//!
//! After the Redis Cluster specification and `cluster.c` of Redis 7 and 8: beliefs
//! spread by gossip, the higher configuration epoch wins a slot, a majority of
//! the masters declares failures and elects, a manual failover waits for the
//! master's offset. Not modelled: partitions between hosts that are up, partial
//! resynchronisation, slot migration, data lost for want of persistence.

mod cli;
mod config;
mod daemon;
mod election;
mod gossip;
mod program;
mod users;

use std::collections::BTreeMap;
use std::time::Duration;

use self::config::Config;
use self::users::Login;
use super::daemon::{Endpoint, Link, VolumeId};
use crate::recipe::redis::slots::Slots;

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
    /// When the last round of gossip was.
    gossiped: Duration,
}

/// One server with its memory and its files.
#[derive(Debug)]
struct Server {
    uid: Uid,
    config: Config,
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
    /// How far its stream of changes is, in bytes.
    offset: u64,
    /// Nodes that it was ordered to forget, and until when.
    banned: BTreeMap<Uid, Duration>,
    /// Endpoints that it was ordered to meet, and until when it tries.
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
    fn boot(&mut self, known: Option<Uid>, config: &str, now: Duration) -> Uid {
        let next = self.servers.keys().last().map_or(1, |last| last + 1);
        let uid = known.unwrap_or(next);
        let server = self.servers.entry(uid).or_insert_with(|| Server {
            uid,
            config: Config::new(),
            timeout: Duration::ZERO,
            users: users::Users::new(),
            online: None,
            stopped: None,
            view: BTreeMap::from([(uid, Peer::new(None, now))]),
            epoch: 0,
            keys: BTreeMap::new(),
            offset: 0,
            banned: BTreeMap::new(),
            meets: Vec::new(),
            synced: None,
        });
        server.config = config::directives(config);
        server.timeout = config::node_timeout(&server.config);
        server.users = users::read(config);
        for peer in server.view.values_mut() {
            peer.heard = now;
        }
        uid
    }

    /// Gives each server the endpoint that it listens at, if it runs.
    fn place(&mut self) {
        let running = self.links.iter();
        let running = running.filter_map(|(volume, link)| Some((*self.stores.get(volume)?, *link)));
        let running: BTreeMap<Uid, Link> = running.collect();
        for (uid, server) in &mut self.servers {
            let set = |name: &str| server.config.get(name).filter(|port| *port != "0");
            let port = set("port").or_else(|| set("tls-port")).and_then(|port| port.parse().ok());
            let at = |link: &Link| Endpoint { address: link.address, port: port.unwrap_or(6379) };
            let link = running.get(uid);
            server.stopped = link.filter(|link| link.stopped).map(at);
            server.online = link.filter(|link| !link.stopped).map(at);
            let me = server.view.get_mut(uid);
            if let (Some(endpoint), Some(me)) = (server.online, me) {
                me.endpoint = Some(endpoint);
            }
        }
    }

    /// The server that listens there.
    fn at(&self, endpoint: Endpoint) -> Option<Uid> {
        let mut all = self.servers.iter();
        let listens = |server: &Server| server.online.or(server.stopped) == Some(endpoint);
        all.find(|(_, server)| listens(server)).map(|(uid, _)| *uid)
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

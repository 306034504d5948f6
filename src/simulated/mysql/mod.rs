//! A model of MySQL and MariaDB: what each server has committed, whom it copies, whether
//! somebody acknowledges its writes, and how one is filled from another.
//!
//! What a server has committed is on its volume and outlives a power cut; what it was set to
//! while it ran does not. Transactions reach replicas at once. Not modelled: load, relay logs
//! that are applied later than they arrive, servers that are too old for each other.

mod backup;
mod cells;
mod client;
mod daemon;
mod data;
mod fill;
mod group;
mod history;
mod options;
mod replication;
mod server;
mod session;
mod settings;
mod status;
mod tables;
#[cfg(test)]
mod tests;
mod words;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use self::fill::{Fill, Sending};
use self::server::Server;
use super::daemon::{Endpoint, Link, VolumeId};
use crate::recipe::mysql::PORT;

/// All servers that ever were, by the volume that each keeps its data on.
#[derive(Debug, Default)]
pub(super) struct Network {
    servers: BTreeMap<VolumeId, Server>,
    /// Those whose unit runs.
    links: BTreeMap<VolumeId, Link>,
    /// Groups that elect.
    groups: Vec<group::Group>,
    /// Servers that are being filled.
    fills: BTreeMap<VolumeId, Fill>,
    /// Servers whose data is being copied, and when it will have been.
    copyings: BTreeMap<VolumeId, Duration>,
    /// What was copied.
    copies: Vec<backup::Copy>,
    /// Servers that send their data to another.
    sendings: BTreeMap<VolumeId, Sending>,
    /// What programs wrote to files since they were last asked.
    written: Vec<super::daemon::Written>,
    /// What was acknowledged to clients: the newest value by key.
    acknowledged: BTreeMap<String, String>,
    /// Where gateways pass clients on to.
    passages: BTreeMap<Endpoint, Endpoint>,
    now: Duration,
}

/// Why a server, or its client, refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refusal {
    code: u32,
    state: &'static str,
    text: String,
}

impl Refusal {
    fn new(code: u32, state: &'static str, text: impl Into<String>) -> Self {
        Self { code, state, text: text.into() }
    }

    fn general(code: u32, text: impl Into<String>) -> Self {
        Self::new(code, "HY000", text)
    }

    /// As the client writes it: where in what it was given, if it was given anything.
    fn line(&self, line: Option<usize>) -> String {
        let Self { code, state, text } = self;
        let at = line.map(|line| format!(" at line {line}")).unwrap_or_default();
        format!("ERROR {code} ({state}){at}: {text}")
    }
}

impl Network {
    /// Where a server is on the network, if it runs.
    fn online(&self, volume: VolumeId) -> Option<&Link> {
        self.links.get(&volume).filter(|_| !self.is_away(volume))
    }

    /// Whether a server answers.
    fn answers(&self, volume: VolumeId) -> bool {
        self.online(volume).is_some_and(|link| !link.stopped)
    }

    /// Whether a server is off though its unit was started: it is being filled, or starts anew
    /// after that.
    fn is_away(&self, volume: VolumeId) -> bool {
        let restarts = |server: &Server| server.started > self.now;
        self.is_off_for_fill(volume) || self.servers.get(&volume).is_some_and(restarts)
    }

    /// The server that listens somewhere.
    fn at(&self, at: Endpoint) -> Option<VolumeId> {
        let at = self.passages.get(&at).copied().unwrap_or(at);
        if at.port != PORT {
            return None;
        }
        self.at_address(at.address)
    }

    fn at_address(&self, address: Ipv4Addr) -> Option<VolumeId> {
        let mut all = self.links.keys().copied();
        all.find(|volume| self.online(*volume).is_some_and(|link| link.address == address))
    }
}

//! Redis and Valkey as daemons: their units, where they find their
//! configuration, and the clients of their clusters.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cli::Caller;
use super::program;
use super::reply::Form;
use super::{Login, Network, Peer, Server, TLS_CLUSTER, TLS_REPLICATION, Uid, config};
use crate::recipe::redis::Package;
use crate::simulated::daemon::{Contact, Daemon, Endpoint, Invocation, Link, Start, VolumeId};
use crate::simulated::exec::Outcome;
use crate::simulated::observe::{Presence, Server as Facts};

/// What is installed with a unit of that name.
fn of_unit(unit: &str) -> Option<&'static Package> {
    Package::ALL.into_iter().find(|software| software.unit() == unit)
}

fn has(program: impl Fn(&Package) -> bool) -> bool {
    Package::ALL.into_iter().any(program)
}

impl Daemon for Network {
    fn provides(&self, unit: &str) -> bool {
        of_unit(unit).is_some()
    }

    fn runs(&self, program: &str) -> bool {
        has(|software| software.client == program || software.benchmark == program)
    }

    fn start(&mut self, start: &Start<'_>) -> Result<(), String> {
        let software = of_unit(start.unit).ok_or("no such unit")?;
        let text = config::read(start.files, software.config)?;
        let known = self.stores.get(&start.volume).copied();
        let uid = self.boot(known, &text, start.now);
        self.stores.insert(start.volume, uid);
        // It may listen at another port than before.
        self.place();
        Ok(())
    }

    fn connect(&mut self, links: &BTreeMap<VolumeId, Link>, now: Duration) {
        if self.links == *links {
            return;
        }
        let before = self.online();
        self.links.clone_from(links);
        self.place();
        let online = self.online();
        for &uid in online.iter().filter(|uid| !before.contains(uid)) {
            self.come_back(uid, &online, now);
        }
    }

    fn advance(&mut self, now: Duration) {
        self.gossip_until(now);
    }

    fn run(&mut self, invocation: &Invocation<'_>) -> Outcome {
        let is_benchmark = has(|software| software.benchmark == invocation.program);
        let own = invocation.local.iter().find_map(|volume| self.stores.get(volume)).copied();
        if is_benchmark {
            program::benchmark(self, own, invocation)
        } else {
            program::client(self, own, invocation)
        }
    }

    fn listens(&self, at: Endpoint) -> bool {
        self.at(at).is_some()
    }

    fn sends_elsewhere(&self, refusal: &str) -> bool {
        refusal.starts_with("CLUSTERDOWN")
    }

    fn request(&mut self, contact: &Contact<'_>, key: &str, now: Duration) -> Result<(), String> {
        let value = format!("at {} ms", now.as_millis());
        self.send(contact, &["SET", key, &value], now)?;
        let found = self.send(contact, &["GET", key], now)?;
        if found == value { Ok(()) } else { Err(format!("read {found:?} for {value:?}")) }
    }

    fn send(
        &mut self,
        contact: &Contact<'_>,
        words: &[&str],
        now: Duration,
    ) -> Result<String, String> {
        let Contact { at, password, encrypted } = *contact;
        let server = self.at(at).ok_or("Connection refused")?;
        if !self.takes(server, at.port, encrypted) {
            return Err("Connection closed by server".to_owned());
        }
        let login = Login { user: "default", password };
        let caller = Caller { login, follow: true, form: Form::Raw, encrypted, now };
        let Outcome { status, stdout, stderr, endless, .. } = self.command(server, words, &caller);
        match status {
            _ if endless => Err("no answer".to_owned()),
            0 => Ok(stdout.trim_end().to_owned()),
            _ => Err(stderr.trim().to_owned()),
        }
    }

    fn servers(&self) -> Vec<Facts> {
        self.servers.values().map(|server| self.facts(server)).collect()
    }

    fn fingerprint(&self) -> u64 {
        let data = |server: &Server| server.offset ^ (server.keys.len() as u64) << 40;
        let all = self.servers.values().map(data);
        all.fold(self.beliefs(), |all, one| all.rotate_left(7) ^ one)
    }

    fn value(&self, server: Uid, key: &str) -> Option<&str> {
        self.servers.get(&server)?.keys.get(key).map(String::as_str)
    }
}

impl Network {
    /// A number that changes with what any server is or believes.
    pub(super) fn beliefs(&self) -> u64 {
        self.servers.values().fold(0, |all, server| all.rotate_left(7) ^ server.beliefs())
    }

    fn facts(&self, server: &Server) -> Facts {
        let presence = match (server.online, server.stopped) {
            (Some(_), _) => Presence::Present,
            (None, Some(_)) => Presence::Hung,
            (None, None) => Presence::Absent,
        };
        let ranges = |(uid, peer): (&Uid, &Peer)| (*uid, peer.slots.ranges().to_vec());
        let owners = server.view.iter().filter(|(_, peer)| !peer.slots.is_empty());
        let at = server.me().and_then(|me| me.endpoint);
        Facts {
            id: server.uid,
            at: at.map(|at| (at.address, at.port)),
            presence,
            writable: server.follows().is_none(),
            follows: server.follows(),
            linked: server.follows().is_some_and(|master| self.is_linked(server, master)),
            owners: owners.map(ranges).collect(),
            migrating: server.migrating.keys().copied().collect(),
            importing: server.importing.keys().copied().collect(),
        }
    }
}

impl Server {
    fn beliefs(&self) -> u64 {
        let mut mixed = u64::from(self.uid);
        let mut mix = |fact: u64| mixed = (mixed ^ fact).wrapping_mul(0x0000_0100_0000_01b3);
        let place = |at: Option<Endpoint>| {
            at.map_or(0, |at| (u64::from(at.address.to_bits()) << 16) + u64::from(at.port))
        };
        mix(place(self.online));
        mix(place(self.stopped));
        mix(u64::from(self.synced.unwrap_or_default()));
        mix(u64::from(self.copying.unwrap_or_default()));
        mix(self.epoch);
        mix(u64::from(self.encrypts(TLS_CLUSTER)) + 2 * u64::from(self.encrypts(TLS_REPLICATION)));
        mix((self.migrating.len() + 100_000 * self.importing.len()) as u64);
        for (uid, peer) in &self.view {
            mix(u64::from(*uid));
            mix(peer.epoch);
            mix(u64::from(peer.follows.unwrap_or_default()));
            mix(u64::from(peer.failed));
            mix(place(peer.endpoint));
            mix(u64::from(peer.encrypted.unwrap_or_default()));
            for (first, last) in peer.slots.ranges().iter().chain(peer.unclaimed.ranges()) {
                mix((u64::from(*first) << 16) + u64::from(*last));
            }
        }
        mixed
    }
}

//! Search engines as daemons: nodes that know a cluster or none, votes, a master while a
//! majority is there, and shards whose copies are placed, lost and made again.
//!
//! What a node was started with counts; what its cluster knows lives as long as the volumes of
//! its nodes.

mod api;
mod cluster;
mod node;
mod program;
mod shards;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use self::cluster::Cluster;
use self::node::{Closed, Node};
use super::daemon::{Contact, Daemon, Endpoint, Invocation, Link, Role, Start, VolumeId, Written};
use super::exec::Outcome;
use super::observe::Server as Facts;
use crate::recipe::search::{BOOTSTRAP, HTTP, Package, known};

/// All nodes of a world.
#[derive(Debug, Default)]
pub(super) struct Network {
    nodes: BTreeMap<VolumeId, Node>,
    clusters: Vec<Cluster>,
    links: BTreeMap<VolumeId, Link>,
    written: Vec<Written>,
    acknowledged: BTreeMap<String, String>,
    /// Where gateways pass connections on to.
    passages: BTreeMap<Endpoint, Endpoint>,
    now: Duration,
}

/// The index of ordinary clients.
const CLIENTS: &str = "clients";

impl Network {
    /// Whether a node answers.
    fn is_up(&self, volume: VolumeId) -> bool {
        self.links.get(&volume).is_some_and(|link| !link.stopped)
            && self.nodes.contains_key(&volume)
    }

    /// The node that listens somewhere, if it runs.
    fn at(&self, at: Endpoint) -> Option<VolumeId> {
        let at = self.passages.get(&at).copied().unwrap_or(at);
        let here = |volume: &&VolumeId| {
            let own = self.nodes.get(volume).map(|node| node.address);
            self.links.contains_key(volume) && own == Some(at.address) && at.port == HTTP
        };
        self.nodes.keys().find(here).copied()
    }

    /// Lets everything happen until `now`.
    fn settle(&mut self, now: Duration) {
        self.now = now;
        for number in 0..self.clusters.len() {
            self.settle_cluster(number);
        }
    }

    fn settle_cluster(&mut self, number: usize) {
        let up: Vec<VolumeId> =
            self.nodes.keys().copied().filter(|volume| self.is_up(*volume)).collect();
        let Some(cluster) = self.clusters.get_mut(number) else { return };
        let own: Vec<VolumeId> = up
            .iter()
            .copied()
            .filter(|one| self.nodes.get(one).is_some_and(|node| node.cluster == Some(number)))
            .collect();
        // Those with encryption and those without do not understand one another.
        let closed = |one: &VolumeId| self.nodes.get(one).map(|node| node.closed.is_some());
        let kind = cluster.master.as_ref().or(own.first()).and_then(closed);
        let own: Vec<VolumeId> = own.into_iter().filter(|one| closed(one) == kind).collect();
        cluster.elect(&own);
        if cluster.master.is_none() {
            return;
        }
        // Those that know no cluster join one of whose nodes they know the address.
        let known: Vec<_> =
            own.iter().filter_map(|one| Some(self.nodes.get(one)?.address)).collect();
        let mut inside = own;
        for volume in up {
            let Some(node) = self.nodes.get_mut(&volume) else { continue };
            let is_alike = Some(node.closed.is_some()) == kind;
            if node.cluster.is_none()
                && is_alike
                && node.seeds.iter().any(|seed| known.contains(seed))
            {
                node.cluster = Some(number);
                inside.push(volume);
            }
        }
        inside.sort_unstable();
        cluster.vote(&self.nodes, &inside);
        cluster.place(&self.nodes, &inside, self.now);
    }
}

impl Daemon for Network {
    fn provides(&self, unit: &str) -> bool {
        Package::ALL.into_iter().any(|package| package.unit() == unit)
    }

    fn runs(&self, _: &str) -> bool {
        false
    }

    fn takes(&self, program: &str, args: &[&str]) -> bool {
        match program {
            "curl" => args.contains(&"--config"),
            _ => false,
        }
    }

    fn start(&mut self, start: &Start<'_>) -> Result<(), String> {
        let package = Package::ALL.into_iter().find(|package| package.unit() == start.unit);
        let package = package.ok_or("no such unit")?;
        let mut node = Node::read(package, start.files)?;
        node.cluster = self.nodes.get(&start.volume).and_then(|node| node.cluster);
        if node.founds && node.cluster.is_none() {
            node.cluster = Some(self.clusters.len());
            self.clusters.push(Cluster::founded_by(start.volume));
        }
        self.nodes.insert(start.volume, node);
        self.written.push(Written { volume: start.volume, path: BOOTSTRAP.to_owned(), text: None });
        Ok(())
    }

    fn connect(&mut self, links: &BTreeMap<VolumeId, Link>, now: Duration) {
        if self.links != *links {
            self.links.clone_from(links);
            self.settle(now);
        }
    }

    fn advance(&mut self, now: Duration) {
        self.settle(now);
    }

    fn run(&mut self, invocation: &Invocation<'_>) -> Outcome {
        program::run(self, invocation)
    }

    fn take_written(&mut self) -> Vec<Written> {
        std::mem::take(&mut self.written)
    }

    /// Each that has a master says that it is primary: it takes requests.
    fn roles(&self) -> BTreeMap<Ipv4Addr, Role> {
        let serves = |volume: &VolumeId| {
            let number = self.nodes.get(volume).and_then(|node| node.cluster);
            let cluster = number.and_then(|number| self.clusters.get(number));
            self.is_up(*volume)
                && cluster.is_some_and(|one| one.master.is_some() && one.nodes.contains(volume))
        };
        let up = self.nodes.iter().filter(|(volume, _)| serves(volume));
        up.map(|(_, node)| (node.address, Role::Primary)).collect()
    }

    fn be_passed(&mut self, passages: &BTreeMap<Endpoint, Endpoint>) {
        self.passages.clone_from(passages);
    }

    fn listens(&self, at: Endpoint) -> bool {
        self.at(at).is_some()
    }

    /// Clients of both ask another node where one has no master.
    fn sends_elsewhere(&self, refusal: &str) -> bool {
        refusal.contains("master") || refusal.contains("no answer")
    }

    fn request(&mut self, contact: &Contact<'_>, key: &str, now: Duration) -> Result<(), String> {
        self.settle(now);
        let volume = self.at(contact.at).ok_or("Connection refused")?;
        if !self.is_up(volume) {
            return Err("no answer".to_owned());
        }
        if self.is_closed(volume) != contact.encrypted {
            return Err("wrong version number".to_owned());
        }
        if contact.encrypted && !self.is_known(volume, "app", contact.password.unwrap_or_default())
        {
            return Err("unable to authenticate user [app]".to_owned());
        }
        let value = format!("{}", now.as_millis());
        self.put(volume, (CLIENTS, key), &value)?;
        self.acknowledged.insert(key.to_owned(), value.clone());
        let read = self.read(volume, CLIENTS, key)?;
        if read.as_ref() == Some(&value) { Ok(()) } else { Err(format!("reads {read:?}")) }
    }

    fn send(
        &mut self,
        contact: &Contact<'_>,
        words: &[&str],
        now: Duration,
    ) -> Result<String, String> {
        self.request(contact, &words.join(" "), now).map(|()| String::new())
    }

    fn servers(&self) -> Vec<Facts> {
        Vec::new()
    }

    fn fingerprint(&self) -> u64 {
        0
    }

    fn value(&self, _: u32, key: &str) -> Option<&str> {
        let mut clusters = self.clusters.iter();
        clusters.find_map(|cluster| cluster.indices.get(CLIENTS)?.value(key))
    }

    fn acknowledged(&self) -> BTreeMap<String, String> {
        self.acknowledged.clone()
    }
}

impl Network {
    fn closed(&self, volume: VolumeId) -> Option<&Closed> {
        self.nodes.get(&volume)?.closed.as_ref()
    }

    /// Whether a node encrypts and asks for passwords.
    fn is_closed(&self, volume: VolumeId) -> bool {
        self.closed(volume).is_some()
    }

    /// Whether who trusts these trusts a node.
    fn vouched(&self, volume: VolumeId, authorities: &str) -> bool {
        let own = self.closed(volume).map(|closed| closed.authority.as_str());
        own.is_some_and(|own| authorities.contains(own) || own.contains(authorities))
    }

    /// Whether a node knows a user.
    fn is_known(&self, volume: VolumeId, name: &str, password: &str) -> bool {
        self.closed(volume).is_some_and(|closed| known(&closed.users, name, password))
    }

    /// Lets the node in a guest read its users and certificates again, as it does every few
    /// seconds.
    fn read_again(&mut self, invocation: &Invocation<'_>) {
        for volume in invocation.local {
            let Some(node) = self.nodes.get_mut(volume) else { continue };
            let package = Package::ALL.into_iter().find(|one| one.security.is_some());
            let read = package.map(|package| Closed::read(package, invocation.files));
            if let (Some(closed), Some(Ok(read))) = (&mut node.closed, read) {
                *closed = read;
            }
        }
    }

    /// The cluster of a node, with its master.
    fn cluster_of(&mut self, volume: VolumeId) -> Result<&mut Cluster, String> {
        let number = self.nodes.get(&volume).and_then(|node| node.cluster);
        let cluster = number.and_then(|number| self.clusters.get_mut(number));
        cluster.filter(|cluster| cluster.master.is_some()).ok_or_else(|| "no master".to_owned())
    }

    /// Writes a document through a node; an index that is not there is made.
    fn put(&mut self, via: VolumeId, at: (&str, &str), value: &str) -> Result<(), String> {
        let now = self.now;
        let cluster = self.cluster_of(via)?;
        if !cluster.indices.contains_key(at.0) {
            cluster.make(at.0, None);
        }
        self.settle(now);
        let up: Vec<VolumeId> = self.nodes.keys().copied().filter(|one| self.is_up(*one)).collect();
        let cluster = self.cluster_of(via)?;
        let index = cluster.indices.get_mut(at.0).ok_or("no such index")?;
        index.write(at.1, Some(value), &up)
    }

    fn read(&mut self, via: VolumeId, index: &str, key: &str) -> Result<Option<String>, String> {
        let cluster = self.cluster_of(via)?;
        let index = cluster.indices.get(index).ok_or("no such index")?;
        Ok(index.value(key).map(str::to_owned))
    }
}

//! What an engine is to the simulation: units that start with a directory,
//! programs that answer, servers that find each other on the network.
//!
//! Hosts, guests, files and processes know no engine. A further one is a folder
//! beside `redis` with a type that implements [`Daemon`], and a line in [`all`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::exec::Outcome;
use super::host::File;
use super::observe::Server;
use super::{mysql, redis, search, web};

/// All simulated engines.
fn all() -> Vec<Box<dyn Daemon>> {
    vec![
        Box::new(redis::Network::default()),
        Box::new(search::Network::default()),
        Box::new(web::Network::default()),
        Box::new(mysql::Network::default()),
    ]
}

/// Identifies a volume of the world. A server keeps its data on one and is the
/// same server after each start from it.
pub(super) type VolumeId = u64;

/// Where a server accepts connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Endpoint {
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
}

/// A server that is on the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// The units that run it, where several share its volume.
    pub(super) units: BTreeSet<String>,
    /// The address of its guest.
    pub(super) address: Ipv4Addr,
    /// Whether its process is stopped (`SIGSTOP`): it accepts connections and
    /// never answers.
    pub(super) stopped: bool,
    /// Whether the disk with its data is full.
    pub(super) full: bool,
}

/// What a database server says of itself to gateways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It takes writes.
    Primary,
    /// It copies another one.
    Replica,
}

/// The start of a unit.
pub(super) struct Start<'a> {
    /// The volume with its directory.
    pub(super) volume: VolumeId,
    /// The unit, without `.service`.
    pub(super) unit: &'a str,
    /// The files of its guest.
    pub(super) files: &'a BTreeMap<String, File>,
    /// What was brought to the volume before a guest had it.
    pub(super) content: &'a [u8],
    pub(super) now: Duration,
}

/// A program of an engine that runs in a guest.
pub(super) struct Invocation<'a> {
    pub(super) program: &'a str,
    pub(super) args: &'a [&'a str],
    /// What it reads from its standard input.
    pub(super) input: &'a str,
    /// `NAME=value` each.
    pub(super) environment: &'a [&'a str],
    /// Volumes of this engine's servers that run in the same guest.
    pub(super) local: &'a [VolumeId],
    /// The volume on which such a server has its directory in this guest.
    pub(super) volume: Option<VolumeId>,
    /// The address of the guest.
    pub(super) address: Option<Ipv4Addr>,
    /// The files of the guest.
    pub(super) files: &'a BTreeMap<String, File>,
    /// The rate that a benchmark reports, in requests/s.
    pub(super) rate: u64,
    pub(super) now: Duration,
}

/// A file that a program of an engine wrote or removed in a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Written {
    /// The volume with the directory of the engine in this guest.
    pub(super) volume: VolumeId,
    pub(super) path: String,
    /// What it holds now; `None` where it was removed.
    pub(super) text: Option<String>,
}

/// Where an ordinary client connects, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contact<'a> {
    pub(super) at: Endpoint,
    pub(super) password: Option<&'a str>,
    pub(super) encrypted: bool,
}

impl Invocation<'_> {
    /// The value of an environment variable.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let mut pairs = self.environment.iter().filter_map(|pair| pair.split_once('='));
        pairs.find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

/// A simulated engine, with all its servers in the world.
///
/// Time moves in [`Daemon::advance`]; in between, whatever a call changes is
/// there at once.
pub(super) trait Daemon: fmt::Debug + Send {
    /// Whether a systemd unit is this engine's.
    fn provides(&self, unit: &str) -> bool;

    /// Whether a program is this engine's.
    fn runs(&self, program: &str) -> bool;

    /// Whether a program is this engine's when it is called so: several engines are asked by
    /// the same one.
    fn takes(&self, program: &str, _args: &[&str]) -> bool {
        self.runs(program)
    }

    /// Starts the server of a volume with the files of its guest: a new one, or
    /// one that knows what it knew when it stopped.
    ///
    /// # Errors
    /// What it writes to its log before it exits, for example that its
    /// configuration is missing.
    fn start(&mut self, start: &Start<'_>) -> Result<(), String>;

    /// Reads the configuration again while the server runs; `None` where the unit
    /// has no `ExecReload=`.
    fn reload(&mut self, _start: &Start<'_>) -> Option<Result<(), String>> {
        None
    }

    /// Sets which servers are on the network. One that is missing was stopped, or
    /// its guest or host is without power, or it is still starting.
    fn connect(&mut self, links: &BTreeMap<VolumeId, Link>, now: Duration);

    /// Lets happen what has to happen until `now`.
    fn advance(&mut self, now: Duration);

    /// Runs one of its programs to its end.
    fn run(&mut self, invocation: &Invocation<'_>) -> Outcome;

    /// Whether a program of the engine has stopped the server of a volume, whose unit was
    /// started.
    fn is_off(&self, _volume: VolumeId) -> bool {
        false
    }

    /// Whether a program of the engine still runs in a guest, in a unit of its own that was
    /// made for it.
    fn works(&self, _volume: VolumeId, _unit: &str) -> bool {
        false
    }

    /// Returns the files that its programs have written since this was last called.
    fn take_written(&mut self) -> Vec<Written> {
        Vec::new()
    }

    /// Addresses that the guest with a volume has besides its own.
    fn addresses(&self, _volume: VolumeId) -> Vec<Ipv4Addr> {
        Vec::new()
    }

    /// What its servers say of themselves to gateways, by address.
    fn roles(&self) -> BTreeMap<Ipv4Addr, Role> {
        BTreeMap::new()
    }

    /// Hears what servers of all engines say of themselves.
    fn hear(&mut self, _roles: &BTreeMap<Ipv4Addr, Role>) {}

    /// Where its gateways pass connections on to, by where clients connect.
    fn passages(&self) -> BTreeMap<Endpoint, Endpoint> {
        BTreeMap::new()
    }

    /// Gets connections from gateways of all engines.
    fn be_passed(&mut self, _passages: &BTreeMap<Endpoint, Endpoint>) {}

    /// Whether one of its servers accepts connections there.
    fn listens(&self, at: Endpoint) -> bool;

    /// Whether a client that was refused so asks the next server that it knows.
    fn sends_elsewhere(&self, _refusal: &str) -> bool {
        false
    }

    /// Writes a value and reads it back, as an ordinary client that is connected
    /// to an endpoint does.
    ///
    /// # Errors
    /// Why it was refused.
    fn request(&mut self, contact: &Contact<'_>, key: &str, now: Duration) -> Result<(), String>;

    /// Sends one command as an ordinary client that is connected to an endpoint does.
    ///
    /// # Errors
    /// Why it was refused.
    fn send(
        &mut self,
        contact: &Contact<'_>,
        words: &[&str],
        now: Duration,
    ) -> Result<String, String>;

    /// The facts of all servers that ever were, by identity.
    fn servers(&self) -> Vec<Server>;

    /// A number that changes with those facts and with the values of servers.
    fn fingerprint(&self) -> u64;

    /// The value that a server has under a key.
    fn value(&self, server: u32, key: &str) -> Option<&str>;

    /// The values that were acknowledged to ordinary clients, the newest of each key.
    fn acknowledged(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

/// The simulated engines of a world.
#[derive(Debug)]
pub(super) struct Daemons(Vec<Box<dyn Daemon>>);

impl Default for Daemons {
    fn default() -> Self {
        Self(all())
    }
}

impl Daemons {
    /// Number of the engine that a unit belongs to.
    pub(super) fn of_unit(&self, unit: &str) -> Option<usize> {
        self.0.iter().position(|daemon| daemon.provides(unit))
    }

    /// Number of the engine that a program belongs to.
    pub(super) fn of_program(&self, program: &str, args: &[&str]) -> Option<usize> {
        self.0.iter().position(|daemon| daemon.takes(program, args))
    }

    /// The engine that accepts connections at an endpoint.
    pub(super) fn at(&mut self, at: Endpoint) -> Option<&mut dyn Daemon> {
        let daemon = self.0.iter_mut().find(|daemon| daemon.listens(at))?;
        Some(daemon.as_mut())
    }

    /// Lets gateways hear what servers are, and servers get the connections of their clients.
    pub(super) fn introduce(&mut self) {
        let roles = self.iter().flat_map(|daemon| daemon.roles()).collect();
        self.iter_mut().for_each(|daemon| daemon.hear(&roles));
        let passages = self.iter().flat_map(|daemon| daemon.passages()).collect();
        self.iter_mut().for_each(|daemon| daemon.be_passed(&passages));
    }

    /// An engine by its number.
    pub(super) fn get(&mut self, number: usize) -> Option<&mut dyn Daemon> {
        let daemon = self.0.get_mut(number)?;
        Some(daemon.as_mut())
    }

    /// All of them, in the order of their numbers.
    pub(super) fn iter(&self) -> impl Iterator<Item = &dyn Daemon> {
        self.0.iter().map(AsRef::as_ref)
    }

    /// The same, to change them.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Box<dyn Daemon>> {
        self.0.iter_mut()
    }
}

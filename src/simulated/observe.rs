//! A door for somebody who looks into the world while a deployment is changed: bare
//! facts of every server, and requests of ordinary clients in between.
//!
//! The facts are read off the servers, not off plans, answers or records: a test that
//! judges by them shares nothing with the code that it judges.

use std::collections::BTreeMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::daemon::{Contact, Endpoint};
use super::{Call, SimulatedWorld, State};

/// Somebody who looks after each call that may have changed something, and after each
/// moment at which servers hear from each other.
pub trait Watcher: Send {
    /// Looks. `call` is what has just come back to its caller; `None` where only time
    /// has passed.
    fn look(&mut self, scene: &mut Scene<'_>, call: Option<&Call>);
}

/// Whether a server is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It does not run, or its guest or host does not.
    Absent,
    /// It takes connections and never answers.
    Hung,
    /// It answers.
    Present,
}

/// Inclusive ranges of slots, ascending.
pub type Ranges = Vec<(u16, u16)>;

/// What a server of a cluster is, and what it believes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Which one it is; lives as long as its data.
    pub id: u32,
    /// Where it answers, or did when it last ran.
    pub at: Option<(Ipv4Addr, u16)>,
    /// Whether it is there.
    pub presence: Presence,
    /// Whether it takes writes of clients, where it is there.
    pub writable: bool,
    /// The server that it follows.
    pub follows: Option<u32>,
    /// Whether it has the data of the server that it follows, which runs.
    pub linked: bool,
    /// Whom it believes to have which slots, itself included.
    pub owners: BTreeMap<u32, Ranges>,
    /// The slots that it moves to another server.
    pub migrating: Vec<u16>,
    /// The slots that it gets from another server.
    pub importing: Vec<u16>,
}

/// The world at one moment.
pub struct Scene<'a> {
    state: &'a mut State,
    now: Duration,
}

impl Scene<'_> {
    /// Returns the time of the moment.
    #[must_use]
    pub const fn now(&self) -> Duration {
        self.now
    }

    /// Returns all servers that run or ever did, by engine and then by identity.
    #[must_use]
    pub fn servers(&self) -> Vec<Server> {
        self.state.daemons.iter().flat_map(|daemon| daemon.servers()).collect()
    }

    /// Returns a number that differs from that of a former moment if what
    /// [`Self::servers`] returns does, or which values servers have.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.state.daemons.iter().fold(0, |all, daemon| all ^ daemon.fingerprint())
    }

    /// Returns the value that a server has under a key, without asking for a password.
    #[must_use]
    pub fn value(&self, server: u32, key: &str) -> Option<&str> {
        self.state.daemons.iter().find_map(|daemon| daemon.value(server, key))
    }

    /// Returns what was acknowledged to ordinary clients: the newest value of each key, of
    /// engines whose clients keep count.
    #[must_use]
    pub fn acknowledged(&self) -> BTreeMap<String, String> {
        self.state.daemons.iter().flat_map(|daemon| daemon.acknowledged()).collect()
    }

    /// Sends a command of an ordinary client to a server; it follows redirections.
    ///
    /// # Errors
    /// Why it was refused, in the engine's words.
    pub fn send(
        &mut self,
        at: (Ipv4Addr, u16),
        password: Option<&str>,
        words: &[&str],
    ) -> Result<String, String> {
        let at = Endpoint { address: at.0, port: at.1 };
        let daemon = self.state.daemons.at(at).ok_or("Connection refused")?;
        daemon.send(&Contact { at, password, encrypted: false }, words, self.now)
    }
}

/// Those who look.
#[derive(Default)]
pub(super) struct Watchers {
    all: Vec<Box<dyn Watcher>>,
    /// When they looked last.
    looked: Option<Duration>,
}

impl fmt::Debug for Watchers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watchers({})", self.all.len())
    }
}

impl Watchers {
    pub(super) const fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

impl SimulatedWorld {
    /// Lets somebody look from now on.
    pub fn watch(&self, watcher: Box<dyn Watcher>) {
        self.state().watchers.all.push(watcher);
    }

    /// Lets somebody look once, now.
    pub fn glance<R>(&self, look: impl FnOnce(&mut Scene<'_>) -> R) -> R {
        use crate::hypervisor::clock::Clock;
        let now = self.shared.clock.elapsed();
        let mut state = self.state();
        state.settle(now);
        state.refresh(now);
        look(&mut Scene { state: &mut state, now })
    }
}

impl State {
    /// Lets everybody look who is here to; not after a call that only asks, where no time
    /// has passed.
    pub(super) fn be_watched(&mut self, now: Duration, call: Option<&Call>) {
        let asks = call.is_some_and(|call| call.number == 0);
        if self.watchers.is_empty() || (asks && self.watchers.looked == Some(now)) {
            return;
        }
        let mut all = std::mem::take(&mut self.watchers.all);
        for watcher in &mut all {
            watcher.look(&mut Scene { state: self, now }, call);
        }
        self.watchers = Watchers { all, looked: Some(now) };
    }
}

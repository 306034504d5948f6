//! Hosts that exist in memory only: a topology to hypervisors that can be
//! observed, filled, failed and switched off.
//!
//! A backend like any other, for trying a plan without machines and for tests
//! that break every step. Time is virtual ([`clock`]), failures are scripted
//! ([`faults`]), guests boot, answer their agent and run daemons (`daemon`): small
//! but honest models of the engines, one folder each. Ordinary clients ([`Client`])
//! count what they are refused. What a domain knows is on its volumes: they
//! outlive power cuts and redefinitions, nothing else does.

mod boot;
mod client;
pub mod clock;
mod connection;
mod daemon;
mod exec;
pub mod faults;
mod files;
mod guest;
mod host;
mod migration;
mod mysql;
mod observe;
mod redis;
mod report;
mod search;
mod stand_in;
mod unit;
mod web;
mod xml;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::client::{Client, Requests};
pub use self::clock::SimulatedClock;
pub use self::faults::{Call, Fault, Mode};
pub use self::observe::{Presence, Ranges, Scene, Server, Watcher};
pub use self::stand_in::{StandInImages, stand_in};

use self::connection::Connection;
use self::daemon::{Daemons, VolumeId};
use self::faults::Faults;
use self::host::SimulatedHost;
use self::observe::Watchers;
use crate::hypervisor::clock::Clock;
use crate::hypervisor::{Connector, ErrorKind, Hypervisor, HypervisorError, Result, Thread, edit};
use crate::ids::HostName;
use crate::topology::Topology;

/// A world of simulated hosts. Its copies are the same world.
#[derive(Clone, Debug)]
pub struct SimulatedWorld {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: SimulatedClock,
    state: Mutex<State>,
}

/// Everything but the time.
#[derive(Debug, Default)]
struct State {
    hosts: BTreeMap<HostName, SimulatedHost>,
    faults: Faults,
    daemons: Daemons,
    next_volume: VolumeId,
    /// Addresses given by hand, by domain.
    addresses: BTreeMap<String, Ipv4Addr>,
    /// Agent calls that a domain will not answer.
    silent: BTreeMap<String, u32>,
    /// Domains whose guest never comes up.
    stuck: Vec<String>,
    /// Domains whose daemons' processes are stopped.
    hung: BTreeSet<String>,
    /// Domains whose data disk is full.
    full: BTreeSet<String>,
    /// How long the smallest program takes in the guest of a domain; no time
    /// unless set.
    slow: BTreeMap<String, Duration>,
    next_process: i64,
    /// How often `systemctl` started a unit in the guest of a domain.
    starts: BTreeMap<String, u32>,
    /// Clients that send a request after each call.
    clients: Vec<Client>,
    /// What became of their requests.
    requests: Requests,
    /// Those who look into the world.
    watchers: Watchers,
    /// The time until which everything has happened.
    settled: Option<Duration>,
    /// The rate that a benchmark in a guest reports, in requests/s.
    rate: u64,
}

/// The rate that a benchmark reports unless another is set, in requests/s.
const RATE: u64 = 100_000;

impl State {
    /// Lets other hosts see what one has in its shared pools.
    fn share_pools(&mut self, host: &HostName) {
        let Some(host) = self.hosts.get(host) else { return };
        let pools = host.topology.pools.iter().filter(|pool| pool.shared);
        let shared: Vec<_> = pools
            .filter_map(|pool| Some((pool.name.clone(), host.pools.get(&pool.name)?.clone())))
            .collect();
        for (name, volumes) in shared {
            for other in self.hosts.values_mut() {
                if other.topology.pool(&name).is_some_and(|pool| pool.shared) {
                    other.pools.insert(name.clone(), volumes.clone());
                }
            }
        }
    }
}

impl SimulatedWorld {
    /// The hosts of a topology, switched on, their pools empty.
    #[must_use]
    pub fn new(topology: &Topology) -> Self {
        let hosts = topology.hosts.iter();
        let hosts = hosts.map(|host| (host.name.clone(), SimulatedHost::new(host))).collect();
        let state = Mutex::new(State { hosts, rate: RATE, ..State::default() });
        Self { shared: Arc::new(Shared { clock: SimulatedClock::default(), state }) }
    }

    /// Returns the clock of the world.
    #[must_use]
    pub fn clock(&self) -> SimulatedClock {
        self.shared.clock.clone()
    }

    /// Adds a failure to the script.
    pub fn fail(&self, fault: Fault) {
        self.state().faults.add(fault);
    }

    /// Fails the changing call of that number, counted from 1 since the world
    /// was made.
    pub fn fail_at(&self, number: u64, mode: Mode) {
        self.fail(Fault::at(number, mode));
    }

    /// Kills the process under test, as `kill -9` does: all calls fail until
    /// [`Self::revive`].
    pub fn kill(&self) {
        self.state().faults.die();
    }

    /// Starts a new process: no scripted failure is left, calls work again.
    pub fn revive(&self) {
        self.state().faults.revive();
    }

    /// Returns all calls so far that could change something, failed ones included.
    #[must_use]
    pub fn log(&self) -> Vec<Call> {
        self.state().faults.log().to_vec()
    }

    /// Switches a host off as if its cable was pulled: guests are gone, volumes
    /// and definitions stay. Nothing happens without such a host.
    pub fn power_cut(&self, host: &HostName) {
        let now = self.shared.clock.elapsed();
        let mut state = self.state();
        state.settle(now);
        if let Some(host) = state.hosts.get_mut(host) {
            host.lose_power();
        }
        state.refresh(now);
    }

    /// Switches a host on again; it starts the domains that it is to start, all others
    /// stay off.
    pub fn power_on(&self, host: &HostName) {
        let now = self.shared.clock.elapsed();
        if let Some(host) = self.state().hosts.get_mut(host) {
            host.powered = true;
            host.autostart(now);
        }
    }

    /// Says what the CPUs of a host are called.
    pub fn set_cpu_model(&self, host: &HostName, model: &str) {
        if let Some(host) = self.state().hosts.get_mut(host) {
            host.cpu_model = Some(model.to_owned());
        }
    }

    /// Lets a domain stop by itself, as after a failure of its process.
    pub fn crash(&self, domain: &str) {
        self.meddle(domain, |host| {
            if host.stop(domain)
                && let Some(domain) = host.domains.get_mut(domain)
            {
                domain.crashed = true;
            }
        });
    }

    /// Takes the definition of a running domain away, as `virsh undefine` does: it is gone
    /// once it stops.
    pub fn forget_definition(&self, domain: &str) {
        self.meddle(domain, |host| {
            if let Some(domain) = host.domains.get_mut(domain) {
                (domain.transient, domain.autostart, domain.next) = (true, false, None);
            }
        });
    }

    /// Pins a thread of a running domain, and not at its next boot.
    pub fn pin_live(&self, domain: &str, thread: Thread, cpus: &[u32]) {
        self.meddle(domain, |host| {
            if let Some(domain) = host.domains.get_mut(domain) {
                domain.change(true, false, |xml| edit::with_pin(xml, thread, cpus));
            }
        });
    }

    /// Lets somebody do something to a domain, past us.
    fn meddle(&self, domain: &str, act: impl FnOnce(&mut SimulatedHost)) {
        let now = self.shared.clock.elapsed();
        let mut state = self.state();
        state.settle(now);
        let host = state.hosts.values_mut().find(|host| host.domains.contains_key(domain));
        if let Some(host) = host {
            act(host);
        }
        state.refresh(now);
    }

    /// Makes a host's libvirt reachable or not; its guests run on.
    pub fn set_reachable(&self, host: &HostName, reachable: bool) {
        if let Some(host) = self.state().hosts.get_mut(host) {
            host.reachable = reachable;
        }
    }

    /// Lets the guest of a domain hang whenever it is started.
    pub fn never_boots(&self, domain: &str) {
        self.state().stuck.push(domain.to_owned());
    }

    /// Ends [`Self::never_boots`]: the guest comes up after all.
    pub fn boots_again(&self, domain: &str) {
        self.state().stuck.retain(|stuck| stuck != domain);
    }

    /// Lets a domain's agent leave the next `calls` requests unanswered.
    pub fn silence_agent(&self, domain: &str, calls: u32) {
        self.state().silent.insert(domain.to_owned(), calls);
    }

    /// Stops the daemons of a domain, as `SIGSTOP` does, or continues them:
    /// connections are accepted and never answered.
    pub fn set_hung(&self, domain: &str, hung: bool) {
        let mut state = self.state();
        if hung {
            state.hung.insert(domain.to_owned());
        } else {
            state.hung.remove(domain);
        }
        state.refresh(self.shared.clock.elapsed());
    }

    /// Fills the data disk of a domain: writes to a database on it never come back.
    pub fn fill_disk(&self, domain: &str) {
        let mut state = self.state();
        state.full.insert(domain.to_owned());
        state.refresh(self.shared.clock.elapsed());
    }

    /// Makes a guest so slow that its smallest program takes this long.
    pub fn slow_down(&self, domain: &str, program: Duration) {
        self.state().slow.insert(domain.to_owned(), program);
    }

    /// Sets the rate that a benchmark in any guest reports, in requests/s.
    pub fn set_rate(&self, requests_per_s: u64) {
        self.state().rate = requests_per_s;
    }

    /// Attaches a client that sends a request after each call to a host.
    pub fn attach(&self, client: Client) {
        self.state().clients.push(client);
    }

    /// Returns what became of the requests of the attached clients since it was
    /// last called.
    #[must_use]
    pub fn take_requests(&self) -> Requests {
        std::mem::take(&mut self.state().requests)
    }

    /// Sends one request of an ordinary client, now: a value is written under a
    /// key and read back.
    ///
    /// # Errors
    /// Why it was refused, in the engine's words.
    pub fn request(&self, client: &Client, key: &str) -> std::result::Result<(), String> {
        let now = self.shared.clock.elapsed();
        let mut state = self.state();
        state.settle(now);
        state.request(client, key, now)
    }

    /// Returns how often `systemctl` started a unit in the guest of a domain,
    /// restarts included; units that start with the guest are not counted.
    #[must_use]
    pub fn starts(&self, domain: &str) -> u32 {
        self.state().starts.get(domain).copied().unwrap_or_default()
    }

    /// Gives a domain's guest an address, instead of the one in its seed.
    pub fn give_address(&self, domain: &str, address: Ipv4Addr) {
        self.state().addresses.insert(domain.to_owned(), address);
    }

    /// Returns the content of a file in the guest of a domain, if it is there.
    #[must_use]
    pub fn file(&self, domain: &str, path: &str) -> Option<String> {
        let state = self.state();
        // After a migration it is defined on two hosts and runs on one of them.
        let mut hosts: Vec<&SimulatedHost> = state.hosts.values().collect();
        hosts.sort_by_key(|host| !host.runs(domain));
        let file = hosts.into_iter().find_map(|host| host.root_of(domain)?.files.get(path))?;
        Some(String::from_utf8_lossy(&file.bytes).into_owned())
    }

    /// Returns the sizes of the file systems on the writable disks of a domain, in bytes.
    #[must_use]
    pub fn file_systems(&self, domain: &str) -> Vec<u64> {
        let state = self.state();
        let host = state.hosts.values().find(|host| host.runs(domain));
        let disks = host.and_then(|host| Some((host, host.domains.get(domain)?)));
        let Some((host, known)) = disks else { return Vec::new() };
        let disks = known.definition.disks.iter().filter(|disk| !disk.readonly);
        let sizes = disks.filter_map(|disk| host.pools.get(&disk.pool)?.get(&disk.volume));
        sizes.map(|volume| volume.file_system).collect()
    }

    /// Writes a file in the guest of a domain; one that is there keeps its owner
    /// and mode. Nothing happens without such a guest.
    pub fn put_file(&self, domain: &str, path: &str, text: &str) {
        let mut state = self.state();
        let mut hosts = state.hosts.iter_mut();
        let root = hosts.find_map(|(name, host)| Some((name.clone(), host.root_of_mut(domain)?)));
        if let Some((host, root)) = root {
            root.files.entry(path.to_owned()).or_default().bytes = text.as_bytes().to_vec();
            state.share_pools(&host);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A thread that panicked in the middle is a failed test already.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connector for SimulatedWorld {
    fn connect(&self, host: &HostName, uri: &str) -> Result<Box<dyn Hypervisor>> {
        let mut state = self.state();
        let (call, _) = state.faults.enter(host, "connect", uri, false)?;
        let found = state.hosts.values().find(|known| {
            let known_uri = known.topology.uri.as_deref();
            known_uri.map_or(&known.topology.name == host, |known| known == uri)
        });
        match found {
            Some(found) if found.answers() => {
                Ok(Box::new(Connection::new(self.clone(), found.topology.name.clone())))
            }
            Some(_) => Err(faults::failure(&call, ErrorKind::Unreachable, "no route to host")),
            None => Err(HypervisorError {
                host: uri.to_owned(),
                what: "connect".to_owned(),
                kind: ErrorKind::Unreachable,
                message: "no simulated host has this URI".to_owned(),
                code: None,
            }),
        }
    }
}

//! How simulated guests come up: after a while, with what their seeds say.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::State;
use super::daemon::{Link, VolumeId, Written};
use super::guest::{Inside, Running};
use super::host::SimulatedHost;
use crate::ids::HostName;
use crate::recipe::backup::DEVICE;

/// Virtual time from power to an answering agent.
const BOOT: Duration = Duration::from_secs(40);
/// How often somebody looks who watches the world while time passes.
const MOMENT: Duration = Duration::from_millis(500);
/// Moments of one wait after which nothing new is to be seen.
const MOST_MOMENTS: u32 = 120;

impl State {
    /// Lets happen what had to happen until `now`: boots, gossip, elections.
    pub(super) fn settle(&mut self, now: Duration) {
        if self.settled == Some(now) {
            return;
        }
        if let Some(before) = self.settled.filter(|_| !self.watchers.is_empty()) {
            let mut moment = before.max(now.saturating_sub(MOMENT * MOST_MOMENTS)) + MOMENT;
            while moment < now {
                self.settle_at(moment);
                self.be_watched(moment, None);
                moment += MOMENT;
            }
        }
        self.settle_at(now);
    }

    fn settle_at(&mut self, now: Duration) {
        self.refresh(now);
        for daemon in self.daemons.iter_mut() {
            daemon.advance(now);
        }
        self.daemons.introduce();
        self.collect_files();
        self.settled = Some(now);
    }

    /// Brings up guests whose time has come, and connects the servers that run.
    pub(super) fn refresh(&mut self, now: Duration) {
        let ready: Vec<(HostName, String)> = self
            .all_domains()
            .filter(|(_, name, running)| {
                !running.booted
                    && running.paused.is_none()
                    && now >= running.since + BOOT
                    && !self.stuck.contains(name)
            })
            .map(|(host, name, _)| (host.clone(), name.clone()))
            .collect();
        for (host, domain) in ready {
            Inside { state: self, host, domain, now }.boot();
        }
        let Self { hosts, daemons, hung, full, .. } = self;
        for (number, daemon) in daemons.iter_mut().enumerate() {
            daemon.connect(&links(hosts, (hung, full), number, now), now);
        }
        daemons.introduce();
    }

    /// Puts what programs of engines wrote into the guests that they run in.
    pub(super) fn collect_files(&mut self) {
        let written: Vec<Written> =
            self.daemons.iter_mut().flat_map(|daemon| daemon.take_written()).collect();
        for Written { volume, path, text } in written {
            for host in self.hosts.values_mut() {
                let Some(domain) = host.with_data(volume) else { continue };
                if path == DEVICE {
                    let disk = host.attached_to_mut(&domain);
                    disk.into_iter().for_each(|disk| {
                        disk.fill(text.clone().unwrap_or_default().into_bytes());
                    });
                    continue;
                }
                let Some(root) = host.root_of_mut(&domain) else { continue };
                match text.clone() {
                    Some(text) => {
                        root.files.entry(path.clone()).or_default().bytes = text.into_bytes();
                    }
                    None => drop(root.files.remove(&path)),
                }
            }
        }
    }

    fn all_domains(&self) -> impl Iterator<Item = (&HostName, &String, &Running)> {
        self.hosts.iter().flat_map(|(host, known)| {
            known.domains.iter().filter_map(move |(name, domain)| {
                domain.running.as_ref().map(|running| (host, name, running))
            })
        })
    }
}

/// The servers of an engine that are on the network.
fn links(
    hosts: &BTreeMap<HostName, SimulatedHost>,
    (hung, full): (&BTreeSet<String>, &BTreeSet<String>),
    number: usize,
    now: Duration,
) -> BTreeMap<VolumeId, Link> {
    let domains = hosts.values().flat_map(|host| &host.domains);
    let running = domains.filter_map(|(name, domain)| {
        let running = domain.running.as_ref()?;
        // A server whose guest is paused or cut off is there, and nobody hears of it.
        let unplugged = !domain.definition.domain.definition.devices.unplugged.is_empty();
        let stopped = running.paused.is_some() || unplugged || hung.contains(name);
        Some((running, stopped, full.contains(name)))
    });
    let mut links: BTreeMap<VolumeId, Link> = BTreeMap::new();
    for (running, stopped, full) in running {
        let Some(address) = running.address else { continue };
        let ready = running.units.iter();
        for (name, unit) in ready.filter(|(_, u)| u.daemon == number && u.ready <= now) {
            let link = || Link { units: BTreeSet::new(), address, stopped, full };
            links.entry(unit.volume).or_insert_with(link).units.insert(name.clone());
        }
    }
    links
}

impl Inside<'_> {
    /// Comes up: network and enabled units from the seed, and starts what is enabled.
    fn boot(&mut self) {
        let address = self.state.addresses.get(&self.domain).copied();
        let address = address.or_else(|| address_in(&self.seed("network-config")?));
        let enabled = self.seed("user-data").map(|text| enabled_in(&text)).unwrap_or_default();
        if let Some(running) = self.running() {
            running.booted = true;
            running.address = address;
        }
        // A file system is made once, as large as its volume is then.
        for index in [0, 1] {
            if let Some(volume) = self.volume(index).filter(|volume| volume.file_system == 0) {
                volume.file_system = volume.request.capacity;
            }
        }
        let Some(root) = self.root() else { return };
        root.enabled.extend(enabled);
        for unit in root.enabled.clone() {
            // One that does not start at boot is found inactive later.
            let _ = self.start_unit(&unit, Duration::ZERO);
        }
    }

    /// A text of the seed.
    fn seed(&self, name: &str) -> Option<String> {
        let host = self.state.hosts.get(&self.host)?;
        let disks = &host.domains.get(&self.domain)?.definition.disks;
        let seed = disks.iter().find(|disk| disk.readonly)?;
        let volume = host.pools.get(&seed.pool)?.get(&seed.volume)?;
        let mut image = volume.content();
        let options = fatfs::FsOptions::new().update_accessed_date(false);
        let system = fatfs::FileSystem::new(Cursor::new(&mut image), options).ok()?;
        let mut text = String::new();
        system.root_dir().open_file(name).ok()?.read_to_string(&mut text).ok()?;
        Some(text)
    }
}

/// The address in a seed's network configuration.
fn address_in(network: &str) -> Option<Ipv4Addr> {
    let (_, after) = network.split_once("addresses:")?;
    let after = after.trim_start_matches(|c: char| !c.is_ascii_digit());
    after.split(|c: char| !(c.is_ascii_digit() || c == '.')).next()?.parse().ok()
}

/// The units that a seed enables.
fn enabled_in(user_data: &str) -> Vec<String> {
    let units = user_data.split("systemctl, enable, \"").skip(1);
    units.filter_map(|rest| rest.split_once('"')).map(|(unit, _)| unit.to_owned()).collect()
}

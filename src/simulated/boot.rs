//! How simulated guests come up: after a while, with what their seeds say.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::State;
use super::guest::{Inside, Running};
use super::redis::Uid;
use crate::ids::HostName;
use crate::software::Software;

/// Virtual time from power to an answering agent.
const BOOT: Duration = Duration::from_secs(40);

impl State {
    /// Lets happen what had to happen until `now`: boots, gossip, elections.
    pub(super) fn settle(&mut self, now: Duration) {
        if self.settled == Some(now) {
            return;
        }
        self.refresh(now);
        self.redis.advance(now);
        self.settled = Some(now);
    }

    /// Brings up guests whose time has come, and tells Redis who is there.
    pub(super) fn refresh(&mut self, now: Duration) {
        let ready: Vec<(HostName, String)> = self
            .all_domains()
            .filter(|(_, name, running)| {
                !running.booted && now >= running.since + BOOT && !self.stuck.contains(name)
            })
            .map(|(host, name, _)| (host.clone(), name.clone()))
            .collect();
        for (host, domain) in ready {
            Inside { state: self, host, domain, now }.boot();
        }
        let online: BTreeMap<Uid, Ipv4Addr> = self
            .all_domains()
            .filter_map(|(_, _, running)| Some((running.redis?, running.address?)))
            .collect();
        let stopped: BTreeSet<Uid> = self
            .all_domains()
            .filter(|(_, name, _)| self.hung.contains(*name))
            .filter_map(|(_, _, running)| running.redis)
            .collect();
        self.redis.set_online(&online, &stopped);
    }

    fn all_domains(&self) -> impl Iterator<Item = (&HostName, &String, &Running)> {
        self.hosts.iter().flat_map(|(host, known)| {
            known.domains.iter().filter_map(move |(name, domain)| {
                domain.running.as_ref().map(|running| (host, name, running))
            })
        })
    }
}

impl Inside<'_> {
    /// Comes up: network and enabled service from the seed, and what is enabled.
    fn boot(&mut self) {
        let address = self.state.addresses.get(&self.domain).copied();
        let address = address.or_else(|| address_in(&self.seed("network-config")?));
        let enabled = self.seed("user-data").and_then(|text| enabled_in(&text));
        if let Some(running) = self.running() {
            running.booted = true;
            running.address = address;
        }
        if let (Some(root), Some(enabled)) = (self.root(), enabled) {
            root.enabled = Some(enabled);
        }
        if let Some(software) = self.root().and_then(|root| root.enabled) {
            // A service that does not start at boot is found by whoever asks.
            let _ = self.start_redis(software);
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

/// The engine whose service a seed enables.
fn enabled_in(user_data: &str) -> Option<&'static Software> {
    let enables = |unit: &str| user_data.contains(&format!("systemctl, enable, \"{unit}\""));
    Software::ALL.into_iter().find(|software| enables(software.unit))
}

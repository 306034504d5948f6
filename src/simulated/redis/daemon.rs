//! Redis and Valkey as daemons: their units, where they find their
//! configuration, and the clients of their clusters.

use std::collections::BTreeMap;
use std::time::Duration;

use super::cli::Caller;
use super::program;
use super::reply::Form;
use super::{Login, Network, Uid, config};
use crate::recipe::redis::Package;
use crate::simulated::daemon::{Daemon, Endpoint, Invocation, Link, Start, VolumeId};
use crate::simulated::exec::Outcome;

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

    fn connect(&mut self, links: &BTreeMap<VolumeId, Link>) {
        if self.links == *links {
            return;
        }
        self.links.clone_from(links);
        self.place();
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

    fn request(
        &mut self,
        at: Endpoint,
        password: Option<&str>,
        key: &str,
        now: Duration,
    ) -> Result<(), String> {
        let server = self.at(at).ok_or("Connection refused")?;
        let login = Login { user: "default", password };
        let value = format!("at {} ms", now.as_millis());
        self.send(server, &["SET", key, &value], &login, now)?;
        let found = self.send(server, &["GET", key], &login, now)?;
        if found.trim() == value { Ok(()) } else { Err(format!("read {found:?} for {value:?}")) }
    }
}

impl Network {
    /// One command of an ordinary client, which follows redirections.
    fn send(
        &mut self,
        server: Uid,
        words: &[&str],
        login: &Login<'_>,
        now: Duration,
    ) -> Result<String, String> {
        let caller = Caller { login: *login, follow: true, form: Form::Raw, now };
        let Outcome { status, stdout, stderr, endless, .. } = self.command(server, words, &caller);
        match status {
            _ if endless => Err("no answer".to_owned()),
            0 => Ok(stdout),
            _ => Err(stderr.trim().to_owned()),
        }
    }
}

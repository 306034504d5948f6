//! MySQL and MariaDB as daemons: their units, where they find their configuration, and their
//! ordinary clients.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::cells::Cell;
use super::data::{Change, Table};
use super::options::Options;
use super::server::Server;
use super::session::Session;
use super::{Network, Refusal, client};
use crate::recipe::backup;
use crate::recipe::mysql::{APP, CONFIG, FILL_UNIT, INITIALISE, Package, SECRETS, SEND_UNIT};
use crate::simulated::daemon::{
    Contact, Daemon, Endpoint, Invocation, Link, Role, Start, VolumeId, Written,
};
use crate::simulated::exec::Outcome;
use crate::simulated::observe::{Presence, Server as Facts};

/// The table of ordinary clients.
const REQUESTS: &str = "app.requests";
/// Identities begin here, so that they are none of another engine's servers.
const FIRST: u32 = 1 << 24;

/// What is installed with a unit of that name.
fn of_unit(unit: &str) -> Option<&'static Package> {
    Package::ALL.into_iter().find(|package| package.unit() == unit)
}

fn identity(volume: VolumeId) -> u32 {
    u32::try_from(volume).unwrap_or_default().saturating_add(FIRST)
}

impl Daemon for Network {
    fn provides(&self, unit: &str) -> bool {
        of_unit(unit).is_some()
    }

    fn runs(&self, program: &str) -> bool {
        client::is_known(program)
    }

    fn start(&mut self, start: &Start<'_>) -> Result<(), String> {
        let package = of_unit(start.unit).ok_or("no such unit")?;
        self.now = self.now.max(start.now);
        for path in [CONFIG, SECRETS, INITIALISE] {
            if !start.files.contains_key(path) {
                return Err(format!("{path}: No such file or directory"));
            }
        }
        let text = start.files.get(CONFIG).map(|file| String::from_utf8_lossy(&file.bytes));
        let options = Options::read(package.dialect, &text.unwrap_or_default())?;
        let volume = start.volume;
        // One that is filled meanwhile would run with data that is about to be replaced.
        self.break_off(volume, "the server was started while it was filled");
        self.leave(volume);
        if !self.servers.contains_key(&volume) {
            let copied = self.copied_server(package.dialect, volume, start.content);
            let new = copied.unwrap_or_else(|| Server::new(package.dialect, volume));
            self.servers.insert(volume, new);
        }
        if let Some(server) = self.servers.get_mut(&volume) {
            server.boot(options, start.now);
        }
        self.disconnect(volume);
        Ok(())
    }

    fn connect(&mut self, links: &BTreeMap<VolumeId, Link>, now: Duration) {
        if self.links == *links {
            return;
        }
        self.links.clone_from(links);
        for (volume, link) in links {
            if let Some(server) = self.servers.get_mut(volume) {
                server.address = Some(link.address);
            }
        }
        self.settle_until(now);
    }

    fn advance(&mut self, now: Duration) {
        self.settle_until(now);
    }

    fn run(&mut self, invocation: &Invocation<'_>) -> Outcome {
        self.settle_until(invocation.now);
        client::run(self, invocation)
    }

    fn is_off(&self, volume: VolumeId) -> bool {
        self.is_off_for_fill(volume)
    }

    fn works(&self, volume: VolumeId, unit: &str) -> bool {
        match unit {
            FILL_UNIT => self.fills.contains_key(&volume),
            backup::UNIT => self.copyings.contains_key(&volume),
            SEND_UNIT => self.sendings.contains_key(&volume),
            _ => false,
        }
    }

    fn take_written(&mut self) -> Vec<Written> {
        std::mem::take(&mut self.written)
    }

    fn roles(&self) -> BTreeMap<Ipv4Addr, Role> {
        let role = |(volume, link): (&VolumeId, &Link)| {
            let server = self.servers.get(volume).filter(|_| self.answers(*volume))?;
            let role = match (server.is_writable(), &server.source) {
                (true, None) => Role::Primary,
                (false, Some(_)) if self.is_in_step(*volume) => Role::Replica,
                _ => return None,
            };
            Some((link.address, role))
        };
        self.links.iter().filter_map(role).collect()
    }

    fn be_passed(&mut self, passages: &BTreeMap<Endpoint, Endpoint>) {
        self.passages.clone_from(passages);
    }

    fn listens(&self, at: Endpoint) -> bool {
        self.at(at).is_some()
    }

    fn sends_elsewhere(&self, refusal: &str) -> bool {
        refusal.starts_with("ERROR 1290 ")
    }

    fn request(&mut self, contact: &Contact<'_>, key: &str, now: Duration) -> Result<(), String> {
        let value = format!("at {} ms", now.as_millis());
        let session = self.come_in(contact)?;
        let columns = ["name", "value"].map(str::to_owned).to_vec();
        let table = Table { columns, key: vec!["name".to_owned()], ..Table::default() };
        let row = [key, &value].map(|text| Cell::Text(text.to_owned())).to_vec();
        let changes =
            vec![Change::Table(REQUESTS.to_owned(), table), Change::Put(REQUESTS.to_owned(), row)];
        self.write(&session, changes).map_err(|why| why.line(None))?;
        let found = self.value(identity(session.at), key);
        if found != Some(value.as_str()) {
            return Err(format!("read {found:?} for {value:?}"));
        }
        self.acknowledged.insert(key.to_owned(), value);
        Ok(())
    }

    fn send(
        &mut self,
        contact: &Contact<'_>,
        words: &[&str],
        now: Duration,
    ) -> Result<String, String> {
        self.settle_until(now);
        let session = self.come_in(contact)?;
        let Outcome { status, stdout, stderr, .. } = self.script(&session, &words.join(" "));
        if status == 0 { Ok(stdout) } else { Err(stderr.trim().to_owned()) }
    }

    fn servers(&self) -> Vec<Facts> {
        self.servers.iter().map(|(volume, server)| self.facts(*volume, server)).collect()
    }

    fn fingerprint(&self) -> u64 {
        let all = self
            .servers
            .values()
            .map(|server| server.history.fingerprint() ^ u64::from(server.is_writable()) << 62);
        let facts = self.servers().iter().fold(0, |all: u64, facts| {
            let follows = u64::from(facts.follows.unwrap_or_default());
            let present = u64::from(facts.presence == Presence::Present);
            all.rotate_left(11) ^ (follows << 3 | u64::from(facts.linked) << 1 | present)
        });
        all.fold(facts, |all, one| all.rotate_left(7) ^ one)
    }

    fn value(&self, server: u32, key: &str) -> Option<&str> {
        let mut all = self.servers.iter();
        let (_, server) = all.find(|(volume, _)| identity(**volume) == server)?;
        let rows = &server.data.tables.get(REQUESTS)?.rows;
        match rows.get(&vec![Cell::Text(key.to_owned())])?.last()? {
            Cell::Text(value) => Some(value),
            Cell::Number(_) => None,
        }
    }

    fn acknowledged(&self) -> BTreeMap<String, String> {
        self.acknowledged.clone()
    }
}

impl Network {
    fn settle_until(&mut self, now: Duration) {
        self.now = self.now.max(now);
        self.settle_fills();
        self.settle_copies();
        self.settle_groups();
        self.replicate();
    }

    /// Lets an ordinary client in.
    fn come_in(&self, contact: &Contact<'_>) -> Result<Session<'static>, String> {
        let at = self.at(contact.at).ok_or("Connection refused")?;
        if !self.answers(at) {
            return Err("no answer".to_owned());
        }
        let admitted = self.server(at).and_then(|server| {
            if server.options.is_on("require_secure_transport") && !contact.encrypted {
                let text = "Connections using insecure transport are prohibited while \
                            --require_secure_transport=ON.";
                return Err(Refusal::general(3159, text));
            }
            server.admits(APP, contact.password, false, Ipv4Addr::LOCALHOST)
        });
        admitted.map_err(|why| why.line(None))?;
        Ok(Session { at, user: APP, database: APP, files: None })
    }

    fn facts(&self, volume: VolumeId, server: &Server) -> Facts {
        let presence = match self.online(volume) {
            Some(link) if link.stopped => Presence::Hung,
            Some(_) => Presence::Present,
            None => Presence::Absent,
        };
        Facts {
            id: identity(volume),
            at: server.address.map(|address| (address, crate::recipe::mysql::PORT)),
            presence,
            writable: server.is_writable(),
            follows: self.source_of(server).or_else(|| self.leader_of(volume)).map(identity),
            linked: self.is_in_step(volume) || self.is_member(volume),
            owners: BTreeMap::new(),
            migrating: Vec::new(),
            importing: Vec::new(),
        }
    }
}

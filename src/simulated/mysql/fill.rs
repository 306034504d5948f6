//! Servers that are filled with the data of another: MySQL's clone, and a stream of
//! mariadb-backup, for which a program runs at either end.
//!
//! MySQL gives up what it holds when the data begins to arrive, and answers meanwhile; MariaDB
//! is off, and keeps what it holds until the data is there as a whole.
//! <https://dev.mysql.com/doc/refman/8.4/en/clone-plugin-remote.html>

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Network;
use super::data::Data;
use super::history::History;
use super::options::Options;
use super::replication::Io;
use super::server::Applying;
use crate::recipe::mysql::{
    CONFIG, Dialect, FILL, FILL_LOG, FILLING, PORT, REPLICA, SECRETS, read,
};
use crate::simulated::daemon::{Invocation, VolumeId, Written};
use crate::simulated::exec::Outcome;

/// How long the data takes.
const COPY: Duration = Duration::from_secs(5);
/// How long a server takes to start anew.
const RESTART: Duration = Duration::from_secs(1);
/// How long somebody who sends tries to connect: 30 times, a second apart.
const TRIES: Duration = Duration::from_secs(30);

/// A server that is being filled.
#[derive(Debug)]
pub(super) struct Fill {
    /// Where the data comes from.
    from: Ipv4Addr,
    /// With what it starts afterwards.
    options: Options,
    /// Whether it is off meanwhile.
    is_off: bool,
    /// Who sends, and when it will have sent everything; nobody yet where `None`.
    arriving: Option<(VolumeId, Duration)>,
}

/// A server that sends its data.
#[derive(Debug)]
pub(super) struct Sending {
    to: Ipv4Addr,
    /// Until when it tries to connect.
    until: Duration,
    connected: bool,
}

/// Begins to fill the server of a guest: the program comes back at once and goes on by itself.
pub(super) fn begin(network: &mut Network, invocation: &Invocation<'_>) -> Outcome {
    let Some(volume) = invocation.volume else { return Outcome::failed(1, "no volume") };
    network.note(volume, FILL_LOG, Some(""));
    if let Err(why) = network.begin_fill(volume, invocation) {
        network.note(volume, FILL_LOG, Some(&format!("{why}\n")));
    }
    Outcome::ok("")
}

/// Begins to send the data of the server of a guest.
pub(super) fn send(network: &mut Network, invocation: &Invocation<'_>) -> Outcome {
    let Some(volume) = invocation.volume else { return Outcome::failed(1, "no volume") };
    let to = invocation.args.first().and_then(|arg| arg.parse().ok());
    match to.filter(|_| network.online(volume).is_some()) {
        Some(to) => {
            let until = invocation.now + TRIES;
            network.sendings.insert(volume, Sending { to, until, connected: false });
            network.settle_fills();
        }
        None => network.note(volume, FILL_LOG, Some("Failed to connect to server\n")),
    }
    Outcome::ok("")
}

impl Network {
    fn note(&mut self, volume: VolumeId, path: &str, text: Option<&str>) {
        let text = text.map(str::to_owned);
        self.written.push(Written { volume, path: path.to_owned(), text });
    }

    /// Whether a server is off as long as it is being filled.
    pub(super) fn is_off_for_fill(&self, volume: VolumeId) -> bool {
        self.fills.get(&volume).is_some_and(|fill| fill.is_off)
    }

    fn begin_fill(&mut self, volume: VolumeId, invocation: &Invocation<'_>) -> Result<(), String> {
        let from: Option<Ipv4Addr> = invocation.args.first().and_then(|arg| arg.parse().ok());
        let from = from.ok_or("1: parameter not set")?;
        let server = self.servers.get(&volume).filter(|_| self.online(volume).is_some());
        let server = server.ok_or("ERROR 2002 (HY000): Can't connect to local server (2)")?;
        let dialect = server.dialect;
        let config = invocation.files.get(CONFIG).map(|file| String::from_utf8_lossy(&file.bytes));
        let options = Options::read(dialect, &config.unwrap_or_default())?;
        let is_off = dialect == Dialect::Mariadb;
        let mut arriving = None;
        if dialect == Dialect::Mysql {
            let donor = self.donor(from, invocation)?;
            arriving = Some((donor, self.now + COPY));
        } else {
            self.note(volume, FILLING, Some(&format!("from {from}\n")));
            self.disconnect(volume);
        }
        if let Some(server) = self.servers.get_mut(&volume).filter(|_| !is_off) {
            // What it held is dropped before the first byte arrives.
            (server.data, server.history) = (Data::default(), History::default());
            (server.io, server.applying) = (Io::Off, Applying::Off);
        }
        self.fills.insert(volume, Fill { from, options, is_off, arriving });
        self.settle_fills();
        Ok(())
    }

    /// The server that lets itself be cloned by who knows the password of replicas.
    fn donor(&self, from: Ipv4Addr, invocation: &Invocation<'_>) -> Result<VolumeId, String> {
        let refused = |code: u32, why: &str| {
            format!("ERROR 3862 (HY000) at line 2: Clone Donor Error: {code} : {why}.")
        };
        let at = self.at_address(from).filter(|at| self.answers(*at));
        let at = at.ok_or_else(|| {
            refused(2003, &format!("Can't connect to MySQL server on '{from}:{PORT}' (111)"))
        })?;
        let text = |path: &str| {
            let file = invocation.files.get(path);
            file.map(|file| String::from_utf8_lossy(&file.bytes).into_owned()).unwrap_or_default()
        };
        let password = read(&text(SECRETS)).map(|known| known.of_replicas());
        let password = password.as_ref().map(|password| password.expose());
        let certificate = text(FILL).contains("clone_ssl_cert");
        let own = invocation.address.unwrap_or(Ipv4Addr::LOCALHOST);
        let donor = self.server(at).map_err(|why| why.line(None))?;
        let admitted = donor.admits(REPLICA, password, certificate, own);
        admitted.map_err(|why| refused(why.code, &why.text))?;
        let may = donor.user(REPLICA).is_some_and(|user| user.may("BACKUP_ADMIN"));
        let lacks = "Access denied; you need (at least one of) the BACKUP_ADMIN privilege(s)";
        if may { Ok(at) } else { Err(refused(1227, lacks)) }
    }

    /// Lets data arrive until now.
    pub(super) fn settle_fills(&mut self) {
        let now = self.now;
        // Programs end with their guest.
        self.fills.retain(|volume, _| self.links.contains_key(volume));
        self.sendings.retain(|volume, sending| {
            self.links.contains_key(volume) && (sending.connected || sending.until > now)
        });
        let all: Vec<VolumeId> = self.fills.keys().copied().collect();
        for volume in all {
            self.settle_fill(volume);
        }
    }

    fn settle_fill(&mut self, volume: VolumeId) {
        let (now, sender) = (self.now, self.sender_to(volume));
        let Some(fill) = self.fills.get_mut(&volume) else { return };
        if fill.arriving.is_none()
            && let Some(sender) = sender
        {
            fill.arriving = Some((sender, now + COPY));
            if let Some(sending) = self.sendings.get_mut(&sender) {
                sending.connected = true;
            }
        }
        let (is_off, arriving) = (fill.is_off, fill.arriving);
        let Some((donor, ends)) = arriving else { return };
        let sends = self.online(donor).is_some() && (!is_off || self.sendings.contains_key(&donor));
        if !sends {
            let why = if is_off {
                "the data ended before its end"
            } else {
                "ERROR 3862 (HY000) at line 2: Clone Donor Error: 2013 : Lost connection to MySQL \
                 server during query."
            };
            self.break_off(volume, why);
        } else if now >= ends && self.answers(donor) && !self.is_stopped(volume) {
            self.fill(volume, donor);
        }
    }

    fn is_stopped(&self, volume: VolumeId) -> bool {
        self.links.get(&volume).is_some_and(|link| link.stopped)
    }

    /// Who sends to a server that waits for data of it.
    fn sender_to(&self, volume: VolumeId) -> Option<VolumeId> {
        let (fill, own) = (self.fills.get(&volume)?, self.links.get(&volume)?.address);
        let donor = self.at_address(fill.from).filter(|donor| self.answers(*donor))?;
        self.sendings.get(&donor).filter(|sending| sending.to == own).map(|_| donor)
    }

    /// Ends the filling of a server without effect; one that was off starts with what it held.
    pub(super) fn break_off(&mut self, volume: VolumeId, why: &str) {
        let Some(fill) = self.fills.remove(&volume) else { return };
        self.note(volume, FILL_LOG, Some(&format!("{why}\n")));
        let now = self.now;
        if let Some((donor, _)) = fill.arriving {
            self.sendings.remove(&donor);
        }
        if let Some(server) = self.servers.get_mut(&volume).filter(|_| fill.is_off) {
            server.boot(fill.options, now + RESTART);
        }
    }

    /// Gives a server the data of another, and starts it anew.
    fn fill(&mut self, volume: VolumeId, donor: VolumeId) {
        let Some(fill) = self.fills.remove(&volume) else { return };
        self.sendings.remove(&donor);
        let now = self.now;
        let Some(from) = self.servers.get(&donor) else { return };
        let data = from.data.clone();
        let history = from.history.copied(from.dialect, from.origin());
        // Whom the donor copies is in its data for MySQL, and in a file of its own for MariaDB.
        let source = from.source.clone().filter(|_| from.dialect == Dialect::Mysql);
        if let Some(server) = self.servers.get_mut(&volume) {
            (server.data, server.history, server.source) = (data, history, source);
            server.boot(fill.options, now + RESTART);
        }
        self.disconnect(volume);
        self.note(volume, FILLING, None);
    }
}

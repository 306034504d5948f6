//! Servers that copy others: who is connected, what has been sent, and who acknowledges.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::Network;
use super::data::Change;
use super::history::Gap;
use super::server::{Applying, Server};
use crate::recipe::mysql::{Dialect, PORT};
use crate::simulated::daemon::VolumeId;

/// Whom a server copies, as `CHANGE REPLICATION SOURCE` has set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) host: Ipv4Addr,
    pub(super) user: String,
    pub(super) password: String,
    /// Whether it shows a certificate.
    pub(super) certificate: bool,
    /// Whether the connection is encrypted.
    pub(super) encrypted: bool,
}

/// The connection of a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Io {
    /// It was not started.
    Off,
    /// It tries, and this is why it does not come through.
    Trying(u32, String),
    /// It is connected to the server of a volume; whether it acknowledges.
    Linked(VolumeId, bool),
    /// It has given up.
    Failed(u32, String),
}

impl Io {
    /// It has not tried yet.
    pub(super) const fn waiting() -> Self {
        Self::Trying(0, String::new())
    }
}

impl Network {
    /// Connects replicas to their sources and lets them apply what they lack.
    pub(super) fn replicate(&mut self) {
        let volumes: Vec<VolumeId> = self.servers.keys().copied().collect();
        // One that others copy may itself be a copy.
        for _ in 0..volumes.len() {
            let moved = volumes.iter().filter(|volume| self.connect_replica(**volume)).count();
            if moved == 0 {
                break;
            }
        }
        self.listen_again();
    }

    /// Ends the connections of replicas to a server that starts anew.
    pub(super) fn disconnect(&mut self, source: VolumeId) {
        for server in self.servers.values_mut() {
            if matches!(server.io, Io::Linked(to, _) if to == source) {
                server.io = Io::waiting();
            }
        }
    }

    /// A source that has gone on alone waits again once a replica has caught up; MariaDB does
    /// from the next write on.
    fn listen_again(&mut self) {
        let heard: Vec<VolumeId> = self
            .servers
            .iter()
            .filter(|(_, server)| server.begins_to_wait() && !server.semi_sync.waits)
            .map(|(volume, _)| *volume)
            .filter(|volume| self.is_acknowledged(*volume))
            .collect();
        for volume in heard {
            if let Some(server) = self.servers.get_mut(&volume) {
                server.semi_sync.waits = true;
            }
        }
    }

    /// Brings one replica on; whether it has got anything.
    fn connect_replica(&mut self, volume: VolumeId) -> bool {
        if !self.answers(volume) {
            return false;
        }
        let Some(io) = self.next_io(volume) else { return false };
        let sent = match &io {
            Io::Linked(source, _) if self.answers(*source) => self.lacked(*source, volume),
            _ => Ok(Vec::new()),
        };
        let Some(server) = self.servers.get_mut(&volume) else { return false };
        match sent {
            Ok(transactions) => {
                server.io = io;
                let has_news = !transactions.is_empty() && server.applying == Applying::On;
                if has_news {
                    server.apply(transactions);
                }
                has_news && server.applying == Applying::On
            }
            Err(gap) => {
                server.io = failed(server.dialect, &gap);
                false
            }
        }
    }

    fn lacked(
        &self,
        source: VolumeId,
        replica: VolumeId,
    ) -> Result<Vec<super::history::Transaction>, Gap> {
        let found = self.servers.get(&source).zip(self.servers.get(&replica));
        found.map_or_else(|| Ok(Vec::new()), |(source, replica)| source.lacked_by(replica))
    }

    /// What becomes of the connection of a replica; `None` where it stays as it is.
    fn next_io(&self, volume: VolumeId) -> Option<Io> {
        let server = self.servers.get(&volume)?;
        let source = server.source.as_ref()?;
        let place = format!("{}@{}:{PORT}", source.user, source.host);
        let word = server.of("source", "master");
        let trying = |code: u32, why: String| {
            Some(Io::Trying(code, format!("error connecting to {word} '{place}'. Message: {why}")))
        };
        if matches!(server.io, Io::Off | Io::Failed(..)) {
            return None;
        }
        let Some(at) = self.at_address(source.host) else {
            return trying(
                2003,
                format!("Can't connect to MySQL server on '{}:{PORT}' (111)", source.host),
            );
        };
        if let Io::Linked(to, _) = server.io
            && to == at
        {
            return Some(server.io.clone());
        }
        if !self.answers(at) {
            let why = "Lost connection to server at 'reading initial communication packet'";
            return trying(2013, why.to_owned());
        }
        let other = self.servers.get(&at)?;
        if other.options.get("server_id") == server.options.get("server_id") {
            let (code, word) = match server.dialect {
                Dialect::Mysql => (13117, "replica"),
                Dialect::Mariadb => (1593, "slave"),
            };
            let why = format!(
                "Fatal error: The {word} I/O thread stops because both servers have equal server \
                 ids"
            );
            return Some(Io::Failed(code, why));
        }
        let own = self.links.get(&volume).map(|link| link.address)?;
        match other.admits(&source.user, Some(&source.password), source.certificate, own) {
            Err(why) => trying(why.code, why.text),
            Ok(()) if other.options.is_on("require_secure_transport") && !source.encrypted => {
                trying(3159, "Connections using insecure transport are prohibited".to_owned())
            }
            Ok(()) if !other.data.users.get(&source.user)?.may("REPLICATION SLAVE") => {
                let why = format!("Access denied for user '{}'; REPLICATION SLAVE", source.user);
                Some(Io::Failed(1227, why))
            }
            Ok(()) => Some(Io::Linked(at, server.acknowledges())),
        }
    }

    /// Whether a replica that answers would acknowledge a write.
    pub(super) fn is_acknowledged(&self, source: VolumeId) -> bool {
        self.servers
            .iter()
            .any(|(volume, server)| server.io == Io::Linked(source, true) && self.answers(*volume))
    }

    /// The replicas that are connected and acknowledge, those included that have stopped.
    pub(super) fn acknowledging(&self, source: VolumeId) -> usize {
        let all = self.servers.iter();
        all.filter(|(volume, server)| {
            server.io == Io::Linked(source, true) && self.online(**volume).is_some()
        })
        .count()
    }

    /// Commits a transaction at a server; how long that takes.
    pub(super) fn commit(&mut self, volume: VolumeId, changes: Vec<Change>) -> Duration {
        if let Some(takes) = self.commit_in_group(volume, &changes) {
            return takes;
        }
        let Some(server) = self.servers.get_mut(&volume) else { return Duration::ZERO };
        let changed: Vec<bool> = changes.iter().map(|change| server.data.apply(change)).collect();
        if !changed.contains(&true) {
            return Duration::ZERO;
        }
        let origin = server.origin().to_owned();
        server.history.commit(server.dialect, &origin, changes);
        let (is_to_wait, waited) = (server.is_to_wait(), server.semi_sync.waits);
        self.replicate();
        let is_acknowledged = self.is_acknowledged(volume);
        let Some(server) = self.servers.get_mut(&volume).filter(|_| is_to_wait) else {
            return Duration::ZERO;
        };
        server.semi_sync.waits = is_acknowledged;
        match (waited, is_acknowledged) {
            (true, true) => server.semi_sync.yes += 1,
            _ => server.semi_sync.no += 1,
        }
        if waited && !is_acknowledged { server.patience() } else { Duration::ZERO }
    }

    /// The server that another one copies, wherever it is.
    pub(super) fn source_of(&self, server: &Server) -> Option<VolumeId> {
        let host = server.source.as_ref()?.host;
        let last = || {
            let mut all = self.servers.iter();
            all.find(|(_, other)| other.address == Some(host)).map(|(volume, _)| *volume)
        };
        self.at_address(host).or_else(last)
    }

    /// Whether a replica has the data of its source, which runs.
    pub(super) fn is_in_step(&self, volume: VolumeId) -> bool {
        let Some(Io::Linked(source, _)) = self.servers.get(&volume).map(|server| &server.io) else {
            return false;
        };
        self.online(*source).is_some()
            && self.lacked(*source, volume).is_ok_and(|all| all.is_empty())
    }
}

/// The connection of a replica that asked for what its source has not.
fn failed(dialect: Dialect, gap: &Gap) -> Io {
    let (code, word, why) = match (dialect, gap) {
        (Dialect::Mysql, Gap::Purged) => (
            13114,
            "source",
            "Cannot replicate because the source purged required binary logs. Replicate the \
             missing transactions from elsewhere, or provision a new replica from backup."
                .to_owned(),
        ),
        (Dialect::Mysql, Gap::Ahead(own)) => (
            13114,
            "source",
            format!(
                "Replica has more GTIDs than the source has, using the source's SERVER_UUID ({own}). \
                 This may indicate that the end of the binary log was truncated or that the last \
                 binary log file was lost"
            ),
        ),
        (Dialect::Mariadb, Gap::Purged) => (
            1236,
            "master",
            "Could not find GTID state requested by slave in any binlog files. Probably the slave \
             state is too old and required binlog files have been purged."
                .to_owned(),
        ),
        (Dialect::Mariadb, Gap::Ahead(asked)) => (
            1236,
            "master",
            format!(
                "Error: connecting slave requested to start from GTID {asked}, which is not in the \
                 master's binlog"
            ),
        ),
    };
    let text =
        format!("Got fatal error 1236 from {word} when reading data from binary log: '{why}'");
    Io::Failed(code, text)
}

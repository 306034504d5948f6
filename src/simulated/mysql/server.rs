//! One server: what is on its volume, and what it is while it runs.

use std::time::Duration;

use super::data::{Data, User};
use super::group::Membership;
use super::history::{Gap, History, Transaction};
use super::options::Options;
use super::replication::{Io, Source};
use crate::recipe::mysql::Dialect;
use crate::simulated::daemon::VolumeId;

/// A server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) dialect: Dialect,
    /// Its UUID, which stays as long as its volume.
    uuid: String,
    pub(super) data: Data,
    pub(super) history: History,
    /// Whom it copies, as it was last set to.
    pub(super) source: Option<Source>,
    /// What it runs with.
    pub(super) options: Options,
    /// When it started, or will have started.
    pub(super) started: Duration,
    /// Its connection to its source.
    pub(super) io: Io,
    /// Whether it applies what arrives, and why not.
    pub(super) applying: Applying,
    pub(super) semi_sync: SemiSync,
    pub(super) membership: Membership,
    /// Where it was last.
    pub(super) address: Option<std::net::Ipv4Addr>,
}

/// Whether what arrives is applied.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Applying {
    /// It was not started.
    #[default]
    Off,
    /// It is.
    On,
    /// It was, until this error.
    Failed(u32, String),
}

/// Acknowledgements of a source since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SemiSync {
    /// Whether it waits for them now; it may be switched on and not wait.
    pub(super) waits: bool,
    /// Writes that a replica acknowledged.
    pub(super) yes: u64,
    /// Writes that none did.
    pub(super) no: u64,
}

impl Server {
    /// A server without data.
    pub(super) fn new(dialect: Dialect, volume: VolumeId) -> Self {
        Self {
            dialect,
            uuid: format!("{volume:08x}-71ca-11e1-9e33-c80aa9429562"),
            data: Data::default(),
            history: History::default(),
            source: None,
            options: Options::default(),
            started: Duration::ZERO,
            io: Io::Off,
            applying: Applying::Off,
            semi_sync: SemiSync::default(),
            membership: Membership::default(),
            address: None,
        }
    }

    /// Starts with options: as they say, it replicates or not.
    pub(super) fn boot(&mut self, options: Options, now: Duration) {
        let skip = self.of("skip_replica_start", "skip_slave_start");
        let replicates = self.source.is_some() && !options.is_on(skip);
        self.io = if replicates { Io::waiting() } else { Io::Off };
        self.applying = if replicates { Applying::On } else { Applying::Off };
        self.semi_sync = SemiSync::default();
        self.membership = self.membership.started();
        self.options = options;
        self.started = now;
        self.semi_sync.waits = self.begins_to_wait();
    }

    /// A word of MySQL or of MariaDB.
    pub(super) const fn of(&self, mysql: &'static str, mariadb: &'static str) -> &'static str {
        match self.dialect {
            Dialect::Mysql => mysql,
            Dialect::Mariadb => mariadb,
        }
    }

    /// Who it is in the identifiers of its transactions.
    pub(super) fn origin(&self) -> &str {
        match self.dialect {
            Dialect::Mysql => &self.uuid,
            Dialect::Mariadb => self.options.get("server_id").unwrap_or_default(),
        }
    }

    /// Whether it is to wait for acknowledgements.
    pub(super) fn is_to_wait(&self) -> bool {
        self.options.is_on(self.of("rpl_semi_sync_source_enabled", "rpl_semi_sync_master_enabled"))
    }

    /// Whether it acknowledges, once it is connected anew.
    pub(super) fn acknowledges(&self) -> bool {
        self.options.is_on(self.of("rpl_semi_sync_replica_enabled", "rpl_semi_sync_slave_enabled"))
    }

    /// How long it waits for an acknowledgement.
    pub(super) fn patience(&self) -> Duration {
        let timeout = self.of("rpl_semi_sync_source_timeout", "rpl_semi_sync_master_timeout");
        self.options.millis(timeout)
    }

    /// Whether it waits from the moment on at which it is to: MariaDB does from the first write
    /// on that a replica has got.
    pub(super) fn begins_to_wait(&self) -> bool {
        self.dialect == Dialect::Mysql && self.is_to_wait()
    }

    /// Why nobody may write, `None` if somebody may: the option that forbids it.
    pub(super) fn closed_by(&self, is_root: bool) -> Option<&'static str> {
        let is_on = |name: &str| self.options.is_on(name);
        match self.dialect {
            Dialect::Mysql if is_on("super_read_only") => Some("--super-read-only"),
            _ if is_root => None,
            _ => is_on("read_only").then_some("--read-only"),
        }
    }

    /// Whether clients may write.
    pub(super) fn is_writable(&self) -> bool {
        self.closed_by(false).is_none()
    }

    pub(super) fn user(&self, name: &str) -> Option<&User> {
        self.data.users.get(name)
    }

    /// What another server lacks of it.
    pub(super) fn lacked_by(&self, replica: &Self) -> Result<Vec<Transaction>, Gap> {
        self.history.lacking(self.dialect, self.origin(), &replica.history)
    }

    /// Applies what its source sent.
    pub(super) fn apply(&mut self, transactions: Vec<Transaction>) {
        for transaction in transactions {
            let is_strict = self.options.is_on("gtid_strict_mode");
            if is_strict && self.history.is_out_of_order(&transaction.id) {
                let position = transaction.id.position();
                let newest = self.history.logged().map(super::history::Id::position);
                let why = format!(
                    "An attempt was made to binlog GTID {position} which would create an \
                     out-of-order sequence number with existing GTID {}, and gtid strict mode is \
                     enabled",
                    newest.unwrap_or_default()
                );
                self.applying = Applying::Failed(1950, why);
                return;
            }
            for change in &transaction.changes {
                self.data.apply(change);
            }
            self.history.receive(transaction);
        }
    }
}

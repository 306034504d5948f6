//! MySQL and MariaDB: one option file for the server, one with passwords that clients in the
//! guest read, and the programs that make a data directory and fill a copy.
//!
//! Names and defaults differ between the two: MySQL speaks of source and replica since
//! 8.0.26, MariaDB of master and slave. Every server boots read-only: only a decision
//! makes a primary.
//! <https://dev.mysql.com/doc/refman/8.4/en/replication-semisync-interface.html>
//! <https://mariadb.com/kb/en/semisynchronous-replication/>

mod files;
mod group;
mod role;
mod secrets;
mod settings;

pub use self::files::option;
pub use self::role::{ROLE_FILES, ROLE_UNITS};
pub use self::secrets::read;

use super::credentials::{CLIENT, INTERNAL};
use super::{Certificates, Recipe, Setup};
use crate::engines::Engine;
use crate::guest_file::Owner;
use crate::spec::DATABASE_PORT;

/// The engines' own port.
pub const PORT: u16 = DATABASE_PORT;

/// The port at which members of a group that elects reach each other, as the manual has it.
/// <https://dev.mysql.com/doc/refman/8.4/en/group-replication-configuring-instances.html>
pub const GROUP_PORT: u16 = 33_061;
/// The plugin by which a group elects its primary.
pub const GROUP_PLUGIN: &str = "group_replication.so";

/// The database of clients, which belongs to the user of the same name.
pub const APP: &str = "app";
/// The database in which writes are proved, which belongs to the user of the same name.
pub const OWN: &str = "hostsplit";
/// The user by which a replica reads of its primary.
pub const REPLICA: &str = "replica";

/// Where the data volume is mounted.
const VOLUME: &str = "/var/lib/mysql";
/// What the server reads, in the place of all files of its package.
pub const CONFIG: &str = "/etc/mysql/my.cnf";
/// Passwords, as clients in the guest read them; root alone may.
pub const SECRETS: &str = "/etc/mysql/hostsplit.cnf";
/// Makes an empty data directory where there is none.
pub const INITIALISE: &str = "/etc/mysql/hostsplit-initialise";
/// Fills an empty server from another one.
pub const FILL: &str = "/etc/mysql/hostsplit-fill";
/// Sends the data of a server to one that is being filled, where the engine does not itself.
pub const SEND: &str = "/etc/mysql/hostsplit-send";
/// Copies the data of a server to an empty disk.
pub const BACKUP: &str = "/etc/mysql/hostsplit-backup";
/// The transient units in which these run.
pub const FILL_UNIT: &str = "hostsplit-fill";
/// See [`FILL_UNIT`].
pub const SEND_UNIT: &str = "hostsplit-send";
/// Is there while a MariaDB is being filled: as long as it is, nothing that the server holds
/// counts.
pub const FILLING: &str = "/var/lib/mysql/filling";
/// What the last filling wrote.
pub const FILL_LOG: &str = "/var/lib/mysql/fill.log";

/// The words in which an engine speaks of replication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Source and replica; sets of transactions; clone.
    Mysql,
    /// Master and slave; positions; a stream of mariadb-backup.
    Mariadb,
}

/// An engine as a package brings it: all that differs between MySQL and MariaDB.
#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    /// The engine.
    pub engine: Engine,
    /// How it speaks of replication.
    pub dialect: Dialect,
    /// Its systemd unit, without `.service`.
    pub units: [&'static str; 1],
    /// The program that sends it statements.
    pub client: &'static str,
    /// Options by which it shows no statement, which may hold a password, in an error.
    pub quietly: &'static [&'static str],
    /// The program that puts load on it.
    pub benchmark: &'static str,
    /// The server's program.
    pub server: &'static str,
    /// Where its certificate and key lie.
    pub tls: Certificates,
    /// What its unit does besides.
    pub unit_config: &'static str,
    /// User and group that it runs as.
    pub owner: Owner,
}

const TLS: Certificates = Certificates {
    authority: "/etc/mysql/ca.crt",
    certificate: "/etc/mysql/server.crt",
    key: "/etc/mysql/server.key",
};
const OWNER: Owner = Owner { user: "mysql", group: "mysql" };

/// MySQL 8.4 and 9.
pub static MYSQL_PACKAGE: Package = Package {
    engine: Engine::Mysql,
    dialect: Dialect::Mysql,
    units: ["mysql"],
    client: "mysql",
    quietly: &[],
    benchmark: "mysqlslap",
    server: "mysqld",
    tls: TLS,
    unit_config: "/etc/systemd/system/mysql.service.d/91-hostsplit.conf",
    owner: OWNER,
};

/// MariaDB 10.11 and 11.
pub static MARIADB_PACKAGE: Package = Package {
    engine: Engine::Mariadb,
    dialect: Dialect::Mariadb,
    units: ["mariadb"],
    client: "mariadb",
    quietly: &["--loose-skip-print-query-on-error"],
    benchmark: "mariadb-slap",
    server: "mariadbd",
    tls: TLS,
    unit_config: "/etc/systemd/system/mariadb.service.d/91-hostsplit.conf",
    owner: OWNER,
};

impl Package {
    /// All of them.
    pub const ALL: [&'static Self; 2] = [&MYSQL_PACKAGE, &MARIADB_PACKAGE];

    /// Its systemd unit, without `.service`.
    #[must_use]
    pub const fn unit(&self) -> &'static str {
        self.units[0]
    }

    /// The package of an engine.
    #[must_use]
    pub fn of(engine: Engine) -> &'static Self {
        if engine == Engine::Mariadb { &MARIADB_PACKAGE } else { &MYSQL_PACKAGE }
    }
}

/// The manual asks for little swapping, and each connection is a thread with files.
/// <https://mariadb.com/kb/en/configuring-swappiness/>
const SYSCTLS: &[&str] = &["vm.swappiness = 1", "net.core.somaxconn = 65535"];

static MYSQL_SETUP: Setup = setup(&MYSQL_PACKAGE);
static MARIADB_SETUP: Setup = setup(&MARIADB_PACKAGE);

const MAIN: &[&str] =
    &["innodb_buffer_pool_size", "server_id", "innodb_io_capacity", "max_connections"];

/// MySQL 8.4 and later.
pub(super) static MYSQL: Recipe =
    Recipe { settings: settings::mysql, main: MAIN, setup: Some(&MYSQL_SETUP) };

/// MariaDB 10.11 and later.
pub(super) static MARIADB: Recipe =
    Recipe { settings: settings::mariadb, main: MAIN, setup: Some(&MARIADB_SETUP) };

const fn setup(package: &'static Package) -> Setup {
    Setup {
        units: &package.units,
        gate: INITIALISE,
        data: VOLUME,
        owner: package.owner,
        sysctls: SYSCTLS,
        tmpfiles: &[],
        secrets: &[CLIENT, INTERNAL],
        plain: files::plain,
        mask: secrets::mask,
        backup: Some(BACKUP),
        closed: files::closed,
    }
}

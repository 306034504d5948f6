//! The statements, in the words of both engines.

use std::net::Ipv4Addr;

use crate::recipe::Credentials;
use crate::recipe::mysql::{APP, Dialect, FILLING, OWN, PORT, REPLICA};
use crate::secret::Secret;

/// Seconds after which a replica asks its primary again, and how often it hears of it.
const RETRY_S: u32 = 5;
/// See [`RETRY_S`].
const HEARTBEAT_S: u32 = 2;
/// Seconds for which a copy may take to apply what its primary has.
pub(super) const CATCH_UP_S: u32 = 10;

/// A word of both dialects: what MySQL says, and what MariaDB.
const fn either(dialect: Dialect, mysql: &'static str, mariadb: &'static str) -> &'static str {
    match dialect {
        Dialect::Mysql => mysql,
        Dialect::Mariadb => mariadb,
    }
}

/// The option by which a primary waits for acknowledgements.
pub(super) const fn waits(dialect: Dialect) -> &'static str {
    either(dialect, "rpl_semi_sync_source_enabled", "rpl_semi_sync_master_enabled")
}

/// The option by which a replica acknowledges.
pub(super) const fn acknowledges(dialect: Dialect) -> &'static str {
    either(dialect, "rpl_semi_sync_replica_enabled", "rpl_semi_sync_slave_enabled")
}

/// The status variable of a replica that says whether it acknowledges on its connection.
pub(super) const fn acknowledging(dialect: Dialect) -> &'static str {
    either(dialect, "Rpl_semi_sync_replica_status", "Rpl_semi_sync_slave_status")
}

/// The name of a status variable of semi-synchronous replication, without what all begin with.
pub(super) fn semi_sync(dialect: Dialect, rest: &str) -> String {
    format!("Rpl_semi_sync_{}{rest}", either(dialect, "source_", "master_"))
}

/// A text in quotes. What could end it is in no value that is written: passwords hold neither
/// quotes nor backslashes.
pub(super) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

/// Everything that is asked of a server, in one go.
pub(super) fn look(dialect: Dialect, options: &[&str]) -> String {
    let names = |all: &[&str]| all.iter().map(|name| text(name)).collect::<Vec<_>>().join(", ");
    let identity = match dialect {
        Dialect::Mysql => {
            "SELECT @@GLOBAL.read_only AS read_only, @@GLOBAL.super_read_only AS super_read_only, \
             REPLACE(@@GLOBAL.gtid_executed, '\\n', '') AS executed;"
                .to_owned()
        }
        Dialect::Mariadb => format!(
            "SELECT @@GLOBAL.read_only AS read_only, @@GLOBAL.gtid_current_pos AS current, \
             @@GLOBAL.gtid_slave_pos AS applied, @@GLOBAL.gtid_binlog_state AS logged, \
             LOAD_FILE('{FILLING}') IS NOT NULL AS filling;"
        ),
    };
    let status = [
        "Uptime".to_owned(),
        semi_sync(dialect, "status"),
        semi_sync(dialect, "clients"),
        semi_sync(dialect, "yes_tx"),
        semi_sync(dialect, "no_tx"),
        acknowledging(dialect).to_owned(),
    ];
    let status: Vec<&str> = status.iter().map(String::as_str).collect();
    let options: Vec<&str> =
        options.iter().copied().chain([waits(dialect), acknowledges(dialect)]).collect();
    let replication = either(dialect, "SHOW REPLICA STATUS;", "SHOW SLAVE STATUS;");
    format!(
        "{identity}\nSHOW GLOBAL STATUS WHERE Variable_name IN ({});\n{replication}\n\
         SHOW GLOBAL VARIABLES WHERE Variable_name IN ({});\n\
         SELECT COUNT(*) AS formed FROM information_schema.tables WHERE table_schema = '{OWN}' AND \
         table_name = 'proof';\n\
         SELECT table_comment AS users FROM information_schema.tables WHERE table_schema = '{OWN}' \
         AND table_name = 'proof';\n",
        names(&status),
        names(&options)
    )
}

/// The mark of how [`users`] makes them.
pub(super) fn mark(credentials: &Credentials, tls: bool) -> String {
    credentials.mark(require(tls))
}

/// Only a certificate of the deployment's authority makes a replica.
const fn require(tls: bool) -> &'static str {
    if tls { " REQUIRE X509" } else { "" }
}

/// The users and the databases of a service, on its first primary: copies get them from it.
/// What was made before is made again as it is; the table by which the service counts as
/// formed comes last.
pub(super) fn bootstrap(dialect: Dialect, credentials: &Credentials, tls: bool) -> String {
    format!("{}\n{}", open(dialect), make(dialect, credentials, tls))
}

/// The same on a primary that takes writes.
pub(super) fn make(dialect: Dialect, credentials: &Credentials, tls: bool) -> String {
    let [client, internal, of_replicas] =
        [&credentials.client, &credentials.internal, &credentials.of_replicas()]
            .map(|secret| text(secret.expose()));
    let require = require(tls);
    let clone = either(dialect, ", BACKUP_ADMIN", "");
    let user = |name: &str, password: &str, require: &str| {
        format!(
            "CREATE USER IF NOT EXISTS '{name}'@'%' IDENTIFIED BY {password}{require};\n\
             ALTER USER '{name}'@'%' IDENTIFIED BY {password}{require};\n"
        )
    };
    format!(
        "{replica}GRANT REPLICATION SLAVE{clone} ON *.* TO '{REPLICA}'@'%';\n\
         {own}GRANT ALL ON `{OWN}`.* TO '{OWN}'@'%';\n\
         CREATE DATABASE IF NOT EXISTS `{APP}`;\n{app}GRANT ALL ON `{APP}`.* TO '{APP}'@'%';\n\
         CREATE DATABASE IF NOT EXISTS `{OWN}`;\n\
         CREATE TABLE IF NOT EXISTS `{OWN}`.`numbers` (series VARCHAR(64) NOT NULL, number BIGINT \
         UNSIGNED NOT NULL, PRIMARY KEY (series, number)) ENGINE=InnoDB;\n\
         CREATE TABLE IF NOT EXISTS `{OWN}`.`proof` (id INT NOT NULL PRIMARY KEY, value VARCHAR(64) \
         NOT NULL) ENGINE=InnoDB;\n{marked}\n",
        replica = user(REPLICA, &of_replicas, require),
        own = user(OWN, &internal, ""),
        app = user(APP, &client, ""),
        marked = marked(&mark(credentials, tls)),
    )
}

/// Notes with which passwords users were made, once that is done: where it is noted that copies
/// have it as well, and only who may read hostsplit's own tables reads it.
pub(super) fn marked(mark: &str) -> String {
    format!("ALTER TABLE `{OWN}`.`proof` COMMENT = {};", text(mark))
}

/// Gives users other passwords.
pub(super) fn users(dialect: Dialect, credentials: &Credentials) -> String {
    let all = [
        (APP, &credentials.client),
        (OWN, &credentials.internal),
        (REPLICA, &credentials.of_replicas()),
    ];
    all.map(|(user, secret)| password(dialect, user, secret)).join("\n")
}

/// Lets a server take writes.
pub(super) const fn open(dialect: Dialect) -> &'static str {
    either(
        dialect,
        "SET GLOBAL super_read_only = OFF; SET GLOBAL read_only = OFF;",
        "SET GLOBAL read_only = OFF;",
    )
}

/// Lets a server take no writes, once those that it is at have ended.
pub(super) const fn close(dialect: Dialect) -> &'static str {
    either(dialect, "SET GLOBAL super_read_only = ON;", "SET GLOBAL read_only = ON;")
}

/// Switches an option of the running server.
pub(super) fn set(name: &str, value: &str) -> String {
    format!("SET GLOBAL {name} = {value};")
}

/// Lets a server forget whom it copied.
pub(super) const fn forget_source(dialect: Dialect) -> &'static str {
    either(dialect, "STOP REPLICA; RESET REPLICA ALL;", "STOP SLAVE; RESET SLAVE ALL;")
}

/// Connects a server that copies its primary again.
pub(super) const fn reconnect(dialect: Dialect) -> &'static str {
    either(dialect, "STOP REPLICA; START REPLICA;", "STOP SLAVE; START SLAVE;")
}

/// Files of a certificate, for a replica that shows one.
#[derive(Clone, Copy)]
pub(super) struct Shown {
    pub(super) authority: &'static str,
    pub(super) certificate: &'static str,
    pub(super) key: &'static str,
}

/// Lets a server copy another one.
pub(super) fn follow(
    dialect: Dialect,
    source: Ipv4Addr,
    credentials: &Credentials,
    tls: Option<Shown>,
) -> String {
    let password = text(credentials.of_replicas().expose());
    let (prefix, verify) = (either(dialect, "SOURCE", "MASTER"), i32::from(tls.is_some()));
    let mut options = vec![
        format!("{prefix}_HOST='{source}'"),
        format!("{prefix}_PORT={PORT}"),
        format!("{prefix}_USER='{REPLICA}'"),
        format!("{prefix}_PASSWORD={password}"),
        format!("{prefix}_CONNECT_RETRY={RETRY_S}"),
        format!("{prefix}_HEARTBEAT_PERIOD={HEARTBEAT_S}"),
    ];
    match dialect {
        // Servers have a certificate of their own making where they have no other, and a
        // password is not sent without encryption.
        Dialect::Mysql => options.extend([
            "SOURCE_AUTO_POSITION=1".to_owned(),
            "SOURCE_RETRY_COUNT=86400".to_owned(),
            "SOURCE_SSL=1".to_owned(),
            format!("SOURCE_SSL_VERIFY_SERVER_CERT={verify}"),
        ]),
        Dialect::Mariadb => options.extend([
            "MASTER_USE_GTID=slave_pos".to_owned(),
            format!("MASTER_SSL={verify}"),
            format!("MASTER_SSL_VERIFY_SERVER_CERT={verify}"),
        ]),
    }
    if let Some(Shown { authority, certificate, key }) = tls {
        options.extend([
            format!("{prefix}_SSL_CA='{authority}'"),
            format!("{prefix}_SSL_CERT='{certificate}'"),
            format!("{prefix}_SSL_KEY='{key}'"),
        ]);
    }
    let options = options.join(", ");
    match dialect {
        Dialect::Mysql => format!(
            "STOP REPLICA; RESET REPLICA ALL; CHANGE REPLICATION SOURCE TO {options}; START REPLICA;"
        ),
        // One that was the primary goes on from its own last transaction, which is counted apart.
        Dialect::Mariadb => format!(
            "STOP SLAVE; SET GLOBAL gtid_slave_pos = @@GLOBAL.gtid_current_pos; RESET SLAVE ALL; \
             CHANGE MASTER TO {options}; START SLAVE;"
        ),
    }
}

/// Waits until a copy has applied transactions, and fails where it does not: then what follows
/// is not done.
pub(super) fn catch_up(dialect: Dialect, transactions: &str) -> String {
    let wait = either(dialect, "WAIT_FOR_EXECUTED_GTID_SET", "MASTER_GTID_WAIT");
    let transactions = text(transactions);
    format!(
        "SELECT IF({wait}({transactions}, {CATCH_UP_S}) = 0, 0, (SELECT 1 UNION SELECT 2)) AS waited;"
    )
}

/// Writes a value that replicas have to acknowledge, with what the server counted before and
/// counts afterwards. It is written once before that: MariaDB does not wait for the first
/// transaction after waiting was switched on, and one that waits for ever is freed by the next.
pub(super) fn prove(dialect: Dialect, value: &str) -> String {
    let (yes, no) = (semi_sync(dialect, "yes_tx"), semi_sync(dialect, "no_tx"));
    let count = format!("SHOW GLOBAL STATUS WHERE Variable_name IN ('{yes}', '{no}');");
    let write = |value: &str| format!("REPLACE INTO `{OWN}`.`proof` VALUES (1, {});", text(value));
    let position = either(
        dialect,
        "SELECT REPLACE(@@GLOBAL.gtid_executed, '\n', '') AS position;",
        "SELECT @@GLOBAL.gtid_binlog_pos AS position;",
    );
    format!("{}\n{count}\n{}\n{count}\n{position}\n", write(""), write(value))
}

/// Reads the value that was last written by [`prove`].
pub(super) fn proved() -> String {
    format!("SELECT value FROM `{OWN}`.`proof` WHERE id = 1;")
}

/// Writes a number of a series and reads it back, as a client does.
pub(super) fn write_number(series: &str, number: u64) -> String {
    let series = text(series);
    format!(
        "INSERT INTO `{OWN}`.`numbers` VALUES ({series}, {number});\n\
         SELECT number FROM `{OWN}`.`numbers` WHERE series = {series} AND number = {number};\n"
    )
}

/// Reads all numbers of a series.
pub(super) fn numbers(series: &str) -> String {
    format!("SELECT number FROM `{OWN}`.`numbers` WHERE series = {};\n", text(series))
}

/// Removes all numbers of a series.
pub(super) fn forget_numbers(series: &str) -> String {
    format!("DELETE FROM `{OWN}`.`numbers` WHERE series = {};\n", text(series))
}

/// Gives a user a password. MySQL lets the former one in as well, until the next change.
fn password(dialect: Dialect, user: &str, password: &Secret) -> String {
    let retain = either(dialect, " RETAIN CURRENT PASSWORD", "");
    format!("ALTER USER '{user}'@'%' IDENTIFIED BY {}{retain};", text(password.expose()))
}

/// Lets a server read its certificate and key again.
pub(super) const fn reload_certificates(dialect: Dialect) -> &'static str {
    either(dialect, "ALTER INSTANCE RELOAD TLS;", "FLUSH SSL;")
}

/// Whether a server takes writes of clients.
pub(super) const fn is_closed(dialect: Dialect) -> &'static str {
    either(
        dialect,
        "SELECT @@GLOBAL.read_only OR @@GLOBAL.super_read_only AS closed;",
        "SELECT @@GLOBAL.read_only AS closed;",
    )
}

/// The transactions of a server, as they are waited for.
pub(super) const fn position(dialect: Dialect) -> &'static str {
    either(
        dialect,
        "SELECT REPLACE(@@GLOBAL.gtid_executed, '\\n', '') AS position;",
        "SELECT @@GLOBAL.gtid_current_pos AS position;",
    )
}

/// A read-only transaction of so many rows one by one and so many ranges.
pub(super) fn read_only(points: u64, ranges: u64) -> String {
    let point = |at: u64| format!("SELECT number FROM numbers WHERE series='load' AND number={at}");
    let range = |at: u64| {
        format!(
            "SELECT SUM(number) FROM numbers WHERE series='load' AND number BETWEEN {at} AND {}",
            at + 99
        )
    };
    let reads = (0..points).map(point).chain((0..ranges).map(range));
    let all: Vec<String> =
        std::iter::once("BEGIN".to_owned()).chain(reads).chain(["COMMIT".to_owned()]).collect();
    all.join(";")
}

/// Lets a replica read nothing more of its primary, and apply what it has read.
pub(super) const fn stop_reading(dialect: Dialect) -> &'static str {
    either(dialect, "STOP REPLICA IO_THREAD;", "STOP SLAVE IO_THREAD;")
}

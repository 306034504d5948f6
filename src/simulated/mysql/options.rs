//! The options of a server: those of its file, and what it is set to while it runs.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Refusal;
use crate::recipe::mysql::Dialect;

/// Options that have a value without being in a file, by engine: nothing, or one of the two.
const DEFAULTS: [(&str, &str, &str); 20] = [
    ("binlog_format", "ROW", "MIXED"),
    ("clone_valid_donor_list", "", ABSENT),
    ("group_replication_clone_threshold", "9223372036854775807", ABSENT),
    ("gtid_strict_mode", ABSENT, "OFF"),
    ("max_connections", "151", "151"),
    ("offline_mode", "OFF", ABSENT),
    ("port", "3306", "3306"),
    ("read_only", "OFF", "OFF"),
    ("require_secure_transport", "OFF", "OFF"),
    ("rpl_semi_sync_master_enabled", ABSENT, "OFF"),
    ("rpl_semi_sync_master_timeout", ABSENT, "10000"),
    ("rpl_semi_sync_master_wait_point", ABSENT, "AFTER_COMMIT"),
    ("rpl_semi_sync_replica_enabled", "OFF", ABSENT),
    ("rpl_semi_sync_slave_enabled", ABSENT, "OFF"),
    ("rpl_semi_sync_source_enabled", "OFF", ABSENT),
    ("rpl_semi_sync_source_timeout", "10000", ABSENT),
    ("rpl_semi_sync_source_wait_point", "AFTER_SYNC", ABSENT),
    ("server_id", "1", "1"),
    ("super_read_only", "OFF", ABSENT),
    ("sync_binlog", "1", "0"),
];
/// The engine has no such option.
const ABSENT: &str = "-";

/// Options of the file that no server reports as variables.
const UNREPORTED: [&str; 4] = ["mysqlx", "plugin_load_add", "skip_slave_start", "user"];

/// Options that a running server does not change.
const FIXED: [&str; 16] = [
    "back_log",
    "bind_address",
    "datadir",
    "innodb_buffer_pool_instances",
    "innodb_flush_method",
    "log_bin",
    "log_replica_updates",
    "log_slave_updates",
    "performance_schema",
    "port",
    "relay_log_recovery",
    "report_host",
    "skip_name_resolve",
    "skip_replica_start",
    "thread_handling",
    "thread_stack",
];

/// A word that no server understands.
const NONSENSE: &str = "nonsense";

/// Options with their values, as a server reports them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Options {
    values: BTreeMap<String, String>,
    /// Those that make it start, and are no variables.
    hidden: BTreeMap<String, String>,
}

/// A value as it is reported.
fn spelt(value: &str) -> String {
    match value.to_ascii_uppercase().as_str() {
        "ON" | "TRUE" => "ON".to_owned(),
        "OFF" | "FALSE" => "OFF".to_owned(),
        _ => value.to_owned(),
    }
}

impl Options {
    /// Reads `my.cnf`.
    ///
    /// # Errors
    /// The line for which a server does not start.
    pub(super) fn read(dialect: Dialect, text: &str) -> Result<Self, String> {
        let mut options = Self::default();
        for (name, mysql, mariadb) in DEFAULTS {
            let value = if dialect == Dialect::Mysql { mysql } else { mariadb };
            if value != ABSENT {
                options.values.insert(name.to_owned(), value.to_owned());
            }
        }
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with(['#', '['])) {
            let (name, value) = line.split_once('=').unwrap_or((line, "ON"));
            let (name, value) = (name.trim(), value.trim());
            let words = match dialect {
                Dialect::Mysql => ["rpl_semi_sync_master", "rpl_semi_sync_slave"],
                Dialect::Mariadb => ["rpl_semi_sync_source", "rpl_semi_sync_replica"],
            };
            if name == NONSENSE || words.iter().any(|word| name.starts_with(word)) {
                return Err(format!("unknown variable '{name}={value}'"));
            }
            let value = match name {
                "datadir" => format!("{}/", value.trim_end_matches('/')),
                "log_bin" => "ON".to_owned(),
                _ => spelt(value),
            };
            let is_hidden = UNREPORTED.contains(&name);
            let place = if is_hidden { &mut options.hidden } else { &mut options.values };
            place.insert(name.to_owned(), value);
        }
        options.couple("super_read_only");
        Ok(options)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        let value = self.values.get(name).or_else(|| self.hidden.get(name));
        value.is_some_and(|value| value == "ON" || value == "1")
    }

    /// A time in milliseconds.
    pub(super) fn millis(&self, name: &str) -> Duration {
        let value = self.get(name).and_then(|value| value.parse().ok());
        Duration::from_millis(value.unwrap_or_default())
    }

    /// Sets an option of the running server.
    ///
    /// # Errors
    /// That there is none, or that it is not changed while the server runs.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), Refusal> {
        if FIXED.contains(&name) {
            return Err(Refusal::general(
                1238,
                format!("Variable '{name}' is a read only variable"),
            ));
        }
        let Some(known) = self.values.get_mut(name) else {
            return Err(Refusal::general(1193, format!("Unknown system variable '{name}'")));
        };
        let is_switch = matches!(known.as_str(), "ON" | "OFF");
        *known = match value {
            "1" if is_switch => "ON".to_owned(),
            "0" if is_switch => "OFF".to_owned(),
            other => spelt(other),
        };
        self.couple(name);
        Ok(())
    }

    /// Of the two options by which MySQL takes no writes, the stronger includes the other.
    fn couple(&mut self, changed: &str) {
        let (weak, strong) = ("read_only", "super_read_only");
        let is = |name: &str, value: &str| self.get(name) == Some(value);
        let (name, value) = match changed {
            "super_read_only" if is(strong, "ON") => (weak, "ON"),
            "read_only" if is(weak, "OFF") => (strong, "OFF"),
            _ => return,
        };
        if let Some(known) = self.values.get_mut(name) {
            value.clone_into(known);
        }
    }
}

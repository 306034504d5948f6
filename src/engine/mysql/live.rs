//! Changes that a running server takes up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::session::{self, commanding};
use super::sql;
use super::target::Target;
use crate::engine::cluster::{FileChange, Uptake};
use crate::engine::{Crew, Difference, EngineError, Fact};
use crate::plan::Instance;
use crate::recipe::mysql::{CONFIG, GROUP_PLUGIN, Package, ROLE_FILES, ROLE_UNITS};

/// Options that a running server takes up from now on, in both engines where they know them.
/// <https://dev.mysql.com/doc/refman/8.4/en/dynamic-system-variables.html>
/// <https://mariadb.com/kb/en/server-system-variables/>
const DYNAMIC: [&str; 31] = [
    "binlog_expire_logs_seconds",
    "binlog_format",
    "group_replication_autorejoin_tries",
    "group_replication_consistency",
    "group_replication_exit_state_action",
    "group_replication_group_seeds",
    "group_replication_ip_allowlist",
    "group_replication_member_expel_timeout",
    "group_replication_member_weight",
    "group_replication_message_cache_size",
    "group_replication_unreachable_majority_timeout",
    "gtid_strict_mode",
    "innodb_buffer_pool_size",
    "innodb_flush_log_at_trx_commit",
    "innodb_io_capacity",
    "innodb_io_capacity_max",
    "innodb_log_file_size",
    "innodb_redo_log_capacity",
    "log_error_verbosity",
    "max_binlog_size",
    "max_connections",
    "replica_parallel_workers",
    "require_secure_transport",
    "rpl_semi_sync_master_timeout",
    "rpl_semi_sync_master_wait_point",
    "rpl_semi_sync_replica_enabled",
    "rpl_semi_sync_slave_enabled",
    "rpl_semi_sync_source_timeout",
    "rpl_semi_sync_source_wait_for_replica_count",
    "rpl_semi_sync_source_wait_point",
    "sync_binlog",
];

/// How long systemd may take to let a socket listen.
const SYSTEMD: Duration = Duration::from_secs(60);

/// Changes that are taken up live.
#[derive(Debug, Default)]
pub struct Live {
    /// Options with their values.
    options: BTreeMap<String, String>,
    /// Whether certificates are.
    certificates: bool,
    /// Whether the units by which gateways learn its role are others.
    role: bool,
}

/// The options in the text of a configuration.
fn options(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in text.lines().filter_map(|line| line.split_once(" = ")) {
        found.entry(name).or_default().push(value);
    }
    found
}

/// Refuses to turn encryption on or off where a server was set up: the user of replicas has to
/// show a certificate, or has none to show, and those that have the change could not copy those
/// that have not.
pub(super) fn judge(crew: &Crew<'_>, files: &[FileChange]) -> Result<(), EngineError> {
    let is_encrypted = |text: &str| options(text).contains_key("ssl_ca");
    let is_own = |text: &String| text.contains("Written by hostsplit");
    let turns = |change: &FileChange| {
        let before = change.before.as_ref().filter(|text| is_own(text));
        let is_config = change.file.path == CONFIG;
        is_config
            && before.is_some_and(|text| is_encrypted(text) != is_encrypted(&change.file.text))
    };
    let elects = |text: &str| {
        let plugins = options(text).remove("plugin_load_add").unwrap_or_default();
        plugins.contains(&GROUP_PLUGIN)
    };
    let decides = |change: &FileChange| {
        let before = change.before.as_ref().filter(|text| is_own(text));
        change.file.path == CONFIG
            && before.is_some_and(|text| elects(text) != elects(&change.file.text))
    };
    if files.iter().any(decides) {
        let what = "failover cannot be made manual or automatic for a database that is deployed \
                    yet: plan it as it was, or deploy another service beside it and bring the data \
                    there";
        return Err(crew.refusal(what.to_owned()));
    }
    if !files.iter().any(turns) {
        return Ok(());
    }
    let what = "tls cannot be turned on or off for a database that is deployed yet: plan it as it \
                was, or deploy another service beside it and bring the data there";
    Err(crew.refusal(what.to_owned()))
}

/// How a running server takes up changes.
pub(super) fn uptake(
    package: &Package,
    files: &[FileChange],
    running: Option<&[Difference]>,
) -> Uptake<Live> {
    let mut live = Live::default();
    for FileChange { file, before } in files {
        let path = file.path.as_str();
        live.role |= ROLE_FILES.contains(&path);
        let Some(before) = before else { continue };
        // Passwords are changed for the whole service, once all have the file.
        if package.tls.files().contains(&path) {
            live.certificates = true;
        } else if path == package.unit_config && *before != file.text {
            return Uptake::Restart;
        } else if path == CONFIG {
            let (old, new) = (options(before), options(&file.text));
            let names = old.keys().chain(new.keys());
            for name in names.filter(|name| old.get(*name) != new.get(*name)) {
                let value = new.get(name).and_then(|values| values.first());
                let Some(value) = value.filter(|_| DYNAMIC.contains(name)) else {
                    return Uptake::Restart;
                };
                live.options.insert((*name).to_owned(), (*value).to_owned());
            }
        }
    }
    for one in running.into_iter().flatten() {
        let Fact::Setting(name) = &one.fact else { continue };
        if !DYNAMIC.contains(&name.as_str()) {
            return Uptake::Restart;
        }
        live.options.insert(name.clone(), one.planned.clone());
    }
    let is_needed = live.certificates || live.role || !live.options.is_empty();
    match (files.is_empty(), is_needed) {
        (true, false) => Uptake::Nothing,
        _ => Uptake::Live(live),
    }
}

/// Lets a running server take up changes.
pub(super) fn take_up(
    crew: &Crew<'_>,
    target: &Target,
    instance: &Instance,
    changes: &Live,
) -> Result<Vec<String>, EngineError> {
    let (package, dialect) = (target.package, target.package.dialect);
    let guest = crew.guest(&instance.name)?;
    let mut done = Vec::new();
    for (name, value) in &changes.options {
        let is_word = !value.bytes().all(|byte| byte.is_ascii_digit());
        let value = if is_word { format!("'{value}'") } else { value.clone() };
        session::send(&guest, package, &sql::set(name, &value), commanding())?;
        done.push(format!("set {name}"));
    }
    if changes.certificates {
        session::send(&guest, package, sql::reload_certificates(dialect), commanding())?;
        done.push("read certificates again".to_owned());
    }
    if changes.role {
        for unit in ROLE_UNITS {
            guest.run_ok(&["systemctl", "restart", unit], SYSTEMD)?;
        }
        done.push(format!("restarted {}", ROLE_UNITS.join(" and ")));
    }
    Ok(done)
}

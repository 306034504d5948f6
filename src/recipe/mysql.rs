//! MySQL and MariaDB: options of `[mysqld]`. Planned, not yet deployed.
//!
//! Names and defaults differ between the two: MySQL speaks of source and replica since
//! 8.0.26, MariaDB of master and slave. Every server boots read-only: only a decision
//! makes a primary.
//! <https://dev.mysql.com/doc/refman/8.4/en/replication-semisync-interface.html>
//! <https://mariadb.com/kb/en/semisynchronous-replication/>

use super::{Planned, Recipe, settings_of};
use crate::plan::{Setting, Settings};
use crate::profile::{PrimaryReplica, Rules};
use crate::sizing::primary_replica::memory::pool_mib;
use crate::spec::{Demand, RelationalDemand};
use crate::units::Mebibytes;

/// The engines' own port.
const PORT: u64 = 3306;
/// How long a primary waits for a replica's acknowledgement before it goes on alone, in
/// milliseconds; the default of both engines.
const SEMI_SYNC_TIMEOUT_MS: u64 = 10_000;
/// Smallest and largest redo log. The manual asks for an hour of writes; more only
/// lengthens recovery.
/// <https://dev.mysql.com/doc/refman/8.4/en/innodb-redo-log.html>
const REDO_MIB: (u64, u64) = (256, 8_192);
/// The least that both engines flush per second in the background.
const IO_CAPACITY: u64 = 200;

const MAIN: &[&str] = &["innodb_buffer_pool_size", "server_id", "innodb_io_capacity"];

/// MySQL 8.4 and later.
pub(super) static MYSQL: Recipe = Recipe { settings: mysql, main: MAIN, setup: None };

/// MariaDB 10.11 and later.
pub(super) static MARIADB: Recipe = Recipe { settings: mariadb, main: MAIN, setup: None };

fn mysql(planned: &Planned<'_>) -> Settings {
    let Some((demand, rules)) = asked(planned) else { return Settings::new() };
    let mut settings = common(planned, rules);
    settings.extend(settings_of([
        ("gtid_mode", true.into()),
        ("enforce_gtid_consistency", true.into()),
        ("log_replica_updates", true.into()),
        ("super_read_only", true.into()),
        ("innodb_redo_log_capacity", redo(demand, rules).into()),
        ("replica_parallel_workers", u64::from(planned.service.layout.vcpus).into()),
    ]));
    if planned.service.layout.copies > 1 {
        settings.extend(settings_of([
            ("plugin_load_add", Setting::words(["semisync_source.so", "semisync_replica.so"])),
            ("rpl_semi_sync_source_wait_point", "AFTER_SYNC".into()),
            ("rpl_semi_sync_source_timeout", Setting::Millis(SEMI_SYNC_TIMEOUT_MS)),
            ("rpl_semi_sync_source_wait_for_replica_count", 1.into()),
            ("rpl_semi_sync_replica_enabled", true.into()),
        ]));
    }
    settings
}

fn mariadb(planned: &Planned<'_>) -> Settings {
    let Some((demand, rules)) = asked(planned) else { return Settings::new() };
    let mut settings = common(planned, rules);
    settings.extend(settings_of([
        ("gtid_strict_mode", true.into()),
        ("log_slave_updates", true.into()),
        ("innodb_log_file_size", redo(demand, rules).into()),
        ("slave_parallel_threads", u64::from(planned.service.layout.vcpus).into()),
    ]));
    if planned.service.layout.copies > 1 {
        settings.extend(settings_of([
            // Its own default is AFTER_COMMIT, which shows writes that may be lost.
            ("rpl_semi_sync_master_wait_point", "AFTER_SYNC".into()),
            ("rpl_semi_sync_master_timeout", Setting::Millis(SEMI_SYNC_TIMEOUT_MS)),
            ("rpl_semi_sync_slave_enabled", true.into()),
        ]));
    }
    settings
}

fn asked<'a>(planned: &Planned<'a>) -> Option<(&'a RelationalDemand, &'a PrimaryReplica)> {
    match (&planned.service.demand, &planned.profile.rules) {
        (Demand::PrimaryReplica(demand), Rules::PrimaryReplica(rules)) => Some((demand, rules)),
        _ => None,
    }
}

/// What both engines call the same.
fn common(planned: &Planned<'_>, rules: &PrimaryReplica) -> Settings {
    let Planned { service, instance, profile, .. } = *planned;
    let pool = pool_mib(profile, rules, service.layout.memory_mib);
    let io = service.capacity.iops_per_s.get().max(IO_CAPACITY);
    // The volume was sized to hold the binary log for as long.
    let kept_s = rules.disk.binlog_hours.whole().saturating_mul(3_600);
    let mut settings = settings_of([
        ("port", PORT.into()),
        ("skip_name_resolve", true.into()),
        ("read_only", true.into()),
        ("log_bin", "binlog".into()),
        ("binlog_format", "ROW".into()),
        ("binlog_expire_logs_seconds", kept_s.into()),
        ("sync_binlog", 1.into()),
        ("relay_log_recovery", true.into()),
        ("innodb_flush_log_at_trx_commit", 1.into()),
        ("innodb_flush_method", "O_DIRECT".into()),
        ("innodb_buffer_pool_size", pool.into()),
        ("innodb_io_capacity", io.into()),
        ("innodb_io_capacity_max", io.saturating_mul(2).into()),
    ]);
    if let Some(id) = server_id(planned) {
        settings.insert("server_id".to_owned(), id.into());
    }
    if let Some(address) = instance.address {
        settings.insert("bind_address".to_owned(), address.into());
        settings.insert("report_host".to_owned(), address.into());
    }
    settings
}

/// A number that no other instance of the service has, and that stays as long as the
/// name does: the name's own, counted from 1.
fn server_id(planned: &Planned<'_>) -> Option<u64> {
    let name = planned.instance.name.as_str();
    let ordinal = name.strip_prefix(planned.service.name.as_str())?.strip_prefix('-')?;
    ordinal.parse::<u64>().ok()?.checked_add(1)
}

/// An hour of the binary log's writes, within bounds.
fn redo(demand: &RelationalDemand, rules: &PrimaryReplica) -> Mebibytes {
    let hourly = demand.writes_per_s.get().saturating_mul(3_600);
    let bytes = hourly.saturating_mul(rules.disk.binlog_bytes.whole());
    Mebibytes::new((bytes >> 20).clamp(REDO_MIB.0, REDO_MIB.1))
}

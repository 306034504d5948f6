//! The options of `[mysqld]`.

use super::{PORT, Package, files, group};
use crate::plan::{Setting, Settings};
use crate::profile::{PrimaryReplica, Rules};
use crate::recipe::{Planned, settings_of};
use crate::sizing::primary_replica::memory::pool_mib;
use crate::spec::{Demand, FailoverMode, RelationalDemand, Tls};
use crate::units::Mebibytes;

/// How long a primary waits for a replica's acknowledgement before it goes on alone, in
/// milliseconds; the default of both engines.
const SEMI_SYNC_TIMEOUT_MS: u64 = 10_000;
/// Smallest and largest redo log. The manual asks for an hour of writes; more only
/// lengthens recovery.
/// <https://dev.mysql.com/doc/refman/8.4/en/innodb-redo-log.html>
const REDO_MIB: (u64, u64) = (256, 8_192);
/// Smallest and largest file of the binary log; the largest that there can be.
/// <https://dev.mysql.com/doc/refman/8.4/en/replication-options-binary-log.html>
const BINLOG_MIB: (Mebibytes, Mebibytes) = (Mebibytes::new(64), Mebibytes::new(1_024));
/// What the buffer pool grows by.
const CHUNK_MIB: u64 = 128;
/// The least that both engines flush per second in the background.
const IO_CAPACITY: u64 = 200;

pub(super) fn mysql(planned: &Planned<'_>) -> Settings {
    let Some((demand, rules)) = asked(planned) else { return Settings::new() };
    let mut settings = common(planned, (demand, rules), pool_instances);
    let pool = pool(planned, demand, rules);
    settings.extend(settings_of([
        ("gtid_mode", true.into()),
        ("enforce_gtid_consistency", true.into()),
        ("log_replica_updates", true.into()),
        ("super_read_only", true.into()),
        ("mysqlx", false.into()),
        // At 2 a server does not log that it goes on without an acknowledgement.
        ("log_error_verbosity", 3.into()),
        ("innodb_buffer_pool_instances", pool_instances(pool.get()).into()),
        ("innodb_redo_log_capacity", redo(demand, rules).into()),
        ("replica_parallel_workers", u64::from(planned.service.layout.vcpus).into()),
    ]));
    settings.extend(match demand.failover {
        FailoverMode::Manual => semi_sync(),
        FailoverMode::Automatic => group::settings(planned, demand, rules),
    });
    settings
}

/// How a primary waits for its replicas.
fn semi_sync() -> Settings {
    settings_of([
        // All servers have the same plugins, which a clone asks for, also one that has no
        // copy yet: so a copy can be added while it runs.
        (
            "plugin_load_add",
            Setting::words(["semisync_source.so", "semisync_replica.so", "mysql_clone.so"]),
        ),
        ("rpl_semi_sync_source_wait_point", "AFTER_SYNC".into()),
        ("rpl_semi_sync_source_timeout", Setting::Millis(SEMI_SYNC_TIMEOUT_MS)),
        ("rpl_semi_sync_source_wait_for_replica_count", 1.into()),
        ("rpl_semi_sync_replica_enabled", true.into()),
    ])
}

pub(super) fn mariadb(planned: &Planned<'_>) -> Settings {
    let Some((demand, rules)) = asked(planned) else { return Settings::new() };
    let mut settings = common(planned, (demand, rules), |_| 1);
    settings.extend(settings_of([
        ("gtid_strict_mode", true.into()),
        // The default of MySQL, which is about to know no other.
        ("binlog_format", "ROW".into()),
        ("log_slave_updates", true.into()),
        ("innodb_log_file_size", redo(demand, rules).into()),
        ("slave_parallel_threads", u64::from(planned.service.layout.vcpus).into()),
        // Its own default is AFTER_COMMIT, which shows writes that may be lost.
        ("rpl_semi_sync_master_wait_point", "AFTER_SYNC".into()),
        ("rpl_semi_sync_master_timeout", Setting::Millis(SEMI_SYNC_TIMEOUT_MS)),
        ("rpl_semi_sync_slave_enabled", true.into()),
    ]));
    settings
}

fn asked<'a>(planned: &Planned<'a>) -> Option<(&'a RelationalDemand, &'a PrimaryReplica)> {
    match (&planned.service.demand, &planned.profile.rules) {
        (Demand::PrimaryReplica(demand), Rules::PrimaryReplica(rules)) => Some((demand, rules)),
        _ => None,
    }
}

/// The buffer pool.
fn pool(planned: &Planned<'_>, demand: &RelationalDemand, rules: &PrimaryReplica) -> Mebibytes {
    let Planned { service, profile, .. } = *planned;
    let groups = u64::from(service.layout.groups);
    pool_mib((profile, rules), demand, groups, service.layout.memory_mib)
}

/// What both engines call the same.
fn common(
    planned: &Planned<'_>,
    (demand, rules): (&RelationalDemand, &PrimaryReplica),
    instances: impl Fn(u64) -> u64,
) -> Settings {
    let Planned { service, instance, .. } = *planned;
    let pool = pool(planned, demand, rules).get();
    let pool = Mebibytes::new(whole_chunks(pool, instances(pool)));
    let io = service.capacity.iops_per_s.get().max(IO_CAPACITY);
    // The volume was sized to hold the binary log for as long.
    let kept_s = rules.disk.binlog_hours.whole().saturating_mul(3_600);
    let binlog = binlog(planned, rules);
    let package = Package::of(service.engine);
    let mut settings = settings_of([
        ("user", package.owner.user.into()),
        ("datadir", files::directory().as_str().into()),
        ("port", u64::from(PORT).into()),
        ("skip_name_resolve", true.into()),
        ("read_only", true.into()),
        ("log_bin", "binlog".into()),
        ("binlog_expire_logs_seconds", kept_s.into()),
        ("max_binlog_size", binlog.into()),
        ("max_connections", connections(service.layout.vcpus).into()),
        ("sync_binlog", 1.into()),
        ("relay_log_recovery", true.into()),
        // What is acknowledged is on the replica's disk.
        ("sync_relay_log", 1.into()),
        ("innodb_flush_log_at_trx_commit", 1.into()),
        ("innodb_flush_method", "O_DIRECT".into()),
        ("innodb_buffer_pool_size", pool.into()),
        ("innodb_io_capacity", io.into()),
        ("innodb_io_capacity_max", io.saturating_mul(2).into()),
    ]);
    if service.access.tls.is_offered() {
        settings.extend(settings_of([
            ("ssl_ca", package.tls.authority.into()),
            ("ssl_cert", package.tls.certificate.into()),
            ("ssl_key", package.tls.key.into()),
            ("require_secure_transport", (service.access.tls == Tls::On).into()),
        ]));
    }
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

/// Parts of the buffer pool, each with a lock of its own: of 1 GiB or more, 8 at most.
/// <https://dev.mysql.com/doc/refman/8.4/en/innodb-multiple-buffer-pools.html>
fn pool_instances(pool_mib: u64) -> u64 {
    (pool_mib >> 10).clamp(1, 8)
}

/// A pool of whole chunks in each part, so that it is not rounded up beyond the memory that
/// was planned for it.
/// <https://dev.mysql.com/doc/refman/8.4/en/innodb-buffer-pool-resize.html>
fn whole_chunks(pool_mib: u64, instances: u64) -> u64 {
    let step = CHUNK_MIB.saturating_mul(instances);
    let whole = pool_mib - pool_mib % step;
    if whole == 0 { pool_mib } else { whole }
}

/// Connections: the engines' default, or more where there are CPUs for them. Far above the
/// number of statements at the same time from which on throughput falls.
fn connections(vcpus: u32) -> u64 {
    u64::from(vcpus).saturating_mul(32).max(151)
}

/// Size of a file of the binary log: a sixteenth of what is kept of it, since whole files are
/// removed.
fn binlog(planned: &Planned<'_>, rules: &PrimaryReplica) -> Mebibytes {
    let Demand::PrimaryReplica(demand) = &planned.service.demand else { return BINLOG_MIB.1 };
    let hourly = demand.writes_per_s.get().saturating_mul(3_600);
    let kept = hourly.saturating_mul(rules.disk.binlog_hours.whole());
    let bytes = kept.saturating_mul(rules.disk.binlog_bytes.whole());
    Mebibytes::new(bytes >> 24).clamp(BINLOG_MIB.0, BINLOG_MIB.1)
}

//! Live migration between two hosts, led by this program: it holds a connection to both,
//! so they need no credentials for each other.

use std::ops::ControlFlow;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use virt::connect::Connect;
use virt::domain::{Domain, JobStats, MigrateParameters};
use virt_sys as sys;

use super::error::CallSite;
use super::unwrapped;
use crate::hypervisor::{Migrated, MigrationProgress, MigrationRequest, Result};

/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Rounds over the memory before the rest is left to post-copy: the first sends all of it,
/// the second what the guest wrote meanwhile.
const ROUNDS: u64 = 2;

/// Moves a running domain.
pub(super) fn migrate(
    source: &Connect,
    destination: &Connect,
    site: &CallSite<'_>,
    request: &MigrationRequest,
    watch: &mut dyn FnMut(&MigrationProgress) -> ControlFlow<()>,
) -> Result<Migrated> {
    let domain = site.named(source.lookup_domain_by_name(&request.domain))?;
    let moved = thread::scope(|scope| {
        let (sender, ended) = channel();
        let domain = &domain;
        scope.spawn(move || {
            let moved = domain.migrate3(destination, parameters(request), flags(request));
            // The receiver lives until the answer has come.
            let _ = sender.send(moved);
        });
        let mut looking = true;
        let mut post_copy = request.post_copy;
        loop {
            match ended.recv_timeout(LOOK) {
                Ok(moved) => return site.named(moved),
                Err(RecvTimeoutError::Timeout) if looking => {}
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(site.error("the call ended without an answer"));
                }
            }
            // Before it begins and after its end there is no job to look at.
            let Ok(stats) = domain.job_stats(0) else { continue };
            if watch(&progress(&stats)).is_break() {
                looking = false;
                report("not aborted", unwrapped::abort_job(domain));
            } else if post_copy && stats.mem_iteration.is_some_and(|round| round > ROUNDS) {
                post_copy = false;
                report("no post-copy", unwrapped::start_post_copy(domain));
            }
        }
    })?;
    Ok(summary(&moved))
}

/// A request that is refused changes nothing: the migration goes on as it is.
fn report(what: &str, asked: std::result::Result<(), virt::error::Error>) {
    if let Err(error) = asked {
        tracing::info!(%error, "{what}");
    }
}

fn flags(request: &MigrationRequest) -> sys::virDomainMigrateFlags {
    // Auto-converge slows a guest down that writes faster than the network takes, and no
    // other one.
    let always = sys::VIR_MIGRATE_LIVE
        | sys::VIR_MIGRATE_PERSIST_DEST
        | sys::VIR_MIGRATE_ABORT_ON_ERROR
        | sys::VIR_MIGRATE_CHANGE_PROTECTION
        | sys::VIR_MIGRATE_AUTO_CONVERGE;
    let optional = [
        // Roots are overlays on an image that the destination has: their own bytes do.
        (!request.copied_disks.is_empty(), sys::VIR_MIGRATE_NON_SHARED_INC),
        // libvirt knows shared storage by the type of its file system, and not all types. Our
        // disks bypass the host's cache, which is what it cares for.
        (request.copied_disks.is_empty(), sys::VIR_MIGRATE_UNSAFE),
        (request.post_copy, sys::VIR_MIGRATE_POSTCOPY),
        (request.tls, sys::VIR_MIGRATE_TLS),
        (request.connections.is_some(), sys::VIR_MIGRATE_PARALLEL),
    ];
    optional.iter().filter(|(wanted, _)| *wanted).fold(always, |all, (_, flag)| all | flag)
}

fn parameters(request: &MigrationRequest) -> MigrateParameters {
    MigrateParameters {
        dest_xml: Some(request.xml.clone()),
        persist_xml: Some(request.persistent_xml.clone()),
        uri: request.uri.clone(),
        bandwidth: request.bandwidth_mib_s,
        migrate_disks: request.copied_disks.clone(),
        parallel_connections: request.connections,
        ..MigrateParameters::default()
    }
}

fn progress(stats: &JobStats) -> MigrationProgress {
    let done = stats.data_processed.unwrap_or(0);
    let left = stats.data_remaining.unwrap_or(0);
    MigrationProgress { done, total: done.saturating_add(left) }
}

/// Returns what QEMU says of a migration that is over; it need not know.
fn summary(moved: &Domain) -> Migrated {
    let stats = moved.job_stats(sys::VIR_DOMAIN_JOB_STATS_COMPLETED).unwrap_or_default();
    Migrated {
        downtime: stats.downtime.map(Duration::from_millis),
        sent: stats.data_processed.filter(|bytes| *bytes > 0),
    }
}

//! Apache httpd with its event MPM, and nginx: limits of workers and connections.
//! Planned, not yet deployed.

use super::{Planned, Recipe, settings_of};
use crate::plan::{Setting, Settings};
use crate::profile::{Pool, Rules};
use crate::spec::Demand;

/// `ThreadsPerChild`: the event MPM's default `ThreadLimit`, so that no other limit has
/// to be raised.
/// <https://httpd.apache.org/docs/2.4/mod/mpm_common.html>
const THREADS_PER_CHILD: u64 = 64;
/// The ratio of CPUs to listening sockets that the manual recommends where there are at
/// least twice as many CPUs; below that Apache keeps to one socket.
/// <https://httpd.apache.org/docs/2.4/mod/mpm_common.html#listencoresbucketsratio>
const CORES_PER_SOCKET: u64 = 8;
/// Connections of an nginx worker: a proposal. An idle one takes a few KiB.
const CONNECTIONS: u64 = 4_096;
/// Seconds that a connection is kept for a further request: Apache's default, and far
/// below nginx's 75, since an idle connection holds memory on both sides of a gateway.
const KEEP_ALIVE_S: u64 = 5;

/// Apache httpd 2.4.
pub(super) static APACHE: Recipe = Recipe {
    settings: apache,
    main: &["MaxRequestWorkers", "ServerLimit", "ThreadsPerChild", "ListenCoresBucketsRatio"],
    setup: None,
};

/// nginx.
pub(super) static NGINX: Recipe =
    Recipe { settings: nginx, main: &["worker_processes", "worker_connections"], setup: None };

fn apache(planned: &Planned<'_>) -> Settings {
    let Some(rules) = rules(planned) else { return Settings::new() };
    let vcpus = u64::from(planned.service.layout.vcpus);
    let workers = rules.memory.workers_per_vcpu.whole().saturating_mul(vcpus);
    let children = workers.div_ceil(THREADS_PER_CHILD).max(1);
    let mut settings = settings_of([
        ("ThreadsPerChild", THREADS_PER_CHILD.into()),
        ("MaxRequestWorkers", children.saturating_mul(THREADS_PER_CHILD).into()),
        // Twice as many: a graceful restart needs places for new children beside old
        // ones that still serve.
        ("ServerLimit", children.saturating_mul(2).into()),
        ("KeepAlive", true.into()),
        ("KeepAliveTimeout", KEEP_ALIVE_S.into()),
    ]);
    if vcpus >= 2 * CORES_PER_SOCKET {
        settings.insert("ListenCoresBucketsRatio".to_owned(), CORES_PER_SOCKET.into());
    }
    settings.insert("Listen".to_owned(), listen(planned));
    settings
}

fn nginx(planned: &Planned<'_>) -> Settings {
    if rules(planned).is_none() {
        return Settings::new();
    }
    let vcpus = u64::from(planned.service.layout.vcpus);
    settings_of([
        ("worker_processes", vcpus.into()),
        ("worker_cpu_affinity", "auto".into()),
        ("worker_connections", CONNECTIONS.into()),
        // A proxied request takes two descriptors.
        ("worker_rlimit_nofile", (2 * CONNECTIONS).into()),
        // One listening socket for each worker: the kernel spreads the connections.
        ("reuseport", true.into()),
        ("keepalive_timeout", KEEP_ALIVE_S.into()),
        ("listen", listen(planned)),
    ])
}

/// The numbers of the profile, where demand and profile are those of a pool.
fn rules<'a>(planned: &Planned<'a>) -> Option<&'a Pool> {
    match (&planned.service.demand, &planned.profile.rules) {
        (Demand::Pool(_), Rules::Pool(rules)) => Some(rules),
        _ => None,
    }
}

/// Address and port; the port alone where no address is planned.
fn listen(planned: &Planned<'_>) -> Setting {
    let port = planned.service.access.web_port();
    match planned.instance.address {
        Some(address) => format!("{address}:{port}").as_str().into(),
        None => u64::from(port).into(),
    }
}

//! The settings of web servers: limits from the numbers of the plan, where they listen, and
//! where their content is.

use super::{PAGE, content_directory};
use crate::plan::{Setting, Settings};
use crate::profile::{Pool, Rules};
use crate::recipe::{Planned, settings_of};
use crate::spec::{Demand, Serve, Target};

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

/// The settings of Apache.
pub(super) fn apache(planned: &Planned<'_>) -> Settings {
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
        ("Listen", listen(planned)),
    ]);
    if vcpus >= 2 * CORES_PER_SOCKET {
        settings.insert("ListenCoresBucketsRatio".to_owned(), CORES_PER_SOCKET.into());
    }
    serve(planned, &super::apache::NAMES, &mut settings);
    settings
}

/// The settings of nginx.
pub(super) fn nginx(planned: &Planned<'_>) -> Settings {
    if rules(planned).is_none() {
        return Settings::new();
    }
    let vcpus = u64::from(planned.service.layout.vcpus);
    let mut settings = settings_of([
        ("worker_processes", vcpus.into()),
        ("worker_cpu_affinity", "auto".into()),
        ("worker_connections", CONNECTIONS.into()),
        // A proxied request takes two descriptors.
        ("worker_rlimit_nofile", (2 * CONNECTIONS).into()),
        // One listening socket for each worker: the kernel spreads the connections.
        ("reuseport", true.into()),
        ("keepalive_timeout", KEEP_ALIVE_S.into()),
        ("listen", listen(planned)),
    ]);
    serve(planned, &super::nginx::NAMES, &mut settings);
    settings
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

/// What is served, and who may see how the instance is.
fn serve(planned: &Planned<'_>, names: &super::Names, settings: &mut Settings) {
    let Planned { plan, service, .. } = *planned;
    let mut set = |name: &str, value: Setting| settings.insert(name.to_owned(), value);
    match &service.serve {
        None => drop(set(names.root, PAGE.into())),
        Some(Serve::Content { sha256, .. }) => {
            set(names.root, content_directory(sha256).as_str().into());
        }
        Some(Serve::Proxy { to: Target::Server(server) }) => {
            set(names.servers, Setting::words([server]));
        }
        Some(Serve::Proxy { to: Target::Service(name) }) => {
            let port = plan.service(name).map_or(0, |to| to.access.web_port());
            let members = plan.members(name).filter_map(|one| one.address);
            let servers = members.map(|address| format!("{address}:{port}"));
            set(names.servers, Setting::words(servers));
        }
        Some(Serve::Config { .. }) => {}
    }
    if let Some(network) = &plan.network {
        let subnet = format!("{}/{}", network.subnet, network.prefix);
        set(names.allow, subnet.as_str().into());
    }
}

//! Configuration of an instance, by directive of the engine.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::Layout;
use super::build::Draft;
use crate::sizing::{self, io_threads, max_memory_bytes};
use crate::spec::{Demand, Persistence, Service};
use crate::units::Mebibytes;

/// Directives of `redis.conf`.
pub(super) fn redis(
    draft: &Draft,
    service: &Service,
    layout: &Layout,
    address: Ipv4Addr,
) -> BTreeMap<String, String> {
    let profile = sizing::profile(service, draft.profiles);
    let Demand::Redis(demand) = &service.demand;
    let persistence = demand.persistence;
    let memory = max_memory_bytes(profile, layout.memory_mib, layout.copies, persistence);
    let yes_no = |yes: bool| if yes { "yes" } else { "no" };
    // The intervals of the shipped redis.conf; an empty text turns snapshots off.
    let save =
        if persistence == Persistence::Rdb { "3600 1 300 100 60 10000" } else { "\"\"" };
    let mut config: BTreeMap<String, String> = [
        ("bind", "0.0.0.0"),
        ("port", "6379"),
        ("protected-mode", "no"),
        ("dir", "/var/lib/redis"),
        // A full master refuses writes rather than lose keys in silence.
        ("maxmemory-policy", "noeviction"),
        ("appendonly", yes_no(persistence == Persistence::Aof)),
        ("save", save),
        ("cluster-enabled", "yes"),
        ("cluster-config-file", "nodes.conf"),
        // A replica that moved to another master could end up on its host.
        ("cluster-allow-replica-migration", "no"),
        ("repl-diskless-sync", "yes"),
    ]
    .map(|(directive, value)| (directive.to_owned(), value.to_owned()))
    .into();
    let mut set = |directive: &str, value: String| {
        config.insert(directive.to_owned(), value);
    };
    set("maxmemory", memory.to_string());
    // Silence that is shorter than a saving fork or a busy host's hiccup must
    // not start a failover; so the value of the shipped file is kept.
    set("cluster-node-timeout", profile.cluster.node_timeout_ms.whole().to_string());
    set("cluster-announce-ip", address.to_string());
    if persistence == Persistence::Aof {
        set("appendfsync", "everysec".to_owned());
    }
    if layout.copies > 1 {
        let backlog = Mebibytes::new(profile.memory.backlog_mib.whole());
        set("repl-backlog-size", backlog.bytes().to_string());
    }
    let threads = io_threads(profile, layout, sizing::threads(&draft.spec.topology));
    if threads > 1 {
        set("io-threads", threads.to_string());
    }
    config
}

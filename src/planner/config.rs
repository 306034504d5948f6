//! Configuration of an instance, by directive of the engine.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::build::{Draft, Member};
use crate::profile::{Profile, Rules, Sharded};
use crate::sizing::io_threads;
use crate::sizing::sharded::Sizes;
use crate::software::Software;
use crate::spec::{Access, Demand, Persistence, ShardedDemand};
use crate::units::Mebibytes;

/// The configuration of an instance; none for engines that are only planned and
/// for fixed machines.
pub(super) fn of(
    draft: &Draft,
    member: &Member,
    address: Option<Ipv4Addr>,
) -> BTreeMap<String, String> {
    let Some((service, address)) = member.of.zip(address) else { return BTreeMap::new() };
    let profile = draft.profiles.of(service.engine);
    match (&service.demand, profile.map(|profile| (profile, &profile.rules))) {
        (Demand::Sharded(demand), Some((profile, Rules::Sharded(rules)))) => {
            let mut config = redis(demand, profile, rules, member, address);
            if let Some(software) = Software::of(service.engine.as_str()) {
                config.insert("dir".to_owned(), software.directory.to_owned());
                config.extend(access(&service.access, software));
            }
            config
        }
        _ => BTreeMap::new(),
    }
}

/// Directives that let in who may and keep others out. The passwords stand in a
/// file of their own, which no plan holds.
fn access(access: &Access, software: &Software) -> BTreeMap<String, String> {
    let mut directives = Vec::new();
    match access.password {
        Some(_) => directives.extend([
            ("protected-mode", "yes"),
            ("include", software.secrets),
            // Of the users in that file the one that may copy, and nothing else.
            ("masteruser", "replica"),
        ]),
        None => directives.push(("protected-mode", "no")),
    }
    if access.tls {
        let tls = &software.tls;
        directives.extend([
            ("port", "0"),
            ("tls-port", "6379"),
            ("tls-replication", "yes"),
            ("tls-cluster", "yes"),
            // Clients prove who they are by their password; on the cluster's bus
            // the engine asks for certificates all the same.
            ("tls-auth-clients", "no"),
            ("tls-ca-cert-file", tls.authority),
            ("tls-cert-file", tls.certificate),
            ("tls-key-file", tls.key),
        ]);
    }
    directives.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Directives of `redis.conf`, which Valkey reads as well.
fn redis(
    demand: &ShardedDemand,
    profile: &Profile,
    rules: &Sharded,
    member: &Member,
    address: Ipv4Addr,
) -> BTreeMap<String, String> {
    let layout = &member.candidate.layout;
    let (copies, persistence) = (layout.copies, demand.persistence);
    let sizes = Sizes { profile, rules, copies, persistence };
    let memory = sizes.max_memory_bytes(layout.memory_mib);
    let yes_no = |yes: bool| if yes { "yes" } else { "no" };
    // The intervals of the shipped redis.conf; an empty text turns snapshots off.
    let save = if persistence == Persistence::Rdb { "3600 1 300 100 60 10000" } else { "\"\"" };
    let mut config: BTreeMap<String, String> = [
        ("bind", "0.0.0.0"),
        ("port", "6379"),
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
    set("cluster-node-timeout", rules.cluster.node_timeout_ms.whole().to_string());
    set("cluster-announce-ip", address.to_string());
    if persistence == Persistence::Aof {
        set("appendfsync", "everysec".to_owned());
    }
    if layout.copies > 1 {
        let backlog = Mebibytes::new(sizes.backlog_mib());
        set("repl-backlog-size", backlog.bytes().to_string());
        // A copy begins when all replicas wait for it, not a few seconds later.
        set("repl-diskless-sync-max-replicas", (layout.copies - 1).to_string());
    }
    let placement = member.candidate.capacity.as_ref().map(|capacity| capacity.placement);
    let threads = placement.map_or(1, |placement| io_threads(profile, layout.vcpus, placement));
    if threads > 1 {
        set("io-threads", threads.to_string());
    }
    config
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::software;
    use crate::spec::Password;

    fn lines(access: &Access) -> String {
        let lines = super::access(access, &software::VALKEY).into_iter();
        lines.map(|(name, value)| format!("{name} {value}\n")).collect()
    }

    #[test]
    fn who_may_come_in_stands_in_a_file_of_its_own() {
        let access = Access { password: Some(Password::Generated), tls: false };
        insta::assert_snapshot!(lines(&access), @r"
        include /etc/valkey/secrets.conf
        masteruser replica
        protected-mode yes
        ");
        insta::assert_snapshot!(lines(&Access::default()), @"protected-mode no");
    }

    #[test]
    fn with_tls_nothing_goes_in_plain_text() {
        let access = Access { password: None, tls: true };
        insta::assert_snapshot!(lines(&access), @r"
        port 0
        protected-mode no
        tls-auth-clients no
        tls-ca-cert-file /etc/valkey/ca.crt
        tls-cert-file /etc/valkey/server.crt
        tls-cluster yes
        tls-key-file /etc/valkey/server.key
        tls-port 6379
        tls-replication yes
        ");
    }
}

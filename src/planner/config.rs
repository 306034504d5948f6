//! Configuration of an instance, by directive of the engine.

use std::net::Ipv4Addr;

use super::build::{Draft, Member};
use crate::plan::{Setting, Settings};
use crate::profile::{Profile, Rules, Sharded};
use crate::sizing::io_threads;
use crate::sizing::sharded::Sizes;
use crate::software::Software;
use crate::spec::{Access, Demand, Persistence, ShardedDemand};
use crate::units::Mebibytes;

/// Redis' own port for clients.
const PORT: u64 = 6379;

/// The configuration of an instance; none for engines that are only planned and
/// for fixed machines.
pub(super) fn of(draft: &Draft, member: &Member, address: Option<Ipv4Addr>) -> Settings {
    let Some((service, address)) = member.of.zip(address) else { return Settings::new() };
    let profile = draft.profiles.of(service.engine);
    match (&service.demand, profile.map(|profile| (profile, &profile.rules))) {
        (Demand::Sharded(demand), Some((profile, Rules::Sharded(rules)))) => {
            let mut config = redis(demand, profile, rules, member, address);
            if let Some(software) = Software::of(service.engine.as_str()) {
                config.insert("dir".to_owned(), software.directory.into());
                config.extend(access(&service.access, software));
            }
            config
        }
        _ => Settings::new(),
    }
}

/// Directives that let in who may and keep others out. The passwords stand in a
/// file of their own, which no plan holds.
fn access(access: &Access, software: &Software) -> Settings {
    let mut directives: Vec<(&str, Setting)> = Vec::new();
    match access.password {
        Some(_) => directives.extend([
            ("protected-mode", true.into()),
            ("include", software.secrets.into()),
            // Of the users in that file the one that may copy, and nothing else.
            ("masteruser", "replica".into()),
        ]),
        None => directives.push(("protected-mode", false.into())),
    }
    if access.tls {
        let tls = &software.tls;
        directives.extend([
            ("port", 0.into()),
            ("tls-port", PORT.into()),
            ("tls-replication", true.into()),
            ("tls-cluster", true.into()),
            // Clients prove who they are by their password; on the cluster's bus
            // the engine asks for certificates all the same.
            ("tls-auth-clients", false.into()),
            ("tls-ca-cert-file", tls.authority.into()),
            ("tls-cert-file", tls.certificate.into()),
            ("tls-key-file", tls.key.into()),
        ]);
    }
    directives.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Directives of `redis.conf`, which Valkey reads as well.
fn redis(
    demand: &ShardedDemand,
    profile: &Profile,
    rules: &Sharded,
    member: &Member,
    address: Ipv4Addr,
) -> Settings {
    let layout = &member.candidate.layout;
    let (copies, persistence) = (layout.copies, demand.persistence);
    let sizes = Sizes { profile, rules, copies, persistence };
    // The intervals of the shipped redis.conf; none turns snapshots off.
    let snapshots: &[u32] =
        if persistence == Persistence::Rdb { &[3600, 1, 300, 100, 60, 10000] } else { &[] };
    let mut settings: Settings = [
        ("bind", Setting::words([Ipv4Addr::UNSPECIFIED])),
        ("port", PORT.into()),
        ("maxmemory", Setting::Bytes(sizes.max_memory_bytes(layout.memory_mib))),
        // A full master refuses writes rather than lose keys in silence.
        ("maxmemory-policy", "noeviction".into()),
        ("appendonly", (persistence == Persistence::Aof).into()),
        ("save", Setting::words(snapshots)),
        ("cluster-enabled", true.into()),
        ("cluster-config-file", "nodes.conf".into()),
        ("cluster-announce-ip", address.into()),
        // A silence shorter than a saving fork or a busy host's hiccup must not start
        // a failover, so the value of the shipped file is kept.
        ("cluster-node-timeout", Setting::Millis(rules.cluster.node_timeout_ms.whole())),
        // A replica that moved to another master could end up on its host.
        ("cluster-allow-replica-migration", false.into()),
        ("repl-diskless-sync", true.into()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let mut set = |name: &str, value: Setting| settings.insert(name.to_owned(), value);
    if persistence == Persistence::Aof {
        set("appendfsync", "everysec".into());
    }
    if layout.copies > 1 {
        set("repl-backlog-size", Mebibytes::new(sizes.backlog_mib()).into());
        // A copy begins when all replicas wait for it, not a few seconds later.
        set("repl-diskless-sync-max-replicas", u64::from(layout.copies - 1).into());
    }
    let placement = member.candidate.capacity.as_ref().map(|capacity| capacity.placement);
    let threads = placement.map_or(1, |placement| io_threads(profile, layout.vcpus, placement));
    if threads > 1 {
        set("io-threads", u64::from(threads).into());
    }
    settings
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
        protected-mode on
        ");
        insta::assert_snapshot!(lines(&Access::default()), @"protected-mode off");
    }

    #[test]
    fn with_tls_nothing_goes_in_plain_text() {
        let access = Access { password: None, tls: true };
        insta::assert_snapshot!(lines(&access), @r"
        port 0
        protected-mode off
        tls-auth-clients off
        tls-ca-cert-file /etc/valkey/ca.crt
        tls-cert-file /etc/valkey/server.crt
        tls-cluster on
        tls-key-file /etc/valkey/server.key
        tls-port 6379
        tls-replication on
        ");
    }
}

//! The directives of a server: its file, and what it takes while it runs.
//!
//! Which directives are immutable or protected is read off `static_configs` in
//! `config.c` of Redis 8; the others are those of a deploy and the common ones.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::simulated::host::File;

/// Directives by name.
pub(super) type Config = BTreeMap<String, String>;

/// Directives that are read when the server starts and never again.
const IMMUTABLE: [&str; 31] = [
    "aclfile",
    "always-show-logo",
    "aof-rewrite-cpulist",
    "appenddirname",
    "appendfilename",
    "bgsave-cpulist",
    "bio-cpulist",
    "cluster-config-file",
    "cluster-enabled",
    "cluster-port",
    "daemonize",
    "databases",
    "disable-thp",
    "enable-debug-command",
    "enable-module-command",
    "enable-protected-configs",
    "io-threads",
    "io-threads-do-reads",
    "logfile",
    "pidfile",
    "rdbchecksum",
    "replicaof",
    "server-cpulist",
    "set-proc-title",
    "supervised",
    "syslog-enabled",
    "syslog-facility",
    "syslog-ident",
    "tcp-backlog",
    "unixsocket",
    "unixsocketperm",
];

/// Directives that `enable-protected-configs` guards, which is off unless set.
const PROTECTED: [&str; 2] = ["dbfilename", "dir"];

/// Directives that a running server takes.
const MUTABLE: [&str; 62] = [
    "active-expire-effort",
    "activedefrag",
    "aof-use-rdb-preamble",
    "appendfsync",
    "appendonly",
    "auto-aof-rewrite-min-size",
    "auto-aof-rewrite-percentage",
    "bind",
    "client-output-buffer-limit",
    "cluster-allow-reads-when-down",
    "cluster-allow-replica-migration",
    "cluster-announce-bus-port",
    "cluster-announce-hostname",
    "cluster-announce-ip",
    "cluster-announce-port",
    "cluster-announce-tls-port",
    "cluster-migration-barrier",
    "cluster-node-timeout",
    "cluster-preferred-endpoint-type",
    "cluster-replica-validity-factor",
    "cluster-require-full-coverage",
    "hz",
    "latency-monitor-threshold",
    "lazyfree-lazy-eviction",
    "lazyfree-lazy-expire",
    "lazyfree-lazy-server-del",
    "lazyfree-lazy-user-del",
    "lazyfree-lazy-user-flush",
    "loglevel",
    "masterauth",
    "masteruser",
    "maxclients",
    "maxmemory",
    "maxmemory-clients",
    "maxmemory-policy",
    "maxmemory-samples",
    "min-replicas-max-lag",
    "min-replicas-to-write",
    "no-appendfsync-on-rewrite",
    "port",
    "protected-mode",
    "repl-backlog-size",
    "repl-backlog-ttl",
    "repl-diskless-load",
    "repl-diskless-sync",
    "repl-diskless-sync-delay",
    "repl-diskless-sync-max-replicas",
    "repl-timeout",
    "requirepass",
    "save",
    "slowlog-log-slower-than",
    "slowlog-max-len",
    "stop-writes-on-bgsave-error",
    "tcp-keepalive",
    "timeout",
    "tls-auth-clients",
    "tls-ca-cert-file",
    "tls-cert-file",
    "tls-cluster",
    "tls-key-file",
    "tls-port",
    "tls-replication",
];

/// Reads a configuration file of a guest and what it includes.
pub(super) fn read(files: &BTreeMap<String, File>, path: &str) -> Result<String, String> {
    let text = |path: &str| -> Option<String> {
        Some(String::from_utf8_lossy(&files.get(path)?.bytes).into_owned())
    };
    let own = text(path).ok_or("Fatal error, can't open config file")?;
    let Some(included) = own.lines().find_map(|line| line.strip_prefix("include ")) else {
        return Ok(own);
    };
    let more = text(included).ok_or("Fatal error, can't open an included file")?;
    Ok(format!("{own}\n{more}"))
}

/// The directives of a text, one a line with its value, quotes taken off.
pub(super) fn directives(text: &str) -> Config {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once(' '));
    pairs.map(|(name, value)| (name.to_owned(), unquoted(value.trim()))).collect()
}

/// A value without its quotes; within them a backslash escapes the next character.
fn unquoted(value: &str) -> String {
    let mut text = String::new();
    let mut quoted = false;
    let mut characters = value.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => text.extend(characters.next()),
            c => text.push(c),
        }
    }
    text
}

/// The `cluster-node-timeout` of a configuration; Redis' own without one.
pub(super) fn node_timeout(config: &Config) -> Duration {
    let set = config.get("cluster-node-timeout").and_then(|value| value.parse().ok());
    Duration::from_millis(set.unwrap_or(15_000))
}

/// Whether data outlives a restart: a log of changes, or snapshots, which Redis makes
/// unless they are switched off.
pub(super) fn persists(config: &Config) -> bool {
    let is = |name: &str, value: &str| config.get(name).is_some_and(|set| set == value);
    is("appendonly", "yes") || !is("save", "")
}

/// Sets directives of a running server, all or none.
///
/// # Errors
/// What Redis says of the first that it refuses.
pub(super) fn set(config: &mut Config, words: &[&str]) -> Result<(), String> {
    let unknown = |name: &str| {
        Err(format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'"))
    };
    let mut changed = config.clone();
    for pair in words.chunks(2) {
        let &[name, value] = pair else {
            return Err("ERR wrong number of arguments for 'config|set' command".to_owned());
        };
        let name = name.to_ascii_lowercase();
        let is = |list: &[&str]| list.contains(&name.as_str());
        let protected = is(&PROTECTED)
            && config.get("enable-protected-configs").is_none_or(|value| value == "no");
        let why = match () {
            () if is(&IMMUTABLE) => "can't set immutable config",
            () if protected => "can't set protected config",
            () if is(&MUTABLE) || is(&PROTECTED) => {
                changed.insert(name, value.trim_matches('"').to_owned());
                continue;
            }
            () => return unknown(&name),
        };
        return Err(format!(
            "ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"
        ));
    }
    *config = changed;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_server_takes_all_directives_of_a_command_or_none() {
        let mut config = directives("port 6379\nmaxmemory 1gb\n");
        set(&mut config, &["maxmemory", "2gb", "HZ", "20"]).unwrap();
        assert_eq!(config["maxmemory"], "2gb");
        assert_eq!(config["hz"], "20");
        let before = config.clone();
        let mut refused = |words: &[&str]| set(&mut config, words).unwrap_err();
        insta::assert_snapshot!(
            refused(&["maxmemory", "3gb", "io-threads", "4"]),
            @"ERR CONFIG SET failed (possibly related to argument 'io-threads') - can't set immutable config"
        );
        insta::assert_snapshot!(
            refused(&["dir", "/tmp"]),
            @"ERR CONFIG SET failed (possibly related to argument 'dir') - can't set protected config"
        );
        insta::assert_snapshot!(
            refused(&["include", "/etc/redis/secrets.conf"]),
            @"ERR Unknown option or number of arguments for CONFIG SET - 'include'"
        );
        assert!(refused(&["maxmemory"]).contains("wrong number"));
        assert_eq!(config, before);
    }

    #[test]
    fn values_lose_their_quotes() {
        let config = directives("save \"\"\ndir \"/a b\"\nmasterauth \"a\\\"b\"\n# no 1\n");
        assert_eq!((config["save"].as_str(), config["dir"].as_str()), ("", "/a b"));
        assert_eq!((config["masterauth"].as_str(), config.len()), ("a\"b", 3));
    }

    #[test]
    fn a_directive_is_of_one_kind() {
        let all: Vec<&str> = [&IMMUTABLE[..], &PROTECTED, &MUTABLE].concat();
        let mut names = all.clone();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
    }
}

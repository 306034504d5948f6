//! Where a guest's system keeps the engines: units, files, users. All that
//! differs between engines of one kind in a guest stands here.
//!
//! As Debian 13 packages them; an image made of something else has to lay its
//! engines out in the same way.

/// An engine as a package brings it.
#[derive(Debug, PartialEq, Eq)]
pub struct Software {
    /// The engine, as specs write it.
    pub engine: &'static str,
    /// Its systemd unit, without `.service`.
    pub unit: &'static str,
    /// The program that sends it commands.
    pub client: &'static str,
    /// The program that puts load on it.
    pub benchmark: &'static str,
    /// Its configuration file.
    pub config: &'static str,
    /// The file with its passwords, which the configuration includes.
    pub secrets: &'static str,
    /// Where its certificate and key lie.
    pub tls: Tls,
    /// Where it keeps its data.
    pub directory: &'static str,
    /// User and group that it runs as.
    pub owner: &'static str,
    /// Lines for sysctl.d.
    pub sysctls: &'static [&'static str],
    /// Lines for tmpfiles.d.
    pub tmpfiles: &'static [&'static str],
}

/// Files of an instance that speaks TLS.
#[derive(Debug, PartialEq, Eq)]
pub struct Tls {
    /// The certificate of who signed all certificates.
    pub authority: &'static str,
    /// Its own certificate.
    pub certificate: &'static str,
    /// Its own key.
    pub key: &'static str,
}

/// Redis' administration guide, which Valkey's repeats: a fork for a snapshot must not fail for
/// want of free memory, the listen backlog must hold the engine's 511, and huge pages make
/// copy-on-write after the fork slow.
/// <https://redis.io/docs/latest/operate/oss_and_stack/management/admin/>
/// <https://valkey.io/topics/admin/>
const IN_MEMORY: &[&str] = &["vm.overcommit_memory = 1", "net.core.somaxconn = 65535"];
const NO_HUGE_PAGES: &[&str] = &["w /sys/kernel/mm/transparent_hugepage/enabled - - - - never"];

/// Redis 7 and 8.
pub static REDIS: Software = Software {
    engine: "redis",
    unit: "redis-server",
    client: "redis-cli",
    benchmark: "redis-benchmark",
    config: "/etc/redis/redis.conf",
    secrets: "/etc/redis/secrets.conf",
    tls: Tls {
        authority: "/etc/redis/ca.crt",
        certificate: "/etc/redis/server.crt",
        key: "/etc/redis/server.key",
    },
    directory: "/var/lib/redis",
    owner: "redis:redis",
    sysctls: IN_MEMORY,
    tmpfiles: NO_HUGE_PAGES,
};

/// Valkey 8.
pub static VALKEY: Software = Software {
    engine: "valkey",
    unit: "valkey-server",
    client: "valkey-cli",
    benchmark: "valkey-benchmark",
    config: "/etc/valkey/valkey.conf",
    secrets: "/etc/valkey/secrets.conf",
    tls: Tls {
        authority: "/etc/valkey/ca.crt",
        certificate: "/etc/valkey/server.crt",
        key: "/etc/valkey/server.key",
    },
    directory: "/var/lib/valkey",
    owner: "valkey:valkey",
    sysctls: IN_MEMORY,
    tmpfiles: NO_HUGE_PAGES,
};

impl Software {
    /// All that can be set up.
    pub const ALL: [&'static Self; 2] = [&REDIS, &VALKEY];

    /// The software of an engine; `None` where it cannot be set up yet.
    #[must_use]
    pub fn of(engine: &str) -> Option<&'static Self> {
        Self::ALL.into_iter().find(|software| software.engine == engine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn software_of_two_engines_shares_no_file_and_no_unit() {
        let parts = |one: &Software| {
            let Tls { authority, certificate, key } = one.tls;
            [one.unit, one.config, one.secrets, authority, certificate, key, one.directory]
        };
        let mut all: Vec<&str> = Software::ALL.into_iter().flat_map(parts).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(Software::of("redis"), Some(&REDIS));
        assert_eq!(Software::of("mysql"), None);
    }
}

//! Redis and Valkey: one configuration file of directives, and one with users and
//! their passwords that it includes.

pub mod slots;
mod users;
mod words;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde::Serialize;

pub use self::users::{entry_of, internal_of, read, rules, users};
pub use self::words::{quote, words};

use self::users::NO_USERS;
use super::credentials::{CLIENT, INTERNAL};
use super::{Certificates, Credentials, Planned, Recipe, RecipeError, Setup, settings_of};
use crate::digest::sha256;
use crate::engines::Engine;
use crate::guest_file::{GuestFile, Owner};
use crate::plan::{Instance, Plan, ServicePlan, Setting, Settings};
use crate::profile::Rules;
use crate::secret::Secrets;
use crate::sizing::io_threads;
use crate::sizing::sharded::Sizes;
use crate::spec::{Access, Demand, Persistence, Tls};
use crate::template::{Template, template};
use crate::units::Mebibytes;

/// The engine's own port for clients.
pub const PORT: u16 = 6379;

/// The port that instances reach each other at: the engine's own, 10,000 above that for
/// clients, also where clients have another one. It is the only one that no running engine
/// changes.
pub const BUS: u16 = PORT + 10_000;

/// The engine as a package brings it: all that differs between Redis and Valkey.
#[derive(Debug, PartialEq, Eq)]
pub struct Package {
    /// The engine.
    pub engine: Engine,
    /// Its systemd unit, without `.service`.
    pub units: [&'static str; 1],
    /// The program that sends it commands.
    pub client: &'static str,
    /// The program that puts load on it.
    pub benchmark: &'static str,
    /// Its configuration file.
    pub config: &'static str,
    /// The file with its passwords, which the configuration includes.
    pub secrets: &'static str,
    /// Where its certificate and key lie.
    pub tls: Certificates,
    /// Where it keeps its data.
    pub directory: &'static str,
    /// User and group that it runs as.
    pub owner: Owner,
}

/// Redis 7 and 8.
pub static REDIS: Package = Package {
    engine: Engine::Redis,
    units: ["redis-server"],
    client: "redis-cli",
    benchmark: "redis-benchmark",
    config: "/etc/redis/redis.conf",
    secrets: "/etc/redis/secrets.conf",
    tls: Certificates {
        authority: "/etc/redis/ca.crt",
        certificate: "/etc/redis/server.crt",
        key: "/etc/redis/server.key",
    },
    directory: "/var/lib/redis",
    owner: Owner { user: "redis", group: "redis" },
};

/// Valkey 8.
pub static VALKEY: Package = Package {
    engine: Engine::Valkey,
    units: ["valkey-server"],
    client: "valkey-cli",
    benchmark: "valkey-benchmark",
    config: "/etc/valkey/valkey.conf",
    secrets: "/etc/valkey/secrets.conf",
    tls: Certificates {
        authority: "/etc/valkey/ca.crt",
        certificate: "/etc/valkey/server.crt",
        key: "/etc/valkey/server.key",
    },
    directory: "/var/lib/valkey",
    owner: Owner { user: "valkey", group: "valkey" },
};

impl Package {
    /// All of them.
    pub const ALL: [&'static Self; 2] = [&REDIS, &VALKEY];

    /// Its systemd unit, without `.service`.
    #[must_use]
    pub const fn unit(&self) -> &'static str {
        self.units[0]
    }

    /// The package of an engine.
    #[must_use]
    pub fn of(engine: Engine) -> &'static Self {
        if engine == Engine::Valkey { &VALKEY } else { &REDIS }
    }
}

/// Redis' administration guide, which Valkey's repeats: a fork for a snapshot must not fail for
/// want of free memory, the listen backlog must hold the engine's 511, and huge pages make
/// copy-on-write after the fork slow.
/// <https://redis.io/docs/latest/operate/oss_and_stack/management/admin/>
/// <https://valkey.io/topics/admin/>
const SYSCTLS: &[&str] = &["vm.overcommit_memory = 1", "net.core.somaxconn = 65535"];
const TMPFILES: &[&str] = &["w /sys/kernel/mm/transparent_hugepage/enabled - - - - never"];

static CONFIGURATION: Template = template!("redis/redis.conf.hbs");

static REDIS_SETUP: Setup = setup(&REDIS);
static VALKEY_SETUP: Setup = setup(&VALKEY);
static REDIS_RECIPE: Recipe = recipe_with(&REDIS_SETUP);
static VALKEY_RECIPE: Recipe = recipe_with(&VALKEY_SETUP);

const fn setup(package: &'static Package) -> Setup {
    Setup {
        units: &package.units,
        gate: package.secrets,
        data: package.directory,
        owner: package.owner,
        sysctls: SYSCTLS,
        tmpfiles: TMPFILES,
        secrets: &[CLIENT, INTERNAL],
        plain,
        backup: None,
        closed,
        mask: users::mask,
    }
}

const fn recipe_with(setup: &'static Setup) -> Recipe {
    let main = &["maxmemory", "io-threads", "appendonly", "save", "repl-backlog-size", "tls-port"];
    Recipe { settings, main, setup: Some(setup) }
}

/// The recipe of one of both engines.
pub(super) const fn recipe(engine: Engine) -> &'static Recipe {
    match engine {
        Engine::Valkey => &VALKEY_RECIPE,
        _ => &REDIS_RECIPE,
    }
}

/// The directives of `redis.conf`, which Valkey reads as well.
fn settings(planned: &Planned<'_>) -> Settings {
    let Planned { service, instance, profile, .. } = *planned;
    let (Demand::Sharded(demand), Rules::Sharded(rules)) = (&service.demand, &profile.rules) else {
        return Settings::new();
    };
    let (layout, persistence) = (&service.layout, demand.persistence);
    let sizes = Sizes { profile, rules, copies: layout.copies, persistence };
    // The intervals of the shipped redis.conf; none turns snapshots off.
    let snapshots: &[u32] =
        if persistence == Persistence::Rdb { &[3600, 1, 300, 100, 60, 10000] } else { &[] };
    let mut settings = settings_of([
        ("bind", Setting::words([Ipv4Addr::UNSPECIFIED])),
        ("dir", Package::of(service.engine).directory.into()),
        ("maxmemory", Setting::Bytes(sizes.max_memory_bytes(layout.memory_mib))),
        // A full master refuses writes rather than lose keys in silence.
        ("maxmemory-policy", "noeviction".into()),
        ("appendonly", (persistence == Persistence::Aof).into()),
        ("save", Setting::words(snapshots)),
        ("cluster-enabled", true.into()),
        ("cluster-config-file", "nodes.conf".into()),
        // A silence shorter than a saving fork or a busy host's hiccup must not start
        // a failover, so the value of the shipped file is kept.
        ("cluster-node-timeout", Setting::Millis(rules.cluster.node_timeout_ms.whole())),
        // A replica that moved to another master could end up on its host.
        ("cluster-allow-replica-migration", false.into()),
        ("repl-diskless-sync", true.into()),
    ]);
    let mut set = |name: &str, value: Setting| settings.insert(name.to_owned(), value);
    if let Some(address) = instance.address {
        set("cluster-announce-ip", address.into());
    }
    if persistence == Persistence::Aof {
        set("appendfsync", "everysec".into());
    }
    if layout.copies > 1 {
        set("repl-backlog-size", Mebibytes::new(sizes.backlog_mib()).into());
        // A copy begins when all replicas wait for it, not a few seconds later.
        set("repl-diskless-sync-max-replicas", u64::from(layout.copies - 1).into());
    }
    let threads = io_threads(profile, layout.vcpus, service.capacity.placement);
    if threads > 1 {
        set("io-threads", u64::from(threads).into());
    }
    settings.extend(access(service));
    settings
}

/// Directives that let in who may and keep others out. The passwords are in a file
/// of their own, which no plan holds.
fn access(service: &ServicePlan) -> Settings {
    let package = Package::of(service.engine);
    let mut settings = match service.access.password {
        Some(_) => settings_of([
            // With it a user without a password would be let in from nowhere else.
            ("protected-mode", (!service.access.optional).into()),
            ("include", package.secrets.into()),
            // Of the users in that file the one that may copy, and nothing else.
            ("masteruser", "replica".into()),
        ]),
        None => settings_of([("protected-mode", false.into())]),
    };
    let doors = Doors::of(&service.access);
    settings.insert("port".to_owned(), u64::from(doors.plain.unwrap_or(0)).into());
    if [doors.plain, doors.encrypted].into_iter().flatten().any(|port| port != PORT) {
        settings.extend(settings_of([
            ("cluster-port", u64::from(BUS).into()),
            // One that was started with another port for clients does not know it.
            ("cluster-announce-bus-port", u64::from(BUS).into()),
        ]));
    }
    if let Some(port) = doors.encrypted {
        let tls = &package.tls;
        settings.extend(settings_of([
            ("tls-port", u64::from(port).into()),
            // Clients prove who they are by their password; on the cluster's bus
            // the engine asks for certificates all the same.
            ("tls-auth-clients", false.into()),
            ("tls-ca-cert-file", tls.authority.into()),
            ("tls-cert-file", tls.certificate.into()),
            ("tls-key-file", tls.key.into()),
        ]));
    }
    if service.access.tls == Tls::On {
        settings.extend(BETWEEN.map(|name| (name.to_owned(), true.into())));
    }
    settings
}

fn plain(service: &ServicePlan, instance: &Instance) -> Result<Vec<GuestFile>, RecipeError> {
    let package = Package::of(service.engine);
    Ok(vec![GuestFile {
        path: package.config.to_owned(),
        text: configuration(instance)?,
        mode: 0o640,
        owner: package.owner,
    }])
}

fn closed(
    service: &ServicePlan,
    instance: &Instance,
    secrets: &Secrets,
) -> Result<Vec<GuestFile>, RecipeError> {
    let package = Package::of(service.engine);
    let missing = |what| RecipeError::NoSecret { instance: instance.name.clone(), what };
    let file = |path: &str, text: String| GuestFile {
        path: path.to_owned(),
        text,
        mode: 0o400,
        owner: package.owner,
    };
    let mut files = Vec::new();
    if service.access.tls.is_offered() {
        let identity = secrets.identities.get(&instance.name);
        let identity = identity.ok_or_else(|| missing("certificate"))?;
        files.extend(package.tls.of(identity, package.owner));
    }
    if service.access.password.is_none() {
        files.push(file(package.secrets, NO_USERS.to_owned()));
    } else {
        let credentials = secrets.services.get(&service.name).and_then(Credentials::of);
        let credentials = credentials.ok_or_else(|| missing("password"))?;
        files.push(file(package.secrets, users(&credentials, service.access.optional)?));
    }
    Ok(files)
}

/// Directives by which instances encrypt what they send each other: all of a cluster or none.
pub const BETWEEN: [&str; 2] = ["tls-cluster", "tls-replication"];

/// Most addresses at which a client begins.
const SEEDS: usize = 3;

/// Addresses and ports at which a client of a cluster begins: instances on different hosts, those
/// that lead first. Any one that answers names all others.
#[must_use]
pub fn seeds(plan: &Plan, service: &ServicePlan) -> Vec<String> {
    let Doors { plain, encrypted } = Doors::of(&service.access);
    let Some(port) = plain.or(encrypted) else { return Vec::new() };
    let leads = service.groups.iter().filter_map(|group| plan.instance(&group.lead));
    let mut hosts = BTreeSet::new();
    let each = leads.chain(plan.members(&service.name)).filter(|one| hosts.insert(&one.host));
    each.filter_map(|one| Some(format!("{}:{port}", one.address?))).take(SEEDS).collect()
}

/// Where an instance listens for clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Doors {
    /// The port for connections that are not encrypted.
    pub plain: Option<u16>,
    /// The port for those that are.
    pub encrypted: Option<u16>,
}

impl Doors {
    /// The ports that clients are to use.
    #[must_use]
    pub fn of(access: &Access) -> Self {
        let port = access.port.unwrap_or(PORT);
        match access.tls {
            Tls::Off => Self { plain: Some(port), encrypted: None },
            Tls::Optional => Self { plain: Some(port), encrypted: port.checked_add(1) },
            Tls::On => Self { plain: None, encrypted: Some(port) },
        }
    }

    /// The ports in the text of a configuration file.
    #[must_use]
    pub fn read(configuration: &str) -> Self {
        let set = |name: &str| {
            let mut lines = configuration.lines().filter_map(|line| line.split_once(' '));
            let (_, value) = lines.find(|(directive, _)| *directive == name)?;
            value.trim().parse().ok().filter(|port| *port != 0)
        };
        Self { plain: set("port"), encrypted: set("tls-port") }
    }

    /// The port that hostsplit uses, and whether connections to it are encrypted.
    #[must_use]
    pub fn own(self) -> Option<(u16, bool)> {
        let encrypted = self.encrypted.map(|port| (port, true));
        self.plain.map(|port| (port, false)).or(encrypted)
    }

    /// Which kinds of connections are taken.
    #[must_use]
    pub const fn tls(self) -> Tls {
        match self {
            Self { encrypted: None, .. } => Tls::Off,
            Self { plain: Some(_), .. } => Tls::Optional,
            Self { plain: None, .. } => Tls::On,
        }
    }

    /// Whether clients that use one of these find it among others.
    #[must_use]
    pub fn shares(self, other: Self) -> bool {
        (self.plain.is_some() && self.plain == other.plain)
            || (self.encrypted.is_some() && self.encrypted == other.encrypted)
    }
}

#[derive(Serialize)]
struct Values<'a> {
    instance: &'a str,
    digest: String,
    directives: Vec<String>,
}

/// The text of the configuration file of an instance: all its settings, in their order.
///
/// # Errors
/// [`RecipeError::Name`] for a name that would be read as something else.
pub fn configuration(instance: &Instance) -> Result<String, RecipeError> {
    let lines = instance.settings.iter().map(|(name, value)| directive(instance, name, value));
    let directives = lines.collect::<Result<Vec<_>, _>>()?;
    let digest = sha256(directives.join("\n"));
    let instance = instance.name.as_str();
    Ok(CONFIGURATION.render(&Values { instance, digest, directives })?)
}

fn directive(instance: &Instance, name: &str, value: &Setting) -> Result<String, RecipeError> {
    let good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
    if !good {
        return Err(RecipeError::Name { instance: instance.name.clone(), name: name.to_owned() });
    }
    let words: Vec<String> = words(value).iter().map(|word| quote(word)).collect();
    // `save ""` is one empty word, which is how the engine reads none.
    let text = if words.is_empty() { quote("") } else { words.join(" ") };
    Ok(format!("{name} {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use crate::spec::Password;

    fn lines(access: Access) -> String {
        let mut service = sample::plan().services.remove(0);
        (service.access, service.engine) = (access, Engine::Valkey);
        let lines = super::access(&service).into_iter();
        lines.map(|(name, value)| format!("{name} {value}\n")).collect()
    }

    #[test]
    fn passwords_are_in_a_file_of_their_own() {
        let mut access = Access { password: Some(Password::Generated), ..Access::default() };
        let closed = lines(access.clone());
        insta::assert_snapshot!(closed, @r"
        include /etc/valkey/secrets.conf
        masteruser replica
        port 6379
        protected-mode on
        ");
        access.optional = true;
        assert_eq!(lines(access), closed.replace("protected-mode on", "protected-mode off"));
        insta::assert_snapshot!(lines(Access::default()), @r"
        port 6379
        protected-mode off
        ");
    }

    #[test]
    fn instances_reach_each_other_at_the_same_port_whatever_that_for_clients_is() {
        insta::assert_snapshot!(lines(Access { port: Some(7000), ..Access::default() }), @r"
        cluster-announce-bus-port 16379
        cluster-port 16379
        port 7000
        protected-mode off
        ");
        let own = Access { port: Some(PORT), ..Access::default() };
        assert_eq!(lines(own), lines(Access::default()));
        let own = |text| Doors::read(text).own();
        assert_eq!(own("# port 1\nport 0\ntls-port 7000\n"), Some((7000, true)));
        assert_eq!(own("port 6379\ntls-port 7000\n"), Some((6379, false)));
        assert_eq!(own("bind 0.0.0.0\n"), None);
    }

    #[test]
    fn with_tls_nothing_goes_in_plain_text() {
        insta::assert_snapshot!(lines(Access { tls: Tls::On, ..Access::default() }), @r"
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

    #[test]
    fn encryption_is_offered_at_the_port_above_and_instances_do_without() {
        insta::assert_snapshot!(lines(Access { tls: Tls::Optional, ..Access::default() }), @r"
        cluster-announce-bus-port 16379
        cluster-port 16379
        port 6379
        protected-mode off
        tls-auth-clients off
        tls-ca-cert-file /etc/valkey/ca.crt
        tls-cert-file /etc/valkey/server.crt
        tls-key-file /etc/valkey/server.key
        tls-port 6380
        ");
    }

    #[test]
    fn packages_share_no_file_and_no_unit() {
        let parts = |one: &Package| {
            let Certificates { authority, certificate, key } = one.tls;
            [one.units[0], one.config, one.secrets, authority, certificate, key, one.directory]
        };
        let mut all: Vec<&str> = Package::ALL.into_iter().flat_map(parts).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }
}

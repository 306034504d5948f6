//! What a running instance takes up: directives that Redis sets while it runs, and
//! passwords.

use std::collections::BTreeMap;

use super::access::ClientAccess;
use super::observe;
use super::session::Session;
use super::target::{Target, address, port};
use super::users;
use crate::engine::cluster::{FileChange, Serving, Uptake};
use crate::engine::{Admission, Crew, Difference, EngineError, Fact};
use crate::guest::GuestError;
use crate::plan::{Instance, Setting};
use crate::recipe::redis::{BUS, Doors, Package, entry_of, quote};
use crate::spec::Entry;

/// Directives that `CONFIG SET` takes and that act at once: not marked
/// `IMMUTABLE_CONFIG` in `config.c` of Redis 7 and 8 and Valkey 8, and none that decides
/// where it listens or keeps its files. Any other needs a restart.
const LIVE: [&str; 37] = [
    "activedefrag",
    "active-expire-effort",
    "appendfsync",
    "appendonly",
    "auto-aof-rewrite-min-size",
    "auto-aof-rewrite-percentage",
    "client-output-buffer-limit",
    "cluster-allow-reads-when-down",
    "cluster-allow-replica-migration",
    "cluster-migration-barrier",
    "cluster-node-timeout",
    "cluster-replica-validity-factor",
    "cluster-require-full-coverage",
    "hz",
    "latency-monitor-threshold",
    "lazyfree-lazy-eviction",
    "lazyfree-lazy-expire",
    "lazyfree-lazy-server-del",
    "lfu-decay-time",
    "masteruser",
    "maxmemory",
    "maxmemory-policy",
    "maxmemory-samples",
    "min-replicas-max-lag",
    "min-replicas-to-write",
    "protected-mode",
    "repl-backlog-size",
    "repl-diskless-sync",
    "repl-diskless-sync-delay",
    "repl-diskless-sync-max-replicas",
    "repl-timeout",
    "save",
    "slowlog-log-slower-than",
    "tls-auth-clients",
    "tls-ca-cert-file",
    "tls-cert-file",
    "tls-key-file",
];

/// What a directive of [`LIVE`] is set to that a configuration no longer holds: the default
/// in `config.c` of Redis 7 and 8 and of Valkey 8. Those of which both have another are not
/// here, but for the backlog: it is planned for instances with copies, and without one
/// Redis holds none of it (1 MiB in Redis, 10 MiB in Valkey from 8.1 on).
const DEFAULTS: [(&str, &str); 19] = [
    ("active-expire-effort", "1"),
    ("appendfsync", "everysec"),
    ("auto-aof-rewrite-min-size", "67108864"),
    ("auto-aof-rewrite-percentage", "100"),
    ("cluster-allow-reads-when-down", "no"),
    ("cluster-announce-bus-port", "0"),
    ("cluster-migration-barrier", "1"),
    ("cluster-replica-validity-factor", "10"),
    ("cluster-require-full-coverage", "yes"),
    ("hz", "10"),
    ("latency-monitor-threshold", "0"),
    ("maxmemory-samples", "5"),
    ("min-replicas-max-lag", "10"),
    ("min-replicas-to-write", "0"),
    ("repl-backlog-size", "1048576"),
    ("repl-diskless-sync-max-replicas", "0"),
    ("repl-timeout", "60"),
    ("slowlog-log-slower-than", "10000"),
    ("tls-port", "0"),
];

/// What an instance says of a password that it does not know, and of none.
const ESTRANGED: [&str; 2] = ["WRONGPASS", "NOAUTH"];

/// Changes that an instance takes up while it runs.
#[derive(Debug, Default)]
pub struct Live {
    /// Directives with their planned values.
    directives: BTreeMap<String, String>,
    /// Whether it is to be given its users.
    renew: bool,
}

/// How an instance takes up changes.
pub(super) fn uptake(
    package: &Package,
    files: &[FileChange],
    running: Option<&[Difference]>,
) -> Uptake<Live> {
    if divides(package, files) {
        return Uptake::Restart;
    }
    let mut live = Live::default();
    for FileChange { file, before } in files {
        if file.path == package.secrets {
            live.renew = true;
            continue;
        }
        if before.is_none() && package.tls.files().contains(&file.path.as_str()) {
            continue;
        }
        let Some(before) = before else { return Uptake::Restart };
        if file.path != package.config || running.is_none() || !shows_all(before, &file.text) {
            return Uptake::Restart;
        }
        live.directives.extend(gone(before, &file.text));
    }
    for Difference { fact, planned, .. } in running.into_iter().flatten() {
        match fact {
            Fact::Setting(name)
                if LIVE.contains(&name.as_str()) || DOOR.contains(&name.as_str()) =>
            {
                live.directives.insert(name.clone(), planned.trim_matches('"').to_owned());
            }
            Fact::Password(_) => live.renew = true,
            _ => return Uptake::Restart,
        }
    }
    if files.is_empty() && live.directives.is_empty() && !live.renew {
        return Uptake::Nothing;
    }
    Uptake::Live(live)
}

/// Whether everything in which two configurations differ can be seen or set while an
/// instance runs: no directive is gone whose default is not known here, and none of those
/// differs that are not shown.
fn shows_all(before: &str, after: &str) -> bool {
    let gone: BTreeMap<_, _> = gone(before, after).collect();
    let (before, after) = (directives(before), directives(after));
    let is_shown = |name: &str| !super::settings::UNREPORTED.contains(&name);
    let is_kept = |name: &&str| {
        after.contains_key(*name) || gone.contains_key(*name) || BESIDE.contains(name)
    };
    let is_known = |name: &str, value: &Vec<&str>| {
        is_shown(name) || BESIDE.contains(&name) || before.get(name) == Some(value)
    };
    before.keys().all(is_kept) && after.iter().all(|(name, value)| is_known(name, value))
}

/// Directives that come and go with a password, another port or encryption, and are taken up
/// with the users, with that port or by the whole cluster; or that mean nothing without it.
const BESIDE: [&str; 9] = [
    "cluster-port",
    "include",
    "masteruser",
    "tls-auth-clients",
    "tls-ca-cert-file",
    "tls-cert-file",
    "tls-cluster",
    "tls-key-file",
    "tls-replication",
];

/// Directives of the port for clients, which a running instance changes together.
const DOOR: [&str; 3] = ["cluster-announce-bus-port", "port", "tls-port"];

/// Where an instance listens for clients before and after changes of its files.
fn doors(package: &Package, files: &[FileChange]) -> Option<(Doors, Doors)> {
    let FileChange { file, before } =
        files.iter().find(|change| change.file.path == package.config)?;
    Some((Doors::read(before.as_deref()?), Doors::read(&file.text)))
}

/// Whether changes of its files give an instance other ports for clients, and leave none.
pub(super) fn moves_door(package: &Package, files: &[FileChange]) -> bool {
    doors(package, files).is_some_and(|(before, after)| before != after && !before.shares(after))
}

/// How changes of its files alter whom an instance lets in.
pub(super) fn admission(package: &Package, files: &[FileChange]) -> Option<Admission> {
    by_password(package, files).or_else(|| by_encryption(package, files))
}

fn by_password(package: &Package, files: &[FileChange]) -> Option<Admission> {
    let change = files.iter().find(|change| change.file.path == package.secrets)?;
    let before = change.before.as_deref().map_or(Entry::Open, entry_of);
    Admission::between(before, entry_of(&change.file.text))
}

fn by_encryption(package: &Package, files: &[FileChange]) -> Option<Admission> {
    let (before, after) = doors(package, files)?;
    Admission::between_tls(before.tls(), after.tls())
}

/// Whether an instance takes changes up before its files are replaced. The one with its users
/// holds the password that it may still ask for. Where there was none, the new one has to be
/// in the file before it is asked for: then there is a way in at each moment, also for a run
/// that turns back.
pub(super) fn takes_up_first(package: &Package, files: &[FileChange]) -> bool {
    match admission(package, files) {
        Some(Admission::Accepts | Admission::RequiresAtOnce) => false,
        // The former one says where it listens, and the new one of no port that it is closed.
        Some(Admission::AllowsPlain | Admission::DropsEncryption) => true,
        _ => files.iter().any(|change| change.file.path == package.secrets),
    }
}

/// Lets an instance let others in by both rules; says what was done.
pub(super) fn prepare(
    crew: &Crew<'_>,
    access: &ClientAccess,
    instance: &Instance,
) -> Result<Vec<String>, EngineError> {
    let target = Target::of(access.clone(), crew)?;
    let seen = observe::look(crew, access, target.known(&instance.name)?, &instance.name)?;
    let guest = crew.guest(&instance.name)?;
    let session = Session::new(&guest, access, (address(instance)?, port(instance)?));
    let mut done = Vec::new();
    if !seen.users.is_empty() {
        for answer in session.ask_by_any_way(&users::preparation(access)?)? {
            answer?;
        }
        done.push("lets others in by both rules".to_owned());
    }
    let is_closed = seen.settings?.get("port").is_some_and(|port| port == "0");
    let planned = instance.settings.get("port").and_then(Setting::number);
    if let Some(port) = planned.filter(|port| is_closed && *port != 0) {
        open(
            &session,
            &[("port", port.to_string()), ("cluster-announce-bus-port", BUS.to_string())],
        )?;
        done.push(format!("listens at {port} as well"));
    }
    Ok(done)
}

/// Refuses to close the port without encryption before the cluster has changed over: the
/// replicas of an instance would find no port of it any more. It comes to that where it did not
/// answer when the deploy looked. One that was started with its former file since follows.
pub(super) fn may_take_up(
    crew: &Crew<'_>,
    access: &ClientAccess,
    instance: &Instance,
    changes: &Live,
) -> Result<(), EngineError> {
    if changes.directives.get("port").is_none_or(|port| port != "0") {
        return Ok(());
    }
    let guest = crew.guest(&instance.name)?;
    let session = Session::new(&guest, access, (address(instance)?, port(instance)?));
    let encrypts = |session: &Session<'_>| -> Result<bool, EngineError> {
        let [answer] = session.ask(["CONFIG GET tls-cluster"])?;
        Ok(answer?.lines().any(|line| line.trim() == "yes"))
    };
    let other_encrypts = |other: &Instance| -> Result<bool, EngineError> {
        let guest = crew.guest(&other.name)?;
        encrypts(&Session::asking(&guest, access, (address(other)?, port(other)?)))
    };
    let mut others = crew.members().iter().filter(|one| one.name != instance.name);
    // Of one that does not answer nothing is known.
    if encrypts(&session)? || others.any(|other| other_encrypts(other).unwrap_or(false)) {
        return Ok(());
    }
    Err(EngineError::Refused {
        service: crew.service.name.clone(),
        reason: format!(
            "{} would close its port without encryption before all instances encrypt what they \
             send each other: one of them did not answer when the deploy looked, or is not ready; \
             bring it back, or leave its host out, and deploy again",
            instance.name
        ),
    })
}

/// Changes the ports of an instance, all at once, and lets the others know.
fn open(session: &Session<'_>, directives: &[(&str, String)]) -> Result<(), EngineError> {
    let [nodes] = session.ask(["CLUSTER NODES"])?;
    let pairs = directives.iter().map(|(name, value)| format!("{name} {value}"));
    let mut commands = vec![format!("CONFIG SET {}", pairs.collect::<Vec<_>>().join(" "))];
    commands.extend(introductions(&nodes?));
    session.ask_all(&commands)?.into_iter().try_for_each(|answer| answer.map(drop))
}

/// Directives that a configuration no longer holds, with the defaults that they go back to.
fn gone<'a>(before: &'a str, after: &'a str) -> impl Iterator<Item = (String, String)> + 'a {
    let (before, after) = (directives(before), directives(after));
    let gone = DEFAULTS
        .iter()
        .filter(move |(name, _)| before.contains_key(name) && !after.contains_key(name));
    gone.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
}

/// The port at which instances reach each other. Without one of its own that is 10,000 above the
/// one for clients, the encrypted one where they encrypt what they send each other.
fn bus(text: &str) -> Option<u32> {
    let own = setting(text, "cluster-port").and_then(|port| port.parse::<u16>().ok());
    let doors = Doors::read(text);
    let client = if encrypts(text) { doors.encrypted } else { doors.plain };
    own.filter(|port| *port != 0).map(u32::from).or(client.map(|port| u32::from(port) + 10_000))
}

/// Whether an instance encrypts what it sends to others.
fn encrypts(text: &str) -> bool {
    setting(text, "tls-cluster") == Some("yes")
}

fn setting<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    directives(text).get(name).and_then(|lines| lines.first().copied())
}

/// Whether an instance with changes could not talk to one without them, or could not be asked
/// whether it has them: by two of another port, encryption and another password at once. That
/// instances encrypt what they send each other can change where both kinds of connections are
/// taken meanwhile.
pub(super) fn divides(package: &Package, files: &[FileChange]) -> bool {
    let divides = |change: &FileChange| {
        let before = change.before.as_deref().filter(|_| change.file.path == package.config);
        // One that hostsplit did not write says nothing of how it is reached.
        before.filter(|before| !directives(before).is_empty()).is_some_and(|before| {
            let after = change.file.text.as_str();
            let has_both = Doors::read(before).encrypted.is_some()
                && Doors::read(before).encrypted == Doors::read(after).encrypted
                && by_encryption(package, files).is_some();
            bus(before) != bus(after) || (encrypts(before) != encrypts(after) && !has_both)
        })
    };
    let kinds = [
        moves_door(package, files),
        by_encryption(package, files).is_some(),
        by_password(package, files).is_some(),
    ];
    files.iter().any(divides) || kinds.into_iter().filter(|is_changed| *is_changed).count() > 1
}

/// The directives of a file, each with its lines.
fn directives(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    for (name, value) in lines.filter_map(|line| line.split_once(' ')) {
        found.entry(name).or_default().push(value);
    }
    found
}

/// Lets an instance take changes up; says what was done.
pub(super) fn take_up(
    crew: &Crew<'_>,
    access: &ClientAccess,
    instance: &Instance,
    changes: &Live,
) -> Result<Vec<String>, EngineError> {
    let guest = crew.guest(&instance.name)?;
    let at = (address(instance)?, port(instance)?);
    let mut done = Vec::new();
    if changes.renew {
        let session = Session::new(&guest, access, at);
        for answer in session.ask_by_any_way(&users::renewal(access)?)? {
            answer?;
        }
        let what =
            if access.credentials.is_some() { "renewed passwords" } else { "let everybody in" };
        done.push(what.to_owned());
    }
    let set = |(name, value): (&String, &String)| {
        // An empty value is a word as well.
        let value = if value.is_empty() { "\"\"".to_owned() } else { quote(value) };
        format!("CONFIG SET {name} {value}")
    };
    let (door, others): (Vec<_>, Vec<_>) =
        changes.directives.iter().partition(|(name, _)| DOOR.contains(&name.as_str()));
    let commands: Vec<String> = others.into_iter().map(set).collect();
    let session = Session::new(&guest, access, at);
    session.ask_all(&commands)?.into_iter().try_for_each(|answer| answer.map(drop))?;
    if !door.is_empty() {
        let door: Vec<_> =
            door.into_iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        open(&session, &door)?;
    }
    if !changes.directives.is_empty() {
        let names: Vec<&str> = changes.directives.keys().map(String::as_str).collect();
        done.push(format!("set {}", names.join(", ")));
    }
    Ok(done)
}

/// The commands by which all others hear at once where an instance listens now: they send
/// clients to it, and would hear of it by chance within half the node timeout.
fn introductions(nodes: &str) -> Vec<String> {
    let others = nodes.lines().filter(|line| !line.contains("myself"));
    let place = |line: &str| {
        let (client, bus) = line.split(' ').nth(1)?.split(',').next()?.split_once('@')?;
        let (address, port) = client.rsplit_once(':')?;
        (!address.is_empty()).then(|| format!("CLUSTER MEET {address} {port} {bus}"))
    };
    others.filter_map(place).collect()
}

/// Asks whether an instance serves.
pub(super) fn serving(
    crew: &Crew<'_>,
    access: &ClientAccess,
    instance: &Instance,
) -> Result<Serving, EngineError> {
    let guest = crew.guest(&instance.name)?;
    let session = Session::new(&guest, access, (address(instance)?, port(instance)?));
    let [answer] = session.ask(["PING"])?;
    let last = match answer {
        Ok(answer) if answer.trim() == "PONG" => return Ok(Serving::Yes),
        Ok(answer) => answer,
        Err(EngineError::Guest(GuestError::Command { output, .. })) => output,
        Err(error) => return Err(error),
    };
    let is_estranged = ESTRANGED.iter().any(|word| last.contains(word));
    Ok(if is_estranged { Serving::Estranged(last) } else { Serving::NotYet(last) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest_file::GuestFile;
    use crate::recipe::redis::REDIS;

    fn change(before: &str, after: &str) -> [FileChange; 1] {
        let path = REDIS.config.to_owned();
        let file = GuestFile { path, text: after.to_owned(), mode: 0o640, owner: REDIS.owner };
        [FileChange { file, before: Some(before.to_owned()) }]
    }

    #[test]
    fn instances_are_divided_by_where_they_reach_each_other_and_how() {
        let plain = "port 6379\n";
        let other = "port 7000\ncluster-port 16379\ncluster-announce-bus-port 16379\n";
        let both = "port 6379\ntls-port 6380\ncluster-port 16379\n";
        let encrypted = "port 0\ntls-port 6380\ntls-cluster yes\ncluster-port 16379\n";
        let at_own_port = "port 0\ntls-port 6379\ntls-cluster yes\n";
        for (before, after, divides, moves) in [
            (plain, other, false, true),
            (other, plain, false, true),
            (plain, "port 7000\n", true, true),
            (plain, both, false, false),
            (both, encrypted, false, false),
            (encrypted, both, false, false),
            (both, plain, false, false),
            (plain, encrypted, true, true),
            (encrypted, plain, true, true),
            // Certificates and another port at once.
            (plain, "port 7000\ntls-port 7001\ncluster-port 16379\n", true, true),
            // Those who came by encrypted connections do not find it there.
            (both, at_own_port, true, true),
            (plain, at_own_port, true, true),
            ("", plain, false, true),
        ] {
            let files = change(before, after);
            assert_eq!(super::divides(&REDIS, &files), divides, "{before} {after}");
            assert_eq!(moves_door(&REDIS, &files), moves, "{before} {after}");
        }
    }

    #[test]
    fn others_are_met_at_the_ports_that_they_have() {
        let nodes = "a1 10.20.0.50:7000@16379,,tls-port=0 myself,master - 0 0 1 connected 0-5460\n\
                     b2 10.20.0.51:6379@16379,host slave c3 0 0 2 connected\n\
                     c3 :0@0 master,noaddr - 0 0 2 disconnected\n";
        assert_eq!(introductions(nodes), ["CLUSTER MEET 10.20.0.51 6379 16379"]);
    }
}

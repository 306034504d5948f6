//! What a running instance takes up: directives that Redis sets while it runs, and
//! passwords.

use std::collections::BTreeMap;

use super::access::ClientAccess;
use super::session::Session;
use super::target::{address, port};
use super::users;
use crate::engine::cluster::{FileChange, Serving, Uptake};
use crate::engine::{Admission, Crew, Difference, EngineError, Fact};
use crate::guest::GuestError;
use crate::plan::Instance;
use crate::recipe::redis::{Package, entry_of, listens_at, quote};
use crate::spec::Entry;

/// Directives that `CONFIG SET` takes and that act at once: not marked
/// `IMMUTABLE_CONFIG` in `config.c` of Redis 7 and 8 and Valkey 8, and none that decides
/// where it listens or keeps its files. Any other needs a restart.
const LIVE: [&str; 33] = [
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
];

/// What a directive of [`LIVE`] is set to that a configuration no longer holds: the default
/// in `config.c` of Redis 7 and 8 and of Valkey 8. Those of which both have another are not
/// here, but for the backlog: it is planned for instances with copies, and without one
/// Redis holds none of it (1 MiB in Redis, 10 MiB in Valkey from 8.1 on).
const DEFAULTS: [(&str, &str); 18] = [
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
    let mut live = Live::default();
    for FileChange { file, before } in files {
        if file.path == package.secrets {
            live.renew = true;
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

/// Directives that come and go with a password or another port, and are taken up with the
/// users or with that port.
const BESIDE: [&str; 3] = ["cluster-port", "include", "masteruser"];

/// Directives of the port for clients, which a running instance changes together.
const DOOR: [&str; 3] = ["cluster-announce-bus-port", "port", "tls-port"];

/// Whether changes of its files give an instance another port for clients.
pub(super) fn moves_door(package: &Package, files: &[FileChange]) -> bool {
    let mut changes = files.iter().filter(|change| change.file.path == package.config);
    changes.any(|FileChange { file, before }| {
        before.as_deref().is_some_and(|before| listens_at(before) != listens_at(&file.text))
    })
}

/// How changes of its files alter whom an instance lets in.
pub(super) fn admission(package: &Package, files: &[FileChange]) -> Option<Admission> {
    let change = files.iter().find(|change| change.file.path == package.secrets)?;
    let before = change.before.as_deref().map_or(Entry::Open, entry_of);
    Admission::between(before, entry_of(&change.file.text))
}

/// Whether an instance takes changes up before its files are replaced. The one with its users
/// holds the password that it may still ask for. Where there was none, the new one has to be
/// in the file before it is asked for: then there is a way in at each moment, also for a run
/// that turns back.
pub(super) fn takes_up_first(package: &Package, files: &[FileChange]) -> bool {
    let is_new =
        matches!(admission(package, files), Some(Admission::Accepts | Admission::RequiresAtOnce));
    !is_new && files.iter().any(|change| change.file.path == package.secrets)
}

/// Lets an instance let others in by both rules; says what was done.
pub(super) fn prepare(
    crew: &Crew<'_>,
    access: &ClientAccess,
    instance: &Instance,
) -> Result<Vec<String>, EngineError> {
    let guest = crew.guest(&instance.name)?;
    let session = Session::new(&guest, access, (address(instance)?, port(instance)?));
    for answer in session.ask_by_any_way(&users::preparation(access)?)? {
        answer?;
    }
    Ok(vec!["lets others in by both rules".to_owned()])
}

/// Directives that a configuration no longer holds, with the defaults that they go back to.
fn gone<'a>(before: &'a str, after: &'a str) -> impl Iterator<Item = (String, String)> + 'a {
    let (before, after) = (directives(before), directives(after));
    let gone = DEFAULTS
        .iter()
        .filter(move |(name, _)| before.contains_key(name) && !after.contains_key(name));
    gone.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
}

/// How instances reach each other: by encrypted connections or others, to which port. Without
/// a port of its own that is 10,000 above the one for clients.
fn reach(text: &str) -> (bool, Option<u32>) {
    let set = |name: &str| directives(text).get(name).and_then(|lines| lines.first().copied());
    let port = |name: &str| set(name).and_then(|value| value.parse::<u16>().ok()).map(u32::from);
    let is_encrypted = set("tls-cluster") == Some("yes");
    let client = port(if is_encrypted { "tls-port" } else { "port" });
    let own = port("cluster-port").filter(|port| *port != 0);
    (is_encrypted, own.or_else(|| client.map(|port| port + 10_000)))
}

/// Whether an instance with changes could not talk to one without them, or could not be asked
/// whether it has them: by another port and another password at once.
pub(super) fn divides(package: &Package, files: &[FileChange]) -> bool {
    let divides = |change: &FileChange| {
        let before = change.before.as_deref().filter(|_| change.file.path == package.config);
        // One that hostsplit did not write says nothing of how it is reached.
        before.is_some_and(|before| {
            !directives(before).is_empty() && reach(before) != reach(&change.file.text)
        })
    };
    let is_unasked = || moves_door(package, files) && admission(package, files).is_some();
    files.iter().any(divides) || is_unasked()
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
    let mut commands: Vec<String> = others.into_iter().map(set).collect();
    if !door.is_empty() {
        let session = Session::new(&guest, access, at);
        let [nodes] = session.ask(["CLUSTER NODES"])?;
        let pairs = door.iter().map(|(name, value)| format!("{name} {value}"));
        commands.push(format!("CONFIG SET {}", pairs.collect::<Vec<_>>().join(" ")));
        commands.extend(introductions(&nodes?));
    }
    if !commands.is_empty() {
        for answer in Session::new(&guest, access, at).ask_all(&commands)? {
            answer?;
        }
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
        let encrypted = "port 0\ntls-port 6379\ntls-cluster yes\n";
        for (before, after, divides, moves) in [
            (plain, other, false, true),
            (other, plain, false, true),
            (plain, "port 7000\n", true, true),
            (plain, encrypted, true, false),
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

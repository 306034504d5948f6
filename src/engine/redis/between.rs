//! Whether instances encrypt what they send each other. All of a cluster do or none: one that
//! does and one that does not cannot connect anew, and each takes the other's ports for the
//! wrong ones. Connections that are there stay, so a cluster changes over while it serves, as
//! long as all of it does so within the node time-out: by one command in one guest, which goes
//! on whatever becomes of the deploy.

use super::access::ClientAccess;
use super::session::Session;
use super::settings::Running;
use super::steps::{Order, Step};
use super::target::{Member, Target};
use super::view::ClusterView;
use crate::engine::cluster::Answer;
use crate::engine::{Crew, EngineError, Fact};
use crate::guest::Call;
use crate::plan::Setting;
use crate::recipe::redis::{BETWEEN, BUS};

/// Whether an instance is to encrypt what it sends to others.
fn is_planned(member: &Member) -> bool {
    member.settings.get("tls-cluster").is_some_and(|set| *set == Setting::from(true))
}

/// Whether an instance encrypts everything that it sends to others, or nothing; `None` where
/// it is in between.
fn is_encrypted(running: &Running) -> Option<bool> {
    let set = BETWEEN.map(|name| running.get(name).is_some_and(|value| value == "yes"));
    let [first, second] = set;
    (first == second).then_some(first)
}

const fn word(encrypted: Option<bool>) -> &'static str {
    match encrypted {
        Some(true) => "encrypted",
        Some(false) => "not encrypted",
        None => "encrypted in part",
    }
}

/// Compares how an instance reaches the others with the plan.
pub(super) fn differences(
    member: &Member,
    running: &Result<Running, EngineError>,
    differs: &mut impl FnMut(Fact, String, String),
) {
    let Ok(running) = running else { return };
    let (planned, found) = (Some(is_planned(member)), is_encrypted(running));
    if planned != found {
        differs(Fact::Encryption, word(planned).to_owned(), word(found).to_owned());
    }
}

/// The port for encrypted connections that an instance is to listen at: it has it before the
/// cluster changes over and afterwards, whichever way.
fn encrypted_port(member: &Member) -> Option<u64> {
    member.settings.get("tls-port").and_then(Setting::number)
}

/// The change of the whole cluster, where any of its instances is not as planned: once all
/// take encrypted connections.
pub(super) fn steps(cluster: &ClusterView<'_>) -> Vec<Step> {
    // In the guest of one that stays.
    let Some((at, ..)) = cluster.present().next() else { return Vec::new() };
    let Some(port) = encrypted_port(at) else { return Vec::new() };
    let encrypt = is_planned(at);
    let runs_with =
        |member: &Member| cluster.observed.seen.get(&member.name)?.settings.as_ref().ok();
    let differs = |member: &Member| {
        runs_with(member).is_some_and(|running| is_encrypted(running) != Some(encrypt))
    };
    let is_open = |member: &Member| {
        let set = runs_with(member).and_then(|running| running.get("tls-port"));
        set.is_some_and(|set| *set == port.to_string())
    };
    let all = || cluster.seen().map(|(member, ..)| member);
    if !all().any(differs) || !all().all(is_open) {
        return Vec::new();
    }
    vec![Step { at: at.name.clone(), order: Order::Encrypt(encrypt) }]
}

/// Lets all instances encrypt what they send to others, or none, from one guest. Those that do
/// not any more take connections without encryption from then on, since others reach them so.
/// Instances of a host that does not answer may run all the same: they change over as well, if
/// they can be reached, and nobody waits for them.
pub(super) fn change(crew: &Crew<'_>, target: &Target, at: &Member, encrypt: bool) -> Answer {
    let guest = crew.guest(&at.name)?;
    let access = ClientAccess { tls: true, ..target.access.clone() };
    let session = Session::new(&guest, &access, (at.address, at.port));
    let addresses: Vec<String> =
        target.members.iter().map(|member| member.address.to_string()).collect();
    let awaited = target.members.iter().filter(|member| !member.absent).count();
    let (encrypted, plain) = (encrypted_port(at).unwrap_or_default(), at.port.to_string());
    let (encrypted, bus) = (encrypted.to_string(), BUS.to_string());
    // One process each, all at the same time; a machine that is off answers nothing.
    let mut line = vec!["xargs", "-P", "0", "-I", "{}", "timeout", "-k", "1", "10"];
    line.extend(access.line("{}", &encrypted, &session.login));
    line.extend(["CONFIG", "SET"]);
    line.extend(BETWEEN.iter().flat_map(|name| [*name, if encrypt { "yes" } else { "no" }]));
    if !encrypt {
        line.extend(["port", &plain, "cluster-announce-bus-port", &bus]);
    }
    let environment = ClientAccess::environment(session.login.password());
    let call = Call { command: &line, input: &addresses.join("\n"), environment: &environment };
    let output = guest.call(&call, session.limit)?;
    let changed = output.stdout.lines().filter(|line| line.trim() == "OK").count();
    if changed >= awaited {
        return Ok(output.stdout);
    }
    let said = [output.stdout.trim(), output.stderr.trim()].join(" ");
    Err(session.refused("CONFIG SET tls-cluster ...", said.trim()))
}

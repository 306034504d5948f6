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
use crate::recipe::redis::BETWEEN;

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

/// The change of the whole cluster, where any of its instances is not as planned: once all
/// listen where others will reach them then.
pub(super) fn steps(cluster: &ClusterView<'_>) -> Vec<Step> {
    let encrypt = cluster.present().any(|(member, ..)| is_planned(member));
    let runs_with =
        |member: &Member| cluster.observed.seen.get(&member.name)?.settings.as_ref().ok();
    let differs = |member: &Member| {
        runs_with(member).is_some_and(|running| is_encrypted(running) != Some(encrypt))
    };
    let port = if encrypt { "tls-port" } else { "port" };
    let is_open = |member: &Member| {
        let set = runs_with(member).and_then(|running| running.get(port));
        set.is_some_and(|set| *set == member.port.to_string())
    };
    let all = || cluster.seen().map(|(member, ..)| member);
    if !all().any(differs) || !all().all(is_open) {
        return Vec::new();
    }
    // In a guest of its own, which one that leaves need not have.
    let at = cluster.present().next().map(|(member, ..)| member.name.clone());
    at.map(|at| Step { at, order: Order::Encrypt(encrypt) }).into_iter().collect()
}

/// Lets all instances encrypt what they send to others, or none, from one guest.
pub(super) fn change(crew: &Crew<'_>, target: &Target, at: &Member, encrypt: bool) -> Answer {
    let guest = crew.guest(&at.name)?;
    let session = Session::new(&guest, &target.access, (at.address, at.port));
    let members = target.members.iter().filter(|member| !member.absent);
    let addresses: Vec<String> = members.map(|member| member.address.to_string()).collect();
    let port = at.port.to_string();
    // One process each, all at the same time.
    let mut line = vec!["xargs", "-P", "0", "-I", "{}"];
    line.extend(target.access.line("{}", &port, &session.login));
    let value = if encrypt { "yes" } else { "no" };
    line.extend(["CONFIG", "SET"]);
    line.extend(BETWEEN.iter().flat_map(|name| [*name, value]));
    let environment = ClientAccess::environment(session.login.password());
    let call = Call { command: &line, input: &addresses.join("\n"), environment: &environment };
    let output = guest.call(&call, session.limit)?;
    let changed = output.stdout.lines().filter(|line| line.trim() == "OK").count();
    if changed == addresses.len() {
        return Ok(output.stdout);
    }
    let said = [output.stdout.trim(), output.stderr.trim()].join(" ");
    Err(session.refused("CONFIG SET tls-cluster ...", said.trim()))
}

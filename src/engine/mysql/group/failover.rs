//! Forms a group anew of those that are left, as a person has decided: a majority of it is lost,
//! and the caller has made sure that it is off.
//!
//! What those had acknowledged among themselves is lost where none of the others has it. So that
//! nothing else is, the one starts the group that has all transactions of the others.

use std::time::Duration;

use super::send::{join, part, start};
use super::steps::{Existence, View};
use super::{ELECTED, observe::Observed};
use crate::engine::cluster::Cluster as _;
use crate::engine::mysql::target::Target;
use crate::engine::{Crew, EngineError};
use crate::hypervisor::clock::{Pauses, Poll};
use crate::ids::InstanceName;

/// How long those that are left may take to elect, where they are a majority.
const ELECTING: Duration = Duration::from_secs(60);

/// Starts the group of a number again: at `to`, or at the one that has all transactions of the
/// others.
pub(super) fn promote(
    crew: &Crew<'_>,
    group: u32,
    to: Option<&InstanceName>,
) -> Result<InstanceName, EngineError> {
    let target = ELECTED.target(crew)?;
    let observed = without_leader(crew, &target, group)?;
    let names: Vec<&InstanceName> =
        view(crew, &target, &observed, group)?.members().map(|(name, _)| name).collect();
    part(crew, &target, &names)?;
    let left = ELECTED.observe(crew, &target);
    let view = view(crew, &target, &left, group)?;
    if let Some(name) = names.iter().find(|name| view.member(name).is_none()) {
        return Err(crew.refusal(format!("{name} does not answer any more")));
    }
    let chosen = choose(crew, view, to)?;
    start(crew, &target, &chosen)?;
    let has = view.member(&chosen).map(|one| one.transactions.clone()).unwrap_or_default();
    // Those with more than it has are for the next deploy, where that may be given up.
    for (name, member) in view.members().filter(|(name, _)| **name != chosen) {
        if has.contain(&member.transactions) {
            join(crew, &target, (name, &chosen))?;
        }
    }
    Ok(chosen)
}

fn view<'v>(
    crew: &Crew<'_>,
    target: &'v Target,
    observed: &'v Observed,
    group: u32,
) -> Result<View<'v>, EngineError> {
    let found = target.groups.get(&group).map(|group| View { target, group, observed });
    found.ok_or_else(|| crew.refusal(format!("it has no group {group}")))
}

/// What is seen once it is certain that those that are left do not elect by themselves.
fn without_leader(crew: &Crew<'_>, target: &Target, group: u32) -> Result<Observed, EngineError> {
    let pauses = Pauses::every(super::super::Mysql::PATIENCE.pause);
    let mut poll = Poll::new(crew.clock(), ELECTING, pauses);
    loop {
        let observed = ELECTED.observe(crew, target);
        let reason = match view(crew, target, &observed, group)?.existence() {
            Existence::Blocked(_) | Existence::None => return Ok(observed),
            Existence::Led(name) => {
                format!("{name} leads the group; let another one take over without --force")
            }
            Existence::Several(_) => "there are several groups".to_owned(),
            Existence::Electing if poll.pause() => continue,
            Existence::Electing => "it is electing; try again".to_owned(),
        };
        return Err(crew.refusal(reason));
    }
}

fn choose(
    crew: &Crew<'_>,
    view: View<'_>,
    to: Option<&InstanceName>,
) -> Result<InstanceName, EngineError> {
    let Some(to) = to else {
        let founder = view.founder().map_err(|reason| crew.refusal(reason))?;
        let founder = founder.filter(|name| view.member(name).is_some_and(|one| one.formed));
        let none = || crew.refusal("nobody that answers holds data".to_owned());
        return founder.cloned().ok_or_else(none);
    };
    let member = view.member(to).filter(|one| one.formed);
    let member =
        member.ok_or_else(|| crew.refusal(format!("{to} does not answer, or holds no data")))?;
    let mut others = view.members().map(|(_, other)| &other.transactions);
    match others.find(|other| !member.transactions.contain(other)) {
        Some(other) if !view.target.may_lose_data => Err(crew.refusal(format!(
            "{to} lacks {} that another one has; leave --to out, or give them up with \
             --allow-data-loss",
            member.transactions.lacks(other)
        ))),
        _ => Ok(to.clone()),
    }
}

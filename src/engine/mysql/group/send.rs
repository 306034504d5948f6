//! Takes steps: statements to servers.

use std::time::Duration;

use super::observe::{self, Observed};
use super::steps::{Existence, Order, Step, View};
use super::{ELECTED, sql};
use crate::engine::cluster::{Answer, Cluster as _};
use crate::engine::mysql::send::{diverged, fill, is_of_way};
use crate::engine::mysql::session::{self, Rows, commanding};
use crate::engine::mysql::sql as common;
use crate::engine::mysql::target::Target;
use crate::engine::{Crew, EngineError};
use crate::guest::{Guest, GuestError};
use crate::ids::InstanceName;

/// How long a server may take to join a group, or to leave one: it ends first what it does by
/// itself, and one that was started a moment ago looks for its group for a minute.
const JOINING: Duration = Duration::from_secs(240);

/// Takes steps, each with its answer.
pub(super) fn send<'s>(
    crew: &Crew<'_>,
    target: &Target,
    steps: &'s [Step],
) -> Result<Vec<(&'s Step, Answer)>, EngineError> {
    let answers = steps.iter().map(|step| match take(crew, target, step) {
        Err(error) if !is_of_way(&error) => Ok((step, Err(error))),
        Err(error) => Err(error),
        Ok(()) => Ok((step, Ok(String::new()))),
    });
    answers.collect()
}

fn take(crew: &Crew<'_>, target: &Target, step: &Step) -> Result<(), EngineError> {
    let guest = crew.any_guest(&step.at)?;
    let run = |statements: &str| {
        session::send(&guest, target.package, statements, commanding()).map(drop)
    };
    match &step.order {
        Order::Found => found(crew, target, &step.at),
        Order::Disarm => run(&sql::no_more()),
        Order::Make => {
            run(&common::make(target.package.dialect, target.credentials(crew)?, target.tls))
        }
        Order::Users => users(crew, target, &step.at),
        Order::Join(primary) => join(crew, target, (&step.at, primary)),
        Order::Admit => run(sql::admit()),
        Order::HandOver(to) => {
            let observed = ELECTED.observe(crew, target);
            lead(crew, target, &observed, (&step.at, to))
        }
    }
}

/// Sends statements that may take as long as joining does.
fn patiently(guest: &Guest<'_>, target: &Target, statements: &str) -> Result<Rows, EngineError> {
    session::send(guest, target.package, statements, JOINING.into())
}

/// Lets all that answer leave the group that they may be in, or try to find; what they have then
/// is what counts.
pub(super) fn part(
    crew: &Crew<'_>,
    target: &Target,
    names: &[&InstanceName],
) -> Result<(), EngineError> {
    for name in names {
        patiently(&crew.any_guest(name)?, target, sql::leave())?;
    }
    Ok(())
}

/// Starts the group at `name`, once nobody can be in one, or come into one: what was seen may be a
/// moment old, and a member that was looking for its group may have found it. Other work of the
/// same deploy may do the same at that time: then the server is in a group when it is to start one,
/// and refuses. Made to leave first, it would start another one beside what it has left.
fn found(crew: &Crew<'_>, target: &Target, name: &InstanceName) -> Result<(), EngineError> {
    let seen = ELECTED.observe(crew, target);
    let all: Vec<&InstanceName> =
        all_apart(crew, target, &seen, name)?.members().map(|(one, _)| one).collect();
    part(crew, target, &all)?;
    let left = ELECTED.observe(crew, target);
    let view = all_apart(crew, target, &left, name)?;
    match view.founder().map_err(|reason| crew.refusal(reason))? {
        Some(founder) if founder == name => start(crew, target, name),
        _ => Err(not_now(crew, name, "another one has more transactions")?),
    }
}

/// The group of one of which all answer, and none is in a group.
fn all_apart<'v>(
    crew: &Crew<'_>,
    target: &'v Target,
    observed: &'v Observed,
    name: &InstanceName,
) -> Result<View<'v>, EngineError> {
    let view = of(crew, target, observed, name)?;
    let leaving = target.leaving.iter();
    let mut silent =
        view.group.members.iter().chain(leaving).filter(|one| view.member(one).is_none());
    match (silent.next(), view.existence()) {
        (None, Existence::None) => Ok(view),
        (Some(silent), _) => Err(not_now(crew, name, &format!("{silent} does not answer"))?),
        (None, _) => Err(not_now(crew, name, "a member is in a group")?),
    }
}

/// A command that was not sent, since what was seen before has changed: to be looked at again.
fn not_now(crew: &Crew<'_>, name: &InstanceName, why: &str) -> Result<EngineError, EngineError> {
    Ok(EngineError::Guest(GuestError::Command {
        domain: crew.any_guest(name)?.domain.to_owned(),
        command: "START GROUP_REPLICATION".to_owned(),
        status: "not sent".to_owned(),
        output: why.to_owned(),
    }))
}

/// Starts the group at a server, which has left any other.
pub(super) fn start(
    crew: &Crew<'_>,
    target: &Target,
    name: &InstanceName,
) -> Result<(), EngineError> {
    let guest = crew.any_guest(name)?;
    let statements = sql::found(target.credentials(crew)?);
    patiently(&guest, target, &statements).map(drop).inspect_err(|_| {
        // Where that fails as well the next run sees to it.
        let _ = session::send(&guest, target.package, &sql::no_more(), commanding());
    })
}

fn of<'v>(
    crew: &Crew<'_>,
    target: &'v Target,
    observed: &'v Observed,
    name: &InstanceName,
) -> Result<View<'v>, EngineError> {
    let mut views = View::all(target, observed);
    let view =
        views.find(|view| view.stays(name) || view.members().any(|(member, _)| member == name));
    view.ok_or_else(|| crew.refusal(format!("{name} is in no group")))
}

/// Lets a server join the group of a primary, where that has all of its transactions.
pub(super) fn join(
    crew: &Crew<'_>,
    target: &Target,
    (name, primary): (&InstanceName, &InstanceName),
) -> Result<(), EngineError> {
    let guest = crew.any_guest(name)?;
    if crate::engine::mysql::observe::filling(&guest)?.is_some() {
        return Ok(());
    }
    // It is asked first: the primary has all by then that it could have of it.
    let own = observe::look(&guest, target, name)?;
    let all = observe::look(&crew.any_guest(primary)?, target, primary)?;
    if own.is_in_a_group() {
        return Ok(());
    }
    if !all.transactions.contain(&own.transactions) {
        let lacks = all.transactions.lacks(&own.transactions).to_string();
        if !target.may_lose_data {
            return Err(diverged(crew, (name, primary), &lacks));
        }
        patiently(&guest, target, sql::leave())?;
        return fill(crew, target, (name, primary));
    }
    let is_empty = own.transactions.is_empty();
    let statements = sql::join(target.credentials(crew)?, is_empty);
    patiently(&guest, target, &statements).map(drop)
}

/// Lets `to` take over from the primary `from`.
pub(super) fn lead(
    crew: &Crew<'_>,
    target: &Target,
    observed: &Observed,
    (from, to): (&InstanceName, &InstanceName),
) -> Result<(), EngineError> {
    let is_online = |leader: &observe::Member| {
        of(crew, target, observed, to).is_ok_and(|view| view.is_online(leader, to))
    };
    let heir = observed.seen.get(to).filter(|_| observed.seen.get(from).is_some_and(is_online));
    let heir = heir.ok_or_else(|| crew.refusal(format!("{to} is not in step with {from}")))?;
    let guest = crew.any_guest(from)?;
    session::send(&guest, target.package, &sql::lead(&heir.id), commanding()).map(drop)
}

/// Gives users their passwords, and every member the one by which it comes in at the others; a
/// run that is cut off before the end does it again.
fn users(crew: &Crew<'_>, target: &Target, primary: &InstanceName) -> Result<(), EngineError> {
    let package = target.package;
    let credentials = target.credentials(crew)?;
    let guest = crew.any_guest(primary)?;
    session::send(&guest, package, &common::users(package.dialect, credentials), commanding())?;
    let observed = ELECTED.observe(crew, target);
    for (name, _) in of(crew, target, &observed, primary)?.members() {
        let way = sql::way(credentials);
        session::send(&crew.any_guest(name)?, package, &way, commanding())?;
    }
    let marked = common::marked(&common::mark(credentials, target.tls));
    session::send(&guest, package, &marked, commanding()).map(drop)
}

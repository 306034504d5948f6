//! Lets a replica take over from a primary that answers, without losing a write: the primary
//! takes no writes, the replica applies what is left, and only then takes writes itself.
//!
//! Cut off anywhere, one of both holds everything and the next run goes on
//! ([`super::steps`]). What is refused meanwhile is refused, and not lost.

use super::observe::{Observed, Seen, Source};
use super::send::{followed, opened};
use super::session::{self, commanding};
use super::sql;
use super::steps::{Primary, View};
use super::target::Target;
use crate::engine::{Crew, EngineError};
use crate::guest::Guest;
use crate::ids::InstanceName;

/// Seconds for which writes may wait for statements that still run on the primary.
const LOCK_S: u32 = 5;

/// Lets a replica take over from the primary of its group.
pub(super) fn take_lead(
    crew: &Crew<'_>,
    target: &Target,
    observed: &Observed,
    to: &InstanceName,
) -> Result<(), EngineError> {
    let refuse = |reason: String| crew.refusal(reason);
    let mut views = View::all(target, observed);
    let view = views.find(|view| view.group.members.contains(to));
    let view = view.ok_or_else(|| refuse(format!("{to} is in no group")))?;
    match view.primary() {
        Primary::One(from, _) if from == to => Ok(()),
        Primary::One(from, _) => hand_over(crew, target, observed, (from, to)),
        Primary::Nobody => Err(refuse("nobody takes writes".to_owned())),
        Primary::Several(_) => Err(refuse("several take writes".to_owned())),
        Primary::Copy(name) => Err(refuse(format!("{name} takes writes and copies another one"))),
    }
}

/// Lets `to` take over from `from`.
pub(super) fn hand_over(
    crew: &Crew<'_>,
    target: &Target,
    observed: &Observed,
    (from, to): (&InstanceName, &InstanceName),
) -> Result<(), EngineError> {
    let (package, dialect) = (target.package, target.package.dialect);
    let source = observed.seen.get(to).and_then(Seen::server).and_then(|one| one.source.as_ref());
    if !source.is_some_and(Source::is_close) {
        return Err(crew.refusal(format!("{to} is not in step with {from}")));
    }
    let (old, new) = (crew.any_guest(from)?, crew.guest(to)?);
    let ask = |guest: &Guest<'_>, statements: &str| {
        session::send(guest, package, statements, commanding())
    };
    let taken = (|| {
        // As few commands as can be: each takes its time in a busy guest, and nobody writes.
        // A statement that runs for long must not keep all others waiting behind this one.
        let close = format!(
            "SET SESSION lock_wait_timeout = {LOCK_S}; {} {}",
            sql::close(dialect),
            sql::position(dialect)
        );
        let closed = ask(&old, &close)?;
        let position = closed.first("position").unwrap_or_default();
        let take = format!("{} {}", sql::catch_up(dialect, position), opened(target, to));
        ask(&new, &take).map(drop)
    })();
    if let Err(error) = taken {
        // It goes on, unless the other one took over and only its answer was lost.
        let is_open = super::observe::takes_writes(&new, package);
        if is_open == Ok(false) {
            ask(&old, sql::open(dialect))?;
        }
        return Err(error);
    }
    if target.group_of(from).is_some() {
        ask(&old, &followed(crew, target, to)?)?;
    }
    Ok(())
}

//! Takes steps: statements to servers, and a process that fills one.

use std::time::Duration;

use super::observe::{self, Observed, Server};
use super::session::{self, commanding};
use super::sql::{self, Shown};
use super::steps::{Order, Step};
use super::switch;
use super::target::Target;
use crate::engine::cluster::Answer;
use crate::engine::{Crew, EngineError};
use crate::guest::Guest;
use crate::ids::InstanceName;
use crate::recipe::Credentials;
use crate::recipe::mysql::{Dialect, FILL, FILL_UNIT, SEND, SEND_UNIT};

/// How long systemd may take to start a process.
const SYSTEMD: Duration = Duration::from_secs(60);

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

/// Whether it is the way to an instance that failed, and not a command.
pub(super) fn is_of_way(error: &EngineError) -> bool {
    matches!(error, EngineError::Guest(_)) && !error.is_of_command()
}

fn take(crew: &Crew<'_>, target: &Target, step: &Step) -> Result<(), EngineError> {
    let dialect = target.package.dialect;
    let guest = crew.any_guest(&step.at)?;
    let run = |statements: &str| {
        session::send(&guest, target.package, statements, commanding()).map(drop)
    };
    match &step.order {
        Order::Bootstrap => run(&sql::bootstrap(dialect, target.credentials(crew)?, target.tls)),
        Order::Users => users(crew, target, &step.at),
        Order::Open => run(&opened(target, &step.at)),
        Order::Close => run(sql::close(dialect)),
        Order::Fill(from) => match own(crew, target, (&step.at, from))? {
            Own::Filling => Ok(()),
            Own::More(lacking) if !target.may_lose_data => {
                Err(diverged(crew, (&step.at, from), &lacking))
            }
            Own::Nothing | Own::More(_) => fill(crew, target, (&step.at, from)),
        },
        Order::Follow(source) => match own(crew, target, (&step.at, source))? {
            Own::Filling => Ok(()),
            Own::Nothing => run(&followed(crew, target, source)?),
            Own::More(_) if target.may_lose_data => fill(crew, target, (&step.at, source)),
            Own::More(lacking) => Err(diverged(crew, (&step.at, source), &lacking)),
        },
        Order::Reconnect => run(sql::reconnect(dialect)),
        Order::Wait => run(&sql::set(sql::waits(dialect), "ON")),
        Order::Acknowledge => {
            let on = sql::set(sql::acknowledges(dialect), "ON");
            run(&format!("{on} {}", sql::reconnect(dialect)))
        }
        Order::Prove => super::proof::prove(&guest, target).map(drop),
        Order::HandOver(to) => {
            let observed = observed(crew, target);
            switch::hand_over(crew, target, &observed, (&step.at, to))
        }
    }
}

fn observed(crew: &Crew<'_>, target: &Target) -> Observed {
    use crate::engine::cluster::Cluster as _;
    super::Mysql(target.package).observe(crew, target)
}

/// Gives the users of a primary their passwords, and its replicas the one by which they come in:
/// those that are connected stay so meanwhile. A run that is cut off before the end does it again.
fn users(crew: &Crew<'_>, target: &Target, primary: &InstanceName) -> Result<(), EngineError> {
    let package = target.package;
    let credentials = target.credentials(crew)?;
    let guest = crew.any_guest(primary)?;
    session::send(&guest, package, &sql::users(package.dialect, credentials), commanding())?;
    let follow = followed(crew, target, primary)?;
    for (name, seen) in &observed(crew, target).seen {
        let follows = |server: &Server| server.source.as_ref().and_then(|one| one.address);
        let source = seen.server().and_then(follows).and_then(|at| target.at(at));
        if source == Some(primary) {
            session::send(&crew.any_guest(name)?, package, &follow, commanding())?;
        }
    }
    let marked = sql::marked(&sql::mark(credentials, target.tls));
    session::send(&guest, package, &marked, commanding()).map(drop)
}

/// The statements that make a server the primary: it waits for acknowledgements before it takes
/// the first write, where it has copies.
pub(super) fn opened(target: &Target, name: &InstanceName) -> String {
    let dialect = target.package.dialect;
    let has_copies = target.group_of(name).is_some_and(|(_, group)| group.members.len() > 1);
    let waits = sql::set(sql::waits(dialect), if has_copies { "ON" } else { "OFF" });
    format!("{} {waits} {}", sql::forget_source(dialect), sql::open(dialect))
}

/// The statements that let a server copy another one.
pub(super) fn followed(
    crew: &Crew<'_>,
    target: &Target,
    source: &InstanceName,
) -> Result<String, EngineError> {
    let dialect = target.package.dialect;
    let address = target.addresses.get(source).copied().ok_or_else(|| EngineError::Plan {
        instance: source.clone(),
        problem: "it has no address".to_owned(),
    })?;
    let credentials: &Credentials = target.credentials(crew)?;
    let files = &target.package.tls;
    let shown = target.tls.then_some(Shown {
        authority: files.authority,
        certificate: files.certificate,
        key: files.key,
    });
    let statements = [
        sql::close(dialect).to_owned(),
        sql::set(sql::waits(dialect), "OFF"),
        sql::set(sql::acknowledges(dialect), "ON"),
        sql::follow(dialect, address, credentials, shown),
    ];
    Ok(statements.join(" "))
}

/// What a server has and the primary lacks.
enum Own {
    /// It is being filled.
    Filling,
    /// Nothing.
    Nothing,
    /// That, in words.
    More(String),
}

/// What a server has and the primary lacks. It is asked before the primary, which has all by then
/// that the server could have of it.
fn own(
    crew: &Crew<'_>,
    target: &Target,
    (at, primary): (&InstanceName, &InstanceName),
) -> Result<Own, EngineError> {
    let look = |name: &InstanceName| observe::look(&crew.any_guest(name)?, target, name);
    let (own, all) = (look(at)?, look(primary)?);
    let (Some(own), Some(all)) = (own.server(), all.server()) else { return Ok(Own::Filling) };
    let (own, all) = (&own.transactions, &all.transactions);
    Ok(if all.contain(own) { Own::Nothing } else { Own::More(all.lacks(own).to_string()) })
}

/// The refusal to give up what a server has of its own.
pub(super) fn diverged(
    crew: &Crew<'_>,
    (at, primary): (&InstanceName, &InstanceName),
    lacking: &str,
) -> EngineError {
    let service = &crew.service.name;
    crew.refusal(format!(
        "{at} has what the primary {primary} lacks, {lacking}, made while another one was the \
             primary; keep a copy of its data volume if it is needed, then give it up with \
             --allow-data-loss {service}"
    ))
}

/// Starts the filling of a server, which goes on by itself. Who sends waits for who receives, so
/// a run that is cut off in between has changed nothing.
pub(super) fn fill(
    crew: &Crew<'_>,
    target: &Target,
    (at, from): (&InstanceName, &InstanceName),
) -> Result<(), EngineError> {
    let unknown = |name: &InstanceName| EngineError::Plan {
        instance: name.clone(),
        problem: "it has no address".to_owned(),
    };
    let address = |name: &InstanceName| {
        target.addresses.get(name).map(ToString::to_string).ok_or_else(|| unknown(name))
    };
    if target.package.dialect == Dialect::Mariadb {
        let donor = crew.any_guest(from)?;
        // One that waits for a server that was not filled in the end.
        donor.run(&["systemctl", "stop", SEND_UNIT], SYSTEMD)?;
        start(&donor, SEND_UNIT, SEND, &address(at)?)?;
    }
    start(&crew.guest(at)?, FILL_UNIT, FILL, &address(from)?)
}

fn start(guest: &Guest<'_>, unit: &str, program: &str, argument: &str) -> Result<(), EngineError> {
    let unit = format!("--unit={unit}");
    let command = ["systemd-run", "--quiet", "--collect", &unit, program, argument];
    guest.run_ok(&command, SYSTEMD)?;
    Ok(())
}

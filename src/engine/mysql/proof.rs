//! Writes that are proved: acknowledged by a replica, and read there.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::session::{self, asking, commanding};
use super::sql;
use super::target::Target;
use super::way::{Way, through_gateway};
use crate::engine::cluster::Broken;
use crate::engine::{Crew, EngineError};
use crate::guest::{Guest, GuestError, Limit};
use crate::ids::InstanceName;
use crate::plan::Instance;
use crate::recipe::mysql::PORT;

/// How long an answer may take, as a client waits for it.
const PATIENCE: Duration = Duration::from_secs(2);
/// The same in a guest that is slow.
const MOST: Duration = Duration::from_secs(10);

/// Writes a value on a primary and returns the value and its position, where a replica
/// acknowledged it.
///
/// # Errors
/// The way to it; [`GuestError::Command`] where no replica did.
pub(super) fn prove(guest: &Guest<'_>, target: &Target) -> Result<(String, String), EngineError> {
    let (package, dialect) = (target.package, target.package.dialect);
    // Of this moment, so that a value from before is no proof.
    let value = format!("{}-{}", std::process::id(), guest.clock.elapsed().as_nanos());
    let rows = session::send(guest, package, &sql::prove(dialect, &value), commanding())?;
    let grew = |rest: &str| {
        let name = sql::semi_sync(dialect, rest);
        let mut counts = rows.variable(&name).map(|count| count.parse::<u64>().ok());
        Some(counts.next()??.abs_diff(counts.next()??))
    };
    let position = rows.first("position").unwrap_or_default().to_owned();
    // A group commits nothing that a majority has not got.
    if target.elects {
        return Ok((value, position));
    }
    match (grew("yes_tx"), grew("no_tx")) {
        (Some(1..), Some(0)) => Ok((value, position)),
        _ => Err(GuestError::Command {
            domain: guest.domain.to_owned(),
            command: format!("{} (a write that a replica acknowledges)", package.client),
            status: "no acknowledgement".to_owned(),
            output: "the primary went on without one".to_owned(),
        }
        .into()),
    }
}

/// Proves a write on the primary of a group, reads it at every replica, and writes and reads
/// one by the network as a client does, through its gateway too.
pub(super) fn round_trip(
    crew: &Crew<'_>,
    target: &Target,
    (at, via): (&Instance, &Instance),
) -> Result<(), Broken> {
    let package = target.package;
    let primary = primary_of(crew, target, at).map_err(Broken::Service)?;
    let address = address(target, &primary)?;
    let sender = crew.guest(&via.name).map_err(Broken::Sender)?;
    let series = format!("probe-{}", std::process::id());
    let number = u64::try_from(sender.clock.elapsed().as_micros()).unwrap_or_default();
    let statements = [sql::write_number(&series, number), sql::forget_numbers(&series)].concat();
    let write = |to: (Ipv4Addr, u16), what: &dyn std::fmt::Display| {
        let rows = session::send_to(&sender, package, to, &statements, asking())?;
        if rows.first("number") == Some(&number.to_string()) {
            return Ok(());
        }
        Err(Broken::Service(format!("{what} did not return what was written")))
    };
    write((address, PORT), &primary)?;
    if let Some(Way { gateway, address, ports }) = through_gateway(crew, at) {
        let named = |broken| match broken {
            Broken::Service(why) => Broken::Service(format!("{why}; through {gateway}")),
            sender @ Broken::Sender(_) => sender,
        };
        write((address, ports.writes), gateway).map_err(named)?;
        let question = sql::is_closed(package.dialect);
        session::send_to(&sender, package, (address, ports.reads), question, asking())
            .map_err(|error| named(error.into()))?;
    }
    let replicas: Vec<&Instance> =
        crew.copies_of(at).filter(|one| one.name != primary && is_asked(crew, one)).collect();
    if replicas.is_empty() {
        return Ok(());
    }
    let guest = crew.guest(&primary)?;
    let (value, position) = prove(&guest, target).map_err(|error| match error {
        EngineError::Guest(GuestError::Command { .. }) => {
            Broken::Service(format!("{primary} wrote without the acknowledgement of a replica"))
        }
        other => other.into(),
    })?;
    for replica in replicas {
        let guest = crew.guest(&replica.name)?;
        let wait = sql::catch_up(package.dialect, &position);
        let statements = [wait, sql::proved()].concat();
        let rows = session::send(&guest, package, &statements, commanding())?;
        if rows.first("value") != Some(value.as_str()) {
            let what = format!("a write on {primary} did not arrive at {}", replica.name);
            return Err(Broken::Service(what));
        }
    }
    Ok(())
}

fn is_asked(crew: &Crew<'_>, instance: &Instance) -> bool {
    crew.members().iter().any(|one| one.name == instance.name)
}

fn address(target: &Target, name: &InstanceName) -> Result<Ipv4Addr, Broken> {
    let unknown = || Broken::Service(format!("{name} has no address"));
    target.addresses.get(name).copied().ok_or_else(unknown)
}

/// The one of a group that takes writes, as those that answer say.
fn primary_of(crew: &Crew<'_>, target: &Target, at: &Instance) -> Result<InstanceName, String> {
    let copies: Vec<&Instance> = crew.copies_of(at).filter(|one| is_asked(crew, one)).collect();
    let open = crew.each(
        &copies,
        |one| &one.name,
        |one| {
            let guest = crew.guest(&one.name)?;
            super::observe::takes_writes(&guest, target.package)
        },
    );
    let mut open = copies.iter().zip(open).filter(|(_, open)| *open == Ok(true));
    match (open.next(), open.next()) {
        (Some((one, _)), None) => Ok(one.name.clone()),
        (Some(_), Some(_)) => Err("several take writes".to_owned()),
        (None, _) => Err("nobody takes writes".to_owned()),
    }
}

/// Writes a number of a series as a client with little patience does: to the first of the
/// group that takes it, the planned primary before the others, or through its gateway. Returns why it could not be
/// read, where it was acknowledged.
pub(super) fn write(
    crew: &Crew<'_>,
    target: &Target,
    (at, via): (&Instance, &Instance),
    (series, number): (&str, u64),
) -> Result<Option<String>, Broken> {
    let guest = crew.guest(&via.name).map_err(Broken::Sender)?;
    let limit = Limit::adapting(PATIENCE, MOST);
    let statements = sql::write_number(series, number);
    let mut last = None;
    for (to, whom) in ways(crew, target, at)? {
        match session::send_to(&guest, target.package, to, &statements, limit) {
            Ok(rows) if rows.first("number") == Some(&number.to_string()) => return Ok(None),
            Ok(_) => return Ok(Some(format!("{whom} did not return it"))),
            Err(error) if error.is_of_command() => last = Some(error),
            Err(error) => return Err(error.into()),
        }
    }
    let none = || Broken::Service("nobody to write to".to_owned());
    Err(last.map_or_else(none, Broken::from))
}

/// Where a client comes in, and at whom.
type Door = ((Ipv4Addr, u16), String);

/// Where a client writes: at the gateway if there is one, else at those of a group, one that
/// is given first.
fn ways(crew: &Crew<'_>, target: &Target, first: &Instance) -> Result<Vec<Door>, Broken> {
    if let Some(Way { gateway, address, ports }) = through_gateway(crew, first) {
        return Ok(vec![((address, ports.writes), gateway.to_string())]);
    }
    let others = crew.copies_of(first).filter(|one| one.name != first.name);
    let all = std::iter::once(first).chain(others);
    all.map(|one| Ok(((address(target, &one.name)?, PORT), one.name.to_string()))).collect()
}

/// Returns the numbers of a series that are not there; with `forget` removes all of them.
pub(super) fn lost(
    crew: &Crew<'_>,
    target: &Target,
    (at, via): (&Instance, &Instance),
    (series, numbers): (&str, &BTreeSet<u64>),
    forget: bool,
) -> Result<BTreeSet<u64>, Broken> {
    let guest = crew.guest(&via.name).map_err(Broken::Sender)?;
    let primary = primary_of(crew, target, at).map_err(Broken::Service)?;
    let address = address(target, &primary)?;
    let ask = |statements: &str| {
        session::send_to(&guest, target.package, (address, PORT), statements, asking())
    };
    let rows = ask(&sql::numbers(series))?;
    let found: BTreeSet<u64> = rows.all("number").filter_map(|text| text.parse().ok()).collect();
    if forget {
        ask(&sql::forget_numbers(series))?;
    }
    Ok(numbers.difference(&found).copied().collect())
}

//! Databases behind gateways: each is judged by what HAProxy makes of its servers, since a
//! gateway has no password to come in with. A database itself is tried through its gateway by
//! who has one.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::observe::Seen;
use super::target::Target;
use crate::engine::cluster::{Cluster as _, Complaints, Observed};
use crate::engine::{Crew, Difference, EngineError, Fact};
use crate::ids::{InstanceName, ServiceName};
use crate::plan::Instance;
use crate::recipe::haproxy::{self, DatabaseFront};

/// A group of a database, where clients that write come in.
#[derive(Debug)]
pub(super) struct Database {
    /// Address and port.
    at: String,
    service: ServiceName,
    nobody: String,
    several: String,
    unasked: String,
}

/// The groups of all databases behind a gateway.
pub(super) fn of(crew: &Crew<'_>, address: Option<Ipv4Addr>) -> Vec<Database> {
    let Some(address) = address else { return Vec::new() };
    let all = haproxy::databases(crew.plan, crew.service).into_iter();
    let database = |front: DatabaseFront<'_>| Database {
        at: format!("{address}:{}", front.ports.writes),
        service: front.database.name.clone(),
        nobody: front.nobody(),
        several: front.several(),
        unasked: front.unasked(),
    };
    all.map(database).collect()
}

impl Database {
    fn complaint(&self, words: &[String]) -> Option<&'static str> {
        let says = |word: &String| words.contains(word);
        if says(&self.several) {
            Some("several servers say that they take writes, so that nobody is passed on")
        } else if says(&self.nobody) {
            Some("no server says that it takes writes")
        } else {
            None
        }
    }
}

/// What clients of databases could do nothing with, as a gateway says.
pub(super) fn complaints(all: &[Database], words: &[String]) -> Complaints {
    let complaint = |one: &Database| Some((one.at.clone(), one.complaint(words)?.to_owned()));
    all.iter().filter_map(complaint).collect()
}

/// Why a gateway that has just started does not pass clients on yet.
pub(super) fn unasked(all: &[Database], words: &[String]) -> Option<String> {
    let one = all.iter().find(|one| words.contains(&one.unasked))?;
    Some(format!("it has not asked the servers of {} yet", one.service))
}

/// Takes out of the complaints of a gateway those about databases and search engines that no other
/// gateway serves either: that is the fault of what is behind it, which may not be formed yet.
pub(super) fn without_common(
    crew: &Crew<'_>,
    target: &Target,
    instance: &Instance,
    mut complaints: Complaints,
) -> Result<Complaints, EngineError> {
    let databases = target.databases.iter().map(|one| one.at.clone());
    let searched =
        target.doors.iter().filter(|door| door.is_formed).map(|door| door.url.to_string());
    let of_databases: BTreeSet<String> = databases.chain(searched).collect();
    if !complaints.keys().any(|at| of_databases.contains(at)) {
        return Ok(complaints);
    }
    let others = crew.only(|one| one.name != instance.name);
    let observed = super::HAPROXY.observe(&others, target);
    let serves = |at: &String| {
        let mut fine = observed.seen.values().filter(|seen| seen.fault.is_none());
        fine.any(|seen| !seen.complaints.contains_key(at))
    };
    complaints.retain(|at, _| !of_databases.contains(at) || serves(at));
    Ok(complaints)
}

/// The databases that a gateway passes nobody on to.
pub(super) fn differences(
    target: &Target,
    observed: &Observed<Seen>,
    name: &InstanceName,
) -> Vec<Difference> {
    let Some(seen) = observed.seen.get(name) else { return Vec::new() };
    let difference = |one: &Database| {
        let complaint = seen.complaints.get(&one.at)?;
        Some(Difference {
            instance: name.clone(),
            fact: Fact::Frontend(one.service.clone()),
            planned: "one that takes writes".to_owned(),
            found: format!("{complaint}, at {}", one.at),
        })
    };
    target.databases.iter().filter_map(difference).collect()
}

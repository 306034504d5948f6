//! What gateways report of themselves, and how it differs from what is planned.

use std::collections::BTreeSet;
use std::time::Duration;

use super::target::{Door, Target};
use super::{databases, holders};
use crate::engine::cluster::{Complaints, Observed};
use crate::engine::http::{self, Reply};
use crate::engine::{Crew, Difference, EngineError, Fact};
use crate::ids::InstanceName;
use crate::plan::{Instance, Role};
use crate::recipe::haproxy;
use crate::recipe::web::Expected;

/// How long systemd may take to say how a unit is.
const ANSWER: Duration = Duration::from_secs(60);

/// What a gateway reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The digest of the configuration that it runs with.
    pub(super) configuration: Option<String>,
    /// Whether it has the address that clients use.
    pub(super) holds: bool,
    /// The instances that it sends no requests to.
    pub(super) down: BTreeSet<InstanceName>,
    /// Why it could not take the address over, or serve at it.
    pub(super) fault: Option<String>,
    /// What clients could do nothing with, by where they ask.
    pub(super) complaints: Complaints,
}

/// Why a gateway could not serve as the others do: it has a fault, or answers badly where
/// another answers well. What none of them serves is the fault of what is behind them.
pub(super) fn unserved(
    observed: &Observed<Seen>,
    name: &InstanceName,
    seen: &Seen,
) -> Option<String> {
    let others =
        || observed.seen.iter().filter(|(other, seen)| *other != name && seen.fault.is_none());
    let worse = || {
        let does = |url: &String| others().any(|(_, other)| !other.complaints.contains_key(url));
        let (url, what) = seen.complaints.iter().find(|(url, _)| does(url))?;
        Some(format!("{what} at {url}"))
    };
    seen.fault.clone().or_else(worse)
}

/// Asks a gateway in its own guest.
pub(super) fn look(
    crew: &Crew<'_>,
    target: &Target,
    instance: &Instance,
) -> Result<Seen, EngineError> {
    let guest = crew.guest(&instance.name)?;
    let planned = target.gateways.get(&instance.name).ok_or_else(|| EngineError::Plan {
        instance: instance.name.clone(),
        problem: "not a gateway of the service".to_owned(),
    })?;
    let own = target.doors.iter().map(Door::own);
    let urls: Vec<_> = std::iter::once(planned.status.clone()).chain(own).collect();
    let mut replies = http::get(&guest, target.authority, &urls)?.into_iter();
    let reply = replies.next().unwrap_or_else(|| Reply::None("no reply".to_owned()));
    if let Reply::None(reason) = &reply {
        return Err(http::unanswered(&guest, &planned.status, reason.clone()));
    }
    let addresses = guest.addresses()?.unwrap_or_default();
    let holds = target.address.is_some_and(|address| addresses.contains(&address));
    let mut fault = reply.fault(Expected::NoFault);
    if target.moves && fault.is_none() {
        let state = guest.run(&["systemctl", "is-active", haproxy::VRRP_UNIT], ANSWER)?;
        let state = state.stdout.trim().to_owned();
        fault = (state != "active").then(|| format!("{} is {state}", haproxy::VRRP_UNIT));
    }
    fault = fault.or_else(|| databases::unasked(&target.databases, reply.down()));
    let names = reply.down().iter().filter_map(|name| InstanceName::new(name).ok());
    let (down, configuration) = (names.collect(), reply.configuration().map(str::to_owned));
    // With its former configuration it may have other frontends.
    let is_planned = planned.digest.is_none() || configuration == planned.digest;
    let complaint = |(door, reply): (&Door, Reply)| {
        let silence = reply.silence().filter(|_| is_planned).map(str::to_owned);
        Some((door.url.to_string(), reply.complaint(door.expected).or(silence)?))
    };
    let of_databases = databases::complaints(&target.databases, reply.down());
    let complaints = target.doors.iter().zip(replies).filter_map(complaint);
    let complaints = complaints.chain(of_databases).collect();
    Ok(Seen { configuration, holds, down, fault, complaints })
}

/// All that differs from the plan.
pub(super) fn differences(target: &Target, observed: &Observed<Seen>) -> Vec<Difference> {
    let silent = observed.silent.iter();
    let mut found: Vec<Difference> =
        silent.map(|(name, error)| Difference::unanswered(name.clone(), error)).collect();
    for (name, seen) in &observed.seen {
        let Some(planned) = target.gateways.get(name) else { continue };
        let instance = || name.clone();
        if let Some(fault) = &seen.fault {
            found.push(Difference::unanswered(instance(), fault));
        }
        let runs_with = seen.configuration.as_ref();
        found.extend(http::loaded_another(name, runs_with, planned.digest.as_ref()));
        let is_other = |name: &InstanceName| {
            observed.seen.get(name).is_some_and(|other| other.fault.is_none())
        };
        for door in &target.doors {
            let url = door.url.to_string();
            let Some(complaint) = seen.complaints.get(&url) else { continue };
            let serves = |(other, seen): (&InstanceName, &Seen)| {
                is_other(other) && !seen.complaints.contains_key(&url)
            };
            // A pool without a member that is up is named by its members.
            if door.members.is_subset(&seen.down) && !observed.seen.iter().any(serves) {
                continue;
            }
            // Another one shows that it is the planned configuration that serves nobody.
            let with_former = |(other, _): (&InstanceName, &Seen)| {
                let planned = target.gateways.get(other).and_then(|one| one.digest.as_ref());
                let runs_with = observed.seen.get(other).and_then(|one| one.configuration.as_ref());
                planned.is_some() && runs_with != planned
            };
            let runs_as_planned = runs_with == planned.digest.as_ref();
            if runs_as_planned && observed.seen.iter().any(|one| serves(one) && with_former(one)) {
                found.push(Difference::unanswered(instance(), &format!("{complaint} at {url}")));
                continue;
            }
            found.push(Difference {
                instance: instance(),
                fact: Fact::Frontend(door.pool.clone()),
                planned: "what its members answer".to_owned(),
                found: format!("{complaint} at {url}"),
            });
        }
        found.extend(databases::differences(target, observed, name));
        found.extend(seen.down.iter().map(|down| Difference {
            instance: instance(),
            fact: Fact::Backend(down.clone()),
            planned: "up".to_owned(),
            found: "down".to_owned(),
        }));
    }
    found.extend(of_address(target, observed));
    found.extend(of_roles(target, observed));
    found
}

/// Whether the one that is planned to be active holds the address, if it can.
fn of_roles(target: &Target, observed: &Observed<Seen>) -> Vec<Difference> {
    let (holders, Some(lead)) = (holders(observed), target.lead.as_ref()) else {
        return Vec::new();
    };
    let [holder] = holders.as_slice() else { return Vec::new() };
    let can = observed.seen.get(lead).is_some_and(|seen| unserved(observed, lead, seen).is_none());
    if *holder == lead || !can || !target.gateways.contains_key(*holder) {
        return Vec::new();
    }
    let difference = |instance: &InstanceName, planned: Role, found: Role| Difference {
        instance: instance.clone(),
        fact: Fact::Role,
        planned: planned.as_str().to_owned(),
        found: found.as_str().to_owned(),
    };
    vec![
        difference(lead, Role::Active, Role::Standby),
        difference(holder, Role::Standby, Role::Active),
    ]
}

/// Whether one gateway holds the address. As long as one is silent it may be that one.
fn of_address(target: &Target, observed: &Observed<Seen>) -> Option<Difference> {
    let (address, lead) = (target.address?, target.lead.clone()?);
    let holders = holders(observed);
    let found = match holders.as_slice() {
        [_] => return None,
        [] if !observed.silent.is_empty() => return None,
        [] => "held by nobody".to_owned(),
        all => {
            let names: Vec<&str> = all.iter().map(|one| one.as_str()).collect();
            format!("held by {}", names.join(" and "))
        }
    };
    let planned = "held by one gateway".to_owned();
    Some(Difference { instance: lead, fact: Fact::Holder(address), planned, found })
}

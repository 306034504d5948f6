//! What gateways report of themselves, and how it differs from what is planned.

use std::collections::BTreeSet;
use std::time::Duration;

use super::holders;
use super::target::Target;
use crate::engine::cluster::Observed;
use crate::engine::http::{self, Reply};
use crate::engine::{Crew, Difference, EngineError, Fact};
use crate::ids::InstanceName;
use crate::plan::{Instance, Role};
use crate::recipe::haproxy;

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
    let replies = http::get(&guest, haproxy::AUTHORITY, std::slice::from_ref(&planned.status))?;
    let reply = replies.into_iter().next().unwrap_or_else(|| Reply::None("no reply".to_owned()));
    if let Reply::None(reason) = &reply {
        return Err(http::unanswered(&guest, &planned.status, reason.clone()));
    }
    let addresses = guest.addresses()?.unwrap_or_default();
    let holds = target.address.is_some_and(|address| addresses.contains(&address));
    let mut fault = reply.fault();
    if target.moves && fault.is_none() {
        let state = guest.run(&["systemctl", "is-active", haproxy::VRRP_UNIT], ANSWER)?;
        let state = state.stdout.trim().to_owned();
        fault = (state != "active").then(|| format!("{} is {state}", haproxy::VRRP_UNIT));
    }
    let names = reply.down().iter().filter_map(|name| InstanceName::new(name).ok());
    let (down, configuration) = (names.collect(), reply.configuration().map(str::to_owned));
    Ok(Seen { configuration, holds, down, fault })
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
    let can = observed.seen.get(lead).is_some_and(|seen| seen.fault.is_none());
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

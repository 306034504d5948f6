//! Whether a guest has the address that is planned for it. One that has not is
//! told of here, with what it has, and not later by a cluster that does not form.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Site, StepError};
use crate::engine::{EngineError, Guest};
use crate::hypervisor::ErrorKind;
use crate::plan::Instance;

/// How long the network may take after the first boot is over: address conflict
/// detection (RFC 5227) takes up to 7 s, emulated guests are some times slower.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_secs(1);

/// Waits until the guest has its planned address.
///
/// # Errors
/// [`StepError::Address`] with the addresses that it has; or the agent.
pub(super) fn wait(
    site: &Site<'_>,
    instance: &Instance,
    guest: &Guest<'_>,
) -> Result<(), StepError> {
    let Some(planned) = instance.address else { return Ok(()) };
    let begin = site.clock.elapsed();
    loop {
        let found = match ask(guest) {
            // An agent without that command cannot tell.
            Ok(None) => return Ok(()),
            Ok(Some(found)) => found,
            Err(EngineError::Hypervisor(error)) if error.kind == ErrorKind::AgentSilent => {
                BTreeSet::new()
            }
            Err(error) => return Err(error.into()),
        };
        if found.contains(&planned) {
            return Ok(());
        }
        if site.clock.elapsed().saturating_sub(begin) >= PATIENCE {
            let instance = instance.name.clone();
            return Err(StepError::Address { instance, planned, found: listed(&found) });
        }
        site.clock.wait(POLL);
    }
}

/// Whether the guest has its planned address now, as far as its agent can tell.
pub(super) fn is_held(instance: &Instance, guest: &Guest<'_>) -> bool {
    let Some(planned) = instance.address else { return true };
    ask(guest).is_ok_and(|found| found.is_none_or(|found| found.contains(&planned)))
}

/// The guest's IPv4 addresses but those of its loopback; `None` if its agent
/// refuses to tell.
fn ask(guest: &Guest<'_>) -> Result<Option<BTreeSet<Ipv4Addr>>, EngineError> {
    let answer = match guest.request("guest-network-get-interfaces", json!({})) {
        Err(EngineError::Hypervisor(error)) if error.kind == ErrorKind::Other => return Ok(None),
        other => other?,
    };
    let interfaces = answer.as_array().into_iter().flatten();
    let addresses = interfaces
        .filter_map(|interface| interface.get("ip-addresses")?.as_array())
        .flatten()
        .filter_map(|address| address.get("ip-address").and_then(Value::as_str)?.parse().ok());
    Ok(Some(addresses.filter(|address: &Ipv4Addr| !address.is_loopback()).collect()))
}

fn listed(found: &BTreeSet<Ipv4Addr>) -> String {
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    if found.is_empty() { "no address".to_owned() } else { found.join(", ") }
}

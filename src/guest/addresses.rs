//! Whether a guest has the address that is planned for it. One that has not is
//! reported here, with what it has, and not later by a cluster that does not form.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Guest, GuestError};
use crate::hypervisor::ErrorKind;
use crate::hypervisor::clock::{Pauses, Poll};

/// How long the network may take after the first boot is over: address conflict
/// detection (RFC 5227) takes up to 7 s, emulated guests are some times slower.
const PATIENCE: Duration = Duration::from_secs(90);
const PAUSE: Duration = Duration::from_secs(1);

impl Guest<'_> {
    /// Waits until the guest has its planned address.
    ///
    /// # Errors
    /// [`GuestError::Address`] with the addresses that it has; or the agent.
    pub fn wait_for_address(&self, planned: Ipv4Addr) -> Result<(), GuestError> {
        let mut poll = Poll::new(self.clock, PATIENCE, Pauses::every(PAUSE));
        loop {
            let found = match self.addresses() {
                // An agent without that command cannot say.
                Ok(None) => return Ok(()),
                Ok(Some(found)) => found,
                Err(GuestError::Hypervisor(error)) if error.kind == ErrorKind::AgentSilent => {
                    BTreeSet::new()
                }
                Err(error) => return Err(error),
            };
            if found.contains(&planned) {
                return Ok(());
            }
            if !poll.pause() {
                let domain = self.domain.to_owned();
                return Err(GuestError::Address { domain, planned, found: listed(&found) });
            }
        }
    }

    /// Whether the guest has an address now, as far as its agent can say.
    #[must_use]
    pub fn has_address(&self, planned: Ipv4Addr) -> bool {
        self.addresses().is_ok_and(|found| found.is_none_or(|found| found.contains(&planned)))
    }

    /// The guest's IPv4 addresses but those of its loopback; `None` if its agent
    /// refuses to say.
    pub fn addresses(&self) -> Result<Option<BTreeSet<Ipv4Addr>>, GuestError> {
        Ok(self.interfaces()?.map(|found| found.into_keys().collect()))
    }

    /// The guest's IPv4 addresses but those of its loopback, each with its interface; `None`
    /// if its agent refuses to say.
    pub fn interfaces(&self) -> Result<Option<BTreeMap<Ipv4Addr, String>>, GuestError> {
        let answer = match self.request("guest-network-get-interfaces", json!({})) {
            Err(GuestError::Hypervisor(error)) if error.kind == ErrorKind::Other => {
                return Ok(None);
            }
            other => other?,
        };
        let mut found = BTreeMap::new();
        for interface in answer.as_array().into_iter().flatten() {
            let name = interface.get("name").and_then(Value::as_str).unwrap_or_default();
            let addresses = interface.get("ip-addresses").and_then(Value::as_array);
            let addresses = addresses.into_iter().flatten().filter_map(|address| {
                address.get("ip-address").and_then(Value::as_str)?.parse().ok()
            });
            let outside = addresses.filter(|address: &Ipv4Addr| !address.is_loopback());
            found.extend(outside.map(|address| (address, name.to_owned())));
        }
        Ok(Some(found))
    }
}

fn listed(found: &BTreeSet<Ipv4Addr>) -> String {
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    if found.is_empty() { "no address".to_owned() } else { found.join(", ") }
}

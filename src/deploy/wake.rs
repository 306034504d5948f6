//! Guests that are off, started to tell what only they know.

use std::collections::{BTreeMap, BTreeSet};

use super::recover::{Fate, Recovery, Sleeper, recover};
use super::{Site, StepError};
use crate::guest::Guest;
use crate::hypervisor::HypervisorError;
use crate::ids::HostName;
use crate::secret::Missing;

/// Looks for what is missing as [`recover`] does, and starts guests that may know
/// it: one of a service at a time, until one tells. `tell` is given a line for each
/// that is started, and for each that could not be asked.
pub fn wake_and_recover(
    site: &Site<'_>,
    unreachable: &BTreeMap<HostName, HypervisorError>,
    missing: &Missing,
    tell: &dyn Fn(String),
) -> Recovery {
    let mut asked = BTreeSet::new();
    loop {
        let mut recovery = recover(site, unreachable, missing);
        let mut woken = false;
        for (service, fate) in &mut recovery.services {
            let Fate::Asleep { sleepers } = &*fate else { continue };
            let Some(next) = sleepers.iter().find(|one| !asked.contains(&one.instance)) else {
                *fate = Fate::Lost;
                continue;
            };
            asked.insert(next.instance.clone());
            woken = true;
            tell(format!("starting {} to ask it for the passwords of {service}", next.instance));
            if let Err(error) = wake(site, next) {
                tell(format!("{} cannot be asked: {error}", next.instance));
            }
        }
        if !woken {
            return recovery;
        }
    }
}

/// Starts a guest and waits until its agent answers.
fn wake(site: &Site<'_>, sleeper: &Sleeper) -> Result<(), StepError> {
    let Sleeper { host, domain, .. } = sleeper;
    let hypervisor = site.host(host)?;
    hypervisor.start(domain)?;
    let guest = Guest { hypervisor, domain, clock: site.clock };
    Ok(guest.wait_until_answering(site.patience.boot)?)
}

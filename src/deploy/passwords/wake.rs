//! Guests that are powered off, started to ask for passwords that only they hold.

use std::collections::BTreeSet;

use super::recover::{PoweredOff, Recovery, RecoveryOutcome, recover};
use crate::deploy::{Context, StepError};
use crate::guest::Guest;
use crate::secret::Missing;

/// Looks for what is missing as [`recover`] does, and starts guests that may have
/// it: one of a service at a time, until one answers. `note` is given a line for each
/// that is started, and for each that could not be asked.
pub fn wake_and_recover(
    context: &Context<'_>,
    missing: &Missing,
    note: &dyn Fn(String),
) -> Recovery {
    let mut asked = BTreeSet::new();
    loop {
        let mut recovery = recover(context, missing);
        let mut woken = false;
        for (service, outcome) in &mut recovery.services {
            let RecoveryOutcome::PoweredOff { instances } = &*outcome else { continue };
            let Some(next) = instances.iter().find(|one| !asked.contains(&one.instance)) else {
                *outcome = RecoveryOutcome::Lost;
                continue;
            };
            asked.insert(next.instance.clone());
            woken = true;
            note(format!("starting {} to read the passwords of {service}", next.instance));
            if let Err(error) = wake(context, next) {
                note(format!("cannot read passwords from {}: {error}", next.instance));
            }
        }
        if !woken {
            return recovery;
        }
    }
}

/// Starts a guest and waits until its agent answers.
fn wake(context: &Context<'_>, off: &PoweredOff) -> Result<(), StepError> {
    let PoweredOff { host, domain, .. } = off;
    let hypervisor = context.host(host)?;
    hypervisor.start(domain)?;
    let guest = Guest { hypervisor, domain, clock: context.clock };
    Ok(guest.wait_until_answering(context.patience.boot)?)
}

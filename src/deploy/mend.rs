//! Puts a domain right that drifted from its plan, while it runs. Everything is compared
//! again first, so that nothing is done that somebody did meanwhile.

use std::time::Duration;

use super::execute::{boot_paths, define, found, start};
use super::{Context, StepError};
use crate::graph::drift::{self, Remedy};
use crate::hypervisor::clock::{Pauses, Poll};
use crate::hypervisor::{DomainState, Pause};
use crate::plan::Instance;

/// How long a resumed domain may take to run.
const RESUMED: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(500);

/// Defines a domain again, pins its threads, plugs its cables and turns its autostart off,
/// as far as that differs.
pub(super) fn mend(context: &Context<'_>, instance: &Instance) -> Result<(), StepError> {
    let host = context.host(&instance.host)?;
    let Some(domain) = found(context, instance)? else { return define(context, instance) };
    let paths = boot_paths(context, host, instance)?;
    let compared = drift::compare(context.plan, instance, &domain, &paths);
    // First, since what is pinned is pinned in both definitions.
    if compared.needs(Remedy::Define) {
        define(context, instance)?;
    }
    if compared.needs(Remedy::Pin) {
        for (thread, cpus) in drift::pins(context.plan, instance, &domain.definition) {
            host.pin(&domain.name, thread, &cpus)?;
        }
    }
    if compared.needs(Remedy::Plug) {
        for mac in &domain.definition.devices.unplugged {
            host.set_link(&domain.name, mac, true)?;
        }
    }
    if compared.needs(Remedy::Autostart) {
        host.set_autostart(&domain.name, false)?;
    }
    Ok(())
}

/// Lets a domain run on that has a process and does not run: a paused one is resumed, a job
/// of libvirt is waited for, one that is about to end is started again.
pub(super) fn run_on(context: &Context<'_>, instance: &Instance) -> Result<(), StepError> {
    let host = context.host(&instance.host)?;
    let mut poll = Poll::new(context.clock, context.patience.boot, Pauses::every(PAUSE));
    let mut resumed = false;
    loop {
        let domain = found(context, instance)?.filter(|domain| domain.active);
        let Some(domain) = domain else { return start(context, instance) };
        match domain.state {
            DomainState::Running => return Ok(()),
            DomainState::Paused(Pause::Job) | DomainState::ShuttingDown => {}
            _ if resumed => {}
            _ => {
                host.resume(&domain.name)?;
                resumed = true;
                poll.restart();
                poll.set_limit(RESUMED);
            }
        }
        if !poll.pause() {
            let (domain, state) = (domain.name, domain.state);
            return Err(StepError::Halted { domain, state, waited: poll.waited() });
        }
    }
}

//! Redis Cluster: a planned service to a formed, checked and proved one, all
//! through `redis-cli` (7 or later) inside the guests.
//!
//! [`target`] is what is wanted and [`observe`] what is seen; [`picture`] lays
//! one over the other, [`steps`] and [`differences`] are pure functions of it.
//! Nothing here ever flushes or resets an instance.

mod batch;
mod check;
mod cli;
mod configure;
pub mod differences;
mod form;
pub mod nodes;
pub mod observe;
mod parallel;
pub mod picture;
mod probe;
mod refusal;
mod settings;
pub mod steps;
pub mod target;

#[cfg(test)]
mod tests;

use self::target::Target;
use crate::engine::{Change, ConfigFile, Engine, EngineError, Guest, Guests, Mismatch, Probe};
use crate::plan::{Instance, Plan, ServicePlan};

/// The engine `redis`.
#[derive(Clone, Copy, Debug)]
pub struct Redis;

impl Engine for Redis {
    fn configure(
        &self,
        guest: &Guest<'_>,
        instance: &Instance,
        files: &[ConfigFile],
    ) -> Result<Change, EngineError> {
        configure::configure(guest, instance, files)
    }

    fn form(
        &self,
        guests: &dyn Guests,
        service: &ServicePlan,
        plan: &Plan,
    ) -> Result<Change, EngineError> {
        form::form(guests, &service.name, &Target::of(service, plan)?)
    }

    fn check(
        &self,
        guests: &dyn Guests,
        service: &ServicePlan,
        plan: &Plan,
    ) -> Result<Vec<Mismatch>, EngineError> {
        Ok(check::check(guests, &Target::of(service, plan)?, plan))
    }

    fn probe(
        &self,
        guests: &dyn Guests,
        service: &ServicePlan,
        plan: &Plan,
    ) -> Result<Vec<Probe>, EngineError> {
        Ok(probe::probe(guests, &Target::of(service, plan)?))
    }
}

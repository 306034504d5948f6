//! Redis Cluster, and Valkey's: a planned service to a formed, checked and proved
//! one, all through `redis-cli` (7 or later) or `valkey-cli` inside the guests.
//!
//! [`target`] is what is wanted and [`observe`] what is seen; [`picture`] lays
//! one over the other, [`steps`] and [`differences`] are pure functions of it.
//! Nothing here ever flushes or resets an instance. What differs between the two
//! engines stands in [`crate::recipe::redis`].
//!
//! Why steps and not a script: `docs/cluster-formation.md`.

mod batch;
mod check;
mod configure;
pub mod differences;
mod door;
mod form;
mod identity;
mod load;
pub mod nodes;
pub mod observe;
mod parallel;
pub mod picture;
mod probe;
mod refusal;
mod send;
mod settings;
pub mod steps;
pub mod target;
mod users;

#[cfg(test)]
mod tests;

pub use self::door::Door;

use self::target::Target;
use crate::engine::{Bound, Change, Difference, Engine, EngineError, Guests, Load, Probe};
use crate::guest::{Guest, GuestFile};
use crate::plan::{Instance, Plan, ServicePlan};
use crate::recipe::redis::{self as recipe, Package};
use crate::secret::Credentials;

/// An engine whose cluster speaks as Redis' does.
#[derive(Clone, Copy, Debug)]
pub struct Redis(&'static Package);

/// The engine `redis`.
pub static REDIS: Redis = Redis(&recipe::REDIS);
/// The engine `valkey`.
pub static VALKEY: Redis = Redis(&recipe::VALKEY);

impl Redis {
    fn target(
        self,
        guests: &dyn Guests,
        service: &ServicePlan,
        plan: &Plan,
    ) -> Result<Target, EngineError> {
        Target::of(Door::of(self.0, guests, service), service, plan)
    }
}

impl Engine for Redis {
    fn credentials(&self, guest: &Guest<'_>) -> Result<Option<Credentials>, EngineError> {
        Ok(guest.read_file(self.0.secrets)?.and_then(|text| users::read(&text)))
    }

    fn configure(
        &self,
        guests: &dyn Guests,
        service: &ServicePlan,
        instance: &Instance,
        files: &[GuestFile],
    ) -> Result<Change, EngineError> {
        configure::configure(guests, &Door::of(self.0, guests, service), instance, files)
    }

    fn form(
        &self,
        guests: &dyn Guests,
        service: &ServicePlan,
        plan: &Plan,
    ) -> Result<Change, EngineError> {
        form::form(guests, &service.name, &self.target(guests, service, plan)?)
    }

    fn check(
        &self,
        guests: &dyn Guests,
        service: &ServicePlan,
        plan: &Plan,
    ) -> Result<Vec<Difference>, EngineError> {
        Ok(check::check(guests, &self.target(guests, service, plan)?, plan))
    }

    fn probe(
        &self,
        guests: &dyn Guests,
        service: &ServicePlan,
        plan: &Plan,
    ) -> Result<Vec<Probe>, EngineError> {
        Ok(probe::probe(guests, &self.target(guests, service, plan)?))
    }

    fn load(
        &self,
        guests: &dyn Guests,
        service: &ServicePlan,
        plan: &Plan,
        bound: Bound,
    ) -> Result<Vec<Load>, EngineError> {
        Ok(load::load(guests, service, &self.target(guests, service, plan)?, bound))
    }
}

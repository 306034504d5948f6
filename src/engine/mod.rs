//! Engines: configure an instance, form the cluster, check it. One folder per
//! engine; everything in a guest goes through its agent ([`crate::guest`]), so the
//! operator's machine needs no way into the instances' network.

mod difference;
mod error;
pub mod load;
pub mod redis;

pub use self::difference::{Difference, Fact};
pub use self::error::EngineError;
pub use self::load::{Bound, Load};

use crate::guest::{Guest, GuestFile};
use crate::ids::InstanceName;
use crate::plan::{Instance, Plan, ServicePlan};
use crate::secret::{Credentials, Secrets};
use crate::spec;

/// What an idempotent step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It changed something; in words.
    Made(String),
    /// Everything was as it should be.
    NotNeeded,
}

/// A write and a read through one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// The group.
    pub group: u32,
    /// The instance that it was sent from.
    pub via: InstanceName,
    /// Why it failed, if it did.
    pub failure: Option<String>,
}

/// Finds the guest of an instance.
pub trait Guests: Sync {
    /// The guest of that instance.
    ///
    /// # Errors
    /// Its host is not connected, or the name is not in the plan.
    fn guest(&self, instance: &InstanceName) -> Result<Guest<'_>, EngineError>;

    /// Passwords and certificates of the deployment.
    fn secrets(&self) -> &Secrets;
}

/// What a kind of service needs after its machines stand.
pub trait Engine: Send + Sync {
    /// The passwords that a guest was given; `None` where it was given none.
    ///
    /// # Errors
    /// The guest does not answer.
    fn credentials(&self, guest: &Guest<'_>) -> Result<Option<Credentials>, EngineError>;

    /// Writes the configuration, enables the service, (re)starts it only where
    /// something changed that it does not take up while it runs, and waits until
    /// it answers.
    ///
    /// # Errors
    /// The guest, with the command and what it said.
    fn configure(
        &self,
        guests: &dyn Guests,
        service: &ServicePlan,
        instance: &Instance,
        files: &[GuestFile],
    ) -> Result<Change, EngineError>;

    /// Forms the cluster as planned, or repairs it; idempotent.
    ///
    /// # Errors
    /// [`EngineError::Refused`] where going on could lose data,
    /// [`EngineError::Unformed`] with what is missing.
    fn form(
        &self,
        guests: &dyn Guests,
        service: &ServicePlan,
        plan: &Plan,
    ) -> Result<Change, EngineError>;

    /// What differs from the plan, instance by instance; empty if nothing does.
    /// An instance that does not answer is a difference, not an error.
    ///
    /// # Errors
    /// The plan contradicts itself.
    fn check(
        &self,
        guests: &dyn Guests,
        service: &ServicePlan,
        plan: &Plan,
    ) -> Result<Vec<Difference>, EngineError>;

    /// Writes and reads back a value through every group, and removes it.
    ///
    /// # Errors
    /// The plan contradicts itself.
    fn probe(
        &self,
        guests: &dyn Guests,
        service: &ServicePlan,
        plan: &Plan,
    ) -> Result<Vec<Probe>, EngineError>;

    /// Puts a short load on every group at the same time, from instances of
    /// other groups, and leaves nothing behind.
    ///
    /// # Errors
    /// The plan contradicts itself.
    fn load(
        &self,
        guests: &dyn Guests,
        service: &ServicePlan,
        plan: &Plan,
        bound: Bound,
    ) -> Result<Vec<Load>, EngineError>;
}

/// The engine of a service.
///
/// # Errors
/// [`EngineError::Unsupported`]: the engine can be planned, but not set up.
pub fn engine_of(service: &ServicePlan) -> Result<&'static dyn Engine, EngineError> {
    match service.engine {
        spec::Engine::Redis => Ok(&redis::REDIS),
        spec::Engine::Valkey => Ok(&redis::VALKEY),
        engine => Err(EngineError::Unsupported { service: service.name.clone(), engine }),
    }
}

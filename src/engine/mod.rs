//! Engines: set an instance up, form the cluster, check and try it. Everything in a
//! guest goes through its agent ([`crate::guest`]), so the operator's machine needs no
//! way into the instances' network.
//!
//! An engine has a folder and implements [`cluster::Cluster`]: what is planned and what
//! is seen, pure functions of both, and commands. [`Operator`] is what a deploy sees of
//! it, written once for every `Cluster`: configuration and restarts (`unit`, `rolling`),
//! forming (`converge`), probes and loads.

mod admission;
pub mod cluster;
mod converge;
mod copies;
mod crew;
mod difference;
mod error;
pub mod gateway;
mod http;
pub mod load;
pub mod mysql;
mod numbered;
mod operator;
mod probe;
pub mod redis;
mod rolling;
pub mod search;
mod unit;
pub mod web;

pub use self::admission::Admission;
pub use self::cluster::{Copies, Goal};
pub use self::crew::{Crew, Guests, Leaving};
pub use self::difference::{Difference, Fact};
pub use self::error::EngineError;
pub use self::load::{Bound, Load};
pub use self::numbered::{Acknowledged, Attempt, Series};
pub use self::operator::{Answering, Checked, Disruption, Operator, Pending};
pub use self::probe::{Probe, Through};
pub use self::rolling::Outage;

use crate::guest::Guest;
use crate::plan::ServicePlan;
use crate::recipe::Certificates;
use crate::secret::Identity;
use crate::spec;

/// What an idempotent step did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It changed something; in words.
    Made(String),
    /// Everything was as it should be.
    NotNeeded,
}

/// Reads the certificate of a guest whose engine has it in files of its own.
fn identity_in(guest: &Guest<'_>, files: &Certificates) -> Result<Option<Identity>, EngineError> {
    let read = |path| guest.read_file(path);
    let (Some(authority), Some(certificate), Some(key)) =
        (read(files.authority)?, read(files.certificate)?, read(files.key)?)
    else {
        return Ok(None);
    };
    Ok(Some(Identity { authority, certificate, key: key.into() }))
}

/// The operator of a service's engine.
///
/// # Errors
/// [`EngineError::Unsupported`]: the engine can be planned, but not set up.
pub fn operator_of(service: &ServicePlan) -> Result<&'static dyn Operator, EngineError> {
    match service.engine {
        spec::Engine::Mysql if service.demand.elects() => Ok(&mysql::group::ELECTED),
        spec::Engine::Redis => Ok(&redis::REDIS),
        spec::Engine::Valkey => Ok(&redis::VALKEY),
        spec::Engine::Mysql => Ok(&mysql::MYSQL),
        spec::Engine::Mariadb => Ok(&mysql::MARIADB),
        spec::Engine::Apache => Ok(&web::APACHE),
        spec::Engine::Nginx => Ok(&web::NGINX),
        spec::Engine::Haproxy => Ok(&gateway::HAPROXY),
        spec::Engine::Elasticsearch => Ok(&search::ELASTICSEARCH),
        spec::Engine::Opensearch => Ok(&search::OPENSEARCH),
    }
}

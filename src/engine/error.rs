//! What can go wrong with a service in a guest, or on the way to it.

use crate::guest::GuestError;
use crate::ids::{InstanceName, ServiceName};
use crate::spec::Engine;

/// A failure of a service, of its guest, or on the way to it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The guest, or the way to it.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// An engine that can be planned, but not set up.
    #[error("service {service}: {engine} can be planned, but this version cannot set it up")]
    Unsupported {
        /// The service.
        service: ServiceName,
        /// Its engine.
        engine: Engine,
    },
    /// A name that the plan does not hold, or a plan that contradicts itself.
    #[error("{instance}: {problem}")]
    Plan {
        /// The instance.
        instance: InstanceName,
        /// What does not fit.
        problem: String,
    },
    /// Files of an instance that cannot be rendered.
    #[error("{0}")]
    Files(String),
    /// The service runs but does not answer.
    #[error("{instance}: {service} does not answer after {waited_s} s: {last}")]
    NotServing {
        /// The instance.
        instance: InstanceName,
        /// The system's name of the service: `redis-server`.
        service: &'static str,
        /// How long it was asked, in seconds.
        waited_s: u64,
        /// The last failure.
        last: String,
    },
    /// What is there must not be touched without a person's decision.
    #[error("{service}: {reason}")]
    Refused {
        /// The service.
        service: ServiceName,
        /// What was found and why the work stops.
        reason: String,
    },
    /// The cluster did not come to what was planned.
    #[error(
        "{service}: cluster did not converge: no progress for {waited_s} s; outstanding: {}",
        few(missing)
    )]
    Unformed {
        /// The service.
        service: ServiceName,
        /// How long nothing had changed, in seconds.
        waited_s: u64,
        /// What is missing, instance by instance.
        missing: Vec<String>,
    },
}

impl EngineError {
    /// Whether a command was answered with an error, or not at all: the guest itself
    /// answers.
    #[must_use]
    pub const fn is_of_command(&self) -> bool {
        matches!(self, Self::Guest(GuestError::Command { .. } | GuestError::Unfinished { .. }))
    }
}

/// The first of many, and how many more there are: one cause makes every instance
/// miss something.
fn few(missing: &[String]) -> String {
    const FEW: usize = 4;
    let shown = missing.iter().take(FEW).cloned().collect::<Vec<_>>().join("; ");
    match missing.len().saturating_sub(FEW) {
        0 => shown,
        more => format!("{shown}; and {more} more (see `hostsplit verify`)"),
    }
}

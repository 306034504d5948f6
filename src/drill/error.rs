//! Why a drill was not begun, or came to no end.

use super::Cut;
use crate::deploy::Verification;
use crate::engine::EngineError;
use crate::ids::HostName;
use crate::state::store::StoreError;
use crate::units::first_few;

/// A drill that was refused or cut short.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// Something is not as planned: a failure on top of it is not what the plan promises to
    /// survive.
    #[error("the deployment is not whole, so that no host may fail: {}", faults(.0))]
    NotWhole(Box<Verification>),
    /// A group does not take values although nothing differs from the plan.
    #[error("{host}: not cut off: {what}")]
    NotServing {
        /// The host that was to fail.
        host: HostName,
        /// Which group, and why.
        what: String,
    },
    /// The host is not connected.
    #[error("{0}: no connection")]
    NotConnected(HostName),
    /// The host could not be cut off; it was brought back.
    #[error("{host}: {cut} could not be cut: {cause}; what was cut off is back")]
    Cut {
        /// The host.
        host: HostName,
        /// What was to be cut.
        cut: Cut,
        /// Why not.
        cause: String,
    },
    /// The host could not be brought back.
    #[error("{host}: not back after the {cut} cut: {cause}")]
    NotBack {
        /// The host.
        host: HostName,
        /// What was cut.
        cut: Cut,
        /// Why it is not.
        cause: String,
    },
    /// The operator stopped the drill; the host is back and the deployment whole.
    #[error("stopped; {0} is back and the deployment is whole")]
    Stopped(HostName),
    /// The journal; without it no host fails.
    #[error(transparent)]
    Journal(#[from] StoreError),
    /// The engine does not say what is left.
    #[error("{host}: cannot read back what was written: {error}")]
    Engine {
        /// The host that failed.
        host: HostName,
        /// Why.
        error: EngineError,
    },
}

/// Faults that a refusal names before it only counts.
const SHOWN: usize = 3;

pub(super) fn faults(found: &Verification) -> String {
    let differences = found.differences.iter().map(ToString::to_string);
    let probes = found.probes.iter().filter_map(|(service, probe)| {
        Some(format!("{service} {}: {}", probe.through, probe.failure.as_ref()?))
    });
    let unjudged = found.unjudged.iter().map(|(service, reason)| format!("{service}: {reason}"));
    first_few(differences.chain(probes).chain(unjudged), SHOWN)
}

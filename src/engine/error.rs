//! What can go wrong between us and a service in a guest.

use crate::hypervisor::HypervisorError;
use crate::ids::{InstanceName, ServiceName};
use crate::spec::Engine;

/// A failure inside a guest, or on the way to it. No variant carries what was
/// written to a file, so secrets stay out of errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The host, or the agent as libvirt speaks of it.
    #[error(transparent)]
    Hypervisor(#[from] HypervisorError),
    /// An engine that can be planned, but not set up.
    #[error("service {service}: {engine} can be planned, but this version cannot set it up")]
    Unsupported {
        /// The service.
        service: ServiceName,
        /// Its engine.
        engine: Engine,
    },
    /// The agent never answered.
    #[error("{domain}: the guest agent did not answer within {waited_s} s: {last}")]
    Silent {
        /// The domain.
        domain: String,
        /// How long it was asked, in seconds.
        waited_s: u64,
        /// The last failure.
        last: String,
    },
    /// A command in the guest failed.
    #[error("{domain}: `{command}` ended with {status}: {output}")]
    Command {
        /// The domain.
        domain: String,
        /// The command as one line.
        command: String,
        /// How it ended: `exit status 1`, `signal 9`.
        status: String,
        /// The last lines of stderr, or of stdout where stderr is empty.
        output: String,
    },
    /// A command in the guest did not end.
    #[error("{domain}: `{command}` did not end within {waited_s} s")]
    Unfinished {
        /// The domain.
        domain: String,
        /// The command as one line.
        command: String,
        /// How long it was waited for, in seconds.
        waited_s: u64,
    },
    /// Something answered, but not as its protocol says.
    #[error("{domain}: cannot read the answer to {request}: {problem}")]
    Answer {
        /// The domain.
        domain: String,
        /// What was asked.
        request: String,
        /// What is wrong with the answer.
        problem: String,
    },
    /// cloud-init says that it failed.
    #[error("{domain}: the first boot failed: {}", errors.join("; "))]
    FirstBoot {
        /// The domain.
        domain: String,
        /// cloud-init's own lines.
        errors: Vec<String>,
    },
    /// cloud-init did not come to an end.
    #[error("{domain}: cloud-init was not done after {waited_s} s: {status}")]
    FirstBootUnfinished {
        /// The domain.
        domain: String,
        /// How long it was waited for, in seconds.
        waited_s: u64,
        /// How far it was.
        status: String,
    },
    /// A name that the plan does not hold, or a plan that contradicts itself.
    #[error("{instance}: {problem}")]
    Plan {
        /// The instance.
        instance: InstanceName,
        /// What does not fit.
        problem: String,
    },
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
        /// What was found and why it stops us.
        reason: String,
    },
    /// The cluster did not come to what was planned.
    #[error("{service}: not formed after {waited_s} s, still missing: {}", few(missing))]
    Unformed {
        /// The service.
        service: ServiceName,
        /// How long nothing had changed, in seconds.
        waited_s: u64,
        /// What is missing, instance by instance.
        missing: Vec<String>,
    },
}

/// The first of many, and how many more there are: one cause makes every instance
/// miss something.
fn few(missing: &[String]) -> String {
    const FEW: usize = 4;
    let shown = missing.iter().take(FEW).cloned().collect::<Vec<_>>().join("; ");
    match missing.len().saturating_sub(FEW) {
        0 => shown,
        more => format!("{shown}; and {more} more, which `hostsplit verify` tells"),
    }
}

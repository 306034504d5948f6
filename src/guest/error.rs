//! What can go wrong between us and a guest.

use crate::hypervisor::HypervisorError;

/// A failure inside a guest, or on the way to it. No variant carries what was
/// written to a file, so secrets stay out of errors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// The host, or the agent as libvirt speaks of it.
    #[error(transparent)]
    Hypervisor(#[from] HypervisorError),
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
    /// The guest has not the address that is planned for it.
    #[error("{domain}: the guest has {found}, not {planned}")]
    Address {
        /// The domain.
        domain: String,
        /// As planned.
        planned: std::net::Ipv4Addr,
        /// As found.
        found: String,
    },
}

//! Why work on a vertex failed.

use std::time::Duration;

use super::{AddressConflict, ImageError};
use crate::engine::EngineError;
use crate::guest::GuestError;
use crate::hypervisor::{DomainState, ErrorKind, HypervisorError};
use crate::ids::{HostName, InstanceName};
use crate::recipe::RecipeError;
use crate::render::RenderError;
use crate::state::store::StoreError;

/// Work on a vertex failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The host, in libvirt's words.
    #[error(transparent)]
    Hypervisor(#[from] HypervisorError),
    /// The guest.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// The service in a guest.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The plan cannot be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// The engine's files cannot be made.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// A file of the image, on the operator's machine.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The journal; without it nothing is done.
    #[error(transparent)]
    Journal(#[from] StoreError),
    /// No connection to the host.
    #[error("host {0} is not connected")]
    NotConnected(HostName),
    /// The plan does not hold what the graph names.
    #[error("{0} is not in the plan")]
    NotInPlan(String),
    /// An upload is complete and its volume cannot be found.
    #[error("host {host}: volume {pool}/{name} vanished after its upload")]
    Vanished {
        /// Host.
        host: HostName,
        /// Pool.
        pool: String,
        /// Volume.
        name: String,
    },
    /// A volume has a name that the plan needs, and is not one that hostsplit made.
    #[error("volume {pool}/{name} is foreign and stays: {why}")]
    ForeignVolume {
        /// Pool.
        pool: String,
        /// Volume.
        name: String,
        /// What shows that.
        why: &'static str,
    },
    /// A cluster cannot be formed, and other machines answer at its addresses.
    #[error("{}; {error}", listed(found))]
    AddressConflict {
        /// The conflicts.
        found: Vec<AddressConflict>,
        /// What the engine says.
        error: EngineError,
    },
    /// The domain did not go off.
    #[error("{domain}: domain still runs {} s after its power was cut", waited.as_secs())]
    StillRunning {
        /// The domain.
        domain: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The domain does not run on.
    #[error(
        "{domain}: domain is still {state} after {} s; the host's log of it says why",
        waited.as_secs()
    )]
    Halted {
        /// The domain.
        domain: String,
        /// Its state.
        state: DomainState,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The machine that is to move is not where it was seen.
    #[error("{instance} is no longer on host {host}")]
    Gone {
        /// The machine.
        instance: InstanceName,
        /// Where it was.
        host: HostName,
    },
    /// The CPUs of the hosts differ.
    #[error("{instance} cannot move: the CPUs of host {host} lack what those of {from} have")]
    OtherCpu {
        /// The machine.
        instance: InstanceName,
        /// Where it is planned.
        host: HostName,
        /// Where it is.
        from: HostName,
    },
    /// A migration was given up.
    #[error(
        "{instance} did not move: {left_mib} MiB were left to send and no fewer for {} s; it runs \
         on host {from} as before",
        waited.as_secs()
    )]
    NoHeadway {
        /// The machine.
        instance: InstanceName,
        /// Where it is.
        from: HostName,
        /// What was left at best.
        left_mib: u64,
        /// How long that did not become less.
        waited: Duration,
    },
    /// The thread that did the work panicked: a bug of this program.
    #[error("internal error: worker panicked; please report this")]
    Panicked,
}

fn listed(conflicts: &[AddressConflict]) -> String {
    conflicts.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

impl StepError {
    /// Whether the host itself is gone, so that trying more there is useless.
    #[must_use]
    pub fn is_host_lost(&self) -> bool {
        self.hypervisor().is_some_and(|error| error.kind == ErrorKind::Unreachable)
    }

    /// Returns libvirt's error code and domain, where libvirt made the error.
    #[must_use]
    pub fn libvirt(&self) -> Option<(i32, i32)> {
        self.hypervisor()?.code
    }

    fn guest(&self) -> Option<&GuestError> {
        match self {
            Self::Guest(error) | Self::Engine(EngineError::Guest(error)) => Some(error),
            _ => None,
        }
    }

    fn hypervisor(&self) -> Option<&HypervisorError> {
        match (self, self.guest()) {
            (Self::Hypervisor(error), _) | (_, Some(GuestError::Hypervisor(error))) => Some(error),
            _ => None,
        }
    }

    /// Returns what to do about it, where that is known.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        if self.is_host_lost() {
            return Some("bring the host and its libvirtd back");
        }
        Some(match (self, self.guest()) {
            (_, Some(GuestError::Silent { .. })) => {
                "look at the guest's serial console (virsh console); the image must start qemu-guest-agent"
            }
            (_, Some(GuestError::FirstBootUnfinished { .. })) => {
                "give slow hosts more time with --timeout"
            }
            (_, Some(GuestError::Address { .. })) => {
                "look at its network on the console (virsh console); a guest may have given up an \
                 address that another machine has"
            }
            (Self::AddressConflict { .. }, _) => {
                "another machine has the address: take it from that machine, or leave it out of \
                 the spec's `network.addresses` and plan again"
            }
            (Self::Image(_), _) => {
                "check the files of the image, or update the digests in the spec"
            }
            (Self::NoHeadway { .. }, _) => {
                "its guest writes faster than the network takes: try again when it is less \
                 busy, allow more bandwidth, or set `migrate: post-copy`"
            }
            (Self::ForeignVolume { .. }, _) => {
                "find out whose it is; if nobody needs it, delete it by hand (virsh vol-delete)"
            }
            (Self::OtherCpu { .. }, _) => "plan it on a host with the same CPUs",
            _ => return None,
        })
    }
}

//! libvirt's states of a domain, as callers act upon them.

use virt::domain::{
    Domain as Handle, DomainPausedReason as Paused, DomainShutoffReason as Shutoff,
    DomainState as Raw, DomainStateEnum, DomainStateReason as Reason, DomainStateReasonEnum,
};
use virt::enumutil::Enum;
use virt::error::Error;

use crate::hypervisor::{DomainState, Pause};

/// Returns the state of a domain, and whether it has a process.
pub(super) fn of(handle: &Handle) -> Result<(DomainState, bool), Error> {
    let (state, reason) = handle.state()?;
    let state = read(state, reason);
    let active = match state {
        DomainState::Off => false,
        // With `on_crash` of `preserve` the process stays.
        DomainState::Crashed => handle.is_active()?,
        _ => true,
    };
    Ok((state, active))
}

/// Reads a state with its reason. One that this release does not know runs.
fn read(state: DomainStateEnum, reason: DomainStateReasonEnum) -> DomainState {
    let reason = match reason {
        Enum::Known(reason) => Some(reason),
        Enum::Unknown(_) => None,
    };
    match state.unwrap_or(Raw::NoState) {
        Raw::NoState | Raw::Running | Raw::Blocked => DomainState::Running,
        Raw::Shutdown => DomainState::ShuttingDown,
        Raw::Crashed => DomainState::Crashed,
        Raw::PMSuspended => DomainState::Asleep,
        Raw::Shutoff => match reason {
            Some(Reason::Shutoff(Enum::Known(Shutoff::Crashed | Shutoff::Failed))) => {
                DomainState::Crashed
            }
            _ => DomainState::Off,
        },
        Raw::Paused => match reason {
            Some(Reason::Paused(Enum::Known(reason))) => paused(reason),
            _ => DomainState::Paused(Pause::Asked),
        },
    }
}

const fn paused(reason: Paused) -> DomainState {
    DomainState::Paused(match reason {
        // What a failed call of somebody's left, or a snapshot taken while it was paused.
        Paused::Unknown | Paused::User | Paused::FromSnapshot | Paused::APIError => Pause::Asked,
        Paused::IOError => Pause::IoError,
        Paused::Watchdog => Pause::Watchdog,
        Paused::Crashed => Pause::Panic,
        Paused::ShuttingDown => return DomainState::ShuttingDown,
        Paused::Migration
        | Paused::Save
        | Paused::Dump
        | Paused::Snapshot
        | Paused::StartingUp
        | Paused::PostCopy
        | Paused::PostCopyFailed => Pause::Job,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_that_callers_act_upon() {
        let known = |state, reason| read(Enum::Known(state), Enum::Known(reason));
        let paused = |reason| known(Raw::Paused, Reason::Paused(Enum::Known(reason)));
        let off = |reason| known(Raw::Shutoff, Reason::Shutoff(Enum::Known(reason)));
        assert_eq!(paused(Paused::User), DomainState::Paused(Pause::Asked));
        assert_eq!(paused(Paused::IOError), DomainState::Paused(Pause::IoError));
        assert_eq!(paused(Paused::Migration), DomainState::Paused(Pause::Job));
        assert_eq!(paused(Paused::ShuttingDown), DomainState::ShuttingDown);
        assert_eq!(off(Shutoff::Destroyed), DomainState::Off);
        assert_eq!(off(Shutoff::Failed), DomainState::Crashed);
        assert_eq!(read(Enum::Unknown(99), Enum::Unknown(0)), DomainState::Running);
        assert_eq!(read(Enum::Known(Raw::Paused), Enum::Unknown(99)), paused(Paused::User));
    }
}

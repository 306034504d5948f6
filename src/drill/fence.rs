//! The operator's own command that cuts a host off.

use std::fmt;

use crate::ids::HostName;

/// What a fence is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FenceAction {
    /// Cut the power.
    Off,
    /// Give the power back.
    On,
    /// Cut the network off.
    Cut,
    /// Give the network back.
    Restore,
}

impl FenceAction {
    /// The word that the command finds in its environment.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Cut => "cut",
            Self::Restore => "restore",
        }
    }
}

impl fmt::Display for FenceAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Runs the commands of fences.
pub trait Fence: Sync {
    /// Runs a command with the host and the action in its environment, and waits for its
    /// end.
    ///
    /// # Errors
    /// How it ended, in words.
    fn run(&self, command: &[String], host: &HostName, action: FenceAction) -> Result<(), String>;
}

//! What can be asked of a guest through its agent: files, commands, facts,
//! addresses, the first boot. Knows no engine.
//!
//! The agent works without any network, so the operator's machine needs no way
//! into the instances' network.

mod addresses;
mod agent;
mod call;
mod cpu_time;
mod error;
mod first_boot;
mod limit;
mod neighbours;
mod read;
#[cfg(test)]
mod tests;
mod write;

pub use self::agent::Guest;
pub use self::call::{Call, Output};
pub use self::cpu_time::{Shares, Ticks};
pub use self::error::GuestError;
pub use self::limit::Limit;
pub use self::read::Facts;

/// A file that an instance needs, rendered.
#[derive(Clone, PartialEq, Eq)]
pub struct GuestFile {
    /// Absolute path in the guest.
    pub path: String,
    /// Content.
    pub text: String,
    /// Permission bits, such as `0o640`.
    pub mode: u32,
    /// Owner and group as `user:group`.
    pub owner: String,
}

impl std::fmt::Debug for GuestFile {
    /// Leaves the content out: it may hold secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, text, mode, owner } = self;
        write!(f, "GuestFile({path}, {} bytes, {mode:o}, {owner})", text.len())
    }
}

//! What can be asked of a guest through its agent: files, commands, facts,
//! addresses, the first boot. Knows no engine.
//!
//! The agent works without any network, so the operator's machine needs no way
//! into the instances' network.

mod addresses;
mod agent;
mod call;
mod cpu_time;
mod disks;
mod error;
mod first_boot;
mod grow;
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
pub use crate::guest_file::{GuestFile, Owner};

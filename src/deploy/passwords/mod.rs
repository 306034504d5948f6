//! Passwords that were lost on the operator's machine, recovered from the guests that
//! use them.

mod recover;
mod wake;

pub use self::recover::{PoweredOff, Recovery, RecoveryOutcome, recover};
pub use self::wake::wake_and_recover;

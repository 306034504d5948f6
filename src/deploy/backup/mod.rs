//! Copies of a service's data: taken while it serves, and brought back in the place of all that
//! it holds.
//!
//! The program of an engine copies its data, in the guest of a replica if one is in step, to a
//! disk that the running guest is given for that time. What it leaves there is a data volume,
//! which is read through libvirt, so nothing goes over the instances' network. To bring it back
//! is to make the data volume of the planned primary from it: a deploy does the rest, as after
//! the loss of all other machines.

mod restore;
mod take;

use crate::units::Mebibytes;

pub use self::restore::{Restore, RestoreError};
pub use self::take::{Backup, TakeError};

/// A number of bytes, for people.
fn shown(bytes: u64) -> Mebibytes {
    Mebibytes::new(bytes.div_ceil(1 << 20))
}

/// Takes lines about progress.
pub type Say<'a> = &'a dyn Fn(String);

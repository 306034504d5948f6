//! Turns a decision into running VMs: looks at the hosts ([`observe`]), refuses
//! what cannot end well before anything is touched ([`preflight`]), then walks
//! the graph ([`walk`]) and carries out vertex by vertex ([`execute`]).
//!
//! What it does it tells as [`Event`]s; it never prints.

mod error;
mod event;
mod execute;
mod files;
mod images;
mod observe;
mod preflight;
mod site;
mod verify;
mod volumes;
mod walk;

pub use self::error::StepError;
pub use self::event::{Event, Happening, Observer};
pub use self::execute::execute;
pub use self::images::{ImageError, ImageStore, LocalImages};
pub use self::observe::{connect, observe};
pub use self::preflight::{Obstacle, Problem, preflight};
pub use self::site::{Patience, Site};
pub use self::verify::{LoadFound, Verification, verify};
pub use self::walk::{Failure, Outcome, walk};

//! Turns a decision into running VMs: looks at the hosts ([`observe`]), refuses
//! what cannot end well before anything is touched ([`preflight`]), then walks
//! the graph ([`walk`]) and carries out vertex by vertex ([`execute`]).
//!
//! What it does it tells as [`Event`]s; it never prints.

mod assumed;
mod changes;
mod error;
mod event;
mod execute;
mod files;
mod gaps;
mod images;
mod neighbours;
mod observe;
mod preflight;
mod recover;
mod secrets;
mod site;
mod verify;
mod volumes;
mod wake;
mod walk;

pub use self::assumed::assume;
pub use self::changes::{Sight, TextChange, text_changes};
pub use self::error::StepError;
pub use self::event::{Event, Happening, Observer};
pub use self::execute::execute;
pub use self::gaps::{Gap, gaps};
pub use self::images::{ImageError, ImageStore, LocalImages};
pub use self::neighbours::Usurped;
pub use self::observe::{connect, observe, observe_hosts};
pub use self::preflight::{Obstacle, Problem, preflight};
pub use self::recover::{Fate, Recovery, Sleeper, recover};
pub use self::site::{Patience, Site};
pub use self::verify::{LoadFound, Verification, verify};
pub use self::wake::wake_and_recover;
pub use self::walk::{Failure, Outcome, walk};

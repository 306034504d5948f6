//! Turns a decision into running VMs: looks at the hosts ([`observe`]), refuses
//! what cannot end well before anything is touched ([`preflight`]), then walks
//! the graph ([`walk`]) and carries out vertex by vertex ([`execute`]).
//!
//! A run that was interrupted is resumed without any state of its own. Names, UUIDs
//! and MAC addresses follow from the plan; a domain carries the digest of what it was
//! made from, and is defined only after its volumes were finished; an image file is
//! complete once its marker lies beside it. So the next run finds by looking what is
//! done, makes again what cannot be trusted, and never makes a data volume twice.
//! Every function of [`execute`] may therefore be repeated, after a lost answer as
//! after a killed run. The journal is for people. `docs/resume.md` says why.
//!
//! What happens is reported as [`Event`]s; nothing is printed here.

mod address_conflicts;
mod assumed;
mod backup;
mod certificates;
mod changes;
mod context;
mod error;
mod event;
mod execute;
mod failover;
mod faults;
mod gaps;
mod grow;
mod images;
mod mark;
mod mend;
mod observe;
mod passwords;
mod preflight;
mod redact;
mod relocate;
mod verify;
mod volumes;
mod walk;

pub use self::address_conflicts::AddressConflict;
pub use self::assumed::assume;
pub use self::backup::{Backup, Restore, RestoreError, TakeError};
pub use self::certificates::CertificateFound;
pub use self::changes::{DiffContext, TextChange, text_changes};
pub use self::context::{Allowed, Context, Patience};
pub use self::error::StepError;
pub use self::event::{Event, EventKind, Observer};
pub use self::execute::execute;
pub use self::failover::{Failover, FailoverError, Leadership};
pub use self::faults::{Cause, Effect, Fault, Next};
pub use self::gaps::{Gap, gaps};
pub use self::images::{ImageError, ImageStore, LocalImages};
pub use self::observe::{Hosts, connect, connect_without, note_lost, observe, observe_hosts};
pub use self::passwords::{PoweredOff, Recovery, RecoveryOutcome, recover, wake_and_recover};
pub use self::preflight::{Obstacle, ObstacleKind, preflight, refused_impacts};
pub use self::verify::{LoadFound, Undone, Verification, review, verify};
pub use self::walk::{Failure, WalkOutcome, walk};

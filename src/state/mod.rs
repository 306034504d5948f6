//! What was done and what is seen: the journal and lock of a deployment
//! ([`store`], [`journal`]), the hosts as they were found ([`world`]).
//!
//! Nothing is decided from the journal. A state directory that is lost takes its history,
//! and what hosts may still run that do not answer: an instance that such a host has could be
//! made elsewhere, and one that no plan has any more would be forgotten there.
//!
//! Why: `docs/resume.md`.

pub mod backup;
pub mod guard;
pub mod journal;
pub mod store;
pub mod world;

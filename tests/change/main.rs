//! The laws of a change, on simulated hosts: whatever a running deployment is changed
//! to, and wherever that is interrupted, the service stays there, nothing that it
//! acknowledged is lost, and one further run ends the change.
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that is measured"
)]

#[path = "../support/built.rs"]
mod built;
#[path = "../support/ending.rs"]
mod ending;
mod observer;
#[path = "../support/plain.rs"]
mod plain;
mod plans;
mod random;
mod run;
mod story;

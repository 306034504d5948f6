//! Values to text and JSON. A report is computed first and printed second, so
//! that both forms say the same; nothing here reads, decides or prints.

pub mod backup;
mod bandwidth;
pub mod change;
pub mod changes;
pub mod clients;
mod columns;
mod demand;
pub mod deploy;
pub mod drill;
mod emulation;
pub mod explain;
pub mod faults;
pub mod graph;
pub mod host;
pub mod infeasible;
mod intervention;
mod layout;
pub mod moves;
pub mod outlook;
pub mod plan;
mod plan_markdown;
mod plan_text;
mod preferred;
pub mod profile;
pub mod secrets;
mod settings;
pub mod spec;
pub mod status;
mod survival;

//! Demand × profile -> the candidate layouts of each service, each with what it
//! can do and what binds.
//!
//! The capacity of a layout is not linear in anything; it is computed here,
//! exactly, so that the model stays linear and every number can be explained.
//!
//! | file | computes |
//! | --- | --- |
//! | `workload.rs` | a demand paired with the rules of its kind of cluster |
//! | `input.rs` | all that the layouts of a service follow from; the one dispatch over kinds |
//! | `sharded`, `primary_replica`, `quorum`, `pool`, `gateway_pair` | the layouts of a kind |
//! | `cpu_option.rs` | virtual CPUs, their placement and the ceiling that follows |
//! | `cpu_placement.rs` | cores, siblings and last-level cache that hosts offer |
//! | `ceiling.rs` | work per second of one instance |
//! | `spread.rs` | instances whose survivors carry the demand |
//! | `dominance.rs` | drops candidates that are no better in anything |

mod candidate;
mod ceiling;
mod cpu_option;
mod cpu_placement;
mod dominance;
mod gateway_pair;
mod input;
mod limit;
mod pool;
pub mod primary_replica;
#[cfg(test)]
mod published;
pub mod quorum;
mod rounding;
mod scale;
pub mod sharded;
mod spread;
#[cfg(test)]
mod trial;
mod workload;

pub use crate::plan::{CpuPlacement, Layout};
pub use candidate::{Candidate, fixed};
pub use ceiling::{Ceiling, core_speed, effective_cores, io_threads};
pub use cpu_placement::{cores_on, offered, taken};
pub use input::{SizingContext, SizingInput, full_layouts};
pub use limit::{EngineLimit, LimitedResource};
pub use scale::{Ratio, Scale};
pub use workload::Workload;

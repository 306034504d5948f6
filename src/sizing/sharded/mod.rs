//! Layouts of a sharded engine: equal groups that share slots, load and data.
//!
//! For each count of virtual CPUs the fewest groups that serve the demand are
//! the largest of what throughput, data per process and the quorum ask for.
//! More groups never serve better, but their instances are smaller and may fit
//! where larger ones do not. So, per count of virtual CPUs, the candidates are
//!
//! - every number of groups from the fewest up to `EXACT` more, then in steps
//!   of an eighth, always two neighbours at a time: with an even number, the
//!   rule that no failure domain holds half of the masters is harder;
//! - of those whose instances are equal in every size only the two with the
//!   fewest groups: the others use more of everything.
//!
//! Assumptions: keys spread evenly over the slots, and load over the keys; so
//! the group with the most slots has the most of both, and sets the size. The
//! enumeration is exact up to `EXACT` groups beyond the fewest, and as good as
//! its steps from there on, of which at most `MOST` are taken.

mod layouts;
mod memory;
mod parts;
mod work;

pub(super) use self::layouts::ShardedLayouts;
pub use self::memory::Sizes;
pub use self::work::work;

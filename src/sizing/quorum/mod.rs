//! Layouts of a search engine: equal instances that share shards out and elect by
//! majority.
//!
//! The instances that there must be are the most of what throughput, data per
//! memory, voters and copies ask for. Only those count that hold a shard: see `shards`. Under a policy the survivors of any one
//! failure domain carry the whole work, and copies of a shard never share a domain
//! (forced awareness), which shards out evenly only if no domain holds more than
//! its part of the instances; see `spread`. That counts the work of all copies,
//! though a lost copy takes no work: so a plan keeps what making it again takes.
//!
//! For each count of virtual CPUs there are candidates of each memory size that
//! lets data do with fewer instances than the size below; and, where two failure
//! domains can carry everything, of one that has a small instance that only votes
//! for a third domain, so that two voters and it are the quorum.

mod layouts;
mod memory;
mod shards;
mod work;

pub(super) use self::layouts::QuorumLayouts;
pub use self::memory::Sizes;
pub use self::shards::{Shards, Sharing};
#[cfg(test)]
pub(super) use self::work::Load;

//! Layouts of a primary-replica engine: groups of a primary, which takes the
//! writes of its part of the data, and replicas, which repeat them; all serve
//! reads. The unit of work is a read-only transaction.
//!
//! Per count of virtual CPUs, number of groups and size of the buffer pool the
//! candidate has the fewest copies that keep the promise of [`load`]: what is
//! left after any loss serves the whole demand, within the usable rate and, where
//! copies can help it, within the I/O operations of a disk. More groups, up to
//! the `shards` of the demand, make smaller instances; smaller pools need less
//! memory and more I/O: so both are choices of the model, and `choice` drops
//! what is no better in anything.
//!
//! Assumptions: data, load and working set spread evenly over the groups; the
//! router of the reads balances the load of the copies.

mod choice;
mod layouts;
pub mod load;
pub mod memory;
#[cfg(test)]
mod tests;

pub(super) use self::layouts::PrimaryReplicaLayouts;

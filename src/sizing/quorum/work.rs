//! What is asked of a search cluster, in small documents indexed once, and what it
//! moves.
//!
//! ```text
//! work  = index · (1 + per_further_copy · (copies - 1)) · cost + queries · shards · search
//! cost  = 1 + max(document - free, 0) / KiB · per_further_kib
//! search = shard_ms / 1000 · lambda
//! iops  = (index · copies · document / 16 KiB · writes + queries · shards · reads) · part
//! bytes = (index · (document + overhead) · (copies + 1) + queries · shards · shard_bytes) · part
//! ```
//!
//! A search takes CPU time on each shard it looks into; it counts as the documents
//! that a core would index meanwhile. Documents pass the instance that takes them
//! in, the primary shard and each further copy. `part` is that of the serving shards which
//! the instance with most of them holds.

use super::shards::largest_part;
use crate::profile::{Curve, Profile, Quorum, ceil, real};
use crate::spec::SearchDemand;
use crate::units::{BitsPerSecond, PerSecond};

/// A demand with the numbers that turn it into work.
#[derive(Clone, Copy, Debug)]
pub(in crate::sizing) struct Load<'a> {
    pub demand: &'a SearchDemand,
    pub rules: &'a Quorum,
    pub profile: &'a Profile,
    pub copies: u32,
}

/// What the instance with most of the serving shards holds of them.
#[derive(Clone, Copy, Debug)]
pub(in crate::sizing) struct Part {
    largest: f64,
    of: f64,
}

impl Part {
    /// The part of so many shards on so many instances.
    pub fn new(shards: u64, instances: u64) -> Self {
        Self { largest: real(largest_part(shards, instances)), of: real(shards.max(1)) }
    }
}

impl Load<'_> {
    /// Shards that a search looks into where their number is not free.
    pub fn typical(self) -> u64 {
        let typical = self.rules.work.shards_per_query.whole();
        self.demand.shards_per_query.map_or(typical, u64::from).max(1)
    }

    /// The whole work of searches that look into so many shards, rounded up.
    pub fn work(self, shards: u64) -> PerSecond {
        let numbers = &self.rules.work;
        let further = f64::from(self.copies.saturating_sub(1));
        let each = (1.0 + numbers.per_further_copy.default * further) * self.cost();
        let search = numbers.shard_ms.default / 1000.0 * core(&self.profile.curve);
        let work = real(self.demand.index_per_s.get()) * each + self.searches(shards) * search;
        PerSecond::new(ceil(work))
    }

    /// Whether the documents are of a size that the profile does not know.
    pub fn extrapolated(self) -> bool {
        let document = real(self.demand.document_bytes.get());
        self.demand.index_per_s > PerSecond::ZERO
            && !self.rules.work.per_further_kib.holds_at(document)
    }

    /// I/O operations of an instance.
    pub fn iops(self, shards: u64, part: Part) -> PerSecond {
        let disk = &self.rules.disk;
        let pieces = real(self.demand.document_bytes.get()) / 16384.0;
        let writes = real(self.demand.index_per_s.get()) * f64::from(self.copies) * pieces;
        let all = writes * disk.writes_per_16_kib.default
            + self.searches(shards) * disk.reads_per_shard.default;
        PerSecond::new(ceil(all * part.largest / part.of))
    }

    /// Bandwidth of an instance.
    pub fn network(self, shards: u64, part: Part) -> BitsPerSecond {
        let network = &self.rules.network;
        let document = real(self.demand.document_bytes.get()) + network.overhead_bytes.default;
        let passes = f64::from(self.copies) + 1.0;
        let all = real(self.demand.index_per_s.get()) * document * passes
            + self.searches(shards) * network.shard_bytes.default;
        BitsPerSecond::new(ceil(all * 8.0 * part.largest / part.of))
    }

    /// Searches of one shard per second.
    fn searches(self, shards: u64) -> f64 {
        real(self.demand.queries_per_s.get()) * real(shards)
    }

    fn cost(self) -> f64 {
        let numbers = &self.rules.work;
        let document = real(self.demand.document_bytes.get());
        let further = (document - numbers.free_document_bytes.default).max(0.0) / 1024.0;
        1.0 + further * numbers.per_further_kib.default
    }
}

/// Work per second of one core.
const fn core(curve: &Curve) -> f64 {
    match curve {
        Curve::Threads(threads) => threads.one_thread.default,
        Curve::Usl(usl) => usl.lambda.default,
    }
}

//! What is asked of a search cluster, in small documents indexed once, and what it
//! moves.
//!
//! ```text
//! work  = index · (1 + per_further_copy · (copies - 1)) · cost + queries · shards · search
//! cost  = 1 + max(document - free, 0) / KiB · per_further_kib
//! search = shard_ms / 1000 · lambda
//! iops  = (index · copies · document / 16 KiB · writes + queries · shards · reads) / serving
//! bytes = (index · (document + overhead) · (copies + 1) + queries · shards · shard_bytes) / serving
//! ```
//!
//! A search takes CPU time on each shard it looks into; it counts as the documents
//! that a core would index meanwhile. Documents pass the instance that takes them
//! in, the primary shard and each further copy.

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

impl Load<'_> {
    /// The whole work, rounded up.
    pub fn work(self) -> PerSecond {
        let numbers = &self.rules.work;
        let further = f64::from(self.copies.saturating_sub(1));
        let each = (1.0 + numbers.per_further_copy.default * further) * self.cost();
        let search = numbers.shard_ms.default / 1000.0 * core(&self.profile.curve);
        let work = real(self.demand.index_per_s.get()) * each + self.searches() * search;
        PerSecond::new(ceil(work))
    }

    /// Whether the documents are of a size that the profile does not know.
    pub fn extrapolated(self) -> bool {
        let document = real(self.demand.document_bytes.get());
        self.demand.index_per_s > PerSecond::ZERO
            && !self.rules.work.per_further_kib.holds_at(document)
    }

    /// I/O operations of each of so many serving instances.
    pub fn iops(self, serving: u64) -> PerSecond {
        let disk = &self.rules.disk;
        let pieces = real(self.demand.document_bytes.get()) / 16384.0;
        let writes = real(self.demand.index_per_s.get()) * f64::from(self.copies) * pieces;
        let all = writes * disk.writes_per_16_kib.default
            + self.searches() * disk.reads_per_shard.default;
        PerSecond::new(ceil(all / real(serving.max(1))))
    }

    /// Bandwidth of each of so many serving instances.
    pub fn network(self, serving: u64) -> BitsPerSecond {
        let network = &self.rules.network;
        let document = real(self.demand.document_bytes.get()) + network.overhead_bytes.default;
        let passes = f64::from(self.copies) + 1.0;
        let all = real(self.demand.index_per_s.get()) * document * passes
            + self.searches() * network.shard_bytes.default;
        BitsPerSecond::new(ceil(all * 8.0 / real(serving.max(1))))
    }

    /// Searches of one shard per second.
    fn searches(self) -> f64 {
        let typical = self.rules.work.shards_per_query.default;
        let shards = self.demand.shards_per_query.map_or(typical, f64::from);
        real(self.demand.queries_per_s.get()) * shards
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

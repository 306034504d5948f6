//! Numbers of engines whose instances share shards out and elect by majority:
//! Elasticsearch, OpenSearch.

use serde::Deserialize;

use super::Number;
use super::number::{listed, section};

/// What holds for a quorum cluster.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    /// Work of operations, in small documents indexed once.
    pub work: Work,
    /// Memory of one instance.
    pub memory: Memory,
    /// Data volume of one instance.
    pub disk: Disk,
    /// Network need.
    pub network: Network,
    /// Rules of the cluster.
    pub cluster: Limits,
}

impl Quorum {
    /// Every number with its section.
    pub(super) fn numbers(&self) -> Vec<(String, &Number)> {
        let Self { work, memory, disk, network, cluster } = self;
        let sections = [
            ("work", work.numbers()),
            ("memory", memory.numbers()),
            ("disk", disk.numbers()),
            ("network", network.numbers()),
            ("cluster", cluster.numbers()),
        ];
        listed("quorum", sections)
    }

    /// Returns the first number that is out of range, and what is expected.
    pub(super) fn violation(&self) -> Option<(&'static str, &'static str)> {
        let Self { memory, cluster, .. } = self;
        let (least, most) = (memory.least_mib.whole(), memory.most_mib.whole());
        if least == 0 || least > most {
            return Some(("quorum.memory.least_mib", "expected 1 to most_mib"));
        }
        let odd = cluster.voters.whole() >= 3 && !cluster.voters.whole().is_multiple_of(2);
        (!odd).then_some(("quorum.cluster.voters", "expected an odd number, at least 3"))
    }
}

section! {
    /// Work of operations, in small documents indexed once.
    Work {
        /// Indexing a document once more, for each further copy.
        per_further_copy,
        /// Size in bytes up to which documents cost the same.
        free_document_bytes,
        /// Work that each further KiB of a document adds.
        per_further_kib,
        /// Milliseconds of a core that a search takes on each shard.
        shard_ms,
        /// Shards that a search looks into where the demand does not say.
        shards_per_query,
    }
}

section! {
    /// Memory of one instance.
    Memory {
        /// The smallest instance, in MiB; sizes are this times powers of two.
        least_mib,
        /// The largest instance, in MiB: more than twice the largest heap only
        /// buys page cache.
        most_mib,
        /// Memory that a virtual CPU should have, in MiB.
        mib_per_vcpu,
        /// Share of the memory that is heap.
        heap_share,
        /// The largest heap with compressed object pointers, in MiB.
        heap_max_mib,
    }
}

section! {
    /// Data volume of one instance.
    Disk {
        /// Data on disk that one MiB of memory can serve, in MiB.
        data_per_memory,
        /// Most data of one instance, in MiB.
        data_max_mib,
        /// Volume as a multiple of the data: watermarks and merges.
        overhead,
        /// No data volume is smaller, in MiB.
        minimum_mib,
        /// I/O operations for 16 KiB of documents, merges included.
        writes_per_16_kib,
        /// I/O operations of a search on each shard.
        reads_per_shard,
    }
}

section! {
    /// Network need.
    Network {
        /// Bytes on the wire per document besides the document.
        overhead_bytes,
        /// Bytes that a search moves for each shard.
        shard_bytes,
    }
}

section! {
    /// Rules of the engine's cluster.
    Limits {
        /// Instances that elect.
        voters,
        /// Virtual CPUs of an instance that only votes.
        witness_vcpus,
        /// Memory of an instance that only votes, in MiB.
        witness_mib,
        /// Data volume of an instance that only votes, in MiB.
        witness_data_mib,
    }
}

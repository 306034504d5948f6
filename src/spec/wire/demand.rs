//! What users ask of a service, by the kind of cluster.

use crate::spec::Persistence;
use crate::spec::read::form::{At, described, wire};
use crate::spec::read::scalar::Documents;
use crate::units::{Bytes, Mebibytes, Microseconds, PerSecond, Percent};

wire! {
    /// What is asked of redis or valkey.
    struct ShardedDemand {
        /// Reading commands.
        required reads: At<PerSecond>,
        /// Writing commands.
        required writes: At<PerSecond>,
        /// Size of a typical value. Without it: 512B.
        optional value: At<Bytes>,
        /// All keys and values, held once.
        required data: At<Mebibytes>,
        /// How data is kept over a restart: none, rdb or aof. Without it: aof.
        optional persistence: At<Persistence>,
    }

    /// What is asked of mysql or mariadb.
    struct RelationalDemand {
        /// Transactions that only read.
        required reads: At<PerSecond>,
        /// Transactions that write.
        required writes: At<PerSecond>,
        /// Tables and indices, held once.
        required data: At<Mebibytes>,
        /// Part of the data that most transactions touch. Without it: 100%.
        optional working_set: At<Percent>,
        /// Most groups that the application can spread the data over. Without
        /// it: 1, an application that knows one database.
        optional shards: At<u32>,
    }

    /// What is asked of elasticsearch or opensearch.
    struct SearchDemand {
        /// Documents that are indexed, such as 80k docs/s.
        required index: At<Documents>,
        /// Searches.
        required queries: At<PerSecond>,
        /// The indices on disk, one copy of each shard.
        required data: At<Mebibytes>,
        /// Copies of each shard, the primary one included. Without it: 2.
        optional copies: At<u32>,
        /// Size of a typical document. Without it: 500B.
        optional document: At<Bytes>,
        /// Shards that a search looks into. Without it: as the profile states.
        optional shards_per_query: At<u32>,
    }

    /// What is asked of apache or nginx.
    struct WebDemand {
        /// Requests.
        required requests: At<PerSecond>,
        /// Size of a typical response's body. Without it: 10KiB.
        optional response: At<Bytes>,
        /// CPU time of the application for a request, such as 5ms. Without it:
        /// none, files are served.
        optional cpu: At<Microseconds>,
        /// Whether the servers themselves end TLS. Without it: false.
        optional tls: At<bool>,
    }

    /// What is asked of haproxy besides the pools that name it as their gateway.
    struct GatewayDemand {
        /// Requests that go elsewhere.
        optional requests: At<PerSecond>,
        /// Size of a typical response's body of these. Without it: 10KiB.
        optional response: At<Bytes>,
        /// Whether it ends TLS. Without it: false.
        optional tls: At<bool>,
    }
}
described!(ShardedDemand, RelationalDemand, SearchDemand, WebDemand, GatewayDemand);

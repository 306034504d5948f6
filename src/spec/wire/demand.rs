//! The demand of a service, by the kind of cluster.

use crate::spec::Persistence;
use crate::spec::read::form::{At, described, wire};
use crate::spec::read::scalar::Documents;
use crate::units::{Bytes, Days, Mebibytes, Microseconds, PerSecond, Percent};

wire! {
    /// Demand of a sharded cluster.
    struct ShardedDemand {
        /// Reading commands.
        required reads: At<PerSecond>,
        /// Writing commands.
        required writes: At<PerSecond>,
        /// Size of a typical value. Default: 512B.
        optional value: At<Bytes>,
        /// All keys and values, held once.
        required data: At<Mebibytes>,
        /// How data is kept over a restart: none, rdb or aof. Default: aof.
        optional persistence: At<Persistence>,
        /// Copies of the data, the master's included. Default: 2 with policy.survive, else 1.
        optional copies: At<u32>,
    }

    /// Demand of a relational database.
    struct RelationalDemand {
        /// Transactions that only read.
        required reads: At<PerSecond>,
        /// Transactions that write.
        required writes: At<PerSecond>,
        /// Tables and indices, held once.
        required data: At<Mebibytes>,
        /// Part of the data that most transactions touch. Default: 100%.
        optional working_set: At<Percent>,
        /// Most groups that the application can spread the data over. Default:
        /// 1, an application that knows one database.
        optional shards: At<u32>,
    }

    /// Demand of a search cluster.
    struct SearchDemand {
        /// Documents that are indexed, such as 80k docs/s.
        required index: At<Documents>,
        /// Searches.
        required queries: At<PerSecond>,
        /// The indices on disk, one copy of each shard. Default: with `retention`, what is indexed
        /// meanwhile.
        optional data: At<Mebibytes>,
        /// How long documents are kept, such as 30d.
        optional retention: At<Days>,
        /// Copies of each shard, the primary one included. Default: 2.
        optional copies: At<u32>,
        /// Size of a typical document. Default: 500B.
        optional document: At<Bytes>,
        /// Shards that a search looks into. Default: as the profile states.
        optional shards_per_query: At<u32>,
    }

    /// Demand of a pool of web servers.
    struct WebDemand {
        /// Requests.
        required requests: At<PerSecond>,
        /// Size of a typical response's body. Default: 10KiB.
        optional response: At<Bytes>,
        /// CPU time of the application for a request, such as 5ms. Default:
        /// none, files are served.
        optional cpu: At<Microseconds>,
        /// Whether the servers themselves end TLS. Default: false.
        optional tls: At<bool>,
    }

    /// Demand of a gateway besides that of the pools that name it.
    struct GatewayDemand {
        /// Requests that go elsewhere.
        optional requests: At<PerSecond>,
        /// Size of a typical response's body of these. Default: 10KiB.
        optional response: At<Bytes>,
        /// Whether it ends TLS. Default: false.
        optional tls: At<bool>,
    }
}
described!(ShardedDemand, RelationalDemand, SearchDemand, WebDemand, GatewayDemand);

//! The demand of a service, by the kind of cluster that its engine forms.

use serde::{Deserialize, Serialize};

use crate::units::{Bytes, Mebibytes, PerSecond};

/// The demand of a service, by the kind of cluster that its engine forms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Demand {
    /// Redis, Valkey.
    Sharded(ShardedDemand),
    /// MySQL, MariaDB.
    PrimaryReplica(RelationalDemand),
    /// Elasticsearch, OpenSearch.
    Quorum(SearchDemand),
    /// Apache, nginx.
    Pool(WebDemand),
    /// HAProxy.
    GatewayPair(GatewayDemand),
}

impl Demand {
    /// Whether the copies of a database elect their primary by themselves.
    #[must_use]
    pub const fn elects(&self) -> bool {
        match self {
            Self::PrimaryReplica(demand) => !demand.failover.is_manual(),
            Self::Sharded(_) | Self::Quorum(_) | Self::Pool(_) | Self::GatewayPair(_) => false,
        }
    }

    /// Whether the instances of a pool or a gateway end TLS.
    #[must_use]
    pub const fn ends_tls(&self) -> bool {
        match self {
            Self::Pool(WebDemand { tls, .. }) | Self::GatewayPair(GatewayDemand { tls, .. }) => {
                *tls
            }
            Self::Sharded(_) | Self::PrimaryReplica(_) | Self::Quorum(_) => false,
        }
    }
}

/// Demand of a sharded cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardedDemand {
    /// Reading commands.
    pub reads_per_s: PerSecond,
    /// Writing commands.
    pub writes_per_s: PerSecond,
    /// Size of a typical value.
    pub value_bytes: Bytes,
    /// All keys and values of the cluster, held once.
    pub data_mib: Mebibytes,
    /// How a master keeps its data over a restart.
    pub persistence: Persistence,
    /// Copies of the data, the master's included; `None` for as few as the policy needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u32>,
}

impl ShardedDemand {
    /// Copies of the data where the policy needs at least `least`.
    #[must_use]
    pub fn copies_with(&self, least: u32) -> u32 {
        self.copies.unwrap_or(least).max(least)
    }
}

/// Demand of a relational database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RelationalDemand {
    /// Transactions that only read.
    pub reads_per_s: PerSecond,
    /// Transactions that write.
    pub writes_per_s: PerSecond,
    /// Tables and indices, held once.
    pub data_mib: Mebibytes,
    /// Part of the data that most transactions touch, in percent, 1 to 100.
    pub working_set_percent: u32,
    /// Most groups that the application can spread the data over; 1 for an
    /// application that knows one database.
    pub shards: u32,
    /// Who lets another copy take over from a primary that is lost.
    #[serde(default, skip_serializing_if = "FailoverMode::is_manual")]
    pub failover: FailoverMode,
}

impl RelationalDemand {
    /// The fewest copies of a group: as many as survive a loss, and of those that elect a
    /// primary by themselves so many that a majority is left.
    #[must_use]
    pub const fn copies_min(&self, survives: bool) -> u64 {
        match (self.failover, survives) {
            (FailoverMode::Automatic, _) => 3,
            (FailoverMode::Manual, true) => 2,
            (FailoverMode::Manual, false) => 1,
        }
    }
}

/// Who lets another copy of a database take over from a primary that is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailoverMode {
    /// A person: a primary and one replica are two votes, of which neither can decide alone.
    #[default]
    Manual,
    /// The copies themselves, of which a majority has to be left.
    Automatic,
}

impl FailoverMode {
    /// Whether a person decides.
    #[must_use]
    pub const fn is_manual(&self) -> bool {
        matches!(self, Self::Manual)
    }
}

/// Demand of a search cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchDemand {
    /// Documents that are indexed.
    pub index_per_s: PerSecond,
    /// Searches.
    pub queries_per_s: PerSecond,
    /// The indices on disk, one copy of each shard.
    pub data_mib: Mebibytes,
    /// Copies of each shard, the primary one included.
    pub copies: u32,
    /// Size of a typical document.
    pub document_bytes: Bytes,
    /// Shards that a search looks into; `None` for as many as one index of
    /// daily size has, which the profile states.
    pub shards_per_query: Option<u32>,
    /// Days for which documents are kept; `None` where nobody removes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention_days: Option<u32>,
}

/// Demand of a pool of web servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebDemand {
    /// Requests.
    pub requests_per_s: PerSecond,
    /// Size of a typical response's body.
    pub response_bytes: Bytes,
    /// CPU time of the application for a request, in microseconds; 0 for files.
    pub cpu_us: u64,
    /// Whether the servers themselves end TLS.
    pub tls: bool,
}

/// Demand of a gateway: the sum of the pools and databases behind it and of what it
/// states itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayDemand {
    /// Requests, of all pools behind it.
    pub requests_per_s: PerSecond,
    /// Transactions, of all databases behind it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub transactions_per_s: PerSecond,
    /// Bytes of responses, of all pools behind it.
    pub response_bytes_per_s: u64,
    /// Whether it ends TLS.
    pub tls: bool,
}

impl SearchDemand {
    /// Days after which an index that grows is followed by the next: documents are removed by
    /// whole indices, so that they are kept for as much longer at most.
    #[must_use]
    pub const fn rollover_days(retention_days: u32) -> u32 {
        retention_days.div_ceil(10)
    }
}

impl GatewayDemand {
    /// Requests and transactions: each is worth a connection for as long as a profile says.
    #[must_use]
    pub const fn passed_on_per_s(&self) -> PerSecond {
        self.requests_per_s.saturating_add(self.transactions_per_s)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
fn is_zero(rate: &PerSecond) -> bool {
    *rate == PerSecond::ZERO
}

/// How Redis keeps its data over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Persistence {
    /// Not at all.
    None,
    /// Snapshots.
    Rdb,
    /// The append-only file, flushed every second.
    Aof,
}

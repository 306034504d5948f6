//! The engines, and the kinds of cluster that they form.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Programs that services run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Engine {
    /// Redis.
    Redis,
    /// Valkey.
    Valkey,
    /// MySQL.
    Mysql,
    /// MariaDB.
    Mariadb,
    /// Elasticsearch.
    Elasticsearch,
    /// OpenSearch.
    Opensearch,
    /// Apache httpd.
    Apache,
    /// nginx.
    Nginx,
    /// HAProxy with keepalived.
    Haproxy,
}

/// Kinds of cluster: code, on which engines are data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cluster {
    /// Groups that share hash slots, each a master and its replicas.
    Sharded,
    /// Groups of a primary that takes writes and replicas that read along.
    PrimaryReplica,
    /// Equal instances that share shards out and elect by majority.
    Quorum,
    /// Equal instances without data.
    Pool,
    /// An active instance and one that takes its address over.
    GatewayPair,
}

impl Engine {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Redis,
        Self::Valkey,
        Self::Mysql,
        Self::Mariadb,
        Self::Elasticsearch,
        Self::Opensearch,
        Self::Apache,
        Self::Nginx,
        Self::Haproxy,
    ];

    /// The word that specs and profiles use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Valkey => "valkey",
            Self::Mysql => "mysql",
            Self::Mariadb => "mariadb",
            Self::Elasticsearch => "elasticsearch",
            Self::Opensearch => "opensearch",
            Self::Apache => "apache",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
        }
    }

    /// The kind of cluster that it forms.
    #[must_use]
    pub const fn cluster(self) -> Cluster {
        match self {
            Self::Redis | Self::Valkey => Cluster::Sharded,
            Self::Mysql | Self::Mariadb => Cluster::PrimaryReplica,
            Self::Elasticsearch | Self::Opensearch => Cluster::Quorum,
            Self::Apache | Self::Nginx => Cluster::Pool,
            Self::Haproxy => Cluster::GatewayPair,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Cluster {
    /// The word that profiles use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sharded => "sharded",
            Self::PrimaryReplica => "primary-replica",
            Self::Quorum => "quorum",
            Self::Pool => "pool",
            Self::GatewayPair => "gateway-pair",
        }
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

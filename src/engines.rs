//! The engines, and the kinds of cluster that they form: the only list of engines
//! in the crate. A further engine of a known kind is one more row.

use std::fmt;

use serde::{Deserialize, Serialize};

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

    /// Whether its instances hold data that others ask them for.
    #[must_use]
    pub const fn holds_data(self) -> bool {
        matches!(self, Self::Sharded | Self::PrimaryReplica | Self::Quorum)
    }

    /// Whether its clients may come through a gateway.
    #[must_use]
    pub const fn is_behind_gateways(self) -> bool {
        matches!(self, Self::PrimaryReplica | Self::Quorum | Self::Pool)
    }

    /// What its rates count.
    #[must_use]
    pub const fn operations(self) -> &'static str {
        match self {
            Self::Sharded => "reads",
            Self::PrimaryReplica => "read transactions",
            Self::Quorum => "document operations",
            Self::Pool | Self::GatewayPair => "requests",
        }
    }
}

impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Makes [`Engine`] and all that follows from its rows. The profile of an engine
/// is `profiles/<word>.toml`.
macro_rules! engines {
    ($($(#[doc = $doc:literal])* $engine:ident = $word:literal, $cluster:ident;)*) => {
        /// Programs that services run.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Engine {
            $($(#[doc = $doc])* #[serde(rename = $word)] $engine,)*
        }

        impl Engine {
            /// All of them, in the order of this list.
            pub const ALL: &'static [Self] = &[$(Self::$engine),*];

            /// Their words, in the same order.
            pub const WORDS: &'static [&'static str] = &[$($word),*];

            /// The word that specs and profiles use.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$engine => $word,)*
                }
            }

            /// The kind of cluster that it forms.
            #[must_use]
            pub const fn cluster(self) -> Cluster {
                match self {
                    $(Self::$engine => Cluster::$cluster,)*
                }
            }

            /// Those that form a kind of cluster, in the same order.
            pub fn forming(cluster: Cluster) -> impl Iterator<Item = Self> {
                Self::ALL.iter().copied().filter(move |engine| engine.cluster() == cluster)
            }

            /// The text of the profile that this program brings along.
            #[must_use]
            pub const fn profile_text(self) -> &'static str {
                match self {
                    $(Self::$engine => include_str!(concat!("../profiles/", $word, ".toml")),)*
                }
            }
        }
    };
}

engines! {
    /// Redis.
    Redis = "redis", Sharded;
    /// Valkey.
    Valkey = "valkey", Sharded;
    /// MySQL.
    Mysql = "mysql", PrimaryReplica;
    /// MariaDB.
    Mariadb = "mariadb", PrimaryReplica;
    /// Elasticsearch.
    Elasticsearch = "elasticsearch", Quorum;
    /// OpenSearch.
    Opensearch = "opensearch", Quorum;
    /// Apache httpd.
    Apache = "apache", Pool;
    /// nginx.
    Nginx = "nginx", Pool;
    /// HAProxy with keepalived.
    Haproxy = "haproxy", GatewayPair;
}

impl Engine {
    /// Why copies of a database do not elect their primary by themselves; `None` where they can.
    #[must_use]
    pub const fn why_not_elected(self) -> Option<&'static str> {
        match self {
            Self::Mysql => None,
            Self::Mariadb => Some("takes Galera with mariadb, which hostsplit does not set up yet"),
            _ => Some("is for databases"),
        }
    }

    /// Why a search engine asks nobody for a password and encrypts nothing; `None` where it does.
    #[must_use]
    pub const fn why_open(self) -> Option<&'static str> {
        match self {
            Self::Opensearch => {
                Some("takes its security plugin, which hostsplit does not set up yet")
            }
            _ => None,
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

//! What the user asked for, read from YAML and checked for sense.
//!
//! [`load`] reads the files into the wire form, which keeps the place of every
//! value and stays inside this room, and checks it into a [`Spec`]. Whatever is
//! wrong is told with file, line and column, as much of it at once as possible.

mod access;
mod check;
mod check_across;
mod check_demand;
mod check_flat;
mod check_gateway;
mod check_host;
mod check_image;
mod check_network;
mod check_numa;
mod check_policy;
mod check_service;
mod check_vms;
mod file;
mod form;
mod load;
mod names;
mod parse;
mod problem;
mod scalar;
mod schema;
mod scope;
#[cfg(test)]
mod tests;
mod tree;
mod wire;

pub use self::load::load;
pub use self::problem::{Mark, Place, Problem, SpecErrors};
pub use self::schema::{Document, schema};

use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::ids::{DeploymentName, ServiceName};
use crate::topology::{Level, Topology};
use crate::units::{BitsPerSecond, Bytes, Mebibytes, PerSecond};

/// One deployment as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// First part of every name that the deployment makes.
    pub name: DeploymentName,
    /// What the plan must survive.
    pub policy: Policy,
    /// Where the instances' addresses come from; `None` only where there are
    /// fixed machines alone, which then can be planned but not deployed.
    pub network: Option<Network>,
    /// What the instances boot from; `None` where the spec is only planned.
    pub image: Option<Image>,
    /// The hosts, in the order of their names.
    pub topology: Topology,
    /// The services, in the order of the spec.
    pub services: Vec<Service>,
    /// Machines of fixed size and count, in the order of the spec.
    pub vms: Vec<FixedVm>,
}

/// Rules over the whole deployment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// After the loss of any one failure domain of such a level everything still
    /// serves its demand. At most two, smallest level first; empty promises
    /// nothing.
    pub survive: Vec<Survive>,
    /// What is made small, the most important first: always [`Objective::Unmet`],
    /// then those of [`Objective::ALL`] that are wanted, in that order.
    #[serde(default = "Objective::all")]
    pub objective: Vec<Objective>,
}

/// One thing that a plan keeps small, after those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Objective {
    /// Demand that is not served.
    Unmet,
    /// Price of the hosts in use and what the instances take of them.
    Cost,
    /// Instances that are moved, made or taken away against the prior plan.
    Moves,
    /// Difference between the fullest and the emptiest host, and VMs that
    /// straddle L3 domains.
    Balance,
}

impl Objective {
    /// All of them, in their order.
    pub const ALL: [Self; 4] = [Self::Unmet, Self::Cost, Self::Moves, Self::Balance];

    /// [`Self::ALL`] as a list: what a policy that says nothing wants.
    #[must_use]
    pub fn all() -> Vec<Self> {
        Self::ALL.to_vec()
    }

    /// The word that specs use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unmet => "unmet",
            Self::Cost => "cost",
            Self::Moves => "moves",
            Self::Balance => "balance",
        }
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Default for Policy {
    /// Promises nothing and wants all objectives.
    fn default() -> Self {
        Self { survive: Vec::new(), objective: Objective::all() }
    }
}

/// A kind of failure domain of which any one may be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Survive {
    /// The kind.
    pub level: Level,
    /// Who keeps a majority after the loss.
    pub quorum: Quorum,
}

/// Who sees to it that a cluster whose members vote goes on after a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Quorum {
    /// The cluster by itself: a majority must be left.
    Automatic,
    /// An operator, where the majority is lost.
    Manual,
}

impl Policy {
    /// The policy that survives the loss of any one failure domain of `level`,
    /// by itself.
    #[must_use]
    pub fn surviving(level: Level) -> Self {
        Self { survive: vec![Survive { level, quorum: Quorum::Automatic }], ..Self::default() }
    }

    /// The policy that promises nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// The levels that are promised, smallest first.
    pub fn levels(&self) -> impl Iterator<Item = Level> {
        self.survive.iter().map(|survive| survive.level)
    }

    /// Whether the loss of something is promised to be survived.
    #[must_use]
    pub const fn survives(&self) -> bool {
        !self.survive.is_empty()
    }
}

/// The IPv4 network that all instances share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Bridge on every host that carries the network.
    pub bridge: String,
    /// Network address.
    pub subnet: Ipv4Addr,
    /// Prefix length in bits, 1 to 30.
    pub prefix: u8,
    /// First address that instances may take.
    pub first: Ipv4Addr,
    /// Last address that instances may take.
    pub last: Ipv4Addr,
    /// Default route, if any.
    pub gateway: Option<Ipv4Addr>,
    /// Address that clients reach a gateway pair at, if any; outside the range.
    pub vip: Option<Ipv4Addr>,
}

/// A file of an image and the digest of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageFile {
    /// Path: absolute if the spec or the manifest says so, else relative to the
    /// directory of the spec. A deploy looks for relative paths beside the plan
    /// file, or where `--images` says.
    pub file: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// What instances boot from. The disk must hold cloud-init, the QEMU guest
/// agent and the engines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Name, for people.
    pub name: String,
    /// A qcow2 disk, never written to: roots are overlays on it.
    pub disk: ImageFile,
    /// Virtual size of the disk.
    pub virtual_size_mib: Mebibytes,
    /// Kernel for a direct boot; without it the disk's boot loader starts.
    pub kernel: Option<ImageFile>,
    /// Initial RAM disk that goes with the kernel.
    pub initrd: Option<ImageFile>,
    /// Kernel command line; empty without a kernel.
    pub cmdline: String,
}

/// Something to split: an engine and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Name, unique among services and fixed machines.
    pub name: ServiceName,
    /// The engine.
    pub engine: Engine,
    /// What is asked of it; of the kind of its engine.
    pub demand: Demand,
    /// The gateway that its clients come through, for pools.
    pub gateway: Option<ServiceName>,
    /// How clients get in.
    pub access: Access,
}

/// How clients get into a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Where the password comes from; `None` lets everybody in.
    pub password: Option<Password>,
    /// Whether all connections are encrypted.
    pub tls: bool,
}

impl Access {
    /// Whether everybody is let in, without encryption.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }
}

/// Where a password comes from. It is a reference: the password itself never
/// gets into a spec or a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Password {
    /// A deploy makes it and keeps it in its state directory.
    Generated,
    /// The first line of a file.
    File(String),
    /// An environment variable.
    #[serde(rename = "env")]
    Environment(String),
    /// What a command of the shell prints.
    Command(String),
}

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

/// What is asked of a service, by the kind of cluster that its engine forms.
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

/// What is asked of a sharded cluster.
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
}

/// What is asked of a relational database.
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
}

/// What is asked of a search cluster.
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
}

/// What is asked of a pool of web servers.
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

/// What is asked of a gateway: the sum of the pools behind it and of what it
/// states itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayDemand {
    /// Requests, of all pools behind it.
    pub requests_per_s: PerSecond,
    /// Bytes of responses, of all pools behind it.
    pub response_bytes_per_s: u64,
    /// Whether it ends TLS.
    pub tls: bool,
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

/// Machines of fixed size and count that live on the same hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedVm {
    /// Name, unique among services and fixed machines.
    pub name: ServiceName,
    /// How many.
    pub count: u32,
    /// Virtual CPUs of each.
    pub vcpus: u32,
    /// Memory of each.
    pub memory_mib: Mebibytes,
    /// Root disk of each; zero for a machine whose disk is not planned.
    pub disk_mib: Mebibytes,
    /// I/O operations of each.
    pub iops_per_s: PerSecond,
    /// Traffic of each.
    pub network_bits_per_s: BitsPerSecond,
    /// Failure domains of this level hold at most one each, if stated.
    pub spread: Option<Level>,
}

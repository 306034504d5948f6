//! Limits of engines that no host can lift.

/// A limit of the engine's own that a demand exceeds, whatever the hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineLimit {
    /// What there would be too many of.
    pub limited: LimitedResource,
    /// The fewest that would do.
    pub needed: u64,
    /// The most that the engine allows.
    pub available: u64,
}

/// What engines limit by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedResource {
    /// Processes of one cluster that shards its data.
    ClusterProcesses,
    /// Copies of each shard of a quorum.
    ShardCopies,
    /// Primary shards of an index.
    Shards,
    /// Copies of each shard that share its searches.
    SearchedCopies,
    /// Work on the shards of one index, whatever their number.
    ShardWork,
    /// Copies of one group of a primary and its replicas.
    GroupCopies,
    /// Transactions that one primary writes.
    PrimaryWrites,
    /// Requests that one gateway passes on.
    GatewayRequests,
    /// Requests that one instance of a pool answers within a second.
    InstanceRequests,
}

impl LimitedResource {
    /// Returns its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClusterProcesses => "processes of one cluster",
            Self::ShardCopies | Self::SearchedCopies => "copies of each shard",
            Self::Shards => "primary shards of an index",
            Self::ShardWork => "work on the shards of one index",
            Self::GroupCopies => "copies of one group",
            Self::PrimaryWrites => "writes of one primary",
            Self::GatewayRequests => "requests per second of one gateway",
            Self::InstanceRequests => "requests of one instance in a second",
        }
    }

    /// Returns the unit that it is counted in.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::ClusterProcesses => "processes",
            Self::ShardCopies | Self::SearchedCopies | Self::GroupCopies => "copies",
            Self::Shards => "shards",
            Self::ShardWork => "documents/s",
            Self::PrimaryWrites => "transactions/s",
            Self::GatewayRequests => "requests/s",
            Self::InstanceRequests => "requests",
        }
    }
}

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
            Self::ShardCopies => "copies of each shard",
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
            Self::ShardCopies | Self::GroupCopies => "copies",
            Self::PrimaryWrites => "transactions/s",
            Self::GatewayRequests => "requests/s",
            Self::InstanceRequests => "requests",
        }
    }
}

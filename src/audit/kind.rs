//! The rules, one variant each.

use std::fmt;

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The plan must not be deployed.
    Error,
    /// The plan works, less well than it could.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal,)+) => {
        /// A rule that a plan can break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Kind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl Kind {
            /// All rules.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The rule's name in JSON and in reports.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }
    };
}

kinds! {
    /// The plan's format is one that this program reads.
    Format = "format",
    /// Hosts, their URIs, NUMA nodes, CPUs and pools of the plan's topology are unique,
    /// and reserves are no larger than what they are taken from.
    Topology = "topology",
    /// Names of services, fixed machines and instances are unique.
    DuplicateName = "duplicate_name",
    /// An instance is part of a service or fixed machine of the plan.
    UnknownService = "unknown_service",
    /// An instance is on a host of the topology.
    UnknownHost = "unknown_host",
    /// A host that is being emptied carries no instance.
    DrainedHost = "drained_host",
    /// An instance is on a NUMA node of its host.
    UnknownNuma = "unknown_numa",
    /// An instance's CPUs are CPUs of its NUMA node, at least one.
    UnknownCpu = "unknown_cpu",
    /// Reserved cores run no instance.
    ReservedCpu = "reserved_cpu",
    /// No CPU is pinned by two instances.
    DuplicateCpu = "duplicate_cpu",
    /// The threads of a core belong to one instance.
    SharedCore = "shared_core",
    /// The threads that a guest sees as one core are threads of one core.
    GuestThreads = "guest_threads",
    /// An instance that fits into an L3 domain does not straddle two.
    L3Straddled = "l3_straddled",
    /// Emulator threads run on CPUs of the host that no other instance has.
    EmulatorCpus = "emulator_cpus",
    /// Instances on ordinary pages fit into the allocatable memory.
    Memory = "memory",
    /// Instances on huge pages fit into the pages of their size.
    HugePages = "huge_pages",
    /// A volume is in a pool of its host.
    UnknownPool = "unknown_pool",
    /// The volumes of a pool fit into it.
    PoolCapacity = "pool_capacity",
    /// The I/O operations of a pool's instances are within what its disk does, if
    /// that is known, and those that services state are what they need.
    Iops = "iops",
    /// A gateway carries what the pools behind it serve.
    Gateway = "gateway",
    /// A root volume is at least as large as the image below it.
    RootSize = "root_size",
    /// The traffic of a host's instances fits through its NIC, if that is known.
    Bandwidth = "bandwidth",
    /// A host that carries instances has the network's bridge.
    Bridge = "bridge",
    /// A host that carries instances is of their architecture.
    Architecture = "architecture",
    /// The network's range, gateway and virtual address lie in its subnet, apart from each
    /// other.
    Network = "network",
    /// An instance's address lies in the network's range.
    Address = "address",
    /// Addresses are unique.
    DuplicateAddress = "duplicate_address",
    /// MACs, UUIDs, names of domains and volumes have their form.
    Identity = "identity",
    /// MACs, UUIDs, names of domains and volumes are unique.
    DuplicateIdentity = "duplicate_identity",
    /// MACs, UUIDs and names of domains and volumes are those that follow from the names
    /// of deployment and instance, the volumes of an instance are in one pool, and its CPUs
    /// and those of its emulator threads are in the order of the host's.
    Derivation = "derivation",
    /// The demand is of the engine's kind of cluster, and the engine has a profile.
    Engine = "engine",
    /// Groups cover every hash slot once, in parts that differ by one slot at most.
    Slots = "slots",
    /// The groups and their copies are as many as the layout says.
    Copies = "copies",
    /// A service has as many instances as its layout says.
    Instances = "instances",
    /// Groups and instances agree on who is in which group, in which role.
    Role = "role",
    /// A Redis Cluster has at least three masters.
    Masters = "masters",
    /// An instance has the CPUs, memory and data volume of its layout, and these are what
    /// its part of the demand needs.
    Layout = "layout",
    /// Settings are exactly those of the engine, and agree with the instance and the
    /// rules of a cluster.
    Configuration = "configuration",
    /// Every copy of a group holds the group's part of the data.
    Data = "data",
    /// A service has the capacity for its demand, each group for its part, and the
    /// sums are right.
    Capacity = "capacity",
    /// Ceiling, usable rate and demand are what the profile and the pinned cores
    /// give.
    Ceiling = "ceiling",
    /// A process full of data fits into its instance, and holds no more data
    /// than one should.
    ProcessMemory = "process_memory",
    /// Copies of a group are in different failure domains.
    GroupSpread = "group_spread",
    /// After the loss of a failure domain every group has a copy left.
    LostGroup = "lost_group",
    /// After the loss of a failure domain more than half of the masters remain.
    Majority = "majority",
    /// After the loss of a failure domain the others carry the demand.
    Survivors = "survivors",
    /// No failure domain holds more instances than shards can be spread over
    /// evenly, with their copies apart.
    ShardSpread = "shard_spread",
    /// A quorum has an odd number of voters, three where it must survive a loss.
    Voters = "voters",
    /// The number of fixed machines is that of the spec.
    FixedCount = "fixed_count",
    /// Fixed machines are spread as the spec states.
    FixedSpread = "fixed_spread",
    /// Fixed machines are on hosts that the spec allows, also once they are restarted.
    FixedHost = "fixed_host",
    /// No host holds fixed machines and what they are to be apart from.
    FixedApart = "fixed_apart",
    /// Fixed machines are on hosts with what they are to be near.
    FixedNear = "fixed_near",
    /// Machines that are to be restarted have a place outside of their failure domain, with
    /// room for all that come there after any one loss.
    Restart = "restart",
    /// Files of the image have a SHA-256 of 64 lower-case hexadecimal digits.
    ImageDigest = "image_digest",
    /// Names of files, pools, bridges and settings, and values of settings, are free of
    /// control characters.
    Text = "text",
    /// An engine listens on a port from 1 to 65535.
    Port = "port",
    /// What a part of the plan names is there: gateways of services, hosts that are
    /// emptied, the kernel of an initrd.
    Reference = "reference",
    /// Policies and demands have their form.
    Policy = "policy",
    /// An instance has root, data volume and seed in their sizes where disks are planned.
    Volumes = "volumes",
    /// Objectives are those that there are, with the values that the plan reaches, and none
    /// is below its bound.
    Objective = "objective",
    /// A plan is one of the spec that it is compared with.
    Spec = "spec",
}

impl Kind {
    /// Returns how bad it is to break the rule.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Self::L3Straddled => Severity::Warning,
            _ => Severity::Error,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

//! What one instance of an engine can do: `profiles/*.toml`, embedded, checked
//! and turned into a [`Profile`] whose every number names its evidence. A spec
//! overrides them by [`OwnProfiles`].

mod bounds;
mod check;
mod decimal;
mod fault;
mod gateway_pair;
mod load;
mod number;
mod own;
mod pool;
mod primary_replica;
mod quorum;
mod sharded;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use crate::engines::{Cluster, Engine};
pub use bounds::Estimate;
pub use decimal::{Decimal, DecimalError};
pub use fault::{Fault, ProfileError, Spot};
pub use gateway_pair::GatewayPair;
use number::section;
pub use own::{Own, OwnFile, OwnProfiles};
pub use pool::Pool;
pub use primary_replica::PrimaryReplica;
pub use quorum::Quorum;
pub use sharded::Sharded;

pub use number::{Number, ceil, floor, real};

/// The profiles of all engines.
#[derive(Clone, Debug, PartialEq)]
pub struct Profiles(BTreeMap<Engine, Profile>);

impl Profiles {
    /// The profile of an engine, if there is one.
    #[must_use]
    pub fn of(&self, engine: Engine) -> Option<&Profile> {
        self.0.get(&engine)
    }

    /// All profiles, in the order of [`Engine`].
    pub fn all(&self) -> impl Iterator<Item = &Profile> {
        self.0.values()
    }
}

/// What one instance of an engine can do, with evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The engine.
    pub engine: Engine,
    /// The engine's version that the numbers are about.
    pub version: String,
    /// The unit of work that ceilings and demands are counted in.
    pub unit: String,
    /// Work per second as a function of cores.
    pub curve: Curve,
    /// What virtualisation and placement take or give.
    pub placement: Placement,
    /// Share kept free by queueing.
    pub headroom: Headroom,
    /// What every guest needs besides its engine's data.
    pub guest: Guest,
    /// What holds for the engine's kind of cluster.
    pub rules: Rules,
    /// Sizes an instance may have.
    pub shapes: Shapes,
    /// Where the numbers come from, by id.
    pub evidence: BTreeMap<String, Evidence>,
}

/// Work per second of one instance as a function of its cores.
#[derive(Clone, Debug, PartialEq)]
pub enum Curve {
    /// One thread that I/O threads help.
    Threads(Threads),
    /// The Universal Scalability Law.
    Usl(Usl),
}

/// What holds for one kind of cluster.
#[derive(Clone, Debug, PartialEq)]
pub enum Rules {
    /// Redis, Valkey.
    Sharded(Sharded),
    /// Elasticsearch, OpenSearch.
    Quorum(Quorum),
    /// Apache, nginx.
    Pool(Pool),
    /// HAProxy.
    GatewayPair(GatewayPair),
    /// MySQL, MariaDB.
    PrimaryReplica(PrimaryReplica),
}

impl Rules {
    /// The kind of cluster.
    #[must_use]
    pub const fn cluster(&self) -> Cluster {
        match self {
            Self::Sharded(_) => Cluster::Sharded,
            Self::Quorum(_) => Cluster::Quorum,
            Self::Pool(_) => Cluster::Pool,
            Self::GatewayPair(_) => Cluster::GatewayPair,
            Self::PrimaryReplica(_) => Cluster::PrimaryReplica,
        }
    }

    fn numbers(&self) -> Vec<(String, &Number)> {
        match self {
            Self::Sharded(rules) => rules.numbers(),
            Self::Quorum(rules) => rules.numbers(),
            Self::Pool(rules) => rules.numbers(),
            Self::GatewayPair(rules) => rules.numbers(),
            Self::PrimaryReplica(rules) => rules.numbers(),
        }
    }
}

/// Sizes an instance may have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shapes {
    /// Useful counts of virtual CPUs, ascending.
    pub vcpus: Vec<u32>,
    /// Id of the evidence.
    pub evidence: String,
}

/// Where a number comes from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    /// What numbers refer to.
    pub id: String,
    /// Address of the original, or `proposal`.
    pub source: String,
    /// Hardware, version and workload it was seen on.
    pub setup: String,
    /// How far it can be trusted.
    pub grade: Grade,
    /// What it says, and how the number was made of it.
    pub note: String,
}

/// How far evidence can be trusted, furthest first; the user's own comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Grade {
    /// Read in full at the source.
    A,
    /// A vendor's or an author's page of which the number's part was read.
    B,
    /// Quoted by a third party.
    C,
    /// No published source: a default to be measured.
    #[serde(rename = "proposal")]
    Proposal,
    /// The user's own figure, without a source that others can read.
    #[serde(rename = "own")]
    Own,
}

impl Grade {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [Self::A, Self::B, Self::C, Self::Proposal, Self::Own];

    /// The word that profiles use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::Proposal => "proposal",
            Self::Own => "own",
        }
    }
}

section! {
    /// One thread that I/O threads help: `one_thread · (1 + gain · (T - 1))`.
    Threads {
        /// Work per second of one thread on a whole core.
        one_thread,
        /// Share that each I/O thread beyond the first adds.
        gain_per_io_thread,
        /// Threads beyond which nothing is gained.
        io_threads_max,
        /// Share of the guest's cores that interrupts take.
        interrupt_share,
    }
}

section! {
    /// The Universal Scalability Law over whole cores `c`:
    /// `lambda · c / (1 + sigma · (c - 1) + kappa · c · (c - 1))`.
    Usl {
        /// Work per second of one core.
        lambda,
        /// Contention: the share that is done one after the other.
        sigma,
        /// Coherency: what agreeing with each other costs.
        kappa,
    }
}

section! {
    /// What virtualisation and placement take or give.
    Placement {
        /// Speed in a pinned VM against the same cores without one.
        virtualisation,
        /// What the second thread of a core adds to the first.
        smt_gain,
        /// Speed beside neighbours on one L3 domain, against owning it.
        shared_l3,
        /// Speed across L3 domains, against being inside one.
        several_l3,
    }
}

section! {
    /// Share kept free on `c` cores: `factor / c^exponent`.
    Headroom {
        /// Share on one core.
        factor,
        /// How fast the share falls with cores.
        exponent,
    }
}

section! {
    /// What every guest needs besides its engine's data.
    Guest {
        /// Guest kernel, agent and empty process, in MiB.
        base_mib,
        /// Memory is a multiple of this many MiB.
        rounding_mib,
        /// No instance has less, in MiB.
        minimum_mib,
    }
}

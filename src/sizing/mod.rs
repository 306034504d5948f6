//! Demand × profile -> the candidate layouts of each service, each with what it
//! can do and what binds.
//!
//! The capacity of a layout is not linear in anything; it is computed here,
//! exactly, so that the model stays linear and every number can be explained.
//! One file or folder per kind of cluster.

mod ceiling;
mod cpu_option;
mod cpu_placement;
mod gateway_pair;
mod pool;
pub mod primary_replica;
#[cfg(test)]
mod published;
pub mod quorum;
pub mod sharded;
mod spread;
#[cfg(test)]
mod trial;

use std::collections::BTreeSet;

use crate::ids::ServiceName;
use crate::plan::{Capacity, L3Use};
use crate::profile::{Profile, Profiles, Rules};
use crate::spec::{Demand, FixedVm, Policy, Service};
use crate::topology::{Host, NumaNode, Topology};
use crate::units::{BitsPerSecond, Mebibytes, PerSecond};

pub use crate::plan::{CpuPlacement, Layout};
pub use ceiling::{Ceiling, core_speed, effective_cores, io_threads};
pub use cpu_placement::{offered, taken};

/// Shares of the demand that partial layouts serve, in percent.
const SHARES: [u64; 23] =
    [95, 90, 85, 80, 75, 70, 65, 60, 55, 50, 45, 40, 35, 30, 25, 20, 15, 10, 7, 5, 3, 2, 1];

/// A way to split a service, or a fixed machine as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The split.
    pub layout: Layout,
    /// What it can do; `None` for a fixed machine.
    pub capacity: Option<Capacity>,
    /// The part of the demand that it leaves unserved.
    pub unmet_per_s: PerSecond,
    /// Bandwidth that each instance needs at most, whatever its role becomes.
    pub network: BitsPerSecond,
    /// I/O operations that each instance needs of its disk.
    pub iops: PerSecond,
    /// Root disk of each instance, if it is not the image's size.
    pub root_mib: Option<Mebibytes>,
    /// Most instances, the witness not counted, that one failure domain of a
    /// promised level may hold; `None` where nothing is promised.
    pub max_per_domain: Option<u32>,
    /// Instances that lead: masters, primaries, voters (the witness is one),
    /// the active gateway; 0 where all are alike.
    pub leaders: u32,
}

/// What layouts are found under.
#[derive(Clone, Debug)]
pub struct SizingContext<'a> {
    /// What must be survived.
    pub policy: &'a Policy,
    /// The hosts.
    pub topology: &'a Topology,
    /// Services whose instances are to be taken as straddling L3 domains: an
    /// earlier solution left them no better place.
    pub straddling: BTreeSet<ServiceName>,
}

/// One service with all that its layouts follow from.
#[derive(Clone, Debug)]
pub struct SizingInput<'a> {
    /// The service's name.
    pub name: &'a ServiceName,
    /// What is asked of it.
    pub demand: Demand,
    /// What its engine can do.
    pub profile: &'a Profile,
    /// What holds for all services.
    pub context: &'a SizingContext<'a>,
}

/// A limit of the engine's own that a demand exceeds, whatever the hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
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

impl<'a> SizingInput<'a> {
    /// The input of a service; `None` if there is no profile of its engine, or one
    /// of another kind.
    #[must_use]
    pub fn new(
        service: &'a Service,
        profiles: &'a Profiles,
        context: &'a SizingContext,
    ) -> Option<Self> {
        let profile = profiles.of(service.engine)?;
        let demand = service.demand.clone();
        (profile.rules.cluster() == service.engine.cluster()).then_some(Self {
            name: &service.name,
            demand,
            profile,
            context,
        })
    }

    /// The layouts that serve the whole demand; empty when no layout that the
    /// engine allows can.
    #[must_use]
    pub fn full(&self) -> Vec<Candidate> {
        match (&self.demand, &self.profile.rules) {
            (Demand::Sharded(demand), Rules::Sharded(rules)) => {
                sharded::Range::new(demand, rules, self).full()
            }
            (Demand::Quorum(demand), Rules::Quorum(rules)) => {
                quorum::Range::new(demand, rules, self).full()
            }
            (Demand::Pool(demand), Rules::Pool(rules)) => {
                pool::Range::new(demand, rules, self).full()
            }
            (Demand::GatewayPair(demand), Rules::GatewayPair(rules)) => {
                gateway_pair::Range::new(demand, rules, self).full()
            }
            (Demand::PrimaryReplica(demand), Rules::PrimaryReplica(rules)) => {
                primary_replica::Range::new(demand, rules, self).full()
            }
            _ => Vec::new(),
        }
    }

    /// The smallest layouts that would serve the demand if the engine set no
    /// limits: for saying by how much the hosts fall short.
    #[must_use]
    pub fn unconstrained(&self) -> Vec<Candidate> {
        match (&self.demand, &self.profile.rules) {
            (Demand::Sharded(demand), Rules::Sharded(rules)) => {
                sharded::Range::new(demand, rules, self).unconstrained()
            }
            (Demand::Quorum(demand), Rules::Quorum(rules)) => {
                quorum::Range::new(demand, rules, self).unconstrained()
            }
            (Demand::Pool(demand), Rules::Pool(rules)) => {
                pool::Range::new(demand, rules, self).unconstrained()
            }
            (Demand::GatewayPair(demand), Rules::GatewayPair(rules)) => {
                gateway_pair::Range::new(demand, rules, self).unconstrained()
            }
            (Demand::PrimaryReplica(demand), Rules::PrimaryReplica(rules)) => {
                primary_replica::Range::new(demand, rules, self).unconstrained()
            }
            _ => Vec::new(),
        }
    }

    /// The engine's limit that the demand exceeds, if it does.
    #[must_use]
    pub fn exceeded(&self) -> Option<EngineLimit> {
        match (&self.demand, &self.profile.rules) {
            (Demand::Sharded(demand), Rules::Sharded(rules)) => {
                sharded::Range::new(demand, rules, self).exceeded()
            }
            (Demand::Quorum(demand), Rules::Quorum(rules)) => {
                quorum::Range::new(demand, rules, self).exceeded()
            }
            (Demand::Pool(demand), Rules::Pool(rules)) => {
                pool::Range::new(demand, rules, self).exceeded()
            }
            (Demand::GatewayPair(demand), Rules::GatewayPair(rules)) => {
                gateway_pair::Range::new(demand, rules, self).exceeded()
            }
            (Demand::PrimaryReplica(demand), Rules::PrimaryReplica(rules)) => {
                primary_replica::Range::new(demand, rules, self).exceeded()
            }
            _ => None,
        }
    }

    /// Layouts that serve a share of the demand, load and data alike, from the
    /// largest share to the smallest: for what would still be possible.
    #[must_use]
    pub fn partial(&self) -> Vec<Candidate> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for share in SHARES {
            let part = Self { demand: share_of(&self.demand, share), ..self.clone() };
            for mut candidate in few(part.full()) {
                if !seen.insert(candidate.layout.clone()) {
                    continue;
                }
                if let Some(capacity) = &mut candidate.capacity {
                    // Work is linear in the demand, so the whole follows.
                    let whole = capacity.demand_per_s.get().saturating_mul(100).div_ceil(share);
                    let unmet = whole.saturating_sub(capacity.demand_per_s.get());
                    candidate.unmet_per_s = PerSecond::new(unmet);
                    capacity.demand_per_s = PerSecond::new(whole);
                }
                found.push(candidate);
            }
        }
        found
    }

    /// The placements that its instances of that many virtual CPUs may have, best
    /// first.
    pub(crate) fn placements(&self, vcpus: u32) -> Vec<CpuPlacement> {
        let mut found = cpu_placement::of_hosts(self.context.topology, vcpus);
        if found.is_empty() {
            // Without hosts there is still something to say about the demand.
            found.push(CpuPlacement { cores: vcpus, l3: L3Use::Shared });
        }
        if self.context.straddling.contains(self.name) {
            for placement in &mut found {
                placement.l3 = L3Use::Straddling;
            }
            found.dedup();
        }
        found
    }

    /// Instances that could stand on the hosts if each took one core.
    pub(crate) fn room(&self) -> u64 {
        let nodes = self.context.topology.hosts.iter().flat_map(|host| &host.numa);
        nodes.map(NumaNode::allocatable_cores).map(u64::from).sum()
    }
}

/// Of the layouts of each count of virtual CPUs the two smallest and the largest.
fn few(all: Vec<Candidate>) -> Vec<Candidate> {
    let keys: Vec<(u32, Option<CpuPlacement>)> = all
        .iter()
        .map(|one| (one.layout.vcpus, one.capacity.as_ref().map(|capacity| capacity.placement)))
        .collect();
    let keep = |at: usize| {
        let same = |other: Option<usize>| {
            other.and_then(|other| keys.get(other)).is_some_and(|key| Some(key) == keys.get(at))
        };
        !same(at.checked_sub(2)) || !same(at.checked_add(1))
    };
    all.into_iter().enumerate().filter(|(at, _)| keep(*at)).map(|(_, one)| one).collect()
}

/// That many percent of a demand, rounded up.
fn share_of(demand: &Demand, percent: u64) -> Demand {
    scaled(demand, percent, 100)
}

/// `part / of` of a demand, load and data alike, rounded up.
#[must_use]
pub fn scaled(demand: &Demand, part: u64, of: u64) -> Demand {
    let part = |whole: u64| {
        let product = u128::from(whole) * u128::from(part);
        u64::try_from(product.div_ceil(u128::from(of.max(1)))).unwrap_or(u64::MAX)
    };
    let mut demand = demand.clone();
    match &mut demand {
        Demand::Sharded(demand) => {
            demand.reads_per_s = PerSecond::new(part(demand.reads_per_s.get()));
            demand.writes_per_s = PerSecond::new(part(demand.writes_per_s.get()));
            demand.data_mib = Mebibytes::new(part(demand.data_mib.get()));
        }
        Demand::PrimaryReplica(demand) => {
            demand.reads_per_s = PerSecond::new(part(demand.reads_per_s.get()));
            demand.writes_per_s = PerSecond::new(part(demand.writes_per_s.get()));
            demand.data_mib = Mebibytes::new(part(demand.data_mib.get()));
        }
        Demand::Quorum(demand) => {
            demand.index_per_s = PerSecond::new(part(demand.index_per_s.get()));
            demand.queries_per_s = PerSecond::new(part(demand.queries_per_s.get()));
            demand.data_mib = Mebibytes::new(part(demand.data_mib.get()));
        }
        Demand::Pool(demand) => {
            demand.requests_per_s = PerSecond::new(part(demand.requests_per_s.get()));
        }
        Demand::GatewayPair(demand) => {
            demand.requests_per_s = PerSecond::new(part(demand.requests_per_s.get()));
            demand.response_bytes_per_s = part(demand.response_bytes_per_s);
        }
    }
    demand
}

/// `whole · part / of`, rounded down, without overflow.
fn proportion(whole: u64, part: u64, of: u64) -> u64 {
    let product = u128::from(whole) * u128::from(part) / u128::from(of.max(1));
    u64::try_from(product).unwrap_or(u64::MAX)
}

/// Fixed machines as a candidate: as many instances as there are machines.
#[must_use]
pub fn fixed(vm: &FixedVm) -> Candidate {
    Candidate {
        layout: Layout {
            groups: 1,
            copies: 1,
            instances: vm.count,
            vcpus: vm.vcpus,
            memory_mib: vm.memory_mib,
            data_mib: Mebibytes::ZERO,
            witness: None,
        },
        capacity: None,
        unmet_per_s: PerSecond::ZERO,
        network: vm.network_bits_per_s,
        iops: vm.iops_per_s,
        root_mib: Some(vm.disk_mib),
        max_per_domain: None,
        leaders: 0,
    }
}

/// Memory of a guest that needs `mib`: not less than the profile's least, and a
/// multiple of what its pages need.
pub(crate) fn rounded_memory(profile: &Profile, mib: u64) -> Mebibytes {
    let need = mib.max(profile.guest.minimum_mib.whole());
    rounded(profile, need)
}

/// The next multiple of what the profile's pages need.
pub(crate) fn rounded(profile: &Profile, mib: u64) -> Mebibytes {
    let unit = profile.guest.rounding_mib.whole().max(1);
    Mebibytes::new(mib.div_ceil(unit).saturating_mul(unit))
}

/// Whole cores that `vcpus` take on a host: siblings never go to two VMs.
#[must_use]
pub fn cores_on(host: &Host, vcpus: u32) -> u32 {
    vcpus.div_ceil(host.threads_per_core())
}

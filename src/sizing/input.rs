//! All that the layouts of a service follow from, and the layouts that follow.

use std::collections::BTreeSet;

use super::gateway_pair::GatewayPairLayouts;
use super::pool::PoolLayouts;
use super::primary_replica::PrimaryReplicaLayouts;
use super::quorum::QuorumLayouts;
use super::sharded::ShardedLayouts;
use super::{Candidate, EngineLimit, Ratio, Scale, Workload, cpu_placement};
use crate::ids::ServiceName;
use crate::plan::{CpuPlacement, L3Use};
use crate::profile::{Profile, Profiles};
use crate::spec::{Policy, Service};
use crate::topology::{NumaNode, Topology};
use crate::units::PerSecond;

/// Shares of the demand that partial layouts serve, in percent.
const SHARES: [u64; 23] =
    [95, 90, 85, 80, 75, 70, 65, 60, 55, 50, 45, 40, 35, 30, 25, 20, 15, 10, 7, 5, 3, 2, 1];

/// What holds for the layouts of all services.
#[derive(Clone, Debug)]
pub struct SizingContext<'a> {
    /// What must be survived.
    pub policy: &'a Policy,
    /// The hosts.
    pub topology: &'a Topology,
    /// Services whose instances are assumed to straddle L3 domains: an earlier solution
    /// left them no better placement.
    pub straddling: BTreeSet<ServiceName>,
}

impl<'a> SizingContext<'a> {
    /// Returns the context in which no service is known to straddle L3 domains.
    #[must_use]
    pub const fn new(policy: &'a Policy, topology: &'a Topology) -> Self {
        Self { policy, topology, straddling: BTreeSet::new() }
    }
}

/// One service with all that its layouts follow from.
#[derive(Clone, Debug)]
pub struct SizingInput<'a> {
    /// The service's name.
    pub name: &'a ServiceName,
    /// Its demand, with the rules of its kind of cluster.
    pub workload: Workload<'a>,
    /// What its engine can do.
    pub profile: &'a Profile,
    /// What holds for all services.
    pub context: &'a SizingContext<'a>,
}

/// The layouts of one service, whatever its kind of cluster.
pub(super) trait Layouts {
    /// Returns those that serve the full demand.
    fn full(&self) -> Vec<Candidate>;

    /// Returns the smallest that would serve it if the engine set no limits.
    fn unconstrained(&self) -> Vec<Candidate>;

    /// Returns the engine's limit that the demand exceeds, if it does.
    fn exceeded_limit(&self) -> Option<EngineLimit>;
}

/// Returns the full layouts of each service; `None` if one has no profile of its kind.
#[must_use]
pub fn full_layouts(
    services: &[Service],
    profiles: &Profiles,
    context: &SizingContext,
) -> Option<Vec<Vec<Candidate>>> {
    let full = |service| Some(SizingInput::new(service, profiles, context)?.full());
    services.iter().map(full).collect()
}

impl<'a> SizingInput<'a> {
    /// Returns the input of a service; `None` if there is no profile of its engine, or one
    /// of another kind of cluster.
    #[must_use]
    pub fn new(
        service: &'a Service,
        profiles: &'a Profiles,
        context: &'a SizingContext,
    ) -> Option<Self> {
        let profile = profiles.of(service.engine)?;
        let workload = Workload::new(&service.demand, &profile.rules)?;
        Some(Self { name: &service.name, workload, profile, context })
    }

    fn layouts(&self) -> Box<dyn Layouts + '_> {
        match &self.workload {
            Workload::Sharded(demand, rules) => Box::new(ShardedLayouts::new(demand, rules, self)),
            Workload::PrimaryReplica(demand, rules) => {
                Box::new(PrimaryReplicaLayouts::new(demand, rules, self))
            }
            Workload::Quorum(demand, rules) => Box::new(QuorumLayouts::new(demand, rules, self)),
            Workload::Pool(demand, rules) => Box::new(PoolLayouts::new(demand, rules, self)),
            Workload::GatewayPair(demand, rules) => {
                Box::new(GatewayPairLayouts::new(demand, rules, self))
            }
        }
    }

    /// Returns the layouts that serve the full demand; empty when no layout that the
    /// engine allows can.
    #[must_use]
    pub fn full(&self) -> Vec<Candidate> {
        self.layouts().full()
    }

    /// Returns the smallest layouts that would serve the demand if the engine set no
    /// limits: for saying by how much the hosts fall short.
    #[must_use]
    pub fn unconstrained(&self) -> Vec<Candidate> {
        self.layouts().unconstrained()
    }

    /// Returns the engine's limit that the demand exceeds, if it does.
    #[must_use]
    pub fn exceeded_limit(&self) -> Option<EngineLimit> {
        self.layouts().exceeded_limit()
    }

    /// Returns layouts that serve a share of the demand, load and data alike, from the
    /// largest share to the smallest: for what would still be possible.
    #[must_use]
    pub fn partial(&self) -> Vec<Candidate> {
        let mut seen = BTreeSet::new();
        let mut found = Vec::new();
        for share in SHARES {
            let workload = self.workload.scaled(Ratio::new(share, 100));
            let part = Self { workload, ..self.clone() };
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

    /// Returns the placements that its instances of that many virtual CPUs may have, best
    /// first.
    pub(super) fn placements(&self, vcpus: u32) -> Vec<CpuPlacement> {
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

    /// Counts the cores of all hosts that instances may take.
    pub(super) fn allocatable_cores(&self) -> u64 {
        let nodes = self.context.topology.hosts.iter().flat_map(|host| &host.numa);
        nodes.map(NumaNode::allocatable_cores).map(u64::from).sum()
    }
}

/// Keeps of the layouts of each count of virtual CPUs the two smallest and the largest.
fn few(all: Vec<Candidate>) -> Vec<Candidate> {
    let keys: Vec<_> = all.iter().map(|one| (one.layout.vcpus, one.cpus())).collect();
    let keep = |at: usize| {
        let same = |other: Option<usize>| {
            other.and_then(|other| keys.get(other)).is_some_and(|key| Some(key) == keys.get(at))
        };
        !same(at.checked_sub(2)) || !same(at.checked_add(1))
    };
    all.into_iter().enumerate().filter(|(at, _)| keep(*at)).map(|(_, one)| one).collect()
}

//! Leading instances and the hosts that their service prefers for them.

use super::fixed::is_in;
use crate::plan::{Instance, Plan, Role, ServicePlan};
use crate::spec::{Cluster, Quorum};
use crate::topology::Level;

/// The objective that keeps few of them elsewhere.
pub(super) const OBJECTIVE: &str = "leading instances elsewhere than preferred";

/// Where the leading instances of a service are that prefers hosts for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preferred {
    /// Leading instances.
    pub leading: u64,
    /// Those of them on preferred hosts.
    pub there: u64,
    /// Instances on preferred hosts that could lead.
    pub instances: u64,
    /// The level of which no failure domain holds half of them, where that keeps more of the
    /// instances there from leading.
    pub majority: Option<Level>,
    /// Whether the plan claims that no other has more of them there.
    pub is_proved: bool,
}

impl Preferred {
    /// Counts the instances of a service; `None` where it prefers no hosts.
    #[must_use]
    pub fn of(plan: &Plan, service: &ServicePlan) -> Option<Self> {
        if service.prefer.is_empty() {
            return None;
        }
        let is_there = |one: &&Instance| {
            plan.topology.host(&one.host).is_some_and(|host| is_in(&service.prefer, host))
        };
        let able = || plan.members(&service.name).filter(|one| one.role != Role::Witness);
        let leads = |one: &&Instance| one.role == Role::lead(service.engine.cluster());
        let leading = able().filter(leads).count() as u64;
        let there = able().filter(leads).filter(is_there).count() as u64;
        let instances = able().filter(is_there).count() as u64;
        let majority = if there < leading { majority(plan, service) } else { None };
        let mut tiers = plan.tiers.iter().filter(|tier| tier.name == OBJECTIVE);
        let is_proved = tiers.all(|tier| tier.value == tier.bound);
        Some(Self { leading, there, instances, majority, is_proved })
    }

    /// Returns the leading instances that are elsewhere.
    #[must_use]
    pub const fn elsewhere(&self) -> u64 {
        self.leading.saturating_sub(self.there)
    }
}

/// Returns the level of a failure domain with a preferred instance that cannot lead, since half
/// of the masters would be there.
fn majority(plan: &Plan, service: &ServicePlan) -> Option<Level> {
    if service.engine.cluster() != Cluster::Sharded {
        return None;
    }
    let all = || plan.members(&service.name);
    let of = |level: Level, one: &Instance| {
        plan.topology.host(&one.host).map(|host| host.failure_domain(level))
    };
    let waits = |one: &&Instance| {
        let host = plan.topology.host(&one.host);
        one.role == Role::Replica && host.is_some_and(|host| is_in(&service.prefer, host))
    };
    let masters = all().filter(|one| one.role == Role::Master).count();
    let is_full = |level: Level, own: Option<String>| {
        let here = all().filter(|one| one.role == Role::Master && of(level, one) == own).count();
        here.saturating_add(1).saturating_mul(2) >= masters
    };
    let automatic = plan.policy.survive.iter().filter(|one| one.quorum == Quorum::Automatic);
    let mut levels = automatic.map(|one| one.level);
    levels.find(|level| all().filter(waits).any(|one| is_full(*level, of(*level, one))))
}

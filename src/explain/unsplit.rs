//! What a service would do unsplit: one instance on the whole of the largest host
//! that it uses, against that host filled with instances of the planned size.
//!
//! The crossing of NUMA nodes, which one instance on several of them pays, is not
//! counted, so the comparison favours the unsplit one.

use serde::Serialize;

use crate::ids::HostName;
use crate::plan::{CpuPlacement, L3Use, Plan, ServicePlan};
use crate::profile::Profiles;
use crate::sizing::{Ceiling, cores_on};
use crate::topology::{Host, NumaNode};
use crate::units::PerSecond;

/// One instance on a whole host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unsplit {
    /// The host.
    pub host: HostName,
    /// What could be counted on.
    pub usable_per_s: PerSecond,
    /// What could be counted on of the same host, cut into instances of the planned
    /// size.
    pub split_per_s: PerSecond,
    /// The second as a multiple of the first, in tenths.
    pub gain_tenths: u64,
    /// Whether the first lies beyond what was measured.
    pub extrapolated: bool,
}

/// What a service would do unsplit; `None` without instances or a profile.
#[must_use]
pub fn unsplit(plan: &Plan, service: &ServicePlan, profiles: &Profiles) -> Option<Unsplit> {
    let profile = profiles.of(service.engine)?;
    let own = |host: &&Host| plan.on_host(&host.name).any(|one| one.service == service.name);
    let hosts = plan.topology.hosts.iter().filter(own);
    let host = hosts.max_by_key(|host| (cores(host), std::cmp::Reverse(&host.name)))?;
    let domains: usize = host.numa.iter().map(|node| node.l3.len()).sum();
    let l3 = if domains > 1 { L3Use::Several } else { L3Use::Own };
    let placement = CpuPlacement { cores: cores(host), l3 };
    let vcpus = placement.cores.saturating_mul(host.threads_per_core());
    let whole = Ceiling::of(profile, vcpus, placement, 1.0);
    let (whole, extrapolated) = (whole.usable.get(), whole.extrapolated);
    // What an operation of the demand costs follows from the planned instance.
    let (capacity, layout) = (&service.capacity, &service.layout);
    let plain = Ceiling::of(profile, layout.vcpus, capacity.placement, 1.0).usable.get();
    let scaled = |rate: u64| {
        let product = u128::from(rate) * u128::from(capacity.usable_per_s.get());
        u64::try_from(product / u128::from(plain.max(1))).unwrap_or(u64::MAX)
    };
    let usable = scaled(whole);
    let each = cores_on(host, layout.vcpus).max(1);
    let fit = host.numa.iter().map(|node| u64::from(node.allocatable_cores() / each));
    let split = capacity.usable_per_s.get().saturating_mul(fit.sum());
    Some(Unsplit {
        host: host.name.clone(),
        usable_per_s: PerSecond::new(usable),
        split_per_s: PerSecond::new(split),
        gain_tenths: split.saturating_mul(10) / usable.max(1),
        extrapolated,
    })
}

fn cores(host: &Host) -> u32 {
    host.numa.iter().map(NumaNode::allocatable_cores).sum()
}

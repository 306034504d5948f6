//! Demand × profile -> the candidate layouts of each service, each with what it
//! can do and what binds.
//!
//! The capacity of a layout is not linear in anything; it is computed here,
//! exactly, so that the model stays linear and every number can be explained.

mod memory;
mod parts;
mod sharded;
mod throughput;

use crate::plan::Capacity;
use crate::profile::{Profile, Profiles};
use crate::spec::{Demand, FixedVm, Policy, RedisDemand, Service};
use crate::topology::{Host, Topology};
use crate::units::{BitsPerSecond, Mebibytes, PerSecond};

pub use crate::plan::Layout;
pub use memory::max_memory_bytes;
pub use sharded::Range;
pub use throughput::{Ceiling, io_threads};

/// A way to split a service, or a fixed machine as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The split.
    pub layout: Layout,
    /// What it can do; `None` for a fixed machine.
    pub capacity: Option<Capacity>,
    /// The part of the demand that it leaves unserved.
    pub unmet_per_s: PerSecond,
    /// Bandwidth that each instance needs when it is the master.
    pub network: BitsPerSecond,
    /// Root disk of each instance, if it is not the image's size.
    pub root_mib: Option<Mebibytes>,
}

/// The layouts of `service`: [`Range::whole`] serves the whole demand, and is
/// empty when no layout that the engine allows can; [`Range::partial`] serves
/// parts of it, for what would still be possible where the whole is not.
#[must_use]
pub fn range<'a>(
    service: &'a Service,
    profile: &'a Profile,
    policy: Policy,
    topology: &Topology,
) -> Range<'a> {
    let Demand::Redis(demand) = &service.demand;
    Range::new(demand, profile, policy, topology)
}

/// The profile of a service's engine.
#[must_use]
pub fn profile<'a>(service: &Service, profiles: &'a Profiles) -> &'a Profile {
    match &service.demand {
        Demand::Redis(_) => &profiles.redis,
    }
}

/// The demand of a service in the profile's unit of work, rounded up.
#[must_use]
pub fn work(demand: &RedisDemand, profile: &Profile, copies: u32) -> PerSecond {
    throughput::work(demand, profile, copies)
}

/// Fixed machines as a candidate: as many groups of one as there are machines.
#[must_use]
pub fn fixed(vm: &FixedVm) -> Candidate {
    Candidate {
        layout: Layout {
            groups: vm.count,
            copies: 1,
            vcpus: vm.vcpus,
            memory_mib: vm.memory_mib,
            data_mib: Mebibytes::ZERO,
        },
        capacity: None,
        unmet_per_s: PerSecond::ZERO,
        network: BitsPerSecond::ZERO,
        root_mib: Some(vm.disk_mib),
    }
}

/// Copies of each group's data that the policy asks for.
#[must_use]
pub const fn copies(policy: Policy) -> u32 {
    if policy.survive.is_some() { 2 } else { 1 }
}

/// Whole cores that `vcpus` take on a host: siblings never go to two VMs.
#[must_use]
pub fn cores_on(host: &Host, vcpus: u32) -> u32 {
    vcpus.div_ceil(host.threads_per_core())
}

/// The most threads per core of any host: the worst case for a virtual CPU.
#[must_use]
pub fn threads(topology: &Topology) -> u32 {
    topology.hosts.iter().map(Host::threads_per_core).max().unwrap_or(1)
}

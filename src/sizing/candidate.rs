//! A way to split a service, with what it can do and what it takes.

use crate::plan::{Capacity, CpuPlacement, Layout};
use crate::spec::FixedVm;
use crate::units::{BitsPerSecond, Mebibytes, PerSecond};

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

impl Candidate {
    /// Virtual CPUs of an instance and the placement that its ceiling assumes; `None`
    /// for a fixed machine.
    pub(super) fn cpus(&self) -> Option<(u32, CpuPlacement)> {
        Some((self.layout.vcpus, self.capacity.as_ref()?.placement))
    }
}

/// Returns fixed machines as a candidate: as many instances as there are machines.
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

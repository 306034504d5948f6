//! Memory that QEMU itself takes beside the memory of its guest.
//!
//! ```text
//! 64 MiB + 8 MiB · (vCPUs + I/O threads) + memory / 512 + translated code
//! ```
//!
//! | part | size | evidence |
//! | --- | --- | --- |
//! | process: libraries, devices, buffers | 64 MiB | oVirt engine, `VmOverheadCalculatorImpl`, fixed overhead on x86; KubeVirt, `QemuOverhead`, 30 MiB of the process alone |
//! | each virtual CPU and I/O thread | 8 MiB | both; OpenShift Virtualization, "Physical resource overhead requirements", states the same for virtual CPUs |
//! | page tables | memory / 512 | both, and OpenShift Virtualization (0.002 of the memory): 8 bytes for each page of 4 KiB |
//! | video RAM | none | guests have no graphics device |
//! | translated code, under software emulation | 256 MiB | the bound in each domain's `tb-cache` |
//!
//! <https://github.com/oVirt/ovirt-engine>, <https://github.com/kubevirt/kubevirt>
//! (`GetMemoryOverhead`), <https://github.com/openshift/openshift-docs>
//! (`virt-cluster-resource-requirements`).
//!
//! It is ordinary memory, also where that of the guest is in huge pages, and it is bound to the
//! guest's NUMA node: libvirt's `numatune` with `mode="strict"` restricts the whole
//! process (<https://libvirt.org/formatdomain.html#numa-node-tuning>). Nova asks operators to keep
//! as much in `reserved_host_memory_mb`; here it is counted per guest, and the reserve remains
//! the host's.

use super::{Host, Virtualization};
use crate::units::Mebibytes;

/// Libraries, devices and buffers of one process.
const PROCESS_MIB: u64 = 64;

/// Stack and structures of a virtual CPU or an I/O thread.
const THREAD_MIB: u64 = 8;

/// I/O threads of a guest.
const IO_THREADS: u64 = 1;

/// Memory that one unit of page tables maps.
const MAPPED: u64 = 512;

/// What software emulation keeps of translated code, in MiB. Without a bound QEMU
/// takes up to 1 GiB for each guest beside its memory; 256 MiB was as fast.
pub const TRANSLATION_CACHE_MIB: u32 = 256;

impl Host {
    /// Returns the memory that QEMU itself takes here for a guest of that size.
    #[must_use]
    pub fn overhead(&self, vcpus: u32, memory: Mebibytes) -> Mebibytes {
        let threads = u64::from(vcpus).saturating_add(IO_THREADS).saturating_mul(THREAD_MIB);
        let translated = match self.hypervisor {
            Virtualization::Kvm => 0,
            Virtualization::Tcg => u64::from(TRANSLATION_CACHE_MIB),
        };
        let fixed = PROCESS_MIB.saturating_add(threads).saturating_add(translated);
        Mebibytes::new(fixed.saturating_add(memory.get().div_ceil(MAPPED)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn a_guest_costs_more_than_its_memory() {
        let mut host = sample::plan().topology.hosts.remove(0);
        host.hypervisor = Virtualization::Kvm;
        let overhead =
            |host: &Host, vcpus, gib| host.overhead(vcpus, Mebibytes::from_gib(gib)).get();
        assert_eq!(overhead(&host, 2, 6), 64 + 24 + 12);
        assert_eq!(overhead(&host, 32, 512), 64 + 264 + 1_024);
        assert_eq!(host.overhead(1, Mebibytes::new(513)).get(), 64 + 16 + 2);
        host.hypervisor = Virtualization::Tcg;
        assert_eq!(overhead(&host, 2, 6), 64 + 24 + 12 + 256);
    }
}

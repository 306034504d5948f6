//! A host of a topology to what its libvirt would say of it.

use super::host::SimulatedHost;
use crate::hypervisor::{HostReport, ReportedCpu, ReportedNic, ReportedNuma, ReportedPool};
use crate::topology::{Host, NumaNode, Virtualization};

/// The host's report, with what its running domains and volumes leave free.
pub(super) fn report(host: &SimulatedHost) -> HostReport {
    let known = &host.topology;
    HostReport {
        hostname: known.name.to_string(),
        libvirt_version: 11_003_000,
        qemu_version: 10_000_002,
        architecture: known.architecture,
        domain_types: match known.hypervisor {
            Virtualization::Kvm => vec!["kvm".to_owned(), "qemu".to_owned()],
            Virtualization::Tcg => vec!["qemu".to_owned()],
        },
        numa: known.numa.iter().map(|numa| numa_node(host, numa)).collect(),
        pools: pools(host, known),
        bridges: known.bridges.clone(),
        cpu_model: host.cpu_model.clone(),
        nics: known
            .network_bits_per_s
            .map(|speed| ReportedNic {
                name: "eth0".to_owned(),
                bits_per_s: Some(speed.get()),
                numa: None,
            })
            .into_iter()
            .collect(),
    }
}

fn pools(host: &SimulatedHost, known: &Host) -> Vec<ReportedPool> {
    let pool = |pool: &crate::topology::Pool| {
        let capacity = pool.capacity_mib.bytes();
        let used: u64 = host.volumes(&pool.name).map(|volume| volume.length as u64).sum();
        ReportedPool {
            name: pool.name.clone(),
            path: super::host::pool_path(&pool.name),
            capacity,
            available: capacity.saturating_sub(used),
        }
    };
    known.pools.iter().map(pool).collect()
}

fn numa_node(host: &SimulatedHost, numa: &NumaNode) -> ReportedNuma {
    let pools: Vec<(u64, u64)> =
        numa.pages.iter().map(|pool| (pool.size_kib, pool.count)).collect();
    let huge: u64 = pools.iter().map(|(size, count)| size * count).sum();
    let ordinary = (4, numa.memory_mib.kib().saturating_sub(huge) / 4);
    let free = |&(size, count): &(u64, u64)| {
        (size, count.saturating_sub(host.pages_in_use(numa.id, size)))
    };
    let pages: Vec<(u64, u64)> = std::iter::once(ordinary).chain(pools).collect();
    ReportedNuma {
        id: numa.id,
        memory_kib: numa.memory_mib.kib(),
        free_pages: pages.iter().map(free).collect(),
        pages,
        cpus: cpus(numa),
    }
}

fn cpus(numa: &NumaNode) -> Vec<ReportedCpu> {
    let mut reported = Vec::new();
    let mut core_id = 0;
    for domain in &numa.l3 {
        let mut shared: Vec<u32> =
            domain.cores.iter().flat_map(|core| core.cpus.iter().copied()).collect();
        shared.sort_unstable();
        for core in &domain.cores {
            reported.extend(core.cpus.iter().map(|&id| ReportedCpu {
                id,
                socket: numa.id,
                die: 0,
                core: core_id,
                siblings: core.cpus.clone(),
                l3: domain.size_kib.map(|size| (shared.clone(), size)),
            }));
            core_id += 1;
        }
    }
    reported.sort_by_key(|cpu| cpu.id);
    reported
}

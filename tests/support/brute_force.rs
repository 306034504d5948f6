//! The least cost and cores of a tiny spec, by counting out every plan.

use hostsplit::profile::{Curve, Profile, Profiles, Rules, ceil, floor};
use hostsplit::spec::{Engine, Persistence, Spec};
use hostsplit::topology::Host;

use super::sharded;

/// A way to split a service, as the test counts it: groups, copies, virtual CPUs
/// and MiB of each instance.
type Split = (u64, u64, u32, u64);

/// Every split that serves the demand of a spec with as many instances as its
/// hosts, which have no SMT, have cores; by the formulas of the profile's page,
/// written down here a second time.
fn splits(spec: &Spec, profile: &Profile) -> Vec<Split> {
    let demand = sharded(spec);
    assert_eq!(demand.persistence, Persistence::Aof);
    let copies: u32 = if spec.policy.survives() { 2 } else { 1 };
    let Rules::Sharded(rules) = &profile.rules else { panic!("redis is sharded") };
    let (work, memory) = (&rules.work, &rules.memory);
    let per_write = work.write.default
        + f64::from(copies - 1) * work.write_per_replica.default
        + work.write_aof.default;
    let reads = demand.reads_per_s.get() as f64;
    let asked = ceil(reads + per_write * demand.writes_per_s.get() as f64);
    let grown = (1.0 + memory.fragmentation.default) * (1.0 + memory.copy_on_write_aof.default);
    let besides =
        profile.guest.base_mib.default + f64::from(copies - 1) * memory.backlog_mib.default;
    let nodes = spec.topology.hosts.iter().flat_map(|host| &host.numa);
    let cores: u64 = nodes.map(|node| u64::from(node.allocatable_cores())).sum();
    let mut found = Vec::new();
    for vcpus in &profile.shapes.vcpus {
        let usable = usable(profile, f64::from(*vcpus));
        for groups in 3..=cores / u64::from(copies) {
            // Slots are dealt out whole: the largest group sets the size.
            let most = u128::from(16_384_u64.div_ceil(groups));
            let part = |whole: u64| (u128::from(whole) * most).div_ceil(16_384);
            let data = part(demand.data_mib.get()) as f64;
            if part(asked) <= usable.into() && data <= memory.data_per_process_mib.default {
                let need = ceil(data * grown) as f64 + besides;
                let mib = (need.max(profile.guest.minimum_mib.default) / 64.0).ceil() * 64.0;
                found.push((groups, copies.into(), *vcpus, floor(mib)));
            }
        }
    }
    found
}

/// Plain reads per second to count on of an instance on that many whole cores.
fn usable(profile: &Profile, cores: f64) -> u64 {
    let Curve::Threads(numbers) = &profile.curve else { panic!("redis has threads") };
    let working = cores * (1.0 - numbers.interrupt_share.default);
    let threads = working.floor().clamp(1.0, numbers.io_threads_max.default);
    let ceiling = numbers.one_thread.default
        * working.min(1.0)
        * (1.0 + numbers.gain_per_io_thread.default * (threads - 1.0))
        * profile.placement.virtualisation.default
        * profile.placement.shared_l3.default;
    let free = profile.headroom.factor.default / cores.powf(profile.headroom.exponent.default);
    floor(ceiling * (1.0 - free.min(1.0)))
}

/// The least (cost, cores) over all splits and all ways to put their masters and
/// replicas on hosts, counted one by one.
pub fn least(spec: &Spec) -> Option<(u64, u64)> {
    let profiles = Profiles::builtin().unwrap();
    let mut best = None;
    for (groups, copies, vcpus, mib) in splits(spec, profiles.of(Engine::Redis).unwrap()) {
        let machines = spec.vms.first().map_or(0, |vm| u64::from(vm.count));
        let search = Search {
            hosts: &spec.topology.hosts,
            sizes: [(vcpus, mib), (1, 512)],
            groups,
            survives: spec.policy.survives(),
        };
        search.place(0, [groups, groups * (copies - 1), machines], (0, 0), &mut best);
    }
    best
}

struct Search<'a> {
    hosts: &'a [Host],
    sizes: [(u32, u64); 2],
    groups: u64,
    survives: bool,
}

impl Search<'_> {
    fn place(&self, at: usize, left: [u64; 3], sum: (u64, u64), best: &mut Option<(u64, u64)>) {
        if best.is_some_and(|best| best <= sum) {
            return;
        }
        let Some(host) = self.hosts.get(at) else {
            if left == [0, 0, 0] {
                *best = Some(sum);
            }
            return;
        };
        for masters in 0..=left[0] {
            for replicas in 0..=left[1] {
                for machines in 0..=left[2] {
                    let here = [masters, replicas, machines];
                    if let Some(cores) = self.fits(host, here) {
                        let cost = if cores > 0 { host.cost } else { 0 };
                        let left = [0, 1, 2].map(|kind| left[kind] - here[kind]);
                        self.place(at + 1, left, (sum.0 + cost, sum.1 + cores), best);
                    }
                }
            }
        }
    }

    /// Cores taken, if all rules hold on the host.
    fn fits(&self, host: &Host, [masters, replicas, machines]: [u64; 3]) -> Option<u64> {
        let [(cores, memory), (vm_cores, vm_memory)] = self.sizes;
        // QEMU takes 64 MiB, 8 MiB a virtual CPU, 8 MiB for its I/O thread, and page tables.
        let with_qemu = |vcpus: u32, mib: u64| mib + 72 + 8 * u64::from(vcpus) + mib.div_ceil(512);
        let memory = (masters + replicas) * with_qemu(cores, memory)
            + machines * with_qemu(vm_cores, vm_memory);
        let cores = (masters + replicas) * u64::from(cores) + machines * u64::from(vm_cores);
        let apart = masters + replicas <= self.groups && 2 * masters < self.groups;
        let fits = cores <= u64::from(host.numa[0].allocatable_cores())
            && memory <= host.numa[0].memory_mib.get()
            && (apart || !self.survives);
        fits.then_some(cores)
    }
}

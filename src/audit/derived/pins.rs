//! Order of virtual CPUs, threads that the guest sees, CPUs of emulator threads, pages.

use std::collections::{BTreeMap, BTreeSet};

use crate::audit::index::Index;
use crate::audit::{Findings, Kind};
use crate::ids::HostName;
use crate::plan::{Instance, Plan};
use crate::topology::{Core, Host, NumaNode};
use crate::units::first_few;

/// Size of ordinary pages.
const ORDINARY_KIB: u64 = 4;
/// CPUs that are shown of a list.
const SHOWN: usize = 8;

pub(super) fn check(plan: &Plan, index: &Index<'_>, findings: &mut Findings) {
    let mut on_node: BTreeMap<(&HostName, u32), Vec<&Instance>> = BTreeMap::new();
    for instance in &plan.instances {
        on_node.entry((&instance.host, instance.numa)).or_default().push(instance);
        let (Some(host), Some(node)) = (index.host(&instance.host), index.numa(instance)) else {
            continue;
        };
        let threads = threads(host);
        let mut differs = |what: &str, found: &[u32], expected: &[u32]| {
            if found != expected {
                let (found, expected) = (first_few(found, SHOWN), first_few(expected, SHOWN));
                let message = format!("its {what} are {found}; expected {expected}");
                findings.add(Kind::Derivation, &instance.name, message);
            }
        };
        differs("CPUs", &instance.cpus, &ordered(instance, node, threads));
        differs("emulator CPUs", &instance.emulator_cpus, &emulator(instance, host, node));
        let seen = if instance.cpus.len().is_multiple_of(threads) { threads } else { 1 };
        if instance.threads as usize != seen {
            let message = format!("sees {} threads of a core; expected {seen}", instance.threads);
            findings.add(Kind::GuestThreads, &instance.name, message);
        }
    }
    for instances in on_node.values() {
        pages(instances, index, findings);
    }
}

/// Threads of a core: the fewest of any core of the host.
fn threads(host: &Host) -> usize {
    let cores = host.numa.iter().flat_map(NumaNode::cores);
    cores.map(|core| core.cpus.len()).min().unwrap_or(1).max(1)
}

/// The CPUs of an instance core by core, in the order of the cores, and so many of each as
/// the host's threads; the last core may be used in part.
fn ordered(instance: &Instance, node: &NumaNode, threads: usize) -> Vec<u32> {
    let own: BTreeSet<u32> = instance.cpus.iter().copied().collect();
    let is_own = |core: &&Core| core.cpus.iter().any(|cpu| own.contains(cpu));
    let cores: BTreeSet<&Core> = node.cores().filter(is_own).collect();
    let cpus = cores.into_iter().flat_map(|core| core.cpus.iter().take(threads).copied());
    cpus.take(instance.cpus.len()).collect()
}

/// CPUs of the NUMA node's reserve, else of the host's, else the instance's own.
fn emulator(instance: &Instance, host: &Host, node: &NumaNode) -> Vec<u32> {
    let kept = |node: &NumaNode| -> Vec<u32> {
        let cores = node.cores().take(node.reserved_cores as usize);
        cores.flat_map(|core| core.cpus.iter().copied()).collect()
    };
    let anywhere = || host.numa.iter().flat_map(kept).collect();
    let mut found = [kept(node), anywhere()]
        .into_iter()
        .find(|cpus| !cpus.is_empty())
        .unwrap_or_else(|| instance.cpus.clone());
    found.sort_unstable();
    found
}

/// All instances of a NUMA node have pages of one size: the largest whose pool holds all of
/// them and divides each, else ordinary ones.
fn pages(instances: &[&Instance], index: &Index<'_>, findings: &mut Findings) {
    let Some(node) = instances.first().and_then(|one| index.numa(one)) else { return };
    let sizes = || instances.iter().map(|one| one.memory_mib.kib());
    let needed = sizes().fold(0, u64::saturating_add);
    let pools = node.pages.iter().filter(|pool| {
        pool.size_kib > 0
            && pool.size_kib.saturating_mul(pool.count) >= needed
            && sizes().all(|size| size.is_multiple_of(pool.size_kib))
    });
    let expected = pools.map(|pool| pool.size_kib).max().unwrap_or(ORDINARY_KIB);
    for instance in instances.iter().filter(|one| one.page_kib != expected) {
        let message = format!(
            "its pages are {} KiB; the node's pools give {expected} KiB",
            instance.page_kib
        );
        findings.add(Kind::HugePages, &instance.name, message);
    }
}

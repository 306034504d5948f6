//! Slots -> exact CPUs: whole cores, siblings adjacent, inside one L3 domain
//! where the shape fits.
//!
//! On each NUMA node the larger instances choose first (then in the plan's
//! order). An instance takes the first cores of the first L3 domain that has
//! enough left; if none has, the first cores that are left.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::build::Member;
use super::make::PlanError;
use crate::model::{Problem, Site};
use crate::sizing::cores_on;
use crate::topology::{Core, NumaNode};

/// The CPUs of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pins {
    /// Host CPU of each virtual CPU.
    pub own: Vec<u32>,
    /// Threads of a core that the guest sees.
    pub threads: u32,
    /// Host CPUs of emulator and I/O threads.
    pub emulator: Vec<u32>,
}

/// The CPUs of all instances, by index.
pub(super) struct Cpus(BTreeMap<usize, Pins>);

impl Cpus {
    /// Gives every member its CPUs.
    pub(super) fn assign(problem: &Problem, members: &[Member]) -> Result<Self, PlanError> {
        let mut rooms: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
        for (index, member) in members.iter().enumerate() {
            rooms.entry((member.slot.site, member.slot.room)).or_default().push(index);
        }
        let mut pins = BTreeMap::new();
        for ((site, room), mut here) in rooms {
            let Some(site) = problem.sites.get(site) else { continue };
            let Some(room) = site.rooms.get(room) else { continue };
            let mut free = free_cores(room.node);
            let vcpus = |index: &usize| members.get(*index).map_or(0, |m| m.size.vcpus);
            here.sort_by_key(|index| (Reverse(vcpus(index)), *index));
            for index in here {
                let wanted = vcpus(&index);
                let cores = take(&mut free, cores_on(site.host, wanted)).ok_or_else(|| {
                    let name = members.get(index).map(|member| member.name.to_string());
                    PlanError::Inconsistent { what: "cores", instance: name.unwrap_or_default() }
                })?;
                pins.insert(index, pin(site, room.node, &cores, wanted));
            }
        }
        Ok(Self(pins))
    }

    /// The CPUs of the member with that index.
    pub(super) fn of(&self, index: usize) -> Option<&Pins> {
        self.0.get(&index)
    }
}

/// Cores that VMs may have, by L3 domain.
fn free_cores(node: &NumaNode) -> Vec<Vec<&Core>> {
    let mut reserved = usize::try_from(node.reserved_cores).unwrap_or(usize::MAX);
    let domains = node.l3.iter().map(|domain| {
        let skip = reserved.min(domain.cores.len());
        reserved -= skip;
        domain.cores.iter().skip(skip).collect()
    });
    domains.collect()
}

fn take<'a>(free: &mut [Vec<&'a Core>], cores: u32) -> Option<Vec<&'a Core>> {
    let cores = usize::try_from(cores).ok()?;
    if let Some(domain) = free.iter_mut().find(|domain| domain.len() >= cores) {
        return Some(domain.drain(..cores).collect());
    }
    let mut taken = Vec::new();
    for domain in free.iter_mut() {
        let more = (cores - taken.len()).min(domain.len());
        taken.extend(domain.drain(..more));
    }
    (taken.len() == cores).then_some(taken)
}

fn pin(site: &Site, node: &NumaNode, cores: &[&Core], vcpus: u32) -> Pins {
    let threads = site.host.threads_per_core();
    let per_core = usize::try_from(threads).unwrap_or(1);
    let siblings = cores.iter().flat_map(|core| core.cpus.iter().take(per_core).copied());
    let own: Vec<u32> = siblings.take(usize::try_from(vcpus).unwrap_or(usize::MAX)).collect();
    // The guest's cores must be equal: with an odd thread it sees none.
    let threads = if vcpus.is_multiple_of(threads) { threads } else { 1 };
    Pins { emulator: emulator(site, node, &own), own, threads }
}

/// The reserve of the NUMA node, else of the host, else the instance's own CPUs.
fn emulator(site: &Site, node: &NumaNode, own: &[u32]) -> Vec<u32> {
    let near = node.cores().take(usize::try_from(node.reserved_cores).unwrap_or(0));
    let mut cpus: Vec<u32> = near.flat_map(|core| core.cpus.iter().copied()).collect();
    if cpus.is_empty() {
        cpus = site.host.reserved_cpus();
    }
    if cpus.is_empty() {
        cpus = own.to_vec();
    }
    cpus.sort_unstable();
    cpus
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cores(first: u32, count: u32) -> Vec<Core> {
        (first..first + count).map(|cpu| Core { cpus: vec![cpu, cpu + 100] }).collect()
    }

    #[test]
    fn cores_come_from_one_domain_where_they_fit() {
        let (a, b) = (cores(0, 3), cores(10, 4));
        let mut free: Vec<Vec<&Core>> = vec![a.iter().collect(), b.iter().collect()];
        let first = |taken: Option<Vec<&Core>>| taken.map(|cores| cores[0].cpus[0]);
        assert_eq!(first(take(&mut free, 4)), Some(10));
        assert_eq!(first(take(&mut free, 2)), Some(0));
        assert_eq!(take(&mut free, 2), None);
    }
}

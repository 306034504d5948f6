//! Named -> pinned: each NUMA node gives its members their CPUs and the size of the
//! pages behind their memory.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::build::missing;
use super::cpus::{Pins, Wanted, divided};
use super::make::PlanError;
use super::member::Member;
use super::pages::page_kib;
use crate::model::{CandidateHost, Problem};
use crate::plan::{Instance, Plan};
use crate::topology::NumaNode;

/// A member with its host, NUMA node, CPUs and pages.
pub(super) struct Pinned<'a> {
    pub member: Member<'a>,
    pub host: &'a CandidateHost<'a>,
    pub numa: &'a NumaNode,
    pub pins: Pins,
    pub page_kib: u64,
}

/// Pins all members; they keep their order.
pub(super) fn pinned<'a>(
    problem: &'a Problem<'a>,
    prior: Option<&Plan>,
    members: Vec<Member<'a>>,
) -> Result<Vec<Pinned<'a>>, PlanError> {
    let mut by_node: BTreeMap<(usize, usize), Vec<(usize, Member)>> = BTreeMap::new();
    for (at, member) in members.into_iter().enumerate() {
        let node = (member.placement.host, member.placement.numa);
        by_node.entry(node).or_default().push((at, member));
    }
    let mut found: BTreeMap<usize, Pinned> = BTreeMap::new();
    for ((host, numa), mut here) in by_node {
        let Some((_, first)) = here.first() else { continue };
        let host = problem.hosts.get(host).ok_or_else(|| missing("host", &first.name))?;
        let numa = host.numa.get(numa).ok_or_else(|| missing("NUMA node", &first.name))?.node;
        here.sort_by_key(|(at, member)| (Reverse(member.size.vcpus), *at));
        let wanted: Vec<Wanted> = here
            .iter()
            .map(|(_, member)| Wanted {
                vcpus: member.size.vcpus,
                had: prior.and_then(|prior| had(prior, host, numa, member)),
            })
            .collect();
        let leaving = leaving(prior, host, numa, &here);
        let pins = divided(host, numa, &wanted, &leaving);
        let sizes: Vec<u64> = here.iter().map(|(_, member)| member.size.memory_mib.kib()).collect();
        let page_kib = page_kib(numa, &sizes);
        for ((at, member), pins) in here.into_iter().zip(pins) {
            let pins = pins.ok_or_else(|| missing("cores", &member.name))?;
            found.insert(at, Pinned { member, host, numa, pins, page_kib });
        }
    }
    Ok(found.into_values().collect())
}

/// Returns the CPUs that a member had in a prior plan on the NUMA node where it is now.
fn had<'a>(
    prior: &'a Plan,
    host: &CandidateHost,
    numa: &NumaNode,
    member: &Member,
) -> Option<&'a [u32]> {
    let old = prior.instance(&member.name)?;
    (old.host == host.host.name && old.numa == numa.id).then_some(old.cpus.as_slice())
}

/// Returns the CPUs of a NUMA node that instances of a prior plan have which are not there
/// any more.
fn leaving(
    prior: Option<&Plan>,
    host: &CandidateHost,
    numa: &NumaNode,
    here: &[(usize, Member)],
) -> BTreeSet<u32> {
    let old = prior.into_iter().flat_map(|prior| prior.on_host(&host.host.name));
    let leaves = |one: &&Instance| {
        one.numa == numa.id && !here.iter().any(|(_, member)| member.name == one.name)
    };
    old.filter(leaves).flat_map(|one| one.cpus.iter().copied()).collect()
}

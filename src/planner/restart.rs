//! Machines that are restarted once their failure domain is lost: host, NUMA node, pages and
//! pool of each.
//!
//! Pages are the largest ones that are left there for all machines that come to a NUMA node
//! after the same loss, else ordinary ones. One of both holds them: the model counts all
//! memory of a NUMA node behind pages of one size, what is restarted beside what is there.

use std::collections::{BTreeMap, VecDeque};

use super::build::missing;
use super::make::PlanError;
use super::pages::page_kib;
use super::pin::Pinned;
use super::place::Restart;
use crate::model::{CandidateHost, Part, Problem};
use crate::plan::RestartPlace;
use crate::solve::Restarted;
use crate::topology::{NumaNode, PagePool};

/// Returns where each instance is restarted that is to be, in the order of instances.
pub(super) fn places(
    problem: &Problem,
    pinned: &[Pinned],
    restarts: Vec<Restart>,
) -> Result<Vec<Option<RestartPlace>>, PlanError> {
    let mut open: BTreeMap<(usize, usize, usize), VecDeque<Restarted>> = BTreeMap::new();
    for (key, restarted) in restarts {
        open.entry(key).or_default().push_back(restarted);
    }
    let parts: BTreeMap<&str, usize> = problem
        .parts
        .iter()
        .enumerate()
        .filter(|(_, part)| part.restarts())
        .map(|(at, part): (usize, &Part)| (part.name.as_str(), at))
        .collect();
    let mut chosen: Vec<Option<Restarted>> = Vec::new();
    for Pinned { member, .. } in pinned {
        let Some(part) = parts.get(member.service.as_str()) else {
            chosen.push(None);
            continue;
        };
        let key = (*part, member.placement.host, member.placement.pool);
        let next = open.get_mut(&key).and_then(VecDeque::pop_front);
        chosen.push(Some(next.ok_or_else(|| missing("place to be restarted at", &member.name))?));
    }
    let pages = pages(problem, pinned, &chosen);
    let place = |one: Restarted| {
        let host = problem.hosts.get(one.host)?;
        let pool = match one.shared {
            Some(at) => problem.shared_pools().get(at).map(|name| (*name).to_owned()),
            None => one.pool.and_then(|at| Some(host.pools.get(at)?.0.name.clone())),
        };
        Some(RestartPlace {
            host: host.host.name.clone(),
            numa: host.numa.get(one.numa)?.node.id,
            page_kib: pages.get(&(one.domain, one.host, one.numa)).copied().unwrap_or(4),
            pool,
        })
    };
    Ok(chosen.into_iter().map(|one| one.and_then(place)).collect())
}

/// Returns the size of pages by failure domain that is lost, host and NUMA node.
fn pages(
    problem: &Problem,
    pinned: &[Pinned],
    chosen: &[Option<Restarted>],
) -> BTreeMap<(usize, usize, usize), u64> {
    let mut sizes: BTreeMap<(usize, usize, usize), Vec<u64>> = BTreeMap::new();
    for (one, place) in pinned.iter().zip(chosen) {
        if let Some(place) = place {
            let key = (place.domain, place.host, place.numa);
            sizes.entry(key).or_default().push(one.member.size.memory_mib.kib());
        }
    }
    let page = |((domain, host, numa), sizes): ((usize, usize, usize), Vec<u64>)| {
        let entry = problem.hosts.get(host)?;
        let node = entry.numa.get(numa)?.node;
        Some(((domain, host, numa), page_kib(&left(entry, node, pinned), &sizes)))
    };
    sizes.into_iter().filter_map(page).collect()
}

/// Returns a NUMA node with the pages that its instances leave.
fn left(host: &CandidateHost, node: &NumaNode, pinned: &[Pinned]) -> NumaNode {
    let taken = |size: u64| {
        let here = pinned.iter().filter(|one| {
            (&one.host.host.name, one.numa.id, one.page_kib) == (&host.host.name, node.id, size)
        });
        let pages = here.map(|one| one.member.size.memory_mib.kib().div_ceil(size.max(1)));
        pages.fold(0, u64::saturating_add)
    };
    let left = |pool: &PagePool| PagePool {
        count: pool.count.saturating_sub(taken(pool.size_kib)),
        ..*pool
    };
    NumaNode { pages: node.pages.iter().map(left).collect(), ..node.clone() }
}

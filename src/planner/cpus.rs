//! The exact CPUs of instances on a NUMA node: whole cores, siblings adjacent, inside one L3 domain
//! where the shape fits, whole L3 domains for larger shapes.
//!
//! On each NUMA node the larger instances choose first (then in the plan's
//! order). One that takes whole L3 domains gets the first that are free; one that
//! fits into an L3 domain gets the fullest that still holds it (of equals the
//! first), so that whole ones stay whole. If that leaves one without a domain that
//! it would fit into, [`fitting`] looks for a division that does not, and only
//! where there is none, or none is found in time, an instance straddles domains.
//!
//! Against a prior plan, instances that stay on a NUMA node keep their CPUs if these
//! are still whole cores that VMs may have, unless another division places them better.
//! What is new gets cores that no leaving instance has, as far as there are any that place
//! it as well: old and new run side by side for a while.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::model::CandidateHost;
use crate::sizing::{cores_on, taken};
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

/// What an instance needs of a NUMA node.
pub(super) struct Wanted<'a> {
    pub vcpus: u32,
    /// The CPUs that it had there in a prior plan.
    pub had: Option<&'a [u32]>,
}

/// How a division regards a prior plan.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Regard {
    /// What stays keeps its cores, and what is new has none of those that leave.
    Apart,
    /// What stays keeps its cores, and those of instances that leave are given last.
    Kept,
    /// Not at all.
    Afresh,
}

/// Returns the pins of the instances of a NUMA node, which come largest first; `None`
/// where too few cores are left. `leaving` are the CPUs that instances of a prior plan have
/// until they are gone.
pub(super) fn divided(
    host: &CandidateHost,
    node: &NumaNode,
    wanted: &[Wanted],
    leaving: &BTreeSet<u32>,
) -> Vec<Option<Pins>> {
    let afresh = with_regard(host, node, wanted, leaving, Regard::Afresh);
    if leaving.is_empty() && wanted.iter().all(|one| one.had.is_none()) {
        return afresh;
    }
    let divisions = [Regard::Apart, Regard::Kept]
        .into_iter()
        .map(|regard| with_regard(host, node, wanted, leaving, regard));
    let mut as_good = divisions.filter(|pins| is_placed_as_well(node, pins, &afresh));
    as_good.next().unwrap_or(afresh)
}

fn with_regard(
    host: &CandidateHost,
    node: &NumaNode,
    wanted: &[Wanted],
    leaving: &BTreeSet<u32>,
    regard: Regard,
) -> Vec<Option<Pins>> {
    let mut free = free_cores(node);
    let keeps = |free: &mut Vec<Vec<&Core>>, one: &Wanted| {
        let had = one.had.filter(|_| regard != Regard::Afresh)?;
        let is_own = |core: &&Core| core.cpus.iter().any(|cpu| had.contains(cpu));
        let cores: Vec<&Core> = free.iter().flatten().copied().filter(is_own).collect();
        let pins = pin(host, node, &cores, one.vcpus);
        let is_whole = cores.len() == count(host, one.vcpus) && pins.own == had;
        if !is_whole {
            return None;
        }
        for domain in free {
            domain.retain(|core| !is_own(core));
        }
        Some(pins)
    };
    let mut found: Vec<Option<Pins>> = wanted.iter().map(|one| keeps(&mut free, one)).collect();
    let leaves = |core: &&Core| core.cpus.iter().any(|cpu| leaving.contains(cpu));
    for domain in &mut free {
        match regard {
            Regard::Apart => domain.retain(|core| !leaves(core)),
            // Stable: of equals the first.
            Regard::Kept => domain.sort_by_key(leaves),
            Regard::Afresh => {}
        }
    }
    let open = || wanted.iter().zip(&found).enumerate().filter(|(_, (_, pins))| pins.is_none());
    let cores: Vec<usize> = open().map(|(_, (one, _))| count(host, one.vcpus)).collect();
    let places: Vec<(usize, u32)> = open().map(|(at, (one, _))| (at, one.vcpus)).collect();
    for ((at, vcpus), cores) in places.into_iter().zip(give(free, &cores)) {
        if let Some(place) = found.get_mut(at) {
            *place = cores.map(|cores| pin(host, node, &cores, vcpus));
        }
    }
    found
}

fn count(host: &CandidateHost, vcpus: u32) -> usize {
    usize::try_from(cores_on(host.host, vcpus)).unwrap_or(usize::MAX)
}

/// Whether all of each size are placed at least as well as in another division.
fn is_placed_as_well(node: &NumaNode, pins: &[Option<Pins>], other: &[Option<Pins>]) -> bool {
    let placements = |pins: &[Option<Pins>]| {
        let own = pins.iter().flatten().map(|pins| &pins.own);
        let mut all: Vec<_> = own.map(|own| (own.len(), taken(node, own))).collect();
        all.sort_by_key(|(size, placement)| {
            (Reverse(*size), placement.l3, Reverse(placement.cores))
        });
        all
    };
    let (these, those) = (placements(pins), placements(other));
    let mut pairs = these.iter().zip(&those);
    these.len() >= those.len() && pairs.all(|((_, a), (_, b))| a.is_as_good_as(*b))
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

/// Cores for each wanted number, which come largest first; `None` where too few
/// are left.
fn give<'a>(mut free: Vec<Vec<&'a Core>>, wanted: &[usize]) -> Vec<Option<Vec<&'a Core>>> {
    let sizes: Vec<usize> = free.iter().map(Vec::len).collect();
    let largest = sizes.iter().copied().max().unwrap_or(0);
    let choice = |choices: &[usize], at: usize| choices.get(at).copied();
    let choices = fitting(&sizes, wanted);
    let mut given = Vec::new();
    for (at, cores) in wanted.iter().enumerate() {
        let domain = choices.as_deref().and_then(|choices| choice(choices, at));
        let own = domain.filter(|_| *cores <= largest);
        given.push(take(&mut free, *cores, own));
    }
    given
}

fn take<'a>(
    free: &mut [Vec<&'a Core>],
    cores: usize,
    domain: Option<usize>,
) -> Option<Vec<&'a Core>> {
    let best = || {
        let fits = free.iter().enumerate().filter(|(_, domain)| domain.len() >= cores);
        fits.min_by_key(|(at, domain)| (domain.len(), *at)).map(|(at, _)| at)
    };
    let one = domain.filter(|at| free.get(*at).is_some_and(|d| d.len() >= cores)).or_else(best);
    if let Some(domain) = one.and_then(|at| free.get_mut(at)) {
        let mut taken: Vec<&Core> = domain.drain(..cores).collect();
        taken.sort_unstable();
        return Some(taken);
    }
    // Whole domains first, so that what is left over is in as few as possible.
    let mut order: Vec<usize> = (0..free.len()).collect();
    order.sort_by_key(|at| (Reverse(free.get(*at).map_or(0, Vec::len)), *at));
    let mut taken = Vec::new();
    for at in order {
        let Some(domain) = free.get_mut(at) else { continue };
        let more = (cores - taken.len()).min(domain.len());
        taken.extend(domain.drain(..more));
    }
    taken.sort_unstable();
    (taken.len() == cores).then_some(taken)
}

/// Steps that the search for a division may take.
const STEPS: usize = 20_000;

/// For each wanted number of cores a domain with that many left, if all that fit
/// into the largest domain can have one: larger ones take whole domains, which
/// come first. Wanted numbers come largest first.
fn fitting(sizes: &[usize], wanted: &[usize]) -> Option<Vec<usize>> {
    let largest = sizes.iter().copied().max().unwrap_or(0);
    let mut free = sizes.to_vec();
    let (large, small): (Vec<usize>, Vec<usize>) =
        wanted.iter().copied().partition(|cores| *cores > largest);
    for cores in &large {
        let mut left = *cores;
        while left > 0 {
            let most = free.iter_mut().rev().max_by_key(|free| **free).filter(|free| **free > 0)?;
            let more = left.min(*most);
            *most -= more;
            left -= more;
        }
    }
    let mut found = vec![0; large.len()];
    let mut steps = STEPS;
    divide(&mut free, &small, &mut found, &mut steps).then_some(found)
}

/// Depth first, the fullest domain that fits first; domains with as much left are
/// alike.
fn divide(free: &mut [usize], wanted: &[usize], found: &mut Vec<usize>, steps: &mut usize) -> bool {
    let Some((cores, rest)) = wanted.split_first() else { return true };
    if *steps == 0 {
        return false;
    }
    *steps -= 1;
    let mut order: Vec<usize> = (0..free.len()).collect();
    order.retain(|at| free.get(*at).is_some_and(|free| free >= cores));
    order.sort_by_key(|at| (free.get(*at).copied(), *at));
    order.dedup_by_key(|at| free.get(*at).copied());
    for at in order {
        if let Some(domain) = free.get_mut(at) {
            *domain -= cores;
        }
        found.push(at);
        if divide(free, rest, found, steps) {
            return true;
        }
        found.pop();
        if let Some(domain) = free.get_mut(at) {
            *domain += cores;
        }
    }
    false
}

fn pin(host: &CandidateHost, node: &NumaNode, cores: &[&Core], vcpus: u32) -> Pins {
    let threads = host.host.threads_per_core();
    let per_core = usize::try_from(threads).unwrap_or(1);
    let siblings = cores.iter().flat_map(|core| core.cpus.iter().take(per_core).copied());
    let own: Vec<u32> = siblings.take(usize::try_from(vcpus).unwrap_or(usize::MAX)).collect();
    // The guest's cores must be equal: with an odd thread it sees none.
    let threads = if vcpus.is_multiple_of(threads) { threads } else { 1 };
    Pins { emulator: emulator(host, node, &own), own, threads }
}

/// The reserve of the NUMA node, else of the host, else the instance's own CPUs.
fn emulator(host: &CandidateHost, node: &NumaNode, own: &[u32]) -> Vec<u32> {
    let near = node.cores().take(usize::try_from(node.reserved_cores).unwrap_or(0));
    let mut cpus: Vec<u32> = near.flat_map(|core| core.cpus.iter().copied()).collect();
    if cpus.is_empty() {
        cpus = host.host.reserved_cpus();
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

    fn domains(all: &[Vec<Core>]) -> Vec<Vec<&Core>> {
        all.iter().map(|domain| domain.iter().collect()).collect()
    }

    fn firsts(given: Vec<Option<Vec<&Core>>>) -> Vec<Option<Vec<u32>>> {
        let cpus = |cores: Vec<&Core>| cores.iter().map(|core| core.cpus[0]).collect();
        given.into_iter().map(|cores| cores.map(cpus)).collect()
    }

    #[test]
    fn cores_come_from_one_domain_where_they_fit() {
        let all = [cores(0, 3), cores(10, 4)];
        let given = firsts(give(domains(&all), &[4, 2, 2]));
        assert_eq!(given, [Some(vec![10, 11, 12, 13]), Some(vec![0, 1]), None]);
    }

    #[test]
    fn the_fullest_domain_that_fits_is_taken_so_that_whole_ones_stay_whole() {
        let all = [cores(0, 4), cores(10, 3), cores(20, 4)];
        let given = firsts(give(domains(&all), &[4, 3, 1]));
        assert_eq!(given, [Some(vec![0, 1, 2, 3]), Some(vec![10, 11, 12]), Some(vec![20])]);
    }

    #[test]
    fn a_larger_one_takes_whole_domains() {
        let all = [cores(0, 3), cores(10, 4), cores(20, 4)];
        let given = firsts(give(domains(&all), &[8, 2]));
        assert_eq!(given, [Some((10..14).chain(20..24).collect()), Some(vec![0, 1])]);
    }

    #[test]
    fn a_division_is_looked_for_where_the_first_choice_would_straddle() {
        // The fullest first gives 4 + 3 | 5 + 2, and the 4 has no place left.
        assert!(fitting(&[9, 9], &[5, 4, 4, 3, 2]).is_some());
        assert_eq!(fitting(&[4, 4], &[3, 3, 2]), None);
    }
}

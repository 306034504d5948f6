//! Room to restart fixed machines on other hosts once their failure domain `d` is lost,
//! for each one alone (N+1):
//!
//! ```text
//! r[d,p,o,r]  machines of part p, of those in d with disks in the shared pool o (none:
//!             their disks are lost with d), that are restarted on NUMA node r outside of d
//! t[d,p,k]    of those whose disks are lost, the ones whose disks are restored in pool k
//!             (on hosts with several pools only)
//!
//! Σ_r r[d,p,o,r] = machines of p in d with disks in o
//! Σ_k t[d,p,k] = Σ_{r of h} r[d,p,none,r]
//! Σ need · n[p,s,r] + Σ need · r[d,p,o,r] <= has(r) · u[h]      cores, memory
//! Σ need · n[p,s,k] + Σ need · t[d,p,k] <= has(k)               space, I/O operations
//! Σ bits · n[p,s,r of h] + Σ bits · r[d,p,o,r of h] <= bandwidth(h)
//! Σ_{r in e, not in d} n[p,s,r] + Σ_{r in e} r[d,p,o,r] <= at_most(p)    machines spread over e
//! ```
//!
//! What machines may be beside then is in `neighbours.rs`.
//!
//! The failure domains are those of the widest level that is survived, else hosts. For a
//! smaller one within `d` the same places do: less is lost, and more is left. A machine
//! whose disks another host sees is restarted at such a host, where they take no more room
//! than they have. A host that is only kept for this counts as used, since it is paid.

use std::collections::BTreeMap;

use super::cores::CORES;
use super::disk::{self, OPERATIONS, SPACE};
use super::memory::MEMORY;
use super::neighbours;
use super::network;
use super::numa;
use super::problem::{Part, Problem, Shape};
use super::program::{Program, Sum, int};
use super::variables::{RestartCount, Variables};
use super::{Elastic, Slack};
use crate::topology::Level;

impl Problem<'_> {
    /// Whether room is kept to restart machines.
    #[must_use]
    pub fn restarts(&self) -> bool {
        self.parts.iter().any(Part::restarts)
    }

    /// Returns the level of the failure domains after whose loss machines are restarted.
    #[must_use]
    pub fn restart_level(&self) -> Level {
        self.anti_affinity_level().unwrap_or(Level::Host)
    }

    /// The same where no room is kept to restart machines.
    #[must_use]
    pub fn without_restarts(&self) -> Self {
        let mut found = self.clone();
        for part in &mut found.parts {
            if let super::PartKind::Fixed(rules) = &mut part.kind {
                rules.restart = false;
            }
        }
        found
    }

    /// Returns the names of the pools whose volumes several hosts see, each once.
    #[must_use]
    pub fn shared_pools(&self) -> Vec<&str> {
        let pools = self.hosts.iter().flat_map(|host| &host.pools);
        let shared = pools.filter(|(pool, _)| pool.shared).map(|(pool, _)| pool.name.as_str());
        let mut found: Vec<&str> = shared.collect();
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Returns the index of the shared pool through which hosts outside of `lost` see the
    /// disks that a machine of `shape` has in a pool of a host; `None` if none does.
    #[must_use]
    pub fn disks_left(
        &self,
        lost: &[usize],
        (host, pool): (usize, usize),
        shape: Shape,
    ) -> Option<usize> {
        let (pool, _) = self.hosts.get(host)?.pools.get(pool)?;
        if !pool.shared || shape.disk_mib == 0 {
            return None;
        }
        let name = pool.name.as_str();
        let at = self.shared_pools().iter().position(|other| *other == name)?;
        let sees = |other: &usize| {
            let may = !lost.contains(other) && self.is_eligible(*other, shape);
            may && self.sees(*other, name)
        };
        (0..self.hosts.len()).any(|other| sees(&other)).then_some(at)
    }

    /// Whether a host may restart a machine of `shape` whose disks are in that shared pool,
    /// or are restored.
    #[must_use]
    pub fn may_restart(&self, host: usize, shape: Shape, shared: Option<usize>) -> bool {
        let has_pool = || self.hosts.get(host).is_some_and(|host| !host.pools.is_empty());
        let disks = match shared {
            Some(at) => self.shared_pools().get(at).is_some_and(|name| self.sees(host, name)),
            None => shape.disk_mib == 0 || has_pool(),
        };
        disks && self.is_eligible(host, shape)
    }

    fn sees(&self, host: usize, name: &str) -> bool {
        let pools = self.hosts.get(host).into_iter().flat_map(|host| &host.pools);
        pools.into_iter().any(|(pool, _)| pool.shared && pool.name == name)
    }
}

pub(super) fn add(
    problem: &Problem,
    variables: &mut Variables,
    program: &mut Program,
    elastic: Elastic,
) {
    if !problem.restarts() {
        return;
    }
    for (domain, (_, lost)) in problem.domains(problem.restart_level()).iter().enumerate() {
        let first = (variables.restarts.len(), variables.restart_pools.len());
        for (part, entry) in problem.parts.iter().enumerate().filter(|(_, part)| part.restarts()) {
            let Some(shape) = entry.shapes.first().copied() else { continue };
            for (shared, machines) in machines(problem, variables, lost, (part, shape)) {
                let places = Places { domain, part, shape, shared };
                let mut row = machines;
                row.add_sum(-1, &places.add(problem, variables, program, lost));
                if elastic.restarts {
                    let slack = program.variable(format!("lost {domain} {part}"), None);
                    row.add(-1, slack);
                    variables.slacks.push((Slack::Restart(domain, part), slack));
                }
                program.equal(row, 0);
            }
        }
        let after = After {
            lost,
            restarts: variables.restarts.get(first.0..).unwrap_or_default().to_vec(),
            pools: variables.restart_pools.get(first.1..).unwrap_or_default().to_vec(),
        };
        after.rows(problem, variables, program);
        neighbours::after_loss(problem, variables, program, domain);
    }
}

/// Returns the machines of a part that are lost, by the shared pool that has their disks.
fn machines(
    problem: &Problem,
    variables: &Variables,
    lost: &[usize],
    (part, shape): (usize, Shape),
) -> BTreeMap<Option<usize>, Sum> {
    let mut found: BTreeMap<Option<usize>, Sum> = BTreeMap::new();
    for host in lost {
        let several = problem.hosts.get(*host).is_some_and(|host| host.pools.len() > 1);
        let own: Vec<_> = if several {
            variables.pools.iter().filter(|n| (n.part, n.host) == (part, *host)).collect()
        } else {
            variables.on_host(*host).filter(|n| n.part == part).collect()
        };
        for count in own {
            let pool = if several { count.at } else { 0 };
            let shared = problem.disks_left(lost, (*host, pool), shape);
            found.entry(shared).or_default().add(1, count.var);
        }
    }
    found
}

/// Machines that may be restarted at the same places.
struct Places {
    domain: usize,
    part: usize,
    shape: Shape,
    shared: Option<usize>,
}

impl Places {
    /// Adds a variable for each place. Returns their sum.
    fn add(
        &self,
        problem: &Problem,
        variables: &mut Variables,
        program: &mut Program,
        lost: &[usize],
    ) -> Sum {
        let Self { domain, part, shape, shared } = *self;
        let candidates = problem.parts.get(part).into_iter().flat_map(|part| &part.candidates);
        let most = candidates.map(|one| u64::from(one.layout.instances)).max().unwrap_or(0);
        let mut all = Sum::default();
        let hosts = problem.hosts.iter().enumerate().filter(|(host, _)| !lost.contains(host));
        for (host, entry) in hosts.filter(|(host, _)| problem.may_restart(*host, shape, shared)) {
            let mut here = Sum::default();
            for (at, numa) in entry.numa.iter().enumerate() {
                let cores = numa.cores / problem.cores(host, shape).max(1);
                let fit = most.min(cores).min(problem.fit_memory(host, numa, shape));
                if fit > 0 {
                    let name = format!("r {domain} {part} {} {at}", entry.host.name);
                    let var = program.variable(name, Some(fit));
                    here.add(1, var);
                    variables.restarts.push(RestartCount { domain, part, shared, host, at, var });
                }
            }
            all.add_sum(1, &here);
            if shared.is_none() && shape.disk_mib > 0 && entry.pools.len() > 1 {
                for at in 0..entry.pools.len() {
                    let name = format!("t {domain} {part} {} {at}", entry.host.name);
                    let var = program.variable(name, Some(most));
                    here.add(-1, var);
                    let count = RestartCount { domain, part, shared, host, at, var };
                    variables.restart_pools.push(count);
                }
                program.equal(here, 0);
            }
        }
        all
    }
}

/// The hosts that are left after a loss, with the machines that they restart.
struct After<'a> {
    lost: &'a [usize],
    restarts: Vec<RestartCount>,
    pools: Vec<RestartCount>,
}

impl After<'_> {
    fn rows(&self, problem: &Problem, variables: &Variables, program: &mut Program) {
        let mut by_host: BTreeMap<usize, Vec<RestartCount>> = BTreeMap::new();
        for one in &self.restarts {
            by_host.entry(one.host).or_default().push(*one);
        }
        for (host, here) in by_host {
            numa(problem, variables, program, (host, &here));
            self.pools(problem, variables, program, (host, &here));
            bandwidth(problem, variables, program, (host, &here));
        }
        self.spread(problem, variables, program);
    }

    /// Disks that are restored take space and operations of a pool.
    fn pools(
        &self,
        problem: &Problem,
        variables: &Variables,
        program: &mut Program,
        (host, here): (usize, &[RestartCount]),
    ) {
        let Some(entry) = problem.hosts.get(host) else { return };
        for resource in [SPACE, OPERATIONS] {
            for (at, has) in (resource.has)(entry).into_iter().enumerate() {
                let Some(has) = has else { continue };
                let restored: Vec<&RestartCount> = if entry.pools.len() > 1 {
                    self.pools.iter().filter(|one| (one.host, one.at) == (host, at)).collect()
                } else {
                    here.iter().filter(|one| one.shared.is_none()).collect()
                };
                let of = |one: &&RestartCount| {
                    let need = int((resource.need)(shape(problem, one.part)?));
                    (need > 0).then_some((need, one.var))
                };
                let more: Sum = restored.iter().filter_map(of).collect();
                if !more.is_empty() {
                    let mut row = disk::taken(problem, variables, (host, at), resource.need);
                    row.add_sum(1, &more);
                    program.at_most(row, int(has));
                }
            }
        }
    }

    /// Machines stay spread.
    fn spread(&self, problem: &Problem, variables: &Variables, program: &mut Program) {
        for (part, entry) in problem.parts.iter().enumerate().filter(|(_, part)| part.restarts()) {
            let super::PartKind::Fixed(rules) = entry.kind else { continue };
            let Some(spread) = rules.spread else { continue };
            for (_, mut hosts) in problem.domains(spread.per) {
                hosts.retain(|host| !self.lost.contains(host));
                let own = self.restarts.iter().filter(|one| one.part == part);
                let here = own.filter(|one| hosts.contains(&one.host));
                let more: Sum = here.map(|one| (1, one.var)).collect();
                if !more.is_empty() {
                    let mut row = variables.on(part, &hosts, false);
                    row.add_sum(1, &more);
                    program.at_most(row, int(spread.most()));
                }
            }
        }
    }
}

/// Cores and memory of NUMA nodes.
fn numa(
    problem: &Problem,
    variables: &Variables,
    program: &mut Program,
    (host, here): (usize, &[RestartCount]),
) {
    let Some(entry) = problem.hosts.get(host) else { return };
    for (at, capacity) in entry.numa.iter().enumerate() {
        if !here.iter().any(|one| one.at == at) {
            continue;
        }
        for resource in [CORES].into_iter().chain(MEMORY) {
            let Some(has) = (resource.has)(capacity) else { continue };
            let mut row = numa::taken(problem, variables, (host, at), resource.need);
            for one in here.iter().filter(|one| one.at == at) {
                let Some(shape) = shape(problem, one.part) else { continue };
                row.add(int((resource.need)(problem, host, capacity, shape)), one.var);
            }
            if let Some(used) = variables.used.get(host) {
                row.add(-int(has), *used);
            }
            program.at_most(row, 0);
        }
    }
}

fn bandwidth(
    problem: &Problem,
    variables: &Variables,
    program: &mut Program,
    (host, here): (usize, &[RestartCount]),
) {
    let most = problem.hosts.get(host).and_then(|host| host.host.network_bits_per_s);
    let Some(most) = most else { return };
    let of = |one: &RestartCount| {
        let traffic = network::traffic(shape(problem, one.part)?);
        (traffic > 0).then_some((traffic, one.var))
    };
    let more: Sum = here.iter().filter_map(of).collect();
    if !more.is_empty() {
        let mut row = network::taken(problem, variables, host);
        row.add_sum(1, &more);
        program.at_most(row, int(most.get() / 1_000_000));
    }
}

/// The size of the machines of a part, which all have one.
fn shape(problem: &Problem, part: usize) -> Option<Shape> {
    problem.parts.get(part)?.shapes.first().copied()
}

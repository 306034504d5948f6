//! Deviation from a prior plan, which a new plan keeps small:
//!
//! ```text
//! d[p,s,h] >= prior[p,s,h] - Σ_{r of h} n[p,s,r]      instances that leave host h
//! a[p,h]   >= Σ_{s, r of h} n[p,s,r] - prior[p,h]     instances that are new on host h
//! d[p,s,r] >= prior[p,s,r] - n[p,s,r]                 instances that leave NUMA node r
//! d[p]     >= 1 - Σ_{l as before} x[p,l]              services whose layout changes
//! d[p,f]   >= prior leaders[p,f] - m[p,f]             leaders that leave domain f
//! short[r] >= Σ_{p,s} memory[p,s,r] (n[p,s,r] + d[p,s,r]) + gone[r] - memory[r]
//! ```
//!
//! A goal is the sum of its `d`, of its `a` or of what is `short`. Instances of a size are
//! interchangeable, so a prior instance counts as moved if its host has fewer of that size;
//! names are given later. What is short on a NUMA node counts what comes beside what leaves,
//! services that are `gone` included: those of another size are replaced where they are, one
//! after the other, and need no room. It is the last of what is compared with a prior plan,
//! since short room only makes instances leave before others come; `planner::Room` has the
//! exact numbers.

use std::collections::{BTreeMap, BTreeSet};

use super::problem::{Problem, Shape};
use super::program::{Program, Sum, int};
use super::variables::{InstanceCount, Variables};
use crate::plan::{Instance, Plan, Role};
use crate::sizing::Candidate;

/// Instances of one size that a prior plan has on one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prior {
    /// Index of the part.
    pub part: usize,
    /// Index of a shape of that size within the part: others differ in how they
    /// CPUs they need at least.
    pub shape: usize,
    /// Index of the host.
    pub host: usize,
    /// Index of the NUMA node within the host; `None` where the host has another
    /// NUMA node now.
    pub at: Option<usize>,
    /// How many of them lead their group or vote.
    pub leaders: u64,
    /// How many.
    pub count: u64,
}

/// Instances that a prior plan has on one host, of whatever size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PriorHost {
    /// Index of the part.
    pub part: usize,
    /// Index of the host.
    pub host: usize,
    /// Whether they only vote.
    pub is_witness: bool,
    /// How many.
    pub count: u64,
}

/// Part, shape, host and NUMA node.
type Place = (usize, usize, usize, Option<usize>);

impl Problem<'_> {
    /// Makes the instances of a prior plan worth keeping. Parts and hosts are the
    /// same by name, sizes by what the instances have; others cannot stay.
    pub fn keep(&mut self, plan: &Plan) {
        let mut found: BTreeMap<Place, (u64, u64)> = BTreeMap::new();
        self.keep_hosts(plan);
        for instance in &plan.instances {
            let Some((part, shape)) = self.shape_of(instance) else { continue };
            let is_here = |host: &super::CandidateHost| host.host.name == instance.host;
            let Some(host) = self.hosts.iter().position(is_here) else { continue };
            let numa = self.hosts.get(host).map(|host| host.numa.as_slice());
            let at =
                numa.and_then(|numa| numa.iter().position(|numa| numa.node.id == instance.numa));
            let (count, leaders) = found.entry((part, shape, host, at)).or_default();
            *count += 1;
            let is_lead =
                matches!(instance.role, Role::Master | Role::Primary | Role::Voter | Role::Active);
            *leaders += u64::from(is_lead);
        }
        self.prior_layouts = self.as_before(plan);
        let entries = found.into_iter();
        self.prior = entries
            .map(|((part, shape, host, at), (count, leaders))| Prior {
                part,
                shape,
                host,
                at,
                leaders,
                count,
            })
            .collect();
        let may_stay: u64 = self.prior.iter().map(|one| one.count).sum();
        self.cannot_stay = (plan.instances.len() as u64).saturating_sub(may_stay);
    }

    /// Counts the instances of a prior plan by host, and the memory of those that leave.
    fn keep_hosts(&mut self, plan: &Plan) {
        let mut found: BTreeMap<(usize, usize, bool), u64> = BTreeMap::new();
        self.prior_memory.clear();
        for instance in &plan.instances {
            let named = |part: &super::Part| part.name == instance.service.as_str();
            let part = self.parts.iter().position(named);
            let is_here = |host: &super::CandidateHost| host.host.name == instance.host;
            let host = self.hosts.iter().position(is_here);
            if let (Some(part), Some(host)) = (part, host) {
                let is_witness = instance.role == Role::Witness;
                *found.entry((part, host, is_witness)).or_default() += 1;
                continue;
            }
            let numa = host.and_then(|host| self.hosts.get(host)).map(|host| host.numa.as_slice());
            let at = numa.and_then(|all| all.iter().position(|one| one.node.id == instance.numa));
            if let Some(place) = host.zip(at) {
                let memory = memory_of_prior(&self.hosts, place, instance);
                *self.prior_memory.entry(place).or_default() += memory;
            }
        }
        let entries = found.into_iter();
        self.prior_hosts = entries
            .map(|((part, host, is_witness), count)| PriorHost { part, host, is_witness, count })
            .collect();
    }

    /// By service that is in a prior plan the candidates that are split as it was:
    /// those that also have CPUs as good, if there are any.
    fn as_before(&self, plan: &Plan) -> Vec<(usize, Vec<usize>)> {
        let mut found = Vec::new();
        for (index, part) in self.parts.iter().enumerate() {
            let old = plan.services.iter().find(|old| old.name.as_str() == part.name);
            let Some(old) = old else { continue };
            let all = || {
                let numbered = part.candidates.iter().enumerate();
                numbered.filter(|(_, one)| one.layout == old.layout)
            };
            let has_same_cpus = |one: &Candidate| {
                one.capacity.as_ref().map(|capacity| capacity.placement)
                    == Some(old.capacity.placement)
            };
            let mut same: Vec<usize> =
                all().filter(|(_, one)| has_same_cpus(one)).map(|(at, _)| at).collect();
            if same.is_empty() {
                same = all().map(|(at, _)| at).collect();
            }
            if !same.is_empty() {
                found.push((index, same));
            }
        }
        found
    }

    fn shape_of(&self, instance: &Instance) -> Option<(usize, usize)> {
        let named = |part: &super::Part| part.name == instance.service.as_str();
        let part = self.parts.iter().position(named)?;
        let data = instance.data.as_ref().map_or(0, |volume| volume.size_mib.get());
        let is_witness = instance.role == Role::Witness;
        let same = |shape: &Shape| {
            usize::try_from(shape.vcpus).is_ok_and(|vcpus| vcpus == instance.cpus.len())
                && shape.memory_mib == instance.memory_mib.get()
                && shape.data_mib == data
                && shape.is_witness == is_witness
        };
        Some((part, self.parts.get(part)?.shapes.iter().position(same)?))
    }

    fn are_of_one_size(&self, part: usize, shape: usize, other: usize) -> bool {
        let size = |at: usize| {
            let shape = self.parts.get(part)?.shapes.get(at)?;
            Some((shape.vcpus, shape.memory_mib, shape.data_mib, shape.is_witness))
        };
        size(shape) == size(other)
    }
}

/// Returns what an instance of a prior plan takes of a NUMA node's memory.
fn memory_of_prior(
    hosts: &[super::CandidateHost],
    (host, at): (usize, usize),
    one: &Instance,
) -> u64 {
    let host = hosts.get(host);
    let numa = host.and_then(|host| host.numa.get(at));
    let shared = host.filter(|_| numa.is_some_and(|numa| numa.overhead_mib.is_none()));
    let overhead = shared.map(|host| host.host.overhead(one.vcpus(), one.memory_mib).get());
    one.memory_mib.get().saturating_add(overhead.unwrap_or(0))
}

/// Returns the instances that hosts have more of than before. Of a service that the prior
/// plan does not have none is filled from another, so those do not count.
pub(super) fn arrivals(problem: &Problem, variables: &Variables, program: &mut Program) -> Sum {
    let parts: BTreeSet<(usize, bool)> =
        problem.prior_hosts.iter().map(|one| (one.part, one.is_witness)).collect();
    let is_witness = |n: &InstanceCount| {
        let shape = problem.parts.get(n.part).and_then(|part| part.shapes.get(n.shape));
        shape.is_some_and(|shape| shape.is_witness)
    };
    let mut all = Sum::default();
    for (part, witness) in parts {
        for host in 0..problem.hosts.len() {
            let own = problem
                .prior_hosts
                .iter()
                .filter(|one| (one.part, one.is_witness, one.host) == (part, witness, host));
            let was: u64 = own.map(|one| one.count).sum();
            let here =
                variables.on_host(host).filter(|n| n.part == part && is_witness(n) == witness);
            let mut row: Sum = here.map(|n| (1, n.var)).collect();
            let more = program.variable(format!("new {part} {host} {witness}"), None);
            row.add(-1, more);
            program.at_most(row, int(was));
            all.add(1, more);
        }
    }
    all
}

/// Returns the memory that is short on NUMA nodes where instances come before others leave.
pub(super) fn room(problem: &Problem, variables: &Variables, program: &mut Program) -> Sum {
    let mut all = Sum::default();
    for (host, candidate) in problem.hosts.iter().enumerate() {
        for (at, numa) in candidate.numa.iter().enumerate() {
            let here = || problem.prior.iter().filter(|one| (one.host, one.at) == (host, Some(at)));
            let gone = problem.prior_memory.get(&(host, at)).copied().unwrap_or(0);
            if gone == 0 && here().next().is_none() {
                continue;
            }
            let memory = |part: usize, shape: usize| {
                let shape = problem.parts.get(part).and_then(|part| part.shapes.get(shape));
                int(shape.map_or(0, |shape| problem.memory(host, numa, *shape)))
            };
            let mut row = Sum::default();
            for n in variables.on_numa(host, at) {
                row.add(memory(n.part, n.shape), n.var);
            }
            for one in here() {
                let same = variables.on_numa(host, at).filter(|n| {
                    n.part == one.part && problem.are_of_one_size(n.part, n.shape, one.shape)
                });
                let left: Sum = same.map(|n| (1, n.var)).collect();
                row.add_sum(memory(one.part, one.shape), &lost(vec![(one.count, left)], program));
            }
            let short = program.variable(format!("short {host} {at}"), None);
            row.add(-1, short);
            program.at_most(row, int(numa.memory_mib).saturating_sub(int(gone)));
            all.add(1, short);
        }
    }
    all
}

/// Returns the instances that leave their host, and how many cannot stay whatever the plan.
pub(super) fn moves(problem: &Problem, variables: &Variables, program: &mut Program) -> (Sum, i64) {
    let mut by_host: BTreeMap<(usize, usize, usize), u64> = BTreeMap::new();
    for one in &problem.prior {
        *by_host.entry((one.part, one.shape, one.host)).or_default() += one.count;
    }
    let losses = by_host.into_iter().map(|((part, shape, host), count)| {
        let here = variables
            .on_host(host)
            .filter(|n| n.part == part && problem.are_of_one_size(part, n.shape, shape));
        (count, here.map(|n| (1, n.var)).collect())
    });
    (lost(losses.collect(), program), int(problem.cannot_stay))
}

/// Returns the instances that leave their NUMA node, on hosts that have several.
pub(super) fn shifts(problem: &Problem, variables: &Variables, program: &mut Program) -> Sum {
    let several = |host: usize| problem.hosts.get(host).is_some_and(|host| host.numa.len() > 1);
    let losses = problem.prior.iter().filter_map(|one| {
        let at = one.at.filter(|_| several(one.host))?;
        let here = variables.on_numa(one.host, at);
        let same = |n: &&InstanceCount| {
            n.part == one.part && problem.are_of_one_size(n.part, n.shape, one.shape)
        };
        let here = here.filter(same);
        Some((one.count, here.map(|n| (1, n.var)).collect()))
    });
    lost(losses.collect(), program)
}

/// Returns the services that have another layout.
pub(super) fn layouts(problem: &Problem, variables: &Variables, program: &mut Program) -> Sum {
    let losses = problem.prior_layouts.iter().filter_map(|(part, candidates)| {
        let layouts = variables.layouts.get(*part)?;
        let same = candidates.iter().filter_map(|at| layouts.get(*at));
        Some((1, same.map(|var| (1, *var)).collect()))
    });
    lost(losses.collect(), program)
}

/// Returns the leading instances that leave their failure domain.
pub(super) fn leaders(problem: &Problem, variables: &Variables, program: &mut Program) -> Sum {
    let Some(level) = problem.leader_level() else { return Sum::default() };
    let domains = problem.domains(level);
    let losses = variables.leaders.iter().filter_map(|(part, domain, var)| {
        let (_, hosts) = domains.get(*domain)?;
        let here =
            problem.prior.iter().filter(|one| one.part == *part && hosts.contains(&one.host));
        let count: u64 = here.map(|one| one.leaders).sum();
        (count > 0).then(|| (count, [(1, *var)].into_iter().collect()))
    });
    lost(losses.collect(), program)
}

/// Returns the sum of what each count lacks of what it was.
fn lost(losses: Vec<(u64, Sum)>, program: &mut Program) -> Sum {
    let mut all = Sum::default();
    for (number, (was, is)) in losses.into_iter().enumerate() {
        let lost = program.variable(format!("d {number}"), Some(was));
        let mut row = Sum::default();
        row.add_sum(-1, &is);
        row.add(-1, lost);
        program.at_most(row, -int(was));
        all.add(1, lost);
    }
    all
}

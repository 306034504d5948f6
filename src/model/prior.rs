//! Deviation from a prior plan, which a new plan keeps small:
//!
//! ```text
//! d[p,s,h] >= prior[p,s,h] - Σ_{r of h} n[p,s,r]      instances that leave host h
//! d[p,s,r] >= prior[p,s,r] - n[p,s,r]                 instances that leave NUMA node r
//! d[p]     >= 1 - Σ_{l as before} x[p,l]              services whose layout changes
//! d[p,f]   >= prior leaders[p,f] - m[p,f]             leaders that leave domain f
//! ```
//!
//! A goal is the sum of its `d`. Instances of a size are interchangeable, so a prior
//! instance counts as moved if its host has fewer of that size; names are given later.

use std::collections::BTreeMap;

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

/// Part, shape, host and NUMA node.
type Place = (usize, usize, usize, Option<usize>);

impl Problem<'_> {
    /// Makes the instances of a prior plan worth keeping. Parts and hosts are the
    /// same by name, sizes by what the instances have; others cannot stay.
    pub fn keep(&mut self, plan: &Plan) {
        let mut found: BTreeMap<Place, (u64, u64)> = BTreeMap::new();
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

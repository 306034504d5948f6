//! The variables:
//!
//! ```text
//! x[p,l]    1 if part p has layout l
//! n[p,s,r]  instances of part p with shape s on NUMA node r
//! q[p,s,k]  instances of part p with shape s whose volumes are in pool k
//!           (on hosts with several pools only)
//! m[p,d]    leading instances of service p in failure domain d (under a policy
//!           only; the witness of a quorum is not among them)
//! u[h]      1 if host h is used
//! r, t      see `restart.rs`
//! b         see `neighbours.rs`
//! ```

use std::collections::BTreeMap;

use super::problem::{Part, Problem, Shape};
use super::program::{Program, Sum, Var};
use super::{Elastic, Slack};

/// A count of instances of one shape at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InstanceCount {
    /// Index of the part.
    pub part: usize,
    /// Index of the shape within the part.
    pub shape: usize,
    /// Index of the host.
    pub host: usize,
    /// Index of the NUMA node within the host, or of the pool.
    pub at: usize,
    /// Whether it counts witnesses.
    pub is_witness: bool,
    /// The variable.
    pub var: Var,
}

/// A count of machines that are restarted at one place after one loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartCount {
    /// Index of the failure domain that is lost.
    pub domain: usize,
    /// Index of the part.
    pub part: usize,
    /// Index of the shared pool that has their disks ([`Problem::shared_pools`]); `None`
    /// where they have none there, so that the disks are restored.
    pub shared: Option<usize>,
    /// Index of the host.
    pub host: usize,
    /// Index of the NUMA node within the host, or of the pool.
    pub at: usize,
    /// The variable.
    pub var: Var,
}

/// Whether there are instances of a part on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Presence {
    /// Index of the failure domain after whose loss it is asked; `None` before any.
    pub domain: Option<usize>,
    /// Index of the part.
    pub part: usize,
    /// Index of the host.
    pub host: usize,
    /// The variable.
    pub var: Var,
}

/// What the variables of a program mean.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    /// `x[p,l]`, by part and candidate.
    pub layouts: Vec<Vec<Var>>,
    /// `n[p,s,r]`.
    pub counts: Vec<InstanceCount>,
    /// `q[p,s,k]`.
    pub pools: Vec<InstanceCount>,
    /// `m[p,d]`: part, domain, variable.
    pub leaders: Vec<(usize, usize, Var)>,
    /// `u[h]`, by host.
    pub used: Vec<Var>,
    /// `r[d,p,o,r]`.
    pub restarts: Vec<RestartCount>,
    /// `t[d,p,k]`.
    pub restart_pools: Vec<RestartCount>,
    /// `b[p,h]` and `b[d,p,h]`.
    pub present: Vec<Presence>,
    /// What may be exceeded.
    pub slacks: Vec<(Slack, Var)>,
    /// Indices in `counts` by host, ascending: with thousands of hosts, going
    /// through all counts for each of them takes minutes.
    by_host: BTreeMap<usize, Vec<usize>>,
}

impl Variables {
    /// Adds the variables of a problem to a program. An instance that can never
    /// be on a NUMA node has no variable there.
    pub(super) fn new(problem: &Problem, program: &mut Program, elastic: Elastic) -> Self {
        let mut found = Self::default();
        for (part, entry) in problem.parts.iter().enumerate() {
            let name = &entry.name;
            let layout = |index| format!("x {name} {index}");
            let choices = 0..entry.candidates.len();
            found
                .layouts
                .push(choices.map(|index| program.variable(layout(index), Some(1))).collect());
            for (shape, size) in entry.shapes.iter().enumerate() {
                let most = most(problem, part, *size);
                found.add_counts(problem, program, elastic, (part, shape, *size), most);
                found.add_pools(problem, program, (part, shape), most);
            }
        }
        if let Some(level) = problem.leader_level() {
            let domains = problem.domains(level).len();
            for (part, entry) in problem.parts.iter().enumerate() {
                let leaders = entry.candidates.iter().any(|candidate| candidate.leaders > 0);
                for domain in (0..domains).filter(|_| leaders) {
                    let var = program.variable(format!("m {} {domain}", entry.name), None);
                    found.leaders.push((part, domain, var));
                }
            }
        }
        for host in &problem.hosts {
            found.used.push(program.variable(format!("u {}", host.host.name), Some(1)));
        }
        found
    }

    fn add_counts(
        &mut self,
        problem: &Problem,
        program: &mut Program,
        elastic: Elastic,
        (part, shape, size): (usize, usize, Shape),
        most: u64,
    ) {
        for (host, entry) in problem.hosts.iter().enumerate() {
            if !problem.is_eligible(host, size) {
                continue;
            }
            let cores = problem.cores(host, size).max(1);
            for (at, numa) in entry.numa.iter().enumerate() {
                let mut fit = most;
                if !elastic.cores {
                    fit = fit.min(numa.cores / cores);
                }
                if !elastic.memory {
                    fit = fit.min(problem.fit_memory(host, numa, size));
                }
                if fit > 0 {
                    let name = format!("n {part} {shape} {} {at}", entry.host.name);
                    let var = program.variable(name, Some(fit));
                    self.by_host.entry(host).or_default().push(self.counts.len());
                    let is_witness = size.is_witness;
                    self.counts.push(InstanceCount { part, shape, host, at, is_witness, var });
                }
            }
        }
    }

    fn add_pools(
        &mut self,
        problem: &Problem,
        program: &mut Program,
        (part, shape): (usize, usize),
        most: u64,
    ) {
        for (host, entry) in problem.hosts.iter().enumerate() {
            for at in (0..entry.pools.len()).filter(|_| entry.pools.len() > 1) {
                let name = format!("q {part} {shape} {} {at}", entry.host.name);
                let var = program.variable(name, Some(most));
                self.pools.push(InstanceCount { part, shape, host, at, is_witness: false, var });
            }
        }
    }

    /// Returns the counts on a host.
    pub fn on_host(&self, host: usize) -> impl Iterator<Item = &InstanceCount> {
        let indices = self.by_host.get(&host).into_iter().flatten();
        indices.filter_map(|index| self.counts.get(*index))
    }

    /// Returns the counts on a NUMA node.
    pub fn on_numa(&self, host: usize, at: usize) -> impl Iterator<Item = &InstanceCount> {
        self.on_host(host).filter(move |count| count.at == at)
    }

    /// Returns the instances of a part on some hosts: its witnesses, or all others.
    #[must_use]
    pub fn on(&self, part: usize, hosts: &[usize], witnesses: bool) -> Sum {
        let counts = hosts.iter().flat_map(|host| self.on_host(*host));
        let of = |count: &&InstanceCount| count.part == part && count.is_witness == witnesses;
        let mut found: Vec<Var> = counts.filter(of).map(|count| count.var).collect();
        // In the order of the variables, whatever the hosts' order.
        found.sort_unstable();
        found.into_iter().map(|var| (1, var)).collect()
    }
}

/// Returns the most instances of a shape that any layout has.
fn most(problem: &Problem, part: usize, shape: Shape) -> u64 {
    let part = problem.parts.get(part);
    let candidates = part.into_iter().flat_map(|part| &part.candidates);
    let counts = candidates.map(|candidate| u64::from(Part::count(candidate, shape)));
    counts.max().unwrap_or(0)
}

//! The relaxation over classes of hosts and layouts: valid inequalities that hold for every
//! plan, wherever instances are placed.
//!
//! Give each item a value. No host of class `c` holds more value than `U[c]`, so the
//! hosts in use hold the value of all instances only if
//!
//! ```text
//! Σ_c U[c] · y[c] >= Σ_{p,l} value(l) · x[p,l]       0 <= y[c] <= hosts of c
//! ```
//!
//! What an instance takes of a resource is such a value (then `U` is the host's capacity),
//! and so are the dual prices of column generation (then `U` is a knapsack's bound). The
//! least cost under these rows in whole hosts is a bound for every plan; the layouts that
//! reach it are the first guess.

use super::bins::{BinPacking, Item, int};
use super::knapsack::{DIMENSIONS, UNLIMITED};
use super::master_rows::max_per_domain;
use crate::model::{Part, PartKind, Program, Sum, Var};
use crate::sizing::Candidate;

/// A valid inequality: the hosts in use must hold the value of all instances.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// Most value that a host of each class holds.
    pub capacity: Vec<i64>,
    /// Value by part and candidate.
    pub demand: Vec<Vec<i64>>,
}

/// The program of the relaxation.
pub(super) struct Relaxation {
    pub program: Program,
    /// Hosts in use, by class.
    pub hosts: Vec<Var>,
    /// Layouts, by part and candidate.
    pub layouts: Vec<Vec<Var>>,
}

impl Relaxation {
    /// Builds the program from the capacities of hosts and further valid inequalities.
    pub(super) fn new(packing: &BinPacking, cuts: &[Cut]) -> Self {
        Self::with_surplus(packing, cuts, 0)
    }

    /// Does so for hosts that hold that many thousandths more than is asked.
    pub(super) fn with_surplus(packing: &BinPacking, cuts: &[Cut], surplus: i64) -> Self {
        let mut program = Program::default();
        let hosts: Vec<Var> = (0..)
            .zip(&packing.classes)
            .map(|(class, one): (usize, _)| {
                let most = u64::try_from(one.hosts.len()).unwrap_or(u64::MAX);
                program.variable(format!("hosts of class {class}"), Some(most))
            })
            .collect();
        let layouts: Vec<Vec<Var>> = packing
            .problem
            .parts
            .iter()
            .map(|part| {
                let name = |at: usize| format!("x {} {at}", part.name);
                let all = 0..part.candidates.len();
                all.map(|at| program.variable(name(at), Some(1))).collect()
            })
            .collect();
        for (part, choice) in packing.problem.parts.iter().zip(&layouts) {
            let chosen: Sum = choice.iter().map(|var| (1, *var)).collect();
            match part.kind {
                PartKind::Service(_) => program.at_most(chosen, 1),
                PartKind::Fixed(_) => program.equal(chosen, 1),
            }
        }
        if let Some(addresses) = packing.problem.addresses {
            let mut all = Sum::default();
            for (part, choice) in packing.problem.parts.iter().zip(&layouts) {
                for (candidate, var) in part.candidates.iter().zip(choice) {
                    all.add(candidate.layout.all_instances().into(), *var);
                }
            }
            program.at_most(all, int(addresses));
        }
        let mut found = Self { program, hosts, layouts };
        for cut in volumes(packing).iter().chain(cuts) {
            found.add(cut, surplus);
        }
        found.fix_dominated(packing, cuts);
        found
    }

    /// Fixes dominated layouts at zero: another leaves no more unserved and takes no more in
    /// any row or sum, so what these rows allow is the same without them.
    fn fix_dominated(&mut self, packing: &BinPacking, cuts: &[Cut]) {
        let all: Vec<Cut> = (0..DIMENSIONS).map(|at| volume(packing, at)).collect();
        for (part, layouts) in self.layouts.iter().enumerate() {
            let candidates =
                packing.problem.parts.get(part).into_iter().flat_map(|p| &p.candidates);
            let takes =
                |cut: &Cut, at: usize| cut.demand.get(part).and_then(|a| a.get(at)).copied();
            let of = |(at, candidate): (usize, &Candidate)| {
                let own =
                    [int(candidate.unmet_per_s.get()), candidate.layout.all_instances().into()];
                let rows = all.iter().chain(cuts).map(|cut| takes(cut, at).unwrap_or(0));
                own.into_iter().chain(rows).collect()
            };
            let needs: Vec<Vec<i64>> = candidates.enumerate().map(of).collect();
            for (at, (own, var)) in needs.iter().zip(layouts).enumerate() {
                let is_better = |(other, needs): (usize, &Vec<i64>)| {
                    let no_more = needs.iter().zip(own).all(|(a, b)| a <= b);
                    no_more && (other < at || needs != own)
                };
                if needs.iter().enumerate().any(is_better) {
                    self.program.fix_at_zero(*var);
                }
            }
        }
    }

    /// Adds a valid inequality.
    fn add(&mut self, cut: &Cut, surplus: i64) {
        let mut row = Sum::default();
        for (capacity, var) in cut.capacity.iter().zip(&self.hosts) {
            row.add(-*capacity, *var);
        }
        let more = |demand: i64| {
            let more = i128::from(demand) * i128::from(1000 + surplus) / 1000;
            i64::try_from(more).unwrap_or(i64::MAX)
        };
        for (demand, choice) in cut.demand.iter().zip(&self.layouts) {
            for (demand, var) in demand.iter().zip(choice) {
                row.add(more(*demand), *var);
            }
        }
        self.program.at_most(row, 0);
    }

    /// Returns the cost of the hosts in use.
    pub(super) fn cost(&self, packing: &BinPacking) -> Sum {
        packing.classes.iter().map(|class| class.cost).zip(self.hosts.iter().copied()).collect()
    }

    /// Returns the least that the chosen layouts take of a dimension.
    pub(super) fn takes(&self, packing: &BinPacking, dimension: usize) -> Sum {
        let cut = volume(packing, dimension);
        let mut sum = Sum::default();
        for (demand, choice) in cut.demand.iter().zip(&self.layouts) {
            for (demand, var) in demand.iter().zip(choice) {
                sum.add(*demand, *var);
            }
        }
        sum
    }
}

/// Returns the valid inequality of each dimension that hosts limit.
pub(super) fn volumes(packing: &BinPacking) -> Vec<Cut> {
    let limited = (0..DIMENSIONS).map(|dimension| volume(packing, dimension));
    let is_limit = |cut: &Cut| {
        cut.capacity.iter().all(|capacity| *capacity < UNLIMITED)
            && cut.demand.iter().flatten().any(|a| *a > 0)
    };
    limited.filter(is_limit).collect()
}

/// Returns for each part that every host in use counts once, and that its instances need so many
/// failure domains, which are at least as many hosts.
pub(super) fn spreads(packing: &BinPacking) -> Vec<Cut> {
    let problem = packing.problem;
    let is_automatic = problem.quorum_levels().next().is_some();
    let domains = |part: usize, entry: &Part, candidate: &Candidate| {
        let instances = i64::from(candidate.layout.instances);
        let is_spread = matches!(entry.kind, PartKind::Fixed(_)) || !problem.survive.is_empty();
        let most = max_per_domain(&problem.parts, part, candidate).max(1);
        let spread = if is_spread { (instances + most - 1) / most } else { 0 };
        let leaders = i64::from(candidate.leaders);
        let minority = (leaders - 1) / 2;
        let voting = if entry.votes() && is_automatic && minority > 0 {
            (leaders + minority - 1) / minority
        } else {
            0
        };
        spread.max(voting)
    };
    let of = |(part, entry): (usize, &Part)| {
        let own: Vec<i64> = entry.candidates.iter().map(|one| domains(part, entry, one)).collect();
        own.iter().any(|count| *count > 1).then(|| {
            let mut demand: Vec<Vec<i64>> =
                problem.parts.iter().map(|part| vec![0; part.candidates.len()]).collect();
            if let Some(demand) = demand.get_mut(part) {
                *demand = own;
            }
            Cut { capacity: vec![1; packing.classes.len()], demand }
        })
    };
    problem.parts.iter().enumerate().filter_map(of).collect()
}

fn volume(packing: &BinPacking, dimension: usize) -> Cut {
    let values: Vec<i64> = (0..packing.items.len())
        .map(|item| packing.least(item).get(dimension).copied().unwrap_or(0))
        .collect();
    let capacity = packing.classes.iter().map(|class| class.capacity.get(dimension).copied());
    Cut {
        capacity: capacity.map(|capacity| capacity.unwrap_or(0)).collect(),
        demand: demands(packing, &values),
    }
}

/// Returns the value of each candidate's instances, by part.
pub(super) fn demands(packing: &BinPacking, values: &[i64]) -> Vec<Vec<i64>> {
    let parts = packing.problem.parts.iter().enumerate();
    let of = |(index, part): (usize, &Part)| {
        let range = packing.index(index, 0)..packing.index(index + 1, 0);
        let items = packing.items.get(range.clone()).unwrap_or_default();
        let own: Vec<_> = items.iter().zip(values.get(range).unwrap_or_default()).collect();
        let value = |candidate: &Candidate| {
            own.iter().fold(0i64, |sum, (item, value)| {
                let count = i64::from(Part::count(candidate, item.size));
                sum.saturating_add(count.saturating_mul(**value))
            })
        };
        part.candidates.iter().map(value).collect()
    };
    parts.map(of).collect()
}

/// Counts the instances of each item under these layouts.
pub(super) fn counts(packing: &BinPacking, chosen: &[Option<usize>]) -> Vec<i64> {
    let of = |item: &Item| {
        let part = packing.problem.parts.get(item.part)?;
        let candidate = part.candidates.get(chosen.get(item.part).copied().flatten()?)?;
        Some(i64::from(Part::count(candidate, item.size)))
    };
    packing.items.iter().map(|item| of(item).unwrap_or(0)).collect()
}

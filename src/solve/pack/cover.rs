//! The least that all classes of hosts must cost, whatever stands where.
//!
//! Give each item a value. No host of class `c` holds more value than `U[c]`, so
//! the hosts in use hold the value of all instances only if
//!
//! ```text
//! Σ_c U[c] · y[c] >= Σ_{p,l} value(l) · x[p,l]       0 <= y[c] <= hosts of c
//! ```
//!
//! What an instance takes of a resource is such a value (then `U` is what the host
//! has), and so are the prices that column generation finds (then `U` is a knapsack's
//! bound). All these rows hold for every plan, so the least cost under them in whole
//! hosts is a bound for every plan; the layouts that reach it are the first guess.

use super::goods::{Goods, int};
use super::knapsack::{DIMENSIONS, UNLIMITED};
use crate::model::{Part, PartKind, Program, Sum, Var};
use crate::sizing::Candidate;

/// A value of items that every plan must find room for.
#[derive(Clone, Debug)]
pub(super) struct Cut {
    /// Most that a host of each class holds.
    pub holds: Vec<i64>,
    /// Value by part and candidate.
    pub asks: Vec<Vec<i64>>,
}

/// The rows over classes and layouts.
pub(super) struct Cover {
    pub program: Program,
    /// Hosts in use, by class.
    pub hosts: Vec<Var>,
    /// Layouts, by part and candidate.
    pub layouts: Vec<Vec<Var>>,
}

impl Cover {
    /// The rows that hold for every plan.
    pub(super) fn new(goods: &Goods, cuts: &[Cut]) -> Self {
        let mut program = Program::default();
        let hosts: Vec<Var> = (0..)
            .zip(&goods.classes)
            .map(|(class, one): (usize, _)| {
                let most = u64::try_from(one.hosts.len()).unwrap_or(u64::MAX);
                program.variable(format!("hosts of class {class}"), Some(most))
            })
            .collect();
        let layouts: Vec<Vec<Var>> = goods
            .problem
            .parts
            .iter()
            .map(|part| {
                let name = |at: usize| format!("x {} {at}", part.name);
                let all = 0..part.candidates.len();
                all.map(|at| program.variable(name(at), Some(1))).collect()
            })
            .collect();
        for (part, choice) in goods.problem.parts.iter().zip(&layouts) {
            let chosen: Sum = choice.iter().map(|var| (1, *var)).collect();
            match part.kind {
                PartKind::Service(_) => program.at_most(chosen, 1),
                PartKind::Fixed(_) => program.equal(chosen, 1),
            }
        }
        if let Some(addresses) = goods.problem.addresses {
            let mut all = Sum::default();
            for (part, choice) in goods.problem.parts.iter().zip(&layouts) {
                for (candidate, var) in part.candidates.iter().zip(choice) {
                    all.add(candidate.layout.all_instances().into(), *var);
                }
            }
            program.at_most(all, int(addresses));
        }
        let mut found = Self { program, hosts, layouts };
        for cut in volumes(goods).iter().chain(cuts) {
            found.add(cut);
        }
        found.close_dominated(goods, cuts);
        found
    }

    /// Closes layouts beside which another leaves no more unserved and asks for no
    /// more in any row or sum: what these rows allow is the same without them.
    fn close_dominated(&mut self, goods: &Goods, cuts: &[Cut]) {
        let all: Vec<Cut> = (0..DIMENSIONS).map(|at| volume(goods, at)).collect();
        for (part, layouts) in self.layouts.iter().enumerate() {
            let candidates = goods.problem.parts.get(part).into_iter().flat_map(|p| &p.candidates);
            let asks = |cut: &Cut, at: usize| cut.asks.get(part).and_then(|a| a.get(at)).copied();
            let of = |(at, candidate): (usize, &Candidate)| {
                let own =
                    [int(candidate.unmet_per_s.get()), candidate.layout.all_instances().into()];
                let rows = all.iter().chain(cuts).map(|cut| asks(cut, at).unwrap_or(0));
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

    fn add(&mut self, cut: &Cut) {
        let mut row = Sum::default();
        for (holds, var) in cut.holds.iter().zip(&self.hosts) {
            row.add(-*holds, *var);
        }
        for (asks, choice) in cut.asks.iter().zip(&self.layouts) {
            for (asks, var) in asks.iter().zip(choice) {
                row.add(*asks, *var);
            }
        }
        self.program.at_most(row, 0);
    }

    /// Cost of the hosts in use.
    pub(super) fn cost(&self, goods: &Goods) -> Sum {
        goods.classes.iter().map(|class| class.cost).zip(self.hosts.iter().copied()).collect()
    }

    /// The least that the chosen layouts take of a dimension.
    pub(super) fn takes(&self, goods: &Goods, dimension: usize) -> Sum {
        let cut = volume(goods, dimension);
        let mut sum = Sum::default();
        for (asks, choice) in cut.asks.iter().zip(&self.layouts) {
            for (asks, var) in asks.iter().zip(choice) {
                sum.add(*asks, *var);
            }
        }
        sum
    }
}

/// The sums that every plan needs, one per resource that hosts limit.
pub(super) fn volumes(goods: &Goods) -> Vec<Cut> {
    let limited = (0..DIMENSIONS).map(|dimension| volume(goods, dimension));
    let is_limit = |cut: &Cut| {
        cut.holds.iter().all(|holds| *holds < UNLIMITED)
            && cut.asks.iter().flatten().any(|a| *a > 0)
    };
    limited.filter(is_limit).collect()
}

fn volume(goods: &Goods, dimension: usize) -> Cut {
    let values: Vec<i64> = (0..goods.items.len())
        .map(|item| goods.least(item).get(dimension).copied().unwrap_or(0))
        .collect();
    let holds = goods.classes.iter().map(|class| class.capacity.get(dimension).copied());
    Cut { holds: holds.map(|holds| holds.unwrap_or(0)).collect(), asks: asks(goods, &values) }
}

/// Value of each candidate's instances.
pub(super) fn asks(goods: &Goods, values: &[i64]) -> Vec<Vec<i64>> {
    let parts = goods.problem.parts.iter().enumerate();
    let of = |(index, part): (usize, &Part)| {
        let own: Vec<_> =
            goods.items.iter().zip(values).filter(|(item, _)| item.part == index).collect();
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

/// Instances of each item under these layouts.
pub(super) fn counts(goods: &Goods, chosen: &[Option<usize>]) -> Vec<i64> {
    let of = |item: &super::goods::Item| {
        let part = goods.problem.parts.get(item.part)?;
        let candidate = part.candidates.get(chosen.get(item.part).copied().flatten()?)?;
        Some(i64::from(Part::count(candidate, item.size)))
    };
    goods.items.iter().map(|item| of(item).unwrap_or(0)).collect()
}

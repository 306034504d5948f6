//! Layouts that no plan can have any more: those that leave demand unserved once
//! all of it is served, and those that take more than a tier has come to.

use std::collections::BTreeSet;

use crate::model::{Goal, Model, Part, Problem, Shape, Var};
use crate::sizing::Candidate;

/// What the layouts are made of.
pub(super) struct Layouts<'a> {
    problem: &'a Problem<'a>,
    /// By part and candidate: shapes, and how many instances have them.
    instances: Vec<Vec<Vec<(usize, u64)>>>,
}

impl<'a> Layouts<'a> {
    pub(super) fn new(problem: &'a Problem<'a>) -> Self {
        let of = |part: &Part| {
            let made = |candidate: &Candidate| part.instances(candidate).collect();
            part.candidates.iter().map(made).collect()
        };
        Self { problem, instances: problem.parts.iter().map(of).collect() }
    }

    /// Takes out what is worse than a value of a tier.
    pub(super) fn prune(&self, model: &mut Model, goal: Goal, value: u64) {
        match goal {
            Goal::Unmet if value == 0 => self.serve_all(model),
            Goal::Cores => self.at_most(model, value, |shape| self.cores(shape)),
            Goal::Memory => self.at_most(model, value, |shape| shape.memory_mib),
            _ => {}
        }
    }

    /// Takes out layouts that leave demand unserved.
    fn serve_all(&self, model: &mut Model) {
        for (part, layouts) in self.problem.parts.iter().zip(&model.variables.layouts) {
            for (candidate, var) in part.candidates.iter().zip(layouts) {
                if candidate.unmet_per_s.get() > 0 {
                    model.program.fix_at_zero(*var);
                }
            }
        }
        self.close_shapes(model);
    }

    /// Takes out layouts that take so much that all together take more than `most`,
    /// however little the others take.
    fn at_most(&self, model: &mut Model, most: u64, need: impl Fn(&Shape) -> u64) {
        let of = |(part, layouts): (usize, &Vec<Var>)| {
            let shapes = self.problem.parts.get(part).map_or(&[][..], |part| &part.shapes);
            let needs: Vec<u64> = shapes.iter().map(&need).collect();
            let takes = |instances: &Vec<(usize, u64)>| {
                let each = instances.iter();
                let each = each.map(|(at, count)| needs.get(*at).map_or(0, |need| need * count));
                each.fold(0, u64::saturating_add)
            };
            let instances = self.instances.get(part).into_iter().flatten();
            let open = layouts.iter().zip(instances);
            let open = open.filter(|(var, _)| !model.program.is_fixed_at_zero(**var));
            open.map(|(var, instances)| (*var, takes(instances))).collect()
        };
        let all: Vec<Vec<(Var, u64)>> =
            model.variables.layouts.iter().enumerate().map(of).collect();
        let least = |own: &Vec<(Var, u64)>| own.iter().map(|(_, takes)| *takes).min().unwrap_or(0);
        let total = all.iter().map(least).fold(0, u64::saturating_add);
        for own in &all {
            let others = total.saturating_sub(least(own));
            for (var, takes) in own {
                if others.saturating_add(*takes) > most {
                    model.program.fix_at_zero(*var);
                }
            }
        }
        self.close_shapes(model);
    }

    /// Takes out instances that none of the layouts has that are left.
    fn close_shapes(&self, model: &mut Model) {
        let mut open = BTreeSet::new();
        for (part, (layouts, all)) in
            model.variables.layouts.iter().zip(&self.instances).enumerate()
        {
            for (var, instances) in layouts.iter().zip(all) {
                if !model.program.is_fixed_at_zero(*var) {
                    open.extend(instances.iter().map(|(shape, _)| (part, *shape)));
                }
            }
        }
        for count in model.variables.counts.iter().chain(&model.variables.pools) {
            if !open.contains(&(count.part, count.shape)) {
                model.program.fix_at_zero(count.var);
            }
        }
    }

    /// Returns the cores of an instance where it takes the fewest.
    fn cores(&self, shape: &Shape) -> u64 {
        let problem = self.problem;
        let hosts = (0..problem.hosts.len()).filter(|host| problem.is_eligible(*host, *shape));
        hosts.map(|host| problem.cores(host, *shape)).min().unwrap_or(0)
    }
}

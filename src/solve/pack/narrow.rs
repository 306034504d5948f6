//! A few layouts of each service instead of all: those that take least, as the
//! resources are scarce, and the one that the bound counts on.

use super::cover::counts;
use super::fill::Scale;
use super::goods::{Goods, int};
use crate::model::{Part, Problem, Shape};

/// Layouts that are kept of each part.
const KEPT: usize = 6;

/// A problem with few layouts, and what their indices were.
pub(super) struct Narrow<'p> {
    pub problem: Problem<'p>,
    /// By part: the candidates that were kept.
    candidates: Vec<Vec<usize>>,
    /// By part: the shapes that these have.
    shapes: Vec<Vec<usize>>,
}

impl<'p> Narrow<'p> {
    pub(super) fn new(goods: &Goods<'p>, chosen: &[Option<usize>]) -> Self {
        let problem = goods.problem;
        let scale = Scale::new(goods, &counts(goods, chosen));
        let mut found = Self {
            problem: Problem { parts: Vec::new(), ..problem.clone() },
            candidates: Vec::new(),
            shapes: Vec::new(),
        };
        for (index, part) in problem.parts.iter().enumerate() {
            let weight = |at: usize| {
                let own = goods.items.iter().enumerate().filter(|(_, item)| item.part == index);
                let one = part.candidates.get(at);
                let of = |(item, own): (usize, &super::goods::Item)| {
                    let count = one.map_or(0, |one| Part::count(one, own.size).into());
                    scale.weigh(&goods.least(item).map(|need| need.saturating_mul(count)))
                };
                own.map(of).sum::<f64>()
            };
            let mut order: Vec<(f64, usize)> =
                (0..part.candidates.len()).map(|at| (weight(at), at)).collect();
            order.sort_by(|(a, x), (b, y)| a.total_cmp(b).then(x.cmp(y)));
            let own = chosen.get(index).copied().flatten();
            let mut kept: Vec<usize> = order.into_iter().take(KEPT).map(|(_, at)| at).collect();
            kept.extend(own.filter(|own| !kept.contains(own)));
            kept.sort_unstable();
            let candidates: Vec<_> =
                kept.iter().filter_map(|at| part.candidates.get(*at)).cloned().collect();
            let has = |shape: &Shape| candidates.iter().any(|one| Part::count(one, *shape) > 0);
            let shapes: Vec<usize> = (0..)
                .zip(&part.shapes)
                .filter(|(_, shape)| has(shape))
                .map(|(at, _): (usize, _)| at)
                .collect();
            found.problem.parts.push(Part {
                name: part.name.clone(),
                kind: part.kind,
                candidates,
                shapes: shapes.iter().filter_map(|at| part.shapes.get(*at)).copied().collect(),
            });
            found.candidates.push(kept);
            found.shapes.push(shapes);
        }
        found
    }

    /// Whether nothing was left out.
    pub(super) fn is_whole(&self, whole: &Problem) -> bool {
        let pairs = self.problem.parts.iter().zip(&whole.parts);
        pairs.into_iter().all(|(own, whole)| own.candidates.len() == whole.candidates.len())
    }

    /// Index of a candidate of the whole problem among those that were kept.
    pub(super) fn inward(&self, chosen: &[Option<usize>]) -> Vec<Option<usize>> {
        let of = |(kept, chosen): (&Vec<usize>, &Option<usize>)| {
            kept.iter().position(|kept| Some(*kept) == *chosen)
        };
        self.candidates.iter().zip(chosen).map(of).collect()
    }

    /// The other way round.
    pub(super) fn outward(&self, chosen: &[Option<usize>]) -> Vec<Option<usize>> {
        let of = |(kept, chosen): (&Vec<usize>, &Option<usize>)| kept.get((*chosen)?).copied();
        self.candidates.iter().zip(chosen).map(of).collect()
    }

    /// Index of a shape in the whole problem.
    pub(super) fn shape(&self, part: usize, shape: usize) -> usize {
        self.shapes.get(part).and_then(|shapes| shapes.get(shape)).copied().unwrap_or(shape)
    }
}

/// Memory of all instances.
pub(super) fn memory(goods: &Goods, demand: &[i64]) -> i64 {
    let of = |(item, count): (&super::goods::Item, &i64)| {
        int(item.size.memory_mib).saturating_mul(*count)
    };
    goods.items.iter().zip(demand).map(of).fold(0, i64::saturating_add)
}

/// Work that these layouts leave unserved; all of a service that has none.
pub(super) fn unmet(problem: &Problem, chosen: &[Option<usize>]) -> i64 {
    let of = |(part, chosen): (&Part, &Option<usize>)| {
        let work = part.candidates.iter().filter_map(|one| one.capacity.as_ref());
        let whole = work.map(|capacity| int(capacity.demand_per_s.get()).max(1)).max()?;
        let one = chosen.and_then(|chosen| part.candidates.get(chosen));
        Some(one.map_or(whole, |one| int(one.unmet_per_s.get())))
    };
    problem.parts.iter().zip(chosen).filter_map(of).fold(0, i64::saturating_add)
}

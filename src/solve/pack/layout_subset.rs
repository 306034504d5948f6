//! A few layouts of each service instead of all: those that take least, as the
//! resources are scarce, and the one that the bound counts on.

use super::super::tiers::is_small;
use super::best_fit::Weights;
use super::bins::{BinPacking, Item};
use super::relaxation::counts;
use crate::model::{Part, Problem, Shape};

/// Layouts that are kept of each part: where the program per host is small, which knows all of
/// them, and where packing is all there is.
const KEPT: [usize; 2] = [12, 100];

/// A problem with few layouts, and what their indices were.
pub(super) struct LayoutSubset<'p> {
    pub problem: Problem<'p>,
    /// By part: the candidates that were kept.
    candidates: Vec<Vec<usize>>,
    /// By part: the shapes that these have.
    shapes: Vec<Vec<usize>>,
}

impl<'p> LayoutSubset<'p> {
    pub(super) fn new(packing: &BinPacking<'p>, chosen: &[Option<usize>]) -> Self {
        let problem = packing.problem;
        let most = KEPT[usize::from(!is_small(problem, None))];
        let weights = Weights::new(packing, &counts(packing, chosen));
        let mut found = Self {
            problem: Problem { parts: Vec::new(), ..problem.clone() },
            candidates: Vec::new(),
            shapes: Vec::new(),
        };
        for (index, part) in problem.parts.iter().enumerate() {
            let kept = smallest(
                packing,
                &weights,
                (index, part),
                (chosen.get(index).copied().flatten(), most),
            );
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
    pub(super) fn is_full(&self, full: &Problem) -> bool {
        let pairs = self.problem.parts.iter().zip(&full.parts);
        pairs.into_iter().all(|(own, full)| own.candidates.len() == full.candidates.len())
    }

    /// Returns the index of a candidate of the whole problem among those that were kept.
    pub(super) fn to_subset(&self, chosen: &[Option<usize>]) -> Vec<Option<usize>> {
        let of = |(kept, chosen): (&Vec<usize>, &Option<usize>)| {
            kept.iter().position(|kept| Some(*kept) == *chosen)
        };
        self.candidates.iter().zip(chosen).map(of).collect()
    }

    /// Returns the indices in the whole problem of candidates of the subset.
    pub(super) fn to_full(&self, chosen: &[Option<usize>]) -> Vec<Option<usize>> {
        let of = |(kept, chosen): (&Vec<usize>, &Option<usize>)| kept.get((*chosen)?).copied();
        self.candidates.iter().zip(chosen).map(of).collect()
    }

    /// Returns the index of a shape in the whole problem.
    pub(super) fn shape(&self, part: usize, shape: usize) -> usize {
        self.shapes.get(part).and_then(|shapes| shapes.get(shape)).copied().unwrap_or(shape)
    }
}

/// Returns so many layouts of a part at most, those that take least, and the chosen one.
fn smallest(
    packing: &BinPacking,
    weights: &Weights,
    (index, part): (usize, &Part),
    (chosen, most): (Option<usize>, usize),
) -> Vec<usize> {
    let weight = |at: usize| {
        let own = packing.items.iter().enumerate().filter(|(_, item)| item.part == index);
        let one = part.candidates.get(at);
        let of = |(item, own): (usize, &Item)| {
            let count = one.map_or(0, |one| Part::count(one, own.size).into());
            weights.weigh(&packing.least(item).map(|need| need.saturating_mul(count)))
        };
        own.map(of).sum::<f64>()
    };
    let mut order: Vec<(f64, usize)> =
        (0..part.candidates.len()).map(|at| (weight(at), at)).collect();
    order.sort_by(|(a, x), (b, y)| a.total_cmp(b).then(x.cmp(y)));
    let mut kept: Vec<usize> = order.into_iter().take(most).map(|(_, at)| at).collect();
    kept.extend(chosen.filter(|own| !kept.contains(own)));
    kept.sort_unstable();
    kept
}

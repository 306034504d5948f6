//! Whole columns: which fillings are used how often, and hosts made of them.
//!
//! The program of `columns.rs` over the columns that were found, in integers. What
//! it chooses is put on real hosts, where every rule is looked at again; what finds
//! no place there goes where it fits.

use super::super::highs::{Answer, Effort, minimise};
use super::columns::{Column, Generated, Wide, count, max_per_domain};
use super::fill::{Queue, Reserve, Scale, Taste, best_fit, queue};
use super::goods::Goods;
use super::hosts::Hosts;
use crate::model::{Program, Sum, Var};

/// A choice of layouts and of columns with how often each is used.
pub(super) struct Chosen {
    pub layouts: Vec<Option<usize>>,
    pub columns: Vec<(Column, i64)>,
}

/// The cheapest choice of whole columns that is found.
pub(super) fn choose(
    goods: &Goods,
    generated: &Generated,
    (wide, shared): (&[Wide], &[(usize, usize)]),
    effort: &Effort,
) -> Option<Chosen> {
    let parts = &goods.problem.parts;
    let mut program = Program::default();
    let hosts: Vec<Var> = (0..goods.classes.len())
        .zip(&goods.classes)
        .map(|(at, class)| {
            program.variable(format!("hosts {at}"), u64::try_from(class.hosts.len()).ok())
        })
        .collect();
    let layouts: Vec<Vec<Var>> = parts
        .iter()
        .map(|part| {
            let all = 0..part.candidates.len();
            all.map(|at| program.variable(format!("x {} {at}", part.name), Some(1))).collect()
        })
        .collect();
    let uses: Vec<Var> = (0..generated.columns.len())
        .map(|at| program.variable(format!("column {at}"), None))
        .collect();
    for choice in &layouts {
        program.equal(choice.iter().map(|var| (1, *var)).collect(), 1);
    }
    let mut cover = vec![Sum::default(); goods.items.len()];
    let mut places = vec![Sum::default(); goods.places.len()];
    for (column, var) in generated.columns.iter().zip(&uses) {
        for (item, count) in &column.counts {
            if let Some(row) = cover.get_mut(*item) {
                row.add(-*count, *var);
            }
        }
        if let Some(row) = places.get_mut(column.place) {
            row.add(1, *var);
        }
    }
    for (item, mut row) in goods.items.iter().zip(cover) {
        let candidates = parts.get(item.part).into_iter().flat_map(|part| &part.candidates);
        for (candidate, var) in candidates.zip(layouts.get(item.part).into_iter().flatten()) {
            row.add(count(candidate, item.size), *var);
        }
        program.at_most(row, 0);
    }
    for (place, mut row) in goods.places.iter().zip(places) {
        if let Some(var) = hosts.get(place.class) {
            row.add(-place.times, *var);
        }
        program.at_most(row, 0);
    }
    let class_of = |column: &Column| goods.places.get(column.place).map_or(0, |p| p.class);
    for (class, dimension) in shared {
        let mut row = Sum::default();
        for (column, var) in generated.columns.iter().zip(&uses) {
            if class_of(column) == *class {
                row.add(goods.takes(class_of(column), &column.counts, *dimension), *var);
            }
        }
        let has = goods.classes.get(*class).and_then(|c| c.capacity.get(*dimension).copied());
        if let Some(var) = hosts.get(*class) {
            row.add(-has.unwrap_or(0), *var);
        }
        program.at_most(row, 0);
    }
    for wide in wide {
        let mut row = Sum::default();
        for (column, var) in generated.columns.iter().zip(&uses) {
            if wide.classes.contains(&class_of(column)) {
                row.add(goods.of_part(&column.counts, wide.part), *var);
            }
        }
        let candidates = parts.get(wide.part).into_iter().flat_map(|part| &part.candidates);
        for (candidate, var) in candidates.zip(layouts.get(wide.part).into_iter().flatten()) {
            row.add(-max_per_domain(parts, wide.part, candidate), *var);
        }
        program.at_most(row, 0);
    }
    let costs = goods.classes.iter().map(|class| class.cost).zip(hosts.iter().copied());
    let sum: Sum = costs.collect();
    let Ok(Answer::Found { values, .. }) = minimise(&program, &sum, effort, None) else {
        return None;
    };
    let value = |var: &Var| values.get(var.index()).copied().unwrap_or(0);
    let columns = generated.columns.iter().zip(&uses).map(|(c, var)| (c.clone(), value(var)));
    Some(Chosen {
        layouts: layouts.iter().map(|all| all.iter().position(|var| value(var) > 0)).collect(),
        columns: columns.filter(|(_, times)| *times > 0).collect(),
    })
}

/// Hosts made of columns; `None` if something is left without a place.
pub(super) fn build<'g>(
    goods: &'g Goods<'g>,
    chosen: &Chosen,
    demand: &[i64],
    (scale, reserve): (&Scale, &Reserve),
) -> Option<Hosts<'g>> {
    let mut hosts = Hosts::new(goods, &chosen.layouts);
    let mut left = demand.to_vec();
    let mut used = Vec::new();
    let mut columns: Vec<(Column, i64)> = chosen.columns.clone();
    // The fullest first, so that a surplus is taken from those that hold little.
    columns.sort_by_key(|(column, _)| {
        let class = goods.places.get(column.place).map_or(0, |place| place.class);
        (class, std::cmp::Reverse(goods.takes(class, &column.counts, 0)), column.clone())
    });
    for (class, one) in goods.classes.iter().enumerate() {
        for host in &one.hosts {
            let numa = goods.problem.hosts.get(*host).map_or(0, |host| host.numa.len());
            for numa in 0..numa {
                let Some(place) = goods.place_of(class, *host, numa) else { continue };
                let next = columns.iter_mut().find(|(c, times)| c.place == place && *times > 0);
                let Some((column, times)) = next else { continue };
                *times -= 1;
                for (item, count) in &column.counts {
                    let Some(size) = goods.items.get(*item) else { continue };
                    for _ in 0..*count {
                        let wanted = left.get(*item).is_some_and(|left| *left > 0);
                        let spot = hosts.fits((size.part, size.shape), *host, Some(numa));
                        if let Some(spot) = spot.filter(|_| wanted) {
                            hosts.put(spot);
                            if let Some(left) = left.get_mut(*item) {
                                *left -= 1;
                            }
                        }
                    }
                }
            }
            if hosts.is_used(*host) {
                used.push(*host);
            }
        }
    }
    let rest: Queue = queue(goods, &left, scale, None);
    let homeless = best_fit(&mut hosts, &rest, &mut used, (scale, Taste::Fullest), |hosts, one| {
        reserve.next(goods, hosts, one, i64::MAX)
    });
    homeless.is_empty().then_some(hosts)
}

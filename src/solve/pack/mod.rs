//! Large problems: equal hosts as classes, fillings as columns.
//!
//! | file | what |
//! | --- | --- |
//! | `goods.rs` | classes of equal hosts, items, kinds of NUMA node |
//! | `hosts.rs` | hosts as they fill up, every rule |
//! | `cover.rs` | rows over classes and layouts: a bound for every plan |
//! | `knapsack.rs` | what one NUMA node holds at most |
//! | `columns.rs` | column generation |
//! | `master.rs` | whole columns, hosts made of them |
//! | `narrow.rs` | a few layouts of each service |
//! | `squeeze.rs` | hosts chosen first, then filled |
//! | `fill.rs` | best fit, and better by taking hosts max_per_domain |
//! | `balance.rs` | the busiest host relieved, and how far that can go |
//!
//! Why, and how the bound is proved: `docs/packing.md`.

mod balance;
mod columns;
mod cover;
mod fill;
mod goods;
mod hosts;
mod knapsack;
mod master;
mod narrow;
mod squeeze;

use std::collections::BTreeMap;

use self::balance::{Floor, relieve};
use self::columns::Generation;
use self::cover::{Cover, Cut, counts};
use self::fill::{Reserve, Scale, Taste, best_fit, improve, queue};
use self::goods::Goods;
use self::hosts::{Hosts, Spot};
use self::narrow::Narrow;
use super::Deadline;
use super::highs::{Answer, Effort, minimise};
use super::tiers::{Placed, Solution, TierResult};
use crate::model::{Goal, Problem, TIERS, Var, Variables, bound_row, goal};

/// What packing came to.
pub(super) enum Packed {
    /// A plan that keeps all rules, each tier with its bound.
    Found(Box<Solution>),
    /// There is no plan: fixed machines cannot be placed.
    Infeasible,
    /// Nothing was found; there may be a plan.
    Nothing,
}

/// Rounds of taking hosts apart: for each first plan, and for the best at last.
const ROUNDS: [usize; 2] = [1_000, 2_000];
/// Nodes that the search for the least of the rows over classes looks at.
const COVER_NODES: i32 = 2_000;
/// Part of the time that column generation and whole columns may take.
const SHARE: f64 = 0.3;
/// Nodes that the search over whole columns looks at: the root and what it tries
/// there. More takes long and gains little over `squeeze`.
const NODES: i32 = 1;

/// Packs a problem.
pub(super) fn pack(problem: &Problem, deadline: &Deadline) -> Result<Packed, String> {
    if problem.parts.iter().any(|part| part.candidates.is_empty()) {
        return Ok(Packed::Nothing);
    }
    let whole = Goods::new(problem);
    let Some(first) = layouts(&whole, &[], None, deadline)? else { return Ok(Packed::Infeasible) };
    let narrow = Narrow::new(&whole, &first.chosen);
    let goods = Goods::new(&narrow.problem);
    let mut search = Search { goods: &goods, deadline, best: None };
    let own = Least { chosen: narrow.inward(&first.chosen), ..first.clone() };
    search.fill(&own);
    let mut bound = first.cost;
    let mut cuts = Vec::new();
    let is_whole = narrow::unmet(problem, &first.chosen) == 0;
    if is_whole && search.cost().is_none_or(|cost| cost > bound) {
        // What column generation proves holds for the layouts that it knows.
        cuts = search.generate(bound)?;
        if narrow.is_whole(problem)
            && let Some(again) = layouts(&goods, &cuts, None, deadline)?
        {
            bound = bound.max(again.cost);
            if search.cost().is_none_or(|cost| cost > bound) {
                search.fill(&again);
            }
        }
    }
    if is_whole {
        search.squeeze(&cuts, bound);
    }
    search.polish(bound);
    let Some((chosen, hosts)) = search.best.take() else { return Ok(Packed::Nothing) };
    // Without an answer in time nothing is proved of these.
    let unmet = narrow::unmet(problem, &narrow.outward(&chosen));
    let reached = Reached::new(&goods, &chosen, &hosts, unmet);
    let proof = if narrow.is_whole(problem) { &cuts[..] } else { &[] };
    let least = layouts(&whole, proof, Some(&reached), deadline).unwrap_or_default();
    let least = Least { unmet: first.unmet, cost: bound, ..least.unwrap_or_default() };
    let floor = Floor { cores: least.cores, largest: whole.largest() };
    let (hosts, busiest) = relieve(&goods, hosts, &chosen, floor, deadline)?;
    let found = finish(&goods, (&chosen, &hosts), (&least, &reached, busiest), deadline);
    Ok(found.map_or(Packed::Nothing, |found| Packed::Found(Box::new(outward(&narrow, found)))))
}

/// The solution in the indices of the whole problem.
fn outward(narrow: &Narrow, found: Solution) -> Solution {
    let shaped = |placed: Vec<Placed>| {
        let of = |one: Placed| Placed { shape: narrow.shape(one.part, one.shape), ..one };
        placed.into_iter().map(of).collect()
    };
    Solution {
        chosen: narrow.outward(&found.chosen),
        numa: shaped(found.numa),
        pools: shaped(found.pools),
        leaders: found.leaders,
        tiers: found.tiers,
    }
}

/// The least that rows over classes allow.
#[derive(Clone, Debug, Default)]
struct Least {
    chosen: Vec<Option<usize>>,
    /// Hosts in use by class.
    hosts: Vec<i64>,
    unmet: i64,
    cost: i64,
    cores: i64,
    memory: i64,
}

/// The least unmet demand, cost, cores and memory, in that order, and the
/// layouts that reach them. With `most` what a plan reached is allowed of each
/// before the next. `None` if there is no plan.
fn layouts(
    goods: &Goods,
    cuts: &[Cut],
    most: Option<&Reached>,
    deadline: &Deadline,
) -> Result<Option<Least>, String> {
    let mut cover = Cover::new(goods, cuts);
    let mut variables = Variables::default();
    variables.layouts.clone_from(&cover.layouts);
    let (unmet, constant) = goal(Goal::Unmet, goods.problem, &variables, &mut cover.program);
    let sums = [unmet, cover.cost(goods), cover.takes(goods, 0), cover.takes(goods, 1)];
    let mut bounds = [0i64; 4];
    let mut best: Option<Vec<i64>> = None;
    for (at, sum) in sums.into_iter().enumerate() {
        let effort = Effort { seconds: deadline.left() * SHARE, nodes: Some(COVER_NODES) };
        let (values, bound, reached) = if sum.is_empty() && best.is_some() {
            (best.take().unwrap_or_default(), 0, 0)
        } else {
            match minimise(&cover.program, &sum, &effort, best.as_deref())? {
                Answer::Infeasible => return Ok(None),
                Answer::Nothing => match best.take() {
                    Some(values) => {
                        let value = sum.value(&values);
                        (values, 0, value)
                    }
                    None => return Err("no bound in time".to_owned()),
                },
                Answer::Found { values, bound, .. } => {
                    let value = sum.value(&values);
                    (values, bound, value)
                }
            }
        };
        let allowed = match (most, at) {
            (Some(most), 1) => most.cost,
            (Some(most), 2) => most.cores,
            (Some(most), 3) => most.memory,
            _ => reached,
        };
        cover.program.rows.push(bound_row(sum, allowed));
        if let Some(place) = bounds.get_mut(at) {
            *place = bound;
        }
        best = Some(values);
    }
    let values = best.unwrap_or_default();
    let value = |var: &Var| values.get(var.index()).copied().unwrap_or(0);
    let chosen = cover.layouts.iter().map(|all| all.iter().position(|var| value(var) > 0));
    let [unmet, cost, cores, memory] = bounds;
    let unmet = unmet.saturating_add(constant);
    let hosts = cover.hosts.iter().map(value).collect();
    Ok(Some(Least { chosen: chosen.collect(), hosts, unmet, cost, cores, memory }))
}

/// What a plan reaches.
struct Reached {
    unmet: i64,
    cost: i64,
    cores: i64,
    memory: i64,
}

impl Reached {
    fn new(goods: &Goods, chosen: &[Option<usize>], hosts: &Hosts, unmet: i64) -> Self {
        let cores = (0..hosts.count()).map(|host| hosts.cores(host));
        Self {
            unmet,
            cost: hosts.cost(),
            cores: cores.map(|(left, has)| has - left).sum(),
            memory: narrow::memory(goods, &counts(goods, chosen)),
        }
    }
}

struct Search<'g> {
    goods: &'g Goods<'g>,
    deadline: &'g Deadline,
    best: Option<(Vec<Option<usize>>, Hosts<'g>)>,
}

impl<'g> Search<'g> {
    fn cost(&self) -> Option<i64> {
        self.best.as_ref().map(|(_, hosts)| hosts.cost())
    }

    /// Fills hosts with these layouts in several ways and keeps the cheapest: hosts
    /// opened as they are needed, or those that the bound counts on first.
    fn fill(&mut self, least: &Least) {
        let goods = self.goods;
        let chosen = &least.chosen;
        let demand = counts(goods, chosen);
        let scale = Scale::new(goods, &demand);
        let reserve = Reserve::new(goods, &scale);
        let planned: Vec<usize> = goods
            .classes
            .iter()
            .zip(&least.hosts)
            .flat_map(|(class, count)| {
                class.hosts.iter().copied().take(usize::try_from(*count).unwrap_or(0))
            })
            .collect();
        let mut best: Option<Hosts<'g>> = None;
        for by in [None, Some(0), Some(1), Some(2), Some(3), Some(4)] {
            let queue = queue(goods, &demand, &scale, by);
            for (taste, planned) in [
                (Taste::Fullest, &planned[..0]),
                (Taste::Fullest, &planned),
                (Taste::Alike, &planned),
            ] {
                if best.as_ref().is_some_and(|best| best.cost() <= least.cost) {
                    break;
                }
                let mut hosts = Hosts::new(goods, chosen);
                let mut used = planned.to_vec();
                let homeless =
                    best_fit(&mut hosts, &queue, &mut used, (&scale, taste), |hosts, one| {
                        reserve.next(goods, hosts, one, i64::MAX)
                    });
                let cheaper = best.as_ref().is_none_or(|best| hosts.cost() < best.cost());
                if homeless.is_empty() && cheaper {
                    best = Some(hosts);
                }
            }
        }
        if let Some(hosts) = best {
            self.offer((chosen, hosts), (&scale, &reserve), least.cost);
        }
    }

    /// Makes hosts better and keeps them if they are the cheapest so far.
    fn offer(
        &mut self,
        (chosen, mut hosts): (&[Option<usize>], Hosts<'g>),
        guide: (&Scale, &Reserve),
        bound: i64,
    ) {
        let mut rounds = 0;
        improve(self.goods, &mut hosts, guide, bound, || {
            rounds += 1;
            rounds <= ROUNDS[0] && self.deadline.left() > 0.0
        });
        let spots: Vec<Spot> = hosts.all().collect();
        let is_led = hosts::leaders(self.goods.problem, chosen, &spots).is_some();
        if is_led && self.cost().is_none_or(|cost| hosts.cost() < cost) {
            self.best = Some((chosen.to_vec(), hosts));
        }
    }

    /// Column generation: whole columns as a plan, and rows of proof.
    fn generate(&mut self, bound: i64) -> Result<Vec<Cut>, String> {
        let goods = self.goods;
        let mut generation = Generation::new(goods);
        if let Some((_, hosts)) = &self.best {
            generation.learn(hosts);
        }
        let until = self.deadline.spent() + self.deadline.left() * SHARE;
        let (generated, wide, shared) = generation.run(self.deadline, until)?;
        let effort = Effort { seconds: self.deadline.left() * SHARE, nodes: Some(NODES) };
        if let Some(chosen) = master::choose(goods, &generated, (&wide, &shared), &effort) {
            let demand = counts(goods, &chosen.layouts);
            let scale = Scale::new(goods, &demand);
            let reserve = Reserve::new(goods, &scale);
            if let Some(hosts) = master::build(goods, &chosen, &demand, (&scale, &reserve)) {
                self.offer((&chosen.layouts, hosts), (&scale, &reserve), bound);
            }
        }
        Ok(generated.cuts)
    }

    /// Hosts chosen first and filled, with the layouts of the best plan.
    fn squeeze(&mut self, cuts: &[Cut], bound: i64) {
        let Some((chosen, hosts)) = &self.best else { return };
        if hosts.cost() <= bound {
            return;
        }
        let better = squeeze::squeeze(self.goods, chosen, cuts, hosts.cost(), self.deadline);
        let Some(better) = better else { return };
        let spots: Vec<Spot> = better.all().collect();
        if hosts::leaders(self.goods.problem, chosen, &spots).is_some() {
            self.best = Some((chosen.clone(), better));
        }
    }

    /// Makes the best plan better as long as its cost is not proved.
    fn polish(&mut self, bound: i64) {
        let Some((chosen, hosts)) = &self.best else { return };
        let demand = counts(self.goods, chosen);
        let scale = Scale::new(self.goods, &demand);
        let reserve = Reserve::new(self.goods, &scale);
        let mut better = hosts.clone();
        let mut rounds = 0;
        improve(self.goods, &mut better, (&scale, &reserve), bound, || {
            rounds += 1;
            rounds <= ROUNDS[1] && self.deadline.left() > 0.0
        });
        let spots: Vec<Spot> = better.all().collect();
        if hosts::leaders(self.goods.problem, chosen, &spots).is_some() {
            self.best = Some((chosen.clone(), better));
        }
    }
}

/// A plan with what each tier reached; `None` if no majority can be kept.
fn finish(
    goods: &Goods,
    (chosen, hosts): (&[Option<usize>], &Hosts),
    (least, reached, busiest): (&Least, &Reached, (i64, i64)),
    deadline: &Deadline,
) -> Option<Solution> {
    let problem = goods.problem;
    if reached.unmet > 0 && least.unmet <= 0 {
        // Perhaps all could be served.
        return None;
    }
    let mut spots: Vec<Spot> = hosts.all().collect();
    spots.sort_unstable();
    let leaders = hosts::leaders(problem, chosen, &spots)?;
    let late = deadline.left() <= 0.0;
    // As in the program per host, nothing is made better of what is not whole.
    let goals = TIERS.into_iter().filter(|goal| reached.unmet == 0 || *goal == Goal::Unmet);
    let tiers = goals.filter_map(|goal| {
        let (value, bound) = match goal {
            Goal::Unmet => (reached.unmet, least.unmet),
            Goal::Cost => (reached.cost, least.cost),
            Goal::Cores => (reached.cores, least.cores),
            Goal::Memory => (reached.memory, least.memory),
            Goal::BusiestHost => busiest,
            Goal::MostLeaders => balance::leaders(problem, &leaders),
            // What has a prior plan is not packed.
            Goal::Moves | Goal::NumaMoves | Goal::Layouts | Goal::LeaderMoves => return None,
        };
        let bound = bound.min(value).max(0);
        Some(TierResult {
            goal,
            value: natural(value),
            bound: natural(bound),
            // All is found at once; most of the time goes into cost.
            seconds: if goal == Goal::Cost { deadline.spent() } else { 0.0 },
            limit_hit: late && bound < value,
        })
    });
    let tiers: Vec<TierResult> = tiers.collect();
    let several =
        |placed: &Placed| problem.hosts.get(placed.host).is_some_and(|host| host.pools.len() > 1);
    Some(Solution {
        chosen: chosen.to_vec(),
        numa: placed(&spots, |spot| spot.numa),
        pools: placed(&spots, |spot| spot.pool).into_iter().filter(several).collect(),
        leaders,
        tiers,
    })
}

fn placed(spots: &[Spot], at: impl Fn(&Spot) -> usize) -> Vec<Placed> {
    let mut counts: BTreeMap<(usize, usize, usize, usize), u64> = BTreeMap::new();
    for spot in spots {
        *counts.entry((spot.part, spot.shape, spot.host, at(spot))).or_default() += 1;
    }
    let one = |((part, shape, host, at), count)| Placed { part, shape, host, at, count };
    counts.into_iter().map(one).collect()
}

fn natural(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

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
//! | `fill.rs` | best fit, and better by taking hosts apart |
//! | `balance.rs` | the busiest host relieved, and how far that can go |

mod balance;
mod columns;
mod cover;
mod fill;
mod goods;
mod hosts;
mod knapsack;
mod master;

use std::collections::BTreeMap;

use self::columns::Generation;
use self::cover::{Cover, Cut, counts};
use self::fill::{Reserve, Scale, best_fit, improve, queue};
use self::goods::Goods;
use self::hosts::{Hosts, Spot};
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

/// Rounds of taking hosts apart, by pass.
const ROUNDS: usize = 3_000;
/// Part of the time that column generation and whole columns may take.
const SHARE: f64 = 0.3;
/// Nodes that the search over whole columns looks at.
const NODES: i32 = 2_000;

/// Packs a problem.
pub(super) fn pack(problem: &Problem, deadline: &Deadline) -> Result<Packed, String> {
    if problem.parts.iter().any(|part| part.candidates.is_empty()) {
        return Ok(Packed::Nothing);
    }
    let goods = Goods::new(problem);
    let mut search = Search { goods: &goods, deadline, cuts: Vec::new(), best: None };
    let Some(first) = search.layouts(None)? else { return Ok(Packed::Infeasible) };
    search.fill(&first.chosen);
    let mut bound = first.cost;
    if first.unmet == 0 && search.cost().is_none_or(|cost| cost > bound) {
        search.generate(&first)?;
        if let Some(again) = search.layouts(None)? {
            bound = bound.max(again.cost);
            if search.cost().is_none_or(|cost| cost > bound) {
                search.fill(&again.chosen);
            }
        }
    }
    search.finish(first.unmet, bound)
}

/// The least that rows over classes allow.
struct Least {
    chosen: Vec<Option<usize>>,
    unmet: i64,
    cost: i64,
    cores: i64,
    memory: i64,
}

struct Search<'a, 'p> {
    goods: &'a Goods<'p>,
    deadline: &'a Deadline,
    cuts: Vec<Cut>,
    best: Option<(Vec<Option<usize>>, Hosts<'p>)>,
}

impl<'p> Search<'_, 'p> {
    fn cost(&self) -> Option<i64> {
        self.best.as_ref().map(|(_, hosts)| hosts.cost())
    }

    /// The least unmet demand, cost, cores and memory, in that order, and the
    /// layouts that reach them; `most` is a cost that is allowed. `None` if there
    /// is no plan.
    fn layouts(&self, most: Option<i64>) -> Result<Option<Least>, String> {
        let goods = self.goods;
        let mut cover = Cover::new(goods, &self.cuts);
        let mut variables = Variables::default();
        variables.layouts.clone_from(&cover.layouts);
        let (unmet, constant) = goal(Goal::Unmet, goods.problem, &variables, &mut cover.program);
        let sums = [unmet, cover.cost(goods), cover.takes(goods, 0), cover.takes(goods, 1)];
        let mut bounds = [0i64; 4];
        let mut best: Option<Vec<i64>> = None;
        for (at, sum) in sums.into_iter().enumerate() {
            let effort = Effort { seconds: self.deadline.left() * SHARE, nodes: None };
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
            let allowed = if at == 1 { most.unwrap_or(reached).max(reached) } else { reached };
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
        Ok(Some(Least { chosen: chosen.collect(), unmet, cost, cores, memory }))
    }

    /// Fills hosts with these layouts in several orders and keeps the cheapest.
    fn fill(&mut self, chosen: &[Option<usize>]) {
        let goods = self.goods;
        let demand = counts(goods, chosen);
        let scale = Scale::new(goods, &demand);
        let reserve = Reserve::new(goods, &scale);
        let mut best: Option<Hosts<'p>> = None;
        for by in [None, Some(0), Some(1), Some(2), Some(3), Some(4)] {
            let mut hosts = Hosts::new(goods, chosen);
            let queue = queue(goods, &demand, &scale, by);
            let mut used = Vec::new();
            let homeless = best_fit(&mut hosts, &queue, &mut used, &scale, |hosts, one| {
                reserve.next(goods, hosts, one, i64::MAX)
            });
            let cheaper = best.as_ref().is_none_or(|best| hosts.cost() < best.cost());
            if homeless.is_empty() && cheaper {
                best = Some(hosts);
            }
        }
        if let Some(hosts) = best {
            self.offer(chosen, hosts, (&scale, &reserve));
        }
    }

    /// Makes hosts better and keeps them if they are the cheapest so far.
    fn offer(
        &mut self,
        chosen: &[Option<usize>],
        hosts: Hosts<'p>,
        guide: (&Scale, &Reserve),
    ) {
        if hosts::leads(self.goods.problem, chosen, &hosts.all().collect::<Vec<_>>()).is_none() {
            return;
        }
        let mut rounds = 0;
        let hosts = improve(self.goods, hosts, guide, 0, || {
            rounds += 1;
            rounds <= ROUNDS && self.deadline.left() > 0.0
        });
        let is_led =
            hosts::leads(self.goods.problem, chosen, &hosts.all().collect::<Vec<_>>()).is_some();
        if is_led && self.cost().is_none_or(|cost| hosts.cost() < cost) {
            self.best = Some((chosen.to_vec(), hosts));
        }
    }

    /// Column generation: better rows of proof, and whole columns as a plan.
    fn generate(&mut self, first: &Least) -> Result<(), String> {
        let goods = self.goods;
        let mut generation = Generation::new(goods);
        if let Some((_, hosts)) = &self.best {
            generation.learn(hosts);
        }
        let until = self.deadline.spent() + self.deadline.left() * SHARE;
        let (generated, wide, shared) = generation.run(self.deadline, until)?;
        self.cuts.clone_from(&generated.cuts);
        let bound = self.layouts(None)?.map_or(first.cost, |least| least.cost);
        if self.cost().is_some_and(|cost| cost <= bound) {
            return Ok(());
        }
        let effort = Effort { seconds: self.deadline.left() * SHARE, nodes: Some(NODES) };
        let chosen = master::choose(goods, &generated, (&wide, &shared), &effort);
        if let Some(chosen) = chosen {
            let demand = counts(goods, &chosen.layouts);
            let scale = Scale::new(goods, &demand);
            let reserve = Reserve::new(goods, &scale);
            if let Some(hosts) = master::build(goods, &chosen, &demand, (&scale, &reserve)) {
                self.offer(&chosen.layouts, hosts, (&scale, &reserve));
            }
        }
        Ok(())
    }

    /// The best plan with what each tier reached.
    fn finish(mut self, unmet: i64, bound: i64) -> Result<Packed, String> {
        let Some((chosen, hosts)) = self.best.take() else { return Ok(Packed::Nothing) };
        let problem = self.goods.problem;
        let cost = hosts.cost();
        let least = self.layouts(Some(cost))?;
        let (hosts, busiest) = balance::relieve(self.goods, hosts, &chosen, self.deadline)?;
        let mut spots: Vec<Spot> = hosts.all().collect();
        spots.sort_unstable();
        let Some(leads) = hosts::leads(problem, &chosen, &spots) else {
            return Ok(Packed::Nothing);
        };
        let demand = counts(self.goods, &chosen);
        let memory: i64 = self
            .goods
            .items
            .iter()
            .zip(&demand)
            .map(|(item, count)| goods::int(item.size.memory_mib).saturating_mul(*count))
            .sum();
        let cores: i64 = (0..hosts.count())
            .map(|site| hosts.cores(site))
            .map(|(left, has)| has - left)
            .sum();
        let late = self.deadline.left() <= 0.0;
        let tiers = TIERS.map(|goal| {
            let (value, least) = match goal {
                Goal::Unmet => (unmet, unmet),
                Goal::Cost => (cost, bound),
                Goal::Cores => (cores, least.as_ref().map_or(0, |least| least.cores)),
                Goal::Memory => (memory, least.as_ref().map_or(0, |least| least.memory)),
                Goal::BusiestHost => busiest,
                Goal::MostLeads => balance::leads(problem, &chosen, &leads),
            };
            let bound = least.min(value).max(0);
            TierResult {
                goal,
                value: natural(value),
                bound: natural(bound),
                seconds: 0.0,
                limit_hit: late && bound < value,
            }
        });
        Ok(Packed::Found(Box::new(Solution {
            chosen,
            rooms: placed(&spots, |spot| spot.room),
            pools: placed(&spots, |spot| spot.pool)
                .into_iter()
                .filter(|placed| {
                    problem.sites.get(placed.site).is_some_and(|site| site.pools.len() > 1)
                })
                .collect(),
            leads,
            tiers: tiers.to_vec(),
        })))
    }
}

fn placed(spots: &[Spot], at: impl Fn(&Spot) -> usize) -> Vec<Placed> {
    let mut counts: BTreeMap<(usize, usize, usize, usize), u64> = BTreeMap::new();
    for spot in spots {
        *counts.entry((spot.part, spot.shape, spot.site, at(spot))).or_default() += 1;
    }
    let one = |((part, shape, site, at), count)| Placed { part, shape, site, at, count };
    counts.into_iter().map(one).collect()
}

fn natural(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

//! The search over a problem: which steps run, in which order, and what they prove.

use std::collections::BTreeMap;

use super::super::Deadline;
use super::super::highs::MipLimits;
use super::super::tiers::{Placed, Solution, TierResult, is_large, is_small};
use super::super::values::natural;
use super::balance::{self, BusiestBound, rebalance};
use super::best_fit::{FitRule, UnusedHosts, Weights, best_fit, queue};
use super::bins::BinPacking;
use super::build::{build, cheapen};
use super::column_generation::ColumnGeneration;
use super::host_choice;
use super::improve::improve;
use super::layout_subset::LayoutSubset;
use super::loaded_hosts::{ItemPlacement, LoadedHosts};
use super::lower_bound::{Achieved, LowerBound, unmet};
use super::master_rows::Pattern;
use super::neighbourhood::Neighbourhoods;
use super::relaxation::{Cut, counts, spreads};
use super::remainder::Remainder;
use super::{dive, host_subset, leaders, restricted_master};
use crate::model::{Goal, Problem, TIERS};
use crate::sizing::Candidate;

/// What packing came to.
pub(in crate::solve) enum Packed {
    /// A plan that satisfies all constraints, each tier with its bound.
    Feasible(Box<Solution>),
    /// There is no plan: fixed machines cannot be placed.
    Infeasible,
    /// Nothing was found; there may be a plan.
    Unknown,
}

/// Rounds of ruin and recreate: for each first plan, and for the best at last.
const ROUNDS: [usize; 2] = [1_000, 2_000];
/// Hosts up to which there are as many rounds.
const MANY: usize = 1_000;
/// Part of the time that column generation and the restricted master may take.
const SHARE: f64 = 0.3;
/// Rounds of the neighbourhood search without a gain after which it ends: where the program
/// per host is small, and where it is not solved.
const ROUNDS_IDLE: [usize; 2] = [30, 1_200];
/// Part of the time that is left for a step that seldom gains.
const SHORT_SHARE: f64 = 0.05;
/// Part of the time that is left then for the neighbourhood search.
const LONG_SHARE: f64 = 0.8;
/// Shapes of services above which their knapsacks are too large for integer programs.
const MANY_SHAPES: usize = 150;
/// Nodes that the search for the restricted master looks at: the root and what it tries
/// there. More takes long and gains little over `host_subset`.
const NODES: i32 = 1;

/// Which problems are searched by branching on hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::solve) enum BranchOnHosts {
    /// Those that are not small, with a plan of few hosts.
    WhereItPays,
    /// All.
    #[cfg(test)]
    Always,
}

/// Packs a problem.
pub(in crate::solve) fn pack(
    problem: &Problem,
    branch: BranchOnHosts,
    deadline: &Deadline,
) -> Result<Packed, String> {
    if problem.parts.iter().any(|part| part.candidates.is_empty()) {
        return Ok(Packed::Unknown);
    }
    let full = BinPacking::new(problem);
    let Some(first) = LowerBound::new(&full, &[], None, deadline)? else {
        return Ok(Packed::Infeasible);
    };
    let subset = LayoutSubset::new(&full, &first.chosen);
    let packing = BinPacking::new(&subset.problem);
    let (best, filled) = (None, BTreeMap::new());
    let mut search = Search { packing: &packing, deadline, branch, best, filled };
    let (cuts, bound) = search.run(problem, &subset, &first)?;
    let Some((chosen, hosts)) = search.best.take() else { return Ok(Packed::Unknown) };
    let unmet = unmet(problem, &subset.to_full(&chosen));
    let achieved = Achieved::new(&packing, &chosen, &hosts, unmet);
    let valid = if subset.is_full(problem) { &cuts[..] } else { &[] };
    // Without an answer in time nothing is proved of cores and memory.
    let least = LowerBound::new(&full, valid, Some(&achieved), deadline).unwrap_or_default();
    let least = LowerBound { unmet: first.unmet, cost: bound, ..least.unwrap_or_default() };
    let busiest = BusiestBound { cores: least.cores, largest: full.largest() };
    let (hosts, busiest) = rebalance(&packing, hosts, &chosen, busiest, deadline)?;
    let found = solution(&packing, (&chosen, &hosts), (&least, &achieved, busiest), deadline);
    Ok(found.map_or(Packed::Unknown, |found| Packed::Feasible(Box::new(to_full(&subset, found)))))
}

/// Returns the solution in the indices of the full problem.
fn to_full(subset: &LayoutSubset, found: Solution) -> Solution {
    let shaped = |placed: Vec<Placed>| {
        let of = |one: Placed| Placed { shape: subset.shape(one.part, one.shape), ..one };
        placed.into_iter().map(of).collect()
    };
    Solution {
        chosen: subset.to_full(&found.chosen),
        numa: shaped(found.numa),
        pools: shaped(found.pools),
        leaders: found.leaders,
        restarts: found.restarts,
        tiers: found.tiers,
    }
}

/// A search and what it has found.
pub(super) struct Search<'g> {
    pub packing: &'g BinPacking<'g>,
    pub deadline: &'g Deadline,
    branch: BranchOnHosts,
    /// The incumbent: layouts and hosts.
    pub best: Option<(Vec<Option<usize>>, LoadedHosts<'g>)>,
    /// Numbers of hosts that were filled, and whether they hold everything.
    pub filled: BTreeMap<Vec<i64>, Option<bool>>,
}

impl<'g> Search<'g> {
    /// Runs all steps as far as they can still gain. Returns valid inequalities and a bound
    /// on the cost.
    fn run(
        &mut self,
        problem: &Problem,
        subset: &LayoutSubset,
        first: &LowerBound,
    ) -> Result<(Vec<Cut>, i64), String> {
        self.fill(&LowerBound { chosen: subset.to_subset(&first.chosen), ..first.clone() });
        let (mut cuts, mut bound) = (Vec::new(), first.cost);
        let serves_all = unmet(problem, &first.chosen) == 0;
        if !serves_all || self.is_proved(self.deadline.enough(bound)) {
            self.polish(self.deadline.enough(bound));
            return Ok((cuts, bound));
        }
        let mut generation = self.generation()?;
        let is_full = subset.is_full(problem);
        let parts = &self.packing.problem.parts;
        let has_layouts = parts.iter().any(|part| part.candidates.len() > 1);
        // Few hosts are chosen by programs of their own; fixed machines are better dived for.
        let has_few = match self.branch {
            BranchOnHosts::WhereItPays => {
                has_layouts
                    && !self.is_small(problem)
                    && host_choice::is_small(self.packing, self.hosts())
            }
            #[cfg(test)]
            BranchOnHosts::Always => true,
        };
        // What column generation proves holds for the layouts that it knows.
        let is_wide = has_layouts && self.packing.items.len() > MANY_SHAPES;
        let counts = is_full && !has_few && !is_wide;
        cuts = generation.run(&self.deadline.share(SHARE), counts, None)?;
        if has_few || !self.is_small(problem) {
            cuts.extend(spreads(self.packing));
        }
        if has_few {
            let proved = self.search_hosts(&cuts);
            if is_full {
                bound = bound.max(proved);
            }
        } else if is_full
            && let Some(again) = LowerBound::new(self.packing, &cuts, None, self.deadline)?
        {
            bound = bound.max(again.cost);
            if !self.is_proved(self.deadline.enough(bound)) {
                self.fill(&again);
            }
        }
        // What follows ends where the gap that may stay is reached.
        let enough = self.deadline.enough(bound);
        self.solve_restricted(&generation, enough);
        self.dive(&generation, enough)?;
        if !self.is_small(problem) && !self.is_proved(enough) {
            let proved = self.search_layouts(&mut generation, &mut cuts)?;
            if is_full {
                bound = bound.max(proved);
            }
        }
        let enough = self.deadline.enough(bound);
        self.choose_hosts(&cuts, enough);
        self.polish(enough);
        // A small program per host goes on from what is found soon.
        let cost = self.cost().and_then(|cost| u64::try_from(cost).ok());
        let idle = ROUNDS_IDLE[usize::from(is_large(problem, cost))];
        self.search_neighbourhoods(&generation, (enough, idle))?;
        Ok((cuts, bound))
    }

    /// Whether the program per host is small, with the hosts that a cheaper plan can use.
    fn is_small(&self, problem: &Problem) -> bool {
        is_small(problem, self.cost().and_then(|cost| u64::try_from(cost).ok()))
    }

    fn hosts(&self) -> Option<&LoadedHosts<'g>> {
        self.best.as_ref().map(|(_, hosts)| hosts)
    }

    pub(super) fn cost(&self) -> Option<i64> {
        self.best.as_ref().map(|(_, hosts)| hosts.cost())
    }

    /// Fills hosts with the layouts of a bound in several ways and keeps the cheapest: hosts
    /// opened as they are needed, or those of the bound first.
    fn fill(&mut self, least: &LowerBound) {
        let packing = self.packing;
        let chosen = &least.chosen;
        let demand = counts(packing, chosen);
        let weights = Weights::new(packing, &demand);
        let unused = UnusedHosts::new(packing, &weights);
        let planned: Vec<usize> = packing
            .classes
            .iter()
            .zip(&least.hosts)
            .flat_map(|(class, count)| {
                class.hosts.iter().copied().take(usize::try_from(*count).unwrap_or(0))
            })
            .collect();
        let mut best: Option<LoadedHosts<'g>> = None;
        for by in [None, Some(0), Some(1), Some(2), Some(3), Some(4)] {
            let queue = queue(packing, &demand, &weights, by);
            for (rule, planned) in [
                (FitRule::LeastResidual, &planned[..0]),
                (FitRule::LeastResidual, &planned),
                (FitRule::CosineSimilarity, &planned),
            ] {
                if best.as_ref().is_some_and(|best| best.cost() <= least.cost) {
                    break;
                }
                let mut hosts = LoadedHosts::new(packing, chosen);
                let mut used = planned.to_vec();
                let unplaced =
                    best_fit(&mut hosts, &queue, &mut used, (&weights, rule), |hosts, one| {
                        unused.next(packing, hosts, one, i64::MAX)
                    });
                let cheaper = best.as_ref().is_none_or(|best| hosts.cost() < best.cost());
                if unplaced.is_empty() && cheaper {
                    best = Some(hosts);
                }
            }
        }
        if let Some(hosts) = best {
            self.offer((chosen, hosts), (&weights, &unused), least.cost);
        }
    }

    /// Improves hosts and keeps them if they are the cheapest so far.
    fn offer(
        &mut self,
        (chosen, mut hosts): (&[Option<usize>], LoadedHosts<'g>),
        guide: (&Weights, &UnusedHosts),
        bound: i64,
    ) {
        let mut rounds = 0;
        let most = scaled(ROUNDS[0], &hosts);
        improve(self.packing, &mut hosts, guide, bound, || {
            rounds += 1;
            rounds <= most && self.deadline.left() > 0.0
        });
        if self.has_leaders(chosen, &hosts) && self.cost().is_none_or(|cost| hosts.cost() < cost) {
            self.best = Some((chosen.to_vec(), hosts));
        }
    }

    /// Returns the master problem with the patterns of the incumbent.
    fn generation(&self) -> Result<ColumnGeneration<'g, 'g>, String> {
        let mut generation = ColumnGeneration::new(self.packing)?;
        if let Some((_, hosts)) = &self.best {
            generation.learn(hosts);
        }
        Ok(generation)
    }

    /// Makes a plan of the patterns as they are.
    fn solve_restricted(&mut self, generated: &ColumnGeneration<'g, 'g>, bound: i64) {
        let limits = MipLimits::new(self.deadline.left() * SHORT_SHARE, Some(NODES));
        if self.is_proved(bound) {
            return;
        }
        if let Some((layouts, patterns)) = restricted_master::choose(generated, &limits) {
            self.build(generated, (&layouts, &patterns), bound);
        }
    }

    /// Dives with the layouts of the relaxation, and with those of the incumbent.
    fn dive(&mut self, generated: &ColumnGeneration<'g, 'g>, bound: i64) -> Result<(), String> {
        let incumbent = self.best.as_ref().map(|(chosen, _)| chosen.clone());
        self.dive_with(generated, &generated.layouts, bound)?;
        match incumbent.filter(|incumbent| *incumbent != generated.layouts) {
            Some(layouts) => self.dive_with(generated, &layouts, bound),
            None => Ok(()),
        }
    }

    /// Dives with these layouts for a plan that is cheaper than the incumbent.
    pub(super) fn dive_with(
        &mut self,
        generated: &ColumnGeneration<'g, 'g>,
        layouts: &[Option<usize>],
        bound: i64,
    ) -> Result<(), String> {
        if self.is_proved(bound) || !self.may_have(layouts) {
            return Ok(());
        }
        let demand = counts(self.packing, layouts);
        let whole = Remainder::whole(&generated.rows, layouts, &demand);
        let most = self.cost().unwrap_or(i64::MAX);
        let known = &generated.patterns;
        let found = dive::dive(&generated.rows, &whole, known, most, self.deadline)?;
        if let Some(patterns) = found {
            self.build(generated, (layouts, &patterns), bound);
        }
        Ok(())
    }

    /// Whether layouts serve everything, and there are addresses for all instances.
    fn may_have(&self, layouts: &[Option<usize>]) -> bool {
        let problem = self.packing.problem;
        let parts = problem.parts.iter().zip(layouts);
        let chosen = parts.map(|(part, chosen)| part.candidates.get((*chosen)?));
        let instances = |one: &Candidate| u64::from(one.layout.all_instances());
        let all = chosen.map(|one| one.filter(|one| one.unmet_per_s.get() == 0).map(instances));
        let all: Option<u64> = all.sum();
        all.is_some_and(|all| problem.addresses.is_none_or(|addresses| all <= addresses))
    }

    /// Makes hosts of patterns and keeps them if they are the cheapest so far.
    fn build(
        &mut self,
        generated: &ColumnGeneration<'g, 'g>,
        (layouts, patterns): (&[Option<usize>], &[(Pattern, i64)]),
        bound: i64,
    ) {
        if !self.may_have(layouts) {
            return;
        }
        let demand = counts(self.packing, layouts);
        let weights = Weights::new(self.packing, &demand);
        let unused = UnusedHosts::new(self.packing, &weights);
        let guide = (&weights, &unused);
        if let Some(mut hosts) = build(&generated.rows, (layouts, patterns), &demand, guide) {
            cheapen(self.packing, &mut hosts);
            self.offer((layouts, hosts), guide, bound);
        }
    }

    /// Improves the incumbent until its cost is proved, the time for it is over, or nothing is
    /// gained any more.
    fn search_neighbourhoods(
        &mut self,
        generated: &ColumnGeneration<'g, 'g>,
        (bound, idle): (i64, usize),
    ) -> Result<(), String> {
        let Some((chosen, hosts)) = &self.best else { return Ok(()) };
        let demand = counts(self.packing, chosen);
        let weights = Weights::new(self.packing, &demand);
        let unused = UnusedHosts::new(self.packing, &weights);
        let search = Neighbourhoods {
            rows: &generated.rows,
            whole: &Remainder::whole(&generated.rows, chosen, &demand),
            known: &generated.patterns,
            guide: (&weights, &unused),
            deadline: &self.deadline.share(LONG_SHARE),
        };
        let mut better = hosts.clone();
        search.search(&mut better, bound, idle)?;
        if self.has_leaders(chosen, &better) {
            self.best = Some((chosen.clone(), better));
        }
        Ok(())
    }

    pub(super) fn is_proved(&self, bound: i64) -> bool {
        self.cost().is_some_and(|cost| cost <= bound)
    }

    /// Chooses hosts first and fills them, with the layouts of the incumbent.
    fn choose_hosts(&mut self, cuts: &[Cut], bound: i64) {
        let Some((chosen, hosts)) = &self.best else { return };
        if hosts.cost() <= bound {
            return;
        }
        let better = host_subset::pack(
            self.packing,
            chosen,
            cuts,
            hosts.cost(),
            &self.deadline.share(2.0 * SHORT_SHARE),
        );
        let Some(better) = better else { return };
        if self.has_leaders(chosen, &better) {
            self.best = Some((chosen.clone(), better));
        }
    }

    /// Improves the incumbent as long as its cost is not proved optimal.
    fn polish(&mut self, bound: i64) {
        let Some((chosen, hosts)) = &self.best else { return };
        let demand = counts(self.packing, chosen);
        let weights = Weights::new(self.packing, &demand);
        let unused = UnusedHosts::new(self.packing, &weights);
        let mut better = hosts.clone();
        let mut rounds = 0;
        let most = scaled(ROUNDS[1], &better);
        improve(self.packing, &mut better, (&weights, &unused), bound, || {
            rounds += 1;
            rounds <= most && self.deadline.left() > 0.0
        });
        if self.has_leaders(chosen, &better) {
            self.best = Some((chosen.clone(), better));
        }
    }

    /// Whether leaders can be chosen among the instances so that majorities survive.
    pub(super) fn has_leaders(&self, chosen: &[Option<usize>], hosts: &LoadedHosts) -> bool {
        let placements: Vec<ItemPlacement> = hosts.all().collect();
        leaders::distribute(self.packing.problem, chosen, &placements).is_some()
    }
}

/// Returns fewer rounds where there are many hosts, which each round goes through.
fn scaled(rounds: usize, hosts: &LoadedHosts) -> usize {
    rounds * MANY / hosts.count().max(MANY)
}

/// Returns the solution with what each tier reached; `None` if no majority can be kept.
fn solution(
    packing: &BinPacking,
    (chosen, hosts): (&[Option<usize>], &LoadedHosts),
    (least, achieved, busiest): (&LowerBound, &Achieved, (i64, i64)),
    deadline: &Deadline,
) -> Option<Solution> {
    let problem = packing.problem;
    if achieved.unmet > 0 && least.unmet <= 0 {
        // Perhaps all could be served.
        return None;
    }
    let mut placements: Vec<ItemPlacement> = hosts.all().collect();
    placements.sort_unstable();
    let leaders = leaders::distribute(problem, chosen, &placements)?;
    let most_leaders = balance::leaders(problem, &leaders);
    let is_late = deadline.left() <= 0.0;
    // As in the program per host, what does not serve all is not optimised further.
    let elsewhere = leaders::elsewhere(problem, chosen, &leaders, &placements);
    let goals = TIERS
        .into_iter()
        .filter(|goal| goal.is_of(problem) && (achieved.unmet == 0 || *goal == Goal::Unmet));
    let tiers = goals.filter_map(|goal| {
        let (value, bound) = match goal {
            Goal::Unmet => (achieved.unmet, least.unmet),
            Goal::Cost => (achieved.cost, least.cost),
            Goal::Cores => (achieved.cores, least.cores),
            Goal::Memory => (achieved.memory, least.memory),
            Goal::Preferred => (i64::try_from(elsewhere).unwrap_or(i64::MAX), 0),
            Goal::BusiestHost => busiest,
            Goal::MostLeaders => most_leaders,
            // What has a prior plan is not packed.
            Goal::Moves
            | Goal::Arrivals
            | Goal::NumaMoves
            | Goal::Layouts
            | Goal::Room
            | Goal::LeaderMoves => return None,
        };
        let bound = bound.min(value).max(0);
        Some(TierResult {
            goal,
            value: natural(value),
            bound: natural(bound),
            // All is found at once; most of the time goes into cost.
            seconds: if goal == Goal::Cost { deadline.spent() } else { 0.0 },
            limit_hit: is_late && bound < value,
        })
    });
    let tiers: Vec<TierResult> = tiers.collect();
    let has_several =
        |placed: &Placed| problem.hosts.get(placed.host).is_some_and(|host| host.pools.len() > 1);
    Some(Solution {
        chosen: chosen.to_vec(),
        numa: placed(&placements, |one| one.numa),
        pools: placed(&placements, |one| one.pool).into_iter().filter(has_several).collect(),
        leaders,
        restarts: Vec::new(),
        tiers,
    })
}

/// Counts instances by place.
fn placed(placements: &[ItemPlacement], at: impl Fn(&ItemPlacement) -> usize) -> Vec<Placed> {
    let mut counts: BTreeMap<(usize, usize, usize, usize), u64> = BTreeMap::new();
    for one in placements {
        *counts.entry((one.part, one.shape, one.host, at(one))).or_default() += 1;
    }
    let one = |((part, shape, host, at), count)| Placed { part, shape, host, at, count };
    counts.into_iter().map(one).collect()
}

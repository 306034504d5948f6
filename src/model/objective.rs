//! The objective: a table of tiers, solved in order, each fixing those before.

use super::cores::taken;
use super::problem::Problem;
use super::program::{Program, Row, Sense, Sum, int};
use super::variables::Variables;
use super::{preferred, prior};

/// What a tier minimises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Demand that is not served.
    Unmet,
    /// Cost of the hosts in use.
    Cost,
    /// Instances of a prior plan that have no equal on their host: those that leave it,
    /// and those of another size, which are replaced there.
    Moves,
    /// Instances that a host has more of than in a prior plan, of services that were there:
    /// each is filled with a copy of its group's data.
    Arrivals,
    /// Instances that leave their NUMA node, against a prior plan.
    NumaMoves,
    /// Services whose layout changes, against a prior plan.
    Layouts,
    /// Memory that is short where instances come before those of a prior plan leave.
    Room,
    /// Cores that instances take.
    Cores,
    /// Memory that instances take.
    Memory,
    /// Leading instances elsewhere than their services prefer.
    Preferred,
    /// Cores taken on the host where most are.
    BusiestHost,
    /// Leading instances of each service in the failure domain where most are,
    /// summed.
    MostLeaders,
    /// Leading instances that leave their failure domain, against a prior plan.
    LeaderMoves,
}

impl Goal {
    /// Returns the name in plans and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unmet => "unmet demand",
            Self::Cost => "cost of used hosts",
            Self::Moves => "instances moved off their host",
            Self::Arrivals => "instances new on their host",
            Self::NumaMoves => "instances moved off their NUMA node",
            Self::Layouts => "services whose layout changes",
            Self::Room => "memory short for old beside new",
            Self::Cores => "cores",
            Self::Memory => "memory",
            Self::Preferred => "leading instances elsewhere than preferred",
            Self::BusiestHost => "cores on the busiest host",
            Self::MostLeaders => "leading instances in one failure domain",
            Self::LeaderMoves => "leading instances moved",
        }
    }

    /// Returns the unit in plans and reports.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Unmet => "/s",
            Self::Cost => "cost",
            Self::Cores | Self::BusiestHost => "cores",
            Self::Memory | Self::Room => "MiB",
            Self::Layouts => "services",
            Self::Moves
            | Self::Arrivals
            | Self::NumaMoves
            | Self::Preferred
            | Self::MostLeaders
            | Self::LeaderMoves => "instances",
        }
    }

    /// Whether a problem has anything to minimise of it: a prior plan that it compares with, a
    /// preference.
    #[must_use]
    pub fn is_of(self, problem: &Problem) -> bool {
        match self {
            Self::Preferred => problem.has_preferences(),
            _ => problem.has_prior() || !self.needs_prior(),
        }
    }

    /// Whether it compares with a prior plan.
    const fn needs_prior(self) -> bool {
        matches!(
            self,
            Self::Moves
                | Self::Arrivals
                | Self::NumaMoves
                | Self::Layouts
                | Self::Room
                | Self::LeaderMoves
        )
    }
}

/// The tiers, in order. Cores and memory come after cost, so that of equally
/// cheap plans the one with the smaller split is taken; preferences and the spread come last.
/// Some are for problems only that have a prior plan, or a preference: [`Goal::is_of`].
pub const TIERS: [Goal; 13] = [
    Goal::Unmet,
    Goal::Cost,
    Goal::Moves,
    Goal::Arrivals,
    Goal::NumaMoves,
    Goal::Layouts,
    Goal::Room,
    Goal::Cores,
    Goal::Memory,
    Goal::Preferred,
    Goal::BusiestHost,
    Goal::MostLeaders,
    Goal::LeaderMoves,
];

/// Returns the sum that a goal minimises and the constant that is added to it. Spread
/// goals add the variable of their maximum to the program.
pub fn goal(
    goal: Goal,
    problem: &Problem,
    variables: &Variables,
    program: &mut Program,
) -> (Sum, i64) {
    match goal {
        Goal::Unmet => unmet(problem, variables),
        Goal::Cost => {
            let costs = problem.hosts.iter().map(|host| int(host.host.cost));
            (costs.zip(variables.used.iter().copied()).collect(), 0)
        }
        Goal::Moves => prior::moves(problem, variables, program),
        Goal::Arrivals => (prior::arrivals(problem, variables, program), 0),
        Goal::Room => (prior::room(problem, variables, program), 0),
        Goal::NumaMoves => (prior::shifts(problem, variables, program), 0),
        Goal::Layouts => (prior::layouts(problem, variables, program), 0),
        Goal::LeaderMoves => (prior::leaders(problem, variables, program), 0),
        Goal::Cores => {
            let mut sum = Sum::default();
            for (index, host) in problem.hosts.iter().enumerate() {
                for at in 0..host.numa.len() {
                    sum.add_sum(1, &taken(problem, variables, index, at));
                }
            }
            (sum, 0)
        }
        Goal::Memory => (memory(problem, variables), 0),
        Goal::Preferred => (preferred::misplaced(problem, variables, program), 0),
        Goal::BusiestHost => (busiest(problem, variables, program), 0),
        Goal::MostLeaders => (most_leaders(problem, variables, program), 0),
    }
}

/// Returns the row that keeps a tier at its value: `sum <= value`.
#[must_use]
pub const fn bound_row(sum: Sum, value: i64) -> Row {
    Row { sum, sense: Sense::AtMost, right: value }
}

/// Returns the work of each service less what its layout serves: a service without a layout
/// leaves all of it.
fn unmet(problem: &Problem, variables: &Variables) -> (Sum, i64) {
    let mut sum = Sum::default();
    let mut all: i64 = 0;
    for (part, layouts) in problem.parts.iter().zip(&variables.layouts) {
        let work = |candidate: &crate::sizing::Candidate| {
            candidate.capacity.as_ref().map(|capacity| int(capacity.demand_per_s.get()).max(1))
        };
        let Some(whole) = part.candidates.iter().filter_map(work).max() else { continue };
        all = all.saturating_add(whole);
        for (candidate, var) in part.candidates.iter().zip(layouts) {
            sum.add(int(candidate.unmet_per_s.get()).saturating_sub(whole), *var);
        }
    }
    (sum, all)
}

fn memory(problem: &Problem, variables: &Variables) -> Sum {
    let size = |(part, shape): (usize, usize)| {
        Some(problem.parts.get(part)?.shapes.get(shape)?.memory_mib)
    };
    let counts = variables.counts.iter();
    counts.filter_map(|c| Some((int(size((c.part, c.shape))?), c.var))).collect()
}

fn busiest(problem: &Problem, variables: &Variables, program: &mut Program) -> Sum {
    let most = program.variable("cores on the busiest host".to_owned(), None);
    for (index, host) in problem.hosts.iter().enumerate() {
        let mut row = Sum::default();
        for at in 0..host.numa.len() {
            row.add_sum(1, &taken(problem, variables, index, at));
        }
        row.add(-1, most);
        program.at_most(row, 0);
    }
    [(1, most)].into_iter().collect()
}

fn most_leaders(problem: &Problem, variables: &Variables, program: &mut Program) -> Sum {
    let mut sum = Sum::default();
    for (index, part) in problem.parts.iter().enumerate() {
        let mut most = None;
        for (_, _, var) in variables.leaders.iter().filter(|(part, _, _)| *part == index) {
            let most = *most.get_or_insert_with(|| {
                program.variable(format!("leaders of {} in one domain", part.name), None)
            });
            program.at_most([(1, *var), (-1, most)].into_iter().collect(), 0);
        }
        if let Some(most) = most {
            sum.add(1, most);
        }
    }
    sum
}

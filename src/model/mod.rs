//! Layouts × topology -> an integer program: which layout each service gets and
//! how many of its instances go to each NUMA node.
//!
//! Instances of one size are interchangeable, so the variables are **counts**
//! per (size, NUMA node), never a binary per VM. Which of a service's instances
//! are masters matters to failure domains only, so masters are counted per
//! failure domain. Every coefficient is an integer.
//!
//! | file | rule |
//! | --- | --- |
//! | `choice.rs` | each service has at most one layout, fixed machines have theirs |
//! | `numa.rs` | what instances take of a NUMA node, for the next two |
//! | `cores.rs` | whole cores per NUMA node |
//! | `memory.rs` | memory per NUMA node |
//! | `disk.rs` | space and I/O operations per pool |
//! | `network.rs` | addresses of the deployment, bandwidth per host |
//! | `max_per_domain.rs` | copies of a group in different failure domains |
//! | `quorum.rs` | no failure domain holds half of the masters |
//! | `spread.rs` | fixed machines over failure domains |
//! | `neighbours.rs` | fixed machines on no host with others, or only on hosts with some |
//! | `restart.rs` | room to restart fixed machines after each loss |
//! | `symmetry.rs` | equal hosts in one order |
//! | `preferred.rs` | leading instances elsewhere than preferred |
//! | `requirement.rs` | what `explain --why-not` requires |
//! | `prior.rs` | what a prior plan has, which should stay |
//! | `objective.rs` | the tiers |
//!
//! Why counts: `docs/counts.md`.

mod anti_affinity;
mod choice;
mod cores;
mod disk;
mod memory;
mod neighbours;
mod network;
mod numa;
mod objective;
mod preferred;
mod prior;
mod problem;
mod program;
mod quorum;
mod requirement;
mod restart;
mod spread;
mod symmetry;
mod variables;

pub use objective::{Goal, TIERS, bound_row, goal};
pub use prior::{Prior, PriorHost};
pub use problem::{
    CandidateHost, FixedRules, NumaCapacity, Part, PartKind, Problem, ROOT_WITHOUT_IMAGE,
    Requirement, SEED, Shape,
};
pub use program::{Program, Row, Sense, Sum, Var, Variable};
pub use variables::{InstanceCount, Presence, RestartCount, Variables};

/// Families of capacity rows that get slack variables: elastic programming, to find
/// what makes a program infeasible.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Elastic {
    /// Cores of a NUMA node.
    pub cores: bool,
    /// Memory of a NUMA node.
    pub memory: bool,
    /// Space of a pool.
    pub disk: bool,
    /// I/O operations of a pool's disk.
    pub iops: bool,
    /// Bandwidth of a host.
    pub bandwidth: bool,
    /// Addresses of the deployment.
    pub addresses: bool,
    /// Machines that are not restarted after a loss. Other families leave that rule out.
    pub restarts: bool,
}

/// What a slack variable counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Slack {
    /// Cores of the host with that index.
    Cores(usize),
    /// MiB of memory of the host with that index.
    Memory(usize),
    /// MiB of the pool: indices of host and pool.
    Disk(usize, usize),
    /// I/O operations per second of the pool: indices of host and pool.
    Iops(usize, usize),
    /// bit/s of the host with that index.
    Bandwidth(usize),
    /// Addresses.
    Addresses,
    /// Machines that are not restarted: indices of failure domain and part.
    Restart(usize, usize),
}

/// A program with what its variables mean.
#[derive(Clone, Debug)]
pub struct Model {
    /// What is solved.
    pub program: Program,
    /// What its variables count.
    pub variables: Variables,
}

impl Model {
    /// Builds the program of a problem.
    #[must_use]
    pub fn new(problem: &Problem, elastic: Elastic) -> Self {
        let mut program = Program::default();
        let mut variables = Variables::new(problem, &mut program, elastic);
        choice::add(problem, &variables, &mut program);
        cores::add(problem, &mut variables, &mut program, elastic);
        memory::add(problem, &mut variables, &mut program, elastic);
        disk::add(problem, &mut variables, &mut program, elastic);
        network::add(problem, &mut variables, &mut program, elastic);
        anti_affinity::add(problem, &variables, &mut program);
        quorum::add(problem, &variables, &mut program);
        spread::add(problem, &variables, &mut program);
        neighbours::add(problem, &mut variables, &mut program);
        if elastic == Elastic::default() || elastic.restarts {
            restart::add(problem, &mut variables, &mut program, elastic);
        }
        requirement::add(problem, &variables, &mut program);
        // A requirement names a host, and so does a prior instance: equal hosts are then
        // no longer interchangeable.
        let names_hosts = !problem.requirements.is_empty() || problem.has_prior();
        if elastic == Elastic::default() && !names_hosts {
            symmetry::add(problem, &variables, &mut program);
        }
        Self { program, variables }
    }
}

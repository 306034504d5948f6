//! Packing: large problems by column generation and heuristics, each with a bound.
//!
//! Placing instances is vector bin packing with bins of several types: an *item* is one
//! size of instance, a *bin* a NUMA node, and hosts that are equal form a *class*, so that
//! nothing depends on how many of them there are. A *pattern* says what one bin holds.
//!
//! The search starts from a *relaxation* over classes and layouts, whose rows are valid
//! inequalities for every plan. It gives a bound and a first choice of layouts, with which
//! best fit opens hosts. While the incumbent costs more than the bound, columns are
//! generated: the dual prices of the *master problem* are the values of a knapsack, the
//! *pricing* problem, whose solutions are new patterns and whose bound is a new valid
//! inequality (Dantzig and Wolfe's decomposition; Farley's bound, in whole hosts). The
//! *restricted master* in integers makes hosts of the patterns, and so does a *dive*, which
//! fixes patterns step by step and prices again for what is left. Then layouts, or hosts where there
//! are few, are branched on (Hooker and Ottosson's logic-based Benders decomposition), a subset of hosts is
//! chosen first and filled, and the incumbent is improved by ruin and recreate, and by dives in
//! large neighbourhoods. Last, cores are balanced over the hosts.
//!
//! | file | what |
//! | --- | --- |
//! | `search.rs` | the steps in their order |
//! | `bins.rs` | items, host classes, bin types |
//! | `loaded_hosts.rs` | hosts with their items: where another fits, by every rule |
//! | `relaxation.rs`, `lower_bound.rs` | valid inequalities over classes, bounds of the tiers |
//! | `layout_subset.rs` | a few layouts of each service |
//! | `best_fit.rs`, `improve.rs` | best fit, ruin and recreate |
//! | `master_rows.rs`, `column_generation.rs` | the master problem and its linear relaxation |
//! | `pricing.rs`, `knapsack.rs`, `lagrangian.rs` | patterns under dual prices |
//! | `branch.rs`, `host_choice.rs` | layouts and hosts chosen by the relaxation, then judged |
//! | `restricted_master.rs` | the master problem in integers |
//! | `dive.rs`, `remainder.rs` | price and dive, and what is left to it |
//! | `build.rs` | hosts made of patterns |
//! | `neighbourhood.rs` | dives for what a few hosts hold |
//! | `host_subset.rs` | hosts chosen first, then filled |
//! | `restart.rs` | where lost machines are restarted |
//! | `balance.rs`, `leaders.rs` | cores of the busiest host, leaders by failure domain |
//!
//! - P. Gilmore, R. Gomory, "A Linear Programming Approach to the Cutting-Stock
//!   Problem", Operations Research 9 (1961) and 11 (1963).
//! - G. Dantzig, P. Wolfe, "Decomposition Principle for Linear Programs", Operations
//!   Research 8 (1960).
//! - A. Farley, "A Note on Bounding a Class of Linear Programming Problems, Including
//!   Cutting Stock Problems", Operations Research 38 (1990).
//!
//! Why, and how the bound is proved: `docs/packing.md`.

mod balance;
mod best_fit;
mod bins;
mod branch;
mod build;
mod column_generation;
mod dive;
mod host_choice;
mod host_subset;
mod improve;
mod knapsack;
mod lagrangian;
mod layout_subset;
mod leaders;
mod loaded_hosts;
mod lower_bound;
mod master_rows;
mod neighbourhood;
mod pricing;
mod relaxation;
mod remainder;
mod restart;
mod restricted_master;
mod search;

pub(super) use self::restart::{restarts, with_restarts};
pub(super) use self::search::{BranchOnHosts, Packed, pack};

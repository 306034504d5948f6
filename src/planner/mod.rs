//! Spec -> plan: layouts, model and solution, then one descent until nothing is left to
//! choose.
//!
//! | file | turns | into |
//! | --- | --- | --- |
//! | `make.rs` | a spec | layouts, problem, solution and the plan; once more if CPUs are worse than assumed |
//! | `place.rs` | a solution's counts | a host, NUMA node and pool for each instance, and groups |
//! | `regroup.rs` | the groups of a prior plan | the same groups, where their instances stay |
//! | `slots.rs` | what groups had in a prior plan | equal parts of the hash slots |
//! | `member.rs` | placed instances | names, roles and groups; against a prior plan by `keep.rs` |
//! | `pin.rs` | named instances | exact CPUs (`cpus.rs`) and page sizes (`pages.rs`) |
//! | `restart.rs` | machines that are restarted after a loss | where, on which pages |
//! | `instance.rs` | pinned instances | addresses, identities and volumes |
//! | `reached.rs` | a finished plan | its values of the objectives |
//! | `room.rs` | two plans | what is short for old beside new |
//! | `build.rs` | | the descent itself |
//! | `remedy.rs` | what falls short where there is no plan | changes with which there is one |
//! | `grow.rs`, `edit.rs` | a spec without a plan | the same with more hosts, or edited |
//! | `tries.rs` | a changed spec | whether it has a plan |

mod build;
mod cpus;
mod edit;
mod grow;
mod instance;
mod keep;
mod make;
mod member;
mod pages;
mod pin;
mod place;
mod reached;
mod regroup;
mod remedy;
mod restart;
mod room;
mod slots;
mod tries;

pub use make::{PlanError, PlanReport, make, make_with};
pub use room::{MemoryShort, PoolShort, Room, SharedCpus};

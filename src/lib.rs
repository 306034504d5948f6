//! Splits big servers into right-sized, pinned virtual machines, proves the
//! split, builds it through libvirt and shows that it stands.
//!
//! One direction, from what the user wrote to what runs:
//!
//! ```text
//!           ┌─────── CPUs that were left are worse than assumed: once more ───────┐
//!           ▼                                                                     │
//! spec ─┬─► sizing ─► model ─► solve ─► planner (CPUs, pages, names, settings) ───┴─► plan
//!       └─► topology ──▲        profile ─► sizing
//!
//! plan ─┬─► audit, explain                                      ┌─► report ─► cli
//!       └─► graph ─► deploy ─► hypervisor, guest, engine ─► state
//!            ▲                                                  │
//!            └───────────── observed hosts, read once ──────────┘
//! ```
//!
//! Everything left of `deploy` is arithmetic: no clock, no network, no libvirt.
//! The two halves are joined by one file, [`plan::Plan`], which leaves no
//! choice to the deployer.
//!
//! | room | turns | into |
//! | --- | --- | --- |
//! | [`units`], [`ids`], [`quote`], [`slots`] | texts and numbers | quantities, names, quoted text, hash slots |
//! | [`engines`] | words of the spec | engines, and the kinds of cluster that they form |
//! | [`spec`] | YAML files | [`spec::Spec`], every value with its place |
//! | [`topology`] | the spec's hosts | [`topology::Topology`] |
//! | [`profile`] | `profiles/*.toml`, or the user's own | [`profile::Profile`], every number with its evidence |
//! | [`sizing`] | demand × profile | [`sizing::Layout`]s |
//! | [`model`] | layouts × topology | integer counts, constraints, tiers |
//! | [`solve`] | a model | counts with bound and gap, or what falls short |
//! | [`plan`] | the artefact | its nouns and its file: every VM down to its CPUs and MAC |
//! | [`recipe`] | a planned instance | its settings, and the files and units of its engine |
//! | [`planner`] | a spec | a plan: sizes, solves, then chooses CPUs, pages, names and settings |
//! | [`audit`] | a plan | findings, derived again in integers |
//! | [`secret`] | what a plan asks for | passwords and certificates, kept or found |
//! | [`explain`] | a plan and a question | what else was possible, what a rule costs |
//! | [`graph`] | a plan and what was observed | resources in order, each with action and reason |
//! | [`render`] | a planned VM | domain XML, seed, engine configuration |
//! | [`deploy`] | a graph | events, a journal, running VMs |
//! | [`hypervisor`] | calls | libvirt's own |
//! | [`guest`] | a running VM | its files, commands, facts and addresses, through its agent |
//! | [`simulated`] | a topology | hosts, guests and engines in memory |
//! | [`engine`] | a planned cluster | a formed and checked one |
//! | [`state`] | what was seen, what was done | [`state::world::World`], the journal, the lock |
//! | [`report`] | any of these values | text and JSON |
//! | [`cli`] | argv | all of the above |

pub mod units;

pub mod ids;

pub mod quote;

pub mod digest;

pub mod atomic_file;

pub mod guest_file;

pub mod template;

pub mod slots;

pub mod engines;

pub mod profile;

pub mod topology;

pub mod spec;

pub mod plan;

pub mod sizing;

pub mod model;

pub mod solve;

pub mod secret;

pub mod recipe;

pub mod planner;

pub mod audit;

pub mod explain;

pub mod hypervisor;

pub mod guest;

pub mod render;

pub mod engine;

pub mod state;

pub mod graph;

pub mod deploy;

pub mod simulated;

pub mod report;

pub mod cli;

#[cfg(test)]
mod sample;

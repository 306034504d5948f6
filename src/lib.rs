//! Splits big servers into right-sized, pinned virtual machines, proves the
//! split, builds it through libvirt and verifies what runs.
//!
//! One direction, from what the user wrote to what runs:
//!
//! ```text
//!            ┌──── the pinned CPUs are worse than assumed: once more ────┐
//!            ▼                                                           │
//! spec ───► sizing ───► model ───► solve ───► planner ───────────────────┴───► plan
//!  │         ▲  ▲                               ▲
//!  │ profile ┘  │                               └ recipe: settings of each engine
//!  └─► topology ┘
//!
//! plan ─┬─► audit ─► explain ────────────────────────────────────────┐
//!       │                                                            │
//!       └─► graph ─► deploy ─┬─► recipe, secret, render: files       ├─► report ─► cli
//!            ▲               └─► engine ─► guest ─► hypervisor       │
//!            │                                          │            │
//!            └──── state: the world, observed once ◄────┴────────────┘
//! ```
//!
//! Everything before `deploy` is arithmetic: no clock, no network, no libvirt. The two
//! halves are joined by one file, [`plan::Plan`], which leaves no choice to the deployer.
//! The arrow back in the first half is the only one: see `docs/cpu-feedback.md`.
//!
//! Rooms in the order in which data flows; each uses rooms above it and none below
//! (`tests/architecture.rs`). Words are in `docs/glossary.md`, how to build, test and
//! extend it is in `CONTRIBUTING.md`.
//!
//! | room | turns | into |
//! | --- | --- | --- |
//! | [`units`] | texts | quantities with a unit, exact |
//! | [`ids`] | texts | validated names |
//! | [`quote`] | a text | the same, quoted for XML or YAML |
//! | [`digest`] | bytes | SHA-256, hexadecimal |
//! | [`atomic_file`] | bytes | a file that is replaced as a whole |
//! | [`guest_file`] | a path and a text | a file of a guest, with its owner and mode |
//! | [`certificate`] | the text of a chain | its names, its end, its key |
//! | [`content`] | a directory, or an archive | the bytes of an archive, the same for the same files |
//! | [`template`] | a template and values | a text; a variable that nobody set is an error |
//! | [`engines`] | a word of the spec | an engine, and the kind of cluster that it forms |
//! | [`profile`] | `profiles/*.toml`, or the user's own | [`profile::Profile`], every number with its evidence |
//! | [`topology`] | the spec's hosts, dumps of machines | [`topology::Topology`] |
//! | [`spec`] | YAML files | [`spec::Spec`], or every mistake with its place |
//! | [`plan`] | JSON | [`plan::Plan`]: every VM down to its CPUs, addresses and settings |
//! | [`sizing`] | demand × profile × topology | layouts, each with its capacity and what limits it |
//! | [`model`] | layouts × topology | integer counts, constraints, tiers |
//! | [`solve`] | a model | counts with bound and gap, or what is short |
//! | [`secret`] | what a plan asks for | passwords and certificates, kept or found |
//! | [`recipe`] | a planned instance | its settings, units and files |
//! | [`planner`] | a spec | a plan: sizes, solves, then chooses CPUs, pages and names |
//! | [`audit`] | a plan | findings, derived again in integers |
//! | [`explain`] | a plan and a question | what else was possible, what a rule costs |
//! | [`hypervisor`] | calls | libvirt's own |
//! | [`guest`] | a running VM | its files, commands, facts and addresses, through its agent |
//! | [`render`] | a planned VM | domain XML, seed, the digest of the machine |
//! | [`engine`] | a planned cluster | a formed and checked one |
//! | [`state`] | what was seen, what was done | [`state::world::World`], the journal, the lock |
//! | [`graph`] | a plan and what was observed | resources in order, each with action and reason |
//! | [`deploy`] | a graph | events, a journal, running VMs |
//! | [`drill`] | a deployment | hosts that fail, one after the other, with what was measured |
//! | [`simulated`] | a topology | hosts, guests and engines in memory, in place of libvirt |
//! | [`report`] | any of these values | text, JSON and Markdown |
//! | [`cli`] | argv | all of the above |

pub mod units;

pub mod ids;

pub mod quote;

pub mod digest;

pub mod atomic_file;

pub mod guest_file;

pub mod certificate;

pub mod content;

pub mod template;

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

pub mod drill;

pub mod simulated;

pub mod report;

pub mod cli;

#[cfg(test)]
mod sample;

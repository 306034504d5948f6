//! From files to the wire form.
//!
//! # How a field travels
//!
//! ```text
//! text ──parse──► Tree ──wire! (form)──► wire::Host { memory: Option<At<Mebibytes>> }
//!                  │            │                        │
//!                  │            └─ Scalar::read          │ Scope::required_within (check)
//!                  └─ Mark of every node                 ▼
//!                                        topology::Host { memory_mib: Mebibytes }
//! ```
//!
//! 1. `parse` turns a file into a [`Tree`](tree::Tree): scalars stay text, every node has its
//!    [`Mark`](super::Mark). Only what is not YAML ends here.
//! 2. [`wire`](super::wire) declares the maps of each file with the macro [`wire!`](form::wire):
//!    name, description and type of each field. The macro makes the type, its reader
//!    ([`Wire`](form::Wire)) and its JSON Schema. Unknown and duplicate fields are reported here.
//!    Every field is an `Option`: a missing one is the business of the check.
//! 3. [`scalar`] reads single values by their type ([`Scalar`](scalar::Scalar)) and says what was
//!    expected. A wrong value does not stop anything: [`At`](form::At) carries the value *or* its
//!    error, with the place. Maps and lists with a place are [`Spanned`](form::Spanned).
//! 4. `check` takes values out of the wire types through a [`Scope`](scope::Scope), which is one
//!    file and the list of its errors: `required`, `optional`, `within` and `required_within`
//!    return the value or report the error at its place, so that one run reports them all.
//! 5. What is right becomes a plain type of [`spec`](super) or
//!    [`topology`](crate::topology), without places and options.
//!
//! # Adding a field
//!
//! Say `numa_policy: strict` of a host:
//!
//! 1. `topology/mod.rs` (or `spec/*.rs`): the field of the plain type, with its unit in the name.
//! 2. `read/scalar.rs`: only for a new type of value: `impl Scalar`, or a line of `words!`. A
//!    quantity needs nothing: every [`HumanUnit`](crate::units::HumanUnit) is a scalar.
//! 3. `wire/host.rs`: `required` or `optional`, the name, its type, and a `///` line, which is
//!    what editors show. State the default there.
//! 4. `check/host.rs`: take it out of the wire type with its range and default.
//! 5. `tests/`: an accepted and a refused value beside the others of that part. `tests/spec_schema.rs`
//!    compares schema and check by itself; fields of a demand are also listed in
//!    `check/any_demand.rs`, for services whose engine is unknown.

pub(super) mod address;
pub(super) mod certified;
mod file;
pub(super) mod form;
mod parse;
pub(super) mod profile;
pub(super) mod scalar;
pub(super) mod scope;
mod served;
pub(super) mod sources;
pub(super) mod tree;

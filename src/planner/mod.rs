//! Spec -> plan: layouts, model and solution, then CPUs, pages, names and
//! configuration, until nothing is left to choose.

mod build;
mod cpus;
mod grow;
mod keep;
mod make;
mod pages;
mod place;

pub use make::{PlanError, PlanReport, make, make_with};

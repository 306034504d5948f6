//! What follows from the rest of a plan, derived again and compared exactly: CPUs in their
//! order, volumes, sizes, settings, rates and objectives.
//!
//! The rules of the rooms beside this one say what a plan must not do; a plan that keeps
//! all of them may still have been edited where they leave room. A planner chooses little:
//! layout, places, CPUs and addresses. All else is a function of these, of the spec that
//! the plan carries and of the profiles. Rates are computed as real numbers, since they
//! must not differ by one; `speed.rs` bounds them in integers besides.
//!
//! Settings are compared with those of [`crate::recipe`], the only part of the program
//! that is asked for what it is to be judged by: the settings of an engine are a table, and a
//! second copy of it would be the first thing to be forgotten.
//!
//! Nothing follows from a plan that breaks a rule, so this comes second, and only for
//! plans without a fault.

mod binding;
mod capacity;
mod layout;
mod objectives;
mod pins;
mod rates;
mod settings;
mod volumes;

use super::Findings;
use super::index::Index;
use crate::plan::Plan;
use crate::profile::Profiles;

pub(super) fn check(plan: &Plan, profiles: &Profiles, index: &Index<'_>, findings: &mut Findings) {
    volumes::check(plan, index, findings);
    pins::check(plan, index, findings);
    layout::check(plan, profiles, findings);
    capacity::check(plan, profiles, findings);
    settings::check(plan, profiles, findings);
    objectives::check(plan, index, findings);
}

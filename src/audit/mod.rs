//! An independent check: derives every rule again from the finished plan alone, by code
//! that shares nothing with model, solve and sizing.
//!
//! [`audit`] checks the rules, in integers and with one file per family, and then compares
//! what follows from the plan (`derived`), so that no field can be edited unseen.
//! [`losses`] and [`machine_losses`] replay the loss of each failure domain, [`against`] compares a plan with the
//! spec that it is said to be of.

mod against;
mod cpus;
mod derived;
mod fixed;
mod gateway_pair;
mod groups;
mod hosts;
mod identity;
mod index;
mod kind;
mod loss;
mod machines;
mod neighbours;
mod pool;
mod preferred;
mod primary_replica;
mod quorum;
mod reference;
mod restart;
mod serve;
mod service;
mod sharded;
mod speed;
mod survival;
mod text;
mod topology;

use std::fmt;

use serde::Serialize;

pub use self::against::against;
use self::index::Index;
pub use self::kind::{Kind, Severity};
pub use self::loss::{Failover, Intervention, Loss, Promotion, losses};
pub use self::machines::{LostMachine, MachineLoss, Recovery, machine_losses};
pub use self::preferred::Preferred;
pub use self::service::traffic_by_host;
use crate::plan::{FORMAT, Plan};
use crate::profile::Profiles;

/// Something that is wrong with a plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// Which rule is broken.
    pub kind: Kind,
    /// Whether the plan may be deployed with it.
    pub severity: Severity,
    /// Which instance, host or service breaks it.
    pub subject: String,
    /// How, with the numbers.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, severity, subject, message } = self;
        write!(f, "{severity}: {subject}: {message} ({kind})")
    }
}

/// The findings so far.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, kind: Kind, subject: impl ToString, message: impl Into<String>) {
        self.0.push(Finding {
            kind,
            severity: kind.severity(),
            subject: plain(&subject.to_string()),
            message: plain(&message.into()),
        });
    }

    /// Returns them in the order of [`Kind`], each once.
    fn sorted(mut self) -> Vec<Finding> {
        self.0.sort();
        self.0.dedup();
        self.0
    }
}

/// Returns a text as a screen may show it: the plan may come from anywhere.
fn plain(text: &str) -> String {
    let escaped = |c: char| match c {
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// Checks a plan against every rule, then compares what follows from it with what it
/// states; findings come in the order of [`Kind`].
///
/// From a plan that breaks a rule nothing follows: the second part is for plans that keep
/// all of them.
#[must_use]
pub fn audit(plan: &Plan, profiles: &Profiles) -> Vec<Finding> {
    let mut findings = rules(plan, profiles);
    if is_fit(&findings) {
        let mut more = Findings(findings);
        derived::check(plan, profiles, &Index::new(&plan.topology), &mut more);
        findings = more.sorted();
    }
    findings
}

/// Checks a plan against every rule and no more: for plans that were changed in thought,
/// whose objectives and settings are those of the plan before.
#[must_use]
pub fn rules(plan: &Plan, profiles: &Profiles) -> Vec<Finding> {
    let mut findings = Findings::default();
    if plan.format != FORMAT {
        let message = format!("plan format {}; expected {FORMAT}", plan.format);
        findings.add(Kind::Format, &plan.name, message);
    }
    topology::check(plan, &mut findings);
    let index = Index::new(&plan.topology);
    hosts::check(plan, &index, &mut findings);
    cpus::check(plan, &index, &mut findings);
    identity::check(plan, &mut findings);
    groups::check(plan, &mut findings);
    service::check(plan, profiles, &index, &mut findings);
    survival::check(plan, profiles, &mut findings);
    fixed::check(plan, &mut findings);
    restart::check(plan, profiles, &index, &mut findings);
    text::check(plan, &mut findings);
    reference::check(plan, &mut findings);
    serve::check(plan, &mut findings);
    findings.sorted()
}

/// Whether a plan with these findings may be written and deployed.
#[must_use]
pub fn is_fit(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.severity == Severity::Warning)
}

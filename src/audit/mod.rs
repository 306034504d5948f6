//! An independent check: derives every rule again from the finished plan alone, in
//! integers, by code that shares nothing with model, solve and sizing.
//!
//! [`audit`] checks the rules, [`losses`] replays the loss of each failure domain. One file
//! per family of rules.

mod cpus;
mod fixed;
mod gateway_pair;
mod groups;
mod hosts;
mod identity;
mod index;
mod kind;
mod loss;
mod pool;
mod primary_replica;
mod quorum;
mod service;
mod sharded;
mod speed;
mod survival;
mod text;
mod topology;

use std::fmt;

use serde::Serialize;

use self::index::Index;
pub use self::kind::{Kind, Severity};
pub use self::loss::{Failover, Intervention, Loss, losses};
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
            subject: subject.to_string(),
            message: message.into(),
        });
    }
}

/// Checks a plan against every rule; findings come in the order of [`Kind`].
#[must_use]
pub fn audit(plan: &Plan, profiles: &Profiles) -> Vec<Finding> {
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
    text::check(plan, &mut findings);
    findings.0.sort();
    findings.0.dedup();
    findings.0
}

/// Whether a plan with these findings may be written and deployed.
#[must_use]
pub fn is_fit(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.severity == Severity::Warning)
}

//! `failover:` of a database: who lets another copy take over, and whether there is room for
//! those who decide by themselves.

use std::collections::BTreeSet;

use super::demand::engines;
use crate::spec::diagnostic::{Diagnostics, alternatives};
use crate::spec::read::form::At;
use crate::spec::read::scope::Scope;
use crate::spec::read::sources::Sources;
use crate::spec::{Cluster, Engine, FailoverMode, Policy};
use crate::topology::Host;

/// Votes of which one may be lost without losing the majority.
const VOTES: usize = 3;
/// What there is instead of copies that decide.
const MANUAL: &str = "leave it out: two copies, and a person decides by `hostsplit failover`";

/// Who decides; a person, where nothing is said.
pub(super) fn of(
    scope: &mut Scope<'_>,
    engine: Engine,
    wire: Option<&At<FailoverMode>>,
) -> Option<FailoverMode> {
    let Some(at) = wire else { return Some(FailoverMode::Manual) };
    if engine.cluster() != Cluster::PrimaryReplica {
        let databases = engines(Cluster::PrimaryReplica);
        let message = format!("failover: not supported for {engine}, only for {databases}");
        scope.error_with(at.mark, message, "remove it".to_owned());
        return None;
    }
    let mode = scope.value("failover", at)?;
    if let (FailoverMode::Automatic, Some(why)) = (mode, engine.why_not_elected()) {
        let elect = |one: &&Engine| one.why_not_elected().is_none();
        let others: Vec<&str> = Engine::ALL.iter().filter(elect).map(|one| one.as_str()).collect();
        let others = alternatives(&others);
        scope.error_with(
            at.mark,
            format!("failover: automatic {why}"),
            format!(
                "{MANUAL}; or `engine: {others}`, of which three copies elect their primary by \
                 themselves"
            ),
        );
        return None;
    }
    Some(mode)
}

/// Copies that elect are three, in three failure domains of each level that is survived.
pub(super) fn has_room(
    sources: &Sources,
    policy: &Policy,
    hosts: &[Host],
    diagnostics: &mut Diagnostics,
) {
    for (file, service) in &sources.services {
        let Some(at) = &service.value.failover else { continue };
        let engine = service.value.engine.as_ref().and_then(|at| at.value.as_ref().ok());
        let elects = engine.is_some_and(|engine| engine.why_not_elected().is_none());
        if !elects || !matches!(at.value, Ok(FailoverMode::Automatic)) {
            continue;
        }
        let mut scope = Scope { file, diagnostics: &mut *diagnostics };
        if !policy.survives() {
            scope.error_with(
                at.mark,
                "failover: automatic survives the loss of a failure domain, and policy.survive is \
                 none",
                format!("`policy: {{ survive: host }}`; or {MANUAL}"),
            );
        }
        for level in policy.levels() {
            let names: BTreeSet<String> =
                hosts.iter().map(|host| host.failure_domain(level)).collect();
            if names.len() < VOTES {
                scope.error_with(
                    at.mark,
                    format!(
                        "failover: automatic takes three copies on three {level}s, so that two are \
                         a majority when one is lost; {} {level}{} there",
                        names.len(),
                        if names.len() == 1 { " is" } else { "s are" }
                    ),
                    format!("add a third {level}, which holds a whole copy too; or {MANUAL}"),
                );
            }
        }
    }
}

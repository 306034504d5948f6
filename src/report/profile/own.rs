//! A spec's overrides of built-in profiles, in a line for each engine.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::profile::{Decimal, OwnProfiles};
use crate::spec::Engine;

/// The overrides of one engine's profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnSummary {
    /// The engine.
    pub engine: Engine,
    /// Path of the profile file as the spec has it.
    pub file: Option<String>,
    /// Numbers by `section.name`.
    pub set: BTreeMap<String, Decimal>,
}

/// All overrides, in the order of engines.
#[must_use]
pub fn own(profiles: &OwnProfiles) -> Vec<OwnSummary> {
    let OwnProfiles(all) = profiles;
    all.iter()
        .map(|(engine, own)| OwnSummary {
            engine: *engine,
            file: own.file.as_ref().map(|file| file.name.clone()),
            set: own.set.clone(),
        })
        .collect()
}

impl OwnSummary {
    /// The file and the numbers: `from redis.toml; threads.one_thread = 95000`.
    #[must_use]
    pub fn text(&self) -> String {
        // A plan that was edited by hand must not steer a terminal.
        let file = self.file.as_ref().map(|name| format!("from {}", name.escape_debug()));
        let set: Vec<String> =
            self.set.iter().map(|(name, value)| format!("{name} = {value}")).collect();
        let set = (!set.is_empty()).then(|| set.join(", "));
        file.into_iter().chain(set).collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for OwnSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "profile of {}: {} (from the spec)", self.engine, self.text())
    }
}

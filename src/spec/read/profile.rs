//! Reads the profile files that a spec names.

use std::collections::BTreeMap;
use std::path::Path;

use super::file;
use super::scalar::Text;
use super::scope::Scope;
use super::sources::{Bounds, OUTSIDE_HINT};
use crate::profile::OwnFile;
use crate::spec::Engine;
use crate::spec::diagnostic::Diagnostic;
use crate::spec::wire;

/// Largest profile in bytes; those that the program brings along have some ten
/// thousand. Its text goes into the plan.
const MAX_PROFILE: u64 = 1 << 20;

/// A profile file.
pub(in crate::spec) struct FoundProfile {
    /// Where it lies, for messages.
    pub path: String,
    /// What goes into the plan.
    pub file: OwnFile,
}

/// The files by engine; what cannot be read is reported and left out.
pub(in crate::spec) fn files(
    scope: &mut Scope<'_>,
    directory: &Path,
    profiles: &wire::Profiles,
    bounds: &Bounds,
) -> BTreeMap<Engine, FoundProfile> {
    let mut found = BTreeMap::new();
    for (engine, own) in profiles.each() {
        let Some(at) = &own.value.file else { continue };
        // Whether the name is right is judged later, with all the others.
        let Ok(Text(name)) = &at.value else { continue };
        let path = directory.join(name);
        if !bounds.hold(&path) {
            let message = format!("file: {} is outside of the spec's directory", path.display());
            scope.error_with(at.mark, message, OUTSIDE_HINT.to_owned());
            continue;
        }
        match file::read_up_to(&path, MAX_PROFILE) {
            Ok(text) => {
                let (path, name) = (path.display().to_string(), name.clone());
                found.insert(engine, FoundProfile { path, file: OwnFile { name, text } });
            }
            Err(Diagnostic { place, message, hint }) if place.mark.is_none() => {
                scope.error_with(at.mark, format!("file: {}: {message}", place.file), hint);
            }
            Err(diagnostic) => scope.diagnostics.push(diagnostic),
        }
    }
    found
}

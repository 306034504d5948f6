//! A file to a [`Spec`]: read, then checked.

use std::path::Path;

use super::diagnostic::{Diagnostics, SpecErrors};
use super::read::sources::sources;
use super::{Spec, check};

/// Reads and checks the spec at `path` with all that it includes.
///
/// # Errors
/// All errors of the spec, each with its place.
pub fn load(path: &Path) -> Result<Spec, SpecErrors> {
    let mut diagnostics = Diagnostics::default();
    let spec =
        sources(path, &mut diagnostics).and_then(|sources| check::spec(&sources, &mut diagnostics));
    match spec {
        Some(spec) if diagnostics.is_empty() => Ok(spec),
        _ => Err(SpecErrors::new(diagnostics)),
    }
}

//! A file to a [`Spec`]: read, then checked.

use std::path::Path;

use super::diagnostic::{Diagnostics, SpecErrors};
use super::read::sources::sources;
use super::{Spec, check};

/// Where the files lie that a spec may include.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reach {
    /// In the spec's directory and those below it.
    #[default]
    Beside,
    /// Anywhere: the spec is the reader's own.
    Anywhere,
}

/// Reads and checks the spec at `path` with all that it includes from beside it.
///
/// # Errors
/// All errors of the spec, each with its place.
pub fn load(path: &Path) -> Result<Spec, SpecErrors> {
    load_within(path, Reach::default())
}

/// The same with includes from as far away as `reach` says.
///
/// # Errors
/// As [`load`].
pub fn load_within(path: &Path, reach: Reach) -> Result<Spec, SpecErrors> {
    let mut diagnostics = Diagnostics::default();
    let spec = sources(path, reach, &mut diagnostics)
        .and_then(|sources| check::spec(&sources, &mut diagnostics));
    match spec {
        Some(spec) if diagnostics.is_empty() => Ok(spec),
        _ => Err(SpecErrors::new(diagnostics, &path.display().to_string())),
    }
}

//! A file to a [`Spec`]: read, then checked.

use std::path::Path;

use super::diagnostic::{Problems, SpecErrors};
use super::read::sources::sources;
use super::{Spec, check};

/// Reads and checks the spec at `path` with all that it includes.
///
/// # Errors
/// Everything that is wrong with it, each mistake with its place.
pub fn load(path: &Path) -> Result<Spec, SpecErrors> {
    let mut problems = Problems::default();
    let spec =
        sources(path, &mut problems).and_then(|sources| check::spec(&sources, &mut problems));
    match spec {
        Some(spec) if problems.is_empty() => Ok(spec),
        _ => Err(SpecErrors::new(problems)),
    }
}

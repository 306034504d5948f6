//! The plan's file: read with its version checked, replaced atomically.
#![expect(clippy::disallowed_methods, reason = "edge: reads and writes the plan file")]

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{FileError, Plan};
use crate::atomic_file;

/// Largest plan file in bytes; an instance takes about 2 KiB.
const MAX_FILE: u64 = 256 << 20;

/// Why a plan's file was not read or not written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened or read.
    #[error("{}: cannot read the plan", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The text is no plan that this program reads.
    #[error("{}: {source}", path.display())]
    Text {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: FileError,
    },
    /// The file is larger than any plan.
    #[error("{}: larger than {} MiB, not a plan", path.display(), MAX_FILE >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The path of the plan is no regular file.
    #[error("{}: not a regular file, so it is not replaced", path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
    },
    /// The file cannot be written; what was there before is still there.
    #[error("{}: cannot write", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// Reads a plan.
///
/// # Errors
/// The file is unreadable, no plan, or of another version.
pub fn read(path: &Path) -> Result<Plan, StoreError> {
    let path_buf = || path.to_owned();
    let unreadable = |source| StoreError::Read { path: path_buf(), source };
    let mut text = String::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE {
        return Err(StoreError::TooLarge { path: path_buf() });
    }
    Plan::from_text(&text).map_err(|source| StoreError::Text { path: path_buf(), source })
}

/// Replaces a file so that it holds the old text or the new one, whatever
/// happens in between.
///
/// # Errors
/// The old text is still there.
pub fn write(path: &Path, text: &str) -> Result<(), StoreError> {
    atomic_file::replace(path, text.as_bytes()).map_err(|source| match source.kind() {
        io::ErrorKind::InvalidInput => StoreError::NoFile { path: path.to_owned() },
        _ => StoreError::Write { path: path.to_owned(), source },
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let error = write(directory.path(), "text").unwrap_err();
        assert!(matches!(error, StoreError::NoFile { .. }), "{error}");
        let missing = directory.path().join("none/plan.json");
        let error = write(&missing, "text").unwrap_err();
        assert!(matches!(error, StoreError::Write { .. }), "{error}");
    }

    #[test]
    fn what_is_no_plan_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.json");
        fs::write(&path, r#"{"format": 1, "new": 1}"#).unwrap();
        let said = read(&path).unwrap_err().to_string();
        assert!(said.contains("plan.json: the plan has format 1"), "{said}");
        fs::write(&path, b"\xff").unwrap();
        assert!(matches!(read(&path), Err(StoreError::Read { .. })));
    }
}

//! The plan's file: read with its version checked, replaced atomically.
#![expect(clippy::disallowed_methods, reason = "edge: reads and writes the plan file")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{FORMAT, Plan};

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
    /// The text is no plan.
    #[error("{}: not a plan", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, with line and column.
        source: serde_json::Error,
    },
    /// The plan has another version.
    #[error("{}: the plan has format {found}; this program reads format {FORMAT}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// The file is larger than any plan.
    #[error("{}: larger than {} MiB, not a plan", path.display(), MAX_FILE >> 20)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Something that is no file stands where the plan would go.
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
    #[derive(Deserialize)]
    struct Probe {
        format: u64,
    }
    let path_buf = || path.to_owned();
    let unreadable = |source| StoreError::Read { path: path_buf(), source };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(StoreError::TooLarge { path: path_buf() });
    }
    let malformed = |source| StoreError::Malformed { path: path_buf(), source };
    // Another version may have other fields: look at the version alone first.
    let Probe { format } = serde_json::from_slice(&bytes).map_err(malformed)?;
    if format != u64::from(FORMAT) {
        return Err(StoreError::Format { path: path_buf(), found: format });
    }
    serde_json::from_slice(&bytes).map_err(malformed)
}

/// The plan as its file holds it: the same plan gives the same bytes.
///
/// # Errors
/// None for a plan; the signature is that of the serializer.
pub fn text(plan: &Plan) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(plan)?;
    text.push('\n');
    Ok(text)
}

/// Replaces a file so that it holds the old text or the new one, whatever
/// happens in between.
///
/// # Errors
/// The old text is still there.
pub fn write_atomically(path: &Path, text: &str) -> Result<(), StoreError> {
    // A link stays a link: what it leads to is replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&target).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(StoreError::NoFile { path: path.to_owned() });
    }
    let failed = |source| StoreError::Write { path: path.to_owned(), source };
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let Some(name) = target.file_name() else {
        return Err(StoreError::NoFile { path: path.to_owned() });
    };
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.tmp", std::process::id()));
    let temporary = directory.join(temporary);
    let replaced = fill(&temporary, text).and_then(|()| fs::rename(&temporary, &target));
    if let Err(error) = replaced {
        // Best effort: the error that matters is the first one.
        let _ = fs::remove_file(&temporary);
        return Err(failed(error));
    }
    // The new name must survive a power cut too.
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

fn fill(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.json");
        write_atomically(&path, "one").unwrap();
        write_atomically(&path, "two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_link_stays_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        write_atomically(&link, "new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&target).unwrap(), "new");
    }

    #[test]
    fn what_is_no_file_is_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let error = write_atomically(directory.path(), "text").unwrap_err();
        assert!(matches!(error, StoreError::NoFile { .. }), "{error}");
        let missing = directory.path().join("none/plan.json");
        let error = write_atomically(&missing, "text").unwrap_err();
        assert!(matches!(error, StoreError::Write { .. }), "{error}");
    }

    #[test]
    fn other_versions_and_other_files_are_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.json");
        let said = |text: &str| {
            fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err();
            error.to_string().replace(&format!("{}/", directory.path().display()), "")
        };
        insta::assert_snapshot!(
            said(r#"{"format": 2, "new": 1}"#),
            @"plan.json: the plan has format 2; this program reads format 1"
        );
        insta::assert_snapshot!(said(r#"{"format": 1}"#), @"plan.json: not a plan");
        insta::assert_snapshot!(said("name: x"), @"plan.json: not a plan");
    }
}

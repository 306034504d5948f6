//! The plan's file: read with its version checked, replaced atomically.
#![expect(clippy::disallowed_methods, reason = "edge: reads and writes the plan file")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::{FileError, Plan};

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
    fn what_is_no_plan_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.json");
        fs::write(&path, r#"{"format": 2, "new": 1}"#).unwrap();
        let said = read(&path).unwrap_err().to_string();
        assert!(said.contains("plan.json: the plan has format 2"), "{said}");
        fs::write(&path, b"\xff").unwrap();
        assert!(matches!(read(&path), Err(StoreError::Read { .. })));
    }
}

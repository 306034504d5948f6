//! The plan's file: read with its version checked, replaced atomically.
#![expect(clippy::disallowed_methods, reason = "edge: reads and writes the plan file")]

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt as _;
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
    /// The path is a pipe, which may never end.
    #[error("{}: is a pipe; expected a file", path.display())]
    Pipe {
        /// The path.
        path: PathBuf,
    },
    /// The path of the plan is no regular file.
    #[error("{}: not a regular file, so it is not replaced", path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
    },
    /// A file that is no plan is where the plan would go: perhaps the spec itself.
    #[error("{}: exists and is not a plan, so it is not replaced; choose another file", path.display())]
    Foreign {
        /// The file.
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
    // Reading a pipe without a writer never ends. A shell's pipes are in /dev and have one.
    let kind = std::fs::metadata(path).map_err(unreadable)?.file_type();
    if kind.is_fifo() && !path.starts_with("/dev") {
        return Err(StoreError::Pipe { path: path_buf() });
    }
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > MAX_FILE {
        return Err(StoreError::TooLarge { path: path_buf() });
    }
    Plan::from_text(&text).map_err(|source| StoreError::Text { path: path_buf(), source })
}

/// Refuses to replace a file that exists and is no plan, of whatever format.
///
/// # Errors
/// [`StoreError::Foreign`]; the file cannot be read.
pub fn may_replace(path: &Path) -> Result<(), StoreError> {
    /// What every plan has had since its first format.
    #[derive(serde::Deserialize)]
    struct Head {
        #[serde(rename = "format")]
        _format: u32,
        #[serde(rename = "instances")]
        _instances: serde::de::IgnoredAny,
    }
    let unreadable = |source| StoreError::Read { path: path.to_owned(), source };
    let file = match File::open(path) {
        Ok(file) if file.metadata().is_ok_and(|found| found.is_file()) => file,
        // What is no file is refused when it is written.
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(unreadable(error)),
    };
    let reader = io::BufReader::new(file.take(MAX_FILE + 1));
    match serde_json::from_reader::<_, Head>(reader) {
        Ok(_) => Ok(()),
        Err(_) => Err(StoreError::Foreign { path: path.to_owned() }),
    }
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
    fn only_plans_are_replaced_by_plans() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("spec.yaml");
        assert!(may_replace(&path).is_ok(), "nothing is there");
        for text in ["name: shop\n", "{\"format\": 3}", ""] {
            fs::write(&path, text).unwrap();
            assert!(matches!(may_replace(&path), Err(StoreError::Foreign { .. })), "{text:?}");
        }
        fs::write(&path, "{\"format\": 9, \"instances\": [], \"more\": 1}").unwrap();
        assert!(may_replace(&path).is_ok(), "a plan of any format");
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

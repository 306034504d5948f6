//! The files of the secrets directory: closed to others, never there in part,
//! and written down, so that what was made here is known from what was found.
#![expect(clippy::disallowed_methods, reason = "edge: the files of the secrets directory")]

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::error::{Result, SecretError};
use crate::atomic_file;
use crate::digest::sha256;

/// Permission bits of every file: its owner reads and writes it.
const CLOSED: u32 = 0o600;

/// The list of what we made: a line of `sha256sum` for each file.
const MADE: &str = ".made";

/// The secrets directory of one deployment.
#[derive(Clone, Debug)]
pub(super) struct Folder(PathBuf);

/// What became of the secrets of a deployment that was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// How many files were removed.
    pub removed: usize,
    /// Files that stay, since we did not make them or somebody changed them.
    pub left: Vec<PathBuf>,
}

pub(super) fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SecretError {
    let path = path.to_owned();
    move |source| SecretError::Io { what, path, source }
}

impl Folder {
    pub(super) const fn new(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// Returns where a file lies.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Returns the text of a file; `None` if there is none.
    pub(super) fn text(&self, name: &str) -> Result<Option<String>> {
        let path = self.path(name);
        match fs::read_to_string(&path) {
            Ok(text) => closed(&path).map(|()| Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("cannot read", &path)(error)),
        }
    }

    /// Whether a file is there.
    pub(super) fn has(&self, name: &str) -> Result<bool> {
        let path = self.path(name);
        path.try_exists().map_err(failed("cannot look at", &path))
    }

    /// Writes a file; it is never there in part, and never open.
    pub(super) fn put(&self, name: &str, text: &str) -> Result<()> {
        let directory = &self.0;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(directory).map_err(failed("cannot make", directory))?;
        self.note(name, text)?;
        let path = self.path(name);
        atomic_file::replace_with(&path, text.as_bytes(), CLOSED)
            .map_err(failed("cannot write", &path))
    }

    /// Removes a file, if it is there.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("cannot remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Writes down that we make a file. What is lost of the list, or is in it
    /// for a file that was not written after all, costs nothing: the file stays
    /// when the others go.
    fn note(&self, name: &str, text: &str) -> Result<()> {
        let path = self.path(MADE);
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(CLOSED);
        let mut file = options.open(&path).map_err(failed("cannot open", &path))?;
        file.write_all(line(name, text.as_bytes()).as_bytes())
            .map_err(failed("cannot write", &path))
    }

    /// Removes the files that we made and that are still as we made them, and the
    /// directory if nothing else is in it.
    pub(super) fn forget(&self) -> Result<Forgotten> {
        let directory = &self.0;
        let list = self.text(MADE)?.unwrap_or_default();
        let made: BTreeSet<&str> = list.split_inclusive('\n').collect();
        let mut forgotten = Forgotten::default();
        for name in self.names()? {
            let path = directory.join(&name);
            let ours = match fs::read(&path) {
                Ok(bytes) => made.contains(line(&name, &bytes).as_str()),
                // A directory, for example.
                Err(_) => false,
            };
            if ours {
                self.remove(&name)?;
                forgotten.removed += 1;
            } else if name != MADE {
                forgotten.left.push(path);
            }
        }
        if forgotten.left.is_empty() {
            self.remove(MADE)?;
            match fs::remove_dir(directory) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("cannot remove", directory)(error));
                }
                _ => {}
            }
        }
        Ok(forgotten)
    }

    /// Lists what is in the directory, sorted. Names that are no UTF-8 are foreign and
    /// are given as well as they can be.
    pub(super) fn names(&self) -> Result<BTreeSet<String>> {
        let directory = &self.0;
        let entries = match fs::read_dir(directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(failed("cannot read", directory)(error)),
        };
        let name = |entry: io::Result<fs::DirEntry>| {
            entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
        };
        entries.map(name).collect::<io::Result<_>>().map_err(failed("cannot read", directory))
    }
}

/// Writes a line as `sha256sum` does. A digest of a password gives away nothing: ours
/// have 192 bits of chance, and the list is as closed as the files.
fn line(name: &str, bytes: &[u8]) -> String {
    format!("{}  {name}\n", sha256(bytes))
}

/// Refuses a file that others than its owner can read.
pub(super) fn closed(path: &Path) -> Result<()> {
    let metadata = fs::metadata(path).map_err(failed("cannot look at", path))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(SecretError::Open { path: path.to_owned(), mode }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_we_made_and_nobody_changed_is_forgotten() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::new(state.path().join("secrets"));
        assert_eq!(folder.forget().unwrap(), Forgotten::default(), "nothing was there");
        for name in ["cache", "cache.internal", "ca.key"] {
            folder.put(name, "one\n").unwrap();
            folder.put(name, name).unwrap();
        }
        fs::write(folder.path("ca.key"), "put in its place by an operator").unwrap();
        fs::write(folder.path("notes"), "of an operator").unwrap();
        let forgotten = folder.forget().unwrap();
        assert_eq!(forgotten.removed, 2);
        assert_eq!(forgotten.left, [folder.path("ca.key"), folder.path("notes")]);
        fs::remove_file(folder.path("ca.key")).unwrap();
        fs::remove_file(folder.path("notes")).unwrap();
        assert_eq!(folder.forget().unwrap(), Forgotten::default());
        assert!(!state.path().join("secrets").exists());
    }
}

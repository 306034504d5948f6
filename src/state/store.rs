//! The state directory: lock, journal and the plan that was deployed last.
//!
//! ```text
//! .hostsplit/<deployment>/lock           held while a run changes something
//!                        /journal.jsonl  one record per line, synced each
//!                        /plan.json      replaced at once
//! ```
#![expect(clippy::disallowed_methods, reason = "edge: the files of the state directory")]

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::journal::{Entry, History, Record};
use crate::files;
use crate::ids::DeploymentName;

/// A file of the state directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another run holds the lock.
    #[error("deployment is locked by {holder} ({})", path.display())]
    Locked {
        /// The lock.
        path: PathBuf,
        /// Who holds it, in their own words.
        holder: String,
    },
}

type Result<T> = std::result::Result<T, StoreError>;

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { what, path, source }
}

/// Where the state of a deployment lies by default: beside its plan.
#[must_use]
pub fn beside(plan_file: &Path, deployment: &DeploymentName) -> PathBuf {
    let directory = plan_file.parent().unwrap_or_else(|| Path::new(""));
    directory.join(".hostsplit").join(deployment.as_str())
}

/// The state directory of one deployment.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
}

/// The right to change a deployment; given back when dropped, and by the system
/// when the process dies.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    /// Closing the file would not do: a process that any thread starts holds a
    /// copy of it from its fork to its exec, and with it the lock.
    fn drop(&mut self) {
        // Then it goes with the last copy.
        let _ = self.file.unlock();
    }
}

/// An open journal; records are on the disk when a call returns.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Mutex<File>,
}

impl Store {
    /// The store in a directory, which is made when something is written.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Takes the lock, or says who holds it.
    ///
    /// # Errors
    /// [`StoreError::Locked`]; or the file system.
    pub fn lock(&self, holder: &str) -> Result<Lock> {
        self.make()?;
        let path = self.directory.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(failed("cannot open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // Who holds it is only said; the lock itself is the kernel's.
                let _ = file.read_to_string(&mut text);
                let holder = text.lines().next().unwrap_or("another process").to_owned();
                return Err(StoreError::Locked { path, holder });
            }
            Err(TryLockError::Error(error)) => return Err(failed("cannot lock", &path)(error)),
        }
        let text = format!("{holder}, since {}\n", now());
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(text.as_bytes()))
            .map_err(failed("cannot write", &path))?;
        Ok(Lock { file })
    }

    /// Opens the journal to add to it. Only the holder of the lock may.
    ///
    /// # Errors
    /// The file system.
    pub fn journal(&self, _lock: &Lock) -> Result<Journal> {
        let path = self.journal_path();
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        let mut file = options.open(&path).map_err(failed("cannot open", &path))?;
        end_line(&mut file).map_err(failed("cannot write", &path))?;
        files::sync_directory(&self.directory).map_err(failed("cannot sync", &self.directory))?;
        Ok(Journal { path, file: Mutex::new(file) })
    }

    /// What the journal tells; nothing without one.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn history(&self) -> Result<History> {
        let path = self.journal_path();
        match fs::read(&path) {
            Ok(bytes) => Ok(History::read(&String::from_utf8_lossy(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(History::default()),
            Err(error) => Err(failed("cannot read", &path)(error)),
        }
    }

    /// Keeps a copy of the plan that is deployed.
    ///
    /// # Errors
    /// The file system.
    pub fn save_plan(&self, bytes: &[u8]) -> Result<()> {
        self.make()?;
        let path = self.directory.join("plan.json");
        files::replace(&path, bytes).map_err(failed("cannot write", &path))
    }

    fn make(&self) -> Result<()> {
        let path = &self.directory;
        fs::create_dir_all(path).map_err(failed("cannot make the state directory", path))
    }

    fn journal_path(&self) -> PathBuf {
        self.directory.join("journal.jsonl")
    }
}

impl Journal {
    /// Adds a record and waits until the disk has it.
    ///
    /// # Errors
    /// The file system, for example because it is full.
    pub fn write(&self, entry: Entry) -> Result<()> {
        let record = Record { at: now(), entry };
        let wrong = |error| failed("cannot write", &self.path)(error);
        let mut line = serde_json::to_vec(&record).map_err(|error| wrong(error.into()))?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(&line).and_then(|()| file.sync_data()).map_err(wrong)
    }
}

/// Ends a last line that a crash tore, so that the next record stands alone.
fn end_line(file: &mut File) -> io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

/// Now, in RFC 3339 with UTC, to the second.
fn now() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished() -> Entry {
        Entry::Finished { done: 1, failed: 0, skipped: 0 }
    }

    #[test]
    fn the_second_is_told_who_holds_the_lock() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path().join("a/b"));
        let first = store.lock("deploy by ann@desk, pid 7").unwrap();
        let refused = store.lock("destroy by bob@desk, pid 8").unwrap_err().to_string();
        assert!(refused.contains("locked by deploy by ann@desk, pid 7, since 2"), "{refused}");
        drop(first);
        assert!(store.lock("destroy by bob@desk, pid 8").is_ok());
    }

    #[test]
    fn a_lock_is_given_back_even_while_a_child_that_was_just_forked_has_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path().to_owned());
        let first = store.lock("a").unwrap();
        let _of_the_child = first.file.try_clone().unwrap();
        drop(first);
        assert!(store.lock("b").is_ok());
    }

    #[test]
    fn a_torn_line_does_not_spoil_the_next() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path().to_owned());
        let lock = store.lock("a").unwrap();
        fs::write(directory.path().join("journal.jsonl"), b"{\"at\":\"20").unwrap();
        let started = Entry::Started {
            command: "deploy".to_owned(),
            plan: String::new(),
            hostsplit: String::new(),
            actions: 1,
        };
        let journal = store.journal(&lock).unwrap();
        journal.write(started).unwrap();
        journal.write(finished()).unwrap();
        let history = store.history().unwrap();
        assert_eq!(history.unreadable, 1);
        assert!(history.last.unwrap().finished);
    }
}

//! The state directory: lock, journal and the plan that was deployed last.
//!
//! ```text
//! .hostsplit/<deployment>/lock           held while a run changes something
//!                        /journal.jsonl  one record per line, intents synced
//!                        /plan.json      replaced at once
//!                        /former-hosts.json, places.json
//!                                        what hosts may still run that do not answer
//!                        /restoring.json services whose data is being replaced by a backup
//! ```
#![expect(clippy::disallowed_methods, reason = "edge: the files of the state directory")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::journal::{Entry, History, Record};
use super::world::Places;
use crate::atomic_file;
use crate::ids::{DeploymentName, HostName, ServiceName};

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
    /// Somebody else could have put it there.
    #[error("{} is not trusted: {why}", path.display())]
    Untrusted {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong with it.
        why: &'static str,
    },
    /// What it keeps cannot be read.
    #[error("{} is damaged: {why}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// Where it is wrong.
        why: String,
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

/// Services whose data is being replaced.
const RESTORING: &str = "restoring.json";

/// Permission bits of files and directories: the user's own, whatever the umask is.
const CLOSED: u32 = 0o600;
const CLOSED_DIRECTORY: u32 = 0o700;

/// How often a lock is tried again, and the time in between: a question for its holder
/// takes it for a moment.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// Reads what a file keeps; nothing where there is none.
fn read_kept<T: DeserializeOwned + Default>(path: &Path) -> Result<T> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
        Err(error) => return Err(failed("cannot read", path)(error)),
    };
    serde_json::from_slice(&text)
        .map_err(|error| StoreError::Broken { path: path.to_owned(), why: error.to_string() })
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { what, path, source }
}

/// Returns where the state of a deployment lies by default: beside its plan.
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

/// Takes what a run writes down.
pub trait Recorder: Sync {
    /// Adds a record. When it returns, the record outlives the process, and an
    /// intent the machine's power.
    ///
    /// # Errors
    /// The record may be lost.
    fn write(&self, entry: Entry) -> Result<()>;
}

/// An open journal; intents are on the disk when a call returns, and with them all
/// records before.
///
/// Threads that write at once share one `fsync`: a disk does a few hundred in a
/// second, and a deploy of hundreds of instances writes thousands of records.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    appended: Mutex<Appended>,
    synced: Mutex<u64>,
}

/// What was handed to the system.
#[derive(Debug, Default)]
struct Appended {
    records: u64,
    /// Why nothing more may be added: behind a torn record, or after a failed
    /// `fsync`, nobody knows what the disk has.
    broken: Option<io::ErrorKind>,
}

impl Store {
    /// Returns the store in a directory, which is made when something is written.
    #[must_use]
    pub const fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Returns the directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Takes the lock, or says who holds it.
    ///
    /// # Errors
    /// [`StoreError::Locked`]; or the file system.
    pub fn lock(&self, holder: &str) -> Result<Lock> {
        self.make()?;
        let path = self.directory.join("lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(CLOSED);
        let mut file = options.open(&path).map_err(failed("cannot open", &path))?;
        let mut tries = TRIES;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if tries > 0 => {
                    tries -= 1;
                    thread::sleep(PAUSE);
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Locked { path, holder: holder_in(&mut file) });
                }
                Err(TryLockError::Error(error)) => return Err(failed("cannot lock", &path)(error)),
            }
        }
        let text = format!("{holder}, since {}\n", now());
        file.set_len(0)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .and_then(|_| file.write_all(text.as_bytes()))
            .map_err(failed("cannot write", &path))?;
        Ok(Lock { file })
    }

    /// Returns who holds the lock, in their own words; `None` if nobody does, or nobody can
    /// say.
    #[must_use]
    pub fn holder(&self) -> Option<String> {
        let mut file = File::open(self.directory.join("lock")).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Some(holder_in(&mut file)),
            Err(TryLockError::Error(_)) => None,
            Ok(()) => {
                // Otherwise it goes with the file.
                let _ = file.unlock();
                None
            }
        }
    }

    /// Opens the journal to add to it. Only the holder of the lock may.
    ///
    /// # Errors
    /// The file system.
    pub fn journal(&self, _lock: &Lock) -> Result<Journal> {
        let path = self.journal_path();
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true).mode(CLOSED);
        let mut file = options.open(&path).map_err(failed("cannot open", &path))?;
        end_line(&mut file).map_err(failed("cannot write", &path))?;
        atomic_file::sync_directory(&self.directory)
            .map_err(failed("cannot sync", &self.directory))?;
        Ok(Journal { path, file, appended: Mutex::default(), synced: Mutex::default() })
    }

    /// Reads the journal; without one there is no history.
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
        let path = self.plan_path();
        atomic_file::replace_with(&path, bytes, CLOSED).map_err(failed("cannot write", &path))
    }

    /// Keeps a copy of the plan whose image is about to be replaced.
    ///
    /// # Errors
    /// The file system.
    pub fn save_former_plan(&self, bytes: &[u8]) -> Result<()> {
        self.make()?;
        let path = self.former_plan_path();
        atomic_file::replace_with(&path, bytes, CLOSED).map_err(failed("cannot write", &path))
    }

    /// Returns where the plan with the image before this one is kept.
    #[must_use]
    pub fn former_plan_path(&self) -> PathBuf {
        self.directory.join("plan-of-former-image.json")
    }

    /// Forgets the plan that was deployed last: it has been removed.
    ///
    /// # Errors
    /// The file system.
    pub fn forget_plan(&self) -> Result<()> {
        let path = self.plan_path();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("cannot remove", &path)(error))
            }
            _ => Ok(()),
        }
    }

    /// Notes that the data of a service is being replaced by a backup.
    ///
    /// # Errors
    /// The file system.
    pub fn begin_restore(&self, service: &ServiceName) -> Result<()> {
        let mut services = self.restoring()?;
        services.insert(service.clone());
        self.save_restoring(&services)
    }

    /// Notes that it has been replaced.
    ///
    /// # Errors
    /// The file system.
    pub fn end_restore(&self, service: &ServiceName) -> Result<()> {
        let mut services = self.restoring()?;
        services.remove(service);
        self.save_restoring(&services)
    }

    /// Returns the services whose data is being replaced, or was when a run was cut off.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn restoring(&self) -> Result<BTreeSet<ServiceName>> {
        read_kept(&self.directory.join(RESTORING))
    }

    fn save_restoring(&self, services: &BTreeSet<ServiceName>) -> Result<()> {
        self.make()?;
        let path = self.directory.join(RESTORING);
        let text = serde_json::to_vec(services).unwrap_or_default();
        atomic_file::replace_with(&path, &text, CLOSED).map_err(failed("cannot write", &path))
    }

    /// Returns where the plan is kept.
    #[must_use]
    pub fn plan_path(&self) -> PathBuf {
        self.directory.join("plan.json")
    }

    /// Returns the hosts that earlier plans had and the last one has not, and that may still
    /// run something of the deployment: names and URIs. None where nothing is kept.
    ///
    /// # Errors
    /// [`StoreError::Broken`]: without them something could be forgotten there.
    pub fn former_hosts(&self) -> Result<BTreeMap<HostName, String>> {
        read_kept(&self.former_path())
    }

    /// Keeps the hosts of which nobody knows yet that they are empty.
    ///
    /// # Errors
    /// The file system.
    pub fn save_former_hosts(&self, hosts: &BTreeMap<HostName, String>) -> Result<()> {
        self.keep(&self.former_path(), hosts)
    }

    /// Returns the instances that hosts may run: they were planned there, and the host was not
    /// seen without them since. None where nothing is kept.
    ///
    /// # Errors
    /// [`StoreError::Broken`]: without them one could be made a second time elsewhere.
    pub fn places(&self) -> Result<Places> {
        read_kept(&self.places_path())
    }

    /// Keeps the instances that hosts may run.
    ///
    /// # Errors
    /// The file system.
    pub fn save_places(&self, places: &Places) -> Result<()> {
        self.keep(&self.places_path(), places)
    }

    fn keep<T: Serialize + DeserializeOwned + Default + PartialEq>(
        &self,
        path: &Path,
        value: &T,
    ) -> Result<()> {
        if read_kept::<T>(path).is_ok_and(|kept| kept == *value) {
            return Ok(());
        }
        self.make()?;
        let text = serde_json::to_vec(value).unwrap_or_default();
        atomic_file::replace_with(path, &text, CLOSED).map_err(failed("cannot write", path))
    }

    fn places_path(&self) -> PathBuf {
        self.directory.join("places.json")
    }

    fn former_path(&self) -> PathBuf {
        self.directory.join("former-hosts.json")
    }

    fn make(&self) -> Result<()> {
        let path = &self.directory;
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(CLOSED_DIRECTORY);
        builder.create(path).map_err(failed("cannot make the state directory", path))
    }

    fn journal_path(&self) -> PathBuf {
        self.directory.join("journal.jsonl")
    }
}

impl Recorder for Journal {
    /// # Errors
    /// The file system, for example because it is full; then for good.
    fn write(&self, entry: Entry) -> Result<()> {
        let wrong = |error| failed("cannot write", &self.path)(error);
        // A result is made to last with the next intent: without it the next run
        // only says that the action was open, and looks at the host either way.
        let is_result = matches!(entry, Entry::Done { .. } | Entry::Failed { .. });
        let record = Record { at: now(), entry };
        let mut line = serde_json::to_vec(&record).map_err(|error| wrong(error.into()))?;
        line.push(b'\n');
        let number = self.append(&line).map_err(wrong)?;
        if is_result { Ok(()) } else { self.sync(number).map_err(wrong) }
    }
}

impl Journal {
    /// Hands a record to the system; its number.
    fn append(&self, line: &[u8]) -> io::Result<u64> {
        let mut appended = held(&self.appended);
        if let Some(kind) = appended.broken {
            return Err(kind.into());
        }
        if let Err(error) = (&self.file).write_all(line) {
            appended.broken = Some(error.kind());
            return Err(error);
        }
        appended.records += 1;
        Ok(appended.records)
    }

    /// Waits until the disk has the record of that number. The first thread
    /// waits for all that were handed over until then.
    fn sync(&self, number: u64) -> io::Result<()> {
        let mut synced = held(&self.synced);
        if *synced >= number {
            return Ok(());
        }
        let records = held(&self.appended).records;
        if let Err(error) = self.file.sync_data() {
            held(&self.appended).broken = Some(error.kind());
            return Err(error);
        }
        *synced = records;
        Ok(())
    }
}

/// Reads who holds a lock. It is only said; the lock itself is the kernel's.
fn holder_in(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.read_to_string(&mut text);
    text.lines().next().unwrap_or("another process").to_owned()
}

/// Locks a mutex. A thread that panicked with it has left a number, which is whole.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends a last line that a crash tore, so that the next record has a line of its own.
fn end_line(file: &mut File) -> io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last == *b"\n" { Ok(()) } else { file.write_all(b"\n") }
}

/// Returns the time, in RFC 3339 with UTC, to the second.
pub(super) fn now() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ids::InstanceName;

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
        let holder = store.holder().unwrap();
        assert!(holder.starts_with("deploy by ann@desk, pid 7, since 2"), "{holder}");
        drop(first);
        assert_eq!(store.holder(), None);
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
    fn threads_that_write_at_once_lose_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path().to_owned());
        let lock = store.lock("a").unwrap();
        let journal = store.journal(&lock).unwrap();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..20).for_each(|_| journal.write(finished()).unwrap()));
            }
        });
        let text = fs::read_to_string(directory.path().join("journal.jsonl")).unwrap();
        let whole = text.lines().filter(|line| serde_json::from_str::<Record>(line).is_ok());
        assert_eq!(whole.count(), 160);
    }

    #[test]
    fn a_full_disk_stops_the_journal_for_good() {
        let file = OpenOptions::new().append(true).open("/dev/full").unwrap();
        let (appended, synced) = (Mutex::default(), Mutex::default());
        let journal = Journal { path: "journal.jsonl".into(), file, appended, synced };
        let full = journal.write(finished()).unwrap_err().to_string();
        assert!(full.contains("cannot write journal.jsonl: No space left on device"), "{full}");
        assert!(journal.write(finished()).is_err());
    }

    #[test]
    fn the_plan_is_kept_until_it_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::new(directory.path().join("a"));
        store.save_plan(b"{}").unwrap();
        assert_eq!(fs::read(store.plan_path()).unwrap(), b"{}");
        let (host, name) = (HostName::new("h1").unwrap(), InstanceName::new("cache-1").unwrap());
        let places = BTreeMap::from([(host, BTreeSet::from([name]))]);
        assert_eq!(store.places().unwrap(), Places::new());
        store.save_places(&places).unwrap();
        assert_eq!(store.places().unwrap(), places);
        fs::write(store.directory().join("places.json"), "{").unwrap();
        let damaged = store.places().unwrap_err().to_string();
        assert!(damaged.contains("places.json is damaged: EOF"), "{damaged}");
        store.forget_plan().unwrap();
        store.forget_plan().unwrap();
        assert!(!store.plan_path().exists());
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

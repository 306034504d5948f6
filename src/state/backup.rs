//! Backups on the operator's machine: a directory each, with a disk image of every group and a
//! file that says what they are.
//!
//! ```text
//! DIR/shop-orders-20261128T161500Z/group-0.raw          a data volume: a raw image of ext4
//!                                 /group-0.raw.part     one that has not arrived as a whole
//!                                 /group-0.raw.digest   what will have arrived then
//!                                 /backup.json          comes last: the backup is complete
//! ```
#![expect(clippy::disallowed_methods, reason = "edge: the files of backups")]

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::store::now;
use crate::atomic_file;
use crate::digest::hex;
use crate::ids::{DeploymentName, InstanceName, ServiceName};

/// The file that makes a backup complete.
const MANIFEST: &str = "backup.json";
/// Form of [`Manifest`].
const FORMAT: u32 = 1;
/// Permission bits: what is in a backup is whatever the database holds.
const CLOSED: u32 = 0o600;
const CLOSED_DIRECTORY: u32 = 0o700;
/// Bytes that are read at once.
const BLOCK: usize = 1 << 16;

/// A file of a backup cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
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
    /// It is not what was copied.
    #[error("{}: its SHA-256 is {found}, and not {expected}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// Its digest.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// Another run writes it.
    #[error("{}: another backup is writing here", path.display())]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// What makes it a backup cannot be read.
    #[error("{}: {why}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

type Result<T> = std::result::Result<T, BackupError>;

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { what, path, source }
}

/// What a backup is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Form of this file.
    pub format: u32,
    /// Version of the program.
    pub hostsplit: String,
    /// The deployment.
    pub deployment: DeploymentName,
    /// The service.
    pub service: ServiceName,
    /// Its engine.
    pub engine: String,
    /// When it was complete, in RFC 3339 with UTC.
    pub completed: String,
    /// Its groups, from 0.
    pub groups: Vec<GroupBackup>,
}

/// The backup of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupBackup {
    /// The instance whose data was copied.
    pub instance: InstanceName,
    /// Version of its server.
    pub version: String,
    /// The transactions that the copy has, as the engine spells them.
    pub position: String,
    /// Where its binary log was then, or a moment before: file and byte.
    pub binlog: String,
    /// Length of the image.
    pub bytes: u64,
    /// SHA-256 of the image.
    pub sha256: String,
}

/// The directory of one backup.
#[derive(Debug)]
pub struct BackupDirectory {
    path: PathBuf,
    /// Keeps other runs out for as long as it is written.
    _lock: Option<File>,
}

impl BackupDirectory {
    /// The backup of a service that was begun last in a directory and is not complete, or a new
    /// one.
    ///
    /// # Errors
    /// The file system.
    pub fn begin(base: &Path, deployment: &DeploymentName, service: &ServiceName) -> Result<Self> {
        let prefix = format!("{deployment}-{service}-");
        let make = |path: &Path| {
            let mut builder = DirBuilder::new();
            builder.recursive(true).mode(CLOSED_DIRECTORY);
            builder.create(path).map_err(failed("cannot make", path))
        };
        make(base)?;
        let mut open = Vec::new();
        for entry in fs::read_dir(base).map_err(failed("cannot read", base))? {
            let entry = entry.map_err(failed("cannot read", base))?;
            let name = entry.file_name();
            let time = name.to_str().and_then(|name| name.strip_prefix(&prefix));
            // Another service may have a name that begins with this one.
            let is_time = time
                .is_some_and(|time| time.bytes().all(|b| b.is_ascii_digit() || b"TZ".contains(&b)));
            if is_time && !entry.path().join(MANIFEST).exists() {
                open.push(entry.path());
            }
        }
        if let Some(path) = open.into_iter().max() {
            return Self::locked(path);
        }
        let time: String = now().chars().filter(|c| c.is_ascii_alphanumeric()).collect();
        let path = base.join(format!("{prefix}{time}"));
        make(&path)?;
        Self::locked(path)
    }

    fn locked(path: PathBuf) -> Result<Self> {
        let file = File::open(&path).map_err(failed("cannot open", &path))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path, _lock: Some(file) }),
            Err(TryLockError::WouldBlock) => Err(BackupError::Busy { path }),
            Err(TryLockError::Error(error)) => Err(failed("cannot lock", &path)(error)),
        }
    }

    /// A backup that is complete, with what it is.
    ///
    /// # Errors
    /// There is none; its manifest cannot be read.
    pub fn open(path: &Path) -> Result<(Self, Manifest)> {
        let file = path.join(MANIFEST);
        let text = fs::read(&file).map_err(failed("no complete backup: cannot read", &file))?;
        let broken = |why: String| BackupError::Manifest { path: file.clone(), why };
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|error| broken(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(broken(format!(
                "its format is {}, and this version reads {FORMAT}",
                manifest.format
            )));
        }
        Ok((Self { path: path.to_owned(), _lock: None }, manifest))
    }

    /// Returns where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn image(&self, group: u32) -> PathBuf {
        self.path.join(format!("group-{group}.raw"))
    }

    fn beside(&self, group: u32, ending: &str) -> PathBuf {
        self.path.join(format!("group-{group}.raw.{ending}"))
    }

    /// Whether the image of a group has arrived as a whole.
    #[must_use]
    pub fn has(&self, group: u32) -> bool {
        self.image(group).exists()
    }

    /// Opens the image of a group to be written, from where it was left if it is the same.
    ///
    /// # Errors
    /// The file system.
    pub fn arriving(&self, group: u32, sha256: &str) -> Result<Arriving> {
        let (path, digest) = (self.beside(group, "part"), self.beside(group, "digest"));
        let is_same = fs::read_to_string(&digest).is_ok_and(|known| known.trim() == sha256);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(!is_same).mode(CLOSED);
        let mut file = options.open(&path).map_err(failed("cannot open", &path))?;
        if !is_same {
            atomic_file::replace_with(&digest, sha256.as_bytes(), CLOSED)
                .map_err(failed("cannot write", &digest))?;
        }
        let mut hash = Sha256::new();
        let done = copy_into(&mut file, &mut hash).map_err(failed("cannot read", &path))?;
        Ok(Arriving { path, file, hash, done, fault: None })
    }

    /// Takes the image of a group in that has arrived.
    ///
    /// # Errors
    /// [`BackupError::Digest`]; it is removed then. The file system.
    pub fn arrived(&self, group: u32, arriving: Arriving, sha256: &str) -> Result<()> {
        let Arriving { path, file, hash, done, .. } = arriving;
        let found = hex(&hash.finalize());
        if found != sha256 {
            // Whatever is wrong with it, the next run begins anew.
            let _ = fs::remove_file(&path);
            return Err(BackupError::Digest { path, found, expected: sha256.to_owned() });
        }
        file.set_len(done).and_then(|()| file.sync_all()).map_err(failed("cannot write", &path))?;
        let image = self.image(group);
        fs::rename(&path, &image).map_err(failed("cannot write", &image))?;
        let digest = self.beside(group, "digest");
        fs::remove_file(&digest).map_err(failed("cannot remove", &digest))
    }

    /// Keeps what is known of a group whose image is there, for a run that goes on.
    ///
    /// # Errors
    /// The file system.
    pub fn note(&self, group: u32, backup: &GroupBackup) -> Result<()> {
        let path = self.path.join(format!("group-{group}.json"));
        let text = serde_json::to_vec_pretty(backup).unwrap_or_default();
        atomic_file::replace_with(&path, &text, CLOSED).map_err(failed("cannot write", &path))
    }

    /// What is known of a group whose image is there.
    #[must_use]
    pub fn noted(&self, group: u32) -> Option<GroupBackup> {
        let text = fs::read(self.path.join(format!("group-{group}.json"))).ok()?;
        serde_json::from_slice(&text).ok().filter(|_| self.has(group))
    }

    /// Makes the backup complete.
    ///
    /// # Errors
    /// The file system.
    pub fn complete(
        &self,
        (deployment, service, engine): (&DeploymentName, &ServiceName, &str),
        groups: Vec<GroupBackup>,
    ) -> Result<Manifest> {
        let manifest = Manifest {
            format: FORMAT,
            hostsplit: env!("CARGO_PKG_VERSION").to_owned(),
            deployment: deployment.clone(),
            service: service.clone(),
            engine: engine.to_owned(),
            completed: now(),
            groups,
        };
        let path = self.path.join(MANIFEST);
        let mut text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
        text.push(b'\n');
        atomic_file::replace_with(&path, &text, CLOSED).map_err(failed("cannot write", &path))?;
        for group in 0..manifest.groups.len() {
            // It is in the manifest now.
            let _ = fs::remove_file(self.path.join(format!("group-{group}.json")));
        }
        Ok(manifest)
    }

    /// Reads the image of a group whole and compares it.
    ///
    /// # Errors
    /// [`BackupError::Digest`]; the file system.
    pub fn check(&self, group: u32, backup: &GroupBackup) -> Result<()> {
        let path = self.image(group);
        let mut hash = Sha256::new();
        let read = copy_into(&mut self.read(group)?, &mut hash);
        let length = read.map_err(failed("cannot read", &path))?;
        if length != backup.bytes {
            let why = format!("it has {length} bytes, and {MANIFEST} says {}", backup.bytes);
            return Err(BackupError::Manifest { path, why });
        }
        let found = hex(&hash.finalize());
        if found == backup.sha256 {
            return Ok(());
        }
        Err(BackupError::Digest { path, found, expected: backup.sha256.clone() })
    }

    /// Opens the image of a group.
    ///
    /// # Errors
    /// The file system.
    pub fn read(&self, group: u32) -> Result<File> {
        let path = self.image(group);
        File::open(&path).map_err(failed("cannot open", &path))
    }
}

/// Reads a file to its end; returns how much that was.
fn copy_into(file: &mut File, hash: &mut Sha256) -> io::Result<u64> {
    let mut buffer = vec![0; BLOCK];
    let mut done = 0_u64;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(done),
            Ok(read) => {
                hash.update(buffer.get(..read).unwrap_or_default());
                done = done.saturating_add(read as u64);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The image of a group while it arrives. Blocks of zeros are holes.
#[derive(Debug)]
pub struct Arriving {
    path: PathBuf,
    file: File,
    hash: Sha256,
    done: u64,
    fault: Option<io::ErrorKind>,
}

impl Arriving {
    /// Bytes that have arrived.
    #[must_use]
    pub const fn done(&self) -> u64 {
        self.done
    }

    /// Why the disk took no more, if it did not.
    #[must_use]
    pub const fn fault(&self) -> Option<io::ErrorKind> {
        self.fault
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.iter().any(|byte| *byte != 0) {
            self.file.seek(SeekFrom::Start(self.done))?;
            self.file.write_all(bytes)?;
        }
        self.hash.update(bytes);
        self.done = self.done.saturating_add(bytes.len() as u64);
        Ok(())
    }
}

impl Write for Arriving {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.put(bytes);
        self.fault = written.as_ref().err().map(io::Error::kind);
        written.map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;

    fn begun(base: &Path) -> BackupDirectory {
        let service = ServiceName::new("orders").unwrap();
        BackupDirectory::begin(base, &DeploymentName::new("shop").unwrap(), &service).unwrap()
    }

    fn bytes() -> Vec<u8> {
        let mut bytes = vec![7; 100_000];
        bytes.extend(vec![0; 300_000]);
        bytes.extend(vec![9; 50_000]);
        bytes.extend(vec![0; 70_000]);
        bytes
    }

    #[test]
    fn an_image_that_was_cut_off_anywhere_arrives_as_it_was_sent() {
        let base = tempfile::tempdir().unwrap();
        let (bytes, digest) = (bytes(), sha256(bytes()));
        for cut in [0, 1, 99_999, 250_000, 420_000, 520_000] {
            let directory = begun(&base.path().join(cut.to_string()));
            let mut arriving = directory.arriving(0, &digest).unwrap();
            for chunk in bytes[..cut].chunks(65_536) {
                arriving.write_all(chunk).unwrap();
            }
            drop(arriving);
            let path = directory.path().to_owned();
            drop(directory);
            let directory = begun(&base.path().join(cut.to_string()));
            assert_eq!(directory.path(), path);
            let mut arriving = directory.arriving(0, &digest).unwrap();
            // Zeros at the end are not there yet.
            let done = usize::try_from(arriving.done()).unwrap();
            assert!(done <= cut, "{done} {cut}");
            for chunk in bytes[done..].chunks(65_536) {
                arriving.write_all(chunk).unwrap();
            }
            directory.arrived(0, arriving, &digest).unwrap();
            let mut read = Vec::new();
            directory.read(0).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!(read, bytes);
        }
    }

    #[test]
    fn other_bytes_than_were_copied_are_no_backup() {
        let base = tempfile::tempdir().unwrap();
        let directory = begun(base.path());
        let mut arriving = directory.arriving(0, &sha256(b"data")).unwrap();
        arriving.write_all(b"dat").unwrap();
        drop(arriving);
        // Another copy is begun anew.
        let arriving = directory.arriving(0, &sha256(b"date")).unwrap();
        assert_eq!(arriving.done(), 0);
        let refused = directory.arrived(0, arriving, &sha256(b"date")).unwrap_err();
        assert!(refused.to_string().contains("its SHA-256 is"), "{refused}");
        assert!(!directory.has(0));
        assert!(BackupDirectory::open(directory.path()).is_err());
    }

    #[test]
    fn a_complete_one_is_read_back_and_the_next_is_another() {
        let base = tempfile::tempdir().unwrap();
        let directory = begun(base.path());
        let group = GroupBackup {
            instance: InstanceName::new("orders-1").unwrap(),
            version: "9.7.0".to_owned(),
            position: "a:1-5".to_owned(),
            binlog: "binlog.000002:157".to_owned(),
            bytes: 4,
            sha256: sha256(b"data"),
        };
        let mut arriving = directory.arriving(0, &group.sha256).unwrap();
        arriving.write_all(b"data").unwrap();
        directory.arrived(0, arriving, &group.sha256).unwrap();
        directory.note(0, &group).unwrap();
        assert_eq!(directory.noted(0), Some(group.clone()));
        let (deployment, service) =
            (DeploymentName::new("shop").unwrap(), ServiceName::new("orders").unwrap());
        let manifest =
            directory.complete((&deployment, &service, "mysql"), vec![group.clone()]).unwrap();
        let (opened, read) = BackupDirectory::open(directory.path()).unwrap();
        assert_eq!(read, manifest);
        opened.check(0, &group).unwrap();
        fs::write(directory.path().join("group-0.raw"), "date").unwrap();
        assert!(opened.check(0, &group).is_err());
        let other = ServiceName::new("ord").unwrap();
        let other = BackupDirectory::begin(base.path(), &deployment, &other).unwrap();
        assert_ne!(other.path(), directory.path());
    }

    #[test]
    fn two_runs_do_not_write_one_backup() {
        let base = tempfile::tempdir().unwrap();
        let first = begun(base.path());
        let (deployment, service) =
            (DeploymentName::new("shop").unwrap(), ServiceName::new("orders").unwrap());
        let second = BackupDirectory::begin(base.path(), &deployment, &service);
        assert!(matches!(second, Err(BackupError::Busy { .. })), "{second:?}");
        drop(first);
        BackupDirectory::begin(base.path(), &deployment, &service).unwrap();
    }
}

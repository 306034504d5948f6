//! Files that are replaced whole: the only writer of files that must never be there in
//! part.
#![expect(clippy::disallowed_methods, reason = "edge: writes the files of other rooms")]

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Names that are tried for the new file; only runs that died leave one behind.
const NAMES: u32 = 100;

/// Permission bits of a new file that nobody asked any of: others may read it, whatever the
/// umask would allow them besides.
const ORDINARY: u32 = 0o644;

/// Replaces a file: a reader, and a crash, leave the old or the new bytes, never
/// a part, and nothing beside them. A link stays a link: what it leads to is
/// replaced, and keeps its permissions.
///
/// # Errors
/// [`ErrorKind::InvalidInput`] where there is something that is no regular file;
/// or the file system. The old bytes are still there, unless it was the
/// directory's last `fsync` that failed.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, None)
}

/// As [`replace`], with these permission bits, whatever an old file has: not even
/// its name is ever there with others.
///
/// # Errors
/// As [`replace`].
pub fn replace_with(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    write(path, bytes, Some(mode))
}

fn write(path: &Path, bytes: &[u8], mode: Option<u32>) -> io::Result<()> {
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let old = fs::metadata(&target).ok();
    let no_file = || io::Error::new(ErrorKind::InvalidInput, "not a regular file");
    if old.as_ref().is_some_and(|old| !old.is_file()) {
        return Err(no_file());
    }
    let directory = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let directory = directory.unwrap_or(Path::new("."));
    let name = target.file_name().ok_or_else(no_file)?;
    let (temporary, mut file) = make_beside(directory, name, mode.unwrap_or(ORDINARY))?;
    let permissions = mode.map(fs::Permissions::from_mode);
    let permissions = permissions.or_else(|| old.map(|old| old.permissions()));
    let replaced = permissions
        .map_or(Ok(()), |permissions| file.set_permissions(permissions))
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, &target));
    if let Err(error) = replaced {
        // The first failure is the one to report.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    sync_directory(directory)
}

/// Makes a new file of our own: never one that is there, nor what a link of that
/// name leads to.
fn make_beside(directory: &Path, name: &OsStr, mode: u32) -> io::Result<(PathBuf, File)> {
    let mut taken = io::Error::from(ErrorKind::AlreadyExists);
    for number in 0..NAMES {
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{number}.tmp", std::process::id()));
        let path = directory.join(hidden);
        match OpenOptions::new().write(true).create_new(true).mode(mode).open(&path) {
            Ok(file) => return Ok((path, file)),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => taken = error,
            Err(error) => return Err(error),
        }
    }
    Err(taken)
}

/// Waits until a directory's names are on the disk: a new one is safe only then.
///
/// # Errors
/// The file system.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn count(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("plan.json");
        replace(&path, b"one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(count(directory.path()), 1);
    }

    #[test]
    fn a_mode_that_is_asked_for_counts_more_than_the_old_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("password");
        let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        replace_with(&path, b"one", 0o600).unwrap();
        assert_eq!(mode(), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        replace_with(&path, b"two", 0o600).unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode()), (b"two".to_vec(), 0o600));
        assert_eq!(count(directory.path()), 1);
    }

    #[test]
    fn a_link_stays_a_link() {
        let directory = tempfile::tempdir().unwrap();
        let (target, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&target, "old").unwrap();
        symlink(&target, &link).unwrap();
        replace(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&target).unwrap(), b"new");
    }

    #[test]
    fn what_lies_where_the_new_file_would_be_made_is_not_written_through() {
        let directory = tempfile::tempdir().unwrap();
        let (path, victim) = (directory.path().join("plan"), directory.path().join("victim"));
        fs::write(&victim, "safe").unwrap();
        let trap = directory.path().join(format!(".plan.{}-0.tmp", std::process::id()));
        symlink(&victim, &trap).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read(&victim).unwrap(), b"safe");
    }

    #[test]
    fn what_cannot_be_replaced_is_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let kind = |path: &Path| replace(path, b"x").unwrap_err().kind();
        assert_eq!(kind(directory.path()), ErrorKind::InvalidInput);
        assert_eq!(kind(Path::new("")), ErrorKind::InvalidInput);
        assert_eq!(kind(&directory.path().join("none/plan")), ErrorKind::NotFound);
        assert_eq!(count(directory.path()), 0);
    }
}

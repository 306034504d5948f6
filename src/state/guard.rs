//! Whether a state directory may be trusted. It holds passwords, the plan that was deployed
//! last and the URIs of former hosts, and it lies beside a plan that may come from anywhere:
//! so may a directory of its name.
//!
//! What is in it is regular files and a directory of secrets, all of them the user's own or
//! root's, none of them writable by others, and no links: one could lead to a file that is
//! worth reading or overwriting. A pipe would never end.
//!
//! A group counts as others, as it does for the files of `ssh`, unless it is the user's own:
//! the primary group, of the same number as the user. Systems that make such a group for each
//! user often have a umask that lets it write.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::store::StoreError;

/// Permission bit of what everybody may write.
const EVERYBODY: u32 = 0o002;
/// Permission bit of what the members of its group may write.
const GROUP: u32 = 0o020;
/// Directories below the state directory that are looked into: that of the secrets.
const DEPTH: u32 = 1;

/// Refuses a state directory that somebody else could have filled. One that is not there is
/// made when it is needed. `is_chosen` says that the user named it, which may be by a link.
///
/// # Errors
/// [`StoreError::Untrusted`], or the file system.
pub fn guard(directory: &Path, is_chosen: bool) -> Result<(), StoreError> {
    let user = User::current();
    let parent = directory.parent().filter(|parent| parent.ends_with(".hostsplit"));
    for path in parent.into_iter().chain([directory]) {
        let found = if is_chosen { fs::metadata(path) } else { fs::symlink_metadata(path) };
        let Some(found) = there(found, path)? else { return Ok(()) };
        if !found.is_dir() {
            return Err(untrusted(path, "it is no directory"));
        }
        owned(path, &found, user)?;
    }
    entries(directory, user, DEPTH)
}

fn entries(directory: &Path, user: Option<User>, depth: u32) -> Result<(), StoreError> {
    let failed = |source| StoreError::Io {
        what: "cannot read the state directory",
        path: directory.to_owned(),
        source,
    };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        // It may go meanwhile.
        let Some(found) = there(fs::symlink_metadata(&path), &path)? else { continue };
        if found.is_symlink() {
            return Err(untrusted(&path, "it is a link"));
        }
        if !found.is_file() && !found.is_dir() {
            return Err(untrusted(&path, "it is neither a file nor a directory"));
        }
        owned(&path, &found, user)?;
        if found.is_dir() && depth > 0 {
            entries(&path, user, depth - 1)?;
        }
    }
    Ok(())
}

fn there(found: io::Result<Metadata>, path: &Path) -> Result<Option<Metadata>, StoreError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => {
            Err(StoreError::Io { what: "cannot look at", path: path.to_owned(), source })
        }
    }
}

fn owned(path: &Path, found: &Metadata, user: Option<User>) -> Result<(), StoreError> {
    if user.is_some_and(|user| ![user.id, 0].contains(&found.uid())) {
        return Err(untrusted(path, "another user owns it"));
    }
    if found.mode() & EVERYBODY != 0 {
        return Err(untrusted(path, "everybody may write it"));
    }
    let is_own = user.is_some_and(|user| user.has_own_group(found.gid()));
    if found.mode() & GROUP != 0 && !is_own {
        return Err(untrusted(path, "its group may write it, which is not the user's own"));
    }
    Ok(())
}

fn untrusted(path: &Path, why: &'static str) -> StoreError {
    StoreError::Untrusted { path: path.to_owned(), why }
}

/// The user that this process acts as.
#[derive(Clone, Copy)]
struct User {
    id: u32,
    /// The primary group.
    group: u32,
}

impl User {
    /// `None` where the system does not say.
    fn current() -> Option<Self> {
        let own = fs::metadata("/proc/self").ok()?;
        Some(Self { id: own.uid(), group: own.gid() })
    }

    /// Whether a group is the user's own, which by its number has no other member.
    const fn has_own_group(self, group: u32) -> bool {
        group == self.group && group == self.id
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "fills the directory that it looks at")]
    fn what_others_could_have_filled_is_refused_by_name() {
        let base = tempfile::tempdir().unwrap();
        let directory = base.path().join(".hostsplit/shop");
        let said = |is_chosen| match guard(&directory, is_chosen) {
            Ok(()) => String::new(),
            Err(error) => error.to_string().replace(&base.path().display().to_string(), ""),
        };
        assert_eq!(said(false), "", "nothing is there");
        fs::create_dir_all(directory.join("secrets")).unwrap();
        fs::write(directory.join("plan.json"), "").unwrap();
        fs::write(directory.join("secrets/cache"), "").unwrap();
        assert_eq!(said(false), "");
        let mode = |path: &str, mode| {
            fs::set_permissions(directory.join(path), Permissions::from_mode(mode)).unwrap();
        };
        mode("plan.json", 0o666);
        assert_eq!(
            said(false),
            "/.hostsplit/shop/plan.json is not trusted: everybody may write it"
        );
        // The user's own group may write, where there is one; no other may.
        mode("plan.json", 0o664);
        let plan = directory.join("plan.json");
        let found = fs::metadata(&plan).unwrap();
        let id = found.uid();
        let is_trusted = |group| owned(&plan, &found, Some(User { id, group })).is_ok();
        assert_eq!(is_trusted(found.gid()), found.gid() == id, "a group of many users");
        assert!(!is_trusted(found.gid() + 1), "not the primary group");
        assert!(owned(&plan, &found, None).is_err());
        assert!(User { id: 1000, group: 1000 }.has_own_group(1000));
        mode("plan.json", 0o644);
        symlink("/etc/passwd", directory.join("secrets/link")).unwrap();
        assert_eq!(said(true), "/.hostsplit/shop/secrets/link is not trusted: it is a link");
        fs::remove_file(directory.join("secrets/link")).unwrap();
        let listener = std::os::unix::net::UnixListener::bind(directory.join("lock")).unwrap();
        let expected = "/.hostsplit/shop/lock is not trusted: it is neither a file nor a directory";
        assert_eq!(said(false), expected);
        drop(listener);
        fs::remove_file(directory.join("lock")).unwrap();
        // The directory itself may be a link if the user named it.
        let moved = base.path().join("elsewhere");
        fs::rename(&directory, &moved).unwrap();
        symlink(&moved, &directory).unwrap();
        assert_eq!(said(false), "/.hostsplit/shop is not trusted: it is no directory");
        assert_eq!(said(true), "");
    }
}

//! What web servers serve, as the bytes of an archive: a directory, or an archive that is
//! there already.
#![expect(clippy::disallowed_methods, reason = "edge: reads what a spec or a plan names")]

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use flate2::read::MultiGzDecoder;
use tar::{Archive, Builder, EntryType, Header};

use crate::digest::sha256;

/// Most bytes of an archive. It goes through the guest agent to each member, at some MiB/s:
/// what is larger belongs behind the servers.
const MOST: u64 = 64 << 20;

/// Most bytes that a compressed archive holds: text shrinks to a quarter, and what grows far
/// beyond that is made to fill disks.
const MOST_UNPACKED: u64 = 4 * MOST;

/// Most bytes of the header of an archive that is for all of its entries.
const MOST_GLOBAL: u64 = 4096;

/// Most entries of an archive.
const MOST_ENTRIES: usize = 100_000;

/// Why there is no archive of a path.
#[derive(Debug, thiserror::Error)]
pub enum ContentError {
    /// The file system refused.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// What was to be read.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Neither a directory nor a file with the name of an archive.
    #[error("{} is neither a directory nor a .tar or .tar.gz file", path.display())]
    Form {
        /// What was named.
        path: PathBuf,
    },
    /// Something in a directory that cannot be served from another machine.
    #[error("{} is a {kind}; expected files and directories alone: replace it by a copy", path.display())]
    Special {
        /// Where it lies.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// An entry of an archive that would not stay in its directory.
    #[error("{}: the entry {entry:?} {problem}", path.display())]
    Entry {
        /// The archive.
        path: PathBuf,
        /// Name of the entry.
        entry: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// An archive that cannot be read to its end.
    #[error("{} is no intact archive: {source}", path.display())]
    Broken {
        /// The archive.
        path: PathBuf,
        /// What the reader said.
        source: io::Error,
    },
    /// There is no file in it.
    #[error("{} holds no file", path.display())]
    Empty {
        /// What was named.
        path: PathBuf,
    },
    /// More than is sent to a guest.
    #[error("{} holds more than {what}; serve it from a store of its own, with `proxy:`", path.display())]
    Large {
        /// What was named.
        path: PathBuf,
        /// The limit.
        what: String,
    },
}

type Result<T> = std::result::Result<T, ContentError>;

/// Returns the archive of a directory, the same bytes for the same files, or the bytes of a
/// `.tar` or `.tar.gz` file. Both hold regular files and directories alone, below the
/// directory into which they are unpacked.
///
/// Of a directory the order is that of the names, and times, owners and permissions are those
/// of nobody: so two copies of it are the same.
///
/// # Errors
/// [`ContentError`], each with the path that it is about.
pub fn pack(path: &Path) -> Result<Vec<u8>> {
    let found = fs::metadata(path).map_err(failed(path))?;
    if found.is_dir() {
        return directory(path);
    }
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase());
    let ends = |end| name.as_ref().is_some_and(|name| name.ends_with(end));
    let is_packed = ends(".tar.gz") || ends(".tgz");
    if !found.is_file() || !(is_packed || ends(".tar")) {
        return Err(ContentError::Form { path: path.to_owned() });
    }
    let bytes = bytes(path, MOST)?;
    match is_packed {
        true => check(path, MultiGzDecoder::new(bytes.as_slice()))?,
        false => check(path, bytes.as_slice())?,
    }
    Ok(bytes)
}

/// Returns the SHA-256 of an archive, as plans state it.
#[must_use]
pub fn digest(archive: &[u8]) -> String {
    sha256(archive)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> ContentError {
    let path = path.to_owned();
    move |source| ContentError::Io { path, source }
}

fn large(path: &Path, most: u64) -> ContentError {
    ContentError::Large { path: path.to_owned(), what: format!("{} MiB", most >> 20) }
}

/// The bytes of a file, if they are not more than that.
fn bytes(path: &Path, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed(path))?;
    file.take(most + 1).read_to_end(&mut bytes).map_err(failed(path))?;
    if bytes.len() as u64 > most { Err(large(path, most)) } else { Ok(bytes) }
}

/// The archive of a directory.
fn directory(root: &Path) -> Result<Vec<u8>> {
    let mut archive = Builder::new(Vec::new());
    let (mut files, mut entries) = (0_usize, 0_usize);
    // A stack from which the first in order is taken: what is in a directory follows it.
    let mut open = inside(root)?;
    while let Some(path) = open.pop() {
        entries += 1;
        if entries > MOST_ENTRIES {
            let what = format!("{MOST_ENTRIES} entries");
            return Err(ContentError::Large { path: root.to_owned(), what });
        }
        let name = path.strip_prefix(root).unwrap_or(&path);
        let found = fs::symlink_metadata(&path).map_err(failed(&path))?;
        let written = if found.is_dir() {
            open.extend(inside(&path)?);
            archive.append_data(&mut header(EntryType::Directory, 0), name, io::empty())
        } else if found.is_file() {
            files += 1;
            let left = MOST.saturating_sub(archive.get_ref().len() as u64);
            let text = bytes(&path, left).map_err(|error| match error {
                ContentError::Large { .. } => large(root, MOST),
                other => other,
            })?;
            let mut header = header(EntryType::Regular, text.len() as u64);
            archive.append_data(&mut header, name, text.as_slice())
        } else {
            return Err(ContentError::Special { kind: kind(&found), path });
        };
        written.map_err(failed(&path))?;
    }
    if files == 0 {
        return Err(ContentError::Empty { path: root.to_owned() });
    }
    let bytes = archive.into_inner().map_err(failed(root))?;
    if bytes.len() as u64 > MOST { Err(large(root, MOST)) } else { Ok(bytes) }
}

/// Whether an archive that [`pack`] returned has a page for requests for `/`.
#[must_use]
pub fn has_index(archive: &[u8]) -> bool {
    let is_index = |archive: &mut dyn Read| {
        let mut archive = Archive::new(archive);
        let Ok(mut entries) = archive.entries() else { return false };
        entries.any(|entry| {
            let path = entry.as_ref().ok().and_then(|entry| entry.path().ok());
            path.is_some_and(|path| {
                let mut parts = path.components().filter(|part| *part != Component::CurDir);
                parts.next() == Some(Component::Normal("index.html".as_ref()))
                    && parts.next().is_none()
            })
        })
    };
    let is_packed = archive.starts_with(&[0x1f, 0x8b]);
    if is_packed { is_index(&mut MultiGzDecoder::new(archive)) } else { is_index(&mut &*archive) }
}

/// What lies in a directory, the last in order first.
fn inside(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).map_err(failed(directory))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<io::Result<_>>().map_err(failed(directory))?;
    paths.sort_by(|one, other| other.cmp(one));
    Ok(paths)
}

fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn kind(found: &Metadata) -> &'static str {
    if found.is_symlink() { "link" } else { "pipe, socket or device" }
}

/// Checks that an archive can be read to its end and that each entry stays where it is
/// unpacked.
fn check(path: &Path, archive: impl Read) -> Result<()> {
    let broken = |source| ContentError::Broken { path: path.to_owned(), source };
    let mut archive = Archive::new(archive.take(MOST_UNPACKED + 1));
    let (mut files, mut unpacked) = (0_usize, 0_u64);
    for (count, entry) in archive.entries().map_err(broken)?.enumerate() {
        let mut entry = entry.map_err(broken)?;
        let name = entry.path().map_err(broken)?.into_owned();
        let wrong = |problem| ContentError::Entry {
            path: path.to_owned(),
            entry: name.display().to_string(),
            problem,
        };
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => files += 1,
            EntryType::Directory => {}
            // The commit, of archives that git makes. Other records would change what the
            // entries behind it are to who unpacks them, and not to who checks them here.
            EntryType::XGlobalHeader => {
                let mut text = String::new();
                let read = (&mut entry).take(MOST_GLOBAL).read_to_string(&mut text);
                let is_comment = |line: &str| {
                    line.split_once(' ').is_some_and(|(_, rest)| rest.starts_with("comment="))
                };
                if read.is_err() || !text.lines().all(is_comment) {
                    return Err(wrong("changes the entries behind it"));
                }
                continue;
            }
            _ => return Err(wrong("is neither a file nor a directory")),
        }
        let records = entry.pax_extensions().map_err(broken)?;
        let is_sparse = |key: &str| key.starts_with("GNU.sparse");
        if records
            .into_iter()
            .flatten()
            .any(|one| one.is_ok_and(|one| one.key().is_ok_and(is_sparse)))
        {
            return Err(wrong("is sparse"));
        }
        let stays = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !name.components().all(stays) {
            return Err(wrong("leads out of the archive"));
        }
        if count >= MOST_ENTRIES {
            let what = format!("{MOST_ENTRIES} entries");
            return Err(ContentError::Large { path: path.to_owned(), what });
        }
        unpacked = unpacked.saturating_add(entry.size());
        if unpacked > MOST_UNPACKED {
            return Err(large(path, MOST_UNPACKED));
        }
        // Read to its end: an archive that was cut off is found here, not in a guest.
        io::copy(&mut entry, &mut io::sink()).map_err(broken)?;
    }
    if files == 0 { Err(ContentError::Empty { path: path.to_owned() }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    /// A directory of a page, a picture and an empty directory.
    fn site() -> tempfile::TempDir {
        let site = tempfile::tempdir().unwrap();
        fs::create_dir_all(site.path().join("a/empty")).unwrap();
        fs::write(site.path().join("index.html"), "<h1>shop</h1>\n").unwrap();
        fs::write(site.path().join("a/logo.svg"), "<svg/>").unwrap();
        fs::write(site.path().join("a-z"), "between a and its files").unwrap();
        site
    }

    fn names(archive: &[u8]) -> Vec<String> {
        let mut archive = Archive::new(archive);
        let entries = archive.entries().unwrap();
        entries.map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect()
    }

    fn said(path: &Path) -> String {
        let text = pack(path).unwrap_err().to_string();
        let folder = path.parent().unwrap().display().to_string();
        text.replace(&format!("{}/", path.display()), "").replace(&format!("{folder}/"), "")
    }

    #[test]
    fn a_directory_is_the_same_archive_wherever_and_whenever_it_was_made() {
        let (one, other) = (site(), site());
        let closed = fs::Permissions::from_mode(0o600);
        fs::set_permissions(other.path().join("index.html"), closed).unwrap();
        let archive = pack(one.path()).unwrap();
        assert_eq!(archive, pack(other.path()).unwrap());
        assert_eq!(names(&archive), ["a", "a/empty", "a/logo.svg", "a-z", "index.html"]);
        // Plans state it: another would make every plan with a directory another.
        insta::assert_snapshot!(digest(&archive), @"03fce3c2b9b9410fcf604fdcdc8320ac70cc24e5eed30e39b18cb4aaf03b4ea0");
        fs::write(other.path().join("index.html"), "<h1>Shop</h1>\n").unwrap();
        assert_ne!(archive, pack(other.path()).unwrap());
    }

    #[test]
    fn an_archive_is_taken_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let archive = pack(site().path()).unwrap();
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&archive).unwrap();
        for (name, bytes) in [("a.tar", archive), ("a.tar.gz", packed.finish().unwrap())] {
            let path = folder.path().join(name);
            fs::write(&path, &bytes).unwrap();
            assert_eq!(pack(&path).unwrap(), bytes);
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
            assert!(said(&path).starts_with(&format!("{name} is no intact archive: ")));
        }
    }

    #[test]
    fn what_is_no_file_and_no_directory_is_refused_by_name() {
        let site = site();
        symlink("/etc/passwd", site.path().join("a/passwd")).unwrap();
        insta::assert_snapshot!(said(site.path()), @"a/passwd is a link; expected files and directories alone: replace it by a copy");
        let folder = tempfile::tempdir().unwrap();
        assert!(said(folder.path()).ends_with(" holds no file"));
        let page = site.path().join("index.html");
        insta::assert_snapshot!(said(&page), @"index.html is neither a directory nor a .tar or .tar.gz file");
        insta::assert_snapshot!(said(&site.path().join("none")), @"cannot read none: No such file or directory (os error 2)");
    }

    #[test]
    fn an_entry_that_would_not_stay_in_its_directory_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let with = |name: &str, kind: EntryType| {
            let mut archive = Builder::new(Vec::new());
            let mut header = header(kind, 0);
            // `append_data` would refuse such a name itself.
            header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_cksum();
            archive.append(&header, io::empty()).unwrap();
            fs::write(&path, archive.into_inner().unwrap()).unwrap();
            said(&path)
        };
        insta::assert_snapshot!(with("../etc/cron.d/x", EntryType::Regular), @r#"a.tar: the entry "../etc/cron.d/x" leads out of the archive"#);
        insta::assert_snapshot!(with("/etc/passwd", EntryType::Regular), @r#"a.tar: the entry "/etc/passwd" leads out of the archive"#);
        insta::assert_snapshot!(with("x", EntryType::Symlink), @r#"a.tar: the entry "x" is neither a file nor a directory"#);
        insta::assert_snapshot!(with("x", EntryType::Directory), @"a.tar holds no file");
    }

    #[test]
    fn what_would_be_read_otherwise_in_a_guest_is_refused_and_what_git_makes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let with = |kind: EntryType, record: &str| {
            let record = format!("{} {record}\n", record.len() + 4);
            let mut archive = Builder::new(Vec::new());
            let mut header = header(kind, record.len() as u64);
            archive.append_data(&mut header, "pax", record.as_bytes()).unwrap();
            let mut page = self::header(EntryType::Regular, 2);
            archive.append_data(&mut page, "index.html", "hi".as_bytes()).unwrap();
            fs::write(&path, archive.into_inner().unwrap()).unwrap();
            pack(&path).map(drop).map_err(|_| said(&path))
        };
        assert_eq!(with(EntryType::XGlobalHeader, "comment=0123456789"), Ok(()));
        let refused = with(EntryType::XGlobalHeader, "size=0123456789ab").unwrap_err();
        assert!(refused.ends_with("changes the entries behind it"), "{refused}");
        let refused = with(EntryType::XHeader, "GNU.sparse.name=x").unwrap_err();
        assert!(refused.ends_with("is sparse"), "{refused}");
    }

    #[test]
    fn what_is_too_large_for_a_guest_agent_is_refused() {
        let site = site();
        File::create(site.path().join("film")).unwrap().set_len(MOST).unwrap();
        assert!(said(site.path()).contains("holds more than 64 MiB"), "{}", said(site.path()));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar.gz");
        let mut bomb = GzEncoder::new(File::create(&path).unwrap(), Compression::fast());
        let mut header = header(EntryType::Regular, MOST_UNPACKED + 1);
        header.as_old_mut().name[0] = b'x';
        header.set_cksum();
        bomb.write_all(header.as_bytes()).unwrap();
        bomb.finish().unwrap();
        assert!(said(&path).contains("holds more than 256 MiB"), "{}", said(&path));
    }
}

//! The mark of volumes: what distinguishes one that hostsplit made from any other.
//!
//! libvirt keeps no metadata of volumes, so the mark is in the volume. A root is an overlay
//! on an image of hostsplit. A seed holds a file system of cloud-init's label and is no
//! larger than seeds are. A data volume holds the file system that a guest made at its first
//! boot. An empty one is what a run left that was cut off: nothing is lost with it. A file of
//! an image has a name of its own, made of its digest. Whatever a plan says, a volume without
//! the mark of its role is neither overwritten nor deleted. Volumes that go with a domain are
//! known by its tag, and by its name in theirs.

use std::io::{self, Write};

use super::StepError;
use crate::graph::{MAX_SEED, VolumeRole, is_image_volume};
use crate::hypervisor::{ErrorKind, Hypervisor, VolumeInfo};

/// Bytes at the beginning of a volume in which every file system, partition table and
/// volume manager has its own mark.
const HEAD: usize = 256 << 10;
/// cloud-init's label of a seed, and where FAT12, FAT16 and FAT32 have it.
const SEED: (&[u8], [usize; 2]) = (b"CIDATA     ", [43, 71]);
/// The label that a guest gives its data volume, and where ext4 has it.
const DATA: (&[u8], usize) = (b"data\0", 1024 + 120);

/// Returns a volume, if it is there.
fn seen(host: &dyn Hypervisor, pool: &str, name: &str) -> Result<Option<VolumeInfo>, StepError> {
    match host.volume(pool, name) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Refuses to overwrite a volume that is not of the role that it is planned in.
pub(super) fn check(
    host: &dyn Hypervisor,
    role: VolumeRole,
    (pool, name): (&str, &str),
) -> Result<(), StepError> {
    match missing(host, role, (pool, name))? {
        None => Ok(()),
        Some(why) => {
            let (pool, name) = (pool.to_owned(), name.to_owned());
            Err(StepError::ForeignVolume { pool, name, why })
        }
    }
}

/// Returns why a volume does not carry the mark of a role; `None` for one that does, and for
/// one that is not there.
pub(super) fn missing(
    host: &dyn Hypervisor,
    role: VolumeRole,
    (pool, name): (&str, &str),
) -> Result<Option<&'static str>, StepError> {
    let Some(found) = seen(host, pool, name)? else { return Ok(None) };
    let (is_marked, why) = match role {
        VolumeRole::Image => (is_image_volume(name), "its name is not that of a file of an image"),
        VolumeRole::Root => (is_root(&found), "it is not an overlay on an image of hostsplit"),
        VolumeRole::Seed if found.backing.is_some() || found.capacity > MAX_SEED.bytes() => {
            (false, "it is no seed by its size or form")
        }
        VolumeRole::Seed => (is_seed(&head(host, pool, name)?), "what it holds is no seed"),
        VolumeRole::Data => {
            (is_data(&head(host, pool, name)?), "it holds no data of the deployment")
        }
    };
    Ok((!is_marked).then_some(why))
}

fn is_root(found: &VolumeInfo) -> bool {
    let file = found.backing.as_deref().map(|path| path.rsplit('/').next().unwrap_or(path));
    file.is_some_and(is_image_volume)
}

fn is_seed(head: &[u8]) -> bool {
    let (label, places) = SEED;
    places.iter().any(|at| has(head, *at, label)) || is_empty(head)
}

fn is_data(head: &[u8]) -> bool {
    let (label, at) = DATA;
    has(head, at, label) || is_empty(head)
}

fn has(bytes: &[u8], at: usize, mark: &[u8]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(mark))
}

fn is_empty(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

/// Reads the beginning of a volume.
fn head(host: &dyn Hypervisor, pool: &str, name: &str) -> Result<Vec<u8>, StepError> {
    let mut head = Head(Vec::new());
    match host.download(pool, name, 0, &mut head) {
        // The rest was not wanted.
        Err(_) if head.0.len() >= HEAD => {}
        other => drop(other?),
    }
    Ok(head.0)
}

/// Takes the first bytes and refuses all others.
struct Head(Vec<u8>);

impl Write for Head {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = HEAD.saturating_sub(self.0.len());
        if room == 0 {
            return Err(io::Error::other("enough was read"));
        }
        let taken = bytes.len().min(room);
        self.0.extend(bytes.iter().take(taken));
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

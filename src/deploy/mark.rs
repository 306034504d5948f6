//! The mark of volumes: what distinguishes one that hostsplit made from any other.
//!
//! libvirt keeps no metadata of volumes, so the mark is in the volume. A root is an overlay
//! on an image of hostsplit. A seed holds a file system of cloud-init's label and is no
//! larger than seeds are. A data volume holds the file system that a guest made at its first
//! boot. An empty one is what a run left that was cut off: nothing is lost with it. Whatever
//! a plan says, a volume without its mark is neither overwritten nor deleted.

use std::io::{self, Write};

use super::StepError;
use crate::graph::{MAX_SEED, is_image_volume};
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

/// Refuses to overwrite a volume under a root's name that hostsplit did not make.
pub(super) fn root(host: &dyn Hypervisor, pool: &str, name: &str) -> Result<(), StepError> {
    let Some(found) = seen(host, pool, name)? else { return Ok(()) };
    let file = found.backing.as_deref().map(|path| path.rsplit('/').next().unwrap_or(path));
    if file.is_some_and(is_image_volume) {
        return Ok(());
    }
    Err(foreign(pool, name, "it is not an overlay on an image of hostsplit"))
}

/// Refuses to overwrite a volume under a seed's name that is no seed.
pub(super) fn seed(host: &dyn Hypervisor, pool: &str, name: &str) -> Result<(), StepError> {
    let Some(found) = seen(host, pool, name)? else { return Ok(()) };
    if found.backing.is_some() || found.capacity > MAX_SEED.bytes() {
        return Err(foreign(pool, name, "it is no seed by its size or form"));
    }
    let head = head(host, pool, name)?;
    let (label, places) = SEED;
    let is_seed = places.iter().any(|at| has(&head, *at, label));
    if is_seed || is_empty(&head) {
        return Ok(());
    }
    Err(foreign(pool, name, "what it holds is no seed"))
}

/// Whether a data volume that no domain uses is one that a guest of the deployment made, or empty.
pub(super) fn is_data(host: &dyn Hypervisor, pool: &str, name: &str) -> Result<bool, StepError> {
    if seen(host, pool, name)?.is_none() {
        return Ok(true);
    }
    let head = head(host, pool, name)?;
    Ok(has(&head, DATA.1, DATA.0) || is_empty(&head))
}

fn foreign(pool: &str, name: &str, why: &'static str) -> StepError {
    StepError::ForeignVolume { pool: pool.to_owned(), name: name.to_owned(), why }
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
    match host.download(pool, name, &mut head) {
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

//! Volumes: image files with their markers, roots, seeds and data.

use std::io::{self, Read};

use super::images::Digesting;
use super::{Context, Event, EventKind, Observer, StepError, mark};
use crate::graph::image::marker;
use crate::graph::{ImagePart, Vertex, VolumeRole};
use crate::hypervisor::{ErrorKind, Hypervisor, VolumeFormat, VolumeRequest};
use crate::ids::HostName;
use crate::plan::{Instance, Volume};
use crate::render;
use crate::spec::ImageFile;

/// Size of a marker: what every pool can make.
const MARKER_BYTES: u64 = 4096;
/// Bytes between two progress events.
const PROGRESS_BYTES: u64 = 1 << 20;
/// Streams break; a host that breaks them twice has a reason.
const UPLOADS: usize = 2;

/// Deletes a volume; one that is gone already is fine.
pub(super) fn delete(host: &dyn Hypervisor, pool: &str, name: &str) -> Result<(), StepError> {
    match host.delete_volume(pool, name) {
        Err(error) if error.kind != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

/// Deletes a volume if it carries the mark of its role, else says that it is kept.
pub(super) fn delete_marked(
    host: &dyn Hypervisor,
    role: VolumeRole,
    (pool, name): (&str, &str),
    note: &dyn Fn(String),
) -> Result<(), StepError> {
    match mark::missing(host, role, (pool, name))? {
        None => delete(host, pool, name),
        Some(why) => {
            note(format!("volume {pool}/{name} is kept: {why}"));
            Ok(())
        }
    }
}

/// Makes a volume anew. What was there under its name is ours: see [`mark`].
pub(super) fn renew(host: &dyn Hypervisor, request: &VolumeRequest) -> Result<(), StepError> {
    delete(host, &request.pool, &request.name)?;
    Ok(host.create_volume(request)?)
}

/// Makes a volume unless there is one.
fn ensure(host: &dyn Hypervisor, request: &VolumeRequest) -> Result<(), StepError> {
    match host.create_volume(request) {
        Err(error) if error.kind != ErrorKind::Exists => Err(error.into()),
        _ => Ok(()),
    }
}

pub(super) fn raw(pool: &str, name: &str, capacity: u64) -> VolumeRequest {
    let (pool, name) = (pool.to_owned(), name.to_owned());
    VolumeRequest { pool, name, capacity, format: VolumeFormat::Raw, backing: None }
}

/// Uploads a file of the image, checks its digest on the way, and marks it
/// complete at last.
pub(super) fn upload_image(
    context: &Context<'_>,
    vertex: &Vertex,
    place: (&HostName, &str),
    part: ImagePart,
    observer: &dyn Observer,
) -> Result<(), StepError> {
    let (name, pool) = place;
    let host = context.host(name)?;
    let file = context.plan.image.as_ref().and_then(|image| part.file(image));
    let file = file.ok_or_else(|| StepError::NotInPlan(vertex.to_string()))?;
    let volume = part.volume(file);
    // A marker without its file would make the next interrupted upload look whole.
    delete(host, pool, &marker(&volume))?;
    let emit =
        |kind| observer.on(&Event { vertex: vertex.clone(), host: Some(name.clone()), kind });
    let mut left = UPLOADS;
    loop {
        left -= 1;
        match send(context, host, pool, &volume, file, &emit) {
            Ok(()) => return ensure(host, &raw(pool, &marker(&volume), MARKER_BYTES)),
            Err(error) if left == 0 || !matches!(error, StepError::Hypervisor(_)) => {
                return Err(error);
            }
            Err(error) => emit(EventKind::Note(format!("{error}; uploading once more"))),
        }
    }
}

fn send(
    context: &Context<'_>,
    host: &dyn Hypervisor,
    pool: &str,
    volume: &str,
    file: &ImageFile,
    emit: &dyn Fn(EventKind),
) -> Result<(), StepError> {
    let (source, length) = context.images.open(file)?;
    // A raw volume takes the file as it is, qcow2 header and all; the pool learns
    // its format from the bytes when it is laid under a root.
    renew(host, &raw(pool, volume, length))?;
    let mut source =
        Digesting::new(Counting { inner: source, done: 0, reported: 0, total: length, emit });
    host.upload(pool, volume, &mut source, length)?;
    source.finish(file).map_err(|error| {
        // The wrong bytes must not stay; if this fails too, the missing marker says so.
        let _ = host.delete_volume(pool, volume);
        error.into()
    })
}

/// Makes the root: an overlay on the image of the same pool.
pub(super) fn make_root(context: &Context<'_>, instance: &Instance) -> Result<(), StepError> {
    let image = context.plan.image.as_ref();
    let image = image.ok_or_else(|| StepError::NotInPlan("an image".to_owned()))?;
    let root = instance.root.clone();
    let root = root.ok_or_else(|| StepError::NotInPlan(format!("a root of {}", instance.name)))?;
    let Volume { pool, name, size_mib } = root;
    let request = VolumeRequest {
        pool,
        name,
        capacity: size_mib.bytes(),
        format: VolumeFormat::Qcow2,
        backing: Some(ImagePart::Disk.volume(&image.disk)),
    };
    let host = context.host(&instance.host)?;
    mark::check(host, VolumeRole::Root, (&request.pool, &request.name))?;
    renew(host, &request)
}

/// Makes the data volume, once and never again.
pub(super) fn make_data(context: &Context<'_>, instance: &Instance) -> Result<(), StepError> {
    let Some(data) = &instance.data else { return Ok(()) };
    let request = raw(&data.pool, &data.name, data.size_mib.bytes());
    ensure(context.host(&instance.host)?, &request)
}

/// Makes the seed. It needs no marker: the domain is defined after it, so a seed
/// without a domain is never trusted.
pub(super) fn make_seed(context: &Context<'_>, instance: &Instance) -> Result<(), StepError> {
    let host = context.host(&instance.host)?;
    let bytes = render::seed_image(context.plan, instance)?;
    let length = bytes.len() as u64;
    let seed = instance.seed.as_ref();
    let seed = seed.ok_or_else(|| StepError::NotInPlan(format!("a seed of {}", instance.name)))?;
    mark::check(host, VolumeRole::Seed, (&seed.pool, &seed.name))?;
    renew(host, &raw(&seed.pool, &seed.name, length))?;
    Ok(host.upload(&seed.pool, &seed.name, &mut bytes.as_slice(), length)?)
}

/// Reports how much has passed through.
struct Counting<'a, R> {
    inner: R,
    done: u64,
    reported: u64,
    total: u64,
    emit: &'a dyn Fn(EventKind),
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.done = self.done.saturating_add(count as u64);
        if self.done - self.reported >= PROGRESS_BYTES || (self.done == self.total && count > 0) {
            self.reported = self.done;
            (self.emit)(EventKind::Progress { done: self.done, total: self.total });
        }
        Ok(count)
    }
}

//! Pools and volumes: listed, made, written by stream.

use std::io::{Read, Write};

use virt::connect::Connect;
use virt::storage_pool::StoragePool;
use virt::storage_vol::StorageVol;
use virt::stream::Stream;
use virt_sys as sys;

use super::error::CallSite;
use super::xml;
use crate::hypervisor::{ReportedPool, Result, VolumeInfo, VolumeRequest};

/// Bytes per call: libvirt's messages carry 256 KiB less a header, and it splits what is longer.
const CHUNK: usize = 1 << 18;

/// Lists active pools, by name.
pub(super) fn pools(connection: &Connect, site: &CallSite<'_>) -> Result<Vec<ReportedPool>> {
    let active = sys::VIR_CONNECT_LIST_STORAGE_POOLS_ACTIVE;
    let mut pools = Vec::new();
    for pool in site.named(connection.list_all_storage_pools(active))? {
        refresh(&pool);
        let Some(text) = site.unless_gone(pool.xml_desc(0))? else { continue };
        let pool =
            xml::pool(&text).ok_or_else(|| site.error("a pool's XML without name or capacity"))?;
        pools.push(pool);
    }
    pools.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(pools)
}

/// Lists the volumes of a pool, by name. One that goes away meanwhile is left out.
pub(super) fn volumes(
    connection: &Connect,
    site: &CallSite<'_>,
    pool: &str,
) -> Result<Vec<VolumeInfo>> {
    let pool = site.named(connection.lookup_storage_pool_by_name(pool))?;
    refresh(&pool);
    let mut volumes = Vec::new();
    for volume in site.named(pool.list_all_volumes(0))? {
        let Some(text) = site.unless_gone(volume.xml_desc(0))? else { continue };
        let volume =
            xml::volume(&text).ok_or_else(|| site.error("a volume's XML without name or path"))?;
        volumes.push(volume);
    }
    volumes.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(volumes)
}

/// Finds one volume of a pool.
pub(super) fn find(
    connection: &Connect,
    site: &CallSite<'_>,
    pool: &str,
    name: &str,
) -> Result<VolumeInfo> {
    let text = site.named(volume(connection, pool, name).and_then(|found| found.xml_desc(0)))?;
    xml::volume(&text).ok_or_else(|| site.error("a volume's XML without name or path"))
}

/// Makes a volume.
pub(super) fn create(
    connection: &Connect,
    site: &CallSite<'_>,
    request: &VolumeRequest,
) -> Result<()> {
    let pool = site.named(connection.lookup_storage_pool_by_name(&request.pool))?;
    let backing = match &request.backing {
        Some(name) => {
            let volume = site.named(volume_in(&pool, name))?;
            Some(site.named(volume.path())?)
        }
        None => None,
    };
    let text = xml::volume_to_make(request, backing.as_deref());
    site.named(StorageVol::create_xml(&pool, &text, 0)).map(drop)
}

/// Deletes a volume.
pub(super) fn delete(
    connection: &Connect,
    site: &CallSite<'_>,
    pool: &str,
    name: &str,
) -> Result<()> {
    // Most are gone already, so the pool is not searched for it.
    let pool = site.named(connection.lookup_storage_pool_by_name(pool))?;
    site.named(pool.lookup_storage_vol_by_name(name).and_then(|volume| volume.delete(0)))
}

/// Writes the first `length` bytes of a volume, named by pool and name.
pub(super) fn upload(
    connection: &Connect,
    site: &CallSite<'_>,
    (pool, name): (&str, &str),
    source: &mut dyn Read,
    length: u64,
) -> Result<()> {
    let volume = site.named(volume(connection, pool, name))?;
    let stream = site.named(Stream::new(connection, 0))?;
    site.named(volume.upload(&stream, 0, length, 0))?;
    match send_all(site, &stream, source, length) {
        Ok(()) => site.named(stream.finish()),
        Err(error) => {
            // The first error is the one to report.
            let _ = stream.abort();
            Err(error)
        }
    }
}

fn send_all(
    site: &CallSite<'_>,
    stream: &Stream,
    source: &mut dyn Read,
    length: u64,
) -> Result<()> {
    let mut buffer = vec![0; CHUNK];
    let mut left = length;
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let window = buffer.get_mut(..wanted).unwrap_or_default();
        let read = match source.read(window) {
            Ok(0) => {
                let sent = length - left;
                return Err(site.error(format!("the source ended after {sent} of {length} bytes")));
            }
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(site.error(format!("cannot read the source: {error}"))),
        };
        send(site, stream, buffer.get(..read).unwrap_or_default())?;
        left = left.saturating_sub(read as u64);
    }
    Ok(())
}

/// Makes a volume larger, named by pool and name.
pub(super) fn resize(
    connection: &Connect,
    site: &CallSite<'_>,
    (pool, name): (&str, &str),
    bytes: u64,
) -> Result<()> {
    let volume = site.named(volume(connection, pool, name))?;
    site.named(volume.resize(bytes, 0))
}

/// Writes what a volume, named by pool and name, holds from a byte on to `sink`.
pub(super) fn download(
    connection: &Connect,
    site: &CallSite<'_>,
    (pool, name): (&str, &str),
    from: u64,
    sink: &mut dyn Write,
) -> Result<u64> {
    let volume = site.named(volume(connection, pool, name))?;
    let stream = site.named(Stream::new(connection, 0))?;
    // A length of 0 means all that follows.
    site.named(volume.download(&stream, from, 0, 0))?;
    match receive_all(site, &stream, sink) {
        Ok(length) => site.named(stream.finish()).map(|()| length),
        Err(error) => {
            // The first error is the one to report.
            let _ = stream.abort();
            Err(error)
        }
    }
}

fn receive_all(site: &CallSite<'_>, stream: &Stream, sink: &mut dyn Write) -> Result<u64> {
    let mut buffer = vec![0; CHUNK];
    let mut length = 0_u64;
    loop {
        let received = site.named(stream.recv(&mut buffer))?;
        let bytes = usize::try_from(received).ok().and_then(|count| buffer.get(..count));
        let Some(bytes) = bytes else {
            return Err(site.error(format!("the stream gave {received} bytes")));
        };
        if bytes.is_empty() {
            return Ok(length);
        }
        sink.write_all(bytes).map_err(|error| site.error(format!("cannot pass it on: {error}")))?;
        length = length.saturating_add(bytes.len() as u64);
    }
}

/// Sends all of `bytes`; libvirt may take less at a time.
fn send(site: &CallSite<'_>, stream: &Stream, mut bytes: &[u8]) -> Result<()> {
    while !bytes.is_empty() {
        let sent = site.named(stream.send(bytes))?;
        bytes = match usize::try_from(sent).ok().filter(|&sent| sent > 0) {
            Some(sent) => bytes.get(sent..).unwrap_or_default(),
            None => return Err(site.error(format!("the stream took {sent} bytes"))),
        };
    }
    Ok(())
}

fn volume(
    connection: &Connect,
    pool: &str,
    name: &str,
) -> std::result::Result<StorageVol, virt::error::Error> {
    let pool = connection.lookup_storage_pool_by_name(pool)?;
    volume_in(&pool, name)
}

/// Finds a volume. One that libvirt does not know may have been made by another host that
/// shares the storage, so it is looked for once more.
fn volume_in(
    pool: &StoragePool,
    name: &str,
) -> std::result::Result<StorageVol, virt::error::Error> {
    pool.lookup_storage_vol_by_name(name).or_else(|_| {
        refresh(pool);
        pool.lookup_storage_vol_by_name(name)
    })
}

/// Lets libvirt look for what was changed behind its back. It refuses while a
/// volume is being made or written; then its list is the one to go by.
fn refresh(pool: &StoragePool) {
    if let Err(refusal) = pool.refresh(0) {
        tracing::debug!(%refusal, "pool not refreshed");
    }
}

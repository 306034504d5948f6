//! The NoCloud seed: what cloud-init reads at a guest's first boot.

use serde::Serialize;

use super::{RenderError, Result, image_of, planned, system_digest, templates, vfat};
use crate::plan::{Instance, Plan};
use crate::recipe;

/// The label by which cloud-init finds a seed, padded as FAT wants it.
const LABEL: [u8; 11] = *b"CIDATA     ";

/// Largest seed in MiB; a few KiB of text need no more, and it is built in memory.
const MAX_SEED_MIB: u64 = 64;

/// Where a guest finds its data volume, by the serial that the domain gives it.
pub const DATA_DEVICE: &str = "/dev/disk/by-id/virtio-data";

/// The texts of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedFiles {
    /// Who the guest is.
    pub meta_data: String,
    /// What it does at first boot.
    pub user_data: String,
    /// Its address.
    pub network_config: String,
}

#[derive(Serialize)]
struct MetaData<'a> {
    instance_id: String,
    hostname: &'a str,
}

#[derive(Serialize)]
struct NetworkConfig<'a> {
    mac: &'a str,
    address: String,
    gateway: Option<String>,
}

#[derive(Serialize)]
struct UserData<'a> {
    deployment: &'a str,
    instance: &'a str,
    hostname: &'a str,
    grow_root: bool,
    data: Option<DataDisk>,
    engine: Option<EngineSetup>,
}

#[derive(Serialize)]
struct DataDisk {
    device: &'static str,
    directory: &'static str,
}

/// What an engine wants of its guest, apart from its own configuration.
#[derive(Serialize)]
pub(super) struct EngineSetup {
    /// systemd units, without `.service`.
    units: &'static [&'static str],
    /// The file that they must not start without: with its passwords, or the word that it
    /// has none. Whether it has any is not in a seed, since that changes in a running guest.
    secrets: Option<&'static str>,
    /// Where it keeps its data.
    directory: &'static str,
    /// User and group that own the directory.
    owner: String,
    /// Lines for sysctl.d.
    sysctls: &'static [&'static str],
    /// Lines for tmpfiles.d.
    tmpfiles: &'static [&'static str],
}

/// The texts of an instance's seed.
///
/// # Errors
/// The plan has no image.
pub fn seed_files(plan: &Plan, instance: &Instance) -> Result<SeedFiles> {
    let digest = system_digest(plan, instance);
    let meta = MetaData {
        // Another digest is another instance: cloud-init then sets the guest up anew.
        instance_id: format!("{}-{}", instance.uuid, digest.get(..12).unwrap_or(&digest)),
        hostname: instance.name.as_str(),
    };
    let network = planned(instance, plan.network.as_ref(), "network")?;
    let address = planned(instance, instance.address, "address")?;
    let root = planned(instance, instance.root.as_ref(), "root volume")?;
    let network = NetworkConfig {
        mac: &instance.mac,
        address: format!("{address}/{}", network.prefix),
        gateway: network.gateway.map(|gateway| gateway.to_string()),
    };
    let engine = engine(plan, instance);
    let user = UserData {
        deployment: plan.name.as_str(),
        instance: instance.name.as_str(),
        hostname: instance.name.as_str(),
        grow_root: root.size_mib > image_of(plan, instance)?.virtual_size_mib,
        data: instance.data.as_ref().map(|_| DataDisk {
            device: DATA_DEVICE,
            directory: engine.as_ref().map_or("/srv", |engine| engine.directory),
        }),
        engine,
    };
    Ok(SeedFiles {
        meta_data: templates::META_DATA.render(&meta)?,
        user_data: templates::USER_DATA.render(&user)?,
        network_config: templates::NETWORK_CONFIG.render(&network)?,
    })
}

/// The seed of an instance as the bytes of its volume: a FAT file system of
/// `instance.seed.size_mib`, the same bytes for the same plan.
///
/// # Errors
/// As [`seed_files`]; or the planned size is none for a seed.
pub fn seed_image(plan: &Plan, instance: &Instance) -> Result<Vec<u8>> {
    let files = seed_files(plan, instance)?;
    let seed = planned(instance, instance.seed.as_ref(), "seed volume")?;
    let mib = seed.size_mib.get();
    let size = usize::try_from(seed.size_mib.bytes())
        .ok()
        .filter(|_| (1..=MAX_SEED_MIB).contains(&mib))
        .ok_or_else(|| RenderError::SeedSize {
            instance: instance.name.clone(),
            volume: seed.name.clone(),
            mib,
            most: MAX_SEED_MIB,
        })?;
    let files = [
        ("meta-data", files.meta_data.as_str()),
        ("user-data", files.user_data.as_str()),
        ("network-config", files.network_config.as_str()),
    ];
    vfat::image(size, LABEL, volume_id(instance), &files).map_err(|source| RenderError::Seed {
        instance: instance.name.clone(),
        volume: seed.name.clone(),
        source,
    })
}

/// What the instance's engine wants; `None` for fixed machines.
pub(super) fn engine(plan: &Plan, instance: &Instance) -> Option<EngineSetup> {
    let service = plan.service_of(instance)?;
    let setup = recipe::of(service.engine).setup?;
    Some(EngineSetup {
        units: setup.units,
        secrets: Some(setup.gate),
        directory: setup.data,
        owner: setup.owner.to_string(),
        sysctls: setup.sysctls,
        tmpfiles: setup.tmpfiles,
    })
}

/// A serial number for the file system, from the instance's UUID.
fn volume_id(instance: &Instance) -> u32 {
    instance.uuid.as_fields().0
}

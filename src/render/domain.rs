//! Domain XML: pins, memory, disks and devices of one instance.

use serde::Serialize;

use super::{
    RenderError, Result, host_of, image_of, is_kvm, machine_digest, planned, system_digest,
    templates,
};
use crate::hypervisor::METADATA_NAMESPACE;
use crate::plan::{Instance, Plan, Volume};
use crate::spec::Image;
use crate::topology::cpuset;
use crate::topology::overhead::TRANSLATION_CACHE_MIB;

/// Most queue pairs of a virtual NIC: each costs memory and a file descriptor on the host, and one
/// engine's traffic fills no more.
const MAX_QUEUES: usize = 8;

/// QEMU's older machine, its default: one flat PCI bus, so a guest under software emulation has no root
/// ports to enumerate.
const MACHINE_QEMU: &str = "pc";

/// QEMU's current machine, for hardware virtualisation.
const MACHINE_KVM: &str = "q35";

/// Where the files of a direct boot lie on the instance's host. Disks need no path: they are named
/// by pool and volume.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiskPaths {
    /// Path of the image's kernel, if it has one.
    pub kernel: Option<String>,
    /// Path of the image's initial RAM disk, if it has one.
    pub initrd: Option<String>,
}

#[derive(Serialize)]
struct Values<'a> {
    r#type: &'a str,
    kvm: bool,
    machine: &'a str,
    translation_cache_mib: u32,
    name: &'a str,
    title: String,
    uuid: String,
    namespace: &'a str,
    deployment: &'a str,
    instance: &'a str,
    digest: String,
    system: String,
    memory_kib: u64,
    huge_page_kib: Option<u64>,
    vcpus: usize,
    cores: usize,
    threads: u32,
    pins: &'a [u32],
    emulator_cpus: String,
    numa: u32,
    boot: Option<Boot<'a>>,
    root: &'a Volume,
    data: Option<&'a Volume>,
    seed: &'a Volume,
    mac: &'a str,
    bridge: &'a str,
    queues: Option<usize>,
}

#[derive(Serialize)]
struct Boot<'a> {
    kernel: &'a str,
    initrd: Option<&'a str>,
    cmdline: &'a str,
}

/// The domain XML of an instance.
///
/// # Errors
/// The plan has no image or lacks the host, `paths` lacks a file that the image
/// has, or the virtual CPUs make no whole cores.
pub fn domain_xml(plan: &Plan, instance: &Instance, paths: &DiskPaths) -> Result<String> {
    let host = host_of(plan, instance)?;
    let kvm = is_kvm(host);
    let vcpus = instance.cpus.len();
    let values = Values {
        r#type: host.hypervisor.as_str(),
        kvm,
        machine: if kvm { MACHINE_KVM } else { MACHINE_QEMU },
        translation_cache_mib: TRANSLATION_CACHE_MIB,
        name: &instance.domain,
        title: format!("{} of {}", instance.name, plan.name),
        uuid: instance.uuid.to_string(),
        namespace: METADATA_NAMESPACE,
        deployment: plan.name.as_str(),
        instance: instance.name.as_str(),
        digest: machine_digest(plan, instance),
        system: system_digest(plan, instance),
        memory_kib: instance.memory_mib.kib(),
        huge_page_kib: Some(instance.page_kib).filter(|&kib| kib > 4),
        vcpus,
        cores: cores(instance)?,
        threads: instance.threads,
        pins: &instance.cpus,
        emulator_cpus: cpuset::show(&instance.emulator_cpus),
        numa: instance.numa,
        boot: boot(instance, image_of(plan, instance)?, paths)?,
        root: planned(instance, instance.root.as_ref(), "root volume")?,
        data: instance.data.as_ref(),
        seed: planned(instance, instance.seed.as_ref(), "seed volume")?,
        mac: &instance.mac,
        bridge: &planned(instance, plan.network.as_ref(), "network")?.bridge,
        queues: Some(vcpus.min(MAX_QUEUES)).filter(|&queues| queues > 1),
    };
    let xml = templates::DOMAIN.render(&values)?;
    match roxmltree::Document::parse(&xml) {
        Ok(_) => Ok(xml),
        Err(source) => Err(RenderError::Xml { instance: instance.name.clone(), source }),
    }
}

/// Returns domain XML whose tag says that a file system may have to follow its disk: for a
/// machine that is made for data that is there already.
#[must_use]
pub fn growing_xml(xml: &str) -> String {
    let tag = xml.split_once("<hostsplit:instance ");
    match tag.and_then(|(before, rest)| Some((before, rest.split_once("/>")?))) {
        Some((before, (tag, after))) => {
            format!("{before}<hostsplit:instance {tag} grows=\"yes\"/>{after}")
        }
        None => xml.to_owned(),
    }
}

/// Whole cores that the guest sees.
fn cores(instance: &Instance) -> Result<usize> {
    let vcpus = instance.cpus.len();
    let threads = instance.threads as usize;
    match vcpus.checked_rem(threads) {
        Some(0) if vcpus > 0 => Ok(vcpus / threads),
        _ => Err(RenderError::Cpus {
            instance: instance.name.clone(),
            vcpus,
            threads: instance.threads,
        }),
    }
}

/// Kernel and initial RAM disk, where the image has them.
fn boot<'a>(
    instance: &Instance,
    image: &'a Image,
    paths: &'a DiskPaths,
) -> Result<Option<Boot<'a>>> {
    let path = |path: &'a Option<String>, file| {
        path.as_deref().ok_or_else(|| RenderError::NoPath {
            instance: instance.name.clone(),
            host: instance.host.clone(),
            file,
        })
    };
    if image.kernel.is_none() {
        return Ok(None);
    }
    let initrd = image.initrd.as_ref().map(|_| path(&paths.initrd, "initrd")).transpose()?;
    Ok(Some(Boot { kernel: path(&paths.kernel, "kernel")?, initrd, cmdline: &image.cmdline }))
}

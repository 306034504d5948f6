//! Turns a planned instance into what a host and a guest read: domain XML, the
//! NoCloud seed.
//!
//! Pure functions over the plan. The texts come from `templates/`, embedded,
//! in handlebars' strict mode: a variable that nobody set is an error.

mod destination;
mod digest;
mod domain;
mod seed;
mod templates;
mod vfat;

use crate::ids::{HostName, InstanceName};
use crate::plan::{Instance, Plan};
use crate::spec::Image;
use crate::template::TemplateError;
use crate::topology::{Host, Virtualization};

pub use self::destination::destination_xml;
pub use self::digest::{machine_digest, system_digest};
pub use self::domain::{DiskPaths, domain_xml, growing_xml};
pub use self::seed::{DATA_DEVICE, SeedFiles, seed_files, seed_image};

/// Why an instance cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A template refers to something that nobody set, or is malformed.
    #[error(transparent)]
    Template(#[from] TemplateError),
    /// The plan has no image.
    #[error("instance {instance}: the plan has no image to boot from")]
    NoImage {
        /// The instance.
        instance: InstanceName,
    },
    /// The image has a file that is not known to lie on the host.
    #[error("instance {instance}: no path on host {host} for the image's {file}")]
    NoPath {
        /// The instance.
        instance: InstanceName,
        /// Its host.
        host: HostName,
        /// `kernel` or `initrd`.
        file: &'static str,
    },
    /// The plan's topology lacks the instance's host.
    #[error("instance {instance}: host {host} is not in the plan's topology")]
    UnknownHost {
        /// The instance.
        instance: InstanceName,
        /// The host.
        host: HostName,
    },
    /// The virtual CPUs do not make whole cores.
    #[error(
        "instance {instance}: {vcpus} virtual CPUs do not make whole cores of {threads} threads"
    )]
    Cpus {
        /// The instance.
        instance: InstanceName,
        /// Its virtual CPUs.
        vcpus: usize,
        /// Threads of each core.
        threads: u32,
    },
    /// A value holds a character that XML cannot carry.
    #[error("instance {instance}: not well-formed domain XML: {source}")]
    Xml {
        /// The instance.
        instance: InstanceName,
        /// What the parser says.
        source: roxmltree::Error,
    },
    /// The seed's size is none that a seed can have.
    #[error("instance {instance}: seed {volume} of {mib} MiB; expected 1 to {most} MiB")]
    SeedSize {
        /// The instance.
        instance: InstanceName,
        /// The seed's volume.
        volume: String,
        /// Planned size.
        mib: u64,
        /// Largest size.
        most: u64,
    },
    /// The seed's files do not fit its file system.
    #[error("instance {instance}: cannot build the file system of seed {volume}: {source}")]
    Seed {
        /// The instance.
        instance: InstanceName,
        /// The seed's volume.
        volume: String,
        /// What the file system says.
        source: std::io::Error,
    },
    /// A domain that is to move has a disk that is not planned.
    #[error("instance {instance}: disk {disk} is not in the plan and cannot move; detach it")]
    ForeignDisk {
        /// The instance.
        instance: InstanceName,
        /// The disk, by its target.
        disk: String,
    },
    /// The plan leaves open what a deploy needs.
    #[error("instance {instance}: the plan has no {what} for it")]
    NotPlanned {
        /// The instance.
        instance: InstanceName,
        /// What is missing.
        what: &'static str,
    },
}

/// Result of rendering.
pub type Result<T> = std::result::Result<T, RenderError>;

fn host_of<'a>(plan: &'a Plan, instance: &Instance) -> Result<&'a Host> {
    plan.topology.host(&instance.host).ok_or_else(|| RenderError::UnknownHost {
        instance: instance.name.clone(),
        host: instance.host.clone(),
    })
}

fn image_of<'a>(plan: &'a Plan, instance: &Instance) -> Result<&'a Image> {
    plan.image.as_ref().ok_or_else(|| RenderError::NoImage { instance: instance.name.clone() })
}

/// What a plan without network or disks lacks.
fn planned<T>(instance: &Instance, value: Option<T>, what: &'static str) -> Result<T> {
    value.ok_or_else(|| RenderError::NotPlanned { instance: instance.name.clone(), what })
}

fn is_kvm(host: &Host) -> bool {
    host.hypervisor == Virtualization::Kvm
}

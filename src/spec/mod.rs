//! What the user asked for, read from YAML and checked for sense.
//!
//! [`load`] reads the files into the wire form, which keeps the place of every
//! value and stays inside this room, and checks it into a [`Spec`]. Whatever is
//! wrong is told with file, line and column, as much of it at once as possible.

mod check;
mod check_across;
mod check_host;
mod check_image;
mod check_network;
mod check_numa;
mod check_service;
mod load;
mod parse;
mod problem;
mod scalar;
mod scope;
#[cfg(test)]
mod tests;
mod wire;
mod wire_reserve;

pub use self::load::load;
pub use self::problem::{Mark, Place, Problem, SpecErrors};

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::ids::{DeploymentName, ServiceName};
use crate::topology::{Level, Topology};
use crate::units::{Bytes, Mebibytes, PerSecond};

/// One deployment as asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// First part of every name that the deployment makes.
    pub name: DeploymentName,
    /// What the plan must survive.
    pub policy: Policy,
    /// Where the instances' addresses come from.
    pub network: Network,
    /// What the instances boot from; `None` where the spec is only planned.
    pub image: Option<Image>,
    /// The hosts, in the order of their names.
    pub topology: Topology,
    /// The services, in the order of the spec.
    pub services: Vec<Service>,
    /// Machines of fixed size and count, in the order of the spec.
    pub vms: Vec<FixedVm>,
}

/// Rules over the whole deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// After the loss of any one failure domain of this level everything still
    /// serves its demand; `None` promises nothing.
    pub survive: Option<Level>,
}

/// The IPv4 network that all instances share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Bridge on every host that carries the network.
    pub bridge: String,
    /// Network address.
    pub subnet: Ipv4Addr,
    /// Prefix length in bits, 1 to 30.
    pub prefix: u8,
    /// First address that instances may take.
    pub first: Ipv4Addr,
    /// Last address that instances may take.
    pub last: Ipv4Addr,
    /// Default route, if any.
    pub gateway: Option<Ipv4Addr>,
}

/// A file of an image and the digest of its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageFile {
    /// Path: absolute if the spec or the manifest says so, else relative to the
    /// directory of the spec. A deploy looks for relative paths beside the plan
    /// file, or where `--images` says.
    pub file: String,
    /// SHA-256 of the file, 64 lower-case hexadecimal digits.
    pub sha256: String,
}

/// What instances boot from. The disk must hold cloud-init, the QEMU guest
/// agent and the engines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Name, for people.
    pub name: String,
    /// A qcow2 disk, never written to: roots are overlays on it.
    pub disk: ImageFile,
    /// Virtual size of the disk.
    pub virtual_size_mib: Mebibytes,
    /// Kernel for a direct boot; without it the disk's boot loader starts.
    pub kernel: Option<ImageFile>,
    /// Initial RAM disk that goes with the kernel.
    pub initrd: Option<ImageFile>,
    /// Kernel command line; empty without a kernel.
    pub cmdline: String,
}

/// Something to split: an engine and what is asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Name, unique among services and fixed machines.
    pub name: ServiceName,
    /// The engine with its demand.
    pub demand: Demand,
}

/// What is asked of an engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "engine", rename_all = "lowercase")]
pub enum Demand {
    /// A Redis Cluster.
    Redis(RedisDemand),
}

/// What is asked of a Redis Cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisDemand {
    /// Reading commands.
    pub reads_per_s: PerSecond,
    /// Writing commands.
    pub writes_per_s: PerSecond,
    /// Size of a typical value.
    pub value_bytes: Bytes,
    /// All keys and values of the cluster, held once.
    pub data_mib: Mebibytes,
    /// How a master keeps its data over a restart.
    pub persistence: Persistence,
}

/// How Redis keeps its data over a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Persistence {
    /// Not at all.
    None,
    /// Snapshots.
    Rdb,
    /// The append-only file, flushed every second.
    Aof,
}

/// Machines of fixed size and count that live on the same hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedVm {
    /// Name, unique among services and fixed machines.
    pub name: ServiceName,
    /// How many.
    pub count: u32,
    /// Virtual CPUs of each.
    pub vcpus: u32,
    /// Memory of each.
    pub memory_mib: Mebibytes,
    /// Root disk of each.
    pub disk_mib: Mebibytes,
    /// Failure domains of this level hold at most one each, if stated.
    pub spread: Option<Level>,
}

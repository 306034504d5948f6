//! The files as they are written: unknown fields refused, every value with its
//! place, nothing required yet.
//!
//! Whether a field is missing or a value makes no sense is judged in `check`,
//! so that all such mistakes are told at once.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::access::WirePassword;
use super::scalar::{
    Address, AddressRange, At, DiskFormat, EngineName, Include, Sha256, Subnet, Survive, Text,
};
use super::wire_reserve::Reserve;
use crate::ids::{DeploymentName, HostName, ServiceName};
use crate::spec::Persistence;
use crate::topology::{Hypervisor, Level};
use crate::units::{BitsPerSecond, Bytes, Mebibytes, PerSecond};

/// A spec file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SpecFile {
    pub name: Option<At<DeploymentName>>,
    pub policy: Option<Policy>,
    pub network: Option<Spanned<Network>>,
    pub image: Option<Spanned<Image>>,
    pub hosts: Option<Vec<Spanned<Host>>>,
    pub services: Option<Vec<Spanned<Service>>>,
    pub vms: Option<Vec<Spanned<FixedVm>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Policy {
    pub survive: Option<At<Survive>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Network {
    pub bridge: Option<At<Text>>,
    pub subnet: Option<At<Subnet>>,
    pub addresses: Option<At<AddressRange>>,
    pub gateway: Option<At<Address>>,
}

/// An image manifest, or the name of the file that holds it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Image {
    pub include: Option<At<Include>>,
    pub name: Option<At<Text>>,
    pub cmdline: Option<At<Text>>,
    pub disk: Option<Spanned<Disk>>,
    pub kernel: Option<Spanned<File>>,
    pub initrd: Option<Spanned<File>>,
    pub engines: Option<BTreeMap<String, At<Text>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Disk {
    pub file: Option<At<Text>>,
    pub format: Option<At<DiskFormat>>,
    pub sha256: Option<At<Sha256>>,
    pub virtual_size: Option<At<Mebibytes>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    pub file: Option<At<Text>>,
    pub sha256: Option<At<Sha256>>,
}

/// A host, or the names of the files that hold hosts.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Host {
    pub include: Option<At<Include>>,
    pub name: Option<At<HostName>>,
    pub uri: Option<At<Text>>,
    pub hypervisor: Option<At<Hypervisor>>,
    pub labels: Option<Labels>,
    pub cost: Option<At<u64>>,
    pub reserve: Option<Spanned<Reserve>>,
    pub network: Option<At<BitsPerSecond>>,
    pub bridges: Option<Vec<At<Text>>>,
    pub numa: Option<Vec<Spanned<NumaNode>>>,
    pub pools: Option<Vec<Spanned<Pool>>>,
    /// What was not measured; for people only.
    #[serde(rename = "assumed")]
    pub _assumed: Option<Vec<At<Text>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Labels {
    pub rack: Option<At<Text>>,
    pub site: Option<At<Text>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NumaNode {
    pub id: Option<At<u32>>,
    pub memory: Option<At<Mebibytes>>,
    pub pages: Option<Spanned<Pages>>,
    pub l3: Option<Vec<Spanned<L3Domain>>>,
}

/// Number of huge pages by their size.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pages {
    #[serde(rename = "2MiB")]
    pub small: Option<At<u64>>,
    #[serde(rename = "1GiB")]
    pub large: Option<At<u64>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct L3Domain {
    pub size: Option<At<Bytes>>,
    /// The CPUs of each core.
    pub cores: Option<Vec<Spanned<Vec<At<u32>>>>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pool {
    pub name: Option<At<Text>>,
    pub capacity: Option<At<Mebibytes>>,
    pub iops: Option<At<PerSecond>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    pub name: Option<At<ServiceName>>,
    pub engine: Option<At<EngineName>>,
    pub demand: Option<Spanned<RedisDemand>>,
    pub password: Option<Spanned<WirePassword>>,
    pub tls: Option<At<bool>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RedisDemand {
    pub reads: Option<At<PerSecond>>,
    pub writes: Option<At<PerSecond>>,
    pub value: Option<At<Bytes>>,
    pub data: Option<At<Mebibytes>>,
    pub persistence: Option<At<Persistence>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FixedVm {
    pub name: Option<At<ServiceName>>,
    pub count: Option<At<u32>>,
    pub vcpus: Option<At<u32>>,
    pub memory: Option<At<Mebibytes>>,
    pub disk: Option<At<Mebibytes>>,
    pub spread: Option<At<Level>>,
}

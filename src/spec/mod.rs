//! The deployment that the user wants, read from YAML and checked.
//!
//! [`load`] reads the files into the wire form, which keeps the place of every
//! value and stays inside this room, and checks it into a [`Spec`]. All errors are
//! reported in one run, each with file, line and column.

mod certificate;
mod check;
mod demand;
mod diagnostic;
mod host_set;
mod load;
mod policy;
mod read;
mod schema;
mod serve;
mod spread;
#[cfg(test)]
mod tests;
mod wire;

pub use self::certificate::{KeySource, OwnCertificate};
pub use self::demand::{
    Demand, FailoverMode, GatewayDemand, Persistence, RelationalDemand, SearchDemand,
    ShardedDemand, WebDemand,
};
pub use self::diagnostic::{Diagnostic, Mark, Place, SpecErrors};
pub use self::host_set::HostSet;
pub use self::load::{Reach, load, load_within};
pub use self::policy::{Objective, Policy, Quorum, Survive};
pub use self::schema::{Document, schema};
pub use self::serve::{
    DATABASE_PORT, GATEWAY_STATUS_PORT, Health, SEARCH_PORT, Serve, Target, WEB_STATUS_PORT,
};
pub use self::spread::Spread;
pub use crate::profile::{Cluster, Engine};

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::ids::{DeploymentName, HostName, ServiceName};
use crate::profile::OwnProfiles;
use crate::topology::{Host, Topology};
use crate::units::{BitsPerSecond, Mebibytes, PerSecond};

/// One deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// First part of every name that the deployment makes.
    pub name: DeploymentName,
    /// What the plan must survive.
    pub policy: Policy,
    /// Where the instances' addresses come from; `None` only where there are
    /// fixed machines alone, which then can be planned but not deployed.
    pub network: Option<Network>,
    /// What the instances boot from; `None` where the spec is only planned.
    pub image: Option<Image>,
    /// Overrides of the engines' built-in profiles.
    pub profiles: OwnProfiles,
    /// The hosts, in the order of their names.
    pub topology: Topology,
    /// The services, in the order of the spec.
    pub services: Vec<Service>,
    /// Machines of fixed size and count, in the order of the spec.
    pub vms: Vec<FixedVm>,
    /// Hosts that are being emptied: nothing is planned on them.
    pub drained: BTreeSet<HostName>,
}

impl Spec {
    /// Whether a host can take instances: its CPUs run them, and they could reach the network.
    #[must_use]
    pub fn takes_instances(&self, host: &Host) -> bool {
        host.architecture.is_of_guests() && self.reaches_network(host)
    }

    /// Whether instances on a host could reach the network: it has the network's bridge, or
    /// there is no network.
    #[must_use]
    pub fn reaches_network(&self, host: &Host) -> bool {
        self.network.as_ref().is_none_or(|network| host.bridges.contains(&network.bridge))
    }
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
    /// Address that clients reach a gateway pair at, if any; outside the range.
    pub vip: Option<Ipv4Addr>,
}

impl Network {
    /// Whether an address belongs to the network.
    #[must_use]
    pub fn contains(&self, address: Ipv4Addr) -> bool {
        let host_bits = u32::from(32u8.saturating_sub(self.prefix));
        let part = |address: Ipv4Addr| address.to_bits().checked_shr(host_bits).unwrap_or_default();
        part(address) == part(self.subnet)
    }
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
    /// Versions of the engines on the disk, as its manifest lists them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub engines: BTreeMap<String, String>,
}

/// Something to split: an engine and its demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Name, unique among services and fixed machines.
    pub name: ServiceName,
    /// The engine.
    pub engine: Engine,
    /// Its demand; of the kind of its engine.
    pub demand: Demand,
    /// The gateway that its clients come through, for pools and databases.
    pub gateway: Option<ServiceName>,
    /// How clients get in.
    pub access: Access,
    /// What it serves, for pools; `None` for a page that names the instance.
    pub serve: Option<Serve>,
    /// Hosts where its leading instances are preferred; none for anywhere.
    pub prefer: Vec<HostSet>,
}

impl Service {
    /// Whether a host is one that is preferred for its leading instances.
    #[must_use]
    pub fn prefers(&self, host: &Host) -> bool {
        self.prefer.iter().any(|set| set.contains(host))
    }
}

/// Ports of HTTP and of HTTPS.
const HTTP: u16 = 80;
const HTTPS: u16 = 443;

/// Where a gateway passes on the clients of a group of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupPorts {
    /// To the server that takes writes.
    pub writes: u16,
    /// To those that copy it and are not far behind.
    pub reads: u16,
}

/// How clients get into a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Access {
    /// Where the password comes from; `None` lets everybody in.
    pub password: Option<Password>,
    /// Whether clients are let in without the password as well, which is how it is turned
    /// on and off while they are served.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// Whether connections are encrypted.
    pub tls: Tls,
    /// The port for clients; `None` for the engine's own. Of a database it is the one for
    /// writes at its gateway, of a search engine the one there: their instances have the engine's
    /// own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// The port for reads of a database at its gateway; `None` for the one above that for
    /// writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_port: Option<u16>,
    /// The address at which clients reach a gateway, whichever of both is active; `None` for
    /// that of the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vip: Option<Ipv4Addr>,
    /// What the members of a pool are asked for, to know whether they serve, if its author says
    /// so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// A certificate of the user's own; `None` for those that the deployment's authority signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Box<OwnCertificate>>,
}

impl Access {
    /// Whether everybody is let in, without encryption.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self == Self::default()
    }

    /// The port of the members of a pool: the one that was asked for, else that of HTTP, or
    /// with TLS that of HTTPS.
    #[must_use]
    pub fn web_port(&self) -> u16 {
        self.port.unwrap_or(if self.tls.is_offered() { HTTPS } else { HTTP })
    }

    /// The port at which a gateway with that access takes the requests of a pool.
    #[must_use]
    pub fn front_port(&self, gateway: &Self) -> u16 {
        match self.port {
            None if gateway.tls.is_offered() => HTTPS,
            _ => self.web_port(),
        }
    }

    /// The ports at which a gateway passes on the clients of a group of a database; `None`
    /// where there are no such ports.
    #[must_use]
    pub fn group_ports(&self, group: u32) -> Option<GroupPorts> {
        let first = self.port.unwrap_or(DATABASE_PORT);
        let reads = self.read_port.or_else(|| first.checked_add(1))?;
        let further = u16::try_from(group).ok()?.checked_mul(2)?;
        Some(GroupPorts { writes: first.checked_add(further)?, reads: reads.checked_add(further)? })
    }

    /// Whom the service lets in.
    #[must_use]
    pub const fn entry(&self) -> Entry {
        match (&self.password, self.optional) {
            (None, _) => Entry::Open,
            (Some(_), true) => Entry::Both,
            (Some(_), false) => Entry::Closed,
        }
    }
}

/// Whether connections to a service are encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "TlsWord", into = "TlsWord")]
pub enum Tls {
    /// None are.
    #[default]
    Off,
    /// Those of clients that want it, at the port above the one for clients; the instances
    /// reach each other without. It is how encryption is turned on and off while clients are
    /// served.
    Optional,
    /// All are, those between the instances too.
    On,
}

/// As it is written: `true`, `false` or `"optional"`.
#[derive(Serialize, Deserialize)]
#[serde(untagged, expecting = "expected true, false or \"optional\" for tls")]
enum TlsWord {
    Flag(bool),
    Word(TlsOptional),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TlsOptional {
    Optional,
}

impl From<TlsWord> for Tls {
    fn from(word: TlsWord) -> Self {
        match word {
            TlsWord::Flag(false) => Self::Off,
            TlsWord::Flag(true) => Self::On,
            TlsWord::Word(TlsOptional::Optional) => Self::Optional,
        }
    }
}

impl From<Tls> for TlsWord {
    fn from(tls: Tls) -> Self {
        match tls {
            Tls::Off => Self::Flag(false),
            Tls::On => Self::Flag(true),
            Tls::Optional => Self::Word(TlsOptional::Optional),
        }
    }
}

impl Tls {
    /// Whether instances have certificates.
    #[must_use]
    pub const fn is_offered(self) -> bool {
        !matches!(self, Self::Off)
    }
}

/// Whom a service lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Everybody: there is no password.
    Open,
    /// Clients with the password and clients without one.
    Both,
    /// Clients with the password.
    Closed,
}

/// Where a password comes from. It is a reference: the password itself never
/// gets into a spec or a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Password {
    /// A deploy makes it and keeps it in its state directory.
    Generated,
    /// The first line of a file.
    File(String),
    /// An environment variable.
    #[serde(rename = "env")]
    Environment(String),
    /// What a command of the shell prints.
    Command(String),
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
    /// Root disk of each; zero for a machine whose disk is not planned.
    pub disk_mib: Mebibytes,
    /// I/O operations of each.
    pub iops_per_s: PerSecond,
    /// Traffic of each.
    pub network_bits_per_s: BitsPerSecond,
    /// The most of them that a failure domain holds, if stated.
    pub spread: Option<Spread>,
    /// Hosts that they may be on; empty for all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<HostSet>,
    /// Hosts that they may not be on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_on: Vec<HostSet>,
    /// Services and entries of which no host has an instance beside one of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub apart: Vec<ServiceName>,
    /// Services and entries of which each host with one of them has an instance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near: Vec<ServiceName>,
    /// Whether each can be restarted on another host once its own is lost: the plan keeps
    /// room for that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart: bool,
    /// How a move of one ends that writes faster than the network takes.
    #[serde(default, skip_serializing_if = "MigrationMethod::is_default")]
    pub migrate: MigrationMethod,
}

impl FixedVm {
    /// Whether it says which hosts they may be on.
    #[must_use]
    pub const fn has_host_rules(&self) -> bool {
        !self.on.is_empty() || !self.not_on.is_empty()
    }

    /// Whether `on` and `not_on` allow a host.
    #[must_use]
    pub fn may_be_on(&self, host: &Host) -> bool {
        let is_in = |sets: &[HostSet]| sets.iter().any(|set| set.contains(host));
        (self.on.is_empty() || is_in(&self.on)) && !is_in(&self.not_on)
    }
}

/// How the live migration of a machine ends that writes faster than the network takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MigrationMethod {
    /// It is slowed down, as much as is needed. A network that fails leaves it where it
    /// was.
    #[default]
    AutoConverge,
    /// It runs at the destination before all its memory is there. A network that fails
    /// meanwhile ends it.
    PostCopy,
}

impl MigrationMethod {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

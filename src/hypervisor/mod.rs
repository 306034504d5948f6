//! The far side: what hosts can be asked and told, real (libvirt) or
//! simulated.
//!
//! The trait is small and in libvirt's own nouns; everything that decides stays
//! on this side of it.

pub mod clock;
mod domain_xml;
#[cfg(feature = "libvirt")]
pub mod libvirt;
pub mod simulated;

use std::io::Read;
use std::net::Ipv4Addr;
use std::time::Duration;

use uuid::Uuid;

use crate::ids::HostName;

/// What went wrong on a host, with libvirt's own words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{host}: {what}: {message}")]
pub struct HypervisorError {
    /// The host, or its URI before it has a name.
    pub host: String,
    /// What was tried, on which object: `start domain quickstart-cache-0`.
    pub what: String,
    /// What kind of failure it was.
    pub kind: ErrorKind,
    /// libvirt's message.
    pub message: String,
    /// libvirt's error code and domain, where libvirt made it.
    pub code: Option<(i32, i32)>,
}

/// Failures that callers treat differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The host cannot be reached, or the connection broke.
    Unreachable,
    /// The object does not exist.
    NotFound,
    /// The object exists already.
    Exists,
    /// The guest agent does not answer (yet).
    AgentSilent,
    /// The connection may only look.
    Denied,
    /// Anything else.
    Other,
}

/// Result of a call to a host.
pub type Result<T> = std::result::Result<T, HypervisorError>;

/// A host's libvirt. Calls block; one value may be used from several threads.
pub trait Hypervisor: Send + Sync {
    /// Versions, topology, memory, pools and bridges.
    ///
    /// # Errors
    /// The host does not answer.
    fn describe(&self) -> Result<HostReport>;

    /// All domains, ours and foreign, in the order of their names.
    ///
    /// # Errors
    /// The host does not answer.
    fn domains(&self) -> Result<Vec<Domain>>;

    /// Volumes of an active pool, in the order of their names.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without such a pool.
    fn volumes(&self, pool: &str) -> Result<Vec<VolumeInfo>>;

    /// One volume of an active pool.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without such a pool or volume.
    fn volume(&self, pool: &str, name: &str) -> Result<VolumeInfo>;

    /// Whether a domain runs.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without such a domain.
    fn is_active(&self, domain: &str) -> Result<bool>;

    /// Makes an empty volume, or an overlay on a volume of the same pool.
    ///
    /// # Errors
    /// [`ErrorKind::Exists`] if there is one of that name.
    fn create_volume(&self, request: &VolumeRequest) -> Result<()>;

    /// Writes `length` bytes from `source` to the start of a volume.
    ///
    /// # Errors
    /// The stream broke, or `source` ended early.
    fn upload(&self, pool: &str, name: &str, source: &mut dyn Read, length: u64) -> Result<()>;

    /// Deletes a volume with all it holds.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without such a volume.
    fn delete_volume(&self, pool: &str, name: &str) -> Result<()>;

    /// Defines a persistent domain, or redefines one of the same UUID.
    ///
    /// # Errors
    /// libvirt refuses the XML.
    fn define(&self, xml: &str) -> Result<()>;

    /// Starts a defined domain.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or what QEMU said.
    fn start(&self, domain: &str) -> Result<()>;

    /// Asks the guest to shut down; returns at once.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or the domain is off.
    fn shutdown(&self, domain: &str) -> Result<()>;

    /// Cuts a domain's power.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or the domain is off.
    fn power_off(&self, domain: &str) -> Result<()>;

    /// Forgets a domain that is off.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`].
    fn undefine(&self, domain: &str) -> Result<()>;

    /// IPv4 addresses that a running domain has, as far as its host can tell:
    /// from DHCP leases and the host's neighbours. One that is off has none.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or the host does not answer.
    fn addresses(&self, domain: &str) -> Result<Vec<Ipv4Addr>>;

    /// Sends one request to the guest agent and returns its `return` value.
    ///
    /// # Errors
    /// [`ErrorKind::AgentSilent`] when nothing answers within `timeout`;
    /// [`ErrorKind::Other`] with the agent's message when it refuses.
    fn agent(
        &self,
        domain: &str,
        request: &serde_json::Value,
        timeout: Duration,
    ) -> Result<serde_json::Value>;
}

/// Opens hosts by their URI.
pub trait Connector: Send + Sync {
    /// Connects to the libvirt at `uri`.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`], with libvirt's message.
    fn connect(&self, host: &HostName, uri: &str) -> Result<Box<dyn Hypervisor>>;
}

/// What a host says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostReport {
    /// Host name as libvirt knows it.
    pub hostname: String,
    /// libvirt's version, `major * 1_000_000 + minor * 1_000 + release`.
    pub libvirt_version: u64,
    /// QEMU's version, in the same form.
    pub qemu_version: u64,
    /// Domain types that it offers: `kvm`, `qemu`.
    pub domain_types: Vec<String>,
    /// NUMA nodes as the capabilities list them.
    pub numa: Vec<ReportedNuma>,
    /// Active pools.
    pub pools: Vec<ReportedPool>,
    /// Bridges of the host's networks and interfaces.
    pub bridges: Vec<String>,
    /// What libvirt calls the CPUs: `EPYC-Milan by AMD`.
    pub cpu_model: Option<String>,
    /// Physical NICs, by name.
    pub nics: Vec<ReportedNic>,
}

impl HostReport {
    /// A host that nobody has asked.
    #[must_use]
    pub fn unknown(hostname: &str) -> Self {
        Self {
            hostname: hostname.to_owned(),
            libvirt_version: 0,
            qemu_version: 0,
            domain_types: Vec::new(),
            numa: Vec::new(),
            pools: Vec::new(),
            bridges: Vec::new(),
            cpu_model: None,
            nics: Vec::new(),
        }
    }
}

/// A physical NIC as libvirt lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedNic {
    /// Its interface.
    pub name: String,
    /// Speed of its link; `None` without a link, or where nobody can tell.
    pub bits_per_s: Option<u64>,
    /// The NUMA node that its slot belongs to, where the host says so.
    pub numa: Option<u32>,
}

/// A version as libvirt packs it, in its usual form: `9.0.0`.
#[must_use]
pub fn version(packed: u64) -> String {
    format!("{}.{}.{}", packed / 1_000_000, packed / 1_000 % 1_000, packed % 1_000)
}

/// A NUMA node as libvirt's capabilities list it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedNuma {
    /// The cell's id.
    pub id: u32,
    /// Memory in KiB.
    pub memory_kib: u64,
    /// Page pools: size in KiB and number of pages, ordinary pages included.
    pub pages: Vec<(u64, u64)>,
    /// Free pages: size in KiB and number.
    pub free_pages: Vec<(u64, u64)>,
    /// Online CPUs.
    pub cpus: Vec<ReportedCpu>,
}

/// A CPU as libvirt's capabilities list it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedCpu {
    /// Number of the CPU.
    pub id: u32,
    /// Socket.
    pub socket: u32,
    /// Die in the socket.
    pub die: u32,
    /// Core in the die.
    pub core: u32,
    /// CPUs of the same core, itself included.
    pub siblings: Vec<u32>,
    /// CPUs that share its L3 cache and the cache's size in KiB, where libvirt
    /// says so.
    pub l3: Option<(Vec<u32>, u64)>,
}

/// A pool as libvirt lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedPool {
    /// Name.
    pub name: String,
    /// Directory or device behind it.
    pub path: String,
    /// Size in bytes.
    pub capacity: u64,
    /// Free space in bytes.
    pub available: u64,
}

/// A domain as seen on a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Name.
    pub name: String,
    /// UUID.
    pub uuid: Uuid,
    /// Whether it runs.
    pub active: bool,
    /// Who made it, if we did.
    pub owner: Option<OwnerTag>,
    /// Memory in KiB.
    pub memory_kib: u64,
    /// Host CPUs by virtual CPU, live where it runs; empty sets for unpinned.
    pub vcpu_pins: Vec<Vec<u32>>,
    /// Host CPUs of emulator threads; empty for unpinned.
    pub emulator_pins: Vec<u32>,
    /// NUMA nodes that its memory is bound to; empty for unbound.
    pub memory_nodes: Vec<u32>,
    /// Whether that binding is strict.
    pub memory_strict: bool,
    /// Current XML, live where it runs.
    pub xml: String,
}

/// What stands in the metadata of every domain that we make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerTag {
    /// The deployment's name.
    pub deployment: String,
    /// The instance's name.
    pub instance: String,
    /// Digest of the instance as planned; differs when it must be replaced.
    pub digest: String,
}

/// XML namespace of [`OwnerTag`] in a domain's metadata.
pub const METADATA_NAMESPACE: &str = "urn:hostsplit:instance:1";

/// A volume as seen in a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeInfo {
    /// Name.
    pub name: String,
    /// Path on the host.
    pub path: String,
    /// Virtual size in bytes.
    pub capacity: u64,
    /// Path of the volume that it is an overlay on.
    pub backing: Option<String>,
}

/// A volume to make.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeRequest {
    /// Pool.
    pub pool: String,
    /// Name.
    pub name: String,
    /// Virtual size in bytes.
    pub capacity: u64,
    /// Format.
    pub format: VolumeFormat,
    /// Name of a qcow2 volume in the same pool to lay it over.
    pub backing: Option<String>,
}

/// Formats that we make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeFormat {
    /// Plain bytes.
    Raw,
    /// QEMU's copy-on-write format.
    Qcow2,
}

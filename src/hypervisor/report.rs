//! What hosts report of themselves, and of the volumes that they hold.

use crate::topology::Architecture;

/// Size of a page that is not huge, in KiB.
pub const ORDINARY_PAGE_KIB: u64 = 4;

/// What a host says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostReport {
    /// Host name as libvirt knows it.
    pub hostname: String,
    /// libvirt's version, `major * 1_000_000 + minor * 1_000 + release`.
    pub libvirt_version: u64,
    /// QEMU's version, in the same form.
    pub qemu_version: u64,
    /// What its CPUs are.
    pub architecture: Architecture,
    /// Domain types that it offers for guests of its architecture: `kvm`, `qemu`.
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
    /// Makes the report of a host that nobody has asked.
    #[must_use]
    pub fn unknown(hostname: &str) -> Self {
        Self {
            hostname: hostname.to_owned(),
            libvirt_version: 0,
            qemu_version: 0,
            architecture: Architecture::default(),
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
    /// Speed of its link; `None` without a link, or where it is not known.
    pub bits_per_s: Option<u64>,
    /// The NUMA node that its slot belongs to, where the host says so.
    pub numa: Option<u32>,
}

/// Writes a version as libvirt packs it in its usual form: `9.0.0`.
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

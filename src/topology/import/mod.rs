//! Files that describe a machine, made by other programs, to one [`Machine`].
//!
//! Each format has a file that turns its text into a [`dump::Dump`]: CPUs with
//! the core, the L3 cache and the NUMA node that they belong to. `assemble`
//! checks it, fills in what is missing and records what that was.
//!
//! ```text
//! virsh capabilities ─┐
//! hwloc XML, v1 to v3 ├─► Dump ─┬─(+ Stated)─► Machine ─► the host file
//! lscpu -p, -J, -e -J ┘         └─► what discover reports
//! ```

mod assemble;
mod bitmap;
pub mod capabilities;
mod devices;
pub mod dump;
mod error;
mod hwloc;
mod lscpu;
mod near;
mod siblings;
mod split;
mod summary;
mod uplink;
pub mod xml;

use std::fmt;

use serde::Serialize;

pub use self::error::{EXPECTED, ImportError, Place};
pub use self::uplink::{Uplink, UplinkChoice};
use self::xml::Xml;
use super::{Architecture, L3Domain};
use crate::units::{BitsPerSecond, Mebibytes};

/// Most bytes of a file. The dump of a machine with a thousand CPUs has two
/// million.
pub const MAX_BYTES: u64 = 8 << 20;

/// Highest number of a NUMA node that a host file may hold.
const MAX_NUMA: u32 = 1_023;

/// What the user says of a machine whose file does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stated {
    /// Memory of the whole machine.
    pub memory: Option<Mebibytes>,
    /// NUMA nodes in each socket.
    pub numa_per_socket: Option<u32>,
}

/// Formats that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `virsh capabilities`.
    Capabilities,
    /// `lstopo --of xml`.
    Hwloc,
    /// A table of CPUs: `lscpu -p`, `lscpu -J -e`.
    Lscpu,
    /// `lscpu -J`: counts, no CPUs.
    LscpuSummary,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Capabilities => "virsh capabilities",
            Self::Hwloc => "hwloc XML",
            Self::Lscpu => "a table of lscpu",
            Self::LscpuSummary => "the summary of lscpu -J",
        })
    }
}

/// A machine: what its file says, and what had to be assumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The format that it was read from.
    pub source: Source,
    /// The name that the machine calls itself.
    pub hostname: Option<String>,
    /// What its CPUs are, if the file says it.
    pub architecture: Option<Architecture>,
    /// Domain types that libvirt offers, where libvirt made the file.
    pub domain_types: Option<Vec<String>>,
    /// NUMA nodes with CPUs, in the order of their ids.
    pub numa: Sourced<Vec<Numa>>,
    /// NICs that are built in.
    pub nics: Vec<Nic>,
    /// The NIC that is assumed to carry the bridge, if the speed of any is known.
    pub uplink: Option<Uplink>,
    /// Disks that are built in.
    pub disks: Vec<Disk>,
    /// What was left out or taken otherwise than written, one sentence each.
    pub notes: Vec<String>,
}

/// A NUMA node that has CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numa {
    /// Its number.
    pub id: u32,
    /// Its memory.
    pub memory: Sourced<Mebibytes>,
    /// Huge pages.
    pub pages: Sourced<HugePages>,
    /// L3 domains and the cores in them, in the order of their first CPU.
    pub l3: Sourced<Vec<L3Domain>>,
}

/// A NIC that is built in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Nic {
    /// The kernel's name of it.
    pub name: String,
    /// What its link carries, if known.
    pub bits_per_s: Option<BitsPerSecond>,
    /// The NUMA node that it is near to, if it is one.
    pub numa: Option<u32>,
    /// Whether another NIC has the same MAC address, as those of a bond have.
    pub shares_address: bool,
}

/// A disk that is built in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// The kernel's name of it.
    pub name: String,
    /// Its size, if known.
    pub size_mib: Option<Mebibytes>,
    /// The NUMA node that it is near to, if it is one.
    pub numa: Option<u32>,
}

/// Numbers of huge pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HugePages {
    /// Of 2 MiB.
    pub small: u64,
    /// Of 1 GiB.
    pub large: u64,
}

impl HugePages {
    /// Takes the two sizes that guests use out of pairs of KiB and number.
    pub fn among<'a>(pages: impl IntoIterator<Item = &'a (u64, u64)>) -> Self {
        let mut huge = Self::default();
        for (kib, count) in pages {
            match kib {
                2_048 => huge.small = huge.small.saturating_add(*count),
                1_048_576 => huge.large = huge.large.saturating_add(*count),
                _ => {}
            }
        }
        huge
    }

    /// Memory that they take.
    #[must_use]
    pub const fn memory(self) -> Mebibytes {
        Mebibytes::new(
            self.small.saturating_mul(2).saturating_add(self.large.saturating_mul(1_024)),
        )
    }
}

/// A value and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced<T> {
    /// The value.
    pub value: T,
    /// Where it comes from.
    pub provenance: Provenance,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// The file has it.
    Measured,
    /// The user stated it: how.
    Stated(String),
    /// Nothing states it: what was taken, and why.
    Assumed(String),
}

impl Provenance {
    /// The comment beside the value.
    #[must_use]
    pub fn comment(&self) -> String {
        match self {
            Self::Measured => String::new(),
            Self::Stated(how) => format!("stated by the user: {how}"),
            Self::Assumed(what) => format!("assumed: {what}"),
        }
    }

    /// Whether it is an assumption.
    #[must_use]
    pub const fn is_assumed(&self) -> bool {
        matches!(self, Self::Assumed(_))
    }
}

/// Reads a file of any of the formats.
///
/// # Errors
/// It is of none of them, is incomplete, or contradicts itself.
pub fn read(text: &str, stated: &Stated) -> Result<Machine, ImportError> {
    dump(text)
        .and_then(|(source, dump)| assemble::machine(source, dump, stated))
        .map_err(|error| error.located(text).or_again())
}

fn dump(text: &str) -> Result<(Source, dump::Dump), ImportError> {
    let content = text.trim_start_matches('\u{feff}').trim();
    if text.len() as u64 > MAX_BYTES {
        return Err(ImportError::too_large());
    }
    match content.chars().next() {
        None => Err(ImportError::new("the file is empty").hint(EXPECTED)),
        Some('<') => {
            let xml = Xml::parse(text)?;
            match xml.root().tag_name().name() {
                "capabilities" => Ok((Source::Capabilities, capabilities::dump(&xml)?)),
                "topology" => Ok((Source::Hwloc, hwloc::dump(&xml)?)),
                other => Err(ImportError::new(format!("XML of an unknown kind: <{other}>"))
                    .at(Place::Byte(xml.offset(xml.root())))
                    .hint(EXPECTED)),
            }
        }
        Some('{' | '[') => {
            let value: serde_json::Value =
                serde_json::from_str(text.trim_start_matches('\u{feff}'))
                    .map_err(|error| ImportError::of_json(&error))?;
            if let Some(rows) = value.get("cpus") {
                Ok((Source::Lscpu, lscpu::from_json(rows)?))
            } else if let Some(fields) = value.get("lscpu") {
                Ok((Source::LscpuSummary, summary::dump(fields)?))
            } else {
                let message = "JSON of an unknown kind: neither \"cpus\" nor \"lscpu\" in it";
                Err(ImportError::new(message).hint(EXPECTED))
            }
        }
        Some(first) if first == '#' || first.is_ascii_digit() => {
            Ok((Source::Lscpu, lscpu::from_table(text)?))
        }
        _ => {
            let error = ImportError::new("the file is neither XML, nor JSON, nor a table of lscpu");
            let human = content.starts_with("Architecture:") || content.starts_with("CPU ");
            let remedy = "this looks like lscpu for people; write the file with: lscpu -p";
            Err(error.hint(if human { remedy } else { EXPECTED }))
        }
    }
}

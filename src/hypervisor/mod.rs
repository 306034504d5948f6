//! The far side: what hosts can be asked and made to do, real (libvirt) or
//! simulated.
//!
//! The trait is small and in libvirt's own nouns; everything that decides stays
//! on this side of it.

pub mod clock;
mod domain;
pub mod domain_xml;
pub mod edit;
pub mod fan_out;
#[cfg(feature = "libvirt")]
pub mod libvirt;
mod migration;
pub mod outline;
mod report;
pub mod uri;

use std::any::Any;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::time::Duration;

use crate::ids::HostName;

pub use self::domain::{
    AttachedDisk, Definition, Devices, Disk, Domain, DomainState, METADATA_NAMESPACE, OwnerTag,
    Pause, StorageSource, Thread,
};
pub use self::migration::{Migrated, MigrationProgress, MigrationRequest};
pub use self::report::{
    HostReport, ORDINARY_PAGE_KIB, ReportedCpu, ReportedNic, ReportedNuma, ReportedPool,
    VolumeFormat, VolumeInfo, VolumeRequest, version,
};

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
    /// Returns versions, topology, memory, pools and bridges.
    ///
    /// # Errors
    /// The host does not answer.
    fn describe(&self) -> Result<HostReport>;

    /// Lists all domains, foreign ones too, in the order of their names.
    ///
    /// # Errors
    /// The host does not answer.
    fn domains(&self) -> Result<Vec<Domain>>;

    /// Lists the volumes of an active pool, in the order of their names.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without such a pool.
    fn volumes(&self, pool: &str) -> Result<Vec<VolumeInfo>>;

    /// Returns one volume of an active pool.
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

    /// Stops the virtual CPUs of a domain; its process and its memory stay.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or the domain is off.
    fn suspend(&self, domain: &str) -> Result<()>;

    /// Lets a paused or suspended domain run again. One that runs stays as it is.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or the domain cannot run on.
    fn resume(&self, domain: &str) -> Result<()>;

    /// Sets whether the host starts a domain when libvirt starts.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or the domain is not persistent.
    fn set_autostart(&self, domain: &str, autostart: bool) -> Result<()>;

    /// Pins a thread of a domain to CPUs of its host: at once where it runs, and in its
    /// definition where it has one.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or there is no such thread or CPU.
    fn pin(&self, domain: &str, thread: Thread, cpus: &[u32]) -> Result<()>;

    /// Sets the link of an interface of a running domain, by its MAC address; its next
    /// boot has it up.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without such a domain or interface, or the domain is off.
    fn set_link(&self, domain: &str, mac: &str, up: bool) -> Result<()>;

    /// Forgets a domain that is off.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`].
    fn undefine(&self, domain: &str) -> Result<()>;

    /// Returns IPv4 addresses that a running domain has, as far as its host knows:
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

    /// Writes the bytes that a volume's file or device holds to `sink`, from the byte `from` on.
    /// Returns how many there were.
    ///
    /// # Errors
    /// The stream broke, or `sink` takes no more.
    fn download(&self, pool: &str, name: &str, from: u64, sink: &mut dyn Write) -> Result<u64>;

    /// Returns the XML of a running domain as it is given to another host: without what
    /// only this host knows.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without such a domain.
    fn migratable_xml(&self, domain: &str) -> Result<String>;

    /// Moves a running domain to another host, while it runs. Here it is off and defined
    /// afterwards, there it runs and is defined. When it fails, it runs on here. `watch` is
    /// called now and then; the migration is given up when it breaks.
    ///
    /// # Errors
    /// What either host said; [`ErrorKind::Other`] where the two are not of one kind.
    fn migrate(
        &self,
        destination: &dyn Hypervisor,
        request: &MigrationRequest,
        watch: &mut dyn FnMut(&MigrationProgress) -> ControlFlow<()>,
    ) -> Result<Migrated>;

    /// Starts a defined domain with its virtual CPUs stopped: it executes nothing.
    ///
    /// # Errors
    /// As [`Self::start`].
    fn start_paused(&self, domain: &str) -> Result<()>;

    /// Makes a volume larger that no running domain uses.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without such a volume.
    fn resize_volume(&self, pool: &str, name: &str, bytes: u64) -> Result<()>;

    /// Makes a disk of a running domain larger, by its target; the guest sees it at once.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or the domain is off or has no such disk.
    fn resize_disk(&self, domain: &str, target: &str, bytes: u64) -> Result<()>;

    /// Gives a running domain a further disk, until it is detached or the domain ends.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without such a domain or volume; the domain is off, or has no
    /// place for a disk left.
    fn attach_disk(&self, domain: &str, disk: &AttachedDisk) -> Result<()>;

    /// Asks the guest of a running domain to let go of the disk that it was given; it is gone from
    /// the domain's definition once it has. One that is gone already is fine.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without such a domain, or the domain is off.
    fn detach_disk(&self, domain: &str) -> Result<()>;

    /// Replaces the tag of a domain, where it runs and in its definition.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] without such a domain.
    fn set_tag(&self, domain: &str, tag: &OwnerTag) -> Result<()>;

    /// Returns the description of the host's CPUs, to be compared by another host.
    ///
    /// # Errors
    /// The host does not answer.
    fn cpu(&self) -> Result<Option<String>>;

    /// Whether the host's CPUs have all that those of another host have.
    ///
    /// # Errors
    /// libvirt cannot read the description.
    fn covers_cpu(&self, other: &str) -> Result<bool>;

    /// Returns the connection itself, for another one of its kind.
    fn as_any(&self) -> &dyn Any;
}

/// Opens hosts by their URI.
pub trait Connector: Send + Sync {
    /// Connects to the libvirt at `uri`.
    ///
    /// # Errors
    /// [`ErrorKind::Unreachable`], with libvirt's message.
    fn connect(&self, host: &HostName, uri: &str) -> Result<Box<dyn Hypervisor>>;
}

//! Live migration of a domain to another host: what is asked for, how far it is,
//! what it came to.

use std::time::Duration;

/// A live migration to another host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrationRequest {
    /// The running domain.
    pub domain: String,
    /// What the destination runs. The guest must see no difference, so it is made from
    /// [`super::Hypervisor::migratable_xml`].
    pub xml: String,
    /// What the destination keeps as the domain's definition.
    pub persistent_xml: String,
    /// Where the destination takes the guest's memory, such as `tcp://10.0.0.2`. Without
    /// it the source must be able to resolve the destination's host name.
    pub uri: Option<String>,
    /// Most that it may send, in MiB/s.
    pub bandwidth_mib_s: Option<u64>,
    /// Disks, by their target in the guest, whose bytes are copied: volumes of the same
    /// size lie at the destination. Where there is none, both hosts see the same volumes.
    pub copied_disks: Vec<String>,
    /// Whether the guest may run at the destination before all its memory is there. It
    /// ends for sure then, and the guest is lost if the network fails meanwhile.
    pub post_copy: bool,
    /// Whether everything is encrypted, with the certificates of the two QEMUs.
    pub tls: bool,
    /// Connections that send memory at the same time; one unless stated.
    pub connections: Option<i32>,
}

/// How far a migration is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MigrationProgress {
    /// Bytes of memory and disks that were sent.
    pub done: u64,
    /// Bytes that were sent or are still to be sent; more as the guest writes.
    pub total: u64,
}

/// What a migration came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Migrated {
    /// How long the guest did not run, if QEMU says so.
    pub downtime: Option<Duration>,
    /// Bytes that were sent, if QEMU says so.
    pub sent: Option<u64>,
}

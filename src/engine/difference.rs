//! A difference between plan and world, and the facts that can differ: decided upon by
//! their variants, shown by their words.

use std::fmt;
use std::net::Ipv4Addr;

use crate::ids::{InstanceName, ServiceName};

/// A difference between plan and world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// The instance that it was seen at.
    pub instance: InstanceName,
    /// What differs.
    pub fact: Fact,
    /// As planned.
    pub planned: String,
    /// As found.
    pub found: String,
}

impl Difference {
    /// The difference of an instance that does not answer, with the reason.
    #[must_use]
    pub fn unanswered(instance: InstanceName, reason: &dyn fmt::Display) -> Self {
        let planned = "answers".to_owned();
        Self { instance, fact: Fact::Answer, planned, found: reason.to_string() }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instance, fact, planned, found } = self;
        write!(f, "{instance}: {fact} is {found}, planned {planned}")
    }
}

/// Something about an instance that can be compared with the plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// Whether its host can be asked.
    Host,
    /// Whether its domain is defined.
    Domain,
    /// What its machine was made from.
    Digest,
    /// The state of its domain.
    State,
    /// Whether its domain stays defined once it stops.
    Persistence,
    /// Whether its host starts its domain.
    Autostart,
    /// The host's CPUs behind its own.
    VcpuPins,
    /// The host's CPUs of its emulator.
    EmulatorPins,
    /// The host's CPUs of the threads that do its I/O.
    IoThreadPins,
    /// The memory of its domain.
    Memory,
    /// The NUMA nodes that its memory comes from.
    MemoryNodes,
    /// Whether other NUMA nodes are ruled out.
    NumaBinding,
    /// The pages behind its memory.
    PageSize,
    /// Whether its network cables are plugged.
    Links,
    /// Anything else that its domain is made of, as XML.
    Definition,
    /// A volume of its domain, by its name.
    Volume(String),
    /// One of these, once it boots again.
    AtNextBoot(Box<Self>),
    /// The machine that answers at its address.
    MachineAt(Ipv4Addr),
    /// Whether its guest answers.
    Guest,
    /// The CPUs that its guest sees.
    GuestCpus,
    /// The cache that its guest sees.
    GuestCache,
    /// The memory that its guest sees.
    GuestMemory,
    /// Whether its engine answers.
    Answer,
    /// Whether its cluster serves, as it sees it.
    ClusterState,
    /// Its part in its group.
    Role,
    /// Whether it is in step with what it copies.
    Replication,
    /// Whether it encrypts what it sends to other instances of its cluster.
    Encryption,
    /// What it makes of another instance of its cluster.
    SightOf(InstanceName),
    /// How long the certificate is valid that it shows to clients.
    Certificate,
    /// What it answers clients at this URL, where it answers at all.
    Response(String),
    /// Whether it passes on what the members of a pool behind it answer.
    Frontend(ServiceName),
    /// Whether it sends requests to a server behind it.
    Backend(InstanceName),
    /// Somebody in its cluster that the plan does not know.
    Member,
    /// How new indices of its cluster are divided.
    Template,
    /// Whether it has forgotten an instance that leaves its cluster.
    Departure(InstanceName),
    /// Who serves a part of the data, as it sees it: `0-5460`.
    OwnerOfSlots(String),
    /// Parts of the data on their way to another instance.
    MovingSlots,
    /// The host that it shares with another copy of its data.
    SharedHost,
    /// Whether its engine shows its configuration.
    Configuration,
    /// The configuration that its engine has loaded, by its digest.
    LoadedConfiguration,
    /// How full its data disk is.
    DataDisk,
    /// Whether its users have the planned passwords.
    Passwords,
    /// Whether writes are acknowledged by a copy.
    Acknowledgement,
    /// Who has an address that moves between instances.
    Holder(Ipv4Addr),
    /// A setting of its engine, by the engine's name for it.
    Setting(String),
    /// Whether its engine shows its users.
    Users,
    /// The password of a user.
    Password(String),
    /// A file that its engine reads, by its path.
    File(String),
}

impl Fact {
    /// Whether it says how an instance is placed on its host, and so how fast it can be.
    #[must_use]
    pub const fn is_placement(&self) -> bool {
        matches!(
            self,
            Self::VcpuPins
                | Self::EmulatorPins
                | Self::IoThreadPins
                | Self::MemoryNodes
                | Self::NumaBinding
                | Self::PageSize
        )
    }

    /// Whether it is about its engine, and not about its machine.
    #[must_use]
    pub const fn is_of_engine(&self) -> bool {
        self.is_formed()
            || self.is_configured()
            || matches!(
                self,
                Self::Member
                    | Self::SharedHost
                    | Self::DataDisk
                    | Self::Backend(_)
                    | Self::Certificate
                    | Self::Response(_)
                    | Self::Frontend(_)
            )
    }

    /// Whether it is what a guest sees of its machine.
    #[must_use]
    pub const fn is_in_guest(&self) -> bool {
        matches!(self, Self::GuestCpus | Self::GuestCache | Self::GuestMemory)
    }

    /// Whether the forming of a cluster brings it about.
    #[must_use]
    pub const fn is_formed(&self) -> bool {
        matches!(
            self,
            Self::Answer
                | Self::ClusterState
                | Self::Role
                | Self::Replication
                | Self::Acknowledgement
                | Self::Passwords
                | Self::Encryption
                | Self::Template
                | Self::SightOf(_)
                | Self::Departure(_)
                | Self::OwnerOfSlots(_)
                | Self::MovingSlots
                | Self::Holder(_)
        )
    }

    /// Whether the configuration of an instance brings it about.
    #[must_use]
    pub const fn is_configured(&self) -> bool {
        matches!(
            self,
            Self::Answer
                | Self::Configuration
                | Self::LoadedConfiguration
                | Self::Setting(_)
                | Self::Users
                | Self::Password(_)
                | Self::File(_)
        )
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host | Self::SharedHost => "host",
            Self::Domain => "domain",
            Self::Digest => "digest",
            Self::State => "state",
            Self::VcpuPins => "vCPU pins",
            Self::EmulatorPins => "emulator pins",
            Self::IoThreadPins => "I/O thread pins",
            Self::Persistence => "definition of the running domain",
            Self::Autostart => "autostart",
            Self::Links => "network link",
            Self::Definition => "domain XML",
            Self::Volume(name) => return write!(f, "volume {name}"),
            Self::Memory => "memory",
            Self::MemoryNodes => "NUMA nodes of its memory",
            Self::NumaBinding => "NUMA binding",
            Self::PageSize => "page size",
            Self::AtNextBoot(fact) => return write!(f, "{fact} at the next boot"),
            Self::MachineAt(address) => return write!(f, "machine at {address}"),
            Self::Guest => "guest",
            Self::GuestCpus => "CPUs in the guest",
            Self::GuestCache => "L3 cache in the guest",
            Self::GuestMemory => "memory in the guest",
            Self::Answer => "answer",
            Self::Certificate => "certificate",
            Self::ClusterState => "cluster state",
            Self::Role => "role",
            Self::Replication => "replication",
            Self::DataDisk => "data disk",
            Self::Passwords => "passwords of its users",
            Self::Acknowledgement => "acknowledgement of writes",
            Self::Encryption => "what it sends to others",
            Self::SightOf(other) => return write!(f, "sight of {other}"),
            Self::Response(url) => return write!(f, "response at {url}"),
            Self::Frontend(pool) => return write!(f, "frontend of {pool}"),
            Self::Backend(other) => return write!(f, "server {other}"),
            Self::Member => "member",
            Self::Template => "index template",
            Self::Departure(other) => return write!(f, "departure of {other}"),
            Self::OwnerOfSlots(slots) => return write!(f, "owner of slots {slots}"),
            Self::MovingSlots => "slots on the move",
            Self::Configuration => "configuration",
            Self::LoadedConfiguration => "loaded configuration",
            Self::Holder(address) => return write!(f, "holder of {address}"),
            Self::Setting(name) => name,
            Self::Users => "users",
            Self::Password(user) => return write!(f, "password of user {user}"),
            Self::File(path) => return write!(f, "file {path}"),
        })
    }
}

//! What can keep a deploy from ending well, and what to do about it.

use std::borrow::Cow;
use std::fmt;

use crate::deploy::Gap;
use crate::graph::Impact;
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::units::Mebibytes;

/// An obstacle and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The host; `None` for the operator's own machine.
    pub host: Option<HostName>,
    /// What it is.
    pub kind: ObstacleKind,
}

/// The kinds of obstacles.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ObstacleKind {
    /// The host does not answer.
    #[error("unreachable: {message}")]
    Unreachable {
        /// libvirt's words.
        message: String,
    },
    /// Something of the host is not as planned with.
    #[error("{what}: found {found}, planned with {planned}")]
    Differs {
        /// What: `CPUs of NUMA node 0`.
        what: String,
        /// As planned.
        planned: String,
        /// As found.
        found: String,
    },
    /// libvirt cannot run that kind of domain.
    #[error("offers domain types {offered}; planned with {planned}")]
    Hypervisor {
        /// As planned.
        planned: &'static str,
        /// What it offers.
        offered: String,
    },
    /// A program on the host is too old for what domains need.
    #[error("{program} {found}; domains need {least} or newer")]
    Old {
        /// `libvirt` or `QEMU`.
        program: &'static str,
        /// The version there.
        found: String,
        /// The oldest that will do.
        least: String,
    },
    /// The plan itself lacks something.
    #[error(transparent)]
    Gap(#[from] Gap),
    /// No bridge of that name.
    #[error("no bridge {bridge}; there are: {found}")]
    Bridge {
        /// As planned.
        bridge: String,
        /// What there is.
        found: String,
    },
    /// No active pool of that name.
    #[error("no active pool {pool}")]
    Pool {
        /// As planned.
        pool: String,
    },
    /// A pool is too full.
    #[error("pool {pool} has {available} left, the plan needs {needed}")]
    Space {
        /// The pool.
        pool: String,
        /// What the volumes to be made may grow to.
        needed: Mebibytes,
        /// What is left.
        available: Mebibytes,
    },
    /// Too few free huge pages.
    #[error("NUMA node {numa} has {free} free pages of {page_kib} KiB, the plan needs {needed}")]
    Pages {
        /// The NUMA node.
        numa: u32,
        /// Size of a page.
        page_kib: u64,
        /// Pages of the domains that are not running yet.
        needed: u64,
        /// Free pages.
        free: u64,
    },
    /// A foreign domain runs on CPUs of an instance.
    #[error("foreign domain {domain} is pinned to CPUs {cpus} of {instance}")]
    Cpus {
        /// The foreign domain.
        domain: String,
        /// The instance.
        instance: InstanceName,
        /// The CPUs that both have.
        cpus: String,
    },
    /// Foreign domains hold memory that the plan needs.
    #[error(
        "foreign domains hold {foreign}, with the {planned} of the plan that is more than the \
         {allocatable} that VMs may have"
    )]
    Memory {
        /// Memory of running foreign domains.
        foreign: Mebibytes,
        /// Memory of the instances.
        planned: Mebibytes,
        /// Memory that VMs may have.
        allocatable: Mebibytes,
    },
    /// A foreign domain has something that must be unique.
    #[error("foreign domain {domain} has the {what} of {instance}, {value}")]
    Taken {
        /// The foreign domain.
        domain: String,
        /// `name`, `UUID`, `MAC address` or `address`.
        what: &'static str,
        /// The instance.
        instance: InstanceName,
        /// It.
        value: String,
    },
    /// A foreign volume has the name of a planned one.
    #[error("volume {pool}/{name} has a name that {instance} needs, and is foreign: {why}")]
    Volume {
        /// Pool.
        pool: String,
        /// Volume.
        name: String,
        /// The instance.
        instance: InstanceName,
        /// What gives it away.
        why: String,
    },
    /// A fixed machine runs on several hosts.
    #[error("{instance} runs on {hosts} at the same time")]
    RunsTwice {
        /// The machine.
        instance: InstanceName,
        /// The hosts.
        hosts: String,
    },
    /// A service would stop or lose data, and that was not allowed.
    #[error("{0}")]
    Impact(Impact),
    /// What a pool is to serve cannot be used.
    #[error("{service}: {message}")]
    Content {
        /// The service.
        service: ServiceName,
        /// What is wrong with it.
        message: String,
    },
    /// A file of the image cannot be used.
    #[error("{message}")]
    Image {
        /// What is wrong with it.
        message: String,
    },
}

impl ObstacleKind {
    /// Returns what to do about it.
    #[must_use]
    pub fn remedy(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Impact(Impact { kind, service, .. }) => {
                return format!("plan otherwise, or allow it: {} {service}", kind.option()).into();
            }
            Self::Unreachable { .. } => "bring the host and its libvirtd back, or check its URI",
            Self::Differs { .. } => "run discover again and make a new plan",
            Self::Old { .. } => "upgrade it",
            Self::Gap(gap) => gap.remedy,
            Self::Hypervisor { .. } => "load the KVM module, or plan the host with `qemu`",
            Self::Bridge { .. } => "make the bridge, or name another one in the spec",
            Self::Pool { .. } => {
                "define and start the pool, or name another one in the host's file"
            }
            Self::Space { .. } => {
                "free space, or state less capacity in the host's file and plan again"
            }
            Self::Pages { .. } => "reserve more pages (vm.nr_hugepages) or stop what holds them",
            Self::Cpus { .. } | Self::Memory { .. } => {
                "move the foreign domain away, or reserve what it has in the host's file and plan again"
            }
            Self::Taken { .. } => {
                "rename or remove the foreign domain, or give the deployment another name"
            }
            Self::Volume { .. } => {
                "rename or remove the volume, or give the deployment another name"
            }
            Self::RunsTwice { .. } => {
                "power it off where its disk is the older one (virsh destroy), and deploy again"
            }
            Self::Content { .. } => "put the planned content back, or plan again with this one",
            Self::Image { .. } => {
                "put the planned file back (--images DIR), or state its digest and plan again"
            }
        })
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, kind } = self;
        match host {
            Some(host) => write!(f, "{host}: {kind}"),
            None => write!(f, "{kind}"),
        }
    }
}

//! The hosts: NUMA nodes, L3 domains, cores and threads; memory, pools and
//! failure domains; what is kept back for the host itself.

pub mod assumed;
pub mod cpuset;
pub mod fence;
mod host;
pub mod import;
mod level;
mod numa;
pub mod overhead;
pub mod reserve;
pub mod uri;

pub use self::fence::Fence;
pub use self::host::{Architecture, Host, Migration, Pool, Virtualization};
pub use self::level::Level;
pub use self::numa::{Core, L3Domain, NumaNode, PagePool};

use serde::{Deserialize, Serialize};

use crate::ids::HostName;

/// All hosts, in the order of their names. Names are unique.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Topology {
    /// The hosts, sorted by name.
    pub hosts: Vec<Host>,
}

impl Topology {
    /// Orders hosts by their names; names must differ.
    #[must_use]
    pub fn new(mut hosts: Vec<Host>) -> Self {
        hosts.sort_by(|a, b| a.name.cmp(&b.name));
        Self { hosts }
    }

    /// The host of that name.
    #[must_use]
    pub fn host(&self, name: &HostName) -> Option<&Host> {
        self.hosts.iter().find(|host| &host.name == name)
    }

    /// The NUMA node with that id on the host of that name.
    #[must_use]
    pub fn numa(&self, host: &HostName, id: u32) -> Option<&NumaNode> {
        self.host(host)?.numa_node(id)
    }
}

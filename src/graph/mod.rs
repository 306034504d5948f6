//! A plan and what was seen, turned into resources in the order they need each
//! other, each with an action and its reason.
//!
//! [`Graph`] is data: vertices of one closed enum and edges that say *needs*.
//! [`decide`] compares it with a [`World`](crate::state::world::World) and
//! touches nothing; [`crate::deploy`] carries the answer out.

mod action;
mod build;
mod critical;
mod decide;
mod dot;
pub mod drift;
mod grow;
pub mod image;
mod impact;
mod lost;
mod moves;
mod sequence;
mod text;
mod unwanted;

use std::collections::BTreeMap;
use std::fmt;

use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::ids::{HostName, InstanceName, ServiceName};

pub use self::action::{Action, Actions, Counts, Reason, Step};
pub use self::decide::{decide, is_as_planned, owned_domain};
pub use self::dot::{dot, dot_of};
pub use self::image::is_image_volume;
pub use self::impact::{Impact, ImpactKind};
pub use self::lost::{LostVolume, VolumeFate, lost_volumes};
pub use self::moves::{Immovable, Move, Way, planned_volume, relocation};
pub use self::text::{text, text_of};
pub use self::unwanted::{MAX_SEED, Unwanted, decide_removal, leaving, may_be_ours};

/// A file of the image, kept once per host and pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ImagePart {
    /// The read-only disk below all roots.
    Disk,
    /// The kernel of a direct boot.
    Kernel,
    /// Its initial RAM disk.
    Initrd,
}

impl ImagePart {
    /// Returns the word in listings.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Kernel => "kernel",
            Self::Initrd => "initrd",
        }
    }
}

/// One thing that must be so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vertex {
    /// Something of the deployment that the plan does not hold is gone.
    Unwanted {
        /// Where it is.
        host: HostName,
        /// What it is.
        what: Object,
    },
    /// A file of the image lies complete in a pool.
    ImageFile {
        /// The host.
        host: HostName,
        /// The pool.
        pool: String,
        /// Which file.
        part: ImagePart,
    },
    /// A fresh overlay on the image.
    Root(InstanceName),
    /// The data volume, empty at first, then never touched.
    Data(InstanceName),
    /// The NoCloud seed.
    Seed(InstanceName),
    /// The domain is defined as planned.
    Domain(InstanceName),
    /// The domain runs.
    Running(InstanceName),
    /// The guest's agent answers and its first boot is over.
    Ready(InstanceName),
    /// The engine runs with the planned configuration.
    Configured(InstanceName),
    /// The engine lets others in by its former rule and by the planned one.
    Prepared(InstanceName),
    /// New instances belong to the cluster of a service and copy the data of their groups.
    Joined(ServiceName),
    /// Each group of a service has the data that is planned for it.
    Balanced(ServiceName),
    /// The guest of an instance runs on that is paused and will be taken down: it may hold
    /// the only other copy of what the next one holds.
    Resumed(InstanceName),
    /// An instance whose machine was replaced belongs to its cluster again, and its group
    /// is whole.
    Rejoined(InstanceName),
    /// The instances of a service form the planned cluster.
    Cluster(ServiceName),
}

/// A domain or a volume by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A domain, with the volumes that go with it.
    Domain(String),
    /// A volume.
    Volume {
        /// Its pool.
        pool: String,
        /// Its name.
        name: String,
        /// What it is planned to hold.
        role: VolumeRole,
    },
}

/// What a volume is planned to hold, which decides how one of hostsplit is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum VolumeRole {
    /// A file of an image, or the marker of one.
    Image,
    /// The root of an instance.
    Root,
    /// The data of an instance.
    Data,
    /// The seed of an instance.
    Seed,
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(name) => write!(f, "domain {name}"),
            Self::Volume { pool, name, .. } => write!(f, "volume {pool}/{name}"),
        }
    }
}

impl Vertex {
    /// Returns the kind, one word, stable in JSON and journals.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Unwanted { .. } => "unwanted",
            Self::ImageFile { .. } => "image",
            Self::Root(_) => "root",
            Self::Data(_) => "data",
            Self::Seed(_) => "seed",
            Self::Domain(_) => "domain",
            Self::Running(_) => "running",
            Self::Ready(_) => "ready",
            Self::Configured(_) => "configured",
            Self::Prepared(_) => "prepared",
            Self::Joined(_) => "joined",
            Self::Balanced(_) => "balanced",
            Self::Resumed(_) => "resumed",
            Self::Rejoined(_) => "rejoined",
            Self::Cluster(_) => "cluster",
        }
    }

    /// Returns what a run is at when it works on it, for people who watch.
    #[must_use]
    pub const fn stage(&self) -> &'static str {
        match self {
            Self::Unwanted { .. } => "removal",
            Self::ImageFile { .. } => "images",
            Self::Root(_) | Self::Data(_) | Self::Seed(_) => "volumes",
            Self::Domain(_) | Self::Running(_) | Self::Resumed(_) => "domains",
            Self::Ready(_) => "boot",
            Self::Prepared(_) | Self::Configured(_) => "engines",
            Self::Joined(_) | Self::Balanced(_) | Self::Rejoined(_) | Self::Cluster(_) => {
                "clusters"
            }
        }
    }

    /// Returns the instance that it is about, if it is about one.
    #[must_use]
    pub const fn instance(&self) -> Option<&InstanceName> {
        match self {
            Self::Root(name)
            | Self::Data(name)
            | Self::Seed(name)
            | Self::Domain(name)
            | Self::Running(name)
            | Self::Ready(name)
            | Self::Configured(name)
            | Self::Prepared(name)
            | Self::Resumed(name)
            | Self::Rejoined(name) => Some(name),
            Self::Unwanted { .. }
            | Self::ImageFile { .. }
            | Self::Joined(_)
            | Self::Balanced(_)
            | Self::Cluster(_) => None,
        }
    }
}

impl fmt::Display for Vertex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unwanted { what, .. } => what.fmt(f),
            Self::ImageFile { pool, part, .. } => write!(f, "image {} in {pool}", part.as_str()),
            Self::Root(name)
            | Self::Data(name)
            | Self::Seed(name)
            | Self::Domain(name)
            | Self::Running(name)
            | Self::Ready(name)
            | Self::Configured(name)
            | Self::Prepared(name)
            | Self::Resumed(name)
            | Self::Rejoined(name) => write!(f, "{} {name}", self.kind()),
            Self::Joined(name) | Self::Balanced(name) | Self::Cluster(name) => {
                write!(f, "{} {name}", self.kind())
            }
        }
    }
}

/// Resources and what each needs.
///
/// Vertices are added after everything they need, so their order of insertion is
/// both canonical (it follows the plan) and topological, and no cycle can be
/// built. That is why `petgraph` only holds the edges: its `toposort` would return an
/// order of its own choice, and none of its algorithms finds the longest path by the
/// weights of vertices, which is [`Graph::critical_path`].
#[derive(Clone, Debug, Default)]
pub struct Graph {
    inner: DiGraph<Node, ()>,
    index: BTreeMap<Vertex, NodeIndex>,
}

#[derive(Clone, Debug)]
struct Node {
    vertex: Vertex,
    host: Option<HostName>,
}

impl Graph {
    /// Adds a vertex that needs others. Needs that are not in the graph need
    /// nothing done and are passed over; a vertex that is there already stays.
    fn add(&mut self, vertex: Vertex, host: Option<&HostName>, needs: &[Vertex]) {
        if self.index.contains_key(&vertex) {
            return;
        }
        let node = Node { vertex: vertex.clone(), host: host.cloned() };
        let new = self.inner.add_node(node);
        for need in needs.iter().filter_map(|need| self.index.get(need)) {
            self.inner.add_edge(*need, new, ());
        }
        self.index.insert(vertex, new);
    }

    /// Returns all vertices, each after everything it needs.
    pub fn vertices(&self) -> impl Iterator<Item = &Vertex> {
        self.inner.node_weights().map(|node| &node.vertex)
    }

    /// Returns the host that a vertex is worked on at; `None` for clusters.
    #[must_use]
    pub fn host(&self, vertex: &Vertex) -> Option<&HostName> {
        self.inner.node_weight(*self.index.get(vertex)?)?.host.as_ref()
    }

    /// Returns what a vertex needs, in the graph's order.
    #[must_use]
    pub fn needs(&self, vertex: &Vertex) -> Vec<&Vertex> {
        self.around(vertex, Direction::Incoming)
    }

    /// Returns what needs a vertex, in the graph's order.
    #[must_use]
    pub fn dependants(&self, vertex: &Vertex) -> Vec<&Vertex> {
        self.around(vertex, Direction::Outgoing)
    }

    fn around(&self, vertex: &Vertex, direction: Direction) -> Vec<&Vertex> {
        let Some(index) = self.index.get(vertex) else { return Vec::new() };
        let mut found: Vec<NodeIndex> = self.inner.neighbors_directed(*index, direction).collect();
        found.sort_unstable();
        let weights = found.into_iter().filter_map(|index| self.inner.node_weight(index));
        weights.map(|node| &node.vertex).collect()
    }
}

//! What happens during a walk, as it happens, for an [`Observer`]; nothing here is
//! printed.

use crate::graph::{Step, Vertex};
use crate::ids::HostName;

/// Something that happened to a vertex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The vertex.
    pub vertex: Vertex,
    /// Where; `None` for clusters.
    pub host: Option<HostName>,
    /// What happened.
    pub kind: EventKind,
}

/// What happens to a vertex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It is as planned already.
    NotNeeded,
    /// Work on it began.
    Started(Step),
    /// Bytes of an upload.
    Progress {
        /// Sent so far.
        done: u64,
        /// In all.
        total: u64,
    },
    /// What is being done of it now: a command to a cluster.
    Doing(String),
    /// Something worth knowing that is no failure.
    Note(String),
    /// It is as planned now.
    Finished,
    /// It failed.
    Failed {
        /// Why.
        cause: String,
    },
    /// Something that it needs failed, or its host was lost.
    Skipped,
}

/// Takes events, from several threads.
pub trait Observer: Sync {
    /// Called at each event, in the order of each vertex's life.
    fn on(&self, event: &Event);
}

//! What is to be done with a vertex, and why.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use super::impact::Impact;
use super::moves::Move;
use super::{Graph, Unwanted, Vertex};
use crate::engine::{Admission, Leaving, Pending};
use crate::hypervisor::DomainState;
use crate::ids::{HostName, InstanceName, ServiceName};
use crate::units::Mebibytes;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// It is as planned.
    NoOp,
    /// It is made.
    Create,
    /// It is brought to the planned state in place.
    Update,
    /// It is deleted and made again.
    Replace,
    /// It goes to another host as it is.
    Migrate,
    /// It is removed.
    Delete,
    /// Not known: its host did not answer, or may not be asked.
    Unknown,
}

impl Action {
    /// Returns its sign in listings.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::NoOp => "=",
            Self::Create => "+",
            Self::Update => "~",
            Self::Replace => "-/+",
            Self::Migrate => "->",
            Self::Delete => "-",
            Self::Unknown => "?",
        }
    }

    /// Returns its word, stable in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoOp => "no-op",
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Migrate => "migrate",
            Self::Delete => "delete",
            Self::Unknown => "unknown",
        }
    }
}

/// Why an action was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Found as planned.
    AsPlanned,
    /// Not there.
    Missing,
    /// An upload was begun and not finished.
    UploadIncomplete,
    /// A volume without its domain: an earlier run was interrupted, and what it
    /// holds cannot be known.
    LeftByInterruptedRun,
    /// The domain carries another digest than the planned instance.
    DigestDiffers,
    /// The domain is defined otherwise than planned, on the planned disks.
    DefinitionDiffers,
    /// The domain was made from the plan and differs from it now.
    Drifted {
        /// What differs, in words.
        what: String,
        /// Whether it is powered off and on to put that right.
        restart: bool,
    },
    /// The domain has a process that does not run.
    Halted(DomainState),
    /// A volume of the domain is missing.
    VolumeMissing(String),
    /// It goes on at another host.
    Moves(Box<Move>),
    /// The volume is smaller than planned.
    Grows {
        /// Its size.
        from: Mebibytes,
        /// The planned size.
        to: Mebibytes,
    },
    /// A disk grows, or has grown, and its file system has still to follow.
    FileSystemGrows,
    /// The domain is off.
    NotRunning,
    /// The agent does not answer, or the first boot is not over.
    NotReady,
    /// The engine does not run as planned.
    NotConfigured,
    /// An engine that is in use does not run as planned: what brings it there.
    Pending(Pending),
    /// An engine that is in use lets others in than planned, which changes while it runs.
    Admission(Admission),
    /// All instances of a service let each other in by both rules before any changes over.
    BothRules,
    /// The cluster is not as planned: the first difference.
    ClusterDiffers(String),
    /// Something that it depends on is made or changed.
    UpstreamChanged,
    /// Can only be seen when what it needs is there.
    ToBeChecked,
    /// What instances send each other is to be encrypted, or not any more.
    ChangesOver(String),
    /// Instances are new to its cluster.
    NewMembers,
    /// Instances leave its cluster.
    MembersLeave,
    /// Instances are about to have less memory: data leaves them before.
    LessMemory,
    /// Its guest is paused.
    Paused,
    /// Its machine was replaced.
    MachineReplaced,
    /// Carries the tag of the deployment and is not in the plan.
    NotInPlan,
    /// Its removal was asked for.
    Removal,
    /// The host did not answer.
    HostUnreachable,
    /// It was on that host, which did not answer and may still run it.
    MayRunOn(HostName),
    /// The connection is read-only: guests cannot be asked.
    NotAsked,
    /// The state of a member is not known.
    MemberUnknown,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AsPlanned => f.write_str("as planned"),
            Self::Missing => f.write_str("missing"),
            Self::UploadIncomplete => f.write_str("upload was interrupted"),
            Self::LeftByInterruptedRun => f.write_str("orphaned by an interrupted run"),
            Self::DigestDiffers => f.write_str("digest differs from the plan"),
            Self::DefinitionDiffers => f.write_str(
                "CPUs, memory or devices differ from the plan, power cycle on its disks",
            ),
            Self::Drifted { what, restart: false } => f.write_str(what),
            Self::Drifted { what, restart: true } => write!(f, "power cycle: {what}"),
            Self::Halted(state) => state.fmt(f),
            Self::VolumeMissing(name) => write!(f, "volume {name} is missing"),
            Self::Moves(moving) => moving.fmt(f),
            Self::Grows { from, to } => write!(f, "grows from {from} to {to}"),
            Self::FileSystemGrows => f.write_str("its file system follows its disk"),
            Self::NotRunning => f.write_str("not running"),
            Self::NotReady => f.write_str("not ready yet"),
            Self::NotConfigured => f.write_str("engine is not configured as planned"),
            Self::Pending(what) => what.fmt(f),
            Self::Admission(what) => write!(f, "{what}, taken up live"),
            Self::BothRules => f.write_str("lets others in by both rules before any changes over"),
            Self::ClusterDiffers(what) => f.write_str(what),
            Self::UpstreamChanged => f.write_str("a dependency changes"),
            Self::ToBeChecked => f.write_str("checked once it runs"),
            Self::ChangesOver(to) => write!(
                f,
                "all instances change over at once, to connections between them that are {to}"
            ),
            Self::NewMembers => f.write_str("new instances join before others are replaced"),
            Self::MembersLeave => f.write_str("instances leave once others have their data"),
            Self::LessMemory => f.write_str("data moves before instances get less memory"),
            Self::Paused => f.write_str("paused, runs on before anything is taken away"),
            Self::MachineReplaced => f.write_str("back in its cluster before the next is replaced"),
            Self::NotInPlan => f.write_str("not in the plan"),
            Self::Removal => f.write_str("to be removed"),
            Self::HostUnreachable => f.write_str("host unreachable"),
            Self::MayRunOn(host) => write!(
                f,
                "may still run on {host}, which does not answer: bring it back, or leave it out \
                 with --without {host} if it is off"
            ),
            Self::NotAsked => f.write_str("not asked: read-only access"),
            Self::MemberUnknown => f.write_str("state of a member is unknown"),
        }
    }
}

/// An action with its reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is to be done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
}

/// The answer of a decision: the graph with a step for every vertex.
#[derive(Clone, Debug, Default)]
pub struct Actions {
    graph: Graph,
    steps: BTreeMap<Vertex, Step>,
    unwanted: BTreeMap<Vertex, Unwanted>,
    former_data: BTreeMap<InstanceName, Vec<(String, String)>>,
    leaving: Vec<Leaving>,
    impacts: Vec<Impact>,
    turns: BTreeMap<ServiceName, Arc<Mutex<()>>>,
}

/// How many vertices get each action.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// As planned.
    pub no_op: usize,
    /// To be made.
    pub create: usize,
    /// To be brought to the plan in place.
    pub update: usize,
    /// To be made again.
    pub replace: usize,
    /// To go to another host.
    pub migrate: usize,
    /// To be removed.
    pub delete: usize,
    /// On hosts that did not answer.
    pub unknown: usize,
}

impl Counts {
    /// Counts everything that changes something.
    #[must_use]
    pub const fn changes(&self) -> usize {
        self.create + self.update + self.replace + self.migrate + self.delete
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { no_op: _, create, update, replace, migrate, delete, unknown } = self;
        write!(
            f,
            "{create} to create, {update} to update, {replace} to replace, {delete} to delete"
        )?;
        if *migrate > 0 {
            write!(f, ", {migrate} to migrate")?;
        }
        if *unknown > 0 {
            write!(f, ", {unknown} unknown")?;
        }
        Ok(())
    }
}

impl Actions {
    pub(super) fn new(
        graph: Graph,
        steps: BTreeMap<Vertex, Step>,
        unwanted: BTreeMap<Vertex, Unwanted>,
    ) -> Self {
        Self { graph, steps, unwanted, ..Self::default() }
    }

    /// The same with data volumes that instances of replaced machines do not have any more.
    pub(super) fn with_former_data(
        self,
        former_data: BTreeMap<InstanceName, Vec<(String, String)>>,
    ) -> Self {
        Self { former_data, ..self }
    }

    /// The same with instances that are to leave, and what the steps do to services.
    pub(super) fn with<'a>(
        self,
        leaving: Vec<Leaving>,
        impacts: Vec<Impact>,
        services: impl Iterator<Item = &'a ServiceName>,
    ) -> Self {
        let turns = services.map(|service| (service.clone(), Arc::default())).collect();
        Self { leaving, impacts, turns, ..self }
    }

    /// Returns what has to be held from the moment that an instance of a service is found
    /// to be dispensable until it is off: two that hold copies of the same data are
    /// dispensable for each other.
    #[must_use]
    pub fn turn(&self, service: &ServiceName) -> Option<&Mutex<()>> {
        self.turns.get(service).map(AsRef::as_ref)
    }

    /// Returns the instances that are to leave their services.
    #[must_use]
    pub fn leaving(&self) -> &[Leaving] {
        &self.leaving
    }

    /// Returns what the steps stop or lose, whatever their order.
    #[must_use]
    pub fn impacts(&self) -> &[Impact] {
        &self.impacts
    }

    /// Returns the graph that the steps belong to.
    #[must_use]
    pub const fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Returns every vertex with its step, each after everything it needs.
    pub fn steps(&self) -> impl Iterator<Item = (&Vertex, &Step)> {
        self.graph.vertices().filter_map(|vertex| Some((vertex, self.steps.get(vertex)?)))
    }

    /// Returns the step of a vertex.
    #[must_use]
    pub fn step(&self, vertex: &Vertex) -> Option<&Step> {
        self.steps.get(vertex)
    }

    /// Returns what goes with an unwanted vertex.
    #[must_use]
    pub fn unwanted(&self, vertex: &Vertex) -> Option<&Unwanted> {
        self.unwanted.get(vertex)
    }

    /// Returns all that is to go, in no order that matters.
    pub fn all_unwanted(&self) -> impl Iterator<Item = &Unwanted> {
        self.unwanted.values()
    }

    /// Returns the data volumes of an instance, as pool and name, that go with its machine:
    /// the machine is replaced, and no data volume is planned for it any more.
    #[must_use]
    pub fn former_data(&self, instance: &InstanceName) -> &[(String, String)] {
        self.former_data.get(instance).map_or(&[], Vec::as_slice)
    }

    /// Counts the steps.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (_, step) in self.steps() {
            match step.action {
                Action::NoOp => counts.no_op += 1,
                Action::Create => counts.create += 1,
                Action::Update => counts.update += 1,
                Action::Replace => counts.replace += 1,
                Action::Migrate => counts.migrate += 1,
                Action::Delete => counts.delete += 1,
                Action::Unknown => counts.unknown += 1,
            }
        }
        counts
    }
}

//! What the author of an engine writes: two questions to the world, pure functions of
//! their answers, and the commands. Waiting, converging, configuring and restarting one
//! after the other are written once on top of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

pub use super::copies::Copies;
use super::load::{Bound, Measured};
pub use super::probe::Broken;
use super::{Admission, Crew, Difference, EngineError, Fact, Leaving, Through};
use crate::guest::Guest;
use crate::guest_file::GuestFile;
use crate::ids::InstanceName;
use crate::plan::Instance;
use crate::secret::{Identity, ServiceSecrets};

/// What a command was answered, or why it was not.
pub type Answer = Result<String, EngineError>;

/// How long instances and their cluster are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long one may take to serve once it was started: it loads its data.
    pub loading: Duration,
    /// How long nothing may change.
    pub idle: Duration,
    /// How long anything may go on changing: a copy of all that a host can hold.
    pub longest: Duration,
    /// Between two looks.
    pub pause: Duration,
    /// Looks that may show no effect of commands before they are repeated.
    pub settling: u32,
    /// Commands in a row that may be refused: what was seen may have changed.
    pub refusals: u32,
}

/// How far a cluster is brought to its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Goal {
    /// Every instance belongs to the cluster and copies the data of its group; who leads,
    /// and which data each group has, is left as it is.
    Joined,
    /// Each group has the data that is planned for it.
    Balanced,
    /// All as planned: who leads too, and instances that leave belong to it no more.
    Planned,
}

impl Goal {
    /// Whether a fact is part of it.
    #[must_use]
    pub const fn includes(self, fact: &Fact) -> bool {
        match fact {
            Fact::Role
            | Fact::Departure(_)
            | Fact::OwnerOfSlots(_)
            | Fact::MovingSlots
            | Fact::Response(_)
            | Fact::Frontend(_) => matches!(self, Self::Planned),
            _ => fact.is_formed(),
        }
    }
}

/// A cluster as its instances report it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed<S> {
    /// What those report that answered.
    pub seen: BTreeMap<InstanceName, S>,
    /// Why the others did not answer.
    pub silent: BTreeMap<InstanceName, EngineError>,
}

/// An engine whose instances belong together.
pub trait Cluster: Send + Sync {
    /// The cluster as planned.
    type Target: Send + Sync;
    /// What one instance reports of itself and of the others.
    type Seen: Clone + PartialEq + Send + Sync;
    /// One command to one instance.
    type Step: Clone + PartialEq + fmt::Display;
    /// Changes that a running instance takes up.
    type Live;

    /// How long it is waited for.
    const PATIENCE: Patience;

    /// Whether an instance that was started anew takes its place again by itself.
    const REJOINS: bool = true;

    /// Its systemd units, without `.service`, in the order of their start.
    fn units(&self) -> &'static [&'static str];

    /// Reads the target out of the plan, for the instances of a crew.
    ///
    /// # Errors
    /// The plan contradicts itself.
    fn target(&self, crew: &Crew<'_>) -> Result<Self::Target, EngineError>;

    /// Asks one instance for everything at once.
    ///
    /// # Errors
    /// Why it does not answer.
    fn look(
        &self,
        crew: &Crew<'_>,
        target: &Self::Target,
        instance: &Instance,
    ) -> Result<Self::Seen, EngineError>;

    /// Asks an instance that is to leave for the same, from the guest of `via`; `None` for
    /// an engine whose instances do not know each other.
    ///
    /// # Errors
    /// Why it does not answer.
    fn look_at_leaving(
        &self,
        _crew: &Crew<'_>,
        _target: &Self::Target,
        _leaving: &Leaving,
        _via: &Instance,
    ) -> Option<Result<Self::Seen, EngineError>> {
        None
    }

    /// Asks all instances of a crew, at the same time; then those that are to leave.
    fn observe(&self, crew: &Crew<'_>, target: &Self::Target) -> Observed<Self::Seen> {
        let answers = crew.each_member(|one| self.look(crew, target, one));
        let mut observed = Observed { seen: BTreeMap::new(), silent: BTreeMap::new() };
        let mut via = None;
        for (one, answer) in crew.members().iter().zip(answers) {
            match answer {
                Ok(seen) => {
                    via.get_or_insert(*one);
                    observed.seen.insert(one.name.clone(), seen);
                }
                Err(error) => drop(observed.silent.insert(one.name.clone(), error)),
            }
        }
        if let Some(via) = via {
            for leaving in crew.leaving().iter().filter(|one| one.address.is_some()) {
                if let Some(Ok(seen)) = self.look_at_leaving(crew, target, leaving, via) {
                    observed.seen.insert(leaving.name.clone(), seen);
                }
            }
        }
        observed
    }

    /// The commands that bring the cluster nearer to the goal now. None may mean that
    /// it is reached, or that something has to settle first.
    ///
    /// # Errors
    /// Why only a person may decide what is to be done.
    fn steps(
        &self,
        target: &Self::Target,
        observed: &Observed<Self::Seen>,
        goal: Goal,
    ) -> Result<Vec<Self::Step>, String>;

    /// Whether a step that was taken has an effect of its own each time, as one that
    /// moves data has: it may be repeated for as long as there is data.
    fn makes_progress(_step: &Self::Step) -> bool {
        false
    }

    /// All differences between target and observation.
    fn differences(
        &self,
        target: &Self::Target,
        observed: &Observed<Self::Seen>,
    ) -> Vec<Difference>;

    /// Data of which nothing is left, in words, by the instance that is to serve it. It is
    /// given up where the crew may lose data.
    fn lost(
        &self,
        _target: &Self::Target,
        _observed: &Observed<Self::Seen>,
    ) -> BTreeMap<InstanceName, String> {
        BTreeMap::new()
    }

    /// Asks, just before steps are taken, for what must keep them from being taken, a
    /// line each.
    fn hindrances(
        &self,
        _crew: &Crew<'_>,
        _target: &Self::Target,
        _observed: &Observed<Self::Seen>,
        _steps: &[Self::Step],
    ) -> Vec<String> {
        Vec::new()
    }

    /// Takes steps; each with its answer.
    ///
    /// # Errors
    /// The way to an instance. What the engine refuses is the answer.
    fn act<'s>(
        &self,
        crew: &Crew<'_>,
        target: &Self::Target,
        steps: &'s [Self::Step],
    ) -> Result<Vec<(&'s Self::Step, Answer)>, EngineError>;

    /// The kind of a step, as a noun that can be counted.
    fn kind(step: &Self::Step) -> &'static str;

    /// Takes out of what an instance reports what moves in a cluster that is at rest.
    fn settle(_seen: &mut Self::Seen) {}

    /// What will be seen once steps were taken, where that is certain.
    fn foresee(
        _observed: &Observed<Self::Seen>,
        _steps: &[Self::Step],
    ) -> Option<Observed<Self::Seen>> {
        None
    }

    /// What clients go through, each with the instance that is planned to serve it: groups
    /// by their leads.
    fn entries<'a>(&self, crew: &Crew<'a>) -> Vec<(Through, &'a Instance)> {
        let through = |lead: &'a Instance| Some((Through::Group(lead.group?), lead));
        crew.leads().filter_map(through).collect()
    }

    /// The copies of a group as seen.
    fn copies(&self, target: &Self::Target, observed: &Observed<Self::Seen>, group: u32) -> Copies;

    /// The copies of what an instance serves or copies now, which need not be what is
    /// planned; nobody, where it holds nothing that anybody relies on.
    fn copies_with(
        &self,
        target: &Self::Target,
        observed: &Observed<Self::Seen>,
        instance: &InstanceName,
    ) -> Copies;

    /// Lets an instance that copies the data of its group take the lead.
    ///
    /// # Errors
    /// The way to it, or its refusal.
    fn take_lead(
        &self,
        crew: &Crew<'_>,
        target: &Self::Target,
        instance: &InstanceName,
    ) -> Result<(), EngineError>;

    /// Prepares the others for doing without an instance for a while, just before it is taken
    /// away; says what was done. Forming takes it back.
    ///
    /// # Errors
    /// The way to them, or their refusal.
    fn spare(
        &self,
        _crew: &Crew<'_>,
        _target: &Self::Target,
        _instance: &InstanceName,
    ) -> Result<Vec<String>, EngineError> {
        Ok(Vec::new())
    }

    /// Lets one of a group lead whose leader is off, as the caller has made sure: `to`, or the
    /// one that has most. An engine that elects by itself refuses.
    ///
    /// # Errors
    /// The way to it, or why it cannot.
    fn promote(
        &self,
        crew: &Crew<'_>,
        _group: u32,
        _to: Option<&InstanceName>,
    ) -> Result<InstanceName, EngineError> {
        Err(EngineError::Refused {
            service: crew.service.name.clone(),
            reason: "it decides by itself who leads".to_owned(),
        })
    }

    /// Why a write to a leader that answers does not come back, if it does not: its disk may be
    /// full.
    ///
    /// # Errors
    /// The plan contradicts itself.
    fn stuck(
        &self,
        _crew: &Crew<'_>,
        _leader: &InstanceName,
    ) -> Result<Option<String>, EngineError> {
        Ok(None)
    }

    /// How a running instance takes up changes: `files` are those that differ, and
    /// `running` what it runs with that is not as planned, if it could be asked.
    fn uptake(&self, files: &[FileChange], running: Option<&[Difference]>) -> Uptake<Self::Live>;

    /// Whether an instance that has taken up changes cannot talk to one that has not, so
    /// that all of a cluster have to be restarted together.
    fn divides(&self, _files: &[FileChange]) -> bool {
        false
    }

    /// How changes of its files alter whom an instance in use lets in.
    fn admission(&self, _files: &[FileChange]) -> Option<Admission> {
        None
    }

    /// Whether changes let clients reach an instance elsewhere, so that one after the other
    /// has to take them up.
    fn moves_door(&self, _files: &[FileChange]) -> bool {
        false
    }

    /// Whether a running instance takes changes up before its files are replaced, since they
    /// hold the way in until it has.
    fn takes_up_first(&self, _files: &[FileChange]) -> bool {
        false
    }

    /// Instances that answer and do not let others in as planned.
    fn reserved(
        &self,
        _target: &Self::Target,
        _observed: &Observed<Self::Seen>,
    ) -> BTreeSet<InstanceName> {
        BTreeSet::new()
    }

    /// Lets a running instance let others in as it does and as is planned, and get in at
    /// others by both; says what was done.
    ///
    /// # Errors
    /// The way to it, or its refusal.
    fn prepare(&self, _crew: &Crew<'_>, _instance: &Instance) -> Result<Vec<String>, EngineError> {
        Ok(Vec::new())
    }

    /// Brings what an instance serves and no file of its configuration holds into its guest,
    /// before its configuration refers to it; says what was done.
    ///
    /// # Errors
    /// The guest; what is to be served is not there, or is not what was planned.
    fn supply(&self, _crew: &Crew<'_>, _instance: &Instance) -> Result<Vec<String>, EngineError> {
        Ok(Vec::new())
    }

    /// Lets the engine's own program judge files before they are written in the place of
    /// those that it runs with.
    ///
    /// # Errors
    /// [`EngineError::Refused`] with its words; the guest.
    fn judge(
        &self,
        _crew: &Crew<'_>,
        _instance: &Instance,
        _files: &[FileChange],
    ) -> Result<(), EngineError> {
        Ok(())
    }

    /// Asks, before anything of changes is written, what must keep a running instance from
    /// taking them up now.
    ///
    /// # Errors
    /// [`EngineError::Refused`] with the reason; the way to it.
    fn may_take_up(
        &self,
        _crew: &Crew<'_>,
        _instance: &Instance,
        _changes: &Self::Live,
    ) -> Result<(), EngineError> {
        Ok(())
    }

    /// Lets a running instance take up changes; says what was done.
    ///
    /// # Errors
    /// The way to it, or its refusal.
    fn take_up(
        &self,
        crew: &Crew<'_>,
        instance: &Instance,
        changes: &Self::Live,
    ) -> Result<Vec<String>, EngineError>;

    /// Asks whether an instance serves.
    ///
    /// # Errors
    /// The way to it.
    fn serving(&self, crew: &Crew<'_>, instance: &Instance) -> Result<Serving, EngineError>;

    /// Asks what clients of an instance are answered that they can do nothing with, by where
    /// they ask; nothing for an engine that serves whenever it answers.
    ///
    /// # Errors
    /// It does not answer.
    fn complaints(&self, _crew: &Crew<'_>, _: &Instance) -> Result<Complaints, EngineError> {
        Ok(Complaints::new())
    }

    /// Sends a value through the instance `at` from the guest of `via`, as a client
    /// would, and removes it.
    ///
    /// # Errors
    /// On which side it failed.
    fn round_trip(
        &self,
        crew: &Crew<'_>,
        target: &Self::Target,
        at: &Instance,
        via: &Instance,
    ) -> Result<(), Broken>;

    /// Writes a numbered value of a series through the instance `at` from the guest of `via`,
    /// both given in that order, and reads it back; nothing waits for a server that does not
    /// answer at once. Returns why it could not be read, where the write was acknowledged. An
    /// engine that holds no data is not asked.
    ///
    /// # Errors
    /// On which side the write failed.
    fn write_numbered(
        &self,
        _crew: &Crew<'_>,
        _target: &Self::Target,
        _ends: (&Instance, &Instance),
        _value: (&str, u64),
    ) -> Result<Option<String>, Broken> {
        Err(Broken::no_values())
    }

    /// Returns which numbers of a series cannot be read; with `forget` removes all of them. An
    /// engine that holds no data is not asked.
    ///
    /// # Errors
    /// On which side it failed.
    fn lost_numbers(
        &self,
        _crew: &Crew<'_>,
        _target: &Self::Target,
        _ends: (&Instance, &Instance),
        _series: (&str, &BTreeSet<u64>),
        _forget: bool,
    ) -> Result<BTreeSet<u64>, Broken> {
        Err(Broken::no_values())
    }

    /// What a load counts first, and the plan promises: `reads`.
    const WORK: &'static str;

    /// Puts a load on an instance from the guest of another, both given in that order,
    /// and leaves nothing behind.
    ///
    /// # Errors
    /// Why none went through.
    fn press(
        &self,
        crew: &Crew<'_>,
        target: &Self::Target,
        ends: (&Instance, &Instance),
        bound: Bound,
    ) -> Result<Measured, EngineError>;

    /// Reads the passwords that a guest was given; `None` where it was given none.
    ///
    /// # Errors
    /// The guest does not answer.
    fn recover(&self, _guest: &Guest<'_>) -> Result<Option<ServiceSecrets>, EngineError> {
        Ok(None)
    }

    /// Reads the certificate that a guest was given, with its key and who signed it; `None`
    /// where it was given none.
    ///
    /// # Errors
    /// The guest does not answer.
    fn identity(&self, _guest: &Guest<'_>) -> Result<Option<Identity>, EngineError> {
        Ok(None)
    }
}

/// A file that is not in the guest as it should be.
#[derive(Clone, Debug)]
pub struct FileChange {
    /// As it should be.
    pub file: GuestFile,
    /// As it is; `None` where there is none.
    pub before: Option<String>,
}

impl FileChange {
    /// The same as a difference of an instance.
    #[must_use]
    pub fn difference(&self, instance: &InstanceName) -> Difference {
        let found = if self.before.is_some() { "another" } else { "missing" };
        Difference {
            instance: instance.clone(),
            fact: Fact::File(self.file.path.clone()),
            planned: "as the deployment has it".to_owned(),
            found: found.to_owned(),
        }
    }
}

/// How a running instance takes up changes.
#[derive(Debug)]
pub enum Uptake<L> {
    /// It runs as planned.
    Nothing,
    /// While it runs.
    Live(L),
    /// By a restart.
    Restart,
}

/// What an instance says when it is asked whether it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serving {
    /// It does.
    Yes,
    /// Not yet, with its last words.
    NotYet(String),
    /// It runs with other secrets than those in its files.
    Estranged(String),
    /// It runs with its files and answers, and clients can do nothing with what it answers.
    Badly(Complaints),
}

/// What clients are answered that they can do nothing with, by where they ask. Instances of
/// which each can serve in the place of the other are asked at the same places.
pub type Complaints = BTreeMap<String, String>;
